"""Rectangular windows and long lines by selection networks, against NumPy, stcal and the heap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stcal.outlier_detection.utils import medfilt

import badpix_selfcal as bps
from badpix_selfcal import _kernels
from badpix_selfcal.testing import assert_same, large_images

edges = st.sampled_from(["zero", "shrink"])


@settings(max_examples=max(settings().max_examples // 20, 10))
@given(large_images(), st.sampled_from([(3, 3), (5, 7), (15, 3), (3, 15), (9, 9)]))
def test_rectangles_equal_those_of_stcal(image, window):
    ours = bps.median_filter(image, window, method="network")
    assert_same(ours, medfilt(image, list(window)))


def _nan_everywhere_but(step, shape=(90, 130)):
    image = np.full(shape, np.nan)
    image[::step, ::step] = np.random.default_rng(step).normal(size=image[::step, ::step].shape)
    return image


def _nan_where(chosen, shape=(90, 130)):
    image = np.random.default_rng(0).normal(size=shape)
    y, x = np.indices(shape)
    image[chosen(y, x)] = np.nan
    return image


# Fillers of opposite signs balance in most windows; in these patterns they are hardest to.
PATTERNS = {
    "few valid samples": _nan_everywhere_but(7),
    "one valid sample in three": _nan_everywhere_but(2),
    "every second sample": _nan_where(lambda y, x: (x + y) % 2 == 0),
    "every second column": _nan_where(lambda _, x: x % 2 == 0),
    "every second row": _nan_where(lambda y, _: y % 2 == 0),
    "a slanted border": _nan_where(lambda y, x: 3 * x > 4 * y),
    "blocks": _nan_where(lambda y, x: (x // 11 + y // 13) % 2 == 0),
    "half of them": _nan_where(lambda y, _: np.random.default_rng(5).random(y.shape) < 0.5),
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("edge", ["zero", "shrink"])
@pytest.mark.parametrize("window", [(3, 3), (7, 7), (15, 15), (5, 21), (31, 9)])
def test_unbalanced_fillers(pattern, edge, window):
    for dtype in (np.float32, np.float64):
        image = PATTERNS[pattern].astype(dtype)
        heap, network = (
            bps.median_filter(image, window, edge=edge, method=method)
            for method in ("heap", "network")
        )
        assert_same(network, heap)


def test_overflow_and_infinities_in_a_rectangle():
    largest = np.finfo(np.float32).max
    image = np.random.default_rng(0).normal(size=(120, 150)).astype(np.float32)
    image[:40] = largest
    image[60:90, ::2] = np.inf
    image[60:90, 1::3] = -np.inf
    image[100:, ::4] = np.nan
    for window in ((3, 3), (9, 9), (2 * 9 + 1, 5)):
        heap, network = (
            bps.median_filter(image, window, edge="shrink", method=method)
            for method in ("heap", "network")
        )
        assert_same(network, heap)
    assert network[10, 10] == largest


@pytest.mark.parametrize("window", [(61, 61), (101, 101), (3, 301), (301, 3), (1501, 1)])
def test_large_windows_are_equal_by_any_method(window):
    image = np.random.default_rng(1).normal(size=(97, 160)).astype(np.float32)
    image[np.random.default_rng(2).random(image.shape) < 0.05] = np.nan
    heap, network, auto = (
        bps.median_filter(image, window, edge="shrink", method=method)
        for method in ("heap", "network", "auto")
    )
    assert_same(network, heap)
    assert_same(auto, heap)


@pytest.mark.parametrize("k", [3, 15, 33, 101, 1001, 1501, 1503])
def test_one_long_line(k):
    line = np.random.default_rng(k).normal(size=60_000).astype(np.float32)
    line[np.random.default_rng(1).random(line.shape) < 0.05] = np.nan
    line[5_000:9_000] = np.nan
    line[20_000:20_010] = np.inf
    for edge in ("zero", "shrink"):
        heap = bps.median_filter(line, k, edge=edge, method="heap")
        assert_same(bps.median_filter(line, k, edge=edge, method="network"), heap)


def test_rectangles_do_not_depend_on_the_number_of_threads():
    image = np.random.default_rng(1).normal(size=(300, 200))
    image[np.random.default_rng(2).random(image.shape) < 0.2] = np.nan
    before = bps.num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            bps.set_num_threads(threads)
            results.append(bps.median_filter(image, (9, 7), method="network"))
            results.append(bps.median_filter(image.ravel(), 101, method="network")[None])
    finally:
        bps.set_num_threads(before)
    for one, other in zip(results[:2], results[2:4], strict=True):
        assert_same(one, other)
    for one, other in zip(results[:2], results[4:], strict=True):
        assert_same(one, other)


@pytest.mark.parametrize(
    ("window", "image", "kernel"),
    [
        ((1, 15), (1024, 1032), "compiled network"),
        ((15, 1), (1024, 1032), "compiled network"),
        ((15, 15), (1024, 1032), "network table"),
        ((7, 7), (1024, 1032), "compiled network"),
        ((8, 8), (1024, 1032), "network table"),
        ((1, 101), (1024, 1032), "network table"),
        ((1, 1503), (1024, 2048), "double heap"),
        ((63, 63), (1024, 1032), "double heap"),
        ((5, 5), (20, 20), "double heap"),
        ((9, 9), (20, 1), "double heap"),
        ((1, 1), (1024, 1032), "copy"),
        ((15, 15), (0, 10), "copy"),
    ],
)
def test_the_kernel_that_is_chosen(window, image, kernel):
    assert _kernels.median_kernel(*window, *image) == kernel


def test_the_kernel_of_a_method():
    assert _kernels.median_kernel(1, 15, 1024, 1032, "heap") == "double heap"
    assert _kernels.median_kernel(5, 5, 20, 20, "network") == "compiled network"
    assert _kernels.median_kernel(5, 7, 20, 20, "network") == "network table"
    assert _kernels.median_kernel(1, 1503, 1024, 2048, method="network") == "double heap"


def test_wrong_windows_and_methods_have_no_kernel():
    with pytest.raises(ValueError, match="a window must hold at least one sample"):
        _kernels.median_kernel(0, 3, 10, 10)
    with pytest.raises(ValueError, match="method must be"):
        _kernels.median_kernel(3, 3, 10, 10, "fast")
