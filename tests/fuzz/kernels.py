"""The kernels: equal to the plain twin and to each other, for every method, dtype and layout.

An input is the seed of a generator, which draws an image and what is done with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.testing import assert_same, laid_out
from badpix_selfcal.testing.strategies import LAYOUTS

Image = np.ndarray[Any, Any]
DTYPES = ("f2", "f4", ">f4", "f8", ">f8", "i2", ">u2", "i8", "g")
FRACTIONS = (0.0, 0.02, 0.3, 0.9, 1.0)
EDGES = ("zero", "shrink")
METHODS = ("auto", "heap", "network")


def drawn_shape(rng: np.random.Generator) -> tuple[int, int]:
    """Draw a shape: mostly small, sometimes of few lines, sometimes of several tasks."""
    kinds = [((1, 4), (1, 900)), ((1, 900), (1, 4)), ((60, 180), (60, 180))]
    rows, cols = (kinds + 7 * [((1, 30), (1, 50))])[rng.integers(10)]
    return int(rng.integers(*rows)), int(rng.integers(*cols))


def drawn_image(rng: np.random.Generator, shape: tuple[int, int]) -> Image:
    """Draw an image with samples of all kinds, in any dtype and order of memory."""
    if rng.random() < 0.15:
        return _laid(rng, _extreme(rng, shape))
    samples = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4)
    if rng.random() < 0.3:
        samples = np.round(samples)
    dtype = np.dtype(str(rng.choice(DTYPES)))
    if dtype.kind == "f":
        samples[rng.random(shape) < rng.choice(FRACTIONS)] = np.nan
        if rng.random() < 0.4:
            samples[rng.random(shape) < 0.05] = np.inf
            samples[rng.random(shape) < 0.05] = -np.inf
        if rng.random() < 0.1:
            samples[rng.random(shape) < 0.2] = np.finfo(min(dtype, np.dtype("f8"))).max
    else:
        samples = np.abs(samples).clip(0, 30_000)
    return _laid(rng, samples.astype(dtype))


def _extreme(rng: np.random.Generator, shape: tuple[int, int]) -> Image:
    """Draw an image of the least and the greatest numbers, zeros of both signs, infinities, NaN."""
    dtype = np.dtype(str(rng.choice(["f4", "f8", ">f4", ">f8", "f2"])))
    about = np.finfo(dtype)
    least, most = float(about.smallest_subnormal), float(about.max)
    numbers = [0.0, -0.0, least, -least, 3 * least, float(about.tiny), most, -most, most / 2, 1]
    numbers += [np.nan] + [np.inf, -np.inf] * bool(rng.integers(2))
    kinds = rng.permutation(numbers)[: rng.integers(1, len(numbers) + 1)]
    return rng.choice(kinds, shape).astype(dtype)


def _laid(rng: np.random.Generator, image: Image) -> Image:
    if rng.random() < 0.15:
        return np.broadcast_to(image[:1], image.shape)  # a stride of 0
    return laid_out(image, str(rng.choice(LAYOUTS)))


def odd(rng: np.random.Generator, largest: int) -> int:
    return 2 * int(rng.integers(0, largest // 2 + 1)) + 1


def filter_windows(rng: np.random.Generator, image: Image) -> None:
    edge, how = str(rng.choice(EDGES)), {}
    if rng.random() < 0.5:
        size: Any = odd(rng, 70)
        how["axis"] = int(rng.integers(-2, 2))
    else:
        size = (odd(rng, 13), odd(rng, 13))
    expected = reference.median_filter(image, size, edge=edge, **how)
    for method in METHODS:
        assert_same(bps.median_filter(image, size, edge=edge, method=method, **how), expected)


def filter_long_lines(rng: np.random.Generator, image: Image) -> None:
    """Compare the methods where the plain twin would be slow: many samples, long windows."""
    shape = [(3, 4000), (700, 500), (4000, 3), (130, 1400)][rng.integers(4)]
    tiled = np.resize(image, shape)
    tiled = np.where(rng.random(shape) < rng.choice([0, 0.1, 0.5]), image.flat[0], tiled)
    how: dict[str, Any] = {"kernel_size": (odd(rng, 25), odd(rng, 25))}
    if rng.random() < 0.5:
        how = {"kernel_size": odd(rng, 1800), "axis": int(rng.integers(2))}
    how["edge"] = str(rng.choice(EDGES))
    heap = bps.median_filter(tiled, method="heap", **how)
    for method in ("auto", "network"):
        assert_same(bps.median_filter(tiled, method=method, **how), heap)


def flag(rng: np.random.Generator, image: Image) -> None:
    how: dict[str, Any] = {
        "dispaxis": (1, 2, None)[rng.integers(3)],
        "edge": ("auto", *EDGES)[rng.integers(3)],
    }
    how["kernel_size"] = odd(rng, 15 if how["dispaxis"] is None else 60)
    if rng.random() < 0.5:
        how["flagfrac_lower"], how["flagfrac_upper"] = rng.random(2) / 2
    else:
        how |= {"cut": "sigma", "n_exposures": int(rng.integers(1, 30))}
        how["error"] = drawn_image(rng, image.shape) if rng.random() < 0.5 else None
    with np.errstate(all="ignore"):
        expected = reference.find_bad_pixels(image, **how)
        ours = bps.find_bad_pixels(image, **how)
    for name in ("mask", "residual", "cut_low", "cut_high", "significance", "noise", "n_low"):
        assert_same(getattr(ours, name), getattr(expected, name))


def reduce(rng: np.random.Generator, image: Image) -> None:
    q = rng.random(int(rng.integers(1, 20))) * 100
    assert_same(bps.percentiles(image, q), reference.percentiles(image, q))
    images = [image, *(drawn_image(rng, image.shape) for _ in range(rng.integers(0, 4)))]
    levels = rng.normal(size=len(images))
    with np.errstate(all="ignore"):
        expected = reference.minimum_image(images, levels)
        assert_same(bps.minimum_image(images, levels), expected)
    (y0, y1), (x0, x1) = (sorted(rng.integers(0, side + 1, 2).tolist()) for side in image.shape)
    for gap in (rng.random(image.shape) < rng.random(), (y0, y1, x0, x1)):
        assert_same(bps.pedestal(image, gap), reference.pedestal(image, gap))


WORK = (filter_windows, filter_long_lines, flag, flag, reduce)


def attempt(data: bytes) -> str:
    rng = np.random.default_rng([*data])
    work = WORK[rng.integers(len(WORK))]
    image = drawn_image(rng, drawn_shape(rng))
    before = image.copy()
    work(rng, image)
    assert before.tobytes() == image.copy().tobytes()
    return work.__name__
