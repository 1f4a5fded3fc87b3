"""The kernels: equal to the heap and to the plain twin, for every method, dtype and layout.

An input is the seed of a generator, which draws an image and what is done with it.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import badpix_selfcal as bps
from badpix_selfcal import stcal
from badpix_selfcal.testing import assert_same

from ..attacks.test_arrays import ATTACKS, drawn_image, drawn_shape, odd, strided
from . import Target


def denormal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Draw an image of the least and the greatest numbers, zeros of both signs, infinities, NaN."""
    dtype = np.dtype(str(rng.choice(["f4", "f8", ">f4", ">f8", "f2"])))
    about = np.finfo(dtype)
    least, most = float(about.smallest_subnormal), float(about.max)
    numbers = np.array(
        [0.0, -0.0, least, -least, 3 * least, float(about.tiny), most, -most, most / 2, 1, np.nan]
        + [np.inf, -np.inf] * bool(rng.integers(2))
    )
    kinds = rng.permutation(numbers)[: rng.integers(1, len(numbers) + 1)]
    return strided(rng, rng.choice(kinds, shape).astype(dtype))


def medfilt_by_numpy(image: np.ndarray[Any, Any], lengths: tuple[int, int]) -> Any:
    """Return what stcal's function returns, which is written like this."""
    padded = np.pad(image, [[length // 2] for length in lengths])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(sliding_window_view(padded, lengths), axis=(-2, -1))


def filter_as_stcal(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    if image.size * 81 > 300_000:
        image = image[:20, :20]
    lengths = int(rng.integers(1, 10)), int(rng.integers(1, 10))
    expected = medfilt_by_numpy(image, lengths)
    with np.errstate(all="ignore"):
        found = stcal.medfilt(image, lengths)
    assert_same(found, expected.astype(expected.dtype.newbyteorder("=")))


def filter_long_lines(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    """Compare the methods where the plain twin would be slow: many samples, long windows."""
    shape = [(3, 4000), (700, 500), (4000, 3), (130, 1400)][rng.integers(4)]
    tiled = np.resize(image, shape)
    tiled = np.where(rng.random(shape) < rng.choice([0, 0.1, 0.5]), image.flat[0], tiled)
    edge = str(rng.choice(["zero", "shrink"]))
    if rng.random() < 0.5:
        size, axis = odd(rng, 1800), int(rng.integers(2))
        sides: dict[str, Any] = {"kernel_size": size, "axis": axis}
    else:
        sides = {"kernel_size": (odd(rng, 25), odd(rng, 25))}
    heap = bps.median_filter(tiled, edge=edge, method="heap", **sides)
    for method in ("auto", "network"):
        assert_same(bps.median_filter(tiled, edge=edge, method=method, **sides), heap)


WORK = (*ATTACKS, filter_as_stcal, filter_long_lines)


def attempt(data: bytes) -> str:
    rng = np.random.default_rng([*data])
    work = WORK[rng.integers(len(WORK))]
    draw = denormal if rng.random() < 0.3 else drawn_image
    image = draw(rng, drawn_shape(rng))
    before = image.copy()
    work(rng, image)
    assert before.tobytes() == image.copy().tobytes()
    return work.__name__


TARGET = Target([], [], attempt)
