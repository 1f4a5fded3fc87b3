"""Which pixels to look at: the brightest of each group of flags, and those near the cuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels

__all__ = ["IN_GALLERY", "Pixel", "Ranked", "borderline", "ranked", "strongest"]

Pixel: TypeAlias = tuple[int, int]
"""Row and column, counted from 0."""

NEAR: Final = 0.8
"""An unflagged pixel is near the cut if its value is at least this part of it."""

IN_GALLERY: Final = 12
"""Pixels in each part of a gallery."""

MOST_NEAR: Final = 1000

APART: Final = 4
"""Pixels of a gallery are at least so many rows or columns apart: else both show the same spot."""

TRIED: Final = 50
"""Unflagged pixels near a cut that are tried for each one that is chosen."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Pixels in order. All are flat indices, ``row * columns + column``.

    Attributes
    ----------
    flagged : ndarray of int
        The flagged pixels by group, the strongest group first, and in each the brightest pixel.
    is_high : ndarray of bool
        Whether each of them is flagged at the high end.
    sizes : ndarray of int
        How many pixels each group has.
    brightest : ndarray of int
        The brightest pixel of each group.
    near : ndarray of int
        Pixels near the cut that are not flagged, the nearest first.
    strongest, borderline : ndarray of int
        Those of the gallery.
    """

    flagged: NDArray[np.intp]
    is_high: NDArray[np.bool_]
    sizes: NDArray[np.intp]
    brightest: NDArray[np.intp]
    near: NDArray[np.intp]
    strongest: NDArray[np.intp]
    borderline: NDArray[np.intp]


def strongest(found: BadPixels, count: int = IN_GALLERY) -> list[Pixel]:
    """Return the brightest pixels of the groups of flags, the strongest group first.

    Infinite ones are left out: they cannot be drawn.
    """
    brightest = _brightest(found)
    drawn = np.isfinite(found.residual.ravel()[brightest])
    return _apart(brightest[drawn], count, found.mask.shape[1], [])


def borderline(found: BadPixels, count: int = IN_GALLERY) -> list[Pixel]:
    """Return the pixels nearest to the cuts, as many flagged as not flagged.

    Of a group of flags, the brightest pixel counts. The cut with flags counts; if there are flags
    at both ends, both cuts do. Those nearest to a cut come first among the flagged ones, then the
    others.
    """
    brightest, columns = _brightest(found), found.mask.shape[1]
    values = found.compared.astype(np.float64).ravel()
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
            own = share // len(ends) + (number < share % len(ends))
            if is_flagged:
                near = brightest[end.ravel()[brightest]]
                depth = sign * (values[near] - cut)
                near = near[np.argsort(depth, kind="stable")][
                    : np.count_nonzero(np.isfinite(depth))
                ]
            else:
                # A spared pixel lies beyond the cut, unflagged.
                depth = sign * (cut - values)
                depth[found.mask.ravel() | ~(depth >= 0.0)] = np.inf
                near = _first(depth, TRIED * own)
            picked += _apart(near, own, columns, picked)
    return picked


def ranked(found: BadPixels) -> Ranked:
    """Rank the pixels of a mask."""
    groups, columns = found.groups, found.mask.shape[1]
    flagged = np.flatnonzero(found.mask)[groups.order]
    share = _share_of_cut(found).ravel()
    near = np.flatnonzero((share >= NEAR) & ~found.mask.ravel() & (share <= 1))
    chosen = (
        np.array([row * columns + column for row, column in pixels], np.intp)
        for pixels in (strongest(found), borderline(found))
    )
    return Ranked(
        flagged,
        found.high.ravel()[flagged],
        groups.size,
        flagged[groups.first],
        near[np.argsort(-share[near], kind="stable")][:MOST_NEAR],
        *chosen,
    )


def _brightest(found: BadPixels) -> NDArray[np.intp]:
    """Return the brightest pixel of each group as flat indices, the strongest first."""
    return np.flatnonzero(found.mask)[found.groups.brightest]


def _apart(pixels: NDArray[np.intp], count: int, columns: int, picked: list[Pixel]) -> list[Pixel]:
    """Return the first pixels that are apart from each other, and from those already picked."""
    more: list[Pixel] = []
    y, x = np.divmod(pixels, columns)
    left = np.ones(pixels.size, np.bool_)
    for row, column in picked:
        left &= np.maximum(abs(y - row), abs(x - column)) >= APART
    while left.any() and len(more) < count:
        at = int(np.argmax(left))
        more.append((int(y[at]), int(x[at])))
        left &= np.maximum(abs(y - y[at]), abs(x - x[at])) >= APART
    return more


def _share_of_cut(found: BadPixels) -> NDArray[np.float32]:
    """Return each pixel's value in units of the cut at its end; 0 where there is no value."""
    values = found.compared.astype(np.float32)
    with np.errstate(all="ignore"):
        high = values / np.float32(found.cut_high) if found.cut_high > 0 else abs(values)
        low = values / np.float32(found.cut_low) if found.cut_low < 0 else abs(values)
        share = np.where(values > 0, high, low)
    share[np.isnan(share)] = 0
    return share


def _first(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the places of the least values that are finite, in order."""
    count = min(count, values.size)
    if count <= 0:
        return np.empty(0, np.intp)
    places = np.argpartition(values, count - 1)[:count]
    places = places[np.isfinite(values[places])]
    return places[np.lexsort((places, values[places]))]
