"""``badpix-selfcal completion``: the script that completes commands and options in a shell."""

from __future__ import annotations

import argparse
from typing import Final

from ..messages import extra
from .options import Report, command
from .parser import Commands, Parser

__all__ = ["add"]

SHELLS: Final = ("bash", "zsh", "fish")

_COMPLETION = """\
Print a script for completion in the shell. With it the Tab key completes
commands, options and files. Needs the extra "completion"."""

_COMPLETION_EXAMPLES = """\
examples:
  eval "$(badpix-selfcal completion bash)"              # in ~/.bashrc
  badpix-selfcal completion zsh > _badpix-selfcal       # to a folder in $fpath
  badpix-selfcal completion fish > badpix-selfcal.fish  # to its completions"""


def add(commands: Commands) -> None:
    """Add the command."""
    completion = command(
        commands, "completion", "SHELL", _COMPLETION, _COMPLETION_EXAMPLES, _completion
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def _completion(given: argparse.Namespace) -> Report:
    try:
        import shtab
    except ImportError as error:
        raise RuntimeError(f"completion needs shtab ({error}): {extra('completion')}") from error
    parser: Parser = given.program
    files = dict.fromkeys(("A", "B", "FILE", "INPUT", "MASK", "RESULT"), shtab.FILE)
    places = {**files, "DIR": shtab.DIRECTORY}
    for each in parser.commands.values():
        for action in each.arguments:
            if action.metavar in places:
                action.complete = places[str(action.metavar)]  # type: ignore[attr-defined]
    return Report({}, shtab.complete(parser, given.shell))
