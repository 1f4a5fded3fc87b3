"""Groups of pixels with edges sharper than light can have."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .._floats import FloatArray
from ..detectors import IMAGE_AXIS, Dispaxis

__all__ = ["sharp_groups"]

LARGEST: Final = 45
"""Pixels of a group, at most."""

WIDTH: Final = 0.65
"""The standard deviation of the narrowest light, in pixels."""

EDGE: Final = 0.35
EDGE_OF_AXIS: Final = 0.6
"""The part of the least light that may be there outside a group: over all, and along each axis."""

STEPS: Final = ((0, -1), (0, 1), (1, -1), (1, 1))
"""From a pixel to its four neighbours: axis and direction."""


@np.errstate(all="ignore")
def sharp_groups(
    residual: FloatArray,
    noise: FloatArray,
    *,
    level: float,
    dispaxis: Dispaxis,
    known: NDArray[np.bool_],
    detector: str | None = None,
) -> NDArray[np.int32]:
    """Find groups of neighbouring pixels far above the noise whose surroundings are dark.

    Parameters
    ----------
    residual, noise : ndarray of float, shape (rows, cols)
        The residual and its noise.
    level : float
        Pixels of groups are more than this many times the noise above 0.
    dispaxis : {1, 2, None}
        The dispersion axis.
    known : ndarray of bool, shape (rows, cols)
        Pixels that count as missing.
    detector : str or None, optional
        DETECTOR, for its coupling between pixels.

    Returns
    -------
    ndarray of int32, shape (rows, cols)
        The number of the group of each pixel, from 1; 0 for no group.
    """
    columns = residual.shape[1] + 2
    ratio = np.pad(residual / noise, 1, constant_values=np.nan).ravel()
    values = np.pad(residual, 1, constant_values=np.nan).ravel().astype(np.float64)
    missing = np.pad(known, 1, constant_values=True).ravel() | ~np.isfinite(ratio)
    labels = np.zeros(ratio.size, np.int32)
    steps = {0: columns, 1: 1}
    coupling = 0.01 if (detector or "").upper().startswith("NRS") else 0.03
    along = IMAGE_AXIS[dispaxis] or 0
    candidates = np.flatnonzero(~missing & (ratio > level))
    heights = np.floor(2 * np.log2(ratio[candidates] / level))  # in steps of the root of 2
    for height in np.unique(heights)[::-1]:
        pixels = candidates[(heights >= height) & ~missing[candidates]]
        group = _components(pixels, columns, labels.size)
        peak = np.zeros(pixels.size)
        np.maximum.at(peak, group, values[pixels])
        is_own = np.full(labels.size, -1)
        is_own[pixels] = group
        light, found = np.zeros((2, pixels.size)), np.zeros((2, pixels.size))
        for axis, way in STEPS:
            beside = pixels + way * steps[axis]
            pair = ~missing[beside] & (is_own[beside] != group)
            p, q, of = values[pixels[pair]], beside[pair], group[pair]
            fall = np.sqrt(2 * np.log(peak[of] / p)) / WIDTH + 1 / (2 * WIDTH**2)
            what = (axis != along) * 1
            light[what] += np.bincount(of, p * np.exp(-fall), pixels.size)
            there = np.where(ratio[q] < -2, -values[q], values[q])
            around = [values[q + step] for each in steps.values() for step in (-each, each)]
            lit = there - coupling * np.nansum(around, axis=0)
            found[what] += np.bincount(of, np.fmax(lit, np.fmin(there, 0)), pixels.size)
        sharp = (found.sum(axis=0) <= EDGE * light.sum(axis=0)) & np.all(
            found <= EDGE_OF_AXIS * light, axis=0
        )
        sharp &= np.bincount(group, minlength=pixels.size) <= LARGEST
        chosen = sharp[group]
        _, number = np.unique(group[chosen], return_inverse=True)
        labels[pixels[chosen]] = labels.max(initial=0) + 1 + number
        missing[pixels[chosen]] = True
    return labels.reshape(-1, columns)[1:-1, 1:-1]


def _components(pixels: NDArray[np.intp], columns: int, size: int) -> NDArray[np.intp]:
    """Return the group of each pixel, by the place of one of its pixels: eight neighbours join."""
    place = np.full(size, -1)
    place[pixels] = np.arange(pixels.size)
    pairs = [
        (place[pixels + step], place[pixels]) for step in (1, *range(columns - 1, columns + 2))
    ]
    one, other = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    one, other = one[one >= 0], other[one >= 0]
    group = np.arange(pixels.size)
    while True:
        least = np.minimum(group[one], group[other])
        before = group.copy()
        np.minimum.at(group, one, least)
        np.minimum.at(group, other, least)
        group = group[group]
        if np.array_equal(group, before):
            return group
