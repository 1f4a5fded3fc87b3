"""One exposure file: its facts, SCI, ERR and DQ, and its flagged copy.

A file is opened for each use and closed again, so that any number of exposures can be held. Of a
remote exposure the headers up to SCI are read, then the samples that are asked for (three requests
for SCI); it is downloaded to be copied, and where its server or its form allows nothing else. A
flagged copy consists of the file's own bytes, with a new primary header and with the flagged
samples patched; the other samples are never decoded.
"""

from __future__ import annotations

import datetime
import hashlib
import math
import textwrap
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from .. import instrument
from ..arrays.images import ROWS
from ..errors import ExposureError, silenced
from .fits_file import BLOCK, CARD, Hdu, Read, cards_of, headers, open_fits, opened, reader, reading
from .inputs import version_of
from .paths import AnyLocation, Location, RemoteFile, locate, require_file, stem_of
from .remote import CHANGED, About, about, ahead

Samples: TypeAlias = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
"""The samples of an image as they are stored."""

Free: TypeAlias = deque[NDArray[np.uint8]]
"""Memory that may be used again."""

Cards: TypeAlias = Mapping[str, tuple[str, str]]
"""Header cards to set: keyword -> (value, comment)."""

LATER_STEPS: Final = (
    *("S_IMPRNT", "S_BKDSUB", "S_EXTR2D", "S_MSBSUB", "S_FLAT", "S_STRAY", "S_FRINGE"),
    *("S_PTHLOS", "S_BARSHA", "S_CONTAM", "S_PHOTOM", "S_RESFRI", "S_TRCMOD", "S_PXREPL"),
    *("S_OUTLIR", "S_RESAMP", "S_IFUCUB"),
)
"""Cards of pipeline steps that follow this one and change the samples, in their order.

Without S_CLNFNS (``clean_flicker_noise``): rates may have it.
"""

CALIBRATION: Final = ("S_FLAT", "S_PHOTOM")
"""Those that make a calibrated exposure of a rate: its pixels are divided by a flat field."""

_KEPT: Final = (
    *("TELESCOP", "INSTRUME", "DETECTOR", "EXP_TYPE", "CHANNEL", "BAND", "FILTER", "GRATING"),
    *("SUBARRAY", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2", "FASTAXIS", "SLOWAXIS"),
    *("READPATT", "DATE-OBS", "TIME-OBS", "BKGDTARG", "S_BPXSLF", "CAL_VER", "EFFEXPTM"),
)
"""The cards of the primary header that `Exposure.cards` has."""

_POINTING: Final = ("PROGRAM", "OBSERVTN", "VISIT", "PATTTYPE", "PATT_NUM")
_DATES: Final = ("DATE-OBS", "DATE-BEG", "EXPSTART")
_KEYWORDS: Final = frozenset(
    (*_KEPT, *LATER_STEPS, *_POINTING, *_DATES, "IS_IMPRT", "DISPAXIS", "BUNIT")
)
"""What the headers are asked for."""

_DAY_0_OF_MJD: Final = datetime.date(1858, 11, 17).toordinal()
_TRUE: Final = ("TRUE", "T", "1", "1.0")
"""Values of a logical card, also of one that was written as text or as a number."""

_PLANES: Final = ("DQ", *instrument.NAN_PLANES)
_HEAD: Final = 17 * 2880
"""Bytes of a remote file fetched at a time: usually the primary header and that of SCI."""

_PIECE: Final = 1 << 20
"""Bytes of samples patched at a time: small enough for the processor's cache."""

_STALE: Final = (b"CHECKSUM", b"DATASUM ")
"""The cards whose values become wrong when samples change."""

_PACKED: Final = b"\x1f\x8b"
"""How files begin that are compressed by gzip."""

_HISTORY_WIDTH: Final = 72
_COMPRESSED: Final = "is tile-compressed; uncompress the file first (funpack)"

_KINDS: Final = {
    "uncal": "a raw ramp",
    "ramp": "a ramp",
    "rateints": "a cube of integrations",
    "calints": "a cube of integrations",
    "s3d": "a spectral cube",
    "x1d": "a spectrum",
    "mask": "a mask",
}
"""What the pipeline's products are that are no images, by their suffix."""


@dataclass(frozen=True)
class Exposure:
    """An exposure file whose headers have been read, without its samples.

    Attributes
    ----------
    path : Path or RemoteFile
        The file.
    version : str
        Differs between versions of the file: its size, and its time or ETag.
    detector, instrument, channel, band, exp_type : str
        Values of the primary header, in capitals; empty where absent. For NIRSpec `band` is
        FILTER/GRATING.
    subarray : str
        The part of the detector that was read: SUBARRAY, and its first column and row unless they
        are 1. Empty for the full frame, and where absent.
    is_background : bool
        Whether the header says that it is of an empty field (BKGDTARG), and no imprint.
    is_imprint : bool
        Whether it is an imprint exposure of NIRSpec (IS_IMPRT): no light passes its aperture.
    pointing : mapping of str to str
        PROGRAM, OBSERVTN, VISIT, and the dither: PATTTYPE and PATT_NUM; empty where absent.
    date : date or None
        The day on which it began; None where absent.
    status : str
        S_BPXSLF, in capitals.
    later_steps : tuple of str
        The cards of later steps of the pipeline that it has passed, in their order.
    dispaxis : object
        The DISPAXIS card of SCI; None where absent.
    unit : str
        BUNIT of SCI.
    planes : mapping of str to Hdu
        SCI, DQ and the other planes to be flagged (`instrument.NAN_PLANES`) that exist; of a remote
        file SCI alone.
    cards : mapping of str to object
        The values of the primary header that tell instrument, mode, epoch and depth, by keyword.
    history : tuple of str
        The lines of the primary header's HISTORY.
    problem : str
        Why no flagged copy can be written; empty if one can, and if that is not known before the
        file is downloaded.
    """

    path: Location
    version: str
    detector: str
    instrument: str
    channel: str
    band: str
    exp_type: str
    subarray: str
    is_background: bool
    is_imprint: bool
    pointing: Mapping[str, str]
    date: datetime.date | None
    status: str
    later_steps: tuple[str, ...]
    dispaxis: object
    unit: str
    planes: Mapping[str, Hdu] = field(repr=False)
    cards: Mapping[str, object] = field(repr=False)
    history: tuple[str, ...] = field(repr=False)
    problem: str = ""
    _about: About | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        rows, columns = self.planes["SCI"].shape
        return rows, columns

    @property
    def stem(self) -> str:
        """The start of its outputs' names."""
        return stem_of(self.path)

    @property
    def is_flagged(self) -> bool:
        """Whether it is a flagged copy already."""
        return self.status == "COMPLETE"

    @property
    def calibrated(self) -> str:
        """What says that it is a calibrated exposure (level 2b); empty if it is none."""
        if steps := [step for step in CALIBRATION if step in self.later_steps]:
            return f"{steps[0]} = COMPLETE"
        return f"BUNIT = {self.unit}" if self.unit.upper().startswith("MJY") else ""

    @property
    def depth(self) -> float:
        """How long it was exposed, in s; 0 if its header does not say it."""
        time = self.cards.get("EFFEXPTM")
        return float(time) if isinstance(time, (int, float)) else 0.0

    @property
    def identity(self) -> str:
        """A digest of the file's name and version."""
        text = f"{self.path.name}:{self.version}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, digest_size=8).hexdigest()

    def science(self, free: Free | None = None) -> Samples:
        """Return the SCI samples, shape (rows, cols), in their own unit, type and byte order.

        `free` is memory that may be used again, if it has the size. Raises an ExposureError if they
        cannot be read, or the file is another version than before.
        """
        return self._samples(self.planes["SCI"], free=free)

    def error(self) -> Samples | None:
        """Return the ERR samples as `science` does those of SCI; None without ERR."""
        found = self._further("ERR")
        return None if found is None else found[0]

    def some_errors(self) -> Samples | None:
        """Return rows of ERR, evenly spaced, if the others need not be read or fetched; else None.

        The file may be another version than before.
        """
        hdu, (rows, columns) = self.planes.get("ERR"), self.shape
        dtype = _stored_as(hdu)[0] if hdu is not None and hdu.shape == self.shape else None
        if hdu is None or dtype is None or not isinstance(self.path, Path):
            return None
        length = columns * dtype.itemsize
        content = b""
        with reading(self.path), self.path.open("rb") as file:
            if file.read(2) == _PACKED:
                return None
            for row in range(0, rows, max(1, rows // ROWS)):
                file.seek(hdu.data + row * length)
                content += file.read(length)
        return np.frombuffer(content, dtype, len(content) // length * columns).reshape(-1, columns)

    def dq(self) -> NDArray[np.uint32] | None:
        """Return the DQ bits; None without DQ. Raises an ExposureError as `science` does."""
        found = self._further("DQ")
        if found is None:
            return None
        stored, hdu = found
        dtype, problem = _stored_as(hdu)
        if dtype is None:
            raise ExposureError(f"{self.path}: DQ {problem}")
        # Unsigned integers are stored as signed ones with an offset, which inverts the highest bit.
        return np.asarray(stored, np.uint32) ^ np.uint32(1 << 31 if hdu.header.get("BZERO") else 0)

    def require_unchanged(self) -> None:
        """Raise an ExposureError if the file is another version than when it was read.

        Servers are not asked again: a remote file is compared each time that it is read.
        """
        if not isinstance(self.path, RemoteFile):
            self._require_same()

    def write_copy(
        self, to: Path, mask: NDArray[np.bool_] | None, cards: Cards, history: str
    ) -> None:
        """Write a copy in which flagged pixels are bad; safe in any thread.

        Parameters
        ----------
        to : Path
            The file to write.
        mask : ndarray of bool, shape (rows, cols), or None
            The pixels to flag: DQ gets `badpix_selfcal.instrument.BAD`, the other planes NaN. None
            flags nothing.
        cards : mapping of str to (str, str)
            Cards of the primary header to set: keyword -> (value, comment).
        history : str
            A HISTORY entry to add to it.

        Raises an ExposureError if this exposure cannot be read or flagged, or is another version
        than before; an OSError if the copy cannot be written.
        """
        with ExitStack() as stack:
            with reading(self.path):
                file, length = stack.enter_context(opened(self.path, self._about))
                found = [*headers(reader(file), length)]
                planes = _planes_of(found)
                header = _renewed(found[0].text, cards, history)
            if mask is not None:
                if problem := _problem_of(planes):
                    raise ExposureError(f"{self.path}: {problem}")
                if mask.shape != planes["SCI"].shape:
                    raise ValueError(f"mask has shape {mask.shape}, {self.path} has {self.shape}")
            with to.open("wb") as target:
                target.write(header)
                file.seek(found[0].data)
                if mask is not None:
                    flagged = np.flatnonzero(mask)
                    for hdu in sorted(planes.values(), key=lambda each: each.start):
                        self._copy(file, target, hdu.start)
                        target.write(_without_checksums(file.read(hdu.data - hdu.start)))
                        self._copy_flagged(file, target, hdu, flagged)
                self._copy(file, target, length)
        self._require_same()

    def _require_same(self) -> None:
        """Refuse another version of the file, if no server has refused it, or knows versions."""
        about = self._about
        if about is None or not (about.conditions or about.version.endswith(":")):
            with reading(self.path):
                if version_of(self.path) != self.version:
                    raise ExposureError(CHANGED)

    def _samples(self, hdu: Hdu, read: Read | None = None, free: Free | None = None) -> Samples:
        """Return the samples of a plane; `read` is what reads a remote file."""
        dtype, _ = _stored_as(hdu)
        with reading(self.path):
            if dtype is None:
                with open_fits(self.path) as hdus:
                    there = [each for each in hdus if each.fileinfo()["datLoc"] == hdu.data]
                    if not there or not isinstance(there[0], fits.ImageHDU):
                        raise ExposureError(f"the header of {hdu.name} is damaged")
                    samples = np.array(there[0].data)
            elif isinstance(self.path, RemoteFile) and self._about is not None:
                read = read or ahead(self.path, self._about, 0)
                samples = np.frombuffer(read(hdu.data, hdu.size), dtype)
            else:
                memory = _memory(hdu.size, free)
                with opened(self.path) as (file, _):
                    file.seek(hdu.data)
                    if file.readinto(memory) != hdu.size:  # type: ignore[attr-defined]
                        raise ExposureError(CHANGED)
                samples = memory.view(dtype)
            if samples.size != math.prod(hdu.shape):
                raise ExposureError(CHANGED)
        self._require_same()
        return samples.reshape(hdu.shape)

    def _further(self, name: str) -> tuple[Samples, Hdu] | None:
        """Return the samples of a plane of the shape of SCI, and its header; None without it."""
        sci, hdu, read = self.planes["SCI"], self.planes.get(name), None
        if hdu is None and isinstance(self.path, RemoteFile) and self._about is not None:
            with reading(self.path):
                # ERR follows SCI: one request for its header and samples
                more = sci.size + 4 * BLOCK if name == "ERR" else _HEAD
                read = ahead(self.path, self._about, more)
                found = _up_to(name, headers(read, self._about.size or 0, start=sci.end))
                hdu = _planes_of(found[-1:]).get(name)
        if hdu is None:
            return None
        if hdu.kind == "BINTABLE":
            raise ExposureError(f"{self.path}: {name} {_COMPRESSED}")
        if hdu.shape != sci.shape:
            raise ExposureError(f"{self.path}: {name} has shape {hdu.shape}, SCI has {sci.shape}")
        return self._samples(hdu, read), hdu

    def _copy_flagged(
        self, file: BinaryIO, target: BinaryIO, hdu: Hdu, flagged: NDArray[np.intp]
    ) -> None:
        """Copy the samples of a plane; `flagged` are the flat indices of bad pixels."""
        dtype, first = _stored_as(hdu)[0], 0
        for piece in self._pieces(file, hdu.size):
            samples = np.frombuffer(piece, dtype)
            start, stop = np.searchsorted(flagged, (first, first + samples.size))
            if hdu.name == "DQ":
                samples[flagged[start:stop] - first] |= instrument.BAD  # never the highest bit
            else:
                samples[flagged[start:stop] - first] = np.nan
            target.write(piece)
            first += samples.size

    def _copy(self, file: BinaryIO, target: BinaryIO, end: int) -> None:
        """Copy the bytes up to a place."""
        for piece in self._pieces(file, end - file.tell()):
            target.write(piece)

    def _pieces(self, file: BinaryIO, count: int) -> Iterator[memoryview]:
        """Read bytes, piece by piece into the same memory."""
        buffer = memoryview(bytearray(min(_PIECE, max(count, 0))))
        while count > 0:
            piece = buffer[:count]
            if file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
                raise ExposureError(f"{self.path}: {CHANGED}")
            yield piece
            count -= len(piece)


def _memory(size: int, free: Free | None) -> NDArray[np.uint8]:
    """Return memory of a size, used before if there is any."""
    while free:
        with suppress(IndexError):  # another thread has taken it
            memory = free.popleft()
            if memory.size == size:
                return memory
    return np.empty(size, np.uint8)


def read(path: AnyLocation) -> Exposure:
    """Read the headers of an exposure file, which may be compressed by gzip.

    Of a remote file the headers up to SCI are read, if its server supports ranges; whatever follows
    is not checked. Raises an ExposureError if there is no such file, it is not FITS or cut short,
    or it does not have exactly one SCI extension with a 2-D image.
    """
    location = locate(path)
    with reading(location):
        if not isinstance(location, RemoteFile):
            require_file(location)
            version = version_of(location)
        else:
            known = about(location)
            version = known.version
            if known.size is not None:
                read = ahead(location, known, _HEAD)
                if read(0, 2) != _PACKED:
                    found = _up_to("SCI", headers(read, known.size, _KEYWORDS))
                    return _exposure(location, version, found, known)
        with opened(location) as (file, length):
            found = [*headers(reader(file), length, _KEYWORDS)]
            return _exposure(location, version, found)


def _up_to(name: str, found: Iterable[Hdu]) -> list[Hdu]:
    """Return headers up to that of the image of a name."""
    read: list[Hdu] = []
    for hdu in found:
        read.append(hdu)
        if hdu.name == name and hdu.kind == "IMAGE":
            break
    return read


def _exposure(
    location: Location, version: str, found: list[Hdu], known: About | None = None
) -> Exposure:
    planes = _planes_of(found)
    _require_image(location, planes)
    primary, sci = found[0].header, planes["SCI"].header
    cards = {keyword: primary.get(keyword) for keyword in (*_KEPT, *LATER_STEPS)}
    words = {keyword: _text(primary.get(keyword)).upper() for keyword in _KEYWORDS}
    is_imprint = words["IS_IMPRT"] in _TRUE
    corner = (words["SUBSTRT1"] or "1", words["SUBSTRT2"] or "1")
    at = "" if corner == ("1", "1") else f"({','.join(corner)})"
    optics = "/".join(filter(None, (words["FILTER"], words["GRATING"])))
    problem = _problem_of(planes)
    return Exposure(
        path=location,
        version=version,
        detector=words["DETECTOR"],
        instrument=words["INSTRUME"],
        channel=words["CHANNEL"],
        band=words["BAND"] or optics,
        exp_type=words["EXP_TYPE"],
        subarray=("" if words["SUBARRAY"] in instrument.FULL_FRAME else words["SUBARRAY"]) + at,
        is_background=words["BKGDTARG"] in _TRUE and not is_imprint,
        is_imprint=is_imprint,
        pointing={keyword: words[keyword] for keyword in _POINTING},
        date=date_in(primary),
        status=words["S_BPXSLF"],
        later_steps=tuple(step for step in LATER_STEPS if words[step] == "COMPLETE"),
        dispaxis=sci.get("DISPAXIS"),
        unit=_text(sci.get("BUNIT")),
        planes=planes,
        cards={keyword: cards[keyword] for keyword in _KEPT if words[keyword]},
        history=tuple(c[8:].rstrip() for c in cards_of(found[0].text) if c.startswith("HISTORY ")),
        problem="" if known is not None or not problem else f"{location}: {problem}",
        _about=known,
    )


def date_in(header: Mapping[str, object]) -> datetime.date | None:
    """Return the day on which an exposure began: DATE-OBS, else DATE-BEG, else EXPSTART (MJD)."""
    for keyword in _DATES:
        value = _text(header.get(keyword))
        with suppress(ValueError, OverflowError):
            if keyword == "EXPSTART":
                return datetime.date.fromordinal(_DAY_0_OF_MJD + math.floor(float(value)))
            return datetime.date.fromisoformat(value.partition("T")[0])
    return None


def _text(value: object) -> str:
    """Return the value of a card as text; empty where absent or undefined."""
    return "" if value is None else str(value).strip()


def _planes_of(found: Iterable[Hdu]) -> dict[str, Hdu]:
    """Return the images that are read or flagged."""
    planes: dict[str, Hdu] = {}
    for hdu in found:
        is_packed = hdu.kind == "BINTABLE" and hdu.header.get("ZIMAGE") is True
        if hdu.name not in _PLANES or not (hdu.kind == "IMAGE" or is_packed):
            continue
        if hdu.name in planes:
            raise ExposureError(
                f"has 2 {hdu.name} extensions; an exposure whose slits are not cut out has one"
            )
        planes[hdu.name] = hdu
    return planes


def _stored_as(hdu: Hdu) -> tuple[np.dtype[Any] | None, str]:
    """Return the dtype of a plane's stored samples, or None and why it cannot be patched."""
    if hdu.kind == "BINTABLE":
        return None, _COMPRESSED
    bits, zero = hdu.header["BITPIX"], hdu.header.get("BZERO", 0)
    scale = hdu.header.get("BSCALE", 1)
    if hdu.name == "DQ":
        if bits != 32 or scale != 1 or zero not in (0, 2**31):
            return None, f"must hold 32-bit integers, got BITPIX = {bits}, BZERO = {zero}"
        return np.dtype(">u4"), ""
    if bits not in (-32, -64):
        return None, f"must hold floating-point samples, got BITPIX = {bits}"
    if scale != 1 or zero != 0:
        return None, f"is scaled (BSCALE = {scale}, BZERO = {zero}); store the samples unscaled"
    return np.dtype(">f4" if bits == -32 else ">f8"), ""


def _problem_of(planes: Mapping[str, Hdu]) -> str:
    """Return why no flagged copy can be written; empty if one can."""
    if "DQ" not in planes:
        return "has no DQ extension, so no pixel can be flagged"
    shape = planes["SCI"].shape
    for name, hdu in planes.items():
        if problem := _stored_as(hdu)[1]:
            return f"{name} {problem}"
        if hdu.shape != shape:
            return f"{name} has shape {hdu.shape}, SCI has {shape}"
    return ""


def _require_image(location: Location, planes: Mapping[str, Hdu]) -> None:
    """Refuse a file without a 2-D SCI image."""
    kind = location.name.lower().removesuffix(".gz").removesuffix(".fits").rpartition("_")[2]
    what = f"_{kind} is {_KINDS[kind]}: " if kind in _KINDS else ""
    advice = f"; {what}take the rate image (_rate)"
    if "SCI" not in planes:
        raise ExposureError(f"has no SCI extension{advice}")
    sci = planes["SCI"]
    if sci.kind == "BINTABLE":
        raise ExposureError(f"SCI {_COMPRESSED}")
    if len(sci.shape) != 2:
        raise ExposureError(f"SCI must be 2-D, got shape {sci.shape}{advice}")
    if min(sci.shape) < 1:
        raise ExposureError(f"SCI is empty, its shape is {sci.shape}")


def _renewed(text: str, cards: Cards, history: str) -> bytes:
    """Return the primary header of a copy, with other cards and one more entry of HISTORY."""
    try:
        with silenced():
            header = fits.Header.fromstring(text)
            for stale in _STALE:
                header.remove(stale.decode().strip(), ignore_missing=True)
            header.update(cards)
            for line in textwrap.wrap(history, _HISTORY_WIDTH, break_on_hyphens=False):
                header.add_history(line)
            return bytes(header.tostring(sep="", endcard=True, padding=True), "ascii")
    except (ValueError, fits.VerifyError) as error:
        raise ExposureError(f"bad primary header: {error}") from error


def _without_checksums(header: bytes) -> bytes:
    """Blank the checksum cards of a header whose samples have changed."""
    for at in range(0, len(header), CARD):
        if header[at : at + 8] in _STALE:
            header = header[:at] + b" " * CARD + header[at + CARD :]
    return header
