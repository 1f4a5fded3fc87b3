"""FITS files as bytes, which are checked for damage.

Astropy accepts files that this package cannot copy safely: archives, extensions that end beyond
the file, headers cut short. This module finds and refuses them.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ..errors import ExposureError, silenced
from .cursor import Cursor
from .input_file import InputFile
from .remote import NOT_FITS

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = [
    "BLOCK",
    "CARD",
    "CHUNK",
    "MOST_BLOCKS",
    "STALE",
    "length_of",
    "opened",
    "refuse_truncated",
    "require_fits",
    "without_checksums",
]

CHUNK: Final = 1 << 22
"""Bytes read or copied at a time."""

STALE: Final = (b"CHECKSUM", b"DATASUM ")
"""The keywords of cards whose values become wrong when samples change."""

BLOCK: Final = 2880
"""Bytes of a FITS block: headers and data are whole numbers of blocks."""

CARD: Final = 80
"""Bytes of one card of a header."""

MOST_BLOCKS: Final = 1000
"""Blocks of a header, 36 000 cards. Those of the pipeline have about ten; one without an end could
fill the memory."""

_MOST_AXES: Final = 999
_AXES: Final = re.compile(rb"NAXIS {3}= *[+]?([0-9]{1,70})", re.IGNORECASE)
_END: Final = re.compile(rb"END(?:[^A-Z0-9_-]|$)")
_START: Final = re.compile(rb"SIMPLE  =|XTENSION")


def require_fits(file: InputFile) -> None:
    """Refuse anything but plain or gzipped FITS; astropy also unpacks zip, bzip2 and xz."""
    with file.open() as content:
        if content.read(9) != b"SIMPLE  =":
            raise ExposureError(f"{file}: {NOT_FITS}")


def refuse_truncated(file: InputFile, length: int, hdus: fits.HDUList) -> None:
    """Refuse a file that ends within an extension's header or samples."""
    from astropy.io import fits

    end = 0
    for number, hdu in enumerate(hdus):
        place = hdu.fileinfo()
        # `size` is that of the samples; the stored bytes of a compressed image are fewer.
        size = place["datSpan"] if isinstance(hdu, fits.CompImageHDU) else hdu.size
        is_image = type(hdu) is fits.ImageHDU and hdu.shape
        if is_image and size < math.prod(hdu.shape) * abs(hdu._orig_bitpix) // 8:
            raise ExposureError(
                f"{file}: the header of extension {number} ({hdu.name}) is damaged: it gives two "
                "sizes of the data"
            )
        if place["datLoc"] + size > length:
            raise ExposureError(
                f"{file}: is cut short: extension {number} ({hdu.name}) ends beyond the file's "
                f"{length} bytes; fetch it again"
            )
        end = place["datLoc"] + place["datSpan"]
    with file.open() as content:
        content.seek(max(0, min(end, length)))
        rest = content.read(8)
        if rest and b"XTENSION".startswith(rest):
            raise ExposureError(
                f"{file}: is cut short or damaged in the header of extension {len(hdus)}; "
                "fetch it again"
            )


def length_of(file: InputFile) -> int:
    """Return a file's unpacked length in bytes; raise if a compressed one is damaged."""
    if not file.is_compressed:
        return file.size
    length, buffer = 0, bytearray(CHUNK)
    with file.open() as content:
        while count := content.readinto(buffer):
            length += count
    return length


@contextmanager
def opened(file: InputFile, length: int) -> Iterator[fits.HDUList]:
    """Open a FITS file of a length, unpacked, and read its headers, but no samples."""
    from astropy.io import fits

    class Checked(fits.HDUList):  # type: ignore[misc] # astropy has no types
        """Headers that are read when they have been checked."""

        def update_extend(self) -> None:
            """Do nothing yet: this would read the first extension."""

    with silenced(), file.open() as content, file.open() as ahead:
        # Astropy only warns about some kinds of damage. Those that matter are refused here.
        _is_header(file, ahead, 0)
        limited = _Limited(content, length)
        with Checked.fromfile(limited, "readonly", memmap=False, uint=True) as hdus:
            _read_headers(file, ahead, limited, hdus)
            fits.HDUList.update_extend(hdus)
            yield hdus


class _Limited(Cursor):
    """The part of a file before `end`, as a file. Astropy searches what follows for a header."""

    def __init__(self, content: io.BufferedReader, end: int) -> None:
        super().__init__()
        self._content = content
        self.end = end

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = super().seek(offset, whence)
        if at < 0:
            raise OSError("a header leads before the beginning of the file")
        return at

    def _fill(self, view: memoryview) -> int:
        self._content.seek(self._at)
        return self._content.readinto(view[: max(0, self.end - self._at)])

    def _end(self) -> int:
        return self.end


def _read_headers(
    file: InputFile, ahead: io.BufferedReader, limited: _Limited, hdus: fits.HDUList
) -> None:
    """Read the headers one by one. Astropy would read a negative size without end."""
    number, last = 0, -1
    while True:
        try:
            hdu = hdus[number]
        except IndexError:
            return
        start, end = _bounds_of(file, number, hdu)
        if start <= last:
            raise ExposureError(f"{file}: extension {number - 1} has a negative size")
        number, last = number + 1, start
        ahead.seek(max(0, min(end, limited.end)))
        if not _is_header(file, ahead, number):
            limited.end = end


def _bounds_of(file: InputFile, number: int, hdu: Any) -> tuple[int, int]:
    """Return where an extension begins and ends; refuse one whose header is damaged."""
    place = hdu.fileinfo() if hasattr(hdu, "fileinfo") else {}
    start, data, span = (place.get(each) for each in ("hdrLoc", "datLoc", "datSpan"))
    if not (isinstance(start, int) and isinstance(data, int) and isinstance(span, int)):
        raise ExposureError(
            f"{file}: the header of extension {number} is damaged: it gives no size of the data"
        )
    return start, data + span


def _is_header(file: InputFile, ahead: io.BufferedReader, number: int) -> bool:
    """Return whether the next blocks may be a header; refuse one that astropy cannot read.

    Astropy would go through all of too many axes, and would hold a header without END in memory.
    """
    start = b""
    for _ in range(MOST_BLOCKS):
        block = ahead.read(BLOCK)
        start = start or block[:CARD]
        for at in range(0, len(block), CARD):
            axes = _AXES.match(block, at)
            if axes is not None and int(axes[1]) > _MOST_AXES:
                raise ExposureError(
                    f"{file}: extension {number} has NAXIS = {axes[1].decode()}; FITS has at most "
                    f"{_MOST_AXES} axes"
                )
            if _END.match(block, at):
                return True
        if not block:
            return True
    if _START.match(start):
        raise ExposureError(
            f"{file}: the header of extension {number} does not end within {MOST_BLOCKS} blocks of "
            f"{BLOCK} bytes"
        )
    return False


def without_checksums(header: bytes) -> bytes:
    """Blank the checksum cards of a header whose samples have changed."""
    cards = (header[at : at + CARD] for at in range(0, len(header), CARD))
    return b"".join(b" " * CARD if card[:8] in STALE else card for card in cards)
