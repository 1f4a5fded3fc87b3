"""Cuts through single pixels, along the dispersion and across it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..arrays.floats import FloatArray
from ..instrument import IMAGE_AXIS, Dispaxis
from .pixels import Pixel

if TYPE_CHECKING:
    from ..step.group_mask import GroupMask

__all__ = [
    "ACROSS",
    "ALONG",
    "SAMPLES",
    "Direction",
    "Line",
    "axis_of",
    "line_of",
    "part_of",
    "places_of",
]

Direction: TypeAlias = Literal["along", "across"]
"""Along the dispersion, or across it. Without a dispersion axis: along rows, or across them."""

Part: TypeAlias = tuple[slice | int, ...]
"""A part of an image: what is in brackets behind an array."""

ALONG: Final = 20
ACROSS: Final = 6
"""Pixels on each side of a cut along the dispersion, and across it."""

SAMPLES: Final = 2 * ALONG + 1 + 2 * ACROSS + 1
"""Samples of both cuts together."""


@dataclass(frozen=True, eq=False)
class Line:
    """A cut through an image.

    Attributes
    ----------
    place : ndarray of int, shape (n,)
        The rows or columns of its pixels.
    minimum, median : ndarray of float, shape (n,)
        The minimum image and its running median.
    noise : ndarray of float, shape (n,), or None
        The noise of one exposure; None with the fraction cut.
    lower, upper : ndarray of float, shape (n,)
        The cuts, as levels of the minimum image: a sample beyond them is beyond the cuts. NaN where
        they are not known.
    low, high : ndarray of bool, shape (n,)
        The flagged pixels.
    axis : int
        The axis of the image along which it runs.
    """

    place: NDArray[np.intp]
    minimum: FloatArray
    median: FloatArray
    noise: FloatArray | None
    lower: FloatArray
    upper: FloatArray
    low: NDArray[np.bool_]
    high: NDArray[np.bool_]
    axis: int


def axis_of(dispaxis: Dispaxis, direction: Direction) -> int:
    """Return the axis of the image along which a cut runs.

    Raises
    ------
    ValueError
        If `direction` has another value.
    """
    if direction not in ("along", "across"):
        raise ValueError(f"direction must be 'along' or 'across', got {direction!r}")
    axis = IMAGE_AXIS[dispaxis]
    along = 1 if axis is None else axis
    return along if direction == "along" else 1 - along


def line_of(mask: GroupMask, pixel: Pixel, direction: Direction, reach: int) -> Line:
    """Return the cut through a pixel, `reach` pixels to either side of it."""
    axis = axis_of(mask.dispaxis, direction)
    start = max(pixel[axis] - reach, 0)
    stop = min(pixel[axis] + reach + 1, mask.minimum.shape[axis])
    at: Part = (slice(start, stop), pixel[1]) if axis == 0 else (pixel[0], slice(start, stop))
    part = part_of(mask.bad_pixels, at)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite samples have infinite residuals
        median = mask.minimum[at] - part.residual
        lower, upper = (
            _level(mask.minimum[at], part, cut) for cut in (part.cut_low, part.cut_high)
        )
    return Line(
        place=np.arange(start, stop),
        minimum=mask.minimum[at],
        median=median,
        noise=part.noise,
        lower=lower,
        upper=upper,
        low=part.low,
        high=part.high,
        axis=axis,
    )


def _level(minimum: FloatArray, part: BadPixels, cut: float) -> FloatArray:
    """Return from which level on a sample would be beyond a cut."""
    if part.significance is None or part.noise is None:
        return minimum - part.residual + cut
    # Not from the running median: what counts is the light nearby in both directions, and only for
    # pixels of a group with sharp edges that along the dispersion.
    return minimum + (cut - part.significance) * part.noise


def part_of(found: BadPixels, at: Part) -> BadPixels:
    """Return the bad pixels of a part of the image. The counts are still those of the whole."""
    significance, noise = (
        None if image is None else image[at] for image in (found.significance, found.noise)
    )
    mask, residual = found.mask[at], found.residual[at]
    return replace(found, mask=mask, residual=residual, significance=significance, noise=noise)


def places_of(
    pixels: NDArray[np.intp], shape: tuple[int, ...], dispaxis: Dispaxis
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the flat indices of both cuts of each pixel, and which lie inside the image.

    First come the samples along the dispersion.
    """
    rows, columns = np.divmod(pixels, shape[1])
    along = np.arange(-ALONG, ALONG + 1)
    across = np.arange(-ACROSS, ACROSS + 1)
    one = np.concatenate([along, np.zeros_like(across)])
    other = np.concatenate([np.zeros_like(along), across])
    down, right = (one, other) if axis_of(dispaxis, "along") == 0 else (other, one)
    y, x = rows[:, np.newaxis] + down, columns[:, np.newaxis] + right
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    return np.where(inside, y * shape[1] + x, 0), inside
