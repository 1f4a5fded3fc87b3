"""Equality with the reference: the array functions of jwst and stcal, and NumPy's percentiles."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.testing import (
    assert_same,
    dispaxes,
    flagfracs,
    images,
    kernel_sizes,
    large_images,
)

jwst = pytest.importorskip("jwst.badpix_selfcal.badpix_selfcal", reason="jwst is not installed")
stcal = pytest.importorskip("stcal.outlier_detection.utils", reason="stcal is not installed")


def quiet(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN slices
        return function(*arguments)


def assert_bad_pixels_of_jwst(image, k, dispaxis, lower, upper):
    ours = bps.find_bad_pixels(
        image, kernel_size=k, dispaxis=dispaxis, flagfrac_lower=lower, flagfrac_upper=upper
    )
    theirs = quiet(jwst.badpix_selfcal, image, lower, upper, k, dispaxis)
    for index, expected in zip(ours.indices, theirs, strict=True):
        assert_same(index, expected)


@given(images(), kernel_sizes(), dispaxes(), flagfracs(), flagfracs())
@example(np.full((3, 5), np.nan, np.float32), 15, 2, 0.001, 0.001)
@example(np.ones((7, 1), np.float32), 31, 1, 0.5, 0.5)
def test_bad_pixels_are_those_of_jwst(image, k, dispaxis, lower, upper):
    assert_bad_pixels_of_jwst(image, k, dispaxis, lower, upper)


@settings(max_examples=max(settings().max_examples // 20, 10))
@given(large_images(), kernel_sizes(), st.sampled_from([1, 2]), flagfracs(), flagfracs())
def test_bad_pixels_of_large_images_are_those_of_jwst(image, k, dispaxis, lower, upper):
    assert_bad_pixels_of_jwst(image, k, dispaxis, lower, upper)


@given(large_images(), st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_percentiles_of_large_images_are_those_of_numpy(image, q):
    expected = quiet(np.nanpercentile, image, np.array(q))
    assert_same(bps.percentiles(image, q), np.asarray(expected, np.float64))


@pytest.mark.parametrize("dispaxis", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bad_pixels_of_a_whole_detector(dispaxis, dtype):
    rng = np.random.default_rng(1)
    image = rng.normal(size=(1024, 1032)).astype(dtype)
    image[rng.random(image.shape) < 0.02] = np.nan
    image[rng.random(image.shape) < 0.003] += 50
    ours = bps.find_bad_pixels(image, dispaxis=dispaxis)
    theirs = jwst.badpix_selfcal(image, dispaxis=dispaxis)
    assert len(theirs[0]) > 2000
    for index, expected in zip(ours.indices, theirs, strict=True):
        assert_same(index, expected)


@given(images(), kernel_sizes(), kernel_sizes(9), st.sampled_from([0, 1, None]))
def test_medians_are_those_of_stcal(image, k, other, axis):
    window = {0: (k, 1), 1: (1, k), None: (min(k, 25), other)}[axis]
    ours = bps.median_filter(image, window if axis is None else k, axis=axis)
    assert_same(ours, quiet(stcal.medfilt, image, window))


@given(images(max_rows=1), kernel_sizes())
def test_medians_of_a_line_are_those_of_stcal(image, k):
    assert_same(bps.median_filter(image[0], k), quiet(stcal.medfilt, image[0], (k,)))


@given(images(infinities=True), st.lists(st.floats(0, 100), min_size=1, max_size=5))
@example(np.array([[0.0, np.inf]]), [100.0])
@example(np.array([[1.0, 2.0]], np.float32), [50.0])
def test_percentiles_are_those_of_numpy(image, q):
    expected = quiet(np.nanpercentile, image, np.array(q))
    assert_same(bps.percentiles(image, q), np.asarray(expected, np.float64))


@given(images())
def test_pedestals_are_those_of_numpy(image):
    gap = (1, 9, 2, 20)
    expected = quiet(np.nanmedian, image[1:9, 2:20])
    assert_same(bps.pedestal(image, gap), float(expected))


@given(st.lists(images(max_rows=1, max_cols=1), min_size=1, max_size=6))
def test_minima_are_those_of_numpy(exposures):
    stack = np.asarray([each - each.dtype.type(0.1) for each in exposures])
    ours = bps.minimum_image(exposures, [float(each.dtype.type(0.1)) for each in exposures])
    assert_same(ours, quiet(lambda: np.nanmin(stack, axis=0)))
