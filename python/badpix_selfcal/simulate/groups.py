"""Hot pixels, and groups of them that touch each other: shapes, places and brightness.

Drawn shapes are regular, so that one can say which shape is found. Real ones are those of bad
pixels on MIRI's detectors and on some of NIRSpec's kind (`real_groups.txt` names the sources).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .settings import PICTURES, Settings

Mask: TypeAlias = NDArray[np.bool_]
Positions: TypeAlias = NDArray[np.int64]

APART: Final = 4
"""Pixels between two groups, at least."""


@dataclass(frozen=True)
class HotPixels:
    """Hot pixels of the full frame, single ones and groups."""

    pixels: Positions
    rate: NDArray[np.float64]
    """Rows and columns, shape (2, n), and mean rates, DN/s, shape (n,)."""
    group: Positions
    """Number of the group, from 1 on; 0 for single pixels; shape (n,)."""
    shapes: tuple[str, ...] = ()
    """The shape of each group."""

    @classmethod
    def singles(cls, pixels: Positions, rate: NDArray[np.float64]) -> HotPixels:
        """Return pixels that are in no group."""
        return cls(pixels, rate, np.zeros(rate.size, np.int64))

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
    """Draw groups on free pixels, and mark the pixels of the groups and those around as taken."""
    names = settings.hot_group_shapes
    shapes = [names[i] for i in rng.integers(0, len(names), count)]
    placed = [_place(free, _picture(shape, rng), rng) for shape in shapes]
    group = np.repeat(np.arange(1, count + 1), [each.shape[1] for each in placed])
    pixels = np.concatenate([np.zeros((2, 0), np.int64), *placed], axis=1)
    low, high = map(math.log, settings.hot_group_range)
    rate = np.exp(rng.uniform(low, high, count))[group - 1]
    scatter = math.log(settings.hot_group_scatter) * rng.standard_normal(group.size)
    return HotPixels(pixels, rate * np.exp(scatter), group, tuple(shapes))


def _place(free: Mask, picture: Mask, rng: np.random.Generator) -> Positions:
    """Return rows and columns of a group at a random free place."""
    height, width = picture.shape
    for _ in range(1000):
        y, x = rng.integers(0, [free.shape[0] - height + 1, free.shape[1] - width + 1])
        if np.all(free[y : y + height, x : x + width][picture]):
            top, left = max(y - APART, 0), max(x - APART, 0)
            free[top : y + height + APART, left : x + width + APART] = False
            return np.argwhere(picture).T + np.array([[y], [x]], np.int64)
    raise ValueError("the groups of hot pixels do not fit on the detector: lower hot_groups")


def _picture(shape: str, rng: np.random.Generator) -> Mask:
    """Return the pixels of one of `SHAPES`, flipped at random."""
    if shape == "walk":
        return _walk(int(rng.integers(4, 13)), rng)
    if (picture := PICTURES.get(shape, "")) == "":
        pictures, shares = _real(shape)
        picture = pictures[rng.choice(len(pictures), p=shares)]
    pixels = np.array([[pixel == "#" for pixel in row] for row in picture.split("/")])
    along_y, along_x = rng.integers(0, 2, 2).tolist()
    return pixels[:: 1 - 2 * along_y, :: 1 - 2 * along_x]


def _walk(pixels: int, rng: np.random.Generator) -> Mask:
    """Return the pixels that a random walk, step by step to one of four neighbours, has visited."""
    y = x = 0
    visited = {(y, x)}
    while len(visited) < pixels:
        dy, dx = ((-1, 0), (1, 0), (0, -1), (0, 1))[rng.integers(0, 4)]
        y, x = y + dy, x + dx
        visited.add((y, x))
    where = np.array(sorted(visited))
    where -= where.min(axis=0)
    picture = np.zeros(where.max(axis=0) + 1, np.bool_)
    picture[tuple(where.T)] = True
    return picture


@cache
def _real(source: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return the pictures of the real groups of a source and their shares."""
    text = Path(__file__).with_name("real_groups.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines()]
    counts = {line[2]: int(line[1]) for line in lines if line[0] == source}
    return list(counts), np.array([*counts.values()], np.float64) / sum(counts.values())
