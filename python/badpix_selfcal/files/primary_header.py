"""The primary header of an exposure: its values, and the one that a copy gets.

It is a text where `plain_headers` has read it, else astropy's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias, Union

from ..errors import ExposureError, silenced
from .fits_bytes import STALE
from .input_file import reading
from .location import Location
from .plain_headers import defined, value_of, with_cards

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Cards", "Primary", "history_in", "renewed", "value_in"]

Cards: TypeAlias = Mapping[str, tuple[str, str]]
"""Header cards to set: keyword -> (value, comment)."""

Primary: TypeAlias = Union["fits.Header", str]
"""A primary header."""

_HISTORY_WIDTH: Final = 72


def value_in(path: Location, primary: Primary, keyword: str) -> object:
    """Return the value of a card; None where absent or undefined.

    Raises
    ------
    ExposureError
        If the card cannot be read.
    """
    with reading(path):
        if isinstance(primary, str):
            return value_of(keyword, primary)
        with silenced():
            return defined(primary.get(keyword))


def history_in(path: Location, primary: Primary) -> list[str]:
    """Return the lines of HISTORY."""
    from astropy.io import fits

    with reading(path), silenced():
        header = fits.Header.fromstring(primary) if isinstance(primary, str) else primary
        return [str(line) for line in header.get("HISTORY", [])]


def renewed(path: Location, primary: Primary, cards: Cards, history: str) -> bytes:
    """Return the primary header of a copy, with other cards and one more entry of HISTORY.

    Suppresses warnings in all threads where astropy makes it.

    Raises
    ------
    ExposureError
        If it cannot be written.
    """
    lines = textwrap.wrap(history, _HISTORY_WIDTH, break_on_hyphens=False)
    plain = None
    if isinstance(primary, str):
        plain = with_cards(primary.encode("ascii"), cards, lines)
    return _by_astropy(path, primary, cards, lines) if plain is None else plain


def _by_astropy(path: Location, primary: Primary, cards: Cards, history: list[str]) -> bytes:
    from astropy.io import fits

    try:
        with silenced():
            header = fits.Header.fromstring(primary) if isinstance(primary, str) else primary.copy()
            for stale in STALE:
                header.remove(stale.decode().strip(), ignore_missing=True)
            for keyword, card in cards.items():
                header[keyword] = card
            for line in history:
                header.add_history(line)
            return bytes(header.tostring(sep="", endcard=True, padding=True), "ascii")
    except (ValueError, fits.VerifyError) as error:
        raise ExposureError(f"{path}: bad primary header: {error}") from error
