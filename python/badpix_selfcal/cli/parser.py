"""The parser of a command: wrong usage names the command, what was meant, and where help is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, TypeAlias

from ..messages import PROGRAM
from .terminal import say

__all__ = ["Commands", "Parser", "WrongUsage", "parse"]

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class WrongUsage(Exception):  # noqa: N818 - not an error of the program
    """The arguments are wrong.

    Parameters
    ----------
    parser : Parser
        The parser of the command, or that of the program.
    problem : str
        What is wrong.
    """

    def __init__(self, parser: Parser, problem: str) -> None:
        super().__init__(problem)
        self.parser = parser

    def text(self) -> str:
        """Return what the user reads: the usage, the problem, where help is."""
        prog = self.parser.prog
        return (
            f"{self.parser.format_usage()}{prog}: error: {self}\n"
            f"'{prog} --help' lists {'the options' if self.parser.is_command else 'the commands'}"
        )


class Parser(argparse.ArgumentParser):
    """A parser that raises `WrongUsage` and accepts no abbreviation of an option.

    Attributes
    ----------
    commands : dict of str to Parser
        The parsers of the commands; empty for a command.
    """

    def __init__(self, **how: Any) -> None:
        layout = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=layout, **how)
        self.commands: dict[str, Parser] = {}

    def _print_message(self, message: str, file: object = None) -> None:  # noqa: ARG002
        """Print a help page or the version; argparse would hide that it cannot be printed."""
        say(message.rstrip("\n"), "stdout")

    @property
    def is_command(self) -> bool:
        """Whether this is the parser of one command."""
        return not self.commands

    @property
    def options(self) -> dict[str, argparse.Action]:
        """The actions of the options by each of their names."""
        return dict(self._option_string_actions)

    @property
    def arguments(self) -> list[argparse.Action]:
        """The actions of the options and inputs, without ``--help``."""
        return [each for each in self._actions if not isinstance(each, argparse._HelpAction)]

    def error(self, message: str) -> NoReturn:
        """Raise `WrongUsage`."""
        raise WrongUsage(self, message)


def parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments of the program.

    Raises
    ------
    WrongUsage
        If they are wrong.
    SystemExit
        After ``--help`` and ``--version``.
    """
    start = _start(words)
    if start < len(words) and words[start] not in parser.commands:
        near = _meant(words[start], parser.commands)
        raise WrongUsage(parser, f"no such command: {words[start]}{near}")
    if start == len(words) and not parser.options.keys() & {*words}:
        after = "; options stand after it, and --version prints the version" if words else ""
        raise WrongUsage(parser, f"no command given{after}")
    given, unknown = parser.parse_known_args(words)
    if unknown:
        command = parser.commands[words[start]]
        raise WrongUsage(command, _unknown(unknown, words, start, command))
    return given


def _start(words: Sequence[str]) -> int:
    """Return where the command stands; after the end if there is none."""
    return next((at for at, word in enumerate(words) if not word.startswith("-")), len(words))


def _unknown(unknown: list[str], words: Sequence[str], start: int, command: Parser) -> str:
    """Return what is wrong with arguments that are not known, and what may be meant."""
    word = next((each for each in unknown if each.startswith("-")), unknown[0])
    name = word.partition("=")[0]
    if word in words[:start]:
        return f"{word} stands before the command; write {command.prog} ... {word}"
    if word.startswith("-"):
        return f"no such option: {name}{_meant(name, command.options)}"
    option = _option_before(words, words.index(word, start + 1))
    action = command.options.get(option)
    if isinstance(action, argparse._AppendAction):
        return (
            f"{option} takes one {action.metavar} at a time, and {word} is one more: repeat "
            f"{option} for each, or quote a pattern"
        )
    more = ""
    if command.prog.endswith(" run"):
        more = f"; '{PROGRAM} batch' takes many exposures"
    return f"one argument too many: {word}{more}"


def _option_before(words: Sequence[str], at: int) -> str:
    """Return the last option before a place; empty if there is none."""
    return next((word for word in reversed(words[:at]) if word.startswith("-")), "")


def _meant(word: str, known: dict[str, argparse.Action] | dict[str, Parser]) -> str:
    """Return a question after the name that is meant; empty if none is near."""
    names = {name.lstrip("-"): name for name in known}  # dashes are no likeness
    near = get_close_matches(word.lstrip("-"), names, n=1, cutoff=0.6)
    return f"; did you mean {names[near[0]]}?" if near else ""
