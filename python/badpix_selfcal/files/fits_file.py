"""FITS files, opened after checks: the headers are whole, and no size exceeds the file.

Astropy parses cards, and opens what is read whole. It accepts files that this package cannot copy
safely (extensions that end beyond the file), and some that it reads without end or into any amount
of memory (negative sizes, headers without END). So the blocks are walked first.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import re
import tempfile
import traceback
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeAlias, cast

from astropy.io import fits

from ..errors import ExposureError, is_of_machine, silenced
from .inputs import what_takes
from .paths import AnyLocation, Location, RemoteFile, locate, require_file
from .remote import MOST, About, RemoteError, download

BLOCK: Final = 2880
"""Bytes of a FITS block: headers and data are whole numbers of blocks."""

CARD: Final = 80
"""Bytes of one card of a header."""

CHUNK: Final = 1 << 22
"""Bytes read or copied at a time."""

MOST_BLOCKS: Final = 1000
"""Blocks of a header, 36 000 cards. Those of the pipeline have about ten."""

MOST_EXTENSIONS: Final = 1000

_NO_FITS: Final = "is not a FITS file, nor one compressed by gzip"

MOST_FIELDS: Final = 999
"""Columns of a table. Astropy would make a million of them from a card."""

_STRUCTURE: Final = (
    *("XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "EXTNAME", "BSCALE"),
    *("BZERO", "ZIMAGE"),
)
"""The keywords that every header is asked for, besides NAXISn."""

_END: Final = re.compile(rb"((?:.{80})*?)END(?![A-Z0-9_-])", re.DOTALL)
_FIXED: Final = re.compile(
    r"(NAXIS[0-9]*|BITPIX|PCOUNT|GCOUNT) *(?<=^.{8})= {2,21}(-?[0-9]{1,18})(?<=^.{30})(?: *|[ /].*)"
    r"|(XTENSION)= '([A-Z]+) *'(?<=^.{20})(?: *|[ /].*)"
)
"""A mandatory card, which has a fixed format: a whole number ends in column 30, a text is in the
columns 12 to 19."""

_NOT_ASCII: Final = re.compile(r"[^ -~]")

Read: TypeAlias = Callable[[int, int], bytes]
"""Reads bytes of a file: from a place, so many; fewer at its end."""


@dataclass(frozen=True)
class Hdu:
    """A header and the place of its data.

    Attributes
    ----------
    text : str
        The cards before END of the primary header; empty for others.
    header : mapping of str to object
        The values of the keywords that are asked for, and have one.
    name, kind : str
        EXTNAME and XTENSION in capitals; empty where absent.
    shape : tuple of int
        The shape of the data, as NumPy has it.
    start, data, size : int
        Where it begins and its data begin, and the size of the data without padding, bytes.
    """

    text: str
    header: Mapping[str, Any]
    name: str
    kind: str
    shape: tuple[int, ...]
    start: int
    data: int
    size: int

    @property
    def end(self) -> int:
        """Where the padding of the data ends."""
        return self.data + -(-self.size // BLOCK) * BLOCK


@contextmanager
def reading(path: Location) -> Iterator[None]:
    """Turn the errors of reading a file into an ExposureError that names the file.

    Errors that a file cannot cause, such as a full disk or a fault of this package, stay.
    """
    try:
        yield
    except ExposureError as error:
        if str(error).startswith(f"{path}: "):
            raise
        known = what_takes(path) if str(error) == _NO_FITS else ""
        raise ExposureError(f"{path}: {known or error}") from error.__cause__
    except RemoteError as error:
        raise ExposureError(f"{path}: {error}") from None
    except Exception as error:
        if not _is_by_file(error):
            raise
        raise ExposureError(f"{path}: {_problem(error)}") from error


@contextmanager
def opened(location: Location, known: About | None = None) -> Iterator[tuple[BinaryIO, int]]:
    """Open the plain bytes of a file, which are downloaded or unpacked; yield it and its length.

    `known` is the version of a remote one.
    """
    if isinstance(location, RemoteFile):
        stored = download(location, known=known)
    else:
        require_file(location)
        stored = location.open("rb")
    with stored:
        is_packed = stored.read(2) == b"\x1f\x8b"
        stored.seek(0)
        if not is_packed:
            yield stored, os.fstat(stored.fileno()).st_size
            return
        with tempfile.TemporaryFile() as plain:
            _unpack(stored, plain)
            plain.seek(0)
            yield cast("BinaryIO", plain), os.fstat(plain.fileno()).st_size


def _unpack(stored: BinaryIO, plain: Any) -> None:
    length = 0
    with gzip.GzipFile(fileobj=stored) as unpacked:
        while piece := unpacked.read(CHUNK):
            length += len(piece)
            if length > MOST:
                raise ExposureError(f"unpacks to more than {MOST} bytes")
            plain.write(piece)


@contextmanager
def open_fits(path: AnyLocation) -> Iterator[fits.HDUList]:
    """Open a FITS file with astropy, after checks; safe with any file.

    It may be remote or compressed by gzip. Each of its extensions is whole; compressed images are
    tables. Suppresses warnings in all threads while it is open. Raises an ExposureError if there is
    no such file, or it is not FITS, damaged, cut short or changed meanwhile.
    """
    location = locate(path)
    with reading(location):
        with opened(location) as (file, length):
            if length > MOST:
                raise ExposureError(f"is larger than {MOST} bytes")
            *_, last = headers(reader(file), length)
            file.seek(0)
            content = io.BytesIO(file.read(last.end))
        how = {"memmap": False, "disable_image_compression": True}
        with silenced(), fits.open(content, **how) as hdus:
            for number, hdu in enumerate(hdus):
                if not hasattr(type(hdu), "data"):  # astropy has given it up
                    raise ExposureError(f"the header of extension {number} is damaged")
            yield hdus


def reader(file: BinaryIO) -> Read:
    """Return what reads a file of this machine."""

    def read(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    return read


def headers(
    read: Read, length: int, keywords: Collection[str] = (), start: int = 0
) -> Iterator[Hdu]:
    """Read the headers of a file one after the other, and check each.

    What follows the last extension and is no header is left alone. Raises an ExposureError if the
    file is not FITS, or a header is damaged, or its data end beyond the file.

    Parameters
    ----------
    read : callable
        Reads the file.
    length : int
        Its bytes.
    keywords : collection of str, optional
        What is asked for besides the form of the data.
    start : int, optional
        Where to begin: at the header of an extension.
    """
    number, wanted = int(start > 0), frozenset((*_STRUCTURE, *keywords))
    while start < length or number == 0:
        text, data = _header_text(read, start, number)
        if not text:
            return
        header = _values(text, wanted)
        name, kind = (_capitals(header, each) for each in ("EXTNAME", "XTENSION"))
        shape, size = _shape_and_size(header, number, kind)
        hdu = Hdu("" if number else text, header, name, kind, shape, start, data, size)
        if data + size > length:
            raise ExposureError(
                f"is cut short: extension {number} ({name or 'PRIMARY'}) ends beyond the file's "
                f"{length} bytes; fetch it again"
            )
        if number > MOST_EXTENSIONS:
            raise ExposureError(f"has more than {MOST_EXTENSIONS} extensions")
        yield hdu
        start, number = hdu.end, number + 1


def cards_of(text: str) -> list[str]:
    """Return the cards of a header."""
    return [text[at : at + CARD] for at in range(0, len(text), CARD)]


def _values(text: str, keywords: Collection[str]) -> dict[str, Any]:
    """Return the first value of each keyword that has one; astropy parses these cards alone."""
    images: list[str] = []
    is_wanted = False
    for image in cards_of(text):
        keyword = image[:8].partition("=")[0].strip().upper()
        if keyword == "CONTINUE" and is_wanted:
            images[-1] += image
            continue
        is_wanted = keyword in keywords or keyword.startswith("NAXIS")
        if is_wanted:
            images.append(image)
    values: dict[str, Any] = {}
    with silenced():
        for image in reversed(images):
            if found := _FIXED.fullmatch(image):
                values[found[1] or found[3]] = int(found[2]) if found[1] else found[4]
            else:
                card = fits.Card.fromstring(image)
                values[card.keyword] = card.value
    return {key: each for key, each in values.items() if not isinstance(each, fits.card.Undefined)}


def _header_text(read: Read, start: int, number: int) -> tuple[str, int]:
    """Return the cards of a header before END, and where its data begin; no cards at the end."""
    begin = b"XTENSION" if number else b"SIMPLE  ="
    content = b""
    for _ in range(MOST_BLOCKS):
        block = read(start + len(content), BLOCK)
        if not content and not block.startswith(begin):
            if number == 0:
                raise ExposureError(_NO_FITS)
            if not block or not begin.startswith(block[: len(begin)]):
                return "", start
        if len(block) < BLOCK:
            raise ExposureError(
                f"is cut short or damaged in the header of extension {number}; fetch it again"
            )
        content += block
        if (found := _END.match(block)) is not None:
            cards = content[: len(content) - BLOCK + found.end(1)].decode("latin-1")
            return _NOT_ASCII.sub("?", cards), start + len(content)
    raise ExposureError(f"the header of extension {number} has no END in {MOST_BLOCKS} blocks")


def _capitals(header: Mapping[str, Any], keyword: str) -> str:
    value = header.get(keyword)
    return value.strip().upper() if isinstance(value, str) else ""


def _shape_and_size(
    header: Mapping[str, Any], number: int, kind: str
) -> tuple[tuple[int, ...], int]:
    """Return the shape of the data of a header, and their size in bytes."""
    damaged = f"the header of extension {number} is damaged: it gives no size of the data"

    def count(keyword: str, default: int | None = None) -> int:
        value = header.get(keyword, default)
        if type(value) is not int or value < 0:
            raise ExposureError(damaged)
        return value

    axes, bits = count("NAXIS"), header.get("BITPIX")
    if type(bits) is not int or bits not in (8, 16, 32, 64, -32, -64):
        raise ExposureError(damaged)
    if (fields := count("TFIELDS", 0)) > MOST_FIELDS:
        raise ExposureError(
            f"extension {number} has TFIELDS = {fields}; a table of FITS has at most "
            f"{MOST_FIELDS} columns"
        )
    shape = tuple(count(f"NAXIS{axis}") for axis in range(axes, 0, -1))
    samples = math.prod(shape) if shape else 0
    heap, groups = count("PCOUNT", 0), count("GCOUNT", 1)
    if kind in ("IMAGE", "") and (heap != 0 or groups != 1):
        raise ExposureError(
            f"the header of extension {number} is damaged: it gives two sizes of the data"
        )
    return shape, abs(bits) // 8 * (samples + heap) * groups


def _is_by_file(error: Exception) -> bool:
    """Return whether a damaged or unreadable file causes an error; astropy raises many types."""
    if isinstance(error, OSError):
        return not is_of_machine(error)
    if isinstance(error, (EOFError, zlib.error)):
        return True
    frames = [frame.f_globals for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [str(each.get("__name__")).partition(".")[0] for each in frames]
    last = [name for name in names if name in ("astropy", "badpix_selfcal")][-1:]
    return last == ["astropy"] and not isinstance(error, MemoryError)


def _problem(error: Exception) -> str:
    """Return what is wrong with a file, in words."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):
        text = f"a header lacks {text}"
    elif " " not in text or not isinstance(error, (OSError, EOFError, ValueError, zlib.error)):
        text = f"a header is damaged ({type(error).__name__}{text and f': {text}'})"
    return f"cannot be read as FITS: {text}"
