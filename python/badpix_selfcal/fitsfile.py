"""FITS files as bytes: opened with care, refused when damaged.

What astropy reads generously (archives it unpacks, sizes that are not there, headers cut short)
is looked for here, so that no sample is ever read from where it is not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from .errors import ExposureError

if TYPE_CHECKING:
    import gzip

    from astropy.io import fits

__all__ = [
    "CHUNK",
    "STALE",
    "blank_checksums",
    "is_compressed",
    "length_of",
    "open_bytes",
    "opened",
    "reading",
    "refuse_truncated",
    "require_fits",
]

CHUNK: Final = 1 << 22
"""Bytes read or copied at a time."""

STALE: Final = (b"CHECKSUM", b"DATASUM ")
"""Keywords, as a card begins with them, whose values no longer hold once samples change."""

_GZIP: Final = b"\x1f\x8b"
_CARD: Final = 80


def require_fits(path: Path) -> None:
    """Refuse what astropy might unpack (zip, bzip2, xz), but is not read so here."""
    with open_bytes(path) as file:
        if file.read(9) != b"SIMPLE  =":
            raise ExposureError(f"{path}: is not a FITS file, nor one compressed by gzip")


def refuse_truncated(path: Path, length: int, hdus: fits.HDUList) -> None:
    """Refuse a file that ends within an extension's header or samples."""
    from astropy.io import fits

    end = 0
    for number, hdu in enumerate(hdus):
        place = hdu.fileinfo()
        # The size of a compressed image is that of its samples; what is stored has another.
        size = place["datSpan"] if isinstance(hdu, fits.CompImageHDU) else hdu.size
        if place["datLoc"] + size > length:
            raise ExposureError(
                f"{path}: is cut short: extension {number} ({hdu.name}) ends beyond the file's "
                f"{length} bytes; fetch it again"
            )
        end = place["datLoc"] + place["datSpan"]
    with open_bytes(path) as file:
        file.seek(end)
        rest = file.read(8)
        if rest and b"XTENSION".startswith(rest):
            raise ExposureError(
                f"{path}: is cut short or damaged in the header of extension {len(hdus)}; "
                "fetch it again"
            )


def length_of(path: Path) -> int:
    """Return a file's length in bytes, unpacked; of a compressed one that finds what is damaged."""
    if not is_compressed(path):
        return path.stat().st_size
    length = 0
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            length += len(chunk)
    return length


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong in reading a file into an error that names the file."""
    try:
        yield
    except ExposureError:
        raise
    except Exception as error:  # in a damaged header astropy stumbles in many ways
        raise ExposureError(f"{path}: cannot be read as FITS: {error}") from error


@contextmanager
def opened(path: Path) -> Iterator[fits.HDUList]:
    """Open a FITS file with all its headers read, and none of its samples."""
    from astropy.io import fits

    # Opened here, for astropy leaves a file open in which it stumbles.
    with warnings.catch_warnings(), path.open("rb") as file:
        # Of damage that astropy only warns of, what matters here is looked for and refused.
        warnings.simplefilter("ignore")
        with fits.open(file, memmap=False, lazy_load_hdus=True) as hdus:
            _read_headers(path, hdus)
            yield hdus


def _read_headers(path: Path, hdus: fits.HDUList) -> None:
    """Read the headers one by one: with a negative size, astropy would do so for ever."""
    number, last = 0, -1
    while True:
        try:
            start = hdus[number].fileinfo()["hdrLoc"]
        except IndexError:
            return
        if start <= last:
            raise ExposureError(f"{path}: extension {number - 1} has a negative size")
        number, last = number + 1, start


def is_compressed(path: Path) -> bool:
    """Tell whether a file is compressed by gzip, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def open_bytes(path: Path) -> BinaryIO | gzip.GzipFile:
    """Open a file for reading, unpacked."""
    if not is_compressed(path):
        return path.open("rb")
    import gzip

    return gzip.open(path)


def blank_checksums(path: Path, start: int, end: int) -> None:
    """Blank the checksum cards of a header whose samples have changed."""
    with path.open("r+b") as file:
        file.seek(start)
        header = file.read(end - start)
        for at in range(0, len(header), _CARD):
            if header[at : at + 8] in STALE:
                file.seek(start + at)
                file.write(b" " * _CARD)
