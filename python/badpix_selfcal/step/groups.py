"""Groups: which exposures share a mask, which of them are flagged, and as what their copies go.

A group is made from a product of an association, from a pool of files, or for a given mask. All
exposures of one detector share their bad pixels, whatever their target is. Exposures of different
modes (EXP_TYPE), subarrays or dispersion axes form different groups: their light falls on other
pixels, or their pixels are others.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from ..arrays.checks import AskedDispaxis, GroupBy, check_dispaxis
from ..errors import ExposureError, warn
from ..files.exposure import Cards, Exposure
from ..files.inputs import expanded
from ..files.paths import AnyLocation, Location, file_key
from ..instrument import DETECTORS, DISPAXIS_OF_EXP_TYPE, Dispaxis, Region, gap_of
from ..masks.mask import Mask, Role
from ..parameters import Parameters

LATER_NAME: Final = re.compile(r".*_(bsub|cal|crf)\.fits?(\.gz)?", re.IGNORECASE | re.DOTALL)
"""The names of the files that later steps of the pipeline write."""

MAX_DAYS: Final = 30.0
"""The longest gap between the dates of exposures that share a mask, in days.

Pixels that become hot in the gap are missing in the minimum image; docs/how-to/associations.md has
what is known of their number, and why it is a month.
"""

MOST_LISTED: Final = 3
"""Files that a warning names."""

Read: TypeAlias = Callable[[Iterable[Location]], Iterable[Exposure | ExposureError]]
"""Reads the headers of exposures: returns each exposure, or why it cannot be read, in order."""


class Copy(NamedTuple):
    """An exposure to flag, the name of its copy, and what it is in its group.

    When the copy is written it also has the cards and the HISTORY entry of its primary header.
    """

    exposure: Exposure
    name: str
    role: Role
    cards: Cards = MappingProxyType({})
    history: str = ""


@dataclass(frozen=True, eq=False)
class Group:
    """The exposures of one mask and the copies to flag with it.

    Attributes
    ----------
    name, stem : what messages call it, and the start of the names of the files that show its mask.
    members : all exposures, each once; those that cannot be flagged too.
    detector : its gap is used for all exposures.
    dispaxis : the dispersion axis along which the bad pixels are found.
    exposures : those to combine, each once.
    copies : of science exposures and, with `save_flagged_bkg`, of backgrounds.
    roles : what the exposures are; "science" unless it is said.
    companions : if none can be used, the group is skipped, unless `force_single` is set.
    origin : cards for all copies.
    failed, unused : exposures that cannot be flagged, and why; members not used, and their types.
    mask : the mask to flag with; None: it is found from the exposures.
    kept : the names of outputs of an earlier run that are kept.
    """

    name: str
    stem: str
    members: tuple[Location, ...]
    detector: str
    dispaxis: Dispaxis
    exposures: tuple[Exposure, ...]
    copies: tuple[Copy, ...]
    roles: Mapping[Location, Role] = field(default_factory=dict)
    companions: frozenset[Location] = frozenset()
    origin: Cards = field(default_factory=dict)
    failed: Mapping[Location, str] = field(default_factory=dict)
    unused: Mapping[Location, str] = field(default_factory=dict)
    mask: Mask | None = None
    kept: frozenset[str] = frozenset()

    @property
    def gap(self) -> Region | None:
        """Where the pedestals are measured."""
        return gap_of(self.detector)

    @cached_property
    def _digest(self) -> str:
        content = " ".join(sorted(each.identity for each in self.exposures)).encode()
        return hashlib.blake2b(content, digest_size=8).hexdigest()

    def identity(self, number: int | None = None, failed: Collection[Location] = ()) -> str:
        """Return a text that identifies the versions of the exposures, in any order, for HISTORY.

        It begins with the number of different exposures that were combined (None: all), and ends
        with those that could not be read.
        """
        lost = sorted(each.identity for each in self.exposures if each.path in failed)
        count = len(self.exposures) if number is None else number
        return f"{count}:{self._digest}" + "".join(f" without={version}" for version in lost)

    def role_of(self, path: Location) -> Role:
        """Return what an exposure is."""
        return self.roles.get(path, "science")

    @property
    def missing(self) -> tuple[Copy, ...]:
        """The copies to write."""
        return tuple(copy for copy in self.copies if copy.name not in self.kept)

    def is_skipped(
        self, used: Collection[Location], failed: Collection[Location] = (), *, alone: bool
    ) -> bool:
        """Return whether too few exposures can be used.

        `failed` are those that cannot be read: if they leave only one, it is alone. `alone` says
        whether one exposure is enough (`force_single`).
        """
        if alone:
            return not used
        lonely = failed and len(self.exposures) - len(failed) < 2
        return bool(lonely) or self.companions.isdisjoint(used)


class Pool(NamedTuple):
    """The exposures that inputs stand for: those that can be used, those that cannot be read and
    why, and those in folders that are of other modes (EXP_TYPE) or detectors.
    """

    exposures: tuple[Exposure, ...]
    failed: Mapping[Location, str]
    ignored: tuple[Location, ...]


def read_pool(
    inputs: Iterable[AnyLocation],
    background: Iterable[AnyLocation],
    read: Read,
    *,
    force: bool | None = None,
    detector: str = "",
    flagged: bool = False,
) -> Pool:
    """Read the headers of a pool of exposures, patterns and folders, each once.

    Those of `background` are backgrounds even if their header (BKGDTARG) does not say so. `force`:
    use exposures that are flagged already, or calibrated; None: no, and the user has no choice.
    `detector` is that of the exposures that a folder stands for; empty: any. `flagged`: use
    flagged copies, for which a folder stands too. Raises an ExposureError if there is no exposure,
    or a file, folder or pattern stands for none.
    """
    named = expanded(background, flagged=flagged)
    backgrounds = {file_key(path) for path, _ in named}
    given = expanded(inputs, flagged=flagged) + named
    found = {file_key(path): (path, in_folder) for path, in_folder in given}
    if not found:
        raise ExposureError("no exposures given")
    exposures: list[Exposure] = []
    failed: dict[Location, str] = {}
    ignored: list[Exposure] = []
    read_ones = read([path for path, _ in found.values()])
    for (key, (path, in_folder)), exposure in zip(found.items(), read_ones, strict=True):
        if isinstance(exposure, Exception):
            failed[path] = str(exposure)
        elif why := _no_detector(exposure):
            failed[path] = why
        elif in_folder and (
            exposure.exp_type not in ("", *DISPAXIS_OF_EXP_TYPE)
            or detector not in ("", exposure.detector)
        ):
            ignored.append(exposure)
        elif why := _refusal(exposure, force=force, flagged=flagged):
            failed[path] = why
        else:
            is_named = key in backgrounds and not exposure.is_imprint
            exposures.append(replace(exposure, is_background=exposure.is_background or is_named))
    if not exposures and not failed:
        odd = [each for each in ignored if each.exp_type not in ("", *DISPAXIS_OF_EXP_TYPE)]
        why = f"EXP_TYPE is none of {', '.join(DISPAXIS_OF_EXP_TYPE)}"
        if len(odd) < len(ignored):
            others = dict.fromkeys(each.detector for each in ignored)
            why = f"taken with {', '.join(others)}, not with {detector}" + f"; or {why}" * bool(odd)
        raise ExposureError(f"{listed(ignored)}: {why}")
    return Pool(tuple(exposures), failed, tuple(each.path for each in ignored))


def grouped(
    exposures: Iterable[Exposure], by: GroupBy, max_days: float, asked: AskedDispaxis = "auto"
) -> list[tuple[str, Dispaxis, list[Exposure]]]:
    """Return the exposures that share their bad pixels, with the name and axis of their group.

    They share the detector (and MIRI's channels, which go with it), EXP_TYPE, subarray and
    dispersion axis; or the band too. An exposure whose axis is wrong counts as one of its mode.
    Between the dates of a group are no gaps longer than `max_days`; a warning says where a group is
    divided for that.
    """
    groups: dict[tuple[str, ...], dict[Dispaxis, list[Exposure]]] = {}
    for each in exposures:
        key = (each.instrument, each.exp_type, each.detector, each.subarray, each.channel)
        try:
            axis = dispaxis_of(each, asked)
        except ExposureError:
            axis = DISPAXIS_OF_EXP_TYPE.get(each.exp_type)
        axes = groups.setdefault((*key, each.band) if by == "band" else key, {})
        axes.setdefault(axis, []).append(each)
    return [
        (part, axis, epoch)
        for axes in groups.values()
        for axis, those in axes.items()
        for part, epoch in _epochs(
            _name(those[0], by) + (f" {_AXES[axis]}" if len(axes) > 1 else ""), those, max_days
        )
    ]


def _epochs(
    name: str, exposures: Sequence[Exposure], max_days: float
) -> list[tuple[str, list[Exposure]]]:
    """Divide a group at gaps of its dates; the names of several parts end with the first date.

    Exposures without a date are in the earliest part: pixels that are hot there stay hot later.
    """
    dates = sorted(each.date for each in exposures if each.date is not None)
    begins = [day for last, day in pairwise(dates) if (day - last).days > max_days]
    parts: list[list[Exposure]] = [[] for _ in range(len(begins) + 1)]
    for each in exposures:
        parts[0 if each.date is None else bisect_right(begins, each.date)].append(each)
    if dates and (undated := [each for each in exposures if each.date is None]):
        warn(
            f"{listed(undated)}: has no date (DATE-OBS), counted with the earliest exposures of "
            f"{name}"
        )
    names = [f"{name} {day}" for day in (*dates[:1], *begins)] if begins else [name]
    if begins:
        warn(
            f"{name}: divided into {len(parts)} groups, {', '.join(names)}: pixels become hot in a "
            f"gap of more than {max_days:g} days (`max_days`)"
        )
    for part, those in zip(names, parts, strict=True):
        warn_of_span(part, those, max_days)
    return [*zip(names, parts, strict=True)]


def warn_of_span(name: str, exposures: Iterable[Exposure], max_days: float) -> None:
    """Warn of exposures of one mask that were taken over a longer time."""
    dates = sorted(each.date for each in exposures if each.date is not None)
    if dates and (days := (dates[-1] - dates[0]).days) > max_days:
        warn(
            f"{name}: the exposures were taken over {days} days ({dates[0]} to {dates[-1]}); "
            "pixels that became hot meanwhile are not found; use exposures of one time (`batch` "
            "and `associate` divide groups at gaps of more than `max_days`)"
        )


def of_pool(
    exposures: Iterable[Exposure], by: GroupBy, max_days: float, parameters: Parameters
) -> list[Group]:
    """Return the groups of a pool, with warnings about them.

    Exposures whose shape is not that of most of their group cannot be flagged, nor those whose axis
    is wrong.
    """
    groups, asked = [], parameters.dispaxis
    for name, axis, members in grouped(exposures, by, max_days, asked):
        failed = _odd_shapes(name, members)
        combined = tuple(each for each in members if each.path not in failed)
        roles: dict[Location, Role] = {
            each.path: "imprint" if each.is_imprint else "background"
            for each in members
            if each.is_background or each.is_imprint
        }
        copies = []
        for each in combined:
            role = roles.get(each.path, "science")
            if role == "science" or (role == "background" and parameters.save_flagged_bkg):
                try:
                    dispaxis_of(each, asked)
                    copies.append(Copy(each, name_of(each.stem), role))
                except ExposureError as error:
                    failed[each.path] = str(error)
        if len(roles) == len(members) and not copies:
            warn(f"{name}: there is no science exposure, nothing to flag")
        if axis is None and asked == "auto":
            warn_of_axis([copy.exposure for copy in copies])
        groups.append(
            Group(
                name=name,
                stem=file_part(name),
                members=tuple(each.path for each in members),
                detector=members[0].detector,
                dispaxis=axis,
                exposures=combined,
                copies=tuple(copies),
                roles=roles,
                companions=frozenset(each.path for each in combined if len(combined) > 1),
                failed=failed,
            )
        )
    return groups


def name_of(product: str, background: int | None = None) -> str:
    """Return the file name of the copy of a product's science exposure or n-th background."""
    which = "" if background is None else f"_bkg_{background}"
    return f"{product}_badpix_selfcal{which}.fits"


def file_part(name: str) -> str:
    """Return the name of a group made fit for a file name: ``mirifulong_34``."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("_").lower() or "group"


def listed(files: Iterable[Location | Exposure]) -> str:
    """Return the first of some files as text, and how many more there are."""
    names = [str(each.path if isinstance(each, Exposure) else each) for each in files]
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def dispaxis_of(exposure: Exposure, asked: AskedDispaxis) -> Dispaxis:
    """Return the dispersion axis of an exposure, as asked for or as its header says.

    It is None if it is not known. Raises an ExposureError if the header has another DISPAXIS.
    """
    if asked != "auto":
        return asked
    if exposure.dispaxis is None:
        return DISPAXIS_OF_EXP_TYPE.get(exposure.exp_type)
    try:
        return check_dispaxis(exposure.dispaxis)
    except ValueError as error:
        raise ExposureError(f"{exposure.path}: DISPAXIS: {error}") from None


def later_step(exposure: Exposure) -> str:
    """Return what says that an exposure has passed later steps; empty if nothing."""
    for card in exposure.later_steps:
        return f"{card} = COMPLETE"
    named = LATER_NAME.fullmatch(exposure.path.name)
    return exposure.calibrated or (f"its name, _{named[1].lower()}" if named else "")


def check_product(science: Exposure, members: Sequence[Exposure], *, force: bool) -> None:
    """Check that the exposures of a product can be combined; warn of what is odd.

    Raises an ExposureError if one is flagged already or calibrated, or has another shape or MIRI
    detector than the science exposure, unless forced.
    """
    if why := _no_detector(science):
        raise ExposureError(why)
    for member in members:
        if why := _refusal(member, force=force):
            raise ExposureError(why)
        if member.shape != science.shape:
            raise ExposureError(
                f"{member.path}: SCI has shape {member.shape}, that of the science exposure "
                f"{science.path} has {science.shape}; use one detector"
            )
    warn_of_odd(members, science.exp_type)
    warn_of_span(str(science.path), members, MAX_DAYS)
    for member in members:
        what, mine = f"{member.path}: was taken with {member.detector}", science.exp_type
        if member.detector not in ("", science.detector):
            what += f", the science exposure {science.path} with {science.detector}"
            if not force and "MIRI" in (science.instrument, member.instrument):
                raise ExposureError(
                    f"{what}. Their pixels and pedestals do not correspond; use one detector, or "
                    "set `force` to go on"
                )
            warn(what)
        elif member.exp_type not in ("", mine) and mine:
            warn(
                f"{member.path}: has EXP_TYPE {member.exp_type}, the science exposure "
                f"{science.path} has {mine}"
            )
        elif member.subarray != science.subarray:
            warn(
                f"{member.path}: has the subarray {member.subarray or 'FULL'}, the science "
                f"exposure {science.path} has {science.subarray or 'FULL'}"
            )


def warn_of_odd(exposures: Sequence[Exposure], mode: str | None = None) -> None:
    """Warn of exposures that have passed later steps, or are of a mode without this step.

    Of other modes than one that is given is warned elsewhere.
    """
    if later := [each for each in exposures if later_step(each)]:
        warn(
            f"{listed(later)}: later steps of the pipeline have changed the samples "
            f"({later_step(later[0])}); this step takes rates (_rate)"
        )
    for exp_type in dict.fromkeys(each.exp_type for each in exposures):
        if exp_type not in ("", *DISPAXIS_OF_EXP_TYPE) and mode in (None, exp_type):
            those = [each for each in exposures if each.exp_type == exp_type]
            warn(
                f"{listed(those)}: EXP_TYPE is {exp_type}; this step is made for "
                f"{', '.join(DISPAXIS_OF_EXP_TYPE)}"
            )


def warn_of_axis(exposures: Sequence[Exposure]) -> None:
    """Warn that the dispersion axis of exposures is not known."""
    if exposures:
        warn(
            f"{listed(exposures)}: neither DISPAXIS nor EXP_TYPE gives the dispersion axis; the "
            "running median's window is a square; give `dispaxis` if you know it"
        )


_AXES: Final[dict[Dispaxis, str]] = {1: "axis1", 2: "axis2", None: "square"}
"""What names of groups end with if the exposures have several dispersion axes."""


def _odd_shapes(name: str, members: Sequence[Exposure]) -> dict[Location, str]:
    """Return the exposures of a group that cannot be combined, with their error messages.

    The shape of most exposures decides. If no shape has the most, all have the same message.
    """
    (usual, most), *others = Counter(member.shape for member in members).most_common()
    if others and others[0][1] == most:
        odd = next(member for member in members if member.shape != members[0].shape)
        message = (
            f"{odd.path}: SCI has shape {odd.shape}, that of {members[0].path} of the same group "
            f"({name}) has {members[0].shape}. No shape has the majority, so the group is not "
            "processed; process each shape separately"
        )
        return {member.path: message for member in members}
    return {
        member.path: (
            f"{member.path}: SCI has shape {member.shape}, {most} others of the same group "
            f"({name}) have {usual}; process it separately"
        )
        for member in members
        if member.shape != usual
    }


def _refusal(exposure: Exposure, *, force: bool | None, flagged: bool = False) -> str:
    """Return why an exposure must not be used; empty if it may be, or the user insists.

    `flagged`: flagged ones may be.
    """
    if force:
        return ""
    if exposure.is_flagged and not flagged:
        what = "flagged already (S_BPXSLF = COMPLETE), by this step or the pipeline's"
    elif exposure.calibrated:
        what = f"calibrated, its light is flat-fielded ({exposure.calibrated})"
    else:
        return ""
    remedy = "" if force is None else ", or set `force` to use it"
    return f"{exposure.path}: is {what}; give the exposure that it was made from (_rate){remedy}"


def _no_detector(exposure: Exposure) -> str:
    missing = f"{exposure.path}: has no DETECTOR keyword, so its gap is not known"
    return "" if exposure.detector else missing


def _name(exposure: Exposure, by: GroupBy) -> str:
    known = DETECTORS.get(exposure.detector)
    usual = known is not None and exposure.exp_type == known.exp_type
    mode = "" if usual else exposure.exp_type
    band = exposure.band if by == "band" else ""
    words = (exposure.detector, mode, exposure.subarray, exposure.channel, band)
    return " ".join(filter(None, words))
