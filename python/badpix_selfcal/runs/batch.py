"""Many exposures at once: one mask for each detector, applied to all that were taken with it.

Run on each association by itself, the step reads the same exposures over and over to find the same
mask. Here each exposure is read once to find it, and once more to be copied: by this process, or by
those of a cluster.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from .._kernels import num_threads
from ..arrays import BadPixels
from ..detectors import Dispaxis
from ..errors import ExposureError
from ..files.outputs import Outputs
from ..files.remote import AnyLocation, AnyPath, Location, locations_of
from ..parameters import (
    EDGE,
    FLAGFRAC,
    KERNEL_SIZE,
    MOST_WORKERS,
    AskedDispaxis,
    Edge,
    GroupBy,
    Parameters,
    check_group_by,
    check_workers,
)
from .local import Progress, Tally, Threads, Workforce
from .minimum import warn
from .plan import Job, Output, Plan, identity_of, masks_of, plan_of
from .pool import Member, Pool, grouped
from .provenance import Status

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["BatchResult", "ExposureResult", "GroupResult", "ResultStatus", "batch"]

ResultStatus: TypeAlias = Literal["COMPLETE", "SKIPPED", "KEPT", "FAILED"]
"""KEPT: done by an earlier run, and still valid."""


@dataclass(frozen=True)
class ExposureResult:
    """What became of one exposure.

    Attributes
    ----------
    exposure : Path or RemoteFile
        The exposure.
    status : {"COMPLETE", "SKIPPED", "KEPT", "FAILED"}
        Flagged; copied without flags; done by an earlier run; or failed.
    output : Path or None
        Its copy; None if there is none.
    error : str
        Why it failed.
    """

    exposure: Location
    status: ResultStatus
    output: Path | None = None
    error: str = ""


@dataclass(frozen=True)
class GroupResult:
    """What became of one group.

    Attributes
    ----------
    name : str
        What its exposures were taken with.
    members : tuple of Path or RemoteFile
        All its exposures.
    exposures : tuple of ExposureResult
        Those that were to be flagged, and those that failed.
    pedestals : mapping of Path or RemoteFile to float
        As in `badpix_selfcal.SelfcalResult`. Empty if nothing had to be computed.
    masks : mapping of {1, 2, None} to BadPixels
        What was found, by dispersion axis; as a rule one. Empty if nothing was computed.
    """

    name: str
    members: tuple[Location, ...]
    exposures: tuple[ExposureResult, ...]
    pedestals: Mapping[Location, float]
    masks: Mapping[Dispaxis, BadPixels]

    @property
    def left_out(self) -> tuple[Location, ...]:
        """The exposures not used for want of a pedestal."""
        return tuple(path for path, level in self.pedestals.items() if level != level)


@dataclass(frozen=True)
class BatchResult:
    """What became of many exposures.

    Attributes
    ----------
    groups : tuple of GroupResult
        Those with a mask in common.
    unreadable : tuple of ExposureResult
        Exposures that belong to no group, as they cannot be read.
    passed_over : tuple of Path or RemoteFile
        Files in the folders that were not taken with an integral-field unit.
    """

    groups: tuple[GroupResult, ...]
    unreadable: tuple[ExposureResult, ...]
    passed_over: tuple[Location, ...]

    @property
    def exposures(self) -> tuple[ExposureResult, ...]:
        """What became of every exposure."""
        return (*(each for group in self.groups for each in group.exposures), *self.unreadable)

    @property
    def failed(self) -> tuple[ExposureResult, ...]:
        """The exposures that failed."""
        return tuple(each for each in self.exposures if each.status == "FAILED")


def batch(
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    background: AnyLocation | Iterable[AnyLocation] = (),
    group_by: GroupBy = "detector",
    output_dir: AnyPath | None = None,
    kernel_size: int = KERNEL_SIZE,
    flagfrac_lower: float = FLAGFRAC,
    flagfrac_upper: float = FLAGFRAC,
    force_single: bool = False,
    save_flagged_bkg: bool = False,
    edge: Edge = EDGE,
    dispaxis: AskedDispaxis = "auto",
    overwrite: bool = False,
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Find one mask for each detector and write flagged copies of all its exposures.

    Parameters
    ----------
    inputs : path-like or iterable of path-like
        Exposures, patterns, and folders; a folder stands for the ``*_rate.fits`` in it that were
        taken with an integral-field unit.
    background : path-like or iterable of path-like, optional
        Exposures (or patterns, folders) that are backgrounds, besides those whose header says so
        (BKGDTARG). They need not be among the inputs.
    group_by : {"detector", "band"}, optional
        What exposures with one mask share: the detector, or the band (MIRI) or filter and grating
        (NIRSpec) too.
    output_dir : path-like, optional
        Where the outputs go; made if it does not exist. The current folder unless given.
    kernel_size, flagfrac_lower, flagfrac_upper, force_single, edge, dispaxis
        As in `badpix_selfcal.selfcal`.
    save_flagged_bkg : bool, optional
        Write flagged copies of the backgrounds too.
    overwrite : bool, optional
        Replace existing outputs. An input is never replaced.
    resume : bool, optional
        Keep existing outputs that are whole and were made from the same exposures with the same
        parameters; make the others again.
    workers : int, optional
        Threads that write; as many as compute unless given.
    scheduler : str or distributed.Client, optional
        A Dask cluster whose workers do the work instead of this process: the address of its
        scheduler, or a client of it (extra ``dask``). They must see the files under the same
        names; all paths become absolute.
    progress : callable, optional
        Called with the number of exposures done and that of all to do.

    Returns
    -------
    BatchResult
        What became of every exposure. One that cannot be read or written is told of there, and
        the others go on.

    Raises
    ------
    ExposureError
        If there are no exposures, or two would give the same output.
    FileExistsError
        If an output exists without `overwrite` or `resume`, or would replace an input; then
        nothing is written.
    TypeError, ValueError
        If an argument has a wrong type or value.
    OSError
        If the folder of the outputs cannot be made.

    Warns
    -----
    SelfcalWarning
        As in `badpix_selfcal.selfcal`.

    Notes
    -----
    The outputs are ``<exposure>_badpix_selfcal.fits``, without the suffix of the exposure's name.
    They equal, plane by plane, what `badpix_selfcal.selfcal` makes of the associations that
    `badpix_selfcal.associate` writes with the same `group_by`.
    """
    parameters = Parameters(
        kernel_size, flagfrac_lower, flagfrac_upper, force_single, save_flagged_bkg, edge, dispaxis
    )
    check_group_by(group_by)
    workers = None if workers is None else check_workers(workers)
    if scheduler is not None and workers is not None:
        raise ValueError("workers are threads of this process; a scheduler has workers of its own")
    tally, folder = Tally(progress), Path(output_dir or ".")
    workforce: Workforce
    if scheduler is None:
        workforce = Threads(workers or min(num_threads(), MOST_WORKERS), tally)
    else:
        from .dask import Cluster

        workforce, folder = Cluster(scheduler, tally), folder.absolute()
    with workforce:
        pool = workforce.read(locations_of(inputs), locations_of(background))
        plans = [plan_of(group, parameters, folder) for group in grouped(pool.members, group_by)]
        _refuse_collisions(plans, pool, replace=overwrite or resume)
        runs = [_Run(plan, overwrite=overwrite, resume=resume) for plan in plans]
        tally.begin(sum(len(run.todo) for run in runs))
        with Outputs(folder):
            for run in runs:
                run.start(workforce, tally)
            workforce.finish()
    unreadable = [ExposureResult(path, "FAILED", None, why) for path, why in pool.failed.items()]
    return BatchResult(tuple(run.result() for run in runs), tuple(unreadable), pool.passed_over)


class _Run:
    """One group on its way from exposures to files."""

    def __init__(self, plan: Plan, *, overwrite: bool, resume: bool) -> None:
        self._plan = plan
        self._overwrite = overwrite or resume
        self._results = {
            path: ExposureResult(path, "FAILED", None, why) for path, why in plan.failed.items()
        }
        self._writing: list[tuple[Output, Status, Future[Path]]] = []
        self._pedestals: Mapping[Location, float] = {}
        self._masks: Mapping[Dispaxis, BadPixels] = {}
        self.todo: list[Output] = []
        for output in plan.outputs:
            if resume and output.is_current(plan):
                path = output.member.path
                self._results[path] = ExposureResult(path, "KEPT", output.path)
            else:
                self.todo.append(output)

    def start(self, workforce: Workforce, tally: Tally) -> None:
        """Find the masks, and have the copies written."""
        if self.todo:
            used = identity_of(self._find(workforce))
            for output in self.todo:
                self._write(output, used, workforce, tally)
        elif not (self._plan.outputs or self._plan.failed):
            warn(f"{self._plan.group.name}: there are backgrounds only, nothing to flag")

    def result(self) -> GroupResult:
        """Return what became of it, when all writing has ended."""
        results = {**self._results, **dict(self._written())}
        members = tuple(member.path for member in self._plan.group.members)
        return GroupResult(
            name=self._plan.group.name,
            members=members,
            exposures=tuple(results[path] for path in members if path in results),
            pedestals=self._pedestals,
            masks=self._masks,
        )

    def _find(self, workforce: Workforce) -> list[Member]:
        """Find the masks; return the exposures they were made of."""
        members = self._plan.group.members
        if self._plan.is_skipped():
            warn(
                f"{members[0].path}: is the only exposure of {self._plan.group.name}, step "
                "skipped; force_single goes on with it alone (generally not recommended)"
            )
            return [*members]
        minimum, failed = workforce.minimum_of(self._plan)
        for path, why in failed.items():
            self._results[path] = ExposureResult(path, "FAILED", None, why)
        levels = minimum.pedestals
        self._pedestals = {each.path: levels[each.path] for each in members if each.path in levels}
        for path, level in self._pedestals.items():
            if level != level:
                minimum.warn_left_out(path)
        if self._plan.is_skipped(failed) or not minimum.used:
            warn(f"{self._plan.group.name}: no usable exposures, step skipped")
        else:
            self._masks = masks_of(minimum, self._plan)
        return [member for member in members if member.path not in failed]

    def _write(self, output: Output, used: str, workforce: Workforce, tally: Tally) -> None:
        path = output.member.path
        status: Status = "COMPLETE" if self._masks else "SKIPPED"
        if output.member.is_background and not self._masks:  # as the step: not copied in vain
            self._results[path] = ExposureResult(path, status)
        if path in self._results:
            tally.tell(1)
            return
        told = output.history(self._plan, status, used)
        mask = self._masks[output.dispaxis].mask if self._masks else None
        job = Job(output, status, told, self._overwrite)
        self._writing.append((output, status, workforce.write(job, mask)))

    def _written(self) -> Iterator[tuple[Location, ExposureResult]]:
        for output, status, future in self._writing:
            path, error = output.member.path, future.exception()
            if error is None:
                yield path, ExposureResult(path, status, future.result())
            elif isinstance(error, (ValueError, OSError)):
                yield path, ExposureResult(path, "FAILED", None, str(error))
            else:
                raise error


def _refuse_collisions(plans: list[Plan], pool: Pool, *, replace: bool) -> None:
    """Refuse outputs that may not be written, before any work is done."""
    given = (*(member.path for member in pool.members), *pool.failed, *pool.passed_over)
    local = (path for path in given if isinstance(path, Path))
    inputs = {_file(path): path for path in local if path.exists()}
    seen: dict[str, Location] = {}
    for output in (output for plan in plans for output in plan.outputs):
        name = output.path.name.casefold()  # one file, where file names have no case
        if name in seen:
            raise ExposureError(
                f"{output.member.path} and {seen[name]} would both give {output.path}; "
                "process them apart, or rename one"
            )
        seen[name] = output.member.path
        if not os.path.lexists(output.path):
            continue
        if output.path.exists() and (hit := inputs.get(_file(output.path))) is not None:
            raise FileExistsError(
                f"{output.path}: would replace the input {hit}; choose another output folder"
            )
        if output.path.is_dir():
            raise IsADirectoryError(f"{output.path}: is a folder; choose another output folder")
        if not replace:
            raise FileExistsError(
                f"{output.path} exists already; pass overwrite to replace it, resume to keep what "
                "is done, or choose another folder"
            )


def _file(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_dev, about.st_ino
