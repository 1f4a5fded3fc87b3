"""A progress bar with the rate and the time left, drawn on terminals only."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

__all__ = ["Bar", "bars_cleared"]

PAUSE: Final = 0.1
"""The least time between two drawings, s."""

WIDTH: Final = 30


class Bar:
    """A progress bar on one line of a terminal; a context manager.

    Parameters
    ----------
    stream : text file
        Where to draw. If it is not a terminal, nothing is drawn.
    clock : callable, optional
        Returns the time, s.
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

    def show(self, done: int, total: int) -> None:
        """Show that `done` exposures of `total` are done."""
        now = self._clock()
        if done == 0:
            self._start = now
        due = self._drawn is None or now - self._drawn >= PAUSE or done == total
        if self in _shown and due and total:
            width = shutil.get_terminal_size().columns
            with _lock:
                self._drawn = now
                self._stream.write(f"\r{line(done, total, now - self._start)[: width - 1]}\x1b[K")
                self._stream.flush()

    def clear(self) -> None:
        """Clear the line."""
        with _lock:
            if self._drawn is not None:
                self._stream.write("\r\x1b[K")
                self._stream.flush()
                self._drawn = None


_shown: list[Bar] = []

_lock = threading.RLock()
"""Held while a bar is drawn or other text printed: log messages come from several threads."""


@contextmanager
def bars_cleared() -> Iterator[None]:
    """Clear the progress bars, and draw none while the context lasts."""
    with _lock:
        for bar in _shown:
            bar.clear()
        yield


def line(done: int, total: int, elapsed: float) -> str:
    """Return the text of the bar.

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
