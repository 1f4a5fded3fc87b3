"""`batch`: from many exposures to one mask for each detector and flagged files.

The step, run on each association by itself, reads the same exposures many times to find the same
mask. A batch reads each exposure once to find the mask and once to copy it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..arrays.checks import (
    GROUP_BY,
    MOST_WORKERS,
    AskedDispaxis,
    AskedEdge,
    Cut,
    GroupBy,
    check_choice,
    check_days,
    check_whole,
)
from ..errors import log, warn
from ..files.exposure import Exposure
from ..files.paths import AnyLocation, absolute, locations_of, output_directory
from ..masks.mask import Mask
from ..parameters import Parameters
from ..progress import Progress
from ..threads import threads_set
from .groups import MAX_DAYS, Group, of_pool, read_pool, warn_of_odd
from .outputs import outputs_of, resumed
from .result import ExposureResult, Results
from .run import Run, Threads, threads_for

if TYPE_CHECKING:
    from distributed import Client


def batch(
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    background: AnyLocation | Iterable[AnyLocation] = (),
    group_by: GroupBy = "detector",
    max_days: float = MAX_DAYS,
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
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> Results:
    """Find one mask for each detector and write flagged copies of all its exposures.

    Parameters
    ----------
    inputs : path-like or iterable of path-like
        Exposures, patterns (``**``: any number of sub-folders), and folders. A folder stands for
        the ``*_rate.fits`` in it and in its sub-folders whose EXP_TYPE is MIR_MRS, NRS_IFU,
        NRS_MSASPEC or NRS_FIXEDSLIT; hidden sub-folders and links are left out.
    background : path-like or iterable of path-like, optional
        Exposures (or patterns, folders) that are backgrounds, besides those whose header says so
        (BKGDTARG). They need not be among the inputs. Imprint exposures of NIRSpec (IS_IMPRT) are
        neither science nor background: they only serve to find bad pixels.
    group_by : {"detector", "band"}, optional
        What the exposures of one mask share: the detector, mode (EXP_TYPE) and subarray, or the
        band (MIRI) or filter and grating (NIRSpec) too.
    max_days : float, optional
        The longest gap between the dates of exposures that share a mask, in days, at least 1: a
        group is divided at longer ones, since pixels become hot in between. `inf`: never.
    output_dir : path-like, optional
        As in `badpix_selfcal.selfcal`.
    cut, kernel_size, flagfrac_lower, flagfrac_upper, sigma_lower, sigma_upper, grow, force_single
        As in `badpix_selfcal.selfcal`.
    spare_crowded, copy_skipped, force, edge, dispaxis
        As in `badpix_selfcal.selfcal`.
    save_flagged_bkg : bool, optional
        Write flagged copies of the backgrounds too.
    save_mask : bool, optional
        Write each mask too, as `badpix_selfcal.selfcal`; its file is named after the group.
    report : bool, optional
        Write a page that shows each mask too (extra ``report``). If there are several, the page
        ``badpix_selfcal_report.html`` lists them, in the place of an earlier one; not under a URL.
    overwrite : bool, optional
        As in `badpix_selfcal.selfcal`.
    resume : bool, optional
        Keep existing outputs that are whole and were made from the same exposures; write the others
        again. The parameters must be those of the existing outputs, unless `overwrite` is set too.
    workers : int, optional
        Threads that read and write files. Default: one more than the threads that compute; with
        URLs at least 16.
    scheduler : str or distributed.Client, optional
        The address of a Dask cluster's scheduler, or a client (extra ``dask``): its workers do the
        work. They must see the files under the same names; all paths become absolute.
    threads, progress
        As in `badpix_selfcal.selfcal`; no `threads` with a scheduler.

    Returns
    -------
    Results
        The results for all exposures. One that cannot be read or written is reported there; the
        others continue.

    Raises
    ------
    ExposureError
        If a file or folder does not exist, there are no exposures, or two have the same output.
    FileExistsError
        If an output exists without `overwrite` or `resume`, was made with other parameters and
        `resume` is set without `overwrite`, or would replace an input; then nothing is written.
    TypeError, ValueError, OSError
        If an argument has a wrong type or value, or the folder of the outputs cannot be made.

    Warns
    -----
    SelfcalWarning
        As in `badpix_selfcal.selfcal`. If a group is divided, or an exposure has no date.

    Notes
    -----
    The outputs are ``<exposure>_badpix_selfcal.fits``, without the suffix of the exposure's name.
    They equal, plane by plane, the outputs of `badpix_selfcal.selfcal` for the associations that
    `badpix_selfcal.associate` writes with the same `group_by`.
    """
    parameters = Parameters.among(locals())
    check_choice(GROUP_BY, group_by, "group_by")
    max_days = check_days(max_days, "max_days")
    return run_pool(
        locals(), parameters, lambda exposures: of_pool(exposures, group_by, max_days, parameters)
    )


def run_pool(
    given: Mapping[str, Any],
    parameters: Parameters,
    groups_of: Callable[[Sequence[Exposure]], list[Group]],
    mask: Mask | None = None,
) -> Results:
    """Run the groups of a pool; `given` are the arguments of `batch` or (with a mask) `apply`."""
    inputs, background = locations_of(given["inputs"]), locations_of(given.get("background", ()))
    folder, scheduler = output_directory(given["output_dir"]), given["scheduler"]
    overwrite, resume = given["overwrite"], given["resume"]
    if scheduler is not None:
        for name in ("workers", "threads"):
            if given.get(name) is not None:
                raise ValueError(
                    f"`{name}` is a number of threads of this process; leave it out with "
                    "`scheduler`, whose workers have threads of their own"
                )
        folder = absolute(folder)  # its workers have other current folders
        inputs, background = (tuple(map(absolute, each)) for each in (inputs, background))
    number = threads_for((folder, *inputs, *background))
    if given["workers"] is not None:
        number = check_whole(given["workers"], "workers", 1, MOST_WORKERS)
    start: Callable[[int], Threads] = Threads
    if scheduler is not None:
        from .dask import Cluster

        start = partial(Cluster, scheduler=scheduler, overwrite=overwrite or resume)
    with threads_set(given.get("threads")), start(number) as work:
        detector, sources = "", []
        if mask is not None:
            detector, sources = mask.detector, [mask.source] if mask.source else []
        pool = read_pool(inputs, background, work.read, force=given["force"], detector=detector)
        warn_of_odd(pool.exposures)
        log.info("%d exposures, %d unreadable", len(pool.exposures), len(pool.failed))
        groups = groups_of(pool.exposures)
        outputs = outputs_of(
            groups,
            parameters,
            folder,
            [*(each.path for each in pool.exposures), *pool.failed, *pool.ignored, *sources],
            overwrite=overwrite or resume,
            remedy="set `overwrite` to replace it, `resume` to keep what is done",
        )
        if resume:
            groups = resumed(groups, parameters, outputs, work, overwrite=overwrite)
        run = Run(parameters, work, outputs, together=False, progress=given["progress"])
        results = run.results(groups)
    failed = (ExposureResult(path, "FAILED", None, why) for path, why in pool.failed.items())
    index, pages = None, [each.page for each in results if each.page is not None]
    if pages:
        from ..look.report import write_index

        try:
            index = write_index(folder, pages)
        except OSError as error:
            warn(f"the page that lists the others is not written: {error}")
    return Results(tuple(results), tuple(failed), pool.ignored, index)
