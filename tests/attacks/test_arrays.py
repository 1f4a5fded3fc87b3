"""Attacks on the array functions: arrays of all kinds, compared with the plain twins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.testing import assert_same

from . import cases, report

DTYPES = ("f2", "f4", ">f4", "f8", ">f8", "i2", ">u2", "i8", "g")
FRACTIONS = (0.0, 0.02, 0.3, 0.9, 1.0)
EDGES = ("zero", "shrink")


def drawn_shape(rng: np.random.Generator) -> tuple[int, int]:
    """Draw a shape: mostly small, sometimes of few lines, sometimes of several tasks."""
    kind = rng.integers(10)
    if kind == 0:
        return int(rng.integers(1, 4)), int(rng.integers(1, 900))
    if kind == 1:
        return int(rng.integers(1, 900)), int(rng.integers(1, 4))
    if kind == 2:
        return int(rng.integers(60, 180)), int(rng.integers(60, 180))
    return int(rng.integers(1, 30)), int(rng.integers(1, 50))


def drawn_image(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Draw an image with samples of all kinds, in any dtype and order of memory."""
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
    return strided(rng, samples.astype(dtype))


def strided(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an equal image, or a part of it repeated, that lies differently in memory."""
    kind = rng.integers(7)
    if kind == 0:
        return np.asfortranarray(image)
    if kind == 1:
        return image[::-1, ::-1]
    if kind == 2:
        return np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)[::2, ::3]
    if kind == 3:
        return np.broadcast_to(image[:1], image.shape)  # a stride of 0
    if kind == 4:  # not aligned
        memory = np.zeros(image.nbytes + 1, np.uint8)[1:]
        moved = memory.view(image.dtype).reshape(image.shape)
        moved[...] = image
        return moved
    if kind == 5:
        image.flags.writeable = False
    return image


def odd(rng: np.random.Generator, largest: int) -> int:
    return 2 * int(rng.integers(0, largest // 2 + 1)) + 1


def filter_lines(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    size, edge, axis = odd(rng, 70), str(rng.choice(EDGES)), int(rng.integers(-2, 2))
    expected = reference.median_filter(image, size, axis=axis, edge=edge)
    for method in ("auto", "heap", "network"):
        ours = bps.median_filter(image, size, axis=axis, edge=edge, method=method)
        assert_same(ours, expected)


def filter_rectangles(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    sides, edge = (odd(rng, 13), odd(rng, 13)), str(rng.choice(EDGES))
    expected = reference.median_filter(image, sides, edge=edge)
    for method in ("auto", "heap", "network"):
        assert_same(bps.median_filter(image, sides, edge=edge, method=method), expected)


def flag(rng: np.random.Generator, image: np.ndarray[Any, Any], cut: str) -> None:
    options: dict[str, Any] = {
        "dispaxis": (1, 2, None)[rng.integers(3)],
        "cut": cut,
        "edge": ("auto", *EDGES)[rng.integers(3)],
    }
    options["kernel_size"] = odd(rng, 15 if options["dispaxis"] is None else 60)
    if cut == "fraction":
        options["flagfrac_lower"], options["flagfrac_upper"] = rng.random(2) / 2
    else:
        options["n_exposures"] = int(rng.integers(1, 30))
        if rng.random() < 0.5:
            options["error"] = drawn_image(rng, image.shape)
    with np.errstate(all="ignore"):
        expected = reference.find_bad_pixels(image, **options)
        ours = bps.find_bad_pixels(image, **options)
    for name in ("mask", "residual", "cut_low", "cut_high", "significance", "noise"):
        found = getattr(ours, name)
        assert (found is None) == (getattr(expected, name) is None), name
        if found is not None:
            assert_same(found, getattr(expected, name))
    assert (ours.n_low, ours.n_high) == (expected.n_low, expected.n_high)


def flag_fraction(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    flag(rng, image, "fraction")


def flag_sigma(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    flag(rng, image, "sigma")


def cut_percentiles(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    q = rng.random(int(rng.integers(1, 20))) * 100
    assert_same(bps.percentiles(image, q), reference.percentiles(image, q))


def combine(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    images = [image, *(drawn_image(rng, image.shape) for _ in range(rng.integers(0, 4)))]
    levels = rng.normal(size=len(images))
    with np.errstate(all="ignore"):
        expected = reference.minimum_image(images, levels)
        assert_same(bps.minimum_image(images, levels), expected)


def measure_gap(rng: np.random.Generator, image: np.ndarray[Any, Any]) -> None:
    mask = rng.random(image.shape) < rng.random()
    assert_same(bps.pedestal(image, mask), reference.pedestal(image, mask))
    (y0, y1), (x0, x1) = (sorted(rng.integers(0, side + 1, 2)) for side in image.shape)
    region = (int(y0), int(y1), int(x0), int(x1))
    assert_same(bps.pedestal(image, region), reference.pedestal(image, region))


ATTACKS: tuple[Callable[[np.random.Generator, np.ndarray[Any, Any]], None], ...] = (
    filter_lines,
    filter_rectangles,
    flag_fraction,
    flag_sigma,
    cut_percentiles,
    combine,
    measure_gap,
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_arrays_of_all_kinds_have_the_results_of_the_plain_twin(attack):
    kinds = Counter[str]()
    for seed in range(cases(25, 450)):
        rng = np.random.default_rng([seed, ATTACKS.index(attack)])
        image = drawn_image(rng, drawn_shape(rng))
        before = image.copy()
        try:
            attack(rng, image)
        except Exception as error:
            error.add_note(f"seed {seed}: {image.dtype}, shape {image.shape}")
            raise
        assert_same(image, before)
        kinds[f"equal in {image.dtype.str}"] += 1
    report(f"arrays, {attack.__name__}", kinds)
