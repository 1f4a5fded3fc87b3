"""One exposure of a run, as its headers describe it."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from .._interrupts import result_of
from ..arrays.checks import AskedDispaxis, GroupBy, check_dispaxis
from ..errors import ExposureError, warn
from ..files.association import stem_of
from ..files.exposure import Exposure
from ..files.input_file import CHANGED, reading, stamp_of
from ..files.location import Location, RemoteFile
from ..files.remote import version_of
from ..files.requests import Version
from ..instrument import DISPAXIS_OF_EXP_TYPE, Dispaxis
from ..messages import argument_name
from .reader import MOST_HELD, Reader, in_order

__all__ = [
    "Listed",
    "Member",
    "dispaxis_of",
    "identity_of",
    "members_of",
    "no_detector",
    "subarray_of",
]

QUICK: Final = 5e-3
"""Seconds to read the headers of one exposure on a fast disk, at most: usually it is 0.8 ms."""

LATER_STEPS: Final = (
    *("S_IMPRNT", "S_BKDSUB", "S_EXTR2D", "S_MSBSUB", "S_FLAT", "S_STRAY", "S_FRINGE"),
    *("S_PTHLOS", "S_BARSHA", "S_CONTAM", "S_PHOTOM", "S_RESFRI", "S_TRCMOD", "S_PXREPL"),
    *("S_OUTLIR", "S_RESAMP", "S_IFUCUB"),
)
"""Cards of pipeline steps that follow this one and change the samples, in their order.

Without S_CLNFNS (``clean_flicker_noise``): rates may have it.
"""


@dataclass(frozen=True)
class Listed:
    """An input exposure of a run, before its headers are read.

    Attributes
    ----------
    path : Path or RemoteFile
        The file.
    is_background : bool or None
        Whether it is an exposure of an empty field; None: as its header says.
    whole : bool
        Whether a copy of it will be written. A remote file is then downloaded at once.
    identified : bool
        Whether to determine `Member.identity`. For a remote file this takes a request.
    """

    path: Location
    is_background: bool | None = None
    whole: bool = False
    identified: bool = True


@dataclass(frozen=True)
class Member:
    """One exposure of a run, without its samples.

    Attributes
    ----------
    path : Path or RemoteFile
        The file.
    instrument, detector, channel, band, exp_type : str
        Values of the primary header, in capitals; empty where absent. For NIRSpec `band` is
        FILTER/GRATING.
    subarray : str
        The part of the detector that was read: SUBARRAY, and its first column and row unless they
        are 1. Empty for the full frame, and where absent.
    is_background : bool
        Whether it is an exposure of an empty field.
    shape : tuple of int
        Rows and columns.
    dispaxis : object
        The DISPAXIS card of SCI; None where absent.
    identity : str
        A digest of the file's name, size and modification time, which differs between versions of
        the file. Empty if not known.
    problem : str
        Why no flagged copy can be written. Empty if one can, or if only SCI was read.
    stamp : str
        `Exposure.stamp` when its headers were read.
    is_flagged : bool
        Whether it is a flagged copy already.
    later_step : str
        The card of a later step of the pipeline that it has passed; empty if there is none.
    version : Version or None
        The version of a remote file whose headers were read, if its server distinguishes versions.
    """

    path: Location
    instrument: str
    detector: str
    channel: str
    band: str
    exp_type: str
    subarray: str
    is_background: bool
    shape: tuple[int, ...]
    dispaxis: object
    identity: str
    problem: str
    stamp: str
    is_flagged: bool
    later_step: str
    version: Version | None = None

    @property
    def stem(self) -> str:
        """The start of its products' names."""
        return stem_of(self.path)

    def require_unchanged(self) -> None:
        """Raise an ExposureError if a local file has changed since its headers were read."""
        if self.stamp and isinstance(self.path, Path):
            with reading(self.path):
                now = stamp_of(self.path.stat())
            if now != self.stamp:
                raise ExposureError(f"{self.path}: {CHANGED}")

    def refuse_change(self, later: Exposure) -> None:
        """Raise an ExposureError if its file, read again, is another version."""
        is_other = self.version and later.version and self.version.differs(later.version)
        if is_other or self.stamp != later.stamp:
            raise ExposureError(f"{self.path}: {CHANGED}")

    def key(self, by: GroupBy) -> tuple[str, ...]:
        """Return the values that all exposures of its group share."""
        shared = (self.instrument, self.exp_type, self.detector, self.subarray, self.channel)
        return (*shared, self.band) if by == "band" else shared


Found: TypeAlias = Member | Exception
"""A member, or the error if the exposure cannot be read."""


def members_of(listed: Iterable[Listed], reader: Reader, executor: Executor) -> Iterator[Found]:
    """Read the headers of exposures: here while that is quick, then in other threads.

    Threads of one interpreter read headers of a fast disk no faster than this thread alone (4 files
    in 3.6 ms here, in 5.4 ms with three threads), but they wait for a slow one together.

    Parameters
    ----------
    listed : iterable of Listed
        The exposures.
    reader : Reader
        Reads them, and keeps some for later.
    executor : Executor
        The threads.

    Yields
    ------
    Member or Exception
        For each exposure, in the same order; an ExposureError if it cannot be read.
    """

    def read(each: Listed) -> Found:
        try:
            return _member(each, reader)
        except ExposureError as error:
            return error

    waiting = deque(listed)
    while waiting and isinstance(waiting[0].path, Path):
        start = time.perf_counter()
        found = read(waiting.popleft())
        seconds = time.perf_counter() - start
        yield found
        if seconds > QUICK:
            break
    for _, future in in_order(executor, read, waiting, ahead=MOST_HELD):
        yield result_of(future)


def dispaxis_of(member: Member, asked: AskedDispaxis) -> Dispaxis:
    """Return the dispersion axis of an exposure.

    Parameters
    ----------
    member : Member
        The exposure.
    asked : {"auto", 1, 2, None}
        The user's choice; "auto": as the header says.

    Returns
    -------
    {1, 2, None}
        Along x, along y, or not known (with a warning).

    Raises
    ------
    ExposureError
        If the header has another DISPAXIS.
    """
    if asked != "auto":
        return asked
    if member.dispaxis is not None:
        try:
            return check_dispaxis(member.dispaxis)
        except ValueError as error:
            raise ExposureError(f"{member.path}: DISPAXIS: {error}") from None
    if member.exp_type in DISPAXIS_OF_EXP_TYPE:
        return DISPAXIS_OF_EXP_TYPE[member.exp_type]
    warn(
        f"{member.path}: neither DISPAXIS nor EXP_TYPE gives the dispersion axis; the running "
        f"median's window is a square; pass {argument_name('dispaxis')} if you know it"
    )
    return None


def no_detector(member: Member) -> str:
    """Return the message for an exposure whose detector is not known."""
    return f"{member.path}: has no DETECTOR keyword, so its gap is not known"


def identity_of(members: Iterable[Member]) -> str:
    """Return a text that identifies these exposures. It does not depend on their order."""
    every = sorted(member.identity for member in members)
    return f"{len(every)}:{_digest(' '.join(every))}"


def subarray_of(name: str, corner: tuple[str, str]) -> str:
    """Return `Member.subarray` of the cards SUBARRAY, and SUBSTRT1 and SUBSTRT2."""
    first = tuple(each or "1" for each in corner)
    at = "" if first == ("1", "1") else f"({','.join(first)})"
    return ("" if name == "FULL" else name) + at


def _member(listed: Listed, reader: Reader) -> Member:
    identity = _identity(listed)  # before the headers are read, so that a later change is noticed
    exposure = reader.read(listed.path, whole=listed.whole)
    is_background = listed.is_background
    if is_background is None:
        is_background = exposure.primary_value("BKGDTARG") is True
    return Member(
        path=listed.path,
        instrument=_capitals(exposure, "INSTRUME"),
        detector=exposure.detector,
        channel=_capitals(exposure, "CHANNEL"),
        band=_band(exposure),
        exp_type=exposure.exp_type,
        subarray=_subarray(exposure),
        is_background=is_background,
        shape=exposure.shape,
        dispaxis=exposure.dispaxis,
        identity=identity,
        problem=exposure.problem if exposure.is_whole else "",
        stamp=exposure.stamp,
        is_flagged=_is_complete(exposure, "S_BPXSLF"),
        later_step=next((each for each in LATER_STEPS if _is_complete(exposure, each)), ""),
        version=exposure.version,
    )


def _identity(listed: Listed) -> str:
    path = listed.path
    if not listed.identified:
        return ""
    try:
        version = version_of(path) if isinstance(path, RemoteFile) else stamp_of(path.stat())
    except (OSError, ValueError):  # reading the exposure reports it
        return ""
    return _digest(f"{path.name}:{version}")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _is_complete(exposure: Exposure, step: str) -> bool:
    return _capitals(exposure, step) == "COMPLETE"


def _capitals(exposure: Exposure, keyword: str) -> str:
    value = exposure.primary_value(keyword)
    return "" if value is None else str(value).strip().upper()


def _subarray(exposure: Exposure) -> str:
    corner = _capitals(exposure, "SUBSTRT1"), _capitals(exposure, "SUBSTRT2")
    return subarray_of(_capitals(exposure, "SUBARRAY"), corner)


def _band(exposure: Exposure) -> str:
    optics = (_capitals(exposure, "FILTER"), _capitals(exposure, "GRATING"))
    return _capitals(exposure, "BAND") or "/".join(filter(None, optics))
