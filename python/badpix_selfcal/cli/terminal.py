"""Text, warnings and log messages on the terminal; signals from it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, Literal, TypeAlias

from ..errors import SelfcalWarning, log

__all__ = [
    "PROGRAM",
    "Terminated",
    "one_line_log",
    "one_line_warnings",
    "prepare",
    "problem_of",
    "say",
    "signals_raised",
]

PROGRAM: Final = "badpix-selfcal"

Stream: TypeAlias = Literal["stdout", "stderr"]

GRACE: Final = 4.0
"""How long a command that is interrupted may clean up, s."""

_NAMES: Final = {"stdout": "the report", "stderr": "messages"}

_failed: dict[Stream, str] = {}
"""The streams that text could not be printed to, and why."""


class Terminated(BaseException):
    """Raised on SIGTERM."""


def prepare() -> None:
    """Open the standard descriptors that are closed, so that no output file gets their numbers.

    Else the system would write its own error messages into an output.
    """
    _failed.clear()
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def problem_of(stream: Stream) -> str:
    """Return what could not be printed to a stream; empty if all was."""
    why = _failed.get(stream)
    return f"{_NAMES[stream]} could not be printed ({stream}: {why})" if why else ""


def say(text: str, to: Stream) -> None:
    """Print text on lines of its own; characters that the stream cannot encode are escaped.

    If the other end of a pipe is closed, nothing is printed. Any other problem does not end the
    command either; see `problem_of`.
    """
    stream = getattr(sys, to)
    if stream is None:  # it was closed when the process began
        _failed.setdefault(to, "it is closed")
        return
    encoding = getattr(stream, "encoding", None) or "ascii"
    plain = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(plain, file=stream, flush=True)
    except (OSError, ValueError) as error:
        if not isinstance(error, BrokenPipeError):  # else the reader wants no more
            _failed.setdefault(to, getattr(error, "strerror", None) or str(error))
        _mute(to)


def _mute(to: Stream) -> None:
    """Let a stream that cannot be written go nowhere: at the end Python writes what is left."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, getattr(sys, to).fileno())
        os.close(nowhere)


@contextmanager
def one_line_warnings(*, quiet: bool) -> Iterator[list[str]]:
    """Print warnings as lines of the command, none if `quiet`; yield the list that they fill."""
    messages: list[str] = []

    def show(message: Warning | str, *_: object, **__: object) -> None:
        messages.append(str(message))
        if not quiet:
            say(f"{PROGRAM}: warning: {message}", "stderr")

    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", SelfcalWarning)
        warnings.showwarning = show
        yield messages


@contextmanager
def one_line_log(verbosity: int) -> Iterator[None]:
    """Print the log of the package as lines of the command: 0 nothing, 1 INFO, 2 DEBUG too."""
    if verbosity == 0:
        yield
        return
    level, handler = log.level, _LineHandler()
    log.setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


class _LineHandler(logging.Handler):
    """Prints each message as a line of the command; a traceback follows on lines of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"{PROGRAM}: {record.levelname.lower()}: {self.format(record)}", "stderr")


@contextmanager
def signals_raised(*, is_process: bool) -> Iterator[list[int]]:
    """Turn the first SIGINT or SIGTERM into an exception; yield the list of those received.

    The second one ends the process, as does its not ending within `GRACE`. Files of unfinished
    outputs are hidden then, and the next run replaces them. Handlers of the caller stay in place.
    """
    usual: dict[int, Any] = {
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
    }
    is_main = threading.current_thread() is threading.main_thread()
    ours = [each for each in usual if is_main and signal.getsignal(each) is usual[each]]
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            os._exit(128 + received[0])
        timer.start()
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    timer = threading.Timer(GRACE, lambda: os._exit(128 + received[0]))
    timer.daemon = True
    try:
        for each in ours:
            signal.signal(each, stop)
        yield received
    finally:
        if not (received and is_process):  # else threads that do not end are ended
            timer.cancel()
            for each in ours:
                signal.signal(each, signal.SIG_DFL if is_process else usual[each])
