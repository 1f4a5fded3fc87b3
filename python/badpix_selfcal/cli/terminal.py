"""Text, warnings and log messages on the terminal; signals from it."""

from __future__ import annotations

import atexit
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, Literal

from ..errors import SelfcalWarning, log, visible
from ..files.paths import without_secrets

PROGRAM: Final = "badpix-selfcal"

GRACE: Final = 4.0
"""How long a command that is interrupted may clean up, s."""


def prepare() -> None:
    """Open the standard descriptors that are closed, so that no output file gets their numbers.

    Else the system would write its own error messages into an output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def say(text: str, to: Literal["stdout", "stderr"] = "stderr") -> str:
    """Print text on lines of its own; control and unknown characters are escaped.

    Returns why it could not be printed; empty if it was, or if the reader of a pipe has gone.
    """
    stream = getattr(sys, to)
    if stream is None:  # it was closed when the process began
        return "it is closed"
    # A user has typed secrets, or a traceback quotes them; names may hold commands for terminals.
    text = visible(without_secrets(text), but="\n\t")
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):  # at the end Python would write what is left
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            return getattr(error, "strerror", None) or str(error)
    return ""


def with_options(text: str, names: Container[str]) -> str:
    """Return text with parameters of some names, in backquotes, as options: ``--output-dir``."""

    def typed(found: re.Match[str]) -> str:
        return f"--{found[1].replace('_', '-')}" if found[1] in names else found[0]

    return re.sub("`([a-z_]+)`", typed, text)


@contextmanager
def one_line_warnings(typed: Callable[[str], str], *, quiet: bool) -> Iterator[list[str]]:
    """Print warnings, as `typed` returns them, on lines of the command, none if `quiet`.

    Yields the list that they fill.
    """
    messages: list[str] = []

    def show(message: Warning | str, *_: object, **__: object) -> None:
        messages.append(typed(str(message)))
        if not quiet:
            say(f"{PROGRAM}: warning: {visible(messages[-1])}")

    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", SelfcalWarning)
        warnings.showwarning = show
        yield messages


@contextmanager
def one_line_log(verbosity: int) -> Iterator[None]:
    """Print the log of the package as lines of the command: 0 nothing, 1 INFO, 2 DEBUG too."""
    level, handler = log.level, _LineHandler()
    if verbosity:
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
        text = f"{PROGRAM}: {record.levelname.lower()}: {visible(record.getMessage())}"
        if record.exc_info:
            text += f"\n{logging.Formatter().formatException(record.exc_info)}"
        say(text)


@contextmanager
def signals_raised(*, is_process: bool) -> Iterator[list[int]]:
    """Raise KeyboardInterrupt at the first SIGINT or SIGTERM; yield the list of those received.

    The second one ends the process, and so does a process that has not ended within `GRACE`. Parts
    of unfinished outputs stay hidden then. Handlers of the caller stay in place. Those of a process
    stay after the command, and signals are ignored when nothing is left to do.
    """
    usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
    usual[signal.SIGTERM] = signal.SIG_DFL
    is_main = threading.current_thread() is threading.main_thread()
    ours = [each for each in usual if is_main and signal.getsignal(each) is usual[each]]
    if is_process:
        ours = [each for each in usual if signal.getsignal(each) is not signal.SIG_IGN]
        atexit.register(lambda: [signal.signal(each, signal.SIG_IGN) for each in usual])
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            os._exit(128 + received[0])
        if is_process:
            timer = threading.Timer(GRACE, os._exit, [128 + number])
            timer.daemon = True
            with suppress(RuntimeError):  # there is no memory for a thread
                timer.start()
        raise KeyboardInterrupt

    def again(ignored: sys.UnraisableHookArgs) -> None:
        """Send a signal again that came where Python ignores exceptions, as in a destructor."""
        if received and isinstance(ignored.exc_value, KeyboardInterrupt):
            threading.Timer(0.01, os.kill, [os.getpid(), received.pop()]).start()
        else:
            sys.__unraisablehook__(ignored)

    if is_process:
        sys.unraisablehook = again
    try:
        for each in ours:
            signal.signal(each, stop)
        yield received
    finally:
        if not is_process:
            for each in ours:
                signal.signal(each, usual[each])


def end_with(status: int) -> None:
    """End the process at the next signal, with the status of its command, which is done."""
    for each in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, lambda *_: os._exit(status))
