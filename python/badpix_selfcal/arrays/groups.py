"""Groups of flagged pixels: those that touch, also at corners, each end on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of some flagged pixels, the strongest first.

    A group is as strong as its brightest pixel (at the low end: its darkest one). `number` holds
    the group of each pixel, from 0; `order` the places of the pixels in `number`, group by group,
    the brightest first; `size` how many pixels each group has.
    """

    number: NDArray[np.intp]
    order: NDArray[np.intp]
    size: NDArray[np.intp]

    def __len__(self) -> int:
        return self.size.size

    @property
    def first(self) -> NDArray[np.intp]:
        """Where each group begins in `order`, shape (groups,)."""
        return np.asarray(np.cumsum(self.size) - self.size)

    @property
    def brightest(self) -> NDArray[np.intp]:
        """The place of the brightest pixel of each group in `number`, shape (groups,)."""
        return self.order[self.first]


def groups_of(
    place: NDArray[np.integer[Any]],
    is_low: NDArray[np.bool_],
    residual: NDArray[np.floating[Any]],
    columns: int,
) -> Groups:
    """Return the groups of flagged pixels of an image of some columns.

    `place` holds the pixels in increasing order, counted along the rows from 0, `is_low` whether
    each is flagged at the low end, `residual` its residual; all of shape (pixels,).
    """
    label = _labels(place, is_low, columns)
    weakness = np.where(is_low, residual, -residual)
    weakness[np.isnan(weakness)] = np.inf
    by_weakness = np.argsort(weakness, kind="stable")
    _, first, place_of = np.unique(label[by_weakness], return_index=True, return_inverse=True)
    number = np.empty_like(label)
    number[by_weakness] = np.argsort(np.argsort(first))[place_of]
    return Groups(number, np.lexsort((weakness, number)), np.bincount(number))


def _labels(
    place: NDArray[np.integer[Any]], is_low: NDArray[np.bool_], columns: int
) -> NDArray[np.intp]:
    """Return the same number for pixels of one group, and for those of another one another."""
    width = columns + 1  # so that the end of a row does not touch the next one
    row, column = np.divmod(place.astype(np.int64), columns)
    at = row * width + column
    at += np.where(is_low, at.max(initial=0) + 2 * width, 0)  # far from the high end
    order = np.argsort(at, kind="stable")
    at = at[order]
    pairs = []
    for step in (1, width - 1, width, width + 1):  # to the right, and to the next row
        other = np.searchsorted(at, at + step)
        other[other == at.size] = 0
        one = np.flatnonzero(at[other] == at + step)
        pairs.append((one, other[one]))
    label = np.empty_like(order)
    label[order] = _joined(at.size, *map(np.concatenate, zip(*pairs, strict=True)))
    return label


def _joined(count: int, one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each of some elements the least one that pairs join it to.

    In each round, each set joins the least of the sets that a pair joins it to. That halves the
    number of sets in two rounds at least, however long and winding they are.
    """
    least = np.arange(count)
    while one.size:
        low, high = np.minimum(one, other), np.maximum(one, other)
        np.minimum.at(least, high, low)
        while not np.array_equal(shorter := least[least], least):
            least = shorter
        one, other = least[one], least[other]
        apart = one != other
        one, other = one[apart], other[apart]
    return least
