"""Running medians of arrays of any shape: windows, ends, counts, outputs, methods."""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import badpix_selfcal as bps
from badpix_selfcal import _kernels
from badpix_selfcal.arrays import reference
from badpix_selfcal.arrays.medians import BORDERS, NORMAL
from badpix_selfcal.testing import assert_same

LARGEST = np.finfo(np.float32).max

SAMPLES = st.sampled_from([np.nan, np.nan, np.inf, -np.inf, 0.0, 1.0, 1.0, -2.0, 1e30])
SAMPLES |= st.floats(-100, 100, width=32)


@st.composite
def arrays(draw, ndim=4, side=9):
    """Draw an array of one axis or more, in any layout."""
    shape = draw(npst.array_shapes(max_dims=ndim, max_side=side))
    dtype = draw(st.sampled_from(["f4", "f8", ">f4", ">f8", "f2"]))
    array = draw(npst.arrays("f4", shape, elements=SAMPLES, fill=st.just(np.nan)))
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    steps = [slice(None, None, draw(st.sampled_from([1, 1, -1, 2]))) for _ in shape]
    return array.transpose(draw(st.permutations(range(len(shape)))))[tuple(steps)]


@st.composite
def cases(draw):
    """Draw an array and the arguments of a running median."""
    array = draw(arrays())
    count = draw(st.integers(1, min(2, array.ndim)))
    axes = draw(st.permutations(range(-array.ndim, 0)))[:count]
    lengths = [draw(st.integers(1, 12)) for _ in axes]
    origins = [draw(st.integers(-(each // 2), (each - 1) // 2)) for each in lengths]
    edge = draw(st.sampled_from(BORDERS))
    how = {
        "kernel_size": lengths[0] if count == 1 else tuple(lengths),
        "axis": axes[0] if count == 1 else tuple(axes),
        "origin": origins[0] if count == 1 else tuple(origins),
        "edge": edge,
        "min_count": draw(st.integers(1, int(np.prod(lengths)))),
    }
    if edge == "constant":
        how["fill"] = draw(st.sampled_from([0.0, 0.1, -3.0, np.nan, np.inf]))
    return array, how


@given(cases(), st.sampled_from(["auto", "heap", "network"]))
def test_every_window_of_every_array(case, method):
    array, how = case
    before = array.copy()
    ours = bps.median_filter(array, method=method, **how)
    assert_same(ours, reference.median_filter(array, **how))
    assert ours.flags.c_contiguous
    assert_same(array, before)


@given(cases(), st.sampled_from([1.0, 2.5, "normal"]))
def test_deviations(case, scale):
    array, how = case
    ours = bps.mad_filter(array, scale=scale, **how)
    assert_same(ours, reference.mad_filter(array, scale=scale, **how))


@given(cases(), st.booleans(), st.booleans())
def test_medians_are_written_to_an_array(case, is_reversed, deviates):
    array, how = case
    function = bps.mad_filter if deviates else bps.median_filter
    expected = function(array, **how)
    out = np.full(expected.shape, 7, expected.dtype)
    target = out[::-1] if is_reversed else out
    assert function(array, out=target, **how) is target
    assert_same(target, expected)


def test_an_output_costs_no_new_memory():
    image = np.arange(1e6).reshape(1000, 1000)
    out = np.empty_like(image)

    def peak(**where):
        tracemalloc.start()
        try:
            found = bps.median_filter(image, 3, axis=0, **where)
            return tracemalloc.get_traced_memory()[1], found
        finally:
            tracemalloc.stop()

    most, found = peak(out=out)
    assert found is out
    assert most < image.nbytes / 100
    most, found = peak()
    assert most >= image.nbytes
    assert_same(found, out)


def test_without_an_axis_the_window_is_over_the_last_two():
    cube = np.random.default_rng(1).normal(size=(4, 9, 8))
    ours = bps.median_filter(cube, (3, 5), edge="nearest")
    for image, medians in zip(cube, ours, strict=True):
        assert_same(medians, bps.median_filter(image, (3, 5), edge="nearest"))
    assert_same(bps.median_filter(cube[0, 0], 5), bps.median_filter(cube[:1, 0], (1, 5))[0])


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 4), (0, 0, 0)])
@pytest.mark.parametrize("edge", BORDERS)
def test_arrays_without_samples(shape, edge):
    fill = {"fill": 1.0} if edge == "constant" else {}
    for axis in [None, *range(len(shape))]:
        out = bps.median_filter(np.empty(shape), 3, axis=axis, edge=edge, **fill)
        assert out.shape == shape


def test_a_trailing_window():
    line = np.array([1.0, 5.0, np.nan, 2.0])
    ours = bps.median_filter(line, 3, origin=1, edge="shrink", min_count=2)
    assert_same(ours, [np.nan, 3.0, 3.0, 3.5])


def test_whole_numbers_become_double_precision():
    image = np.array([[2**53, 2**53 + 1, 5]])
    ours = bps.median_filter(image, 1)
    assert ours.dtype == np.float64
    assert_same(ours, [[2.0**53, 2.0**53, 5.0]])
    assert bps.median_filter(image.astype(np.int16), 3, out=np.empty((1, 3))).dtype == np.float64


def test_windows_longer_than_any_array():
    line = np.array([1.0, np.nan, 2.0, 4.0])
    assert_same(bps.median_filter(line, 10**30, edge="shrink"), [2.0] * 4)
    assert_same(bps.median_filter(line[None], 10**30 + 1, min_count=10**9), np.zeros((1, 4)))
    with pytest.raises(ValueError, match="holds too many samples"):
        bps.median_filter(line, 10**30, edge="wrap")


def test_the_scale_of_normal_noise():
    noise = np.random.default_rng(2).normal(scale=3.0, size=200_000)
    scatter = bps.mad_filter(noise, 1001, scale="normal")
    assert np.median(scatter) == pytest.approx(3.0, rel=0.02)
    assert pytest.approx(1 / 0.6744897501960817, rel=1e-15) == NORMAL


def gappy(shape, dtype=np.float32, *, missing=0.1, seed=0):
    """Noise of which a part is missing."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape).astype(dtype)
    image[rng.random(shape) < missing] = np.nan
    return image


def assert_methods_agree(image, window, **how):
    heap = bps.median_filter(image, window, method="heap", **how)
    for method in ("network", "auto"):
        assert_same(bps.median_filter(image, window, method=method, **how), heap)
    return heap


@pytest.mark.parametrize("k", [3, 5, 9, 13, 15, 17, 23, 27, 31, 33, 51, 101, 501])
def test_all_methods_are_equal_on_many_long_lines(k):
    for dtype in (np.float32, np.float64):
        image = gappy((331, 413), dtype, seed=k)
        image[40:200, 50:250] = np.nan
        for edge in ("zero", "shrink"):
            for axis in (0, 1):
                assert_methods_agree(image, k, axis=axis, edge=edge)


@pytest.mark.parametrize(
    ("shape", "windows"),
    [
        *(((short, 20_000), (3, 15, 51)) for short in (1, 3, 5)),
        *(((20_000, short), (3, 15, 51)) for short in (1, 3)),
        ((60_000,), (3, 15, 33, 101, 1001, 1501, 1503)),
        ((97, 160), ((61, 61), (101, 101), (3, 301), (301, 3), (1501, 1))),
    ],
)
def test_all_methods_are_equal_on_long_lines_and_with_large_windows(shape, windows):
    image = gappy(shape, missing=0.05)
    image[len(image) // 3 : len(image) // 2] = np.nan
    for k in windows:
        for axis in (0, -1) if isinstance(k, int) else (None,):
            assert_methods_agree(image, k, axis=axis, edge="shrink")


def test_overflow_and_infinities_along_a_line():
    image = gappy((200, 200), missing=0)
    image[50:60, 50:60] = LARGEST
    image[52, 52:56] = np.nan
    image[120:130, 20:30] = np.inf
    image[130:140, 21:40] = -np.inf
    for axis in (0, 1):
        assert assert_methods_agree(image, 5, axis=axis).max() == np.inf


def test_overflow_and_infinities_in_a_rectangle():
    image = gappy((120, 150), missing=0)
    image[:40] = LARGEST
    image[60:90, ::2] = np.inf
    image[60:90, 1::3] = -np.inf
    image[100:, ::4] = np.nan
    for window in ((3, 3), (9, 9), (19, 5)):
        assert assert_methods_agree(image, window, edge="shrink")[10, 10] == LARGEST


# Fillers of opposite signs balance in most windows; in these patterns they are hardest to.
PATTERNS = {
    "few valid samples": lambda y, x: (y % 7 > 0) | (x % 7 > 0),
    "one valid sample in three": lambda y, x: (y % 2 > 0) | (x % 2 > 0),
    "every second sample": lambda y, x: (x + y) % 2 == 0,
    "every second column": lambda _, x: x % 2 == 0,
    "every second row": lambda y, _: y % 2 == 0,
    "a slanted border": lambda y, x: 3 * x > 4 * y,
    "blocks": lambda y, x: (x // 11 + y // 13) % 2 == 0,
    "half of them": lambda y, _: np.random.default_rng(5).random(y.shape) < 0.5,
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("window", [(3, 3), (7, 7), (15, 15), (5, 21), (31, 9)])
def test_all_methods_are_equal_where_fillers_do_not_balance(pattern, window):
    for dtype in (np.float32, np.float64):
        image = gappy((90, 130), dtype, missing=0)
        image[PATTERNS[pattern](*np.indices(image.shape))] = np.nan
        for edge in ("zero", "shrink"):
            assert_methods_agree(image, window, edge=edge)


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
    assert kernel == "copy" or _kernels.median_kernel(*window, *image, "heap") == "double heap"


def test_wrong_windows_and_methods_have_no_kernel():
    with pytest.raises(ValueError, match="a window must hold at least one sample"):
        _kernels.median_kernel(0, 3, 10, 10)
    with pytest.raises(ValueError, match="method must be"):
        _kernels.median_kernel(3, 3, 10, 10, "fast")


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


@pytest.mark.skipif(sys.platform != "linux", reason="measures the memory in /proc")
def test_short_lines_take_little_memory():
    def peak(code):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return int(done.stdout)

    idle = peak(PEAK.replace("bps.median_filter(image, 3, axis=0)", ""))
    assert peak(PEAK) - idle < 6 * 3 * 500_000 * 4


IMAGE = np.zeros((4, 5))
READ_ONLY = np.zeros((4, 5))
READ_ONLY.flags.writeable = False
WRONG = [
    ({"image": 3.0}, ValueError, "image must have at least one dimension"),
    ({"image": IMAGE + 1j}, TypeError, "image must hold real numbers"),
    ({"image": IMAGE > 0}, TypeError, "image must hold real numbers"),
    ({"image": [["a"]]}, TypeError, "image must hold real numbers"),
    ({"image": np.ma.masked_array(IMAGE)}, TypeError, "filled(numpy.nan)"),
    ({"image": IMAGE[0], "axis": 1}, ValueError, "axis must be from -1 to 0 or None, got 1"),
    ({"kernel_size": -3}, ValueError, "kernel_size must be 1 or more, got -3"),
    ({"kernel_size": 3.0}, TypeError, "kernel_size must be a whole number"),
    ({"kernel_size": "3"}, TypeError, "kernel_size must be a whole number"),
    ({"kernel_size": (3, 3, 3)}, ValueError, "kernel_size must be one whole number or 2"),
    ({"method": "fft"}, ValueError, "method must be 'auto', 'heap' or 'network', got 'fft'"),
    ({"kernel_size": 0}, ValueError, "kernel_size must be 1 or more, got 0"),
    ({"kernel_size": (3, 3), "axis": 0}, ValueError, "kernel_size must be one whole number along"),
    ({"axis": (0, 0)}, ValueError, "axis must be one axis or two different ones, got (0, 0)"),
    ({"axis": ()}, ValueError, "axis must be one axis or two different ones, got ()"),
    ({"axis": 2}, ValueError, "axis must be from -2 to 1 or None, got 2"),
    ({"axis": 0.5}, TypeError, "axis must be a whole number"),
    ({"origin": 2}, ValueError, "origin of a window of 3 must be from -1 to 1, got 2"),
    ({"kernel_size": 4, "origin": -3}, ValueError, "must be from -2 to 1, got -3"),
    ({"origin": (1,)}, ValueError, "origin must be one whole number or 2, got (1,)"),
    ({"edge": "grid-wrap"}, ValueError, "edge must be 'zero', 'constant', 'shrink', 'nearest'"),
    ({"edge": "constant"}, ValueError, "edge='constant' needs fill, the value beyond the border"),
    ({"fill": 1.0}, ValueError, "edge='zero' has no fill"),
    ({"edge": "constant", "fill": "a"}, TypeError, "fill must be a number, got 'a'"),
    ({"min_count": 0}, ValueError, "min_count must be from 1 to the 9 samples of the window"),
    ({"min_count": 10}, ValueError, "min_count must be from 1 to the 9 samples of the window"),
    ({"min_count": 1.5}, TypeError, "min_count must be a whole number"),
    ({"out": [1.0]}, TypeError, "out must be a plain ndarray, got a list"),
    ({"out": np.ma.zeros((4, 5))}, TypeError, "out must be a plain ndarray, got a MaskedArray"),
    ({"out": np.empty((4, 5), "f4")}, TypeError, "out must be float64 as the medians, got float32"),
    ({"out": np.empty((5, 4))}, ValueError, "out must have the image's shape (4, 5), got (5, 4)"),
    ({"out": READ_ONLY}, ValueError, "out is read-only"),
    ({"out": IMAGE}, ValueError, "out shares memory with image"),
    ({"out": IMAGE[::-1]}, ValueError, "out shares memory with image"),
]


@pytest.mark.parametrize(("how", "error", "words"), WRONG, ids=[words for *_, words in WRONG])
@pytest.mark.parametrize("function", [bps.median_filter, bps.mad_filter])
def test_wrong_arguments_are_named(function, how, error, words):
    with pytest.raises(error, match=re.escape(words)):
        function(**({"image": IMAGE, "kernel_size": 3} | how))
    assert not IMAGE.any()


@pytest.mark.parametrize(("scale", "error"), [("mad", ValueError), (None, TypeError)])
def test_wrong_scales(scale, error):
    with pytest.raises(error, match="scale must be a number or 'normal'"):
        bps.mad_filter(IMAGE, 3, scale=scale)


def test_an_output_beside_the_image_in_one_array():
    both = np.random.default_rng(3).normal(size=(6, 8))
    expected = bps.median_filter(both[:, :4], 3)
    bps.median_filter(both[:, :4], 3, out=both[:, 4:])
    np.testing.assert_array_equal(both[:, 4:], expected)
    with pytest.raises(ValueError, match="out shares memory with image"):
        bps.median_filter(both[:, :4], 3, out=both[:, 3:7])
