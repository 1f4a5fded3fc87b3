"""The array functions on particular images, and their errors for wrong arguments.

test_suites.py compares them with `badpix_selfcal.arrays.reference` by the public property tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays import RunningMinimum, reference
from badpix_selfcal.testing import assert_same, dispaxes, flagfracs, images, kernel_sizes

edges = st.sampled_from(["zero", "shrink"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("edge", ["zero", "shrink"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("k", [3, 5, 9, 13, 15, 17, 23, 27, 31, 33, 51, 101, 501])
def test_all_methods_are_equal_on_many_long_lines(k, axis, edge, dtype):
    rng = np.random.default_rng(k)
    image = rng.normal(size=(331, 413)).astype(dtype)
    image[rng.random(image.shape) < 0.1] = np.nan
    image[40:200, 50:250] = np.nan
    heap = bps.median_filter(image, k, axis=axis, edge=edge, method="heap")
    for method in ("network", "auto"):
        assert_same(bps.median_filter(image, k, axis=axis, edge=edge, method=method), heap)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_network_survives_overflow_and_infinities(axis):
    largest = np.finfo(np.float32).max
    image = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    image[50:60, 50:60] = largest
    image[52, 52:56] = np.nan
    image[120:130, 20:30] = np.inf
    image[130:140, 21:40] = -np.inf
    heap = bps.median_filter(image, 5, axis=axis, method="heap")
    assert heap.max() == np.inf
    assert_same(bps.median_filter(image, 5, axis=axis, method="network"), heap)


ORDERS = st.sampled_from("<>")


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f4", "<f8"])
def test_exposures_are_read_in_either_byte_order_without_a_copy(dtype):
    image = np.zeros((1000, 1000), dtype)
    running = RunningMinimum()
    running.fold(image)
    tracemalloc.start()
    try:
        running.fold(image, 1.0)
        bps.pedestal(image, (0, 10, 0, 10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (running.image == -1).all()
    assert peak < 100_000


@given(images(infinities=True), kernel_sizes(21), dispaxes(), flagfracs(), flagfracs(), edges)
@example(np.zeros((1, 1), np.float32), 1, None, 0.0, 0.0, "zero")
@example(np.full((3, 4), np.nan), 5, 1, 0.5, 0.5, "shrink")
def test_bad_pixels(image, k, dispaxis, lower, upper, edge):
    how = {
        "kernel_size": k,
        "dispaxis": dispaxis,
        "flagfrac_lower": lower,
        "flagfrac_upper": upper,
        "edge": edge,
    }
    ours, slow = bps.find_bad_pixels(image, **how), reference.find_bad_pixels(image, **how)
    assert_same(ours.mask, slow.mask)
    assert_same(ours.residual, slow.residual)
    assert_same([ours.cut_low, ours.cut_high], [slow.cut_low, slow.cut_high])
    assert (ours.n_low, ours.n_high) == (slow.n_low, slow.n_high)
    for index, expected in zip(ours.indices, np.where(slow.mask), strict=True):
        assert_same(index, expected)


def test_infinite_residuals_are_flagged_and_do_not_prevent_other_flags():
    rng = np.random.default_rng(8)
    image = rng.normal(size=(200, 200))
    image[20:81, 60] = np.inf
    image[100, 100] = 1e6
    found = bps.find_bad_pixels(image, dispaxis=1)
    assert found.mask[20:81, 60].all()
    assert found.mask[100, 100]
    assert np.isfinite([found.cut_low, found.cut_high]).all()


def test_means_of_the_largest_values_stay_finite():
    largest = np.finfo(np.float32).max
    line = np.full(4, largest, np.float32)
    assert_same(bps.median_filter(line, 3, edge="shrink"), line)
    assert bps.pedestal(line[np.newaxis], (0, 1, 0, 2)) == largest


def test_shrinking_edges_cause_no_extra_flags_near_the_border():
    image = np.random.default_rng(0).normal(100, 1, size=(200, 200))

    def share_of_border(edge):
        mask = bps.find_bad_pixels(image, dispaxis=2, edge=edge).mask
        return 1 - mask[7:-7].sum() / mask.sum()

    # The border rows hold 7 % of the pixels.
    assert share_of_border("zero") > 0.25
    assert share_of_border("shrink") < 0.15


FORMS = {
    "big-endian": lambda image: image.astype(image.dtype.newbyteorder(">")),
    "Fortran order": np.asfortranarray,
    "strided": lambda image: np.repeat(np.repeat(image, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda image: image[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
    "unaligned": lambda image: _unaligned(image),
    "nested lists": lambda image: image.tolist(),
}


def _unaligned(image):
    buffer = np.zeros(image.nbytes + 1, np.uint8)
    view = buffer[1:].view(image.dtype).reshape(image.shape)
    view[...] = image
    return view


@pytest.mark.parametrize(
    ("form", "dtype"),
    [(form, np.float64) for form in FORMS]
    # Lists are double precision.
    + [(form, np.float32) for form in FORMS if form != "nested lists"],
)
def test_any_layout_has_the_same_results(form, dtype):
    image = np.random.default_rng(3).normal(size=(20, 30)).astype(dtype)
    image[3, 4:9] = np.nan
    other = FORMS[form](image)
    gap = (2, 12, 3, 20)
    assert_same(bps.median_filter(other, 5, axis=0), bps.median_filter(image, 5, axis=0))
    assert_same(bps.median_filter(other, (3, 5)), bps.median_filter(image, (3, 5)))
    assert bps.pedestal(other, gap) == bps.pedestal(image, gap)
    assert_same(bps.minimum_image([other, other]), bps.minimum_image([image]))
    assert_same(bps.percentiles(other, [5.0, 50.0]), bps.percentiles(image, [5.0, 50.0]))
    found, expected = (bps.find_bad_pixels(each, dispaxis=None) for each in (other, image))
    assert_same(found.residual, expected.residual)


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [
        (np.float16, np.float32),
        (np.longdouble, np.float64),
        (np.int8, np.float64),
        (np.uint16, np.float64),
        (np.int64, np.float64),
        (">i4", np.float64),
    ],
)
def test_other_dtypes_are_converted(dtype, computed):
    image = np.random.default_rng(3).integers(0, 100, size=(9, 8)).astype(dtype)
    assert_same(
        bps.median_filter(image, 3, axis=1),
        bps.median_filter(image.astype(computed), 3, axis=1),
    )
    assert bps.minimum_image([image]).dtype == computed


def test_a_minimum_of_one_exposure_is_a_new_array():
    image = np.ones((2, 3))
    minimum = bps.minimum_image([image])
    minimum[:] = 0
    assert image.sum() == 6


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_images_without_pixels(shape):
    image = np.zeros(shape)
    assert bps.median_filter(image, 3, axis=0).shape == shape
    assert bps.median_filter(image, 3).shape == shape
    assert np.isnan(bps.pedestal(image, (0, 1, 0, 1)))
    assert np.isnan(bps.percentiles(image, [50.0])).all()
    assert bps.find_bad_pixels(image, dispaxis=None).n_high == 0


IMAGE = np.zeros((4, 5))
find = partial(bps.find_bad_pixels, dispaxis=1)
WRONG = [
    (lambda: bps.median_filter(IMAGE, 0), ValueError, "kernel_size must be 1 or more, got 0"),
    (lambda: bps.median_filter(IMAGE, -3), ValueError, "kernel_size must be 1 or more, got -3"),
    (lambda: bps.median_filter(IMAGE, 3.0), TypeError, "kernel_size must be a whole number"),
    (lambda: bps.median_filter(IMAGE, "3"), TypeError, "kernel_size must be a whole number"),
    (lambda: bps.median_filter(IMAGE, (3, 3, 3)), ValueError, "kernel_size must be one whole"),
    (lambda: bps.median_filter(IMAGE, (3, 3), axis=0), ValueError, "kernel_size must be one"),
    (
        lambda: bps.median_filter(IMAGE, 3, axis=2),
        ValueError,
        "axis must be from -2 to 1 or None, got 2",
    ),
    (
        lambda: bps.median_filter(IMAGE[0], 3, axis=1),
        ValueError,
        "axis must be from -1 to 0 or None, got 1",
    ),
    (lambda: bps.median_filter(IMAGE, 3, axis=1.0), TypeError, "axis must be a whole number"),
    (lambda: bps.median_filter(IMAGE, 3, edge="around"), ValueError, "edge must be 'zero', 'constant'"),
    (lambda: bps.median_filter(IMAGE, 3, method="fft"), ValueError, "method must be 'auto', 'heap' or 'network'"),
    (lambda: bps.median_filter(3.0, 3), ValueError, "image must have at least one dimension"),
    (lambda: bps.median_filter(IMAGE + 1j, 3), TypeError, "image must hold real numbers"),
    (lambda: bps.median_filter(IMAGE > 0, 3), TypeError, "image must hold real numbers"),
    (lambda: bps.median_filter([["a"]], 3), TypeError, "image must hold real numbers"),
    (lambda: bps.median_filter(np.ma.masked_array(IMAGE), 3), TypeError, "filled(numpy.nan)"),
    (lambda: bps.pedestal(IMAGE[0], (0, 1, 0, 1)), ValueError, "image must be 2-D"),
    (lambda: bps.pedestal(IMAGE, IMAGE[1:] > 0), ValueError, "gap must have the image's shape"),
    (lambda: bps.pedestal(IMAGE, (0, 1, 0)), ValueError, "gap must be (y0, y1, x0, x1)"),
    (lambda: bps.pedestal(IMAGE, (0, 1.5, 0, 1)), TypeError, "gap must be a boolean mask or"),
    (lambda: bps.pedestal(IMAGE, (3, 1, 0, 1)), ValueError, "gap must have 0 <= y0 <= y1"),
    (lambda: bps.pedestal(IMAGE, (-1, 1, 0, 1)), ValueError, "gap must have 0 <= y0 <= y1"),
    (lambda: bps.pedestal(IMAGE, (0, 1, -1, 1)), ValueError, "and 0 <= x0 <= x1, got (0, 1, -1"),
    (lambda: bps.minimum_image([]), ValueError, "images must hold at least one exposure"),
    (lambda: bps.minimum_image(IMAGE), ValueError, "images[0] must be 2-D, got shape (5,)"),
    (lambda: bps.minimum_image([IMAGE, IMAGE.T]), ValueError, "images[1] has shape (5, 4)"),
    (lambda: bps.minimum_image([IMAGE] * 2 + [IMAGE.T]), ValueError, "images[2] has shape (5, 4)"),
    (lambda: bps.minimum_image([IMAGE], [np.nan]), ValueError, "pedestals[0] must be finite"),
    (lambda: bps.minimum_image([IMAGE.astype("f4")], [1e300]), ValueError, "must be finite, got 1"),
    (lambda: bps.minimum_image([IMAGE], []), ValueError, "pedestals must be as many as images"),
    (lambda: bps.minimum_image([IMAGE], [1, 2]), ValueError, "pedestals must be as many as"),
    (lambda: bps.percentiles(IMAGE, [101.0]), ValueError, "q must be from 0 to 100"),
    (lambda: bps.percentiles(IMAGE, [np.nan]), ValueError, "q must be from 0 to 100"),
    (lambda: find(IMAGE[0]), ValueError, "minimum must be 2-D"),
    (lambda: find(IMAGE, kernel_size=14), ValueError, "must be odd, got 14"),
    (lambda: find(IMAGE, dispaxis=3), ValueError, "dispaxis must be 1"),
    (lambda: find(IMAGE, dispaxis="auto"), ValueError, "dispaxis must be 1"),
    (lambda: find(IMAGE, dispaxis=True), ValueError, "dispaxis must be 1"),
    (lambda: bps.find_bad_pixels(IMAGE), TypeError, "'dispaxis'"),
    (lambda: reference.find_bad_pixels(IMAGE), TypeError, "'dispaxis'"),
    (lambda: find(IMAGE, flagfrac_lower=0.6), ValueError, "flagfrac_lower must be"),
    (lambda: find(IMAGE, flagfrac_upper=-1), ValueError, "flagfrac_upper must be"),
    (lambda: find(IMAGE, flagfrac_upper=np.nan), ValueError, "flagfrac_upper"),
    (lambda: find(IMAGE, flagfrac_upper="a"), TypeError, "flagfrac_upper must be"),
    (lambda: find(IMAGE, edge=None), ValueError, "edge must be 'auto', 'zero' or 'shrink'"),
]


@pytest.mark.parametrize(("call", "error", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=re.escape(words)):
        call()


def test_windows_of_absurd_length():
    line = np.array([1.0, np.nan, 3.0])
    assert_same(bps.median_filter(line, 10**30 + 1, edge="shrink"), np.full(3, 2.0))
    assert_same(bps.median_filter(line[None], 10**30 + 1), np.zeros((1, 3)))


@pytest.mark.parametrize("shape", [(3, 20000), (20000, 3), (1, 50000), (50000, 1), (5, 6000)])
@pytest.mark.parametrize("axis", [0, 1])
def test_all_methods_are_equal_on_long_and_short_axes(shape, axis):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    image[np.random.default_rng(1).random(shape) < 0.1] = np.nan
    for k in (3, 15, 51):
        heap = bps.median_filter(image, k, axis=axis, method="heap")
        for method in ("network", "auto"):
            assert_same(bps.median_filter(image, k, axis=axis, method=method), heap)


# The peak of this program alone: that of getrusage begins with the peak of its parent.
PEAK = """
import numpy as np
import badpix_selfcal as bps
image = np.zeros((3, 500_000), np.float32)
bps.median_filter(image, 3, axis=0)
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) * 1024)
"""


def test_short_lines_take_little_memory():
    def peak(code):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return int(done.stdout)

    idle = peak(PEAK.replace("bps.median_filter(image, 3, axis=0)", ""))
    assert peak(PEAK) - idle < 6 * 3 * 500_000 * 4
