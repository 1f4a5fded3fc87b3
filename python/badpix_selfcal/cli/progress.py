"""The progress with the rate and the time left: a bar on terminals, else a line now and then."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from ..messages import PROGRAM

__all__ = ["Bar", "bars_cleared"]

PAUSE: Final = 0.1
"""The least time between two drawings, s."""

INTERVAL: Final = 30.0
"""The time between two lines where there is no terminal, s."""

WIDTH: Final = 30


class Bar:
    """A progress bar on one line of a terminal, or plain lines elsewhere; a context manager.

    Parameters
    ----------
    stream : text file
        Where to draw. If it is not a terminal, as in a batch system, a line is printed every
        `INTERVAL`.
    clock : callable, optional
        Returns the time, s.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._drawn: float | None = None
        self._start = self._told = clock()

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
            self._start = self._told = now
        if self not in _shown:
            self._tell(done, total, now)
            return
        due = self._drawn is None or now - self._drawn >= PAUSE or done == total
        if due and total:
            width = shutil.get_terminal_size().columns
            with _lock:
                self._drawn = now
                self._stream.write(f"\r{line(done, total, now - self._start)[: width - 1]}\x1b[K")
                self._stream.flush()

    def _tell(self, done: int, total: int, now: float) -> None:
        """Print a line if the last one was printed long ago and the end is not reached."""
        if now - self._told >= INTERVAL and 0 < done < total:
            self._told = now
            with _lock:
                print(
                    f"{PROGRAM}: {numbers(done, total, now - self._start)}",
                    file=self._stream,
                    flush=True,
                )

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
    return f"[{'#' * full}{'-' * (WIDTH - full)}] {numbers(done, total, elapsed)}"


def numbers(done: int, total: int, elapsed: float) -> str:
    """Return how many exposures are done, the rate, and the time left."""
    text = f"{done}/{total} exposures"
    if not (done and elapsed > 0.0):
        return text
    left = round(elapsed / done * (total - done))
    return f"{text}, {done / elapsed:.3g}/s, {left // 60}:{left % 60:02d} left"
