"""What a terminal sees and sends: text, warnings, signals."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from ..errors import SelfcalWarning
from . import progress

__all__ = ["Terminated", "orderly_termination", "say", "warnings_on_stderr"]


class Terminated(BaseException):
    """What SIGTERM raises."""


def say(text: str, to: TextIO) -> None:
    """Print what the terminal's encoding may not hold, to a reader that may have gone."""
    progress.clear()
    encoding = to.encoding or "ascii"
    with suppress(BrokenPipeError):
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=to, flush=True)


@contextmanager
def warnings_on_stderr() -> Iterator[None]:
    """Show the package's warnings as lines of the command."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say(f"badpix-selfcal: warning: {message}", sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", SelfcalWarning)
        warnings.showwarning = show
        yield


@contextmanager
def orderly_termination() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that nothing half written is left behind."""
    import signal
    import threading

    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield  # is not ours to handle
        return

    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # until all is cleared away
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
