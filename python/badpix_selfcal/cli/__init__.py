"""The command ``badpix-selfcal``: it parses options, calls the functions, prints their results.

`commands.py` makes the options from the signatures and docstrings of the functions, `steps.py` and
`others.py` the summaries from their results. A call imports the function that it needs, no other.
"""

from __future__ import annotations

import inspect
import io
import json
import signal
import sys
import traceback
from collections.abc import Sequence
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, Final

from .._kernels import __version__, num_threads
from ..errors import log, memory_error, reason_of, visible
from ..files.paths import without_secrets
from . import terminal
from .summary import plain
from .terminal import PROGRAM, say

if TYPE_CHECKING:
    from .commands import Command
    from .summary import Summary

__all__ = ["main"]

DONE, FAILED, WRONG_USAGE, SKIPPED, DIFFERENT = 0, 1, 2, 3, 4
ENDED: Final = (DONE, SKIPPED, DIFFERENT)
"""The exit statuses of commands that ran to their end."""


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
    terminal.prepare()
    call = _Call(sys.argv[1:] if arguments is None else [*arguments])
    is_process = arguments is None and current_thread() is main_thread()
    with terminal.signals_raised(is_process=is_process) as received:
        try:
            status = call.run(received)
            if is_process:
                terminal.end_with(status)
        except KeyboardInterrupt:
            status = call.stopped(received[0] if received else signal.SIGINT)
    return status


class _WrongUsage(Exception):  # noqa: N818 - not an error of the program
    """The arguments are wrong; the text says how."""


class _Call:
    """One call of the command line: what it prints, and its exit status."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._is_json, self._is_quiet = "--json" in words, "--quiet" in words
        self._command: Command | None = None
        self._parameters: Sequence[str] = ()
        self._warned: list[str] = []
        self._is_reported = False

    def run(self, received: Sequence[int]) -> int:
        """Run the command, print its summary, and return the exit status."""
        verbosity = 0
        try:
            answer = self._parsed(self._words or ["--help"])
            if isinstance(answer, str) and not self._words:
                say(answer)
                return WRONG_USAGE
            if isinstance(answer, str):
                return self._printed(answer, DONE)
            verbosity = answer.pop("verbose", 0)
            if verbosity and self._is_quiet:
                return self._wrong("give -v or --quiet, not both")
            warned = terminal.one_line_warnings(self._typed, quiet=self._is_quiet)
            with warned as self._warned, terminal.one_line_log(verbosity):
                summary = self._called(answer)
        except _WrongUsage as wrong:
            return self._wrong(str(wrong))
        except Exception as error:
            if received:  # a module in C has turned the interrupt into another exception
                return self.stopped(received[0])
            return self._failed(memory_error(error) or error, verbosity)
        errors = [*map(self._typed, summary.errors)]
        for each in errors:
            say(f"{PROGRAM}: error: {visible(each)}")
        status = DIFFERENT if summary.differs else SKIPPED if summary.skipped else DONE
        return self._reported(FAILED if errors else status, errors, summary)

    def stopped(self, number: int) -> int:
        """Say that a signal has stopped the command, and return the exit status."""
        word = "interrupted" if number == signal.SIGINT else "terminated"
        text = f"{word}; outputs that are there are complete"
        if "resume" in self._parameters:
            text += "; --resume continues from there"
        say(f"{PROGRAM}: {text}")
        return self._reported(128 + number, [text])

    def _parsed(self, words: list[str]) -> str | dict[str, Any]:
        """Return the arguments of the command, or a text to print."""
        if words == ["--version"]:
            return f"{PROGRAM} {__version__}"
        is_help = {"--help", "-h"} & {*words}
        if words[0].startswith("-") and not is_help:
            raise _WrongUsage(f"{words[0]} stands before the command; options stand after it")
        from cyclopts import CycloptsError

        from .commands import COMMANDS, console, problem, program

        self._command = COMMANDS.get(words[0])
        page = io.StringIO()
        try:
            names = words[:1] if self._command else ()
            app = program(*names, is_help=bool(is_help))
            answer = app(words, console=console(page) if is_help else None)
        except CycloptsError as error:
            raise _WrongUsage(problem(error)) from None
        if self._command:
            self._parameters = [*inspect.signature(self._command.function).parameters]
        lines = (line.rstrip() for line in page.getvalue().rstrip().split("\n"))
        return "\n".join(lines) if answer is None else answer

    def _called(self, given: dict[str, Any]) -> Summary:
        """Call the function of the command."""
        from ..progress import shown

        assert self._command is not None
        given = {name: each for name, each in given.items() if name not in ("json", "quiet")}
        log.info("%s %s, Python %s", PROGRAM, __version__, sys.version.split()[0])
        log.debug("arguments: %s", without_secrets(str(given)))
        if "threads" in self._parameters:
            log.info("threads that compute: %d", given.get("threads") or num_threads())
        with shown(None if self._is_quiet else sys.stderr, self._command.counts) as show:
            return self._command(given, show)

    def _typed(self, text: str) -> str:
        """Return a message with the options of this command, and of the step, as they are typed."""
        if "`" not in text:  # there may be no memory for a module
            return text
        from ..parameters import Parameters

        return terminal.with_options(text, {*self._parameters, *Parameters.by_name()})

    def _wrong(self, problem: str) -> int:
        """Say what is wrong with the arguments."""
        program, what = PROGRAM, "the commands"
        if self._command is not None:
            program, what = f"{PROGRAM} {self._words[0]}", "the options"
        say(f"{program}: error: {problem}\n'{program} --help' lists {what}")
        return self._reported(WRONG_USAGE, [problem])

    def _failed(self, error: Exception, verbosity: int) -> int:
        """Say why the command failed: in a line; -v adds the traceback of an unexpected error."""
        reason, is_ours = reason_of(error), _is_ours(error)
        # An error that begins with the name of an argument is about its value.
        is_wrong = reason.split()[0].strip("`") in self._parameters
        is_wrong &= is_ours and type(error) in (TypeError, ValueError)
        is_expected = is_wrong or (is_ours and not isinstance(error, TypeError))
        reason = self._typed(reason)
        if verbosity > is_expected:
            say("".join(traceback.format_exception(error)).rstrip())
        if is_wrong:
            return self._wrong(reason)
        if is_expected:
            say(f"{PROGRAM}: error: {visible(reason)}")
            return self._reported(FAILED, [reason])
        how = "with the traceback " + ("above" if verbosity else "that --verbose prints")
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        say(f"{PROGRAM}: unexpected error: {reason}; please report it {how}")
        return self._reported(FAILED, [reason])

    def _reported(self, status: int, errors: Sequence[str], summary: Summary | None = None) -> int:
        """Print the summary once, and return the exit status; in JSON it is always printed."""
        if self._is_reported:
            return status
        self._is_reported = True
        if self._is_json:
            head: dict[str, Any] = {"version": __version__, "exit_status": status}
            head |= {"warnings": self._warned, "errors": errors}
            head |= summary.facts if summary else {}
            return self._printed(json.dumps(plain(head), indent=2), status)
        text = "" if self._is_quiet or summary is None else self._typed(summary.text)
        return self._printed(text, status)

    def _printed(self, text: str, status: int) -> int:
        """Print to standard output, and return the exit status: 1 if that is not possible."""
        if not text or not (why := say(text, "stdout")):
            return status
        say(f"{PROGRAM}: error: the summary could not be printed (stdout: {why})")
        return FAILED if status in ENDED else status


def _is_ours(error: Exception) -> bool:
    """Return whether the machine or this package has raised an error for an input."""
    if isinstance(error, (OSError, MemoryError)):
        return True
    if isinstance(error, ImportError):  # an extra is not installed
        return error.__cause__ is not None
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    is_here = frame.f_globals["__name__"].split(".")[0] == __package__.split(".")[0]
    return is_here and isinstance(error, (RuntimeError, TypeError, ValueError))
