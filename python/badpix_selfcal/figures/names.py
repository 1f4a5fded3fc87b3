"""The names of the figures, without matplotlib: help pages need them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

__all__ = ["ALL", "DPI", "FORMATS", "NAMES", "PAGE", "Format"]

PAGE: Final = "page"

ALL: Final = "all"
"""Stands for every figure that a mask has."""

NAMES: Final = (
    PAGE,
    "minimum",
    "residual",
    "significance",
    "mask",
    "dq",
    "histogram",
    "rows",
    "columns",
    "spectrum",
    "strongest",
    "borderline",
)

Format: TypeAlias = Literal["png", "pdf", "svg"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)

DPI: Final = 150
"""Dots per inch, unless the user sets it."""
