"""The progress with the rate and the time left: a bar on terminals, else a line now and then."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

from ..messages import PROGRAM

__all__ = ["Bar", "bars_cleared", "mute"]

PAUSE: Final = 0.1
"""The least time between two drawings, s."""

INTERVAL: Final = 30.0
"""The time between two lines where there is no terminal, s."""

WIDTH: Final = 30


class Bar:
    """A progress bar on one line of a terminal, or plain lines elsewhere; a context manager.

    Parameters
    ----------
    stream : text file or None
        Where to draw. If it is not a terminal, as in a batch system, a line is printed every
        `INTERVAL`. If it is None, or cannot be written, nothing is drawn.
    clock : callable, optional
        Returns the time, s.
    what : str, optional
        What is counted.
    after : float, optional
        How long nothing is drawn at first, s: quick work needs no bar.
    """

    def __init__(
        self,
        stream: TextIO | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        what: str = "exposures",
        after: float = 0.0,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._what = what
        self._after = after
        self._drawn: float | None = None
        self._start = self._told = clock()

    def __enter__(self) -> Bar:
        if self._stream is not None and self._stream.isatty():
            _shown.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self in _shown:
            self.clear()
            _shown.remove(self)

    def show(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        now = self._clock()
        if done == 0:
            self._start = self._told = now
        if self not in _shown:
            self._tell(done, total, now)
            return
        elapsed = now - self._start
        due = self._drawn is None or now - self._drawn >= PAUSE or done == total
        if due and total and elapsed >= self._after:
            width = shutil.get_terminal_size().columns
            with _lock:
                self._drawn = now
                self._write(f"\r{line(done, total, elapsed, self._what)[: width - 1]}\x1b[K")

    def _tell(self, done: int, total: int, now: float) -> None:
        """Print a line if the last one was printed long ago and the end is not reached."""
        if now - self._told >= INTERVAL and 0 < done < total:
            self._told = now
            with _lock:
                self._write(f"{PROGRAM}: {numbers(done, total, now - self._start, self._what)}\n")

    def clear(self) -> None:
        """Clear the line."""
        with _lock:
            if self._drawn is not None:
                self._write("\r\x1b[K")
                self._drawn = None

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the exposures go on
            mute(self._stream)
            self._stream = None


_shown: list[Bar] = []

_lock = threading.RLock()
"""Held while a bar is drawn or other text printed: log messages come from several threads."""


def mute(stream: TextIO) -> None:
    """Let a stream that cannot be written go nowhere: at the end Python writes what is left."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


@contextmanager
def bars_cleared() -> Iterator[None]:
    """Clear the progress bars, and draw none while the context lasts."""
    with _lock:
        for bar in _shown:
            bar.clear()
        yield


def line(done: int, total: int, elapsed: float, what: str = "exposures") -> str:
    """Return the text of the bar.

    Parameters
    ----------
    done, total : int
        Numbers of what is counted.
    elapsed : float
        Time since the start, s.
    what : str, optional
        What is counted.
    """
    full = WIDTH * done // total
    return f"[{'#' * full}{'-' * (WIDTH - full)}] {numbers(done, total, elapsed, what)}"


def numbers(done: int, total: int, elapsed: float, what: str) -> str:
    """Return how many are done, the rate, and the time left."""
    text = f"{done}/{total} {what}"
    if not (done and elapsed > 0.0):
        return text
    left = round(elapsed / done * (total - done))
    return f"{text}, {done / elapsed:.3g}/s, {left // 60}:{left % 60:02d} left"
