"""`apply`: exposures flagged with a mask that exists already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..arrays.checks import check_switch
from ..errors import warn
from ..files.exposure import Exposure
from ..files.paths import AnyLocation
from ..masks.mask import Mask
from ..parameters import Parameters
from ..progress import Progress
from .batch import run_pool
from .groups import Copy, Group, file_part, name_of
from .result import Results

if TYPE_CHECKING:
    from distributed import Client


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
    progress: Progress = None,
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
        As in `badpix_selfcal.batch`.
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
    MaskError
        If the mask cannot be used; a ValueError.
    ExposureError, FileExistsError, TypeError, ValueError, OSError
        As in `badpix_selfcal.batch`.

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

    def groups_of(exposures: Sequence[Exposure]) -> list[Group]:
        mode = given.exp_type
        others = [each for each in exposures if mode and each.exp_type not in ("", mode)]
        if others:  # their light falls on other pixels
            warn(
                f"{others[0].path}: EXP_TYPE is {others[0].exp_type}, that of the mask "
                f"{given.title} is {mode}; exposures of other modes: {len(others)}"
            )
        failed = {each.path: why for each in exposures if (why := given.refusal(each))}
        fitting = tuple(each for each in exposures if each.path not in failed)
        group = Group(
            name=given.name,
            stem=file_part(given.name),
            members=tuple(each.path for each in exposures),
            detector=given.detector,
            dispaxis=given.dispaxis,
            exposures=fitting,
            copies=tuple(Copy(each, name_of(each.stem), "science") for each in fitting),
            failed=failed,
            mask=given,
        )
        return [group]

    return run_pool(locals(), Parameters(), groups_of, given)
