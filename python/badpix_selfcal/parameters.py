"""The step's parameters: their defaults, the values they may take, and what is said of others.

Names and defaults are those of ``jwst``'s ``badpix_selfcal`` step.
"""

from __future__ import annotations

import numbers
import operator
import sys
from dataclasses import dataclass
from typing import Final, Literal, SupportsFloat, SupportsIndex, TypeAlias

from .detectors import Dispaxis

__all__ = [
    "EDGE",
    "EDGES",
    "FLAGFRAC",
    "GROUP_BY",
    "KERNEL_SIZE",
    "MOST_WORKERS",
    "AskedDispaxis",
    "Edge",
    "GroupBy",
    "Parameters",
    "check_dispaxis",
    "check_edge",
    "check_flagfrac",
    "check_group_by",
    "check_kernel_size",
    "check_whole",
    "check_workers",
]

Edge: TypeAlias = Literal["zero", "shrink"]
"""What a window sees beyond the border: zeros that count as samples, or nothing."""

AskedDispaxis: TypeAlias = Dispaxis | Literal["auto"]
"""A dispersion axis, or "auto": the one that the exposure's header tells."""

KERNEL_SIZE: Final = 15
FLAGFRAC: Final = 0.001
EDGE: Final[Edge] = "zero"
EDGES: Final[tuple[Edge, ...]] = ("zero", "shrink")

GroupBy: TypeAlias = Literal["detector", "band"]
"""What the exposures of a group share: the detector, or the band (the grating) too."""

GROUP_BY: Final[tuple[GroupBy, ...]] = ("detector", "band")

MOST_WORKERS: Final = 64
"""Threads that write."""


def check_whole(value: SupportsIndex, name: str) -> int:
    """Return a whole number as an int.

    Raises
    ------
    TypeError
        If it is not a whole number.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None


def check_kernel_size(value: SupportsIndex, name: str = "kernel_size") -> int:
    """Return a window's length.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is even or below 1: such a window has no middle sample.
    """
    size = check_whole(value, name)
    if size < 1:
        raise ValueError(f"{name} must be odd and at least 1, got {size}")
    if size % 2 == 0:
        raise ValueError(f"{name} must be odd, got {size}")
    # Windows beyond an image's size all give the same medians; the kernels count in 64 bits.
    return min(size, sys.maxsize)


def check_flagfrac(value: SupportsFloat, name: str) -> float:
    """Return a fraction of pixels to flag at one end.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it lies outside 0 to 0.5.
    """
    try:
        fraction = float("not a number" if isinstance(value, (str, bytes)) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number from 0 to 0.5, got {value!r}") from None
    if not 0.0 <= fraction <= 0.5:
        raise ValueError(f"{name} must be from 0 to 0.5, got {fraction}")
    return fraction


def check_edge(value: str) -> Edge:
    """Return the name of an edge rule.

    Raises
    ------
    ValueError
        If it is neither "zero" nor "shrink".
    """
    for edge in EDGES:
        if value == edge:
            return edge
    raise ValueError(f"edge must be 'zero' or 'shrink', got {value!r}")


def check_dispaxis(value: object) -> Dispaxis:
    """Return a dispersion axis.

    Raises
    ------
    ValueError
        If it is neither 1 (along x), 2 (along y) nor None (unknown).
    """
    if value is None:
        return None
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        if value == 1:
            return 1
        if value == 2:
            return 2
    raise ValueError(f"dispaxis must be 1 (along x), 2 (along y) or None, got {value!r}")


def check_group_by(value: str) -> GroupBy:
    """Return what the exposures of a group share.

    Raises
    ------
    ValueError
        If it is neither "detector" nor "band".
    """
    for by in GROUP_BY:
        if value == by:
            return by
    raise ValueError(f"group_by must be 'detector' or 'band', got {value!r}")


def check_workers(value: SupportsIndex) -> int:
    """Return a number of threads that write.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is below 1 or above `MOST_WORKERS`.
    """
    number = check_whole(value, "workers")
    if not 1 <= number <= MOST_WORKERS:
        raise ValueError(f"workers must be from 1 to {MOST_WORKERS}, got {number}")
    return number


@dataclass(frozen=True)
class Parameters:
    """The step's parameters, checked; see `badpix_selfcal.selfcal`."""

    kernel_size: int = KERNEL_SIZE
    flagfrac_lower: float = FLAGFRAC
    flagfrac_upper: float = FLAGFRAC
    force_single: bool = False
    save_flagged_bkg: bool = False
    edge: Edge = EDGE
    dispaxis: AskedDispaxis = "auto"

    def __post_init__(self) -> None:
        """Check every value."""
        check_kernel_size(self.kernel_size)
        check_flagfrac(self.flagfrac_lower, "flagfrac_lower")
        check_flagfrac(self.flagfrac_upper, "flagfrac_upper")
        check_edge(self.edge)
        if self.dispaxis != "auto":
            check_dispaxis(self.dispaxis)
