"""The drop-in for stcal's running median against the real one."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from badpix_selfcal.stcal import medfilt
from badpix_selfcal.testing import assert_same, images

stcal = pytest.importorskip("stcal.outlier_detection.utils", reason="stcal is not installed")

FLOATS = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<f16"]
WHOLES = ["i1", "<i2", ">i4", "<i8", ">i8", "u1", "<u2", "<u4", ">u8", "?"]


def outcome(function, arr, kern_size):
    """Return what a function returns, or the type of what it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # sums of infinities, overflows
        try:
            return function(arr, kern_size)
        except Exception as error:
            return error


def assert_as_stcal(arr, kern_size):
    before = np.array(arr, copy=True)
    ours, theirs = outcome(medfilt, arr, kern_size), outcome(stcal.medfilt, arr, kern_size)
    if isinstance(theirs, Exception):
        wanted = TypeError if isinstance(theirs, TypeError) else ValueError
        assert isinstance(theirs, wanted), repr(theirs)
        assert isinstance(ours, wanted), repr(ours)
        return
    assert type(ours) is type(theirs), repr(ours)
    assert_same(ours, theirs)
    assert ours.flags.writeable
    assert ours.flags.c_contiguous
    assert_same(before, arr)


@st.composite
def arrays(draw):
    """Arrays of any dtype, byte order and memory order that has a median."""
    dtype = np.dtype(draw(st.sampled_from(FLOATS + WHOLES)))
    shape = draw(npst.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7))
    if dtype.kind == "f":
        width = min(64, 8 * dtype.itemsize)
        few = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0, -1.0])
        largest = float(np.finfo(f"f{width // 8}").max)
        ends = st.sampled_from([largest, -largest, largest / 2, largest / 4])
        elements = few | ends | st.floats(-1000, 1000, width=width)
        elements |= st.floats(allow_nan=False, width=width)
    else:
        elements = npst.from_dtype(dtype)
    array = draw(npst.arrays(dtype, shape, elements=elements))
    how = draw(st.sampled_from(["plain", "F", "strided", "reversed", "read-only"]))
    if how == "F":
        return np.asfortranarray(array)
    if how == "strided":
        return array[..., ::2]
    if how == "reversed":
        return array[::-1]
    array.flags.writeable = how == "plain"
    return array


@given(arrays(), st.data())
def test_windows_of_any_lengths(array, data):
    lengths = st.sampled_from([1, 1, 2, 3, 4, 5, 9, 16, 25])
    assert_as_stcal(array, tuple(data.draw(lengths) for _ in range(array.ndim)))


@given(images(dtypes=("f2", "f4", "f8"), max_cols=12), st.booleans(), st.data())
def test_images_of_noise(image, other_order, data):
    if other_order:
        image = image.astype(image.dtype.newbyteorder())
    assert_as_stcal(image, [data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))])


@given(images(dtypes=("f2", "f4", "f8"), max_cols=5, max_rows=5, infinities=True), st.data())
def test_windows_of_many_samples(image, data):
    height = data.draw(st.integers(20, 40))
    assert_as_stcal(image, (height, data.draw(st.integers(600 // height, 33))))


@given(
    npst.arrays(np.float32, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    st.lists(st.integers(-3, 6), max_size=4)
    | st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)
    | st.integers(-2, 5)
    | st.lists(st.sampled_from([3, 3.0, True, None, "3", np.uint8(3), np.int16(3), 2**70, 1j])),
)
@example(np.zeros((), np.float32), ())
@example(np.zeros((), np.float32), (3,))
@example(np.zeros((0, 5), np.float32), (2, 3))
@example(np.zeros((0, 5), np.float32), (3, 3))
@example(np.zeros(4, np.float32), None)
def test_windows_that_may_be_refused(array, kern_size):
    assert_as_stcal(array, kern_size)


@pytest.mark.parametrize(
    "kern_size",
    [
        np.array([3, 2]),
        np.array([3, 3], np.uint8),
        np.array([3.0, 3.0]),
        np.array([[3, 3]]),
        np.array([[3], [3]]),
        [[3, 3]],
        range(3, 5),
        iter([3, 3]),
        {3: 0, 5: 0},
        "33",
        (True, np.int8(3)),
        (np.uint64(3), 3),
        (10**4, 1),
        (10**4, 3),
        (2**62, 1),
        (10**19, 1),
    ],
    ids=lambda window: "iterator" if isinstance(window, Iterator) else repr(window),
)
def test_unusual_windows(kern_size):
    array = np.random.default_rng(1).normal(size=(5, 6))
    if isinstance(kern_size, type(iter([]))):
        assert isinstance(outcome(stcal.medfilt, array, iter([3, 3])), TypeError)
        assert isinstance(outcome(medfilt, array, iter([3, 3])), TypeError)
    else:
        assert_as_stcal(array, kern_size)


@pytest.mark.parametrize("dtype", ["c8", ">c16", "m8[s]", "M8[s]", "O", "S3", "U2", "f4,i2"])
@pytest.mark.parametrize("kern_size", [(3, 3), (2, 3), (25, 25)])
def test_what_is_hardly_a_number(dtype, kern_size):
    numbers = np.random.default_rng(2).integers(-9, 9, size=(4, 5))
    array = np.zeros((4, 5), dtype) if "," in dtype else numbers.astype(dtype)
    theirs = outcome(stcal.medfilt, array, kern_size)
    ours = outcome(medfilt, array, kern_size)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs))
    else:
        assert_same(ours, theirs)


def test_subclasses_and_sequences():
    rng = np.random.default_rng(3)
    array = rng.normal(size=(6, 7))
    masked = np.ma.masked_less(array, 0)
    matrix = array.view(np.matrix)
    for given_array in (masked, masked.filled(np.nan), matrix, array.tolist()):
        for kern_size in ((3, 3), (1, 5), (4, 3)):
            assert_as_stcal(given_array, kern_size)
    assert_as_stcal([1, 2, 4], [3])
    assert_as_stcal(5.0, (3,))
    assert_as_stcal([], (2,))


def test_a_quantity_loses_its_unit_as_in_stcal():
    units = pytest.importorskip("astropy.units")
    assert_as_stcal(np.arange(12.0).reshape(3, 4) * units.Jy, (3, 3))


@pytest.mark.parametrize("k", [1, 3, 599, 601, 2, 598, 600, 602])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("part", [0.99, 0.5, 0.49])
def test_sums_overflow_where_they_do_in_stcal(k, dtype, part):
    line = np.full(700, part * float(np.finfo(dtype).max), dtype)
    line[::7] = np.nan
    line[100:200] *= -1
    assert_as_stcal(line, (k,))


@pytest.mark.parametrize(
    "kern_size", [(15, 1), (1, 15), (7, 7), (16, 1), (1, 16), (8, 7), (30, 30)]
)
def test_detectors(kern_size):
    rng = np.random.default_rng(4)
    image = rng.normal(size=(70, 90)).astype(np.float32)
    image[rng.random(image.shape) < 0.02] = np.nan
    assert_as_stcal(image, kern_size)
    assert_as_stcal(image.astype(">f8"), kern_size)


def test_cubes_with_windows_along_any_axes():
    rng = np.random.default_rng(5)
    cube = np.round(rng.normal(size=(4, 5, 6, 3)), 1)
    cube[rng.random(cube.shape) < 0.1] = np.nan
    for kern_size in [(3, 1, 1, 1), (1, 1, 1, 1), (1, 4, 1, 3), (3, 1, 2, 1), (1, 1, 5, 1)]:
        assert_as_stcal(cube, kern_size)
    assert math.prod(medfilt(cube, (2, 1, 2, 1)).shape) == 5 * 5 * 7 * 3
    assert_as_stcal(cube[0], (3, 3, 3))


def test_overflows_and_empty_windows_are_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(medfilt(np.full((3, 3), np.nan), (1, 1))).all()
        assert np.isinf(medfilt(np.full(3, 3e38, np.float32), (3,))[1])


def test_neither_stcal_nor_scikit_image_is_needed():
    code = """
import sys
for absent in ("stcal", "skimage", "scipy", "jwst", "astropy"):
    sys.modules[absent] = None
from badpix_selfcal.stcal import medfilt
print(medfilt([[1.0, 9.0, 2.0, 3.0]], (1, 3)), medfilt([1, 2], [2]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[[1.", "2.", "3.", "2.]]", "[0.5", "1.5", "1.", "]"]
