"""The executor: carries out plans, by the threads of this process or by a cluster.

The copies of a run appear all together or not at all (an association), or each on its own (a pool).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeAlias

from .._interrupts import has_ended
from ..errors import ExposureError, warn
from ..files.exposure import Exposure
from ..files.location import Location
from ..files.outputs import Outputs, of_output
from ..log import log
from ..messages import argument, argument_name
from .given_mask import GivenMask
from .group_mask import GroupMask
from .member import Listed, Member
from .minimum import Failed, MinimumImage
from .outcome import Outcome
from .plan import Copy, Job, Mask, Plan, masks_of
from .products import Product, group_mask_of, names_of
from .review import review_exposures, reviewed

__all__ = [
    "Progress",
    "Tally",
    "Workers",
    "execute",
]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of finished exposures and the total number."""


class Workers(Protocol):
    """What a run requires of its threads or its cluster; a context manager."""

    def __enter__(self) -> Self:
        """Start the workers."""

    def __exit__(self, *_: object) -> None:
        """Stop the workers."""

    def read(self, listed: Iterable[Listed]) -> Iterable[Member | Exception]:
        """Read headers; see `badpix_selfcal.step.member.members_of`."""

    def combine(self, plan: Plan) -> tuple[MinimumImage, Failed]:
        """Combine the members of a plan; see `badpix_selfcal.step.minimum.combine`."""

    def exposure(self, location: Location) -> Exposure:
        """Return a whole exposure, read in this process."""

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


def execute(
    plans: Iterable[Plan],
    workers: Workers,
    directory: Location,
    *,
    together: bool,
    overwrite: bool,
    no_sync: bool = False,
    tally: Tally | None = None,
    products: Sequence[Product] = (),
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
    products : sequence of Product, optional
        What else to write for each mask, before the copies.

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
    how = _How(directory, tuple(products), tally or Tally(), overwrite, no_sync)
    with Outputs(directory, overwrite=overwrite, no_sync=no_sync) as outputs:
        shared = outputs if together else None
        try:
            for plan in plans:
                running.append(_Execution(plan, workers, shared, how))
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


@dataclass(frozen=True)
class _How:
    """What is common to all plans of a run."""

    directory: Location
    products: tuple[Product, ...]
    tally: Tally
    overwrite: bool
    no_sync: bool

    def outputs(self) -> Outputs:
        """Return where to write a product that appears on its own."""
        return Outputs(
            self.directory,
            overwrite=self.overwrite,
            no_sync=self.no_sync,
            sweep=False,  # once in a run is enough
        )


class _Execution:
    """The execution of one plan."""

    def __init__(self, plan: Plan, workers: Workers, shared: Outputs | None, how: _How) -> None:
        self.outcome = Outcome(plan)
        self._plan = plan
        self._workers = workers
        self._shared = shared
        self._how = how
        self._unused: set[Location] = set()
        self._copies: Collection[Location] = ()
        self._writing: deque[tuple[Copy, Future[None]]] = deque()
        for product in how.products:
            for axis, name in names_of(plan, product).items():
                if name in plan.done:
                    self.outcome.add_product(product.kind, axis, how.directory / name)

    def run(self) -> None:
        """Find the bad pixels, write the products and begin to write the copies."""
        if self._plan.missing or self._lacks_product():
            if self._plan.given is None:
                self._find_bad_pixels()
            else:
                self._take_mask(self._plan.given)
            identity = self._plan.identity(self._unused, self._copies)
            for copy in self._plan.missing:
                self._write(copy, identity)
                self.settle()

    def settle(self) -> None:
        """Record the results of the copies that have ended, in their order."""
        while self._writing and has_ended(self._writing[0][1]):
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
        self._fail_unflaggable()
        minimum, failed = self._combine()
        if plan.is_skipped(minimum.used, failed):
            warn(f"{plan.name}: no usable selfcal or background exposures, {_skipped(plan)}")
            return
        review_exposures(minimum, plan)
        start = time.perf_counter()
        self.outcome.masks, self.outcome.crowded = reviewed(masks_of(minimum, plan), plan)
        self.outcome.flags = {axis: found.mask for axis, found in self.outcome.masks.items()}
        for axis, found in self.outcome.masks.items():
            flags = f"{found.n_low} low and {found.n_high} high pixels"
            log.info("%s: %s flagged, dispersion axis %s", plan.name, flags, axis)
        log.debug("%s: masks found in %.1f ms", plan.name, 1e3 * (time.perf_counter() - start))
        if self._how.products:
            self._write_products(minimum)

    def _take_mask(self, given: GivenMask) -> None:
        """Flag with an existing mask."""
        self._fail_unflaggable()
        self.outcome.flags = dict.fromkeys(self._plan.axes, given.flags)
        if given.mask is not None:
            self.outcome.masks = {given.mask.dispaxis: given.mask.bad_pixels}
            self.outcome.crowded = {given.mask.dispaxis: given.mask.crowded}

    def _fail_unflaggable(self) -> None:
        for copy in self._plan.missing:
            if copy.member.problem:
                self._fail(copy.member.path, ExposureError(copy.member.problem))

    def _combine(self) -> tuple[MinimumImage, Failed]:
        plan, start = self._plan, time.perf_counter()
        minimum, failed = self._workers.combine(plan)
        for path, error in failed.items():
            self._fail(path, error)
        self._unused.update(failed)
        self._copies = minimum.copies
        levels = minimum.pedestals
        ordered = [member.path for member in plan.members if member.path in levels]
        self.outcome.pedestals = {path: levels[path] for path in ordered}
        for path in ordered:
            if levels[path] != levels[path]:
                self._unused.add(path)
                warn(
                    f"{path}: left out: no pedestal can be measured in the gap {plan.gap} between "
                    "the channels, which holds no valid sample or too many infinities"
                )
        log.info("%s: %d exposures combined", plan.name, len(minimum.used))
        log.debug("%s: combined in %.1f ms", plan.name, 1e3 * (time.perf_counter() - start))
        return minimum, failed

    def _lacks_product(self) -> bool:
        """Return whether a product is not kept from an earlier run."""
        names = (
            name for each in self._how.products for name in names_of(self._plan, each).values()
        )
        return any(name not in self._plan.done for name in names)

    def _write_products(self, minimum: MinimumImage) -> None:
        """Write the products of each mask that are not kept."""
        outcome, plan = self.outcome, self._plan
        for axis in outcome.masks:
            names = {each: names_of(plan, each)[axis] for each in self._how.products}
            missing = {each: name for each, name in names.items() if name not in plan.done}
            if not missing:
                continue
            try:
                mask = group_mask_of(outcome, minimum, axis, self._unused, self._workers.exposure)
            except ExposureError as error:
                self._fail_products(missing.values(), error)
                continue
            for product, name in missing.items():
                try:
                    self._write_product(product, mask, name)
                except OSError as error:
                    self._fail_products([name], error)

    def _write_product(self, product: Product, mask: GroupMask, name: str) -> None:
        start, final = time.perf_counter(), self._how.directory / name
        if self._shared is not None:
            _make(product, mask, self._shared.part(self._shared.claim(name)), final)
        else:
            with self._how.outputs() as outputs:
                _make(product, mask, outputs.part(outputs.claim(name)), final)
                outputs.publish()
        self.outcome.add_product(product.kind, mask.dispaxis, final)
        log.info("%s: written", final)
        log.debug("%s: made in %.1f ms", final, 1e3 * (time.perf_counter() - start))

    def _fail_products(self, names: Iterable[str], error: Exception) -> None:
        """Record why products could not be written, or raise the error if all appear together."""
        if self._shared is not None:
            raise error
        for name in names:
            final = self._how.directory / name
            log.info("%s: failed: %s", final, error)
            self.outcome.unwritten[final] = str(error)

    def _write(self, copy: Copy, identity: str) -> None:
        plan, status, path = self._plan, self.outcome.status, copy.member.path
        if path in self.outcome.errors or (status == "SKIPPED" and not self._copies_skipped(copy)):
            self._how.tally.add(1)
            return
        part = None
        if self._shared is not None:
            part = self._shared.part(self._shared.claim(copy.name))
        n_exposures = len(plan.members) - len(self._unused) - len(self._copies)
        job = Job(
            copy=copy,
            status=status,
            origin=plan.origin,
            history=plan.history(copy, status, identity, n_exposures),
            overwrite=self._how.overwrite,
            part=part,
            no_sync=self._how.no_sync,
        )
        future = self._workers.write(job, self.outcome.flags.get(copy.dispaxis))
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


def _make(product: Product, mask: GroupMask, part: Path, final: Location) -> None:
    """Write a product; an error names its final place."""
    try:
        product.write(part, mask, final.name)
    except OSError as error:
        if error.filename not in (None, str(part)):
            raise
        raise of_output(error, final) from error


def _skipped(plan: Plan) -> str:
    """Return what a skipped step does; a part of warnings."""
    copies = (
        "unflagged copies are written"
        if plan.parameters.copy_skipped
        else f"no file is written ({argument(copy_skipped=True)} writes unflagged copies)"
    )
    return f"step skipped: no pixel is flagged, {copies}"
