"""`apply`: exposures flagged with a mask that exists already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..arrays.checks import check_switch
from ..errors import log, warn
from ..files.exposure import Exposure
from ..files.paths import AnyLocation, absolute, locations_of, output_directory
from ..masks.mask import Mask
from ..parameters import Parameters
from .batch import run_pool, workers_of
from .groups import Copy, Group, file_part, name_of, read_pool, warn_of_odd
from .result import Results
from .run import Progress

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["apply"]


def apply(
    mask: AnyLocation | Mask,
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    output_dir: AnyLocation | None = None,
    force: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    progress: Progress | None = None,
) -> Results:
    """Write flagged copies of exposures with a mask that exists already.

    Parameters
    ----------
    mask : path-like or Mask
        A mask that ``save_mask=True`` has written, or any JWST MASK reference file: of this, the
        pixels that have DO_NOT_USE according to its DQ_DEF. With the extra ``cloud`` it may be a
        URL.
    inputs : path-like or iterable of path-like
        Exposures, patterns and folders, as in `badpix_selfcal.batch`. A folder stands for the
        exposures of the mask's detector. All are flagged, backgrounds too.
    output_dir : path-like, optional
        As in `badpix_selfcal.batch`.
    force : bool, optional
        Use exposures that are flagged already.
    overwrite : bool, optional
        Replace existing outputs. An input is never replaced.
    resume : bool, optional
        Keep existing outputs that are whole and were made from the same exposures with the same
        mask; write the others again. With another mask, set `overwrite` too.
    workers, scheduler, progress
        As in `badpix_selfcal.batch`.

    Returns
    -------
    Results
        The results for all exposures, in one group. One that does not fit the mask, or cannot be
        read or written, is reported there; the others continue.

    Raises
    ------
    MaskError, ExposureError
        If the mask cannot be used, a file or folder does not exist, there are no exposures, or two
        have the same output. Both are ValueErrors.
    FileExistsError
        As in `badpix_selfcal.batch`.
    TypeError, ValueError
        If an argument has a wrong type or value.
    OSError
        If the folder of the outputs cannot be made.

    Warns
    -----
    SelfcalWarning
        If exposures have passed later steps of the pipeline, or are of another mode than the mask.

    Notes
    -----
    The outputs have the names of those of `badpix_selfcal.batch`. Their HISTORY names the mask, and
    holds a digest of its flags.
    """
    force = check_switch(force, "force")
    given = mask if isinstance(mask, Mask) else Mask.read(mask)
    exposures, folder = locations_of(inputs), output_directory(output_dir)
    if scheduler is not None:  # its workers have other current folders
        folder, exposures = absolute(folder), tuple(map(absolute, exposures))
    with workers_of(
        (folder, *exposures), workers=workers, scheduler=scheduler, overwrite=overwrite or resume
    ) as work:
        found = read_pool(exposures, (), work.read, force=force, detector=given.detector)
        warn_of_odd(found.exposures)
        _warn_of_modes(found.exposures, given)
        log.info("%d exposures, %d unreadable", len(found.exposures), len(found.failed))
        return run_pool(
            found,
            [_group(found.exposures, given)],
            Parameters(force=force),
            folder,
            found.files if given.source is None else (*found.files, given.source),
            work,
            overwrite=overwrite,
            resume=resume,
            progress=progress,
        )


def _group(exposures: Iterable[Exposure], mask: Mask) -> Group:
    """Return the group of the exposures that a mask is applied to."""
    refused = [(each, mask.refusal(each)) for each in exposures]
    fitting = tuple(each for each, why in refused if not why)
    return Group(
        name=mask.name,
        stem=file_part(mask.name),
        members=tuple(each.path for each, _ in refused),
        detector=mask.detector,
        dispaxis=mask.dispaxis,
        exposures=fitting,
        copies=tuple(Copy(each, name_of(each.stem), "science") for each in fitting),
        failed={each.path: why for each, why in refused if why},
        mask=mask,
    )


def _warn_of_modes(exposures: Iterable[Exposure], mask: Mask) -> None:
    """Warn of exposures whose light falls on other pixels than that of the mask's exposures."""
    others = [
        each for each in exposures if mask.exp_type and each.exp_type not in ("", mask.exp_type)
    ]
    if others:
        warn(
            f"{others[0].path}: EXP_TYPE is {others[0].exp_type}, that of the mask {mask.title} is "
            f"{mask.exp_type}; exposures of other modes: {len(others)}"
        )
