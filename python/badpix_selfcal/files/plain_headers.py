"""The headers of a well-formed FITS file, read without astropy.

Astropy takes every card apart, which takes longer than all else that is done to an exposure. Of a
file as the pipeline writes it a few cards tell what is needed, in the form that the standard
prescribes. Any other form (and any damage) is left to astropy: `scan` then returns None.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from .fits_bytes import BLOCK, CARD, Stored, open_bytes

if TYPE_CHECKING:
    from io import BufferedReader

__all__ = ["PlainHeader", "scan", "scan_to"]

_Value: TypeAlias = int | str
_BITPIX: Final = (8, 16, 32, 64, -32, -64)
_EXTENSIONS: Final = ("IMAGE", "BINTABLE", "TABLE")
_NEEDED: Final = re.compile(
    "SIMPLE|XTENSION|BITPIX|NAXIS[0-9]*|PCOUNT|GCOUNT|GROUPS|EXTEND|EXTNAME|BSCALE|BZERO|BLANK|"
    "ZIMAGE|DISPAXIS|DETECTOR|EXP_TYPE"
)
_LOGICALS: Final = ("SIMPLE", "EXTEND")
_STRINGS: Final = ("XTENSION", "EXTNAME", "DETECTOR", "EXP_TYPE")
_END: Final = b"END".ljust(CARD)
_TEXT: Final = re.compile(rb"[ -~]*")
_KEYWORD: Final = re.compile("[A-Z0-9_-]* *")
_INTEGER: Final = re.compile(r"= +(-?[0-9]{1,18}) *(?:/.*)?")
_STRING: Final = re.compile(r"= +'([A-Za-z0-9_]*) *' *(?:/.*)?")
_TRUE: Final = re.compile(r"= +(T) *(?:/.*)?")


class _UnusualError(Exception):
    """What tells that a file is one for astropy."""


@dataclass(frozen=True)
class PlainHeader:
    """A well-formed header.

    Attributes
    ----------
    start, data, end : int
        Bytes before the header, before its data, and up to the end of their padding.
    shape : tuple of int
        The shape of the data, as NumPy has it; empty where there are none.
    cards : dict of str to int or str
        The values of the cards that are needed of any exposure; of logical ones, which are true
        here, "T".
    content : bytes
        All blocks of the header.
    """

    start: int
    data: int
    end: int
    shape: tuple[int, ...]
    cards: dict[str, _Value]
    content: bytes


def scan(path: Stored) -> list[PlainHeader] | None:
    """Read the headers of a file, the primary one first.

    Parameters
    ----------
    path : Path or Downloaded
        The file, which may be compressed by gzip; then it is unpacked to its end.

    Returns
    -------
    list of PlainHeader or None
        The headers of a file that is whole and holds nothing else; None if anything about them
        is unusual.
    """
    try:
        with open_bytes(path) as file:
            return list(_headers(file))
    except (_UnusualError, OSError, EOFError, zlib.error):
        return None


def scan_to(name: str, file: BufferedReader) -> list[PlainHeader] | None:
    """Read the headers of a file as far as the first image of a name; nothing behind it.

    Parameters
    ----------
    name : str
        Its EXTNAME, in capitals.
    file : binary file
        The file, at its start.

    Returns
    -------
    list of PlainHeader or None
        The headers, that of the image last; None if anything about them is unusual, or there is
        no such image. Whether the samples of the image are all there has not been looked at.
    """
    found: list[PlainHeader] = []
    try:
        for header in _headers(file):
            found.append(header)
            image = header.cards.get("XTENSION") == "IMAGE"
            if image and str(header.cards.get("EXTNAME", "")).upper() == name:
                return found
    except (_UnusualError, OSError):
        return None
    return None


def _headers(file: BufferedReader) -> Iterator[PlainHeader]:
    start = 0
    while cards := _read_cards(file):
        needed = _needed(cards)
        shape, size = _shape_and_size(needed, cards, first=start == 0)
        data = start + len(cards) * CARD
        end = data + -(-size // BLOCK) * BLOCK
        yield PlainHeader(start, data, end, shape, needed, b"".join(cards))
        if end > data:  # step upon the last byte, for beyond the end of a file one may step too
            file.seek(end - 1)
            _require(len(file.read(1)) == 1)
        start = end
    _require(start > 0)


def _read_cards(file: BufferedReader) -> list[bytes]:
    """Read the cards of a header and its padding; none at the end of the file."""
    cards: list[bytes] = []
    while block := file.read(BLOCK):
        _require(len(block) == BLOCK and _TEXT.fullmatch(block) is not None)
        found = [block[at : at + CARD] for at in range(0, BLOCK, CARD)]
        cards += found
        if _END in found:
            _require(not b"".join(found[found.index(_END) + 1 :]).strip())
            return cards
    _require(not cards)
    return cards


def _needed(cards: list[bytes]) -> dict[str, _Value]:
    """Return the values of the cards that are needed."""
    keywords = [card[:8].decode().rstrip() for card in cards]
    _require(all(_KEYWORD.fullmatch(keyword) for keyword in {*keywords}))
    _require("HIERARCH" not in keywords)  # which may hide any keyword
    needed: dict[str, _Value] = {}
    for number, keyword in enumerate(keywords):
        if _NEEDED.fullmatch(keyword):
            _require(keyword not in needed and keywords[number + 1] != "CONTINUE")
            needed[keyword] = _value(keyword, cards[number])
    return needed


def _value(keyword: str, card: bytes) -> _Value:
    form = _TRUE if keyword in _LOGICALS else _STRING if keyword in _STRINGS else _INTEGER
    found = form.fullmatch(card[8:].decode())
    if found is None:
        raise _UnusualError
    return int(found[1]) if form is _INTEGER else found[1]


def _shape_and_size(
    needed: dict[str, _Value], cards: list[bytes], *, first: bool
) -> tuple[tuple[int, ...], int]:
    """Return the shape of the data that follow and their size in bytes, without padding."""
    axes = [keyword for keyword in needed if keyword.startswith("NAXIS")][1:]
    order = ["SIMPLE" if first else "XTENSION", "BITPIX", "NAXIS", *axes]
    if first:
        _require("EXTEND" in needed and not {"GROUPS", "PCOUNT", "GCOUNT"} & {*needed})
        _require("XTENSION" not in needed)
    else:
        order += ["PCOUNT", "GCOUNT"]
        _require(needed.get("XTENSION") in _EXTENSIONS and needed.get("GCOUNT") == 1)
        _require("SIMPLE" not in needed and "ZIMAGE" not in needed)
    _require(axes == [f"NAXIS{number + 1}" for number in range(len(axes))])
    _require([card[:8].decode().rstrip() for card in cards[: len(order)]] == order)
    _require(needed["NAXIS"] == len(axes) and needed["BITPIX"] in _BITPIX)
    lengths = [_count(needed, keyword) for keyword in axes]
    heap = 0 if first else _count(needed, "PCOUNT")
    _require(heap == 0 or needed["XTENSION"] != "IMAGE")
    samples = heap + math.prod(lengths) if lengths else 0
    return tuple(reversed(lengths)), abs(int(needed["BITPIX"])) // 8 * samples


def _count(needed: dict[str, _Value], keyword: str) -> int:
    value = needed[keyword]
    if not isinstance(value, int) or value < 0:
        raise _UnusualError
    return value


def _require(usual: bool) -> None:  # noqa: FBT001 - it is all that is asked
    if not usual:
        raise _UnusualError
