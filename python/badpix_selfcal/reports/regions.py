"""The parts of a detector in which flags are counted, and its slices."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..detectors import DETECTORS, IMAGE_AXIS
from ..runs.group_mask import GroupMask
from ..simulation.slices import CHANNELS, geometry

__all__ = ["BANDS", "Slices", "regions_of", "slices_of"]

BANDS: Final = 16
"""Bands of equal width that stand for the slices where these are not known."""


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
    axis = IMAGE_AXIS[mask.dispaxis]
    across = 1 if axis == 0 else 0
    edges = np.linspace(0, shape[across], BANDS + 1).round().astype(int)
    number = np.searchsorted(edges, np.arange(shape[across]), side="right").astype(np.uint8)
    what = "columns" if across == 1 else "rows"
    names = tuple(f"{what} {begin} to {end - 1}" for begin, end in pairwise(edges))
    spread = number[np.newaxis, :] if across == 1 else number[:, np.newaxis]
    return Slices(names, np.broadcast_to(spread, shape), "bands of equal width")
