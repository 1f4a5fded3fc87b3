"""The names of the figures, without matplotlib: help pages need them."""

from __future__ import annotations

from typing import Final

__all__ = ["ALL", "NAMES", "PAGE"]

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
