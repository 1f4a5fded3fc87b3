"""`apply`: exposures flagged with a mask that exists already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..arrays.checks import check_switch
from ..errors import warn
from ..files.location import AnyLocation, Location, locations_of, output_directory
from ..log import log
from ..parameters import Parameters
from . import pool
from .execute import Progress, Tally
from .given_mask import GivenMask, given_mask
from .group_mask import GroupMask
from .member import Member
from .plan import Copy, Plan
from .pool import Group
from .pooled import Writing, carried_out, workers_of
from .provenance import file_part, name_of
from .results import BatchResult
from .suitable import warn_of_odd

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["apply"]


def apply(
    mask: AnyLocation | GroupMask,
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    output_dir: AnyLocation | None = None,
    force: bool = False,
    overwrite: bool = False,
    no_sync: bool = False,
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | Client | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Write flagged copies of exposures with a mask that exists already.

    Parameters
    ----------
    mask : path-like or GroupMask
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
    no_sync : bool, optional
        As in `badpix_selfcal.selfcal`.
    resume : bool, optional
        Keep existing outputs that are whole and were made from the same exposures with the same
        mask; write the others again. With another mask, set `overwrite` too.
    workers, scheduler, progress
        As in `badpix_selfcal.batch`.

    Returns
    -------
    BatchResult
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
    given, exposures = given_mask(mask), locations_of(inputs)
    tally, folder = Tally(progress), output_directory(output_dir)
    by, folder = workers_of((folder, *exposures), tally, workers=workers, scheduler=scheduler)
    with by:
        found = pool.read(exposures, (), by.read, force=force, detector=given.detector)
        warn_of_odd(found.members)
        _warn_of_modes(found.members, given)
        log.info("%d exposures, %d unreadable", len(found.members), len(found.failed))
        group = Group(given.group, found.members)
        plan = _plan(group, given, folder, Parameters(force=force))
        how = Writing(
            folder, (), readers=workers, overwrite=overwrite, no_sync=no_sync, resume=resume
        )
        return carried_out(found, [group], [plan], by, tally, how)


def _plan(group: Group, given: GivenMask, folder: Location, parameters: Parameters) -> Plan:
    """Plan the copies of the exposures that the mask fits."""
    refused = {member: given.refusal(member) for member in group.members}
    axis = None if given.mask is None else given.mask.dispaxis
    fitting = tuple(member for member, why in refused.items() if not why)
    return Plan(
        name=group.name,
        detector=given.detector,
        members=fitting,
        companions=frozenset(),
        copies=tuple(
            Copy(member, folder, name_of(member.stem), axis, is_background=False)
            for member in fitting
        ),
        parameters=parameters,
        stem=file_part(group.name),
        given=given,
        failed={member.path: why for member, why in refused.items() if why},
    )


def _warn_of_modes(members: Iterable[Member], given: GivenMask) -> None:
    """Warn of exposures whose light falls on other pixels than that of the mask's exposures."""
    others = [
        member
        for member in members
        if given.exp_type and member.exp_type not in ("", given.exp_type)
    ]
    if others:
        warn(
            f"{others[0].path}: EXP_TYPE is {others[0].exp_type}, that of the mask {given.name} is "
            f"{given.exp_type}; exposures of other modes: {len(others)}"
        )
