"""One exposure file: read its headers and SCI, write a flagged copy.

Reading scans the headers for the places of the planes in the file; astropy is only used if a
header is unusual. SCI is read from its place, and nothing else. A flagged copy consists
of the file's own bytes, with a new primary header and with the flagged samples patched. The other
samples are never decoded. A remote exposure is downloaded only if it is copied; otherwise its
headers and SCI are read by ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import instrument
from ..errors import ExposureError
from .byte_copy import Source
from .digest import UNKNOWN, Summed, digest_of
from .fits_bytes import length_of, opened, refuse_truncated, require_fits, without_checksums
from .input_file import CHANGED, InputFile, Stored, reading
from .location import Location, RemoteFile, locate
from .missing import require_file
from .plain_headers import PlainHeader, scan, scan_to
from .planes import Plane, flag, images_of, plane_of, require_image, stored_as
from .primary_header import Cards, Primary, history_in, renewed, value_in
from .remote import Ranges
from .requests import Version

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Cards", "Exposure", "Plane", "Samples", "read"]

Samples: TypeAlias = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
"""The samples of an image as they are stored."""

NewBytes: TypeAlias = Callable[[int], NDArray[np.uint8]]
"""Returns memory of a number of bytes."""


def _new_bytes(count: int) -> NDArray[np.uint8]:
    return np.empty(count, np.uint8)


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
        SCI, DQ and the other planes to be flagged (`NAN_PLANES`) that exist.
    """

    path: Location
    detector: str
    exp_type: str
    dispaxis: object
    planes: Mapping[str, Plane]
    _primary: Primary = field(repr=False)
    _primary_length: int = field(repr=False)
    _file_length: int = field(repr=False)
    _file: InputFile | Ranges = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the image."""
        return self.planes["SCI"].shape

    @property
    def stamp(self) -> str:
        """A text that differs between versions of a local file; empty for a remote one."""
        return self._file.stamp if isinstance(self._file, InputFile) else ""

    def primary_value(self, keyword: str) -> object:
        """Return the value of a card of the primary header; None where absent or undefined.

        Raises
        ------
        ExposureError
            If the card cannot be read.
        """
        return value_in(self.path, self._primary, keyword)

    @property
    def history(self) -> list[str]:
        """The lines of the primary header's HISTORY."""
        return history_in(self.path, self._primary)

    def science_image(self, new: NewBytes = _new_bytes) -> Samples:
        """Return the SCI samples, shape (rows, cols), in their own unit, type and byte order.

        Parameters
        ----------
        new : callable, optional
            Returns the memory for the samples of a plain file.

        Raises
        ------
        ExposureError
            If the samples cannot be read.
        """
        return self._samples("SCI", new)

    def error_image(self, new: NewBytes = _new_bytes) -> Samples | None:
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
        return self._samples("ERR", new)

    def _samples(self, name: str, new: NewBytes) -> Samples:
        plane, file = self.planes[name], self._file
        with reading(file):
            if isinstance(file, Ranges):
                assert plane.dtype is not None  # else the file is downloaded
                content = file.read(plane.data, plane.size)
                return np.frombuffer(content, plane.dtype).reshape(plane.shape)
            if plane.dtype is None:
                with opened(file, self._file_length) as hdus:
                    return np.array(images_of(hdus, name)[0].data)
            if file.is_compressed:
                content = Source(file, plane.data).read(plane.size)
                return np.frombuffer(content, plane.dtype).reshape(plane.shape)
            samples = new(plane.size)
            if file.read_into(samples.data, plane.data) < plane.size:
                raise ExposureError(f"{file}: {CHANGED}")
        image = samples.view(plane.dtype).reshape(plane.shape)
        image.flags.writeable = False
        return image

    @contextmanager
    def opened(self) -> Iterator[fits.HDUList]:
        """Open the file, which is whole, with astropy."""
        assert isinstance(self._file, InputFile)
        with reading(self._file), opened(self._file, self._file_length) as hdus:
            yield hdus

    def prefetch(self, names: Iterable[str] = ("SCI",)) -> None:
        """Ask the system to read planes of a plain local file in the background, where it can."""
        for name in names:
            plane = self.planes.get(name)
            if isinstance(self._file, InputFile) and plane is not None and plane.dtype is not None:
                self._file.prefetch(plane.data, plane.size)

    def require_unchanged(self) -> None:
        """Raise an ExposureError if the file was changed or replaced since it was opened."""
        if isinstance(self._file, InputFile):
            self._file.require_unchanged()

    @property
    def version(self) -> Version | None:
        """The version of a remote file, if its server distinguishes versions; None otherwise."""
        file = self._file
        if not isinstance(file, InputFile):
            return file.version
        return None if isinstance(file.path, Path) else file.path.version

    @property
    def is_whole(self) -> bool:
        """Whether the file can be copied; False if only parts of a remote file were read."""
        return not isinstance(self._file, Ranges)

    def digest(self) -> str:
        """Return the digest of all that follows the primary header; see `write_copy`."""
        assert isinstance(self._file, InputFile)
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
            The pixels to flag: DQ gets `badpix_selfcal.instrument.BAD`, the other planes NaN. None
            flags nothing.
        cards : mapping of str to (str, str)
            Cards of the primary header to set: keyword -> (value, comment).
        history : str
            A HISTORY entry to add to it. With a mask, the digest of all that follows is added.

        Raises
        ------
        ExposureError
            If this exposure's header or samples cannot be read, or it is changed meanwhile.
        OSError
            If the copy cannot be written.
        """
        if mask is not None:
            self.require_flaggable()
            if mask.shape != self.shape:
                raise ValueError(f"mask has shape {mask.shape}, {self.path} has {self.shape}")
        entry = history if mask is None else f"{history} {UNKNOWN}"
        header = renewed(self.path, self._primary, cards, entry)
        with to.open("xb") as file:
            file.write(header)
            target = file if mask is None else Summed(file, header)
            self._copy_extensions(target, mask)
            if isinstance(target, Summed):
                target.finish()
        self.require_unchanged()

    def _copy_extensions(self, target: BinaryIO | Summed, mask: NDArray[np.bool_] | None) -> None:
        assert isinstance(self._file, InputFile)
        source = Source(self._file, self._primary_length)
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
        require_file(location)
    return _read(location)


def _read_remote(remote: RemoteFile, *, whole: bool, last: str) -> Exposure:
    ranges, headers = Ranges(remote), None
    if not whole:
        with ranges.open() as file:
            headers = scan_to(last, file)
    found = None if headers is None else _of_plain(ranges, headers)
    if found is not None:
        return found
    with reading(ranges):
        copy = ranges.whole()
    return _read(copy)


def _read(path: Stored) -> Exposure:
    with reading(path):
        file = InputFile(path)
        headers = scan(file)
        exposure = None if headers is None else _of_plain(file, headers)
        if exposure is not None:
            return exposure
        length = length_of(file)  # first: it finds damage in a compressed file
        require_fits(file)
        with opened(file, length) as hdus:
            return _scan(file, length, hdus)


def _of_plain(file: InputFile | Ranges, headers: list[PlainHeader]) -> Exposure | None:
    """Return an exposure of well-formed headers; None if a plane needs astropy."""
    images: dict[str, PlainHeader] = {}
    for header in headers[1:]:
        name = str(header.cards.get("EXTNAME", "")).upper()
        if header.cards["XTENSION"] == "IMAGE" and name in ("DQ", *instrument.NAN_PLANES):
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
    require_image(file, planes)
    primary = headers[0]
    return Exposure(
        path=file.location if isinstance(file, InputFile) else file.remote,
        detector=str(primary.cards.get("DETECTOR", "")).upper(),
        exp_type=str(primary.cards.get("EXP_TYPE", "")).upper(),
        dispaxis=images["SCI"].cards.get("DISPAXIS"),
        planes=planes,
        _primary=primary.content.decode(),
        _primary_length=primary.data,
        _file_length=headers[-1].end,
        _file=file,
    )


def _scan(file: InputFile, length: int, hdus: fits.HDUList) -> Exposure:
    refuse_truncated(file, length, hdus)
    planes: dict[str, Plane] = {}
    for name in ("DQ", *instrument.NAN_PLANES):
        found = images_of(hdus, name)
        if len(found) > 1:
            raise ExposureError(
                f"{file}: has {len(found)} {name} extensions; an exposure whose slits are not "
                "cut out has one"
            )
        if found:
            planes[name] = plane_of(name, found[0])
    require_image(file, planes)
    primary, sci = hdus[0].header, images_of(hdus, "SCI")[0].header
    return Exposure(
        path=file.location,
        detector=_capitals(primary, "DETECTOR"),
        exp_type=_capitals(primary, "EXP_TYPE"),
        dispaxis=sci.get("DISPAXIS"),
        planes=planes,
        _primary=primary.copy(),
        _primary_length=hdus[0].fileinfo()["datLoc"],
        _file_length=length,
        _file=file,
    )


def _capitals(header: fits.Header, keyword: str) -> str:
    value = header.get(keyword)  # None also for a card without a value
    return "" if value is None else str(value).strip().upper()
