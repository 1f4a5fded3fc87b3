"""``badpix-selfcal help``: the help page of a command, and the table of all options."""

from __future__ import annotations

import argparse

from .options import Report, command
from .parser import Commands, Parser
from .table import table

__all__ = ["add"]

OPTIONS = "options"

_HELP = """\
Print the help page of a command. 'options' prints a table of all options of the
commands with their keywords in Python."""

_HELP_EXAMPLES = """\
examples:
  badpix-selfcal help run
  badpix-selfcal help options"""


def add(commands: Commands) -> None:
    """Add the command, after all others."""
    helps = command(commands, "help", "[COMMAND]", _HELP, _HELP_EXAMPLES, _help)
    pages: dict[str, Parser] = commands.choices
    helps.add_argument(
        "page",
        metavar="COMMAND",
        nargs="?",
        choices=(*pages, OPTIONS),
        help=f"{', '.join(pages)}, or {OPTIONS}",
    )


def _help(given: argparse.Namespace) -> Report:
    program: Parser = given.program
    if given.page == OPTIONS:
        return Report({}, table(program.commands).rstrip())
    page = program if given.page is None else program.commands[given.page]
    return Report({}, page.format_help().rstrip())
