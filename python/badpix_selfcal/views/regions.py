"""The parts of a detector in which flags are counted, its slices, and the spectra of bands."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..instrument import DETECTORS
from ..simulate.slices import CHANNELS, geometry
from .cuts import axis_of

if TYPE_CHECKING:
    from ..step.group_mask import GroupMask

__all__ = ["BANDS", "Band", "Slices", "band_of", "regions_of", "slices_of"]

BANDS: Final = 16
"""Bands of equal width that stand for the slices where these are not known."""


SHARE_OF_BAND: Final = 50
"""A band is this part of the detector wide, about a slice: 21 columns of MIRI, 41 rows of NIRSpec.
"""


@dataclass(frozen=True, eq=False)
class Slices:
    """The slices of a detector, or bands of equal width.

    Attributes
    ----------
    names : tuple of str
        Their names, in order across the dispersion.
    number : ndarray of uint8, shape (rows, cols)
        The place in `names`, counted from 1; 0 between slices.
    source : str
        Where their limits come from.
    """

    names: tuple[str, ...]
    number: NDArray[np.uint8]
    source: str


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


def regions_of(mask: GroupMask) -> dict[str, tuple[slice, slice]]:
    """Return the regions of a detector: the channels of a whole MIRI detector, else quadrants."""
    rows, columns = mask.minimum.shape
    detector = DETECTORS.get(str(mask.about.get("DETECTOR", "")))
    if detector is not None and detector.gap is not None and detector.shape == (rows, columns):
        left, right = (f"channel {each.number}" for each in CHANNELS[detector.name])
        _, _, begin, end = detector.gap
        return {
            f"{left} (left)": (slice(None), slice(0, begin)),
            f"{right} (right)": (slice(None), slice(end, columns)),
        }
    lower, upper = slice(0, rows // 2), slice(rows // 2, rows)
    left_half, right_half = slice(0, columns // 2), slice(columns // 2, columns)
    return {
        "lower left": (lower, left_half),
        "lower right": (lower, right_half),
        "upper left": (upper, left_half),
        "upper right": (upper, right_half),
    }


def slices_of(mask: GroupMask) -> Slices:
    """Return the slices of a whole MIRI detector, else bands of equal width.

    The limits of MIRI's slices are those of the simulation (`badpix_selfcal.simulation.slices`),
    which follow the distortion solution of bands 12A and 34C; in other bands they are off by a few
    pixels.
    """
    shape = mask.minimum.shape
    detector = DETECTORS.get(str(mask.about.get("DETECTOR", "")))
    if detector is not None and detector.gap is not None and detector.shape == shape:
        found = geometry(detector, *(np.arange(float(size)) for size in shape)).slices
        middle = found[shape[0] // 2]
        order = dict.fromkeys(int(value) for value in middle if value)
        place = np.zeros(int(found.max()) + 1, np.uint8)
        place[[*order]] = np.arange(1, len(order) + 1)
        names = tuple(f"channel {value // 100} slice {value % 100}" for value in order)
        return Slices(names, place[found], "the distortion of bands 12A and 34C, a few pixels wide")
    across = axis_of(mask.dispaxis, "across")
    edges = np.linspace(0, shape[across], BANDS + 1).round().astype(int)
    number = np.searchsorted(edges, np.arange(shape[across]), side="right").astype(np.uint8)
    what = "columns" if across == 1 else "rows"
    names = tuple(f"{what} {begin} to {end - 1}" for begin, end in pairwise(edges))
    spread = number[np.newaxis, :] if across == 1 else number[:, np.newaxis]
    return Slices(names, np.broadcast_to(spread, shape), "bands of equal width")


def band_of(mask: GroupMask, band: tuple[int, int] | None = None) -> Band:
    """Return the spectrum of a band of lines along the dispersion; None: of the brightest one."""
    axis = axis_of(mask.dispaxis, "along")
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
