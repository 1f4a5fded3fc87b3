"""A pool of exposures: what their headers tell, and which belong together.

All exposures of one detector share their bad pixels, whatever they look at: they make a group.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from ..detectors import DISPAXIS_OF_EXP_TYPE
from ..errors import ExposureError
from ..files import exposure as exposure_file
from ..files.association import stem_of
from ..files.exposure import Exposure
from ..files.remote import AnyLocation, Location, RemoteError, RemoteFile, each_of, locate
from ..parameters import GroupBy, check_group_by

__all__ = [
    "Group",
    "Member",
    "Pool",
    "grouped",
    "member_of",
    "members_of",
    "read",
]

RATES: Final = ("*_rate.fits", "*_rate.fits.gz")
"""What stands for a folder: what the pipeline's first stage writes there."""


@dataclass(frozen=True)
class Member:
    """One exposure of a pool, without its samples.

    Attributes
    ----------
    path : Path or RemoteFile
        The file.
    instrument, detector, channel, band, exp_type : str
        What it was taken with, in capitals; empty where the header does not tell. For NIRSpec
        `band` is FILTER/GRATING.
    is_background : bool
        Whether it is an exposure of an empty field.
    shape : tuple of int
        Rows and columns.
    dispaxis : object
        The DISPAXIS card of SCI; None where absent.
    identity : str
        Tells this file from its later versions: made of its name, size and time of change.
    """

    path: Location
    instrument: str
    detector: str
    channel: str
    band: str
    exp_type: str
    is_background: bool
    shape: tuple[int, ...]
    dispaxis: object
    identity: str

    @property
    def stem(self) -> str:
        """What its products are called after."""
        return stem_of(self.path)

    def key(self, by: GroupBy) -> tuple[str, ...]:
        """Return what it has in common with the others of its group."""
        shared = (self.instrument, self.exp_type, self.detector, self.channel)
        return (*shared, self.band) if by == "band" else shared


@dataclass(frozen=True)
class Group:
    """Exposures that share their bad pixels.

    Attributes
    ----------
    name : str
        What they were taken with.
    members : tuple of Member
        The exposures, in the order of the pool.
    """

    name: str
    members: tuple[Member, ...]


Listed: TypeAlias = tuple[Location, bool | None]
"""An exposure, and whether it is said to be a background; None: its header tells."""


@dataclass(frozen=True)
class Pool:
    """The exposures found.

    Attributes
    ----------
    members : tuple of Member
        Those that can be used.
    failed : dict of Path or RemoteFile to str
        Those that cannot be read, and why.
    passed_over : tuple of Path or RemoteFile
        Those in folders that were not taken with an integral-field unit.
    """

    members: tuple[Member, ...]
    failed: dict[Location, str] = field(default_factory=dict)
    passed_over: tuple[Location, ...] = ()


def read(
    inputs: Iterable[AnyLocation],
    background: Iterable[AnyLocation] = (),
    *,
    read_each: Callable[[list[Listed]], Iterable[Member | str]] | None = None,
) -> Pool:
    """Read the headers of exposures.

    Parameters
    ----------
    inputs : iterable of path-like
        Exposures, patterns, and folders: a folder stands for the ``*_rate.fits`` in it. Any may be
        a URL; that of a folder ends with a slash.
    background : iterable of path-like, optional
        Exposures that are backgrounds even if their header (BKGDTARG) does not tell so. They
        belong to the pool without being listed twice.
    read_each : callable, optional
        Does what `members_of` does, elsewhere.

    Returns
    -------
    Pool
        Each exposure once.

    Raises
    ------
    ExposureError
        If there is no exposure at all, or a pattern or a folder does not hold any.
    """
    named = _expanded(background)
    backgrounds = {path.resolve() for path, _ in named}
    found = {path.resolve(): (path, from_folder) for path, from_folder in _expanded(inputs) + named}
    if not found:
        raise ExposureError("no exposures given")
    members: list[Member] = []
    failed: dict[Location, str] = {}
    passed_over: list[Location] = []
    listed: list[Listed] = [(path, at in backgrounds or None) for at, (path, _) in found.items()]
    told = (read_each or members_of)(listed)
    for (path, from_folder), member in zip(found.values(), told, strict=True):
        if isinstance(member, str):
            failed[path] = member
        elif from_folder and member.exp_type not in ("", *DISPAXIS_OF_EXP_TYPE):
            passed_over.append(path)
        else:
            members.append(member)
    if not members and not failed:
        raise ExposureError(
            f"{passed_over[0]} and the others ({len(passed_over)} in all) were not taken with an "
            "integral-field unit: EXP_TYPE is none of " + ", ".join(DISPAXIS_OF_EXP_TYPE)
        )
    return Pool(tuple(members), failed, tuple(passed_over))


def members_of(listed: Iterable[Listed]) -> list[Member | str]:
    """Read the headers of exposures; of one that cannot be read, tell why."""

    def told(each: Listed) -> Member | str:
        try:
            return member_of(each[0], is_background=each[1])
        except ExposureError as error:
            return str(error)

    every = [*listed]
    return [*each_of(told, every, (path for path, _ in every))]


def member_of(path: Location, *, is_background: bool | None = None) -> Member:
    """Read the headers of one exposure.

    Parameters
    ----------
    path : Path or RemoteFile
        The file.
    is_background : bool or None, optional
        None: as its header tells.

    Returns
    -------
    Member
        What they tell.

    Raises
    ------
    ExposureError
        If it cannot be read or has no DETECTOR keyword.
    """
    identity = _identity(path)
    exposure = exposure_file.read(path, whole=False)
    if not exposure.detector:
        raise ExposureError(f"{path}: has no DETECTOR keyword, so its gap is not known")
    if is_background is None:
        is_background = exposure.primary_value("BKGDTARG") is True
    return Member(
        path=path,
        instrument=_capitals(exposure, "INSTRUME"),
        detector=exposure.detector,
        channel=_capitals(exposure, "CHANNEL"),
        band=_band(exposure),
        exp_type=exposure.exp_type,
        is_background=is_background,
        shape=exposure.shape,
        dispaxis=exposure.dispaxis,
        identity=identity,
    )


def grouped(members: Iterable[Member], by: GroupBy = "detector") -> list[Group]:
    """Put together the exposures that share their bad pixels.

    Parameters
    ----------
    members : iterable of Member
        The exposures.
    by : {"detector", "band"}, optional
        What they have to share: the detector (and MIRI's channels, which go with it), or the
        band too.

    Returns
    -------
    list of Group
        In the order of their first exposures.
    """
    groups: dict[tuple[str, ...], list[Member]] = {}
    for member in members:
        groups.setdefault(member.key(check_group_by(by)), []).append(member)
    return [Group(_name(each[0], by), tuple(each)) for each in groups.values()]


def _expanded(inputs: Iterable[AnyLocation]) -> list[tuple[Location, bool]]:
    """Return files, each with whether it was found in a folder."""
    files: list[tuple[Location, bool]] = []
    for path in map(locate, inputs):
        if isinstance(path, RemoteFile):
            files += _expanded_remote(path)
        elif path.is_dir():
            rates = [found for pattern in RATES for found in path.glob(pattern)]
            if not rates:
                raise ExposureError(
                    f"{path}: this folder holds no {RATES[0]}; name the exposures one by one"
                )
            files += [(rate, True) for rate in sorted(rates)]
        elif not path.exists() and glob.has_magic(str(path)):
            matches = sorted(glob.glob(str(path)))  # noqa: PTH207 - patterns may be absolute
            if not matches:
                raise ExposureError(f"{path}: no file matches this pattern")
            files += [(Path(match), False) for match in matches]
        else:
            files.append((path, False))
    return files


def _expanded_remote(given: RemoteFile) -> list[tuple[Location, bool]]:
    is_folder = given.url.endswith("/")
    if not (is_folder or "*" in given.url):  # a query begins with the mark that is a pattern's too
        return [(given, False)]
    try:
        patterns = [given.url + rates for rates in RATES] if is_folder else [given.url]
        found = [each for pattern in patterns for each in RemoteFile(pattern).matching()]
    except RemoteError as error:
        raise ExposureError(f"{given}: {error}") from error
    if not found:
        what = f"this folder holds no {RATES[0]}" if is_folder else "no file matches this pattern"
        raise ExposureError(f"{given}: {what}")
    return [(each, is_folder) for each in found]


def _identity(path: Location) -> str:
    try:
        if isinstance(path, RemoteFile):
            version = path.version()
        else:
            about = path.stat()
            version = f"{about.st_size}:{about.st_mtime_ns}"
    except (OSError, ValueError):  # is told of when it is read
        return ""
    text = f"{path.name}:{version}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _capitals(exposure: Exposure, keyword: str) -> str:
    value = exposure.primary_value(keyword)
    return "" if value is None else str(value).strip().upper()


def _band(exposure: Exposure) -> str:
    optics = (_capitals(exposure, "FILTER"), _capitals(exposure, "GRATING"))
    return _capitals(exposure, "BAND") or "/".join(filter(None, optics))


def _name(member: Member, by: GroupBy) -> str:
    optics = (member.detector, member.channel, member.band if by == "band" else "")
    return " ".join(filter(None, optics))
