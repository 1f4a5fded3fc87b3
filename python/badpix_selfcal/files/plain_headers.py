"""The headers of a well-formed FITS file, read and written without astropy.

Astropy parses every card, which takes longer than all other work on an exposure. In a file that
the pipeline has written, a few cards in the standard's form are enough. For any other form, and
for any damage, `scan` returns None, and astropy reads the file. The import of astropy alone takes
longer than flagging an observation.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from ..errors import is_of_machine, silenced
from .fits_bytes import BLOCK, CARD, MOST_BLOCKS, STALE
from .input_file import InputFile

if TYPE_CHECKING:
    from io import BufferedReader

__all__ = ["PlainHeader", "defined", "scan", "scan_to", "value_of", "with_cards"]

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
_PLAIN_TEXT: Final = re.compile(r".{8}= '([ -%(-~]*?[!-%(-~]) *' *(?:/.*)?")
_LOGICAL: Final = re.compile(r".{8}= +([TF]) *(?:/.*)?")
_TRUE: Final = re.compile(r"= +(T) *(?:/.*)?")


class _UnusualError(Exception):
    """The file has an unusual form: astropy must read it."""


@dataclass(frozen=True)
class PlainHeader:
    """A well-formed header.

    Attributes
    ----------
    start, data, end : int
        Offsets in the file, bytes: of the header, of its data, and of the end of their padding.
    shape : tuple of int
        The shape of the data, as NumPy has it; empty where there are none.
    cards : dict of str to int or str
        The values of the cards that this package needs. A logical value is always "T" (true).
    content : bytes
        All blocks of the header.
    """

    start: int
    data: int
    end: int
    shape: tuple[int, ...]
    cards: dict[str, _Value]
    content: bytes


def scan(file: InputFile) -> list[PlainHeader] | None:
    """Read the headers of a file, the primary one first.

    Parameters
    ----------
    file : InputFile
        The file. A gzipped one is unpacked to its end.

    Returns
    -------
    list of PlainHeader or None
        The headers of a whole file; None if anything about the file is unusual.
    """
    try:
        with file.open() as content:
            return list(_headers(content))
    except (_UnusualError, EOFError, zlib.error):
        return None
    except OSError as error:
        if is_of_machine(error):
            raise
        return None


def scan_to(name: str, file: BufferedReader) -> list[PlainHeader] | None:
    """Read the headers of a file up to the first image of a name.

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
        no such image. The samples of the image may be cut short.
    """
    found: list[PlainHeader] = []
    try:
        for header in _headers(file):
            found.append(header)
            image = header.cards.get("XTENSION") == "IMAGE"
            if image and str(header.cards.get("EXTNAME", "")).upper() == name:
                return found
    except _UnusualError:
        return None
    except OSError as error:
        if is_of_machine(error):
            raise
    return None


def with_cards(
    header: bytes, cards: Mapping[str, tuple[str, str]], history: Iterable[str]
) -> bytes | None:
    """Return a header with other cards, as astropy writes it.

    Parameters
    ----------
    header : bytes
        All blocks of a header that `scan` has read.
    cards : mapping of str to (str, str)
        Cards to set: keyword -> (text, comment).
    history : iterable of str
        Lines of HISTORY to add, of at most 72 characters.

    Returns
    -------
    bytes or None
        The blocks of the new header, without checksums; None if a card has an unusual form.
    """
    old = [header[at : at + CARD] for at in range(0, len(header), CARD)]
    new = [card for card in old[: old.index(_END)] if card[:8] not in STALE]
    keywords = [card[:8] for card in new]
    if b" " * 8 in keywords:
        return None  # astropy moves and reuses blank cards
    for keyword, (text, comment) in cards.items():
        start, card = keyword.encode().ljust(8), _text_card(keyword, text, comment)
        at = keywords.index(start) if start in keywords else _after_last_value(keywords)
        is_new = at == len(keywords) or keywords[at] != start
        if card is None or keywords.count(start) > 1 or b"CONTINUE" in keywords[at + 1 : at + 2]:
            return None
        if not is_new and _PLAIN_TEXT.fullmatch(new[at].decode()) is None:
            return None  # astropy refuses to replace some cards
        new[at : at + (not is_new)] = [card]
        keywords[at : at + (not is_new)] = [start]
    before = [at for at, start in enumerate(keywords, 1) if start == b"HISTORY "]
    at = before[-1] if before else len(new)
    new[at:at] = [f"HISTORY {line}".encode("ascii").ljust(CARD) for line in history]
    content = b"".join([*new, _END])
    return content.ljust(-(-len(content) // BLOCK) * BLOCK)


def _text_card(keyword: str, text: str, comment: str) -> bytes | None:
    """Return a card with a text; its comment is cut where the card ends, as by astropy."""
    quoted = f"'{text:<8}'"
    card = f"{keyword:<8}= {quoted:<20} / {comment}"
    is_usual = all(each and each == each.strip() and "'" not in each for each in (text, comment))
    if not is_usual or len(quoted) > CARD - 10 or not card.isascii():
        return None
    return card.encode("ascii")[:CARD].ljust(CARD)


def _after_last_value(keywords: list[bytes]) -> int:
    """Return the place of a new card: before the HISTORY and COMMENT at the end."""
    at = len(keywords)
    while at > 0 and keywords[at - 1] in (b"HISTORY ", b"COMMENT "):
        at -= 1
    return at


def value_of(keyword: str, header: str) -> object:
    """Return the value of one card of a header; None where absent or undefined.

    Astropy is only used for a value that is neither a plain text nor T or F.
    """
    at = -1
    while (at := header.find(f"{keyword:<8}=", at + 1)) >= 0:
        if at % CARD == 0:
            card = header[at : at + CARD]
            if (text := _PLAIN_TEXT.fullmatch(card)) is not None:
                return text[1]
            if (logical := _LOGICAL.fullmatch(card)) is not None:
                return logical[1] == "T"
            return _parsed(card)
    return None


def defined(value: object) -> object:
    """Return a value that astropy has read; None for a card without a value."""
    from astropy.io import fits

    return None if isinstance(value, fits.card.Undefined) else value


def _parsed(card: str) -> object:
    from astropy.io import fits

    with silenced():
        return defined(fits.Card.fromstring(card).value)


def _headers(file: BufferedReader) -> Iterator[PlainHeader]:
    start = 0
    while cards := _read_cards(file):
        needed = _needed(cards)
        shape, size = _shape_and_size(needed, cards, first=start == 0)
        data = start + len(cards) * CARD
        end = data + -(-size // BLOCK) * BLOCK
        yield PlainHeader(start, data, end, shape, needed, b"".join(cards))
        if end > data:  # the last byte is read: seeking beyond the end of a file succeeds
            file.seek(end - 1)
            _require(len(file.read(1)) == 1)
        start = end
    _require(start > 0)


def _read_cards(file: BufferedReader) -> list[bytes]:
    """Read the cards of a header and its padding; none at the end of the file."""
    cards: list[bytes] = []
    while block := file.read(BLOCK):
        _require(len(cards) * CARD < MOST_BLOCKS * BLOCK)
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
    keywords = [_keyword(card[:8]) for card in cards]
    needed: dict[str, _Value] = {}
    for number, (keyword, is_needed) in enumerate(keywords):
        if is_needed:
            _require(keyword not in needed and keywords[number + 1][0] != "CONTINUE")
            needed[keyword] = _value(keyword, cards[number])
    return needed


@lru_cache(maxsize=4096)
def _keyword(start: bytes) -> tuple[str, bool]:
    """Return the keyword of a card by its first bytes, and whether its value is needed."""
    keyword = start.decode().rstrip()
    _require(_KEYWORD.fullmatch(keyword) is not None)
    _require(keyword != "HIERARCH")  # such a card may have any keyword
    return keyword, _NEEDED.fullmatch(keyword) is not None


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


def _require(usual: bool) -> None:  # noqa: FBT001 - its only argument
    if not usual:
        raise _UnusualError
