"""The command ``badpix-selfcal``: argument parsing and printing only."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from .._kernels import __version__
from ..errors import reason_of
from ..files.published import PUBLISHED, published
from ..log import log
from ..messages import PROGRAM, on_command_line
from . import (
    apply,
    associate,
    batch,
    compare,
    completion,
    export,
    guide,
    history,
    plot,
    report,
    run,
    simulate,
    verify,
)
from .options import NOTHING, Report
from .parser import Parser, WrongUsage, parse
from .terminal import (
    Stream,
    Terminated,
    claim_descriptors,
    exception_of,
    flush,
    orderly_termination,
    printing,
    say,
    stderr_log,
    stderr_warnings,
)

__all__ = ["main"]

DONE, FAILED, WRONG_USAGE, SKIPPED, DIFFERENT = 0, 1, 2, 3, 4
INTERRUPTED, TERMINATED = 130, 143
ENDED: Final = (DONE, SKIPPED, DIFFERENT)
"""The exit statuses of commands that ran to their end."""

INTERNAL: Final = ("command", "program", "stopped", "written")
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
        exposures, 4 two files differ, 130 interrupted, 143 terminated.
    """
    claim_descriptors()
    with printing() as problem:
        call = _Call(sys.argv[1:] if arguments is None else [*arguments], problem)
        try:
            with orderly_termination(is_process=arguments is None) as received:
                try:
                    call.run(received)
                except (KeyboardInterrupt, Terminated) as stop:
                    call.stop(stop)
        except (KeyboardInterrupt, Terminated) as stop:  # just before or after
            call.stop(stop)
        return call.end()


class _Call:
    """One run of the command line: what it prints, and its exit status."""

    def __init__(self, words: list[str], problem: Callable[[Stream], str]) -> None:
        self._words = words
        self._problem = problem
        self._before = published()
        self._given: argparse.Namespace | None = None
        self._warned: list[str] = []
        self._is_reported = False
        self._status: int | None = None

    def run(self, received: Sequence[int]) -> None:
        """Run the command and print its report."""
        try:
            given = self._given = parse(program(), self._words)
        except SystemExit as stop:
            self._status = int(stop.code or 0)
            return
        except WrongUsage as wrong:
            say(wrong.text(), "stderr")
            self._report(WRONG_USAGE, [str(wrong)])
            return
        with on_command_line(), stderr_warnings(quiet=given.quiet) as self._warned:
            status, errors, report = _outcome(given, received)
        self._report(status, errors, report)

    def stop(self, interrupt: BaseException) -> None:
        """Say that the command was stopped, and what there is now."""
        if self._status is not None:
            return  # it had ended and has said so
        status, word = INTERRUPTED, "interrupted"
        if isinstance(interrupt, Terminated):
            status, word = TERMINATED, "terminated"
        text = f"{word}; {self._result_of(interrupt)}"
        say(f"{PROGRAM}: {text}", "stderr")
        if self._is_reported:
            self._status = status
        else:
            self._report(status, [text])

    def end(self) -> int:
        """Return the exit status; say on the other stream what could not be printed."""
        flush("stdout")
        flush("stderr")
        status = self._status or DONE
        if problem := self._problem("stdout"):
            say(f"{PROGRAM}: error: {problem}", "stderr")
        elif (problem := self._problem("stderr")) and not self._is_json:
            say(f"{PROGRAM}: error: {problem}", "stdout")
        return FAILED if problem and status in ENDED else status

    @property
    def _is_json(self) -> bool:
        return "--json" in self._words if self._given is None else self._given.json

    def _report(self, status: int, errors: Sequence[str], report: Report | None = None) -> None:
        """Print the report. That in JSON says how the command ended, whatever happens."""
        self._is_reported = True
        if self._is_json:
            unprinted = self._problem("stderr")
            if unprinted and status in ENDED:
                status = FAILED
            head = {
                "version": __version__,
                "exit_status": status,
                "warnings": [*self._warned],
                "errors": [*errors, *filter(None, [unprinted])],
            }
            say(json.dumps(head | (report.facts if report else {}), indent=2), "stdout")
        elif report and report.text and self._given and not self._given.quiet:
            say(report.text, "stdout")
        self._status = status

    def _result_of(self, interrupt: BaseException) -> str:
        """Return what an interrupted command has written."""
        notes = getattr(interrupt, "__notes__", [])
        if self._given is None:
            return NOTHING
        # Of a batch, each output is published on its own: the note is about that one.
        problems = [note for note in notes if note != PUBLISHED]
        done = published() > self._before or PUBLISHED in notes
        return "; ".join(problems) or str(self._given.written if done else self._given.stopped)


def _outcome(
    given: argparse.Namespace, received: Sequence[int]
) -> tuple[int, list[str], Report | None]:
    """Run a command; return its exit status, its errors, which are printed, and its report."""
    try:
        with stderr_log(given.verbose):
            report = _run(given)
    except Exception as error:
        if received:
            raise exception_of(received[-1]) from error
        return FAILED, [_report_error(error, given.verbose)], None
    for each in report.errors:
        say(f"{PROGRAM}: error: {each}", "stderr")
    return _status_of(report), [*report.errors], report


def _status_of(report: Report) -> int:
    if report.errors:
        return FAILED
    if report.differs:
        return DIFFERENT
    return SKIPPED if report.skipped else DONE


def _run(given: argparse.Namespace) -> Report:
    log.info("%s %s, Python %s", PROGRAM, __version__, sys.version.split()[0])
    log.debug("arguments: %s", {k: v for k, v in vars(given).items() if k not in INTERNAL})
    report: Report = given.command(given)
    return report


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
        say("".join(traceback.format_exception(error)).rstrip(), "stderr")
    if expected:
        say(f"{PROGRAM}: error: {reason_of(error)}", "stderr")
        return reason_of(error)
    how = "with the traceback above" if verbosity else "with the traceback that --verbose prints"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    say(f"{PROGRAM}: unexpected error: {what}; please report it {how}", "stderr")
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
    for each in (
        run,
        batch,
        apply,
        report,
        plot,
        compare,
        history,
        export,
        associate,
        simulate,
        verify,
        completion,
        guide,
    ):
        each.add(commands)
    parser.commands = dict(commands.choices)
    parser.set_defaults(program=parser)
    return parser
