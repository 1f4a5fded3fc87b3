"""`apply`: exposures flagged with a mask that exists already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..arrays.checks import check_switch
from ..errors import warn
from ..files.exposure import Exposure, date_in
from ..files.paths import AnyLocation, Location
from ..masks.mask import Mask, Role, names_of_bits
from ..parameters import Parameters
from ..progress import Progress
from .batch import run_pool
from .groups import MAX_DAYS, Copy, Group, file_part, listed, name_of
from .result import Results

if TYPE_CHECKING:
    from distributed import Client


def apply(
    mask: AnyLocation | Mask,
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    bits: str | Iterable[str] = "DO_NOT_USE",
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
        A mask that `save_mask` has written, or any JWST MASK reference file. With the extra
        ``cloud`` it may be a URL.
    inputs : path-like or iterable of path-like
        Exposures, patterns and folders, as in `badpix_selfcal.batch`. A folder stands for the
        exposures of the mask's detector. All are flagged, backgrounds too.
    bits : str or iterable of str, optional
        The pixels to flag have one of these bits of DQ, named as in the DQ_DEF of the mask:
        ``"HOT,WARM"``. A mask of this package has DO_NOT_USE and OTHER_BAD_PIXEL.
    output_dir : path-like, optional
        As in `badpix_selfcal.batch`.
    force : bool, optional
        Use exposures that are flagged already, or calibrated (level 2b).
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
        If the mask cannot be used, or does not define these bits; a ValueError.
    ExposureError, FileExistsError, TypeError, ValueError, OSError
        As in `badpix_selfcal.batch`.

    Warns
    -----
    SelfcalWarning
        If the mask flags no pixel, or exposures have passed later steps of the pipeline, are of
        another mode than the mask, or were taken more than 30 days before or after its exposures.

    Notes
    -----
    The outputs have the names of those of `badpix_selfcal.batch`. Their HISTORY names the mask, and
    holds a digest of its flags.
    """
    force = check_switch(force, "force")
    names = names_of_bits(bits)
    if isinstance(mask, Mask) and names != ("DO_NOT_USE",):
        raise ValueError(f"bits chooses from a mask that is read; give the file of {mask.title}")
    given = mask if isinstance(mask, Mask) else Mask.read(mask, bits=names)
    if not given.flags.any():
        have = [f"{number} have {name}" for name, number in given.bits.items() if number]
        counts = ", ".join([f"0 pixels have {' or '.join(names)}", *have])
        warn(f"{given.title}: flags nothing: {counts}" + "; `bits` chooses others" * bool(have))

    def groups_of(exposures: Sequence[Exposure]) -> list[Group]:
        mode = given.exp_type
        others = [each for each in exposures if mode and each.exp_type not in ("", mode)]
        if others:  # their light falls on other pixels
            warn(
                f"{others[0].path}: EXP_TYPE is {others[0].exp_type}, that of the mask "
                f"{given.title} is {mode}; exposures of other modes: {len(others)}"
            )
        first = date_in(given.about)
        last = date_in({"DATE-OBS": given.about.get("DATE-END", "")}) or first
        dated = [(each, each.date) for each in exposures if each.date]
        early = [each for each, day in dated if first and (first - day).days > MAX_DAYS]
        late = [each for each, day in dated if last and (day - last).days > MAX_DAYS]
        for far, when, day, hot in (
            (early, "before", first, "are flagged, although they were good"),
            (late, "after", last, "are not in it"),
        ):
            if far:
                warn(
                    f"{listed(far)}: taken more than {MAX_DAYS:g} days {when} the exposures of the "
                    f"mask {given.title} ({day}); pixels that became hot meanwhile {hot}"
                )
        failed = {each.path: why for each in exposures if (why := given.refusal(each))}
        fitting = tuple(each for each in exposures if each.path not in failed)
        roles: dict[Location, Role] = {
            each.path: "background" if each.is_background else "science" for each in exposures
        }
        group = Group(
            name=given.name,
            stem=file_part(given.name),
            members=tuple(each.path for each in exposures),
            detector=given.detector,
            dispaxis=given.dispaxis,
            exposures=fitting,
            copies=tuple(Copy(each, name_of(each.stem), roles[each.path]) for each in fitting),
            roles=roles,
            failed=failed,
            mask=given,
        )
        return [group]

    return run_pool(locals(), Parameters(), groups_of, given)
