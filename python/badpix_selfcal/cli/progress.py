"""A bar that tells how far a run is, how fast, and how long it will take; on a terminal only."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Final, TextIO

__all__ = ["Bar", "clear"]

PAUSE: Final = 0.1
"""Least time between two drawings, s."""

WIDTH: Final = 30


class Bar:
    """A line on a terminal, drawn again and again; a context manager.

    Parameters
    ----------
    stream : text file
        Where to draw; nothing is drawn unless it is a terminal.
    clock : callable, optional
        Tells the time, s.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._drawn: float | None = None
        self._start = clock()

    def __enter__(self) -> Bar:
        if self._stream.isatty():
            _shown.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self in _shown:
            self.clear()
            _shown.remove(self)

    def __call__(self, done: int, total: int) -> None:
        """Tell how many are done of how many."""
        now = self._clock()
        if done == 0:
            self._start = now
        due = self._drawn is None or now - self._drawn >= PAUSE or done == total
        if self in _shown and due and total:
            self._drawn = now
            width = shutil.get_terminal_size().columns
            self._stream.write(f"\r{line(done, total, now - self._start)[: width - 1]}\x1b[K")
            self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = None


_shown: list[Bar] = []


def clear() -> None:
    """Take away the line of any bar, for other text to be printed there."""
    for bar in _shown:
        bar.clear()


def line(done: int, total: int, elapsed: float) -> str:
    """Return what the bar shows.

    Parameters
    ----------
    done, total : int
        Exposures.
    elapsed : float
        Time since the start, s.
    """
    full = WIDTH * done // total
    bar = f"[{'#' * full}{'-' * (WIDTH - full)}] {done}/{total} exposures"
    if not (done and elapsed > 0.0):
        return bar
    left = round(elapsed / done * (total - done))
    return f"{bar}, {done / elapsed:.3g}/s, {left // 60}:{left % 60:02d} left"
