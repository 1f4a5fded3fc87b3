"""Which exposures can be flagged, and which can be combined: errors and warnings about inputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from ..errors import ExposureError, warn
from ..files.location import Location
from ..instrument import DISPAXIS_OF_EXP_TYPE
from ..messages import argument, argument_name
from .member import Member, no_detector

__all__ = [
    "check_product",
    "later_step",
    "listed",
    "odd_shapes",
    "refusal",
    "warn_of_itself",
    "warn_of_odd",
]

LATER_NAME: Final = re.compile(r".*_(bsub|cal|crf)\.fits?(\.gz)?", re.IGNORECASE | re.DOTALL)
"""The names of the files that later steps of the pipeline write."""

MOST_LISTED: Final = 3
"""Files that a warning names."""


def refusal(member: Member, *, force: bool | None) -> str:
    """Return the error message for an exposure that must not be used; empty if it may be.

    `force` is whether the user insists; None: the user has no such choice.
    """
    if force or not member.is_flagged:
        return ""
    remedy = "" if force is None else f", or pass {argument(force=True)} to use it"
    return (
        f"{member.path}: is flagged already (S_BPXSLF = COMPLETE), by this step or the pipeline's; "
        f"give the exposure that it was made from (_rate){remedy}"
    )


def warn_of_odd(members: Sequence[Member]) -> None:
    """Warn of exposures that are probably given by mistake, although they can be used.

    Warns
    -----
    SelfcalWarning
        If exposures have passed later steps of the pipeline, or are of a mode that is not
        self-calibrated.
    """
    _warn_of_later(members)
    _warn_of_modes(members)


def later_step(member: Member) -> str:
    """Return what says that an exposure has passed this step or later ones; empty if nothing."""
    if member.later_step:
        return f"{member.later_step} = COMPLETE"
    if member.is_flagged:
        return "S_BPXSLF = COMPLETE"
    named = LATER_NAME.fullmatch(member.path.name)
    return f"its name, _{named[1].lower()}" if named else ""


def listed(paths: Iterable[Location]) -> str:
    """Return the first of some files as text, and how many more there are."""
    names = [str(path) for path in paths]
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _warn_of_later(members: Sequence[Member]) -> None:
    later = [each for each in members if each.later_step or LATER_NAME.fullmatch(each.path.name)]
    if later:
        step = f" ({later[0].later_step} = COMPLETE)" if later[0].later_step else ""
        warn(
            f"{_listed(later)}: later steps of the pipeline have changed the samples{step}; this "
            "step takes rates (_rate)"
        )


def _warn_of_modes(members: Sequence[Member]) -> None:
    others = [each for each in members if each.exp_type not in ("", *DISPAXIS_OF_EXP_TYPE)]
    for exp_type in dict.fromkeys(each.exp_type for each in others):
        of_type = [each for each in others if each.exp_type == exp_type]
        warn(
            f"{_listed(of_type)}: EXP_TYPE is {exp_type}; this step is made for "
            f"{', '.join(DISPAXIS_OF_EXP_TYPE)}"
        )


def check_product(science: Member, members: Sequence[Member], *, force: bool) -> None:
    """Check that the exposures of a product can be combined.

    Parameters
    ----------
    science : Member
        The science exposure.
    members : sequence of Member
        All exposures of the product.
    force : bool
        Whether flagged exposures and several MIRI detectors are allowed.

    Raises
    ------
    ExposureError
        If an exposure cannot be combined with the science exposure.

    Warns
    -----
    SelfcalWarning
        If exposures differ in detector, EXP_TYPE or subarray, or are odd.
    """
    if not science.detector:
        raise ExposureError(no_detector(science))
    for member in members:
        if why := refusal(member, force=force):
            raise ExposureError(why)
        if member.shape != science.shape:
            raise ExposureError(
                f"{member.path}: SCI has shape {member.shape}, that of the science exposure "
                f"{science.path} has {science.shape}; use one detector"
            )
    _warn_of_later(members)
    _warn_of_modes([member for member in members if member.exp_type == science.exp_type])
    for member in members:
        _compare(science, member, force=force)


def _compare(science: Member, member: Member, *, force: bool) -> None:
    if member.detector not in ("", science.detector):
        what = (
            f"{member.path}: was taken with {member.detector}, the science exposure "
            f"{science.path} with {science.detector}"
        )
        if not force and "MIRI" in (science.instrument, member.instrument):
            raise ExposureError(
                f"{what}. Their pixels and pedestals do not correspond; use one detector, or pass "
                f"{argument(force=True)} to go on"
            )
        warn(what)
    elif member.exp_type not in ("", science.exp_type) and science.exp_type:
        warn(
            f"{member.path}: has EXP_TYPE {member.exp_type}, the science exposure "
            f"{science.path} has {science.exp_type}"
        )
    elif member.subarray != science.subarray:
        warn(
            f"{member.path}: has the subarray {member.subarray or 'FULL'}, the science "
            f"exposure {science.path} has {science.subarray or 'FULL'}"
        )


def warn_of_itself(science: Member, members: Sequence[Member]) -> None:
    """Warn of a science exposure that is its own and only background or selfcal exposure.

    Warns
    -----
    SelfcalWarning
        If there is no other exposure.
    """
    if len(members) == 1:
        warn(
            f"{science.path}: is compared with itself only, so light of the target may be flagged; "
            f"add other exposures of the same detector ({argument_name('background')})"
        )


def odd_shapes(name: str, members: Sequence[Member]) -> dict[Member, str]:
    """Return the exposures of a group that cannot be combined, with their error messages.

    The shape of most exposures decides. If no shape has the most, all exposures have the same
    message.

    Parameters
    ----------
    name : str
        The name of the group.
    members : sequence of Member
        Its exposures, at least one.
    """
    counts = Counter(member.shape for member in members).most_common()
    (usual, most), *others = counts
    if not others:
        return {}
    if others[0][1] == most:
        odd = next(member for member in members if member.shape != members[0].shape)
        message = (
            f"{odd.path}: SCI has shape {odd.shape}, that of {members[0].path} of the same group "
            f"({name}) has {members[0].shape}. No shape has the majority, so the group is not "
            "processed; process each shape separately"
        )
        return dict.fromkeys(members, message)
    return {
        member: (
            f"{member.path}: SCI has shape {member.shape}, {most} others of the same group "
            f"({name}) have {usual}; process it separately"
        )
        for member in members
        if member.shape != usual
    }


def _listed(members: Iterable[Member]) -> str:
    return listed(member.path for member in members)
