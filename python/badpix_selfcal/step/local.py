"""The work of a run, done by the threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Self

from .._interrupts import end_threads, ends_with, first_of, submitted
from .._kernels import num_threads
from ..arrays.checks import MOST_WORKERS
from ..files.exposure import Exposure
from ..files.location import Location, RemoteFile
from .execute import Tally
from .member import Listed, Member, members_of
from .minimum import Failed, MinimumImage, combine
from .plan import Job, Mask, Plan
from .reader import AHEAD, Reader

__all__ = ["Threads", "workers_for"]

REMOTE_WORKERS: Final = 16
"""The least number of threads that read and write remote files: they mostly wait for the server."""


def workers_for(locations: Iterable[Location]) -> int:
    """Return how many threads read and write these files, unless the user sets it.

    For local files it is one thread more than the threads that compute. With more, copies on a fast
    disk become slower: 16 full-frame copies in a RAM-backed folder took 213 to 241 ms with 8
    threads on two processors, 232 to 393 ms with 16, and 190 to 230 ms with 2.
    """
    is_remote = any(isinstance(location, RemoteFile) for location in locations)
    most = max(num_threads() + 1, REMOTE_WORKERS if is_remote else 0)
    return min(most, MOST_WORKERS)


class Threads:
    """Threads of this process; implements `badpix_selfcal.step.execute.Workers`.

    Parameters
    ----------
    workers : int
        The threads that read and write files. The kernels compute with threads of their own.
    tally : Tally, optional
        Counts the copies that end.
    counts_reading : bool, optional
        Whether `tally` also counts the exposures that have been combined.
    with_errors : bool, optional
        Whether the plans need the ERR of the exposures.
    """

    def __init__(
        self,
        workers: int,
        tally: Tally | None = None,
        *,
        with_errors: bool = False,
        counts_reading: bool = False,
    ) -> None:
        self._ending = threading.Event()
        self._executor = ThreadPoolExecutor(workers, "badpix-selfcal", ends_with, (self._ending,))
        self._reader = Reader(with_errors=with_errors)
        self._most = 2 * workers
        self._ahead = min(workers - 1, AHEAD)
        self._pending: set[Future[None]] = set()
        self._tally = tally or Tally()
        self._counts_reading = counts_reading

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def read(self, listed: Iterable[Listed]) -> Iterator[Member | Exception]:
        """Read headers."""
        return members_of(listed, self._reader, self._executor)

    def combine(self, plan: Plan) -> tuple[MinimumImage, Failed]:
        """Combine the members of a plan."""
        paths = [member.path for member in plan.members]
        return combine(paths, plan.gap, self._reader, self._executor, self._ahead, self._count)

    def exposure(self, location: Location) -> Exposure:
        """Return a whole exposure."""
        return self._reader.read(location)

    def write(self, job: Job, mask: Mask | None) -> Future[None]:
        """Write a copy later. If many copies are pending, first wait until one has ended."""
        if len(self._pending) >= self._most:
            self._wait()
        future = submitted(self._executor, job.write, mask, self._reader)
        self._pending.add(future)
        return future

    def finish(self) -> None:
        """Wait for all copies."""
        while self._pending:
            self._wait()

    def stop(self) -> None:
        """Cancel work that has not started, and wait for work that has, but for no server."""
        self._ending.set()
        end_threads(self._executor)

    def _count(self) -> None:
        if self._counts_reading:
            self._tally.add(1)

    def _wait(self) -> None:
        done = first_of(self._pending)
        self._pending -= done
        self._tally.add(len(done))
