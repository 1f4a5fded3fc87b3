"""Which pixels to look at, and the data of cuts and spectra: without matplotlib."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._floats import FloatArray
from ..bad_pixels import BadPixels
from ..detectors import IMAGE_AXIS

if TYPE_CHECKING:
    from ..runs.group_mask import GroupMask

__all__ = [
    "Band",
    "Direction",
    "Line",
    "Pixel",
    "band_of",
    "borderline",
    "line_of",
    "part_of",
    "strongest",
]

Direction: TypeAlias = Literal["along", "across"]
"""Along the dispersion, or across it. Without a dispersion axis: along rows, or across them."""

Pixel: TypeAlias = tuple[int, int]
"""Row and column, counted from 0."""

Part: TypeAlias = tuple[slice | int, ...]
"""A part of an image: what is in brackets behind an array."""

APART: Final = 4
"""Pixels nearer to a stronger one, in rows and in columns, belong to the same spot."""

SHARE_OF_BAND: Final = 50
"""A band is this part of the detector wide, about a slice: 21 columns of MIRI, 41 rows of NIRSpec.
"""


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
    low, high : ndarray of bool, shape (n,)
        The flagged pixels.
    axis : int
        The axis of the image along which it runs.
    """

    place: NDArray[np.intp]
    minimum: FloatArray
    median: FloatArray
    noise: FloatArray | None
    low: NDArray[np.bool_]
    high: NDArray[np.bool_]
    axis: int


@dataclass(frozen=True, eq=False)
class Band:
    """The mean spectrum of a band of lines along the dispersion.

    Attributes
    ----------
    start, stop : int
        Its first line, and that after its last.
    before, after : ndarray of float, shape (n,)
        The mean of the minimum image over the band, with and without flagged pixels. NaN where no
        pixel is left.
    flagged : ndarray of int, shape (n,)
        How many pixels of the band are flagged.
    axis : int
        The axis of the image along which the spectrum runs.
    """

    start: int
    stop: int
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    flagged: NDArray[np.intp]
    axis: int


def strongest(found: BadPixels, count: int) -> list[Pixel]:
    """Return the flagged pixels that stand out most, the strongest first.

    Of the pixels of a spot only the strongest counts. Those with an infinite residual are left out:
    they cannot be drawn.
    """
    flagged = np.flatnonzero(found.mask & np.isfinite(found.compared))
    values = np.abs(found.compared.ravel()[flagged])
    picked: list[Pixel] = []
    for place in flagged[np.argsort(-values, kind="stable")].tolist():
        if len(picked) == count:
            break
        row, column = divmod(place, found.mask.shape[1])
        if all(max(abs(row - y), abs(column - x)) >= APART for y, x in picked):
            picked.append((row, column))
    return picked


def borderline(found: BadPixels, count: int) -> list[Pixel]:
    """Return the pixels nearest to the cuts, as many flagged as not flagged.

    The cut with flags counts; if there are flags at both ends, both cuts do. Those nearest to a cut
    come first among the flagged ones, then the others.
    """
    ends = [
        (end, cut, sign)
        for end, cut, sign in (
            (found.high, found.cut_high, 1.0),
            (found.low, found.cut_low, -1.0),
        )
        if end.any() and np.isfinite(cut)
    ]
    picked: list[Pixel] = []
    for is_flagged in (True, False):
        share = (count + is_flagged) // 2
        for number, (end, cut, sign) in enumerate(ends):
            # How far within its side a pixel is; a spared pixel lies beyond the cut, unflagged.
            depth = sign * (found.compared.astype(np.float64) - cut) * (1.0 if is_flagged else -1.0)
            chosen = (end if is_flagged else ~found.mask & (depth >= 0.0)) & np.isfinite(depth)
            own = share // len(ends) + (number < share % len(ends))
            distance = np.where(chosen, depth, np.inf)
            picked += [pixel for pixel in _first(distance, own) if chosen[pixel]]
    return picked


def line_of(mask: GroupMask, pixel: Pixel, direction: Direction, reach: int) -> Line:
    """Return the cut through a pixel, `reach` pixels to either side of it."""
    axis = _axis(mask, direction)
    start = max(pixel[axis] - reach, 0)
    stop = min(pixel[axis] + reach + 1, mask.minimum.shape[axis])
    at: Part = (slice(start, stop), pixel[1]) if axis == 0 else (pixel[0], slice(start, stop))
    part = part_of(mask.bad_pixels, at)
    with np.errstate(invalid="ignore"):  # an infinite sample minus an infinite residual
        median = mask.minimum[at] - part.residual
    return Line(
        place=np.arange(start, stop),
        minimum=mask.minimum[at],
        median=median,
        noise=part.noise,
        low=part.low,
        high=part.high,
        axis=axis,
    )


def part_of(found: BadPixels, at: Part) -> BadPixels:
    """Return the bad pixels of a part of the image. The counts are still those of the whole."""
    significance, noise = (
        None if image is None else image[at] for image in (found.significance, found.noise)
    )
    mask, residual = found.mask[at], found.residual[at]
    return replace(found, mask=mask, residual=residual, significance=significance, noise=noise)


def band_of(mask: GroupMask, band: tuple[int, int] | None = None) -> Band:
    """Return the spectrum of a band of lines along the dispersion; None: of the brightest one."""
    axis = _axis(mask, "along")
    across = 1 - axis
    flagged = mask.bad_pixels.mask
    before = np.where(np.isfinite(mask.minimum), mask.minimum, np.nan).astype(np.float64)
    after = np.where(flagged, np.nan, before)
    start, stop = band or _brightest(_mean(after, axis))
    if not 0 <= start < stop <= before.shape[across]:
        raise ValueError(
            f"band must be (start, stop) with 0 <= start < stop <= {before.shape[across]}, "
            f"got {(start, stop)}"
        )
    at = (slice(None), slice(start, stop)) if axis == 0 else (slice(start, stop), slice(None))
    return Band(
        start=start,
        stop=stop,
        before=_mean(before[at], across),
        after=_mean(after[at], across),
        flagged=np.count_nonzero(flagged[at], axis=across),
        axis=axis,
    )


def _axis(mask: GroupMask, direction: Direction) -> int:
    """Return the axis of the image along which a cut runs."""
    if direction not in ("along", "across"):
        raise ValueError(f"direction must be 'along' or 'across', got {direction!r}")
    axis = IMAGE_AXIS[mask.dispaxis]
    along = 1 if axis is None else axis
    return along if direction == "along" else 1 - along


def _first(values: NDArray[np.floating], count: int) -> list[Pixel]:
    """Return the pixels with the least values, in order."""
    count = min(count, values.size)
    if count <= 0:
        return []
    flat = values.ravel()
    places = np.argpartition(flat, count - 1)[:count]
    places = places[np.lexsort((places, flat[places]))]
    return [(int(place) // values.shape[1], int(place) % values.shape[1]) for place in places]


def _brightest(profile: NDArray[np.float64]) -> tuple[int, int]:
    """Return the brightest band of lines, each of a mean brightness."""
    width = max(1, round(profile.size / SHARE_OF_BAND))
    sums = np.convolve(np.nan_to_num(profile), np.ones(width), "valid")
    start = int(np.argmax(sums))
    return start, start + width


def _mean(image: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the mean of the samples that are not NaN; NaN where there are none."""
    count = np.count_nonzero(~np.isnan(image), axis=axis)
    total = np.nansum(image, axis=axis)
    mean: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean
