"""Groups of pixels with sharp edges in plain NumPy: the second rule of the sigma cut.

The twin of the kernel: slow, and another algorithm. After each pixel, its group is searched for
anew, where the kernel joins groups. See `docs/explanation/sigma-cut.md`.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..instrument import Blur
from .checks import FloatArray

Place: TypeAlias = tuple[int, int]
"""Row and column."""

AROUND = 3
"""Pixels added to each side of an image."""

LONGEST_GROUP = 9
"""The most rows and columns of a group with sharp edges."""


class SharpGroups:
    """The groups of an image whose edges are sharper than those of light.

    `residual`, `base` of its noise and `slope` of the light that was subtracted have the shape
    (rows, cols); `axis` is the image axis of the dispersion. `minus_beside` tells whether the light
    beside a group is subtracted first.
    """

    def __init__(
        self,
        residual: FloatArray,
        base: FloatArray,
        slope: FloatArray,
        axis: int | None,
        blur: Blur,
        *,
        minus_beside: bool,
    ) -> None:
        self._turned = axis == 1
        self._residual = self._seen(residual)
        self._values = self._residual.astype(np.float64)
        self._base, self._slope = self._seen(base.astype(np.float64)), self._seen(slope)
        least = min(blur.along, blur.across)
        self._widths = (blur.along, blur.across) if axis is not None else (least, least)
        self._faintest = 0.05 if self._widths[1] < 0.5 else 0.01  # undersampled or not
        self._coupling, self._minus_beside = blur.coupling, minus_beside
        self._missing = ~np.isfinite(self._values)

    def _seen(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return an image, with lines across the dispersion as rows, and NaN around it."""
        return np.pad(image.T if self._turned else image, AROUND, constant_values=np.nan)

    def find(self, values: FloatArray, significance: FloatArray, upper: float) -> list[Place]:
        """Return the pixels above the cut that belong to such groups."""
        values, significance = self._seen(values), self._seen(significance)
        above = (significance.astype(np.float64) > upper) & np.isfinite(values)

        def rank(place: Place) -> tuple[Any, Any]:
            return significance[place], values[place]

        active = np.zeros(values.shape, np.bool_)
        found: list[Place] = []
        order = sorted(((y, x) for y, x in np.argwhere(above).tolist()), key=rank, reverse=True)
        for _, equal in groupby(order, rank):
            begun = list(equal)
            for place in begun:
                active[place] = True
            for place in begun:
                group = self._group(place, active) if self._is_complete(place, active) else None
                if not (group and self._is_sharp(group)):
                    continue
                if any(not values[each] <= self._slope[each] for each in group):
                    found += group
                    for each in group:
                        active[each], self._missing[each] = False, True
        places = ((y - AROUND, x - AROUND) for y, x in found)
        return [(x, y) if self._turned else (y, x) for y, x in places]

    def _is_complete(self, place: Place, active: NDArray[np.bool_]) -> bool:
        """Return whether no neighbour that may still join is nearly as bright."""
        if self._minus_beside:
            return True
        y, x = place
        around = np.s_[y - 1 : y + 2, x - 1 : x + 2]
        nearly = self._residual[around] > self._residual[place] * self._residual.dtype.type(0.7)
        return not np.any(nearly & ~active[around] & ~self._missing[around])

    def _group(self, start: Place, active: NDArray[np.bool_]) -> set[Place]:
        """Return the active pixels around one; none if they are too many rows or columns."""
        group: set[Place] = set()
        left = {start} if active[start] else set()
        while left:
            group |= left
            if np.ptp([*group], axis=0).max() >= LONGEST_GROUP:
                return set()
            steps = [(v, u) for v in (-1, 0, 1) for u in (-1, 0, 1)]
            left = {(y + v, x + u) for y, x in left for v, u in steps if active[y + v, x + u]}
            left -= group
        return group

    def _is_sharp(self, group: set[Place]) -> bool:
        levels = {y: 0.0 for v, _ in group for y in (v - 1, v, v + 1)}
        if self._minus_beside:
            columns = [x for _, x in group]
            levels = {y: self._beside(y, min(columns), max(columns)) for y in levels}
        heights = [self._values[place] - levels[place[0]] for place in group]
        peak = max(heights)
        if peak <= 0 or min(heights) < self._faintest * peak:
            return False
        sums = np.zeros((2, 3))  # along and across: what is there, expected, and the variance
        for place in group:
            part = (self._values[place] - levels[place[0]]) / peak
            for direction, other in _neighbours(place):
                if other in group or self._missing[other]:
                    continue
                level = min(levels[place[0]], levels[other[0]])
                base = float(self._base[place])
                expected = _light_outside(part, self._widths[direction])
                sums[direction] += (
                    self._light_in(other, level, base) / peak,
                    expected,
                    (base / peak) ** 2,
                )
        allowance = 0.5 if self._minus_beside else 0.0
        limits = ((sums.sum(axis=0), 0.35), (sums[0], 0.6), (sums[1], 0.6))
        return all(
            there <= share * expected + allowance * math.sqrt(variance)
            for (there, expected, variance), share in limits
        )

    def _light_in(self, place: Place, level: float, base: float) -> float:
        """Return the light of a pixel outside a group."""
        above = float(self._values[place]) - level
        light = -above if above < -2 * base else above
        around = [float(self._values[other]) - level for _, other in _neighbours(place)]
        charge = sum(value for value in around if 0 < value < math.inf)
        return max(light - self._coupling * charge, min(above, 0.0))

    def _beside(self, row: int, first: int, last: int) -> float:
        """Return the light beside a group in a row: the lesser mean of two pixels on each side."""
        sides = []
        for columns in ((first - 2, first - 3), (last + 2, last + 3)):
            values = [float(self._values[row, x]) for x in columns]
            known = [value for value in values if math.isfinite(value)]
            sides += [sum(known) / len(known)] if known else []
        return min(sides, default=0.0)


def _neighbours(place: Place) -> list[tuple[int, Place]]:
    """Return the neighbours: along the dispersion (0) and across it (1)."""
    y, x = place
    return [(0, (y - 1, x)), (0, (y + 1, x)), (1, (y, x - 1)), (1, (y, x + 1))]


def _light_outside(part: float, width: float) -> float:
    """Return what a Gaussian leaves one pixel further out, where it is `part` of its peak."""
    if not part > 0:
        return 0.0
    distance = math.sqrt(-2.0 * math.log(part))
    return part * math.exp(-distance / width - 0.5 / (width * width))
