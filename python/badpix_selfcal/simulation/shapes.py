"""The shapes of groups of hot pixels.

Drawn shapes are regular, so that one can say which shape is found. Real ones are those of bad
pixels on MIRI's detectors and on some of NIRSpec's kind (`real_groups.txt` names the sources).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWN", "PICTURES", "SHAPES", "Mask", "draw"]

Mask: TypeAlias = NDArray[np.bool_]

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


def draw(shape: str, rng: np.random.Generator) -> Mask:
    """Return the picture of a group, flipped at random.

    Parameters
    ----------
    shape : str
        One of `SHAPES`.
    rng : numpy.random.Generator
        Random stream.
    """
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
