"""Which pixels to look at: the strongest flags, and those near the cuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..bad_pixels import BadPixels

__all__ = ["IN_GALLERY", "Pixel", "Ranked", "borderline", "ranked", "strongest"]

Pixel: TypeAlias = tuple[int, int]
"""Row and column, counted from 0."""

NEAR: Final = 0.8
"""An unflagged pixel is near the cut if its value is at least this part of it."""

IN_GALLERY: Final = 12
"""Pixels in each part of a gallery."""

MOST_NEAR: Final = 1000

APART: Final = 4
"""Pixels nearer to a stronger one, in rows and in columns, belong to the same spot."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Pixels in order. All are flat indices, ``row * columns + column``.

    Attributes
    ----------
    flagged : ndarray of int
        The flagged pixels, the strongest first.
    is_high : ndarray of bool
        Whether each of them is flagged at the high end.
    near : ndarray of int
        Pixels near the cut that are not flagged, the nearest first.
    strongest, borderline : ndarray of int
        Those of the gallery.
    """

    flagged: NDArray[np.intp]
    is_high: NDArray[np.bool_]
    near: NDArray[np.intp]
    strongest: NDArray[np.intp]
    borderline: NDArray[np.intp]


def strongest(found: BadPixels, count: int = IN_GALLERY) -> list[Pixel]:
    """Return the flagged pixels that stand out most, the strongest first.

    Of the pixels of a spot only the strongest counts. Those with an infinite residual are left out:
    they cannot be drawn.
    """
    left = _flagged(found)
    left = left[np.isfinite(found.compared.ravel()[left])]
    picked: list[Pixel] = []
    while left.size and len(picked) < count:
        rows, columns = np.divmod(left, found.mask.shape[1])
        row, column = int(rows[0]), int(columns[0])
        picked.append((row, column))
        left = left[np.maximum(abs(rows - row), abs(columns - column)) >= APART]
    return picked


def borderline(found: BadPixels, count: int = IN_GALLERY) -> list[Pixel]:
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
            near = [pixel for pixel in _first(distance, own) if chosen[pixel]]
            picked += [pixel for pixel in near if pixel not in picked]  # near both cuts
    return picked


def ranked(found: BadPixels) -> Ranked:
    """Rank the pixels of a mask."""
    flagged, columns = _flagged(found), found.mask.shape[1]
    share = _share_of_cut(found).ravel()
    near = np.flatnonzero((share >= NEAR) & ~found.mask.ravel() & (share <= 1))
    chosen = (
        np.array([row * columns + column for row, column in pixels], np.intp)
        for pixels in (strongest(found), borderline(found))
    )
    return Ranked(
        flagged,
        found.high.ravel()[flagged],
        near[np.argsort(-share[near], kind="stable")][:MOST_NEAR],
        *chosen,
    )


def _flagged(found: BadPixels) -> NDArray[np.intp]:
    """Return the flagged pixels as flat indices, the strongest first."""
    flagged = np.flatnonzero(found.mask)
    strength = np.nan_to_num(np.abs(found.compared.ravel()[flagged]), nan=0.0, posinf=np.inf)
    return flagged[np.argsort(-strength, kind="stable")]


def _share_of_cut(found: BadPixels) -> NDArray[np.float32]:
    """Return each pixel's value in units of the cut at its end; 0 where there is no value."""
    values = found.compared.astype(np.float32)
    with np.errstate(all="ignore"):
        high = values / np.float32(found.cut_high) if found.cut_high > 0 else abs(values)
        low = values / np.float32(found.cut_low) if found.cut_low < 0 else abs(values)
        share = np.where(values > 0, high, low)
    share[np.isnan(share)] = 0
    return share


def _first(values: NDArray[np.floating], count: int) -> list[Pixel]:
    """Return the pixels with the least values, in order."""
    count = min(count, values.size)
    if count <= 0:
        return []
    flat = values.ravel()
    places = np.argpartition(flat, count - 1)[:count]
    places = places[np.lexsort((places, flat[places]))]
    return [(int(place) // values.shape[1], int(place) % values.shape[1]) for place in places]
