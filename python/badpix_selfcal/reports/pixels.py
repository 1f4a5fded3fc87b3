"""The pixels of a mask in order: the strongest flags, and those near the cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .._floats import FloatArray
from ..bad_pixels import BadPixels

__all__ = ["BORDERLINE", "IN_GALLERY", "Ranked", "cut_values", "ranked", "strength_of"]

BORDERLINE: Final = 0.8
"""A pixel is borderline if its value is at least this part of its cut, and at most its inverse."""

IN_GALLERY: Final = 12
"""Pixels in each part of the gallery."""

MOST_BORDERLINE: Final = 1000

APART: Final = 4
"""Rows or columns between the strongest pixels of the gallery."""


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
        Borderline pixels that are not flagged, the nearest to the cut first.
    strongest, borderline : ndarray of int
        Those of the gallery. The borderline ones are flagged and unflagged in turn.
    """

    flagged: NDArray[np.intp]
    is_high: NDArray[np.bool_]
    near: NDArray[np.intp]
    strongest: NDArray[np.intp]
    borderline: NDArray[np.intp]


def cut_values(found: BadPixels) -> FloatArray:
    """Return what is cut: the significance if there is one, else the residual."""
    return found.residual if found.significance is None else found.significance


def strength_of(found: BadPixels) -> NDArray[np.float32]:
    """Return each pixel's value in units of the cut at its end; 0 where there is no value."""
    values = cut_values(found).astype(np.float32)
    with np.errstate(all="ignore"):
        high = values / np.float32(found.cut_high) if found.cut_high > 0 else abs(values)
        low = values / np.float32(found.cut_low) if found.cut_low < 0 else abs(values)
        strength = np.where(values > 0, high, low)
    strength[np.isnan(strength)] = 0
    return strength


def ranked(found: BadPixels) -> Ranked:
    """Rank the pixels of a mask."""
    strength = strength_of(found).ravel()
    mask = found.mask.ravel()
    flagged = np.flatnonzero(mask)
    flagged = flagged[np.argsort(-strength[flagged], kind="stable")]
    near = np.flatnonzero((strength >= BORDERLINE) & ~mask & (strength <= 1))
    near = near[np.argsort(-strength[near], kind="stable")][:MOST_BORDERLINE]
    weakest = flagged[::-1]
    weakest = weakest[strength[weakest] <= 1 / BORDERLINE]
    half = IN_GALLERY // 2
    return Ranked(
        flagged=flagged,
        is_high=cut_values(found).ravel()[flagged] > 0,
        near=near,
        strongest=_apart(flagged, found.mask.shape[1]),
        borderline=_in_turn(weakest[:half], near[:half]),
    )


def _apart(pixels: NDArray[np.intp], columns: int) -> NDArray[np.intp]:
    """Return the first pixels that are not beside an earlier one: a hot pixel lights those."""
    chosen: list[tuple[int, int]] = []
    for pixel in pixels[: 100 * IN_GALLERY].tolist():
        row, column = divmod(pixel, columns)
        if all(max(abs(row - y), abs(column - x)) >= APART for y, x in chosen):
            chosen.append((row, column))
        if len(chosen) == IN_GALLERY:
            break
    return np.array([row * columns + column for row, column in chosen], np.intp)


def _in_turn(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return two arrays merged, their elements in turn."""
    places = np.concatenate([2 * np.arange(one.size), 2 * np.arange(other.size) + 1])
    return np.concatenate([one, other])[np.argsort(places, kind="stable")]
