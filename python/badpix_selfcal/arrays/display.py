"""Results in a few words, and the colours of flagged pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..errors import visible

NAMES_OF_AXES: Final = {1: "1 (along x)", 2: "2 (along y)", None: "unknown (square window)"}

LOW: Final = "#0072B2"
"""Pixels flagged at the low end. Colours are of the palette of Okabe and Ito, which colour-blind
readers can distinguish."""

HIGH: Final = "#D55E00"
"""Pixels flagged at the high end."""

UNKNOWN: Final = "#DCDCDC"
"""Pixels without a value."""

BLACK: Final = "#000000"


def counted(number: int, what: str) -> str:
    """Return a number and what it counts: ``1 file``, ``2 files``."""
    return f"{number} {what}{'s' * (number != 1)}"


def block(head: str, lines: Mapping[str, str]) -> str:
    """Return a headline and lines that each begin with a word; empty ones are left out."""
    found = (f"  {word:<8}  {visible(text)}" for word, text in lines.items() if text)
    return "\n".join([visible(head), *found])
