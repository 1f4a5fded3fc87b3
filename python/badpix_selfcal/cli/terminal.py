"""Text, warnings and log messages on the terminal; signals from it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, TypeAlias

from ..errors import SelfcalWarning
from ..log import log
from . import progress

__all__ = [
    "Terminated",
    "claim_descriptors",
    "exception_of",
    "flush",
    "orderly_termination",
    "printing",
    "say",
    "stderr_log",
    "stderr_warnings",
]

Stream: TypeAlias = Literal["stdout", "stderr"]

RETRY: Final = 0.05
"""Time after which a signal comes again whose exception was lost, s."""

_NAMES: Final = {"stdout": "the report", "stderr": "messages"}

_failed: dict[Stream, str] = {}
"""The streams that text could not be printed to, and why."""


class Terminated(BaseException):
    """Raised on SIGTERM."""


def say(text: str, to: Stream) -> None:
    """Print text on lines of its own, after clearing any progress bar.

    Characters that the stream cannot encode are escaped. If the other end of a pipe is closed,
    nothing is printed. Text that cannot be printed does not end the command; see `printing`.
    """
    stream = getattr(sys, to)
    if stream is None:  # it was closed when the process began
        _failed.setdefault(to, "it is closed")
        return
    encoding = stream.encoding or "ascii"
    plain = text.encode(encoding, "backslashreplace").decode(encoding)
    with _noting(to), progress.bars_cleared():
        print(plain, file=stream, flush=True)


def flush(to: Stream) -> None:
    """Write what others have printed, such as help pages."""
    stream = getattr(sys, to)
    if stream is not None:
        with _noting(to):
            stream.flush()


@contextmanager
def _noting(to: Stream) -> Iterator[None]:
    """Note that text cannot be printed."""
    try:
        yield
    except BrokenPipeError:  # the reader has gone and wants no more
        progress.mute(getattr(sys, to))
    except (OSError, ValueError) as error:
        _failed.setdefault(to, getattr(error, "strerror", None) or str(error))
        progress.mute(getattr(sys, to))


@contextmanager
def printing() -> Iterator[Callable[[Stream], str]]:
    """Yield a function that says what could not be printed to a stream; empty if all was."""
    _failed.clear()

    def problem(stream: Stream) -> str:
        why = _failed.get(stream)
        return f"{_NAMES[stream]} could not be printed ({stream}: {why})" if why else ""

    yield problem


def claim_descriptors() -> None:
    """Open the standard descriptors that are closed, so that no output file gets their numbers.

    Else the system would write its own error messages into an output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


@contextmanager
def stderr_warnings(*, quiet: bool) -> Iterator[list[str]]:
    """Print warnings as lines of the command, none if `quiet`; yield the list that they fill."""
    messages: list[str] = []

    def show(message: Warning | str, *_: object, **__: object) -> None:
        messages.append(str(message))
        if not quiet:
            say(f"badpix-selfcal: warning: {message}", "stderr")

    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", SelfcalWarning)
        warnings.showwarning = show
        yield messages


@contextmanager
def stderr_log(verbosity: int) -> Iterator[None]:
    """Print the log of the package as lines of the command.

    Parameters
    ----------
    verbosity : int
        0: nothing; 1: messages of level INFO and above; 2 and more: DEBUG too.
    """
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
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
        else:
            say(f"badpix-selfcal: {record.levelname.lower()}: {text}", "stderr")


def exception_of(number: int) -> BaseException:
    """Return what a signal raises."""
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()


@contextmanager
def orderly_termination(*, is_process: bool = False) -> Iterator[list[int]]:
    """Turn the first SIGTERM or SIGINT into an exception, and ignore further ones.

    So the cleaning up is not interrupted, and no incomplete output remains. Handlers of the caller
    stay in place.

    Parameters
    ----------
    is_process : bool, optional
        Whether the process ends afterwards: then a signal ends it without a traceback.

    Yields
    ------
    list of int
        The signals received. Modules in C may turn the exception into another one.
    """
    usual: dict[int, Any] = {
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
    }
    ours: list[int] = []
    received: list[int] = []
    hook = sys.unraisablehook

    def stop(number: int, _: object) -> None:
        received.append(number)
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise exception_of(number)

    def lost(unraisable: Any) -> None:
        """Python drops exceptions in destructors: let the signal come again."""
        if not isinstance(unraisable.exc_value, (KeyboardInterrupt, Terminated)):
            hook(unraisable)
            return
        for each in ours:
            signal.signal(each, stop)
        threading.Timer(RETRY, os.kill, [os.getpid(), received[-1]]).start()  # wakes this thread

    if threading.current_thread() is threading.main_thread():
        ours += [each for each, handler in usual.items() if signal.getsignal(each) is handler]
    try:
        if ours:
            sys.unraisablehook = lost
        for each in ours:
            signal.signal(each, stop)
        yield received
    finally:
        for each in ours:
            if not is_process:
                signal.signal(each, usual[each])
            elif signal.getsignal(each) is stop:  # also if a signal was lost and comes again
                signal.signal(each, signal.SIG_DFL)
        sys.unraisablehook = hook
