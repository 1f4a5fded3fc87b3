"""`batch`: from many exposures to one mask for each detector and flagged files.

The step, run on each association by itself, reads the same exposures many times to find the same
mask. A batch reads each exposure once to find the mask and once to copy it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..arrays.checks import AskedDispaxis, AskedEdge, Cut, GroupBy, check_group_by
from ..errors import ExposureError, warn
from ..files.location import AnyLocation, Location, locations_of, output_directory
from ..log import log
from ..parameters import Parameters
from ..threads import threads_set
from . import pool
from .execute import Progress, Tally
from .member import dispaxis_of
from .outcome import ExposureResult, ResultStatus
from .plan import Copy, Plan
from .pool import Group, grouped
from .pooled import Writing, carried_out, workers_of
from .products import products_of
from .provenance import file_part, name_of
from .results import BatchResult, GroupResult
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
    sigma_upper: float | None = Parameters.sigma_upper,
    grow: bool = Parameters.grow,
    force_single: bool = Parameters.force_single,
    spare_crowded: bool = Parameters.spare_crowded,
    save_flagged_bkg: bool = Parameters.save_flagged_bkg,
    save_mask: bool = Parameters.save_mask,
    report: bool = Parameters.report,
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
        in `badpix_selfcal.instrument.DISPAXIS_OF_EXP_TYPE`.
    background : path-like or iterable of path-like, optional
        Exposures (or patterns, folders) that are backgrounds, besides those whose header says so
        (BKGDTARG). They need not be among the inputs.
    group_by : {"detector", "band"}, optional
        What the exposures of one mask share: the detector, mode (EXP_TYPE) and subarray, or the
        band (MIRI) or filter and grating (NIRSpec) too.
    output_dir : path-like, optional
        The folder of the outputs, which is made if it does not exist, or (extra ``cloud``) a URL
        such as ``s3://bucket/prefix``. Default: the current directory.
    cut, kernel_size, flagfrac_lower, flagfrac_upper, sigma_lower, sigma_upper, grow
        As in `badpix_selfcal.selfcal`.
    force_single, spare_crowded, edge, dispaxis
        As in `badpix_selfcal.selfcal`.
    save_flagged_bkg : bool, optional
        Write flagged copies of the backgrounds too.
    save_mask : bool, optional
        Write each mask too, as in `badpix_selfcal.selfcal`; its file is named after the group.
    report : bool, optional
        Write a page that shows each mask too (extra ``report``). If there are several, the page
        ``badpix_selfcal_report.html`` lists them, in the place of an earlier one; not under a URL.
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
        grow=grow,
        dispaxis=dispaxis,
        edge=edge,
        force_single=force_single,
        spare_crowded=spare_crowded,
        save_flagged_bkg=save_flagged_bkg,
        save_mask=save_mask,
        report=report,
        copy_skipped=copy_skipped,
        force=force,
    )
    check_group_by(group_by)
    exposures, backgrounds = locations_of(inputs), locations_of(background)
    tally, folder = Tally(progress), output_directory(output_dir)
    by, folder = workers_of(
        (folder, *exposures, *backgrounds),
        tally,
        workers=workers,
        scheduler=scheduler,
        threads=threads,
        with_errors=parameters.needs_errors,
    )
    with threads_set(threads), by:
        found = pool.read(exposures, backgrounds, by.read, force=parameters.force)
        warn_of_odd(found.members)
        log.info("%d exposures, %d unreadable", len(found.members), len(found.failed))
        groups = grouped(found.members, group_by)
        plans = [plan_of(group, parameters, folder) for group in groups]
        writing = Writing(
            folder,
            products_of(parameters),
            readers=workers,
            overwrite=overwrite,
            no_sync=no_sync,
            resume=resume,
        )
        return carried_out(found, groups, plans, by, tally, writing)


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
