"""The command ``badpix-selfcal``: argument parsing and printing only."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Final

from .._kernels import __version__
from ..errors import reason_of
from ..log import log
from ..messages import PROGRAM, on_command_line
from . import associate, batch, completion, guide, run, simulate
from .options import Report
from .parser import Parser, WrongUsage, parse
from .terminal import Terminated, orderly_termination, say, stderr_log, stderr_warnings

__all__ = ["main"]

DONE, FAILED, WRONG_USAGE, SKIPPED = 0, 1, 2, 3
INTERRUPTED, TERMINATED = 130, 143

INTERNAL: Final = ("command", "program", "stopped")
"""Names among the arguments that are not those of the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments; those of the process unless given.

    Returns
    -------
    int
        The exit status: 0 done, 1 failed, 2 wrong usage, 3 the step was skipped for some or all
        exposures, 130 interrupted, 143 terminated.
    """
    words = sys.argv[1:] if arguments is None else [*arguments]
    try:
        given = parse(program(), words)
    except SystemExit as stop:
        return int(stop.code or 0)
    except WrongUsage as wrong:
        say(wrong.text(), sys.stderr)
        if "--json" in words:
            _print_json(WRONG_USAGE, [], [str(wrong)], {})
        return WRONG_USAGE
    with on_command_line(), stderr_warnings(quiet=given.quiet) as warned:
        status, errors, report = _outcome(given)
    if given.json:
        _print_json(status, warned, errors, report.facts if report else {})
    elif report and report.text and not given.quiet:
        say(report.text, sys.stdout)
    return status


def _outcome(given: argparse.Namespace) -> tuple[int, list[str], Report | None]:
    """Run a command; return its exit status, its errors, which are printed, and its report."""
    try:
        with stderr_log(given.verbose), orderly_termination():
            report = _run(given)
    except (KeyboardInterrupt, Terminated) as stop:
        status, word = INTERRUPTED, "interrupted"
        if isinstance(stop, Terminated):
            status, word = TERMINATED, "terminated"
        text = f"{word}; {_result_of(stop, given)}"
        say(f"{PROGRAM}: {text}", sys.stderr)
        return status, [text], None
    except Exception as error:
        return FAILED, [_report_error(error, given.verbose)], None
    for each in report.errors:
        say(f"{PROGRAM}: error: {each}", sys.stderr)
    status = FAILED if report.errors else SKIPPED if report.skipped else DONE
    return status, [*report.errors], report


def _run(given: argparse.Namespace) -> Report:
    log.info("%s %s, Python %s", PROGRAM, __version__, sys.version.split()[0])
    log.debug("arguments: %s", {k: v for k, v in vars(given).items() if k not in INTERNAL})
    report: Report = given.command(given)
    return report


def _print_json(
    status: int, warned: Sequence[str], errors: Sequence[str], facts: dict[str, Any]
) -> None:
    """Print the report in JSON. It says how the command ended, whatever happens."""
    head = {
        "version": __version__,
        "exit_status": status,
        "warnings": [*warned],
        "errors": [*errors],
    }
    say(json.dumps(head | facts, indent=2), sys.stdout)


def _result_of(interrupt: BaseException, given: argparse.Namespace) -> str:
    """Return what an interrupted command has written."""
    return "; ".join(getattr(interrupt, "__notes__", [])) or str(given.stopped)


def _is_expected(error: Exception) -> bool:
    """Return whether an input, an argument or the machine causes an error.

    A ValueError or RuntimeError of another package is none that this package foresees.
    """
    if isinstance(error, (OSError, MemoryError)):
        return True
    if not isinstance(error, (ValueError, RuntimeError)):
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return bool(frame.f_globals["__name__"].split(".")[0] == __package__.split(".")[0])


def _report_error(error: Exception, verbosity: int) -> str:
    """Print an error in one line, and return it.

    -v adds the traceback of an unexpected one, -vv of any.
    """
    expected = _is_expected(error)
    if verbosity > (1 if expected else 0):
        say("".join(traceback.format_exception(error)).rstrip(), sys.stderr)
    if expected:
        say(f"{PROGRAM}: error: {reason_of(error)}", sys.stderr)
        return reason_of(error)
    how = "with the traceback above" if verbosity else "with the traceback that --verbose prints"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    say(f"{PROGRAM}: unexpected error: {what}; please report it {how}", sys.stderr)
    return what


def program() -> Parser:
    """Return the parser of the program, with all commands."""
    parser = Parser(
        prog=PROGRAM,
        usage="%(prog)s COMMAND [OPTION ...] ...",
        description="Self-calibration of bad pixels in JWST integral-field exposures.",
        epilog=f"'{PROGRAM} COMMAND --help' describes a command.\n"
        f"'{PROGRAM} help options' lists all options and their keywords in Python.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", prog=PROGRAM, parser_class=Parser
    )
    for each in (run, batch, associate, simulate, completion, guide):
        each.add(commands)
    parser.commands = dict(commands.choices)
    parser.set_defaults(program=parser)
    return parser
