"""Groups of hot pixels that touch each other: their shapes, places and brightness.

Drawn shapes are regular, so that one can say which shape is found. Real ones are those of bad
pixels on MIRI's detectors and on some of NIRSpec's kind (`real_groups.txt` names the sources).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["DRAWN", "SHAPES", "HotPixels", "draw_groups"]

Mask: TypeAlias = NDArray[np.bool_]
Positions: TypeAlias = NDArray[np.int64]

PICTURES: Final = {
    "2 x 2": "##/##",
    "L": "#./##",
    "line of 3 along x": "###",
    "line of 3 along y": "#/#/#",
    "line of 5 along x": "#####",
    "line of 5 along y": "#/#/#/#/#",
    "line of 9 along x": "#########",
    "line of 9 along y": "#/#/#/#/#/#/#/#/#",
    "plus": ".#./###/.#.",
    "ring": "###/#.#/###",
    "3 x 3": "###/###/###",
    "disc of 5": ".###./#####/#####/#####/.###.",
    "disc of 7": "..###../.#####./#######/#######/#######/.#####./..###..",
}
"""Drawn shapes, by rows from the top."""

WALK: Final = "walk"
WALK_LENGTHS: Final = (4, 12)
REAL: Final = ("MRS", "H2RG")

DRAWN: Final = (*PICTURES, WALK)
"""Names of the drawn shapes; a walk is a random one of 4 to 12 pixels."""

SHAPES: Final = (*DRAWN, *REAL)
"""Names of all shapes."""

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
    placed = [_place(free, _drawn(shape, rng), rng) for shape in shapes]
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


def _drawn(shape: str, rng: np.random.Generator) -> Mask:
    """Return a group of this shape, flipped at random."""
    if shape == WALK:
        return _walk(int(rng.integers(WALK_LENGTHS[0], WALK_LENGTHS[1] + 1)), rng)
    if shape in REAL:
        pictures, weights = _real()[shape]
        picture = _image(pictures[rng.choice(len(pictures), p=weights)])
    else:
        picture = _image(PICTURES[shape])
    flips = rng.integers(0, 2, 2).tolist()
    return picture[:: 1 - 2 * flips[0], :: 1 - 2 * flips[1]]


def _walk(pixels: int, rng: np.random.Generator) -> Mask:
    """Return the pixels that a random walk, step by step to one of four neighbours, has visited."""
    place = np.zeros(2, np.int64)
    visited = {(0, 0)}
    while len(visited) < pixels:
        place = place + ((-1, 0), (1, 0), (0, -1), (0, 1))[rng.integers(0, 4)]
        visited.add((int(place[0]), int(place[1])))
    where = np.array(sorted(visited))
    where -= where.min(axis=0)
    picture = np.zeros(where.max(axis=0) + 1, np.bool_)
    picture[tuple(where.T)] = True
    return picture


def _image(picture: str) -> Mask:
    return np.array([[pixel == "#" for pixel in row] for row in picture.split("/")])


@cache
def _real() -> dict[str, tuple[list[str], NDArray[np.float64]]]:
    """Return the pictures of the real groups and how often each occurs, as shares."""
    text = Path(__file__).with_name("real_groups.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    found = {}
    for source in REAL:
        seen = [(picture, int(count)) for name, count, picture in lines if name == source]
        counts = np.array([count for _, count in seen], np.float64)
        found[source] = ([picture for picture, _ in seen], counts / counts.sum())
    return found
