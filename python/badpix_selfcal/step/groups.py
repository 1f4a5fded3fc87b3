"""Groups: which exposures share a mask, which of them are flagged, and as what their copies go.

A group is made from a product of an association, from a pool of files, or for a given mask. All
exposures of one detector share their bad pixels, whatever their target is. Exposures of different
modes (EXP_TYPE), subarrays or dispersion axes form different groups: their light falls on other
pixels, or their pixels are others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

from ..arrays.checks import AskedDispaxis, GroupBy, check_dispaxis, check_group_by
from ..errors import ExposureError, warn
from ..files.exposure import Cards, Exposure
from ..files.inputs import expanded
from ..files.paths import AnyLocation, Location, file_key
from ..instrument import DETECTORS, DISPAXIS_OF_EXP_TYPE, Dispaxis, Region, gap_of
from ..masks.mask import Mask, Role

__all__ = [
    "Copy",
    "Group",
    "Pool",
    "check_product",
    "dispaxis_of",
    "file_part",
    "grouped",
    "later_step",
    "listed",
    "name_of",
    "of_pool",
    "read_pool",
    "warn_of_axis",
    "warn_of_odd",
]

LATER_NAME: Final = re.compile(r".*_(bsub|cal|crf)\.fits?(\.gz)?", re.IGNORECASE | re.DOTALL)
"""The names of the files that later steps of the pipeline write."""

MOST_LISTED: Final = 3
"""Files that a warning names."""

Read: TypeAlias = Callable[[Iterable[Location]], Iterable[Exposure | ExposureError]]
"""Reads the headers of exposures: returns each exposure, or why it cannot be read, in order."""


class Copy(NamedTuple):
    """An exposure to flag, the name of its copy, and what it is in its group."""

    exposure: Exposure
    name: str
    role: Role


@dataclass(frozen=True, eq=False)
class Group:
    """The exposures of one mask and the copies to flag with it.

    Attributes
    ----------
    name : str
        The product; or the detector and channel; the EXP_TYPE, unless it is that of the integral-
        field unit; the subarray; also the band, if exposures are grouped by band.
    stem : str
        The start of the names of the files that show the mask.
    detector : str
        The detector. Its gap is used for all exposures.
    dispaxis : {1, 2, None}
        The dispersion axis along which the bad pixels are found.
    exposures : tuple of Exposure
        The exposures to combine, each once.
    copies : tuple of Copy
        The copies: of science exposures and, with `save_flagged_bkg`, of backgrounds.
    roles : mapping of Location to {"science", "background", "selfcal"}
        What the exposures are; "science" unless it is said.
    companions : frozenset of Location
        Exposures that the science exposures are combined with. If none of them can be used, the
        group is skipped, unless `force_single` is set.
    origin : mapping of str to (str, str)
        Cards for all copies.
    failed : mapping of Location to str
        Exposures that cannot be flagged, and why.
    unused : mapping of Location to str
        Members of the association that are not used, and their types.
    mask : Mask or None
        The mask to flag with. None: it is found from the exposures.
    kept : frozenset of str
        The names of outputs that an earlier run has written and that are kept.
    """

    name: str
    stem: str
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

    @property
    def missing(self) -> tuple[Copy, ...]:
        """The copies to write."""
        return tuple(copy for copy in self.copies if copy.name not in self.kept)

    @property
    def members(self) -> tuple[Location, ...]:
        """All exposures, each once; those that cannot be flagged too."""
        return (*dict.fromkeys([*(each.path for each in self.exposures), *self.failed]),)

    def is_skipped(
        self, used: Collection[Location], failed: Collection[Location] = (), *, alone: bool
    ) -> bool:
        """Return whether too few exposures can be used.

        Parameters
        ----------
        used : collection of Location
            The exposures that can be used.
        failed : collection of Location, optional
            The exposures that cannot be read. If they leave only one, it is alone.
        alone : bool
            Whether one exposure is enough (`force_single`).
        """
        if alone:
            return not used
        lonely = failed and len(self.exposures) - len(failed) < 2
        return bool(lonely) or self.companions.isdisjoint(used)


@dataclass(frozen=True, eq=False)
class Pool:
    """The exposures that inputs stand for.

    Attributes
    ----------
    exposures : tuple of Exposure
        Those that can be used.
    failed : mapping of Location to str
        Those that cannot be read, and why.
    ignored : tuple of Location
        Those in folders whose EXP_TYPE is that of another mode, or of other detectors.
    """

    exposures: tuple[Exposure, ...]
    failed: Mapping[Location, str]
    ignored: tuple[Location, ...]

    @property
    def files(self) -> tuple[Location, ...]:
        """All files, which no output may replace."""
        return (*(each.path for each in self.exposures), *self.failed, *self.ignored)


def read_pool(
    inputs: Iterable[AnyLocation],
    background: Iterable[AnyLocation],
    read: Read,
    *,
    force: bool | None = None,
    detector: str = "",
) -> Pool:
    """Read the headers of a pool of exposures.

    Parameters
    ----------
    inputs : iterable of path-like
        Exposures, patterns, and folders, which stand for their ``*_rate.fits``. Any may be a URL;
        that of a folder ends with a slash.
    background : iterable of path-like
        Exposures that are backgrounds even if their header (BKGDTARG) does not say so. They belong
        to the pool even if `inputs` does not list them.
    read : callable
        Reads the headers.
    force : bool or None, optional
        Whether to use exposures that are flagged already; None: no, and the user has no choice.
    detector : str, optional
        The detector of the exposures that a folder stands for. Empty: any.

    Returns
    -------
    Pool
        Each exposure once.

    Raises
    ------
    ExposureError
        If there is no exposure, a file or folder does not exist, or a pattern or a folder has no
        exposure.
    """
    named = expanded(background)
    backgrounds = {file_key(path) for path, _ in named}
    found = {file_key(path): (path, in_folder) for path, in_folder in expanded(inputs) + named}
    if not found:
        raise ExposureError("no exposures given")
    exposures: list[Exposure] = []
    failed: dict[Location, str] = {}
    ignored: list[Location] = []
    read_ones = read([path for path, _ in found.values()])
    for (key, (path, in_folder)), exposure in zip(found.items(), read_ones, strict=True):
        if isinstance(exposure, Exception):
            failed[path] = str(exposure)
        elif not exposure.detector:
            failed[path] = _no_detector(exposure)
        elif in_folder and not _is_wanted(exposure, detector):
            ignored.append(path)
        elif why := _refusal(exposure, force=force):
            failed[path] = why
        elif key in backgrounds:
            exposures.append(replace(exposure, is_background=True))
        else:
            exposures.append(exposure)
    if not exposures and not failed:
        others = f"with other detectors than {detector}, or " if detector else ""
        raise ExposureError(
            f"{ignored[0]} and the others ({len(ignored)} in all) were taken {others}in other "
            "modes: EXP_TYPE is none of " + ", ".join(DISPAXIS_OF_EXP_TYPE)
        )
    return Pool(tuple(exposures), failed, tuple(ignored))


def grouped(exposures: Iterable[Exposure], by: GroupBy) -> list[tuple[str, list[Exposure]]]:
    """Return the exposures that share their bad pixels, with the name of their group.

    Parameters
    ----------
    exposures : iterable of Exposure
        The exposures.
    by : {"detector", "band"}
        What they have to share: the detector (and MIRI's channels, which go with it), EXP_TYPE and
        subarray, or the band too.
    """
    check_group_by(by)
    groups: dict[tuple[str, ...], list[Exposure]] = {}
    for each in exposures:
        key = (each.instrument, each.exp_type, each.detector, each.subarray, each.channel)
        groups.setdefault((*key, each.band) if by == "band" else key, []).append(each)
    return [(_name(each[0], by), each) for each in groups.values()]


def of_pool(
    exposures: Iterable[Exposure], by: GroupBy, asked: AskedDispaxis, *, with_backgrounds: bool
) -> list[Group]:
    """Return the groups of a pool, each with one dispersion axis.

    Exposures whose shape is not that of most of their group cannot be flagged.

    Parameters
    ----------
    exposures : iterable of Exposure
        The exposures.
    by : {"detector", "band"}
        What the exposures of one mask share.
    asked : {"auto", 1, 2, None}
        The dispersion axis; "auto": as the headers say.
    with_backgrounds : bool
        Whether backgrounds are flagged too.

    Warns
    -----
    SelfcalWarning
        If a group has backgrounds only, or its dispersion axis is not known.
    """
    groups = []
    for name, members in grouped(exposures, by):
        axes: dict[Dispaxis, list[Exposure]] = {}
        failed: dict[Location, str] = {}
        for each in members:
            try:
                axes.setdefault(dispaxis_of(each, asked), []).append(each)
            except ExposureError as error:
                failed[each.path] = str(error)
        for axis, those in (axes or {None: []}).items():
            label = name if len(axes) < 2 else f"{name} {_AXES[axis]}"
            group = _group(label, those, axis, failed, with_backgrounds=with_backgrounds)
            if axis is None and asked == "auto":
                warn_of_axis([copy.exposure for copy in group.copies])
            groups.append(group)
            failed = {}
    return groups


def name_of(product: str, background: int | None = None) -> str:
    """Return the file name of the copy of a product's science exposure or n-th background."""
    which = "" if background is None else f"_bkg_{background}"
    return f"{product}_badpix_selfcal{which}.fits"


def file_part(name: str) -> str:
    """Return the name of a group made fit for a file name: ``mirifulong_34``."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("_").lower() or "group"


def listed(paths: Iterable[Location]) -> str:
    """Return the first of some files as text, and how many more there are."""
    names = [str(path) for path in paths]
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def dispaxis_of(exposure: Exposure, asked: AskedDispaxis) -> Dispaxis:
    """Return the dispersion axis of an exposure; None if it is not known.

    Parameters
    ----------
    exposure : Exposure
        The exposure.
    asked : {"auto", 1, 2, None}
        The user's choice; "auto": as the header says.

    Raises
    ------
    ExposureError
        If the header has another DISPAXIS.
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
    """Return what says that an exposure has passed this step or later ones; empty if nothing."""
    if exposure.later_step:
        return f"{exposure.later_step} = COMPLETE"
    if exposure.is_flagged:
        return "S_BPXSLF = COMPLETE"
    named = LATER_NAME.fullmatch(exposure.path.name)
    return f"its name, _{named[1].lower()}" if named else ""


def check_product(science: Exposure, members: Sequence[Exposure], *, force: bool) -> None:
    """Check that the exposures of a product can be combined.

    Parameters
    ----------
    science : Exposure
        The science exposure.
    members : sequence of Exposure
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
        raise ExposureError(_no_detector(science))
    for member in members:
        if why := _refusal(member, force=force):
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


def warn_of_odd(exposures: Sequence[Exposure]) -> None:
    """Warn of exposures that are probably given by mistake, although they can be used.

    Warns
    -----
    SelfcalWarning
        If exposures have passed later steps of the pipeline, or are of a mode that is not
        self-calibrated.
    """
    _warn_of_later(exposures)
    _warn_of_modes(exposures)


def warn_of_axis(exposures: Sequence[Exposure]) -> None:
    """Warn that the dispersion axis of exposures is not known."""
    if exposures:
        warn(
            f"{_listed(exposures)}: neither DISPAXIS nor EXP_TYPE gives the dispersion axis; the "
            "running median's window is a square; give `dispaxis` if you know it"
        )


_AXES: Final[dict[Dispaxis, str]] = {1: "axis1", 2: "axis2", None: "square"}
"""What names of groups end with if the exposures have several dispersion axes."""


def _group(
    name: str,
    members: Sequence[Exposure],
    dispaxis: Dispaxis,
    failed: Mapping[Location, str],
    *,
    with_backgrounds: bool,
) -> Group:
    odd = _odd_shapes(name, members)
    exposures = tuple(each for each in members if each.path not in odd)
    if members and not with_backgrounds and all(each.is_background for each in members):
        warn(f"{name}: there are backgrounds only, nothing to flag")
    roles: dict[Location, Role] = {
        each.path: "background" for each in exposures if each.is_background
    }
    return Group(
        name=name,
        stem=file_part(name),
        detector=members[0].detector if members else "",
        dispaxis=dispaxis,
        exposures=exposures,
        copies=tuple(
            Copy(each, name_of(each.stem), roles.get(each.path, "science"))
            for each in exposures
            if with_backgrounds or not each.is_background
        ),
        roles=roles,
        companions=frozenset(each.path for each in exposures if len(exposures) > 1),
        failed={**failed, **odd},
    )


def _odd_shapes(name: str, members: Sequence[Exposure]) -> dict[Location, str]:
    """Return the exposures of a group that cannot be combined, with their error messages.

    The shape of most exposures decides. If no shape has the most, all exposures have the same
    message.
    """
    counts = Counter(member.shape for member in members).most_common()
    if len(counts) < 2:
        return {}
    (usual, most), (_, second), *_ = counts
    if second == most:
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


def _compare(science: Exposure, member: Exposure, *, force: bool) -> None:
    """Compare detector, mode and subarray of an exposure with those of the science exposure."""
    if member.detector not in ("", science.detector):
        what = (
            f"{member.path}: was taken with {member.detector}, the science exposure "
            f"{science.path} with {science.detector}"
        )
        if not force and "MIRI" in (science.instrument, member.instrument):
            raise ExposureError(
                f"{what}. Their pixels and pedestals do not correspond; use one detector, or set "
                "`force` to go on"
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


def _refusal(exposure: Exposure, *, force: bool | None) -> str:
    """Return why an exposure must not be used; empty if it may be.

    `force` is whether the user insists; None: the user has no such choice.
    """
    if force or not exposure.is_flagged:
        return ""
    remedy = "" if force is None else ", or set `force` to use it"
    return (
        f"{exposure.path}: is flagged already (S_BPXSLF = COMPLETE), by this step or the "
        f"pipeline's; give the exposure that it was made from (_rate){remedy}"
    )


def _warn_of_later(exposures: Sequence[Exposure]) -> None:
    later = [each for each in exposures if each.later_step or LATER_NAME.fullmatch(each.path.name)]
    if later:
        step = f" ({later[0].later_step} = COMPLETE)" if later[0].later_step else ""
        warn(
            f"{_listed(later)}: later steps of the pipeline have changed the samples{step}; this "
            "step takes rates (_rate)"
        )


def _warn_of_modes(exposures: Sequence[Exposure]) -> None:
    modes: dict[str, list[Exposure]] = {}
    for each in exposures:
        if each.exp_type not in ("", *DISPAXIS_OF_EXP_TYPE):
            modes.setdefault(each.exp_type, []).append(each)
    for exp_type, those in modes.items():
        warn(
            f"{_listed(those)}: EXP_TYPE is {exp_type}; this step is made for "
            f"{', '.join(DISPAXIS_OF_EXP_TYPE)}"
        )


def _listed(exposures: Iterable[Exposure]) -> str:
    return listed(each.path for each in exposures)


def _no_detector(exposure: Exposure) -> str:
    return f"{exposure.path}: has no DETECTOR keyword, so its gap is not known"


def _is_wanted(exposure: Exposure, detector: str) -> bool:
    is_mode = exposure.exp_type in ("", *DISPAXIS_OF_EXP_TYPE)
    return is_mode and detector in ("", exposure.detector)


def _name(exposure: Exposure, by: GroupBy) -> str:
    known = DETECTORS.get(exposure.detector)
    usual = known is not None and exposure.exp_type == known.exp_type
    mode = "" if usual else exposure.exp_type
    band = exposure.band if by == "band" else ""
    words = (exposure.detector, mode, exposure.subarray, exposure.channel, band)
    return " ".join(filter(None, words))
