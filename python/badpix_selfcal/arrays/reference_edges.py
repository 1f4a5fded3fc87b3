"""Groups of pixels with sharp edges in plain NumPy: the second rule of the sigma cut.

The twin of the kernel: slow, and another algorithm. After each pixel, its group is searched for
anew, where the kernel joins groups. See `docs/sigma-cut.md`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..instrument import Blur
from .checks import FloatArray

__all__ = ["SharpGroups"]

Place: TypeAlias = tuple[int, int]
"""Row and column."""

LONGEST_GROUP = 9
"""The most rows and columns of a group with sharp edges."""


class SharpGroups:
    """The groups of an image whose edges are sharper than those of light.

    Parameters
    ----------
    residual, base, slope : ndarray of float, shape (rows, cols)
        The residual, the base of its noise, and the slope of the light that was subtracted.
    axis : {0, 1, None}
        The image axis of the dispersion.
    blur : Blur
        How far charge and light spread.
    minus_beside : bool
        Whether the light beside a group is subtracted first.
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
        # Lines across the dispersion are rows here.
        self._turned = axis == 1
        self._residual = self._turn(residual)
        self._values = self._residual.astype(np.float64)
        self._base = self._turn(base.astype(np.float64))
        self._slope = self._turn(slope)
        least = min(blur.along, blur.across)
        self._widths = (blur.along, blur.across) if axis is not None else (least, least)
        self._faintest = 0.05 if self._widths[1] < 0.5 else 0.01  # undersampled or not
        self._coupling, self._minus_beside = blur.coupling, minus_beside
        self._missing = ~np.isfinite(self._values)

    def _turn(self, image: NDArray[Any]) -> NDArray[Any]:
        return image.T if self._turned else image

    def find(self, values: FloatArray, significance: FloatArray, upper: float) -> list[Place]:
        """Return the pixels above the cut that belong to such groups."""
        values, significance = self._turn(values), self._turn(significance)
        above = (significance.astype(np.float64) > upper) & np.isfinite(values)
        order = sorted(
            zip(*(each.tolist() for each in np.nonzero(above)), strict=True),
            key=lambda place: (significance[place], values[place]),
            reverse=True,
        )
        active = np.zeros(values.shape, np.bool_)
        found: list[Place] = []
        for _, equal in groupby(order, lambda place: (significance[place], values[place])):
            begun = list(equal)
            for place in begun:
                active[place] = True
            for place in begun:
                group = self._group(place, active) if self._is_complete(place, active) else None
                if group and self._is_sharp(group) and self._is_above_slope(group, values):
                    found += group
                    for each in group:
                        active[each], self._missing[each] = False, True
        return [(x, y) if self._turned else (y, x) for y, x in found]

    def _is_complete(self, place: Place, active: NDArray[np.bool_]) -> bool:
        """Return whether no neighbour that may still join is nearly as bright."""
        if self._minus_beside:
            return True
        y, x = place
        around = (slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
        values = self._residual[around]
        nearly = values > self._residual[place] * self._residual.dtype.type(0.7)
        return not np.any(nearly & ~active[around] & ~self._missing[around])

    def _group(self, start: Place, active: NDArray[np.bool_]) -> set[Place]:
        """Return the active pixels around one; none if they are too many rows or columns."""
        group, left = set(), [start] if active[start] else []
        while left:
            y, x = left.pop()
            if (y, x) in group:
                continue
            group.add((y, x))
            for each in (0, 1):
                ends = [place[each] for place in group]
                if max(ends) - min(ends) >= LONGEST_GROUP:
                    return set()
            around = (slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
            rows, columns = np.nonzero(active[around])
            corner = (around[0].start, around[1].start)
            around_here = zip(rows.tolist(), columns.tolist(), strict=True)
            left += [(corner[0] + v, corner[1] + u) for v, u in around_here]
        return group

    def _is_above_slope(self, group: set[Place], values: NDArray[Any]) -> bool:
        return any(not values[place] <= self._slope[place] for place in group)

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
            for direction, other in self._neighbours(place):
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
        around = [float(self._values[other]) - level for _, other in self._neighbours(place)]
        charge = sum(value for value in around if 0 < value < math.inf)
        return max(light - self._coupling * charge, min(above, 0.0))

    def _beside(self, row: int, first: int, last: int) -> float:
        """Return the light beside a group in a row: the lesser mean of two pixels on each side."""
        sides = []
        for columns in ((first - 2, first - 3), (last + 2, last + 3)):
            places = [(row, x) for x in columns if self._is_inside((row, x))]
            values = [float(self._values[each]) for each in places]
            known = [value for value in values if math.isfinite(value)]
            sides += [sum(known) / len(known)] if known else []
        return min(sides, default=0.0)

    def _neighbours(self, place: Place) -> Iterator[tuple[int, Place]]:
        """Yield the neighbours: along the dispersion (0) and across it (1)."""
        y, x = place
        for direction, other in (
            (0, (y - 1, x)),
            (0, (y + 1, x)),
            (1, (y, x - 1)),
            (1, (y, x + 1)),
        ):
            if self._is_inside(other):
                yield direction, other

    def _is_inside(self, place: Place) -> bool:
        return all(0 <= each < size for each, size in zip(place, self._values.shape, strict=True))


def _light_outside(part: float, width: float) -> float:
    """Return what a Gaussian leaves one pixel further out, where it is `part` of its peak."""
    if not part > 0:
        return 0.0
    distance = math.sqrt(-2.0 * math.log(part))
    return part * math.exp(-distance / width - 0.5 / (width * width))
