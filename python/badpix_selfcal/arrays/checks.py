"""Checks of the parameters of the step and of other arguments, and the types of their values.

A check takes a value and returns it normalised. Its error names the argument.
"""

from __future__ import annotations

import numbers
import operator
import sys
from typing import Final, Literal, SupportsFloat, SupportsIndex, TypeAlias, TypeVar

from ..instrument import Dispaxis

__all__ = [
    "AGAINST",
    "GROUP_BY",
    "MOST_WORKERS",
    "THOROUGH",
    "VERIFY_EXAMPLES",
    "Against",
    "AskedDispaxis",
    "AskedEdge",
    "Cut",
    "Edge",
    "GroupBy",
    "check_against",
    "check_asked_dispaxis",
    "check_asked_edge",
    "check_asked_sigma",
    "check_cut",
    "check_dispaxis",
    "check_edge",
    "check_examples",
    "check_flagfrac",
    "check_group_by",
    "check_kernel_size",
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

Cut: TypeAlias = Literal["fraction", "sigma"]
"""What is flagged: fixed fractions of the pixels, or what stands out from the noise."""

AskedDispaxis: TypeAlias = Dispaxis | Literal["auto"]
"""A dispersion axis, or "auto": the axis in the exposure's header."""

EDGES: Final[tuple[Edge, ...]] = ("zero", "shrink")
CUTS: Final[tuple[Cut, ...]] = ("fraction", "sigma")

_EDGE_OF_CUT: Final[dict[Cut, Edge]] = {"fraction": "zero", "sigma": "shrink"}

GroupBy: TypeAlias = Literal["detector", "band"]
"""What the exposures of a group share: the detector, or the band (the grating) too."""

GROUP_BY: Final[tuple[GroupBy, ...]] = ("detector", "band")

Against: TypeAlias = Literal["reference", "jwst"]
"""What an installation is compared with: plain NumPy, or the installed jwst."""

AGAINST: Final[tuple[Against, ...]] = ("reference", "jwst")

VERIFY_EXAMPLES: Final = 40
"""Examples of each property that `badpix_selfcal.testing.verify` draws, in one or two minutes."""

THOROUGH: Final = 2000
"""Examples of each property in a thorough run."""

_Word = TypeVar("_Word", bound=str)

MOST_WORKERS: Final = 64
"""The largest number of threads that read and write files."""


def check_whole(value: SupportsIndex, name: str) -> int:
    """Return a whole number as an int.

    Raises
    ------
    TypeError
        If it is not a whole number.
    """
    try:
        return int(operator.index(value))
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None


def _one_of(words: tuple[_Word, ...], value: object, name: str) -> _Word:
    """Return the word that a value is; raise a ValueError if it is none of them."""
    for word in words:
        if isinstance(value, str) and value == word:
            return word
    *others, last = map(repr, words)
    raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")


def _number(value: SupportsFloat, rule: str) -> float:
    try:
        return float("not a number" if isinstance(value, (str, bytes)) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{rule}, got {value!r}") from None


def check_switch(value: object, name: str) -> bool:
    """Return True or False, also NumPy's, as a bool.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(value, bool):
        return value
    import numpy as np  # not at the top: `badpix-selfcal --help` needs no NumPy

    if isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {value!r}")


def check_kernel_size(value: SupportsIndex, name: str = "kernel_size") -> int:
    """Return the length of a window.

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
    # The kernels count in 64 bits. All windows larger than the image have the same medians.
    return min(size, sys.maxsize)


def check_flagfrac(value: SupportsFloat, name: str) -> float:
    """Return the fraction of the pixels to flag at one end.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it lies outside 0 to 0.5.
    """
    fraction = _number(value, f"{name} must be a number from 0 to 0.5")
    if not 0.0 <= fraction <= 0.5:
        raise ValueError(f"{name} must be from 0 to 0.5, got {fraction}")
    return fraction


def check_edge(value: object, name: str = "edge") -> Edge:
    """Return the name of an edge rule.

    Raises
    ------
    ValueError
        If it is neither "zero" nor "shrink".
    """
    return _one_of(EDGES, value, name)


def check_asked_edge(value: object, name: str = "edge") -> AskedEdge:
    """Return the name of an edge rule, or "auto".

    Raises
    ------
    ValueError
        If it is neither "auto", "zero" nor "shrink".
    """
    return _one_of(("auto", *EDGES), value, name)


def edge_of(asked: AskedEdge, cut: Cut) -> Edge:
    """Return the edge rule of the first running median."""
    return _EDGE_OF_CUT[cut] if asked == "auto" else asked


def check_cut(value: object, name: str = "cut") -> Cut:
    """Return the name of a cut.

    Raises
    ------
    ValueError
        If it is neither "fraction" nor "sigma".
    """
    return _one_of(CUTS, value, name)


def check_sigma(value: SupportsFloat, name: str) -> float:
    """Return a cut in units of the noise.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is not above 0.
    """
    sigma = _number(value, f"{name} must be a number above 0")
    if not sigma > 0.0:
        raise ValueError(f"{name} must be above 0, got {sigma}")
    return sigma


def check_asked_sigma(value: SupportsFloat | None, name: str) -> float | None:
    """Return a cut in units of the noise, or None.

    Raises
    ------
    TypeError
        If it is neither a number nor None.
    ValueError
        If it is not above 0.
    """
    return None if value is None else check_sigma(value, name)


def check_dispaxis(value: object, name: str = "dispaxis") -> Dispaxis:
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
    raise ValueError(f"{name} must be 1 (along x), 2 (along y) or None, got {value!r}")


def check_asked_dispaxis(value: object, name: str = "dispaxis") -> AskedDispaxis:
    """Return a dispersion axis, or "auto".

    Raises
    ------
    ValueError
        If it is neither "auto", 1 (along x), 2 (along y) nor None (unknown).
    """
    if isinstance(value, str) and value == "auto":
        return "auto"
    try:
        return check_dispaxis(value, name)
    except ValueError:
        raise ValueError(
            f"{name} must be 'auto', 1 (along x), 2 (along y) or None, got {value!r}"
        ) from None


def check_group_by(value: str) -> GroupBy:
    """Return what the exposures of a group share.

    Raises
    ------
    ValueError
        If it is neither "detector" nor "band".
    """
    return _one_of(GROUP_BY, value, "group_by")


def check_against(value: str) -> Against:
    """Return what an installation is compared with.

    Raises
    ------
    ValueError
        If it is neither "reference" nor "jwst".
    """
    return _one_of(AGAINST, value, "against")


def check_examples(value: SupportsIndex) -> int:
    """Return a number of examples.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is less than 1.
    """
    examples = check_whole(value, "examples")
    if examples < 1:
        raise ValueError(f"examples must be at least 1, got {examples}")
    return examples


def check_workers(value: SupportsIndex) -> int:
    """Return a number of threads that read and write files.

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
