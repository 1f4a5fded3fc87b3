"""`batch`: from many exposures to one mask for each detector and flagged files.

The step, run on each association by itself, reads the same exposures many times to find the same
mask. A batch reads each exposure once to find the mask and once to copy it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..checks import AskedDispaxis, AskedEdge, Cut, GroupBy, check_group_by, check_workers
from ..errors import ExposureError, warn
from ..files.location import (
    AnyLocation,
    Location,
    absolute,
    locations_of,
    output_directory,
)
from ..files.outputs import usual_remedy
from ..log import log
from ..messages import argument, argument_name
from ..parameters import Parameters
from ..threads import threads_set
from . import pool
from .collisions import refuse_collisions
from .execute import Progress, Tally, Workers, execute
from .local import Threads, workers_for
from .member import dispaxis_of
from .outcome import ExposureResult, Outcome, ResultStatus
from .plan import Copy, Plan
from .pool import Group, grouped
from .products import MASK, names_of, products_of
from .provenance import file_part, name_of
from .results import BatchResult, GroupResult
from .resume import resumed
from .suitable import odd_shapes, warn_of_odd

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["BatchResult", "ExposureResult", "GroupResult", "ResultStatus", "batch", "plan_of"]


def batch(
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    background: AnyLocation | Iterable[AnyLocation] = (),
    group_by: GroupBy = "detector",
    output_dir: AnyLocation | None = None,
    cut: Cut = Parameters.cut,
    kernel_size: int = Parameters.kernel_size,
    flagfrac_lower: float = Parameters.flagfrac_lower,
    flagfrac_upper: float = Parameters.flagfrac_upper,
    sigma_lower: float = Parameters.sigma_lower,
    sigma_upper: float = Parameters.sigma_upper,
    force_single: bool = Parameters.force_single,
    spare_crowded: bool = Parameters.spare_crowded,
    save_flagged_bkg: bool = Parameters.save_flagged_bkg,
    save_mask: bool = Parameters.save_mask,
    copy_skipped: bool = Parameters.copy_skipped,
    force: bool = Parameters.force,
    edge: AskedEdge = Parameters.edge,
    dispaxis: AskedDispaxis = Parameters.dispaxis,
    overwrite: bool = False,
    no_sync: bool = False,
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Find one mask for each detector and write flagged copies of all its exposures.

    Parameters
    ----------
    inputs : path-like or iterable of path-like
        Exposures, patterns, and folders; a folder stands for the ``*_rate.fits`` in it of the modes
        in `badpix_selfcal.detectors.DISPAXIS_OF_EXP_TYPE`.
    background : path-like or iterable of path-like, optional
        Exposures (or patterns, folders) that are backgrounds, besides those whose header says so
        (BKGDTARG). They need not be among the inputs.
    group_by : {"detector", "band"}, optional
        What the exposures of one mask share: the detector, mode (EXP_TYPE) and subarray, or the
        band (MIRI) or filter and grating (NIRSpec) too.
    output_dir : path-like, optional
        The folder of the outputs, which is made if it does not exist, or (extra ``cloud``) a URL
        such as ``s3://bucket/prefix``. Default: the current directory.
    cut, kernel_size, flagfrac_lower, flagfrac_upper, sigma_lower, sigma_upper
        As in `badpix_selfcal.selfcal`.
    force_single, spare_crowded, edge, dispaxis
        As in `badpix_selfcal.selfcal`.
    save_flagged_bkg : bool, optional
        Write flagged copies of the backgrounds too.
    save_mask : bool, optional
        Write each mask too, as in `badpix_selfcal.selfcal`; its file is named after the group.
    copy_skipped, force
        As in `badpix_selfcal.selfcal`.
    overwrite : bool, optional
        Replace existing outputs. An input is never replaced.
    no_sync : bool, optional
        As in `badpix_selfcal.selfcal`.
    resume : bool, optional
        Keep existing outputs that are whole and were made from the same exposures; write the others
        again. The parameters must be those of the existing outputs, unless `overwrite` is set too.
    workers : int, optional
        Threads that read and write files. Default: one more than the threads that compute; with
        URLs at least 16.
    scheduler : str or distributed.Client, optional
        A Dask cluster whose workers do the work instead of this process: the address of its
        scheduler, or a client (extra ``dask``). The workers must see the files under the same
        names; all paths become absolute.
    threads : int, optional
        As in `badpix_selfcal.selfcal`; not with a scheduler.
    progress : callable, optional
        Called with the number of finished exposures and the total number.

    Returns
    -------
    BatchResult
        The results for all exposures. One that cannot be read or written is reported there; the
        others continue.

    Raises
    ------
    ExposureError
        If a file or folder does not exist, there are no exposures, or two have the same output.
    FileExistsError
        If an output exists without `overwrite` or `resume`, was made with other parameters and
        `resume` is set without `overwrite`, or would replace an input; then nothing is written.
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
    They equal, plane by plane, the outputs of `badpix_selfcal.selfcal` for the associations that
    `badpix_selfcal.associate` writes with the same `group_by`.
    """
    parameters = Parameters(
        cut=cut,
        kernel_size=kernel_size,
        flagfrac_lower=flagfrac_lower,
        flagfrac_upper=flagfrac_upper,
        sigma_lower=sigma_lower,
        sigma_upper=sigma_upper,
        dispaxis=dispaxis,
        edge=edge,
        force_single=force_single,
        spare_crowded=spare_crowded,
        save_flagged_bkg=save_flagged_bkg,
        save_mask=save_mask,
        copy_skipped=copy_skipped,
        force=force,
    )
    check_group_by(group_by)
    workers = None if workers is None else check_workers(workers)
    if scheduler is not None:
        for name, number in (("workers", workers), ("threads", threads)):
            if number is not None:
                raise ValueError(
                    f"{argument_name(name)} is a number of threads of this process; leave it out "
                    f"with {argument_name('scheduler')}, whose workers have threads of their own"
                )
    exposures, backgrounds = locations_of(inputs), locations_of(background)
    tally, folder = Tally(progress), output_directory(output_dir)
    by: Workers
    if scheduler is None:
        count = workers or workers_for((folder, *exposures, *backgrounds))
        by = Threads(count, tally, with_errors=parameters.needs_errors)
    else:
        from .dask import Cluster

        by, folder = Cluster(scheduler, tally), absolute(folder)
    with threads_set(threads), by:
        found = pool.read(exposures, backgrounds, by.read, force=parameters.force)
        warn_of_odd(found.members)
        log.info("%d exposures, %d unreadable", len(found.members), len(found.failed))
        groups = grouped(found.members, group_by)
        plans = [plan_of(group, parameters, folder) for group in groups]
        products = products_of(parameters)
        further = [
            (plan.name, name)
            for plan in plans
            for product in products
            for name in names_of(plan, product).values()
        ]
        refuse_collisions(
            ((copy.member.path, copy.name) for plan in plans for copy in plan.copies),
            further,
            folder,
            (*(member.path for member in found.members), *found.failed, *found.ignored),
            overwrite=overwrite or resume,
            remedy=f"{usual_remedy()}, {argument(resume=True)} to keep what is done",
        )
        if resume:
            readers = workers or workers_for([folder])
            plans = resumed(plans, folder, readers, products, overwrite=overwrite)
        tally.begin(sum(len(plan.missing) for plan in plans))
        outcomes = execute(
            plans,
            by,
            folder,
            together=False,
            overwrite=overwrite or resume,
            no_sync=no_sync,
            tally=tally,
            products=products,
        )
    results = zip(groups, outcomes, strict=True)
    unreadable = (ExposureResult(path, "FAILED", None, why) for path, why in found.failed.items())
    return BatchResult(tuple(_result(*each) for each in results), tuple(unreadable), found.ignored)


def plan_of(group: Group, parameters: Parameters, folder: Location) -> Plan:
    """Plan a group. Exposures whose shape is not that of most of them cannot be flagged."""
    copies: list[Copy] = []
    odd = odd_shapes(group.name, group.members)
    members = tuple(member for member in group.members if member not in odd)
    failed = {member.path: why for member, why in odd.items()}
    if not parameters.save_flagged_bkg and all(each.is_background for each in group.members):
        warn(f"{group.name}: there are backgrounds only, nothing to flag")
    for member in members:
        if member.is_background and not parameters.save_flagged_bkg:
            continue
        try:
            dispaxis = dispaxis_of(member, parameters.dispaxis)
        except ExposureError as error:
            failed[member.path] = str(error)
            continue
        name = name_of(member.stem)
        copies.append(Copy(member, folder, name, dispaxis, member.is_background))
    paths = [member.path for member in members]
    return Plan(
        name=group.name,
        detector=group.members[0].detector,
        members=members,
        companions=frozenset(paths if len(paths) > 1 else ()),
        copies=tuple(copies),
        parameters=parameters,
        stem=file_part(group.name),
        roles={each.path: "background" for each in members if each.is_background},
        failed=failed,
    )


def _result(group: Group, outcome: Outcome) -> GroupResult:
    paths = tuple(member.path for member in group.members)
    results = outcome.results()
    for copy in outcome.plan.kept:
        results[copy.member.path] = ExposureResult(copy.member.path, "KEPT", copy.output)
    return GroupResult(
        name=group.name,
        members=paths,
        exposures=tuple(results[path] for path in paths if path in results),
        pedestals=outcome.pedestals,
        masks=outcome.masks,
        crowded_rows=outcome.crowded,
        mask_files=outcome.products.get(MASK, {}),
        unwritten=outcome.unwritten,
    )
