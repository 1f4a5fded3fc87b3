"""The progress of a command: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

AFTER: Final = 1.0
"""How long nothing is shown at first: quick work needs no bar, s."""

INTERVAL: Final = 30.0
"""The time between two lines where there is no terminal, as in a batch system, s."""


@contextmanager
def shown(stream: TextIO | None, what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows on a stream how many of how many `what` are done."""
    start = said = time.monotonic()
    bar: Progress | None = None

    def show(done: int, total: int) -> None:
        nonlocal said, bar
        now = time.monotonic()
        if stream is None:
            return
        if not stream.isatty():
            if now - said >= INTERVAL and 0 < done < total:
                said, left = now, round((now - start) / done * (total - done))
                text = f"{done}/{total} {what}, {left // 60}:{left % 60:02d} left"
                print(f"badpix-selfcal: {text}", file=stream, flush=True)
        elif bar or now - start >= AFTER:
            bar = bar or _begun(stream, what)
            bar.update(bar.task_ids[0], completed=done, total=total)

    try:
        yield show
    finally:
        if bar:
            bar.stop()


def _begun(stream: TextIO, what: str) -> Progress:
    """Return a bar on a terminal; what others print meanwhile stands above it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), Left())
    bar = Progress(*columns, console=Console(file=stream), transient=True, redirect_stdout=False)
    bar.add_task("", total=None)
    bar.start()
    return bar
