"""Hot pixels, and groups of them that touch each other: their places and brightness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .settings import Settings
from .shapes import Mask, draw

__all__ = ["HotPixels", "Positions", "draw_groups"]

Positions: TypeAlias = NDArray[np.int64]

APART: Final = 4
"""Pixels between two groups, at least."""

TRIES: Final = 1000


@dataclass(frozen=True)
class HotPixels:
    """Hot pixels of the full frame, single ones and groups.

    Parameters
    ----------
    pixels : ndarray of int64, shape (2, n)
        Rows and columns.
    rate : ndarray of float64, shape (n,)
        Mean rates, DN/s.
    group : ndarray of int64, shape (n,)
        Number of the group, from 1 on; 0 for single pixels.
    shapes : tuple of str
        The shape of each group.
    """

    pixels: Positions
    rate: NDArray[np.float64]
    group: Positions
    shapes: tuple[str, ...] = ()

    def __add__(self, other: HotPixels) -> HotPixels:
        """Return both; the groups of `other` get the next numbers."""
        number = np.where(other.group > 0, other.group + len(self.shapes), 0)
        return HotPixels(
            np.concatenate([self.pixels, other.pixels], axis=1),
            np.concatenate([self.rate, other.rate]),
            np.concatenate([self.group, number]),
            self.shapes + other.shapes,
        )


def draw_groups(free: Mask, count: int, settings: Settings, rng: np.random.Generator) -> HotPixels:
    """Draw groups on free pixels.

    Parameters
    ----------
    free : ndarray of bool, shape (rows, columns)
        Pixels on which groups may lie. Those of the groups and around them are taken away.
    count : int
        Number of groups.
    settings : Settings
        Their shapes, range of brightness and scatter.
    rng : numpy.random.Generator
        Random stream.
    """
    shapes = [
        settings.hot_group_shapes[i] for i in rng.integers(0, len(settings.hot_group_shapes), count)
    ]
    placed = [_place(free, draw(shape, rng), rng) for shape in shapes]
    group = np.repeat(np.arange(1, count + 1), [each.shape[1] for each in placed])
    pixels = np.concatenate([np.zeros((2, 0), np.int64), *placed], axis=1)
    low, high = map(math.log, settings.hot_group_range)
    rate = np.exp(rng.uniform(low, high, count))[group - 1]
    scatter = math.log(settings.hot_group_scatter) * rng.standard_normal(group.size)
    return HotPixels(pixels, rate * np.exp(scatter), group, tuple(shapes))


def _place(free: Mask, picture: Mask, rng: np.random.Generator) -> Positions:
    """Return rows and columns of a group at a random place; take them, and those around, away."""
    height, width = picture.shape
    for _ in range(TRIES):
        y, x = rng.integers(0, [free.shape[0] - height + 1, free.shape[1] - width + 1])
        if np.all(free[y : y + height, x : x + width][picture]):
            top, left = max(y - APART, 0), max(x - APART, 0)
            free[top : y + height + APART, left : x + width + APART] = False
            return np.argwhere(picture).T + np.array([[y], [x]], np.int64)
    raise ValueError("the groups of hot pixels do not fit on the detector: lower hot_groups")
