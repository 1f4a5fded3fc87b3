"""The progress of a command: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Bar"]

AFTER: Final = 1.0
"""How long nothing is shown at first: quick work needs no bar, s."""

INTERVAL: Final = 30.0
"""The time between two lines where there is no terminal, as in a batch system, s."""


class Bar:
    """Shows how much is done; a context manager.

    Parameters
    ----------
    stream : text file or None
        Where to show it; None: nowhere.
    what : str
        What is counted.
    """

    def __init__(self, stream: TextIO | None, what: str) -> None:
        self._stream = stream
        self._what = what
        self._bar: Progress | None = None
        self._start = self._said = time.monotonic()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def show(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        now = time.monotonic()
        if self._stream is None:
            return
        if not self._stream.isatty():
            if now - self._said >= INTERVAL and 0 < done < total:
                self._said = now
                left = round((now - self._start) / done * (total - done))
                text = f"{done}/{total} {self._what}, {left // 60}:{left % 60:02d} left"
                print(f"badpix-selfcal: {text}", file=self._stream, flush=True)
        elif self._bar is not None or now - self._start >= AFTER:
            self._bar = self._bar or _begun(self._stream, self._what)
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)


def _begun(stream: TextIO, what: str) -> Progress:
    """Return a bar on a terminal; what others print meanwhile stands above it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), Left())
    console = Console(file=stream)
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=False)
    bar.add_task("", total=None)
    bar.start()
    return bar
