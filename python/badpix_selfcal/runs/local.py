"""Who does the work of a batch: the threads of this process, or whatever else can do the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Protocol, Self, TypeAlias

from ..errors import ExposureError
from ..files.remote import Location
from .minimum import MinimumImage
from .plan import Job, Mask, Plan, minimum_of
from .pool import Pool, read

__all__ = ["Progress", "Tally", "Threads", "Workforce"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of exposures done and that of all to do."""


class Workforce(Protocol):
    """What a batch needs done; entered as a context once its outputs are known."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End; begin nothing more if interrupted."""

    def read(self, inputs: Iterable[Location], background: Iterable[Location]) -> Pool:
        """Read the headers of exposures; see `badpix_selfcal.runs.pool.read`."""

    def minimum_of(self, plan: Plan) -> tuple[MinimumImage, dict[Location, str]]:
        """Combine the exposures of a group; see `badpix_selfcal.runs.plan.minimum_of`."""

    def write(self, job: Job, mask: Mask | None) -> Future[Path]:
        """Have a copy written, now or later."""

    def finish(self) -> None:
        """Wait for all copies."""


class Tally:
    """How many exposures are done.

    Parameters
    ----------
    progress : callable or None
        Whom to tell.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = 0
        self._total = 0

    def begin(self, total: int) -> None:
        """Tell how many there will be."""
        self._total = total
        self.tell(0)

    def tell(self, count: int) -> None:
        """Tell that so many more are done."""
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


class Threads:
    """Threads of this process write, a few copies at a time; all else is done at once.

    Parameters
    ----------
    workers : int
        The threads that write.
    tally : Tally
        Whom to tell of exposures that are done.
    """

    def __init__(self, workers: int, tally: Tally) -> None:
        self._executor = ThreadPoolExecutor(workers, "badpix-selfcal-writer")
        self._most = 2 * workers
        self._pending: set[Future[Path]] = set()
        self._tally = tally

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # If interrupted: what is being written is finished, what waits is not begun.
        self._executor.shutdown(wait=True, cancel_futures=True)

    def read(self, inputs: Iterable[Location], background: Iterable[Location]) -> Pool:
        """Read the headers of exposures."""
        return read(inputs, background)

    def minimum_of(self, plan: Plan) -> tuple[MinimumImage, dict[Location, str]]:
        """Combine the exposures of a group."""
        return minimum_of([member.path for member in plan.group.members], plan.gap)

    def write(self, job: Job, mask: Mask | None) -> Future[Path]:
        """Have a copy written; wait first if many are pending, for each holds a header."""
        try:
            prepared = job.prepare(job.read())
        except ExposureError as error:
            failed: Future[Path] = Future()
            failed.set_exception(error)
            self._tally.tell(1)
            return failed
        if len(self._pending) >= self._most:
            self._wait()
        future = self._executor.submit(partial(prepared.write, mask, overwrite=job.overwrite))
        self._pending.add(future)
        return future

    def finish(self) -> None:
        """Wait for all copies."""
        while self._pending:
            self._wait()

    def _wait(self) -> None:
        done, self._pending = wait(self._pending, return_when=FIRST_COMPLETED)
        self._tally.tell(len(done))
