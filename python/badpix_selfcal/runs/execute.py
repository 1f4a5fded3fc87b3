"""The executor: carries out plans, by the threads of this process or by a cluster.

The copies of a run appear all together or not at all (an association), or each on its own (a pool).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeAlias

from ..arrays import BadPixels
from ..detectors import Dispaxis
from ..errors import ExposureError, warn
from ..files.location import Location
from ..files.outputs import Outputs
from ..log import log
from ..messages import argument, argument_name
from .member import Listed, Member
from .minimum import Failed, MinimumImage
from .plan import Copy, Job, Mask, Plan, masks_of
from .provenance import Status
from .review import reviewed

__all__ = [
    "ExposureResult",
    "Outcome",
    "Progress",
    "ResultStatus",
    "Tally",
    "Workers",
    "execute",
]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of finished exposures and the total number."""

ResultStatus: TypeAlias = Literal["COMPLETE", "SKIPPED", "KEPT", "FAILED"]
"""KEPT: written by an earlier run, and still valid."""


@dataclass(frozen=True)
class ExposureResult:
    """The result for one exposure.

    Attributes
    ----------
    exposure : Path or RemoteFile
        The exposure.
    status : {"COMPLETE", "SKIPPED", "KEPT", "FAILED"}
        Flagged; not searched for bad pixels; written by an earlier run; or failed.
    output : Path, RemoteFile or None
        Its copy; None if there is none. The copy of a skipped exposure is unflagged.
    error : str
        Why it failed.
    """

    exposure: Location
    status: ResultStatus
    output: Location | None = None
    error: str = ""


class Workers(Protocol):
    """What a run requires of its threads or its cluster; a context manager."""

    def __enter__(self) -> Self:
        """Start the workers."""

    def __exit__(self, *_: object) -> None:
        """Stop the workers."""

    def read(self, listed: Iterable[Listed]) -> Iterable[Member | Exception]:
        """Read headers; see `badpix_selfcal.runs.member.members_of`."""

    def combine(self, plan: Plan) -> tuple[MinimumImage, Failed]:
        """Combine the members of a plan; see `badpix_selfcal.runs.minimum.combine`."""

    def write(self, job: Job, mask: Mask | None) -> Future[None]:
        """Write a copy, now or later."""

    def finish(self) -> None:
        """Wait for all copies."""

    def stop(self) -> None:
        """Cancel work that has not started, and wait for work of this process that has."""


class Tally:
    """Counts finished exposures and reports them.

    Parameters
    ----------
    progress : callable or None
        Called after each change, in the thread that runs the plans.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self._done = 0
        self._total = 0

    def begin(self, total: int) -> None:
        """Set the number of exposures to do."""
        self._total = total
        self.add(0)

    def add(self, count: int) -> None:
        """Count more exposures as finished."""
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


class Outcome:
    """The result of a plan.

    Attributes
    ----------
    plan : Plan
        The plan.
    pedestals : dict of Path or RemoteFile to float
        The pedestal of each member; NaN if it was left out. Empty without a gap.
    masks : mapping of {1, 2, None} to BadPixels
        The bad pixels by dispersion axis; empty if the plan was skipped.
    crowded : mapping of {1, 2, None} to tuple of int
        The rows that are crowded with flags, by dispersion axis.
    errors : dict of Path or RemoteFile to str
        The exposures that failed, and why.
    written : list of Copy
        The copies written.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pedestals: dict[Location, float] = {}
        self.masks: Mapping[Dispaxis, BadPixels] = {}
        self.crowded: Mapping[Dispaxis, tuple[int, ...]] = {}
        self.errors: dict[Location, str] = dict(plan.failed)
        self.written: list[Copy] = []

    @property
    def status(self) -> Status:
        """COMPLETE: bad pixels were searched for. SKIPPED: they were not."""
        return "COMPLETE" if self.masks else "SKIPPED"

    def results(self) -> dict[Location, ExposureResult]:
        """Return the result of each exposure that was to be flagged or that failed."""
        found = {
            path: ExposureResult(path, "FAILED", error=error) for path, error in self.errors.items()
        }
        for copy in self.plan.copies:
            path = copy.member.path
            found.setdefault(path, ExposureResult(path, self.status))
        for copy in self.written:
            path = copy.member.path
            found[path] = ExposureResult(path, self.status, copy.output)
        return found


def execute(
    plans: Iterable[Plan],
    workers: Workers,
    directory: Location,
    *,
    together: bool,
    overwrite: bool,
    no_sync: bool = False,
    tally: Tally | None = None,
) -> list[Outcome]:
    """Carry out plans, one after the other.

    Parameters
    ----------
    plans : iterable of Plan
        The plans. With a generator, copies are already written while it makes the next plan.
    workers : Workers
        They do the work. Their context is entered already.
    directory : Path or RemoteFile
        The folder of all copies, which is made if it does not exist, or the URL of one.
    together : bool
        If true, the copies appear all together or not at all, and the first error is raised. If
        false, each copy appears on its own, and errors are in the results.
    overwrite : bool
        Whether copies may replace other files.
    no_sync : bool, optional
        Whether not to wait until the disk has the copies.
    tally : Tally, optional
        Counts copies that are not written.

    Returns
    -------
    list of Outcome
        The result of each plan.

    Raises
    ------
    ExposureError
        If `together` and an exposure cannot be used.
    OSError
        If `together` and a copy cannot be written, or if the folder cannot be made.
    """
    running: list[_Execution] = []
    with Outputs(directory, overwrite=overwrite, no_sync=no_sync) as outputs:
        shared = outputs if together else None
        try:
            for plan in plans:
                how = {"overwrite": overwrite, "no_sync": no_sync}
                running.append(_Execution(plan, workers, shared, tally, **how))
                running[-1].run()
                for each in running:
                    each.settle()
            workers.finish()
        except BaseException:
            workers.stop()  # first: nothing may be written after the parts are removed
            raise
        for each in running:
            each.settle()
            if together:
                each.require_unchanged()
        outputs.publish()
    return [each.outcome for each in running]


class _Execution:
    """The execution of one plan."""

    def __init__(
        self,
        plan: Plan,
        workers: Workers,
        shared: Outputs | None,
        tally: Tally | None,
        *,
        overwrite: bool,
        no_sync: bool,
    ) -> None:
        self.outcome = Outcome(plan)
        self._plan = plan
        self._workers = workers
        self._shared = shared
        self._tally = tally or Tally()
        self._overwrite = overwrite
        self._no_sync = no_sync
        self._unread: set[Location] = set()
        self._writing: deque[tuple[Copy, Future[None]]] = deque()

    def run(self) -> None:
        """Find the bad pixels and begin to write the copies."""
        if self._plan.copies:
            self._find_bad_pixels()
            identity = self._plan.identity(self._unread)
            for copy in self._plan.copies:
                self._write(copy, identity)
                self.settle()

    def settle(self) -> None:
        """Record the results of the copies that have ended, in their order."""
        while self._writing and self._writing[0][1].done():
            copy, future = self._writing.popleft()
            error = future.exception()
            if error is None:
                self.outcome.written.append(copy)
                log.info("%s: written", copy.output)
            else:
                self._fail(copy.member.path, error)

    def require_unchanged(self) -> None:
        """Raise an ExposureError if a member was changed since its headers were read."""
        for member in self._plan.members:
            member.require_unchanged()

    def _find_bad_pixels(self) -> None:
        plan = self._plan
        if plan.is_skipped([member.path for member in plan.members]):
            warn(
                f"{plan.members[0].path}: no selfcal or background exposures for {plan.name}, "
                f"{_skipped(plan)}. Add exposures of the same detector "
                f"({argument_name('background')}), or pass {argument(force_single=True)} to use "
                "the science exposure alone (generally not recommended)"
            )
            return
        for copy in plan.copies:
            if copy.member.problem:
                self._fail(copy.member.path, ExposureError(copy.member.problem))
        minimum, failed = self._combine()
        if plan.is_skipped(minimum.used, failed):
            warn(f"{plan.name}: no usable selfcal or background exposures, {_skipped(plan)}")
            return
        start = time.perf_counter()
        self.outcome.masks, self.outcome.crowded = reviewed(masks_of(minimum, plan), plan)
        for axis, found in self.outcome.masks.items():
            flags = f"{found.n_low} low and {found.n_high} high pixels"
            log.info("%s: %s flagged, dispersion axis %s", plan.name, flags, axis)
        log.debug("%s: masks found in %.1f ms", plan.name, 1e3 * (time.perf_counter() - start))

    def _combine(self) -> tuple[MinimumImage, Failed]:
        plan, start = self._plan, time.perf_counter()
        minimum, failed = self._workers.combine(plan)
        for path, error in failed.items():
            self._fail(path, error)
        self._unread.update(failed)
        levels = minimum.pedestals
        ordered = [member.path for member in plan.members if member.path in levels]
        self.outcome.pedestals = {path: levels[path] for path in ordered}
        for path in ordered:
            if levels[path] != levels[path]:
                warn(
                    f"{path}: left out: no pedestal can be measured in the gap {plan.gap} between "
                    "the channels, which holds no valid sample or too many infinities"
                )
        log.info("%s: %d exposures combined", plan.name, len(minimum.used))
        log.debug("%s: combined in %.1f ms", plan.name, 1e3 * (time.perf_counter() - start))
        return minimum, failed

    def _write(self, copy: Copy, identity: str) -> None:
        status, path = self.outcome.status, copy.member.path
        if path in self.outcome.errors or (status == "SKIPPED" and not self._copies_skipped(copy)):
            self._tally.add(1)
            return
        part = None
        if self._shared is not None:
            part = self._shared.part(self._shared.claim(copy.name))
        job = Job(
            copy=copy,
            status=status,
            origin=self._plan.origin,
            history=self._plan.history(copy, status, identity),
            overwrite=self._overwrite,
            part=part,
            no_sync=self._no_sync,
        )
        found = self.outcome.masks.get(copy.dispaxis)
        future = self._workers.write(job, None if found is None else found.mask)
        self._writing.append((copy, future))

    def _copies_skipped(self, copy: Copy) -> bool:
        """Return whether to write an unflagged copy; that of a background is of no use."""
        return self._plan.parameters.copy_skipped and not copy.is_background

    def _fail(self, path: Location, error: BaseException) -> None:
        """Record an error, or raise it if the copies appear together."""
        if self._shared is not None or not isinstance(error, (ExposureError, OSError)):
            raise error
        log.info("%s: failed: %s", path, error)
        self.outcome.errors.setdefault(path, str(error))


def _skipped(plan: Plan) -> str:
    """Return what a skipped step does; a part of warnings."""
    copies = (
        "unflagged copies are written"
        if plan.parameters.copy_skipped
        else f"no file is written ({argument(copy_skipped=True)} writes unflagged copies)"
    )
    return f"step skipped: no pixel is flagged, {copies}"
