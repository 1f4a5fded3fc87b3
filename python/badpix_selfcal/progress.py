"""The progress of a command: a bar on a terminal and in a notebook, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

Progress: TypeAlias = bool | Callable[[int, int], None] | None
"""What shows progress: a bar (True), or what is called with the number done and the total."""

AFTER: Final = 1.0
"""How long nothing is shown at first: quick work needs no bar, s."""

INTERVAL: Final = 30.0
"""The time between two lines where there is no terminal, as in a batch system, s."""


@contextmanager
def shown(stream: TextIO | None, what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows on a stream how many of how many `what` are done."""
    start = said = time.monotonic()
    bar: Bar | None = None
    is_live = stream is not None and (stream.isatty() or _in_notebook())

    def show(done: int, total: int) -> None:
        nonlocal said, bar
        now = time.monotonic()
        if stream is None:
            return
        if not is_live:
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


@contextmanager
def followed(progress: Progress, what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows, or tells a user's function, how many `what` are done."""
    if callable(progress):
        yield progress
    else:
        with shown(sys.stderr if progress else None, what) as show:
            yield show


def _in_notebook() -> bool:
    """Return whether rich can show a bar in a notebook."""
    return "ipykernel" in sys.modules and find_spec("ipywidgets") is not None


def _begun(stream: TextIO, what: str) -> Bar:
    """Return a bar; what others print meanwhile stands above it on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.progress import TimeRemainingColumn as Left

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), Left())
    console = Console(file=None if _in_notebook() else stream)
    bar = Bar(*columns, console=console, transient=True, redirect_stdout=False)
    bar.add_task("", total=None)
    bar.start()
    return bar
