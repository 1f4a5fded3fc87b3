"""How pictures look: their colours, kinds of files, and resolution.

The colours are of the palette of Okabe and Ito, which colour-blind readers can distinguish. (The
pages of reports have colours of their own, for light and dark ground.)
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

__all__ = [
    "BLACK",
    "DPI",
    "FAINT",
    "FORMATS",
    "GREEN",
    "HIGH",
    "LOW",
    "ORANGE",
    "PINK",
    "UNKNOWN",
    "Format",
]

LOW: Final = "#0072B2"
"""Pixels flagged at the low end."""

HIGH: Final = "#D55E00"
"""Pixels flagged at the high end."""

GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
PINK: Final = "#CC79A7"
BLACK: Final = "#000000"
FAINT: Final = "#8C8C8C"

UNKNOWN: Final = "#DCDCDC"
"""Pixels without a value."""

Format: TypeAlias = Literal["png", "pdf", "svg"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)

DPI: Final = 150
"""Dots per inch, unless the user sets it."""
