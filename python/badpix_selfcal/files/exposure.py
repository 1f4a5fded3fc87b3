"""One exposure file: read its headers and SCI, write a flagged copy.

Reading scans the headers for the places of the planes in the file; astropy is only used if a
header is unusual. SCI is mapped from its place, and nothing else is read. A flagged copy consists
of the file's own bytes, with a new primary header and with the flagged samples patched. The other
samples are never decoded. A remote exposure is downloaded only if it is copied; otherwise its
headers and SCI are read by ranges.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import dq
from ..errors import ExposureError, silenced
from .byte_copy import source_of
from .digest import UNKNOWN, Summed, digest_of
from .fits_bytes import (
    STALE,
    Stored,
    is_compressed,
    length_of,
    opened,
    prefetch,
    reading,
    refuse_truncated,
    require_fits,
    without_checksums,
)
from .location import Location, RemoteFile, locate
from .missing import no_such
from .plain_headers import PlainHeader, defined, scan, scan_to, value_of, with_cards
from .planes import Plane, flag, images_of, plane_of, require_image, stored_as
from .remote import Downloaded, Ranges

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Cards", "Exposure", "Plane", "Samples", "read"]

Cards: TypeAlias = Mapping[str, tuple[str, str]]
"""Header cards to set: keyword -> (value, comment)."""

Samples: TypeAlias = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
"""The samples of an image as they are stored."""

_HISTORY_WIDTH: Final = 72


@dataclass(frozen=True)
class Exposure:
    """An exposure file whose headers have been read.

    Attributes
    ----------
    path : Path or RemoteFile
        The file.
    detector, exp_type : str
        DETECTOR and EXP_TYPE, in capitals; empty where absent.
    dispaxis : object
        The DISPAXIS card of SCI; None where absent.
    planes : dict of str to Plane
        SCI, DQ and the other planes to be flagged (`badpix_selfcal.dq.NAN_PLANES`) that exist.
    """

    path: Location
    detector: str
    exp_type: str
    dispaxis: object
    planes: Mapping[str, Plane]
    _primary: fits.Header | str = field(repr=False)
    _primary_length: int = field(repr=False)
    _file_length: int = field(repr=False)
    _file: Stored | Ranges = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the image."""
        return self.planes["SCI"].shape

    def primary_value(self, keyword: str) -> object:
        """Return the value of a card of the primary header; None where absent or undefined.

        Raises
        ------
        ExposureError
            If the card cannot be read.
        """
        with reading(self.path):
            if isinstance(self._primary, str):
                return value_of(keyword, self._primary)
            return defined(self._primary.get(keyword))

    @property
    def history(self) -> list[str]:
        """The lines of the primary header's HISTORY."""
        from astropy.io import fits

        with reading(self.path):
            primary = self._primary
            header = fits.Header.fromstring(primary) if isinstance(primary, str) else primary
            return [str(line) for line in header.get("HISTORY", [])]

    def science_image(self) -> Samples:
        """Return the SCI samples, shape (rows, cols), in their own unit, type and byte order.

        The samples of a plain file are mapped, so that only those used are read.

        Raises
        ------
        ExposureError
            If the samples cannot be read.
        """
        return self._samples("SCI")

    def error_image(self) -> Samples | None:
        """Return the ERR samples as `science_image` does those of SCI; None without ERR.

        Raises
        ------
        ExposureError
            If the samples cannot be read, or their shape is not that of SCI.
        """
        plane = self.planes.get("ERR")
        if plane is None:
            return None
        if plane.shape != self.shape:
            raise ExposureError(f"{self.path}: ERR has shape {plane.shape}, SCI has {self.shape}")
        return self._samples("ERR")

    def _samples(self, name: str) -> Samples:
        plane, file = self.planes[name], self._file
        with reading(file):
            if isinstance(file, Ranges):
                assert plane.dtype is not None  # else the file is downloaded
                content = file.read(plane.data, plane.size)
                return np.frombuffer(content, plane.dtype).reshape(plane.shape)
            if plane.dtype is None:
                with opened(file) as hdus:
                    return np.array(images_of(hdus, name)[0].data)
            if not is_compressed(file):
                return np.memmap(os.fspath(file), plane.dtype, "r", plane.data, plane.shape)
        with source_of(file, plane.data) as source:
            return np.frombuffer(source.read(plane.size), plane.dtype).reshape(plane.shape)

    def prefetch(self, names: Iterable[str] = ("SCI",)) -> None:
        """Ask the system to read planes of a plain local file in the background, where it can."""
        for name in names:
            plane = self.planes.get(name)
            if not isinstance(self._file, Ranges) and plane is not None and plane.dtype is not None:
                prefetch(self._file, plane.data, plane.size)

    @property
    def is_whole(self) -> bool:
        """Whether the file can be copied; False if only parts of a remote file were read."""
        return not isinstance(self._file, Ranges)

    def digest(self) -> str:
        """Return the digest of all that follows the primary header; see `write_copy`."""
        assert isinstance(self._file, Path)
        with reading(self._file):
            return digest_of(self._file, self._primary_length)

    @property
    def problem(self) -> str:
        """The error message if no flagged copy can be written; empty if one can."""
        if not self.is_whole:
            return f"{self.path}: only SCI was read; read it whole to flag it"
        if "DQ" not in self.planes:
            return f"{self.path}: has no DQ extension, so no pixel can be flagged"
        for name, plane in self.planes.items():
            if plane.problem:
                return f"{self.path}: {name} {plane.problem}"
            if plane.shape != self.shape:
                return f"{self.path}: {name} has shape {plane.shape}, SCI has {self.shape}"
        return ""

    def require_flaggable(self) -> None:
        """Raise an ExposureError if no flagged copy can be written; see `problem`."""
        if self.problem:
            raise ExposureError(self.problem)

    def write_copy(
        self, to: Path, mask: NDArray[np.bool_] | None, cards: Cards, history: str
    ) -> None:
        """Write a copy in which flagged pixels are bad; safe in any thread.

        Suppresses warnings in all threads while it makes the header.

        Parameters
        ----------
        to : Path
            A file that does not exist yet.
        mask : ndarray of bool, shape (rows, cols), or None
            The pixels to flag: DQ gets `badpix_selfcal.dq.BAD`, the other planes NaN. None
            flags nothing.
        cards : mapping of str to (str, str)
            Cards of the primary header to set: keyword -> (value, comment).
        history : str
            A HISTORY entry to add to it. With a mask, the digest of all that follows is added.

        Raises
        ------
        ExposureError
            If this exposure's header or samples cannot be read.
        OSError
            If the copy cannot be written.
        """
        if mask is not None:
            self.require_flaggable()
            if mask.shape != self.shape:
                raise ValueError(f"mask has shape {mask.shape}, {self.path} has {self.shape}")
        header = self._new_primary(cards, history if mask is None else f"{history} {UNKNOWN}")
        with to.open("xb") as file:
            file.write(header)
            target = file if mask is None else Summed(file, header)
            self._copy_extensions(target, mask)
            if isinstance(target, Summed):
                target.finish()

    def _new_primary(self, cards: Cards, history: str) -> bytes:
        """Return the primary header of a copy."""
        lines = textwrap.wrap(history, _HISTORY_WIDTH, break_on_hyphens=False)
        scanned, plain = self._primary, None
        if isinstance(scanned, str):
            plain = with_cards(scanned.encode("ascii"), cards, lines)
        return self._primary_by_astropy(cards, lines) if plain is None else plain

    def _primary_by_astropy(self, cards: Cards, history: list[str]) -> bytes:
        from astropy.io import fits

        scanned = self._primary
        header = fits.Header.fromstring(scanned) if isinstance(scanned, str) else scanned.copy()
        for stale in STALE:
            header.remove(stale.decode().strip(), ignore_missing=True)
        try:
            with silenced():
                for keyword, card in cards.items():
                    header[keyword] = card
                for line in history:
                    header.add_history(line)
                return bytes(header.tostring(sep="", endcard=True, padding=True), "ascii")
        except (ValueError, fits.VerifyError) as error:
            raise ExposureError(f"{self.path}: bad primary header: {error}") from error

    def _copy_extensions(self, target: BinaryIO | Summed, mask: NDArray[np.bool_] | None) -> None:
        assert not isinstance(self._file, Ranges)
        with source_of(self._file, self._primary_length) as source:
            if mask is not None:
                flagged = np.flatnonzero(mask)
                for name, plane in sorted(self.planes.items(), key=lambda each: each[1].header):
                    source.copy(target, plane.header)
                    target.write(without_checksums(source.read(plane.data - plane.header)))
                    assert plane.dtype is not None  # else `problem` says so
                    for first, samples in source.pieces(plane.dtype, mask.size):
                        ends = np.searchsorted(flagged, (first, first + samples.size))
                        flag(name, samples, flagged[slice(*ends)] - first)
                        target.write(samples.data)
            source.copy(target, self._file_length)
            source.require_end()


def read(path: str | Location, *, whole: bool = True, last: str = "SCI") -> Exposure:
    """Read the headers of an exposure file.

    Parameters
    ----------
    path : str, Path or RemoteFile
        A FITS file, which may be compressed by gzip.
    whole : bool, optional
        Whether to download a remote file. Otherwise only its headers up to one image are read, if
        its server supports ranges and these headers are well-formed; whatever follows that image
        is not checked.
    last : str, optional
        That image: SCI, or ERR, which follows it. A file without it is downloaded.

    Returns
    -------
    Exposure
        Its headers and the places of its planes.

    Raises
    ------
    ExposureError
        If there is no such file, it is not FITS or cut short, or it does not have exactly one
        SCI extension with a 2-D image.
    """
    location = locate(path)
    if isinstance(location, RemoteFile):
        return _read_remote(location, whole=whole, last=last)
    with reading(location):
        if not location.is_file():
            exists = location.exists()
            raise ExposureError(f"{location}: is not a file" if exists else no_such(location))
    return _read(location)


def _read_remote(remote: RemoteFile, *, whole: bool, last: str) -> Exposure:
    ranges = Ranges(remote)
    found = None if whole else _read_to(last, ranges)
    if found is not None:
        return found
    with reading(ranges):
        copy = Downloaded(remote)
    return _read(copy)


def _read_to(last: str, ranges: Ranges) -> Exposure | None:
    with ranges.open() as file:
        headers = scan_to(last, file)
    return None if headers is None else _of_plain(ranges, headers)


def _read(path: Stored) -> Exposure:
    with reading(path):
        headers = scan(path)
        exposure = None if headers is None else _of_plain(path, headers)
        if exposure is not None:
            return exposure
        length = length_of(path)  # first: it finds damage in a compressed file
        require_fits(path)
        with opened(path) as hdus:
            return _scan(path, length, hdus)


def _of_plain(path: Stored | Ranges, headers: list[PlainHeader]) -> Exposure | None:
    """Return an exposure of well-formed headers; None if a plane needs astropy."""
    images: dict[str, PlainHeader] = {}
    for header in headers[1:]:
        name = str(header.cards.get("EXTNAME", "")).upper()
        if header.cards["XTENSION"] == "IMAGE" and name in ("DQ", *dq.NAN_PLANES):
            if name in images:
                return None
            images[name] = header
    planes = {
        name: Plane(
            image.shape,
            image.start,
            image.data,
            *stored_as(name, image.cards, image.cards["BITPIX"]),
        )
        for name, image in sorted(images.items())
    }
    if any(plane.problem for plane in planes.values()):
        return None
    require_image(path, planes)
    primary = headers[0]
    return Exposure(
        path=path if isinstance(path, Path) else path.remote,
        detector=str(primary.cards.get("DETECTOR", "")).upper(),
        exp_type=str(primary.cards.get("EXP_TYPE", "")).upper(),
        dispaxis=images["SCI"].cards.get("DISPAXIS"),
        planes=planes,
        _primary=primary.content.decode(),
        _primary_length=primary.data,
        _file_length=headers[-1].end,
        _file=path,
    )


def _scan(path: Stored, length: int, hdus: fits.HDUList) -> Exposure:
    refuse_truncated(path, length, hdus)
    planes: dict[str, Plane] = {}
    for name in ("DQ", *dq.NAN_PLANES):
        found = images_of(hdus, name)
        if len(found) > 1:
            raise ExposureError(
                f"{path}: has {len(found)} {name} extensions; an exposure whose slits are not "
                "cut out has one"
            )
        if found:
            planes[name] = plane_of(name, found[0])
    require_image(path, planes)
    primary, sci = hdus[0].header, images_of(hdus, "SCI")[0].header
    return Exposure(
        path=path if isinstance(path, Path) else path.remote,
        detector=_capitals(primary, "DETECTOR"),
        exp_type=_capitals(primary, "EXP_TYPE"),
        dispaxis=sci.get("DISPAXIS"),
        planes=planes,
        _primary=primary.copy(),
        _primary_length=hdus[0].fileinfo()["datLoc"],
        _file_length=length,
        _file=path,
    )


def _capitals(header: fits.Header, keyword: str) -> str:
    value = header.get(keyword)  # None also for a card without a value
    return "" if value is None else str(value).strip().upper()
