"""A pool of exposures, and its division into groups.

All exposures of one detector share their bad pixels, whatever their target is. They form a group.
Exposures of different modes (EXP_TYPE) or subarrays form different groups: their light falls on
other pixels, or their pixels are others.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..arrays.checks import GroupBy, check_group_by
from ..errors import ExposureError
from ..files.location import AnyLocation, Location, RemoteFile, locate
from ..files.missing import no_such
from ..files.remote import matching
from ..files.requests import RemoteError
from ..instrument import DETECTORS, DISPAXIS_OF_EXP_TYPE
from .member import Listed, Member, no_detector
from .suitable import refusal

__all__ = ["Group", "Pool", "expanded", "grouped", "read"]

RATES: Final = ("*_rate.fits", "*_rate.fits.gz")
"""The files that a folder stands for: the pipeline's first stage writes them."""


@dataclass(frozen=True)
class Group:
    """Exposures that share their bad pixels.

    Attributes
    ----------
    name : str
        The detector and channel; the EXP_TYPE, unless it is that of the integral-field unit; the
        subarray; also the band, if exposures are grouped by band.
    members : tuple of Member
        The exposures, in the order of the pool.
    """

    name: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Pool:
    """The input exposures of a batch.

    Attributes
    ----------
    members : tuple of Member
        Those that can be used.
    failed : dict of Path or RemoteFile to str
        Those that cannot be read, and why.
    ignored : tuple of Path or RemoteFile
        Those in folders whose EXP_TYPE is that of another mode, or of other detectors.
    """

    members: tuple[Member, ...]
    failed: dict[Location, str]
    ignored: tuple[Location, ...]


def read(
    inputs: Iterable[AnyLocation],
    background: Iterable[AnyLocation],
    read_headers: Callable[[list[Listed]], Iterable[Member | Exception]],
    *,
    force: bool | None = None,
    detector: str = "",
) -> Pool:
    """Read the headers of exposures.

    Parameters
    ----------
    inputs : iterable of path-like
        Exposures, patterns, and folders: a folder stands for the ``*_rate.fits`` in it. Any may be
        a URL; that of a folder ends with a slash.
    background : iterable of path-like
        Exposures that are backgrounds even if their header (BKGDTARG) does not say so. They belong
        to the pool even if `inputs` does not list them.
    read_headers : callable
        Returns a member for each exposure, or why it cannot be read
        (`badpix_selfcal.step.member.members_of`).
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
    backgrounds = {path.resolve() for path, _ in named}
    found = {path.resolve(): (path, from_folder) for path, from_folder in expanded(inputs) + named}
    if not found:
        raise ExposureError("no exposures given")
    members: list[Member] = []
    failed: dict[Location, str] = {}
    ignored: list[Location] = []
    listed = [Listed(path, at in backgrounds or None) for at, (path, _) in found.items()]
    for (path, from_folder), member in zip(found.values(), read_headers(listed), strict=True):
        if isinstance(member, Exception):
            failed[path] = str(member)
        elif not member.detector:
            failed[path] = no_detector(member)
        elif from_folder and not _is_wanted(member, detector):
            ignored.append(path)
        elif why := refusal(member, force=force):
            failed[path] = why
        else:
            members.append(member)
    if not members and not failed:
        others = f"with other detectors than {detector}, or " if detector else ""
        raise ExposureError(
            f"{ignored[0]} and the others ({len(ignored)} in all) were taken {others}in other "
            "modes: EXP_TYPE is none of " + ", ".join(DISPAXIS_OF_EXP_TYPE)
        )
    return Pool(tuple(members), failed, tuple(ignored))


def _is_wanted(member: Member, detector: str) -> bool:
    is_mode = member.exp_type in ("", *DISPAXIS_OF_EXP_TYPE)
    return is_mode and detector in ("", member.detector)


def grouped(members: Iterable[Member], by: GroupBy) -> list[Group]:
    """Group the exposures that share their bad pixels.

    Parameters
    ----------
    members : iterable of Member
        The exposures.
    by : {"detector", "band"}
        What they have to share: the detector (and MIRI's channels, which go with it), EXP_TYPE
        and subarray, or the band too.

    Returns
    -------
    list of Group
        In the order of their first exposures.
    """
    groups: dict[tuple[str, ...], list[Member]] = {}
    for member in members:
        groups.setdefault(member.key(check_group_by(by)), []).append(member)
    return [Group(_name(each[0], by), tuple(each)) for each in groups.values()]


def expanded(inputs: Iterable[AnyLocation]) -> list[tuple[Location, bool]]:
    """Return the files that locations, patterns and folders stand for.

    Each has with it whether it was found in a folder.

    Raises
    ------
    ExposureError
        If a folder or a pattern stands for no file.
    """
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
        elif not os.path.lexists(path):  # that of a link to nowhere fails on its own
            raise ExposureError(no_such(path))
        else:
            files.append((path, False))
    return files


def _expanded_remote(given: RemoteFile) -> list[tuple[Location, bool]]:
    is_folder = given.url.endswith("/")
    if not (is_folder or "*" in given.url):  # ? is no wildcard here: it begins a query
        return [(given, False)]
    try:
        patterns = [given.url + rates for rates in RATES] if is_folder else [given.url]
        found = [each for pattern in patterns for each in matching(RemoteFile(pattern))]
    except RemoteError as error:
        raise ExposureError(f"{given}: {error}") from error
    if not found:
        what = f"this folder holds no {RATES[0]}" if is_folder else "no file matches this pattern"
        raise ExposureError(f"{given}: {what}")
    return [(each, is_folder) for each in found]


def _name(member: Member, by: GroupBy) -> str:
    known = DETECTORS.get(member.detector)
    usual = known is not None and member.exp_type == known.exp_type
    mode = "" if usual else member.exp_type
    band = member.band if by == "band" else ""
    return " ".join(filter(None, (member.detector, mode, member.subarray, member.channel, band)))
