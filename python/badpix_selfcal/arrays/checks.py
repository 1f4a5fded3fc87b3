"""Checks of arguments, and the types of their values.

A check takes a value and returns it normalised. It raises TypeError for a value of a wrong type,
and ValueError for one that is not allowed. The message names the argument, `name`.
"""

from __future__ import annotations

import numbers
import operator
import sys
from collections.abc import Sequence
from typing import Any, Final, Literal, SupportsFloat, SupportsIndex, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..instrument import Dispaxis, Region

__all__ = [
    "GROUP_BY",
    "METHODS",
    "MOST_WORKERS",
    "AskedDispaxis",
    "AskedEdge",
    "Cut",
    "Edge",
    "GroupBy",
    "Method",
    "check_asked_dispaxis",
    "check_asked_edge",
    "check_asked_sigma",
    "check_axes",
    "check_choice",
    "check_cut",
    "check_dispaxis",
    "check_each",
    "check_flagfrac",
    "check_group_by",
    "check_kernel_size",
    "check_number",
    "check_region",
    "check_sigma",
    "check_switch",
    "check_whole",
    "check_workers",
    "edge_of",
]

Edge: TypeAlias = Literal["zero", "shrink"]
"""Pixels outside the image: "zero" counts them as 0, "shrink" ignores them."""

AskedEdge: TypeAlias = Edge | Literal["auto"]
"""An edge rule, or "auto": that of the cut."""

EDGES: Final[tuple[Edge, ...]] = ("zero", "shrink")

Cut: TypeAlias = Literal["fraction", "sigma"]
"""What is flagged: fixed fractions of the pixels, or what stands out from the noise."""

CUTS: Final[tuple[Cut, ...]] = ("fraction", "sigma")

AskedDispaxis: TypeAlias = Dispaxis | Literal["auto"]
"""A dispersion axis, or "auto": the axis in the exposure's header."""

Method: TypeAlias = Literal["auto", "heap", "network"]
"""The kernels of the running median. All have equal results."""

METHODS: Final[tuple[Method, ...]] = ("auto", "heap", "network")

GroupBy: TypeAlias = Literal["detector", "band"]
"""What the exposures of a group share: the detector, or the band (the grating) too."""

GROUP_BY: Final[tuple[GroupBy, ...]] = ("detector", "band")

MOST_WORKERS: Final = 64
"""The largest number of threads that read and write files."""

_Word = TypeVar("_Word", bound=str)


def check_whole(value: SupportsIndex, name: str, least: int | None = None) -> int:
    """Return a whole number, at least `least`."""
    try:
        number = int(operator.index(value))
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def check_each(given: int | Sequence[int], count: int, name: str) -> tuple[int, ...]:
    """Return a whole number for each of some axes; one number is that of all."""
    values: Any = given if _is_several(given) else (given,) * count
    if len(values) != count:
        raise ValueError(f"{name} must be one whole number or {count}, got {given!r}")
    return tuple(check_whole(value, name) for value in values)


def _is_several(given: object) -> bool:
    return isinstance(given, (Sequence, np.ndarray)) and not isinstance(given, str)


def check_number(value: SupportsFloat, name: str, rule: str = "a number") -> float:
    """Return a number; a text is none. The error says that it must be `rule`."""
    try:
        return float("not a number" if isinstance(value, (str, bytes)) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be {rule}, got {value!r}") from None


def check_choice(words: Sequence[_Word], value: object, name: str) -> _Word:
    """Return the word that a value is."""
    for word in words:
        if isinstance(value, str) and value == word:
            return word
    *others, last = map(repr, words)
    raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")


def check_switch(value: object, name: str) -> bool:
    """Return True or False, also NumPy's."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {value!r}")


def check_kernel_size(value: SupportsIndex, name: str = "kernel_size") -> int:
    """Return the length of a window, which is odd: it has a sample in its middle."""
    size = check_whole(value, name)
    if size < 1:
        raise ValueError(f"{name} must be odd and at least 1, got {size}")
    if size % 2 == 0:
        raise ValueError(f"{name} must be odd, got {size}")
    # The kernels count in 64 bits. All windows larger than the image have the same medians.
    return min(size, sys.maxsize)


def check_flagfrac(value: SupportsFloat, name: str) -> float:
    """Return the fraction of the pixels to flag at one end, 0 to 0.5."""
    fraction = check_number(value, name, "a number from 0 to 0.5")
    if not 0.0 <= fraction <= 0.5:
        raise ValueError(f"{name} must be from 0 to 0.5, got {fraction}")
    return fraction


def check_sigma(value: SupportsFloat, name: str) -> float:
    """Return a cut in units of the noise, above 0."""
    sigma = check_number(value, name, "a number above 0")
    if not sigma > 0.0:
        raise ValueError(f"{name} must be above 0, got {sigma}")
    return sigma


def check_asked_sigma(value: SupportsFloat | None, name: str) -> float | None:
    """Return a cut in units of the noise, or None."""
    return None if value is None else check_sigma(value, name)


def check_cut(value: object, name: str = "cut") -> Cut:
    """Return the name of a cut."""
    return check_choice(CUTS, value, name)


def check_asked_edge(value: object, name: str = "edge") -> AskedEdge:
    """Return the name of an edge rule, or "auto"."""
    return check_choice(("auto", *EDGES), value, name)


def edge_of(asked: AskedEdge, cut: Cut) -> Edge:
    """Return the edge rule of the first running median."""
    if asked != "auto":
        return asked
    return "zero" if cut == "fraction" else "shrink"


def check_dispaxis(value: object, name: str = "dispaxis") -> Dispaxis:
    """Return a dispersion axis: 1 (along x), 2 (along y) or None (unknown)."""
    if value is None:
        return None
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        if value == 1:
            return 1
        if value == 2:
            return 2
    raise ValueError(f"{name} must be 1 (along x), 2 (along y) or None, got {value!r}")


def check_asked_dispaxis(value: object, name: str = "dispaxis") -> AskedDispaxis:
    """Return a dispersion axis, or "auto"."""
    if isinstance(value, str) and value == "auto":
        return "auto"
    try:
        return check_dispaxis(value, name)
    except ValueError:
        raise ValueError(
            f"{name} must be 'auto', 1 (along x), 2 (along y) or None, got {value!r}"
        ) from None


def check_axes(
    ndim: int, axes: int | Sequence[int], name: str, or_none: str = ""
) -> tuple[int, ...]:
    """Return axes of an array of `ndim` axes, counted from its first one.

    Negative axes count from the last one. `or_none` is what else the argument may be, for errors.
    """
    values: Any = axes if _is_several(axes) else (axes,)
    found = tuple(check_whole(axis, name) for axis in values)
    for axis in found:
        if not -ndim <= axis < ndim:
            raise ValueError(f"{name} must be from {-ndim} to {ndim - 1}{or_none}, got {axis}")
    return tuple(axis % ndim for axis in found)


def check_region(bounds: NDArray[np.generic]) -> Region:
    """Return the bounds of the gap, a rectangle."""
    if bounds.dtype.kind not in "iu":
        raise TypeError(
            f"gap must be a boolean mask or four whole numbers (y0, y1, x0, x1), got {bounds!r}"
        )
    if bounds.shape != (4,):
        raise ValueError(f"gap must be (y0, y1, x0, x1), got shape {bounds.shape}")
    y0, y1, x0, x1 = (int(bound) for bound in bounds.tolist())
    if not (0 <= y0 <= y1 and 0 <= x0 <= x1):
        raise ValueError(f"gap must have 0 <= y0 <= y1 and 0 <= x0 <= x1, got {(y0, y1, x0, x1)}")
    return y0, y1, x0, x1


def check_group_by(value: str) -> GroupBy:
    """Return what the exposures of a group share."""
    return check_choice(GROUP_BY, value, "group_by")


def check_workers(value: SupportsIndex) -> int:
    """Return a number of threads that read and write files, 1 to `MOST_WORKERS`."""
    number = check_whole(value, "workers")
    if not 1 <= number <= MOST_WORKERS:
        raise ValueError(f"workers must be from 1 to {MOST_WORKERS}, got {number}")
    return number
