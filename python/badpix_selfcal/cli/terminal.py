"""Text, warnings and log messages on the terminal; signals from it."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from ..errors import SelfcalWarning
from ..log import log
from . import progress

__all__ = ["Terminated", "orderly_termination", "say", "stderr_log", "stderr_warnings"]


class Terminated(BaseException):
    """Raised on SIGTERM."""


def say(text: str, to: TextIO) -> None:
    """Print text on lines of its own, after clearing any progress bar.

    Characters that the stream cannot encode are escaped. If the other end of a pipe is closed,
    nothing is printed.
    """
    encoding = to.encoding or "ascii"
    with suppress(BrokenPipeError), progress.bars_cleared():
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=to, flush=True)


@contextmanager
def stderr_warnings(*, quiet: bool) -> Iterator[list[str]]:
    """Print warnings as lines of the command, none if `quiet`; yield the list that they fill."""
    messages: list[str] = []

    def show(message: Warning | str, *_: object, **__: object) -> None:
        messages.append(str(message))
        if not quiet:
            say(f"badpix-selfcal: warning: {message}", sys.stderr)

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
            say(f"badpix-selfcal: {record.levelname.lower()}: {text}", sys.stderr)


@contextmanager
def orderly_termination() -> Iterator[None]:
    """Turn the first SIGTERM or SIGINT into an exception, and ignore further ones.

    So the cleaning up is not interrupted, and no incomplete output remains. Handlers of the caller
    stay in place.
    """
    usual: dict[signal.Signals, Any] = {
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
    }
    ours: list[signal.Signals] = []

    def stop(number: int, _: object) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    if threading.current_thread() is threading.main_thread():
        ours += [each for each, handler in usual.items() if signal.getsignal(each) is handler]
    for each in ours:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, usual[each])
