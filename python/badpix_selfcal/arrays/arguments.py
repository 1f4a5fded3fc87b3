"""Checks of those arguments of array functions that are not parameters of the step."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..instrument import Region, within

__all__ = [
    "METHODS",
    "Method",
    "check_method",
    "check_region",
    "doubt_of",
]

Method: TypeAlias = Literal["auto", "heap", "network"]
"""The kernels of the running median. All have equal results."""

METHODS: Final[tuple[Method, ...]] = ("auto", "heap", "network")


def check_method(method: str) -> Method:
    """Return the name of a kernel of the running median.

    Raises
    ------
    ValueError
        If there is no such kernel.
    """
    for known in METHODS:
        if isinstance(method, str) and method == known:
            return known
    raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")


LEAST_INSIDE: Final = 0.5
"""The fraction of a region that usually lies inside the image; with less, its bounds are doubted.
"""


def doubt_of(region: Region, shape: tuple[int, ...]) -> str:
    """Return the warning about a region of which little or nothing lies inside an image.

    Empty if most of it lies inside, or the region is empty.
    """
    whole, inside = _area(region), _area(within(region, shape))
    if inside >= LEAST_INSIDE * whole:
        return ""
    part = f"only {100 * inside / whole:.2g} %" if inside else "nothing"
    return (
        f"gap {region}: {part} of it lies inside the image of shape {shape}; it is (y0, y1, x0, x1)"
    )


def _area(region: Region) -> int:
    y0, y1, x0, x1 = region
    return (y1 - y0) * (x1 - x0)


def check_region(bounds: NDArray[np.generic]) -> Region:
    """Return the bounds of a rectangle as a tuple of int.

    Raises
    ------
    TypeError
        If they are not whole numbers.
    ValueError
        If they are not four, one is negative, or an end lies before its start.
    """
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
