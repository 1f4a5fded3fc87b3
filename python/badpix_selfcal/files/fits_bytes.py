"""FITS files as bytes, which are checked for damage.

Astropy accepts files that this package cannot copy safely: archives, extensions that end beyond
the file, headers cut short. This module finds and refuses them.
"""

from __future__ import annotations

import gzip
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from ..errors import ExposureError, silenced
from .location import Location
from .remote import NOT_FITS, Downloaded, Ranges
from .requests import RemoteError

if TYPE_CHECKING:
    from io import BufferedReader

    from astropy.io import fits

__all__ = [
    "BLOCK",
    "CARD",
    "CHUNK",
    "STALE",
    "Stored",
    "is_compressed",
    "length_of",
    "open_bytes",
    "opened",
    "prefetch",
    "reading",
    "refuse_truncated",
    "require_fits",
    "without_checksums",
]

Stored: TypeAlias = Path | Downloaded
"""A file on this machine."""

CHUNK: Final = 1 << 22
"""Bytes read or copied at a time."""

STALE: Final = (b"CHECKSUM", b"DATASUM ")
"""The keywords of cards whose values become wrong when samples change."""

BLOCK: Final = 2880
"""Bytes of a FITS block: headers and data are whole numbers of blocks."""

CARD: Final = 80
"""Bytes of one card of a header."""

_GZIP: Final = b"\x1f\x8b"
_MOST_AXES: Final = 999
_AXES: Final = re.compile(rb"NAXIS {3}= *[+]?([0-9]{1,70})", re.IGNORECASE)


def require_fits(path: Stored) -> None:
    """Refuse anything but plain or gzipped FITS; astropy also unpacks zip, bzip2 and xz."""
    with open_bytes(path) as file:
        if file.read(9) != b"SIMPLE  =":
            raise ExposureError(f"{path}: {NOT_FITS}")


def refuse_truncated(path: Stored, length: int, hdus: fits.HDUList) -> None:
    """Refuse a file that ends within an extension's header or samples."""
    from astropy.io import fits

    end = 0
    for number, hdu in enumerate(hdus):
        place = hdu.fileinfo()
        # `size` is that of the samples; the stored bytes of a compressed image are fewer.
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


def length_of(path: Stored) -> int:
    """Return a file's unpacked length in bytes; raise if a compressed one is damaged."""
    if not is_compressed(path):
        return path.stat().st_size
    length = 0
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            length += len(chunk)
    return length


@contextmanager
def reading(path: Location | Downloaded | Ranges) -> Iterator[None]:
    """Turn any error of reading a file into one that names the file."""
    try:
        yield
    except ExposureError:
        raise
    except RemoteError as error:
        raise ExposureError(f"{path}: {error}") from error
    except Exception as error:  # a damaged header makes astropy raise many types
        raise ExposureError(f"{path}: cannot be read as FITS: {error}") from error


@contextmanager
def opened(path: Stored) -> Iterator[fits.HDUList]:
    """Open a FITS file and read its headers, but no samples."""
    from astropy.io import fits

    # The file is opened here, because astropy leaves a file open when it fails.
    with silenced(), path.open("rb") as file, open_bytes(path) as content:
        # Astropy only warns about some kinds of damage. Those that matter are refused here.
        _refuse_absurd_axes(path, content, 0)
        with fits.open(file, memmap=False, lazy_load_hdus=True) as hdus:
            _read_headers(path, content, hdus)
            yield hdus


def _read_headers(path: Stored, content: BufferedReader, hdus: fits.HDUList) -> None:
    """Read the headers one by one. Astropy would read a negative size without end."""
    number, last = 0, -1
    while True:
        try:
            place = hdus[number].fileinfo()
        except IndexError:
            return
        if place["hdrLoc"] <= last:
            raise ExposureError(f"{path}: extension {number - 1} has a negative size")
        number, last = number + 1, place["hdrLoc"]
        content.seek(max(0, place["datLoc"] + place["datSpan"]))
        _refuse_absurd_axes(path, content, number)


def _refuse_absurd_axes(path: Stored, content: BufferedReader, number: int) -> None:
    """Refuse a header with too many axes; astropy would go through all of them."""
    while block := content.read(BLOCK):
        for at in range(0, len(block), CARD):
            axes = _AXES.match(block, at)
            if axes is not None and int(axes[1]) > _MOST_AXES:
                raise ExposureError(
                    f"{path}: extension {number} has NAXIS = {axes[1].decode()}; FITS has at most "
                    f"{_MOST_AXES} axes"
                )
            if block.startswith(b"END ", at):
                return


def is_compressed(path: Stored) -> bool:
    """Return whether a file is compressed by gzip; its name does not matter."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def open_bytes(path: Stored) -> BufferedReader:
    """Open a file for reading; a gzipped one is unpacked."""
    if not is_compressed(path):
        return path.open("rb")

    return cast("BufferedReader", gzip.open(path))


def prefetch(path: Stored, start: int, length: int) -> None:
    """Ask the system to read a part of a file in the background, where it can."""
    if sys.platform == "linux":
        with suppress(OSError), path.open("rb") as file:
            os.posix_fadvise(file.fileno(), start, length, os.POSIX_FADV_WILLNEED)


def without_checksums(header: bytes) -> bytes:
    """Blank the checksum cards of a header whose samples have changed."""
    cards = (header[at : at + CARD] for at in range(0, len(header), CARD))
    return b"".join(b" " * CARD if card[:8] in STALE else card for card in cards)
