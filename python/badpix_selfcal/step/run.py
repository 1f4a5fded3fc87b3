"""The one loop of `selfcal`, `batch` and `apply`: minimum image, mask, copies; group by group.

They differ in how groups and masks come about, in nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__, num_threads
from ..arrays import BadPixels, find_bad_pixels
from ..arrays.checks import MOST_WORKERS
from ..arrays.display import counted
from ..arrays.images import too_noisy
from ..errors import ExposureError, log, memory_error, warn
from ..files import exposure as exposure_file
from ..files.exposure import Exposure
from ..files.outputs import Outputs
from ..files.paths import Location
from ..instrument import Dispaxis
from ..masks.mask import Card, Mask, Member
from ..parameters import Parameters
from ..progress import Progress, followed
from .groups import Copy, Group, later_step, listed
from .minimum import Minimum, in_order, minimum_of
from .outputs import MASK, PAGE, copy_of, further_names, write_copy
from .result import ExposureResult, Result, Status

Errors: TypeAlias = dict[Location, str]
"""What failed, and why."""

REMOTE_THREADS: Final = 16
"""The least number of threads that read and write remote files: they mostly wait for the server."""

AHEAD: Final = 8
"""The largest number of exposures read ahead: enough for slow servers, with little memory."""

HEADERS_AHEAD: Final = 32
"""The largest number of exposures whose headers are read ahead."""

STOP: Final = 3.0
"""Seconds to wait for threads after an error; those that wait for a server are left behind."""

NOT_OF_MODE: Final = ("BKGDTARG", "S_BPXSLF", "CAL_VER", "EFFEXPTM")
"""Cards of an exposure that say nothing about its mode."""

NOISY: Final = 1.5
"""The noise of an exposure, relative to the least, from which on the fraction cut warns of it."""

LINES: Final[dict[Dispaxis, str]] = {1: "rows", 2: "columns", None: "lines"}
"""What lies along the dispersion."""


def threads_for(locations: Iterable[Location]) -> int:
    """Return how many threads read and write these files, unless the user sets it.

    For local files it is one more than the threads that compute: more make copies on a fast disk
    slower (16 of a full frame 232 to 393 ms with 16 threads, 190 to 230 ms with 2).
    """
    is_remote = not all(isinstance(location, Path) for location in locations)
    return min(max(num_threads() + 1, REMOTE_THREADS if is_remote else 0), MOST_WORKERS)


class Threads(ThreadPoolExecutor):
    """The threads of this process that read and write files; the kernels have their own."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "badpix-selfcal")
        self._ahead = min(number - 1, AHEAD)
        self._pending: set[Future[Any]] = set()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.stop()
        if short := memory_error(error):
            raise short from error

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Do work later."""
        future = super().submit(work, *given, **named)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def stop(self) -> None:
        """Cancel work that has not started, and wait for work that has, but for no server."""
        self.shutdown(wait=False, cancel_futures=True)
        wait([*self._pending], STOP)

    def read(self, paths: Iterable[Location]) -> Iterator[Exposure | ExposureError]:
        """Read the headers of exposures; yield each, or why it cannot be read, in order."""
        for _, future in in_order(self, exposure_file.read, paths, HEADERS_AHEAD):
            error = future.exception()
            yield error if isinstance(error, ExposureError) else future.result()

    def minimum_of(
        self, group: Group, *, with_errors: bool, done: Callable[[int], None]
    ) -> Minimum:
        """Combine the exposures of a group."""
        how: dict[str, Any] = {"ahead": self._ahead, "done": lambda: done(1)}
        return minimum_of(group.exposures, group.gap, self, with_errors=with_errors, **how)

    def write(
        self, copies: Sequence[Copy], flags: NDArray[np.bool_] | None, to: Outputs, *, at_once: bool
    ) -> Iterator[BaseException | None]:
        """Write copies; yield the error of each, in their order."""
        futures = [self.submit(write_copy, copy, flags, to, at_once=at_once) for copy in copies]
        for future in futures:
            yield future.exception()


@dataclass
class Run:
    """A run: groups of exposures, each combined, its mask found and its copies written.

    With `together` the outputs appear all together or not at all, and the first error is raised.
    Without it each output appears on its own, and errors are in the results.
    """

    parameters: Parameters
    work: Threads
    outputs: Outputs
    together: bool
    progress: Progress
    _total: int = 0
    _finished: int = 0
    _show_progress: Callable[[int, int], None] = field(init=False)

    def results(self, groups: Sequence[Group]) -> list[Result]:
        """Do the work, group by group."""
        self._total = sum(map(self._files_of, groups))
        with followed(self.progress, "files read or written") as self._show_progress, self.outputs:
            self._count(0)
            try:
                results = [self._result(group) for group in groups]
                if self.together:
                    for exposure in (each for group in groups for each in group.exposures):
                        exposure.require_unchanged()
            except BaseException:
                self.work.stop()  # first: nothing may be written after the parts are removed
                raise
            if self.together:
                self.outputs.publish()
        return results

    def _result(self, group: Group) -> Result:
        errors, end = {**group.failed}, self._finished + self._files_of(group)
        minimum, mask, is_kept = None, group.mask, self._is_kept(group)
        if mask is not None:
            self._fail_unflaggable(group, errors)
        elif not is_kept and (minimum := self._minimum(group, errors)) is not None:
            mask = self._find(minimum, group, errors)
        shown, unwritten = self._show(group, mask)
        written = self._write(group, minimum, mask, errors)
        self._count(end - self._finished)
        status: Status = "SKIPPED" if mask is None else "COMPLETE"
        status = "KEPT" if is_kept and group.kept else status
        pedestals = {} if minimum is None else minimum.pedestals
        return Result(
            name=group.name,
            status=status,
            members=group.members,
            exposures=self._exposures(group, status, written, errors),
            mask=mask,
            pedestals={path: pedestals[path] for path in group.members if path in pedestals},
            noise=minimum.noise if minimum is not None and self.parameters.needs_errors else {},
            mask_file=shown.get(MASK),
            page=shown.get(PAGE),
            unwritten=unwritten,
            unused=group.unused,
            roles={path: group.role_of(path) for path in group.members},
        )

    def _minimum(self, group: Group, errors: Errors) -> Minimum | None:
        """Combine the exposures of a group; None if it is skipped."""
        if not group.exposures:
            return None
        alone, with_errors = self.parameters.force_single, self.parameters.needs_errors
        skipped = "step skipped: no pixel is flagged, " + (
            "unflagged copies are written"
            if self.parameters.copy_skipped
            else "no file is written (`copy_skipped` writes unflagged copies)"
        )
        if group.is_skipped(group.members, alone=alone):
            warn(
                f"{group.members[0]}: no selfcal or background exposures for {group.name}, "
                f"{skipped}. Add exposures of the same detector (`background`), or set "
                "`force_single` to use the science exposure alone (generally not recommended)"
            )
            return None
        self._fail_unflaggable(group, errors)
        start = time.perf_counter()
        if with_errors:  # the deepest first: mostly, no exposure must be read again
            deepest = tuple(sorted(group.exposures, key=lambda each: -each.depth))
            group = replace(group, exposures=deepest)
        minimum = self.work.minimum_of(group, with_errors=with_errors, done=self._count)
        noisy = too_noisy(minimum.noise) if with_errors else {}
        if not noisy.keys().isdisjoint(minimum.used):  # combined before less noisy ones
            quiet = tuple(each for each in group.exposures if each.path not in noisy)
            less = replace(group, exposures=quiet)
            again = self.work.minimum_of(less, with_errors=True, done=lambda _: None)
            minimum = minimum.replaced(by=again)
        for path, error in minimum.failed.items():
            self._fail(path, error, errors)
        for path, noise in noisy.items():
            log.info("%s: left out: %.2f times the least noise", path, noise)
        for path in minimum.left_out:
            warn(
                f"{path}: left out: no pedestal can be measured in the gap {group.gap} between "
                "the channels, which holds no valid sample or too many infinities"
            )
        log.info("%s: %d exposures combined", group.name, len(minimum.used))
        log.debug("%s: combined in %.1f ms", group.name, 1e3 * (time.perf_counter() - start))
        if group.is_skipped(minimum.used, minimum.failed, alone=alone):
            warn(f"{group.name}: no usable selfcal or background exposures, {skipped}")
            return None
        return minimum

    def _find(self, minimum: Minimum, group: Group, errors: Errors) -> Mask:
        """Find the bad pixels of a minimum image, of which at least one exposure could be used."""
        from ..arrays.crowded import crowded_rows, spared

        start, parameters = time.perf_counter(), self.parameters
        described = self.work.submit(_described, group, {**errors})
        assert minimum.image is not None  # an exposure could be used
        found = find_bad_pixels(
            minimum.image,
            dispaxis=group.dispaxis,
            cut=parameters.cut,
            kernel_size=parameters.kernel_size,
            flagfrac_lower=parameters.flagfrac_lower,
            flagfrac_upper=parameters.flagfrac_upper,
            error=minimum.error,
            n_exposures=minimum.n_exposures,
            sigma_lower=parameters.sigma_lower,
            sigma_upper=parameters.sigma_upper,
            grow=parameters.grow,
            detector=group.detector,
            edge=parameters.edge,
        )
        sensitive = ~np.isnan(found.residual)
        crowded = crowded_rows(found.mask, dispaxis=group.dispaxis, sensitive=sensitive)
        _warn_of(minimum, found, crowded, group, parameters)
        if crowded and parameters.spare_crowded:
            found = spared(found, crowded, group.dispaxis)
        flags = f"{found.n_low} low and {found.n_high} high pixels"
        log.info("%s: %s flagged, dispersion axis %s", group.name, flags, group.dispaxis)
        log.debug("%s: mask found in %.1f ms", group.name, 1e3 * (time.perf_counter() - start))
        about, dq = described.result()
        return Mask(
            name=group.name,
            dispaxis=group.dispaxis,
            parameters=parameters.for_exposures(minimum.n_exposures),
            minimum=minimum.image,
            bad_pixels=found,
            dq=dq,
            crowded=crowded,
            members=self._members(minimum, group, errors),
            about=about,
            version=__version__,
            made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            identity=group.identity(minimum.n_exposures, minimum.failed),
        )

    def _members(self, minimum: Minimum, group: Group, errors: Errors) -> tuple[Member, ...]:
        """Return the exposures of a group, and those that could not be combined."""
        places = {copy.exposure.path: self.outputs.place(copy.name) for copy in group.copies}
        later = {
            each.path: "S_BPXSLF = COMPLETE" if each.is_flagged else later_step(each)
            for each in group.exposures
        }
        copies, constant = minimum.copies, {*minimum.constant}
        unused = dict.fromkeys(minimum.left_out, "no pedestal can be measured in the gap")
        noise = minimum.noise if self.parameters.needs_errors else {}
        for path, times in too_noisy(noise).items():
            unused[path] = f"its noise (median ERR) is {times:.2f} times the least"
        return tuple(
            Member(
                exposure=path,
                role=group.role_of(path),
                pedestal=minimum.pedestals.get(path, None if group.gap is None else np.nan),
                problem=errors.get(path) or unused.get(path, ""),
                output=None if path in errors else places.get(path),
                later=later.get(path, ""),
                same_as=copies.get(path),
                is_constant=path in constant,
                noise=noise.get(path, np.nan),
            )
            for path in group.members
        )

    def _show(self, group: Group, mask: Mask | None) -> tuple[dict[str, Location], Errors]:
        """Write the files that show a mask; return those that exist then, and what failed."""
        shown: dict[str, Location] = {}
        unwritten: Errors = {}
        for kind, name in further_names(group, self.parameters).items():
            final = self.outputs.place(name)
            if name in group.kept:
                shown[kind] = final
            elif mask is not None:
                try:
                    with self.outputs.writing(name) as part:
                        _writer_of(kind)(part, mask, name)
                    if not self.together:
                        self.outputs.publish(name)
                except OSError as error:
                    self._fail(final, error, unwritten)
                else:
                    log.info("%s: written", final)
                    shown[kind] = final
        return shown, unwritten

    def _write(
        self, group: Group, minimum: Minimum | None, mask: Mask | None, errors: Errors
    ) -> set[str]:
        """Write the copies of a group; return the names of those that are written."""
        number, failed = (None, ()) if minimum is None else (minimum.n_exposures, minimum.failed)
        identity = group.identity(number, failed)
        is_flagged, unflagged = mask is not None, self.parameters.copy_skipped
        copies = [
            copy_of(copy, group, identity, self.parameters, is_flagged=is_flagged)
            for copy in group.missing
            if copy.exposure.path not in errors
            # An unflagged copy of a background is of no use.
            and (is_flagged or (unflagged and copy.role != "background"))
        ]
        flags, written = None if mask is None else mask.flags, set[str]()
        errors_of = self.work.write(copies, flags, self.outputs, at_once=not self.together)
        for copy, error in zip(copies, errors_of, strict=True):
            self._count(1)
            if error is None:
                written.add(copy.name)
                log.info("%s: written", self.outputs.place(copy.name))
            else:
                self._fail(copy.exposure.path, error, errors)
        return written

    def _exposures(
        self, group: Group, status: Status, written: set[str], errors: Errors
    ) -> tuple[ExposureResult, ...]:
        """Return the result of each copy, and of other exposures that failed, in their order."""
        found: list[ExposureResult] = []
        for exposure, name, role, *_ in group.copies:
            path, output = exposure.path, self.outputs.place(name)
            if name in group.kept:
                found.append(ExposureResult(path, "KEPT", output, role=role))
            elif path in errors:
                found.append(ExposureResult(path, "FAILED", None, errors[path], role))
            else:
                there = output if name in written else None
                found.append(ExposureResult(path, status, there, role=role))
        for path in errors.keys() - {each.exposure for each in found}:
            role = group.role_of(path)
            found.append(ExposureResult(path, "FAILED", None, errors[path], role))
        order = {path: at for at, path in enumerate(group.members)}
        return tuple(sorted(found, key=lambda each: order[each.exposure]))

    def _fail_unflaggable(self, group: Group, errors: Errors) -> None:
        for copy in group.missing:
            if copy.exposure.problem:
                self._fail(copy.exposure.path, ExposureError(copy.exposure.problem), errors)

    def _fail(self, path: Location, error: BaseException, errors: Errors) -> None:
        """Record an error, or raise it if all outputs appear together."""
        if self.together or not isinstance(error, (ExposureError, OSError)):
            raise error
        log.info("%s: failed: %s", path, error)
        errors.setdefault(path, str(error))

    def _is_kept(self, group: Group) -> bool:
        """Return whether nothing is to be written: all is kept from an earlier run."""
        further = further_names(group, self.parameters).values()
        return not group.missing and group.kept.issuperset(further)

    def _files_of(self, group: Group) -> int:
        """Return how many files are read and written for a group."""
        if self._is_kept(group):
            return 0
        return len(group.missing) + (len(group.exposures) if group.mask is None else 0)

    def _count(self, number: int) -> None:
        self._finished += number
        if number or not self._finished:
            self._show_progress(self._finished, self._total)


def _writer_of(kind: str) -> Callable[[Path, Mask, str], object]:
    """Return what writes a file that shows a mask."""
    if kind == MASK:
        from ..masks.mask import write_part

        return write_part
    from ..look.report import report_page

    return report_page


def _described(
    group: Group, errors: Mapping[Location, str]
) -> tuple[dict[str, Card], NDArray[np.uint32] | None]:
    """Return the cards of the first exposure that is flagged, and its DQ."""
    flagged = [copy.exposure for copy in group.copies]
    good = (each for each in flagged if each.path not in errors)
    first = next(good, (flagged or group.exposures)[0])
    about: dict[str, Card] = {
        keyword: value
        for keyword, value in first.cards.items()
        if keyword not in NOT_OF_MODE and isinstance(value, (str, int, float))
    }
    if first.unit:
        about["BUNIT"] = first.unit
    try:
        return about, first.dq()
    except ExposureError as error:  # its copy fails for the same reason
        log.info("%s", error)
        return about, None


def _warn_of(
    minimum: Minimum,
    found: BadPixels,
    crowded: tuple[int, ...],
    group: Group,
    parameters: Parameters,
) -> None:
    """Warn of exposures that are constant or copies of others, of ERR, and of crowded rows."""
    from ..arrays.crowded import ranges_of
    from ..look.verdict import LIMITS

    if not parameters.needs_errors:
        _warn_of_fraction(minimum, group)
    if minimum.constant:
        warn(
            f"{listed(minimum.constant)}: SCI holds one value only, which hides all brighter "
            "pixels of the other exposures; leave it out"
        )
    if copies := minimum.copies:
        left = minimum.n_exposures
        warn(
            f"{listed(copies)}: SCI is that of another exposure of {group.name} "
            f"({listed(dict.fromkeys(copies.values()))}), so that "
            f"{counted(left, 'different exposure')} {'is' if left == 1 else 'are'} left; leave "
            "copies out"
        )
    scale, most = found.error_scale, LIMITS["error_factor"].look or np.inf
    if parameters.needs_errors and scale is None:
        warn(f"{group.name}: no exposure has a valid ERR; the noise follows from SCI")
    elif scale is not None and not 1 / most <= scale <= most:
        warn(
            f"{group.name}: the noise of SCI is {scale:.3g} times the mean ERR; the scale of SCI "
            "is used"
        )
    if crowded:
        treated = "they are left unflagged"
        if not parameters.spare_crowded:
            treated = "`spare_crowded` leaves them unflagged"
        warn(
            f"{group.name}: {len(crowded)} {LINES[group.dispaxis]} along the dispersion are "
            f"crowded with flags ({ranges_of(crowded)}, counted from 0), as if a trace or the edge "
            f"of a slit were flagged; {treated}"
        )


def _warn_of_fraction(minimum: Minimum, group: Group) -> None:
    """Warn of exposures that the sigma cut would treat otherwise: noisy ones, and zeros."""
    noise = {path: times for path, times in minimum.noise.items() if times >= NOISY}
    if noise:
        warn(
            f"{listed(noise)}: the noise (median ERR) is up to {max(noise.values()):.2g} times the "
            f"least of {group.name}, and rules the minimum image; leave them out, or set `cut` to "
            '"sigma", which does so'
        )
    if minimum.zeros:
        made = {each.path: each.cards.get("CAL_VER", "unknown") for each in group.exposures}
        versions = ", ".join(dict.fromkeys(str(made[path]) for path in minimum.zeros))
        warn(
            f"{listed(minimum.zeros)}: pixels without a measurement are 0, not NaN, as an earlier "
            f"pipeline has written them (CAL_VER {versions}); zeros hide the bad pixels of others; "
            'calibrate them again, or set `cut` to "sigma", which ignores them'
        )
