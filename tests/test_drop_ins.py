"""Running medians under the names of other packages, against those packages."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from badpix_selfcal import bottleneck as our_bottleneck
from badpix_selfcal import ndimage as our_ndimage
from badpix_selfcal import signal as our_signal
from badpix_selfcal.testing import assert_same

from .peers import outcomes

ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")
bottleneck = pytest.importorskip("bottleneck", reason="bottleneck is not installed")

MODES = ["reflect", "constant", "nearest", "mirror", "wrap"]
OTHER_NAMES = ["grid-mirror", "grid-constant", "grid-wrap"]
FLOATS = ["<f4", ">f4", "<f8", ">f8"]
WHOLES = ["i1", "u1", "<i2", ">u2", "<i4", "<u4", "<i8", ">u8", "?"]
SAMPLES = st.sampled_from([np.nan, np.inf, -np.inf, 1.0, 1.0, -2.0, 1e-40, 1e30])
SAMPLES |= st.floats(-1000, 1000, width=32)


@st.composite
def arrays(draw, dtypes, ndim=3):
    """Draw an array of one sample or more."""
    shape = draw(npst.array_shapes(max_dims=ndim, max_side=9))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    if dtype.kind != "f":
        return draw(npst.arrays(dtype, shape))
    return draw(npst.arrays("f4", shape, elements=SAMPLES)).astype(dtype)


def theirs(array, function, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN, sums of infinities
        return ndimage.generic_filter(array, function, **how)


@st.composite
def filters(draw, dtypes):
    """Draw an array and arguments of `scipy.ndimage.generic_filter`."""
    array = draw(arrays(dtypes))
    sizes = [1] * array.ndim
    for axis in draw(st.permutations(range(array.ndim)))[:2]:
        sizes[axis] = draw(st.integers(1, 7))
    origins = [draw(st.integers(-(each // 2), (each - 1) // 2)) for each in sizes]
    mode = draw(st.sampled_from(MODES + OTHER_NAMES))
    how = {"size": tuple(sizes), "origin": tuple(origins), "mode": mode}
    if array.ndim <= 2 and draw(st.booleans()):
        how |= {"size": draw(st.integers(1, 5)), "origin": 0}
    if "constant" in mode:
        how["cval"] = draw(st.sampled_from([0.0, 0.1, -3.0, np.nan]))
    return array, how


class TestScipy:
    @given(filters(FLOATS))
    def test_it_equals_generic_filter(self, case):
        array, how = case
        ours = our_ndimage.nanmedian_filter(array, **how)
        assert_same(ours, theirs(array, np.nanmedian, **how))
        assert_same(our_ndimage.generic_filter(array, np.nanmedian, **how), ours)

    @given(filters(WHOLES))
    def test_whole_numbers(self, case):
        array, how = case
        if np.isnan(how.get("cval", 0)):
            return  # NaN is no whole number: scipy's results differ from machine to machine
        ours = our_ndimage.nanmedian_filter(array, **how)
        expected = theirs(array, np.nanmedian, **how)
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)

    @given(filters(["<f4", "<f8"]))
    def test_without_nan_an_odd_window_is_that_of_median_filter(self, case):
        array, how = case
        array = np.nan_to_num(array)
        sizes = np.broadcast_to(how["size"], array.ndim).tolist()
        how["size"] = tuple(each - (each % 2 == 0) for each in sizes)
        how["origin"], how["cval"] = 0, np.float32(how.get("cval", 0.0))
        if np.isnan(how["cval"]):
            how["cval"] = 2.0
        if (array.shape, how["mode"]) == ((how["size"][0] // 2,), "mirror"):
            return  # scipy 1.17.1 reads memory beyond such a line: its results change
        expected = ndimage.median_filter(array, **how)
        assert_same(our_ndimage.nanmedian_filter(array, **how), expected)

    @given(arrays(FLOATS), st.data())
    def test_some_axes(self, array, data):
        axes = data.draw(st.permutations(range(-array.ndim, 0)))[: min(2, array.ndim)]
        how = {"size": tuple(range(3, 3 + len(axes))), "axes": tuple(axes)}
        how["origin"] = tuple(range(-1, len(axes) - 1))
        ours = our_ndimage.nanmedian_filter(array, **how)
        assert_same(ours, theirs(array, np.nanmedian, **how))

    @pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u1"])
    def test_outputs(self, dtype):
        array = np.random.default_rng(1).integers(0, 99, (6, 7)).astype("f8")
        expected = theirs(array, np.nanmedian, size=4, output=dtype)
        assert our_ndimage.nanmedian_filter(array, 4, output=dtype).dtype == expected.dtype
        for output in (np.empty((6, 7), dtype), np.empty((7, 6), dtype).T, array.astype(dtype)):
            ours = our_ndimage.nanmedian_filter(array, 4, output=output)
            assert ours is output
            np.testing.assert_array_equal(ours, expected)
        before = theirs(array, np.nanmedian, size=3)
        assert_same(our_ndimage.nanmedian_filter(array, 3, output=array), before)

    @given(arrays(["<f4", ">f4"], ndim=2), st.sampled_from(["f4", "f8", "i8"]))
    def test_an_output_of_another_type_is_rounded_once(self, array, dtype):
        array = np.clip(array, -1e9, 1e9)
        if dtype == "i8":
            array = np.nan_to_num(array)
        expected = theirs(array.astype("f8"), np.nanmedian, size=2, output=dtype)
        assert_same(our_ndimage.nanmedian_filter(array, 2, output=dtype), expected)

    def test_arguments_of_wrong_types_are_named(self):
        for dtype in (complex, object, "U5", "M8[s]"):
            with pytest.raises(TypeError, match="output must hold real numbers, got dtype"):
                our_ndimage.nanmedian_filter(np.zeros((4, 5)), 3, output=dtype)
        with pytest.raises(TypeError, match="cval must be a number, got 'a'"):
            our_ndimage.nanmedian_filter(np.zeros(4), 3, mode="constant", cval="a")

    def test_full_footprints(self):
        array = np.random.default_rng(3).normal(size=(6, 7))
        full = np.ones((2, 3), bool)
        expected = theirs(array, np.nanmedian, footprint=full)
        assert_same(our_ndimage.nanmedian_filter(array, footprint=full), expected)
        with pytest.warns(UserWarning, match="ignoring size because footprint is set"):
            ours = our_ndimage.nanmedian_filter(array, 5, footprint=full)
        assert_same(ours, expected)

    def test_what_the_kernels_lack_is_left_to_scipy(self):
        cube = np.random.default_rng(4).normal(size=(4, 5, 6))
        cross = ndimage.generate_binary_structure(2, 1)
        for how in ({"size": 3}, {"footprint": cross, "axes": (0, 2)}):
            expected = theirs(cube, np.nanmedian, **how)
            assert_same(our_ndimage.generic_filter(cube, np.nanmedian, **how), expected)
            with pytest.raises(ValueError, match=r"scipy\.ndimage"):
                our_ndimage.nanmedian_filter(cube, **how)
        ours = our_ndimage.generic_filter(cube[0], np.ptp, 3, mode="nearest")
        assert_same(ours, theirs(cube[0], np.ptp, size=3, mode="nearest"))
        q = {"extra_arguments": (25,)}
        expected = theirs(cube[0], np.nanpercentile, size=3, **q)
        assert_same(our_ndimage.generic_filter(cube[0], np.nanpercentile, 3, **q), expected)

    @pytest.mark.parametrize(
        ("how", "words"),
        [
            ({}, "size or footprint must be given"),
            ({"size": 0}, "size must be 1 or more along every axis, got 0"),
            ({"size": (3, 3, 3)}, "size must be one whole number or 2, got (3, 3, 3)"),
            ({"size": 3, "mode": "zero"}, "mode must be 'reflect', 'grid-mirror', 'constant'"),
            ({"size": 3, "origin": 2}, "origin of a window of 3 must be from -1 to 1, got 2"),
            ({"size": (1, 3), "origin": 1}, "origin must be 0 where the window has one sample"),
            ({"size": 3, "axes": 2}, "axes must be from -2 to 1, got 2"),
            ({"size": 3, "axes": (0, -2)}, "axes must be different axes, got (0, -2)"),
            ({"size": 3, "output": np.empty(3)}, "output must have the input's shape (4, 5), got"),
            ({"footprint": [True]}, "footprint must have 2 dimensions as axes, got 1"),
        ],
    )
    def test_wrong_arguments(self, how, words):
        with pytest.raises(ValueError, match=re.escape(words)):
            our_ndimage.nanmedian_filter(np.zeros((4, 5)), **how)
        with pytest.raises((ValueError, RuntimeError, IndexError)):
            ndimage.generic_filter(np.zeros((4, 5)), np.nanmedian, **how)

    def test_holes_are_filtered_in_batches(self):
        if not hasattr(ndimage, "vectorized_filter"):
            pytest.skip("this scipy has no vectorized_filter")
        samples = np.random.default_rng(5).normal(size=(7, 8, 6))
        samples[samples < -1] = np.nan
        holes = np.random.default_rng(6).random((2, 3, 4)) < 0.7
        calls = [{"size": (2, 1, 3), "mode": mode} for mode in MODES + OTHER_NAMES]
        calls += [{"size": (2, 3, 4), "mode": mode, "cval": 0.1} for mode in MODES + OTHER_NAMES]
        calls += [{"footprint": holes, "origin": (-1, 1, 0)}, {"size": 3, "output": "f4"}]
        calls += [{"footprint": holes[0], "axes": (2, 0)}, {"footprint": holes[0], "axes": (0, 2)}]
        for how in calls:
            expected = theirs(samples, np.nanmedian, **how)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # all NaN
                ours = our_ndimage.generic_filter(samples, np.nanmedian, **how)
            assert_same(ours, expected)

    def test_scipy_is_imported_only_if_it_is_needed(self):
        code = (
            "import sys, numpy; from badpix_selfcal.ndimage import generic_filter, median_filter; "
            "generic_filter(numpy.ones((4, 5)), numpy.nanmedian, 3); "
            "median_filter(numpy.ones((4, 5)), 3); "
            "assert 'scipy' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    @pytest.mark.parametrize(
        "name", ["bottleneck", "astropy.stats.nanfunctions", "photutils.utils._stats"]
    )
    def test_nanmedians_of_other_packages(self, name, monkeypatch):
        nanmedian = pytest.importorskip(name).nanmedian
        array = np.random.default_rng(7).normal(size=(9, 8))
        array[2:4] = np.nan
        expected = theirs(array, nanmedian, size=3)
        monkeypatch.setattr(our_ndimage, "of_scipy", None)  # the kernels do it
        assert_same(our_ndimage.generic_filter(array, nanmedian, size=3), expected)

    def test_without_scipy(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
        with pytest.raises(
            ImportError, match=r"scipy\.ndimage\.median_filter computes this .*even"
        ):
            our_ndimage.median_filter(np.zeros((4, 5)), 4)
        with pytest.raises(ValueError, match="size must be 1 or more along every axis, got 0"):
            our_ndimage.median_filter(np.zeros((4, 5)), 0)

    @given(filters([*FLOATS, *WHOLES]))
    @example((np.array([[1 << 53, (1 << 53) + 1, (1 << 53) + 2]]), {"size": (1, 3)}))
    @example((np.array([[3.0, np.nan, 1.0]]), {"size": (1, 3)}))
    @example((np.zeros((2, 3), "u1"), {"size": 3, "mode": "constant", "cval": 0.5}))
    def test_it_equals_median_filter(self, case):
        array, how = case
        if array.ndim == 1:
            array = array[None]  # scipy 1.17.1 writes beyond some lines: its results change
            how = {**how, "size": (1, *np.atleast_1d(how["size"])), "origin": 0}
        if np.isnan(how.get("cval", 0)):
            return
        ours = our_ndimage.median_filter(array, **how)
        assert_same(ours, ndimage.median_filter(array, **how))

    @pytest.mark.parametrize(
        "how",
        [
            {},
            {"size": 0},
            {"size": True},
            {"size": 3, "mode": "zero"},
            {"size": 3, "origin": 2},
            {"size": 3, "axes": 2},
            {"size": 3, "output": np.empty(3)},
            {"size": 3, "footprint": [True]},
            {"size": 3, "mode": ["reflect", "nearest"]},
        ],
    )
    def test_errors_are_those_of_scipy(self, how):
        for name, function in (("median_filter", ()), ("generic_filter", (np.nanmedian,))):
            caught = []
            for module in (ndimage, our_ndimage):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    try:
                        caught.append(getattr(module, name)(np.zeros((4, 5)), *function, **how))
                    except Exception as error:
                        caught.append((type(error), str(error)))
            assert str(caught[0]) == str(caught[1])

    @given(filters(["f4", "f8", "i2", "u1", "i8"]))
    def test_vectorized_filter(self, case):
        array, how = case
        if not hasattr(ndimage, "vectorized_filter"):
            pytest.skip("this scipy has no vectorized_filter")
        if how["mode"] in OTHER_NAMES:
            how |= {"mode": "valid", "origin": None}
        if how["mode"] != "constant" or (np.isnan(how["cval"]) and array.dtype.kind != "f"):
            how.pop("cval", None)
        if (
            how["mode"] == "valid"
            and (np.broadcast_to(how["size"], array.ndim) > array.shape).any()
        ):
            return
        results = []
        for module in (ndimage, our_ndimage):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                results.append(module.vectorized_filter(array, np.nanmedian, **how))
        assert_same(results[1], results[0])


class TestSignal:
    @given(arrays(["<f4", "<f8", *WHOLES[:-1]]), st.data())
    def test_it_equals_medfilt(self, array, data):
        signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")
        odd = st.sampled_from([1, 3, 5])
        sizes = data.draw(st.none() | odd | st.tuples(*[odd] * array.ndim))
        if array.ndim == 1:
            array = array[None]  # scipy 1.17.1 writes beyond some lines: its results change
            sizes = (1, *np.atleast_1d(sizes)) if isinstance(sizes, tuple) else sizes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the window is longer than an axis
            expected = signal.medfilt(array, sizes)
            assert_same(our_signal.medfilt(array, sizes), expected)
            if array.ndim == 2 and sizes is not None:
                expected = signal.medfilt2d(array, sizes)
                assert_same(our_signal.medfilt2d(array, sizes), expected)

    def test_errors_are_those_of_scipy(self):
        signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")
        for name, args in (
            ("medfilt", (np.zeros((4, 5)), 2)),
            ("medfilt", (np.zeros((4, 5)), (3, 3, 3))),
            ("medfilt", (np.zeros(4, bool), 3)),
            ("medfilt2d", (np.zeros(4), 3)),
            ("medfilt2d", (np.zeros((4, 5)), (3, 4))),
        ):
            with pytest.raises(Exception) as theirs_:
                getattr(signal, name)(*args)
            with pytest.raises(type(theirs_.value), match=re.escape(str(theirs_.value))):
                getattr(our_signal, name)(*args)


class TestBottleneck:
    @given(arrays([*FLOATS, *WHOLES]), st.data())
    @example(np.array([np.inf, -np.inf, np.nan, 1.0]), None)
    def test_it_equals_move_median(self, array, data):
        axis, window, least = 0, 2, 1
        if data is not None:
            axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
            window = data.draw(st.integers(1, array.shape[axis]))
            least = data.draw(st.none() | st.integers(1, window))
        ours = our_bottleneck.move_median(array, window, least, axis)
        with np.errstate(invalid="ignore"):
            expected = bottleneck.move_median(array, window, least, axis)
        assert ours.dtype == expected.dtype
        assert_same(ours, expected)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"window": 0},
            {"window": 6},
            {"window": 3, "min_count": 0},
            {"window": 3, "min_count": 4},
            {"window": 3, "axis": 2},
        ],
    )
    def test_wrong_arguments(self, wrong):
        name = list(wrong)[-1]
        with pytest.raises(ValueError, match=rf"^{name} must be from -?\d+ to"):
            our_bottleneck.move_median(np.zeros((4, 5)), **wrong)
        with pytest.raises(ValueError):
            bottleneck.move_median(np.zeros((4, 5)), **wrong)

    def test_the_tests_of_bottleneck_pass(self):
        found = outcomes("bottleneck.tests.move_test", "", "-p", "tests.peers")
        assert len(found) >= 30
        assert {*found.values()} == {"passed"}

    def test_types_are_kept(self):
        for dtype in ("f2", "<f4", ">f4", ">f8", "g"):
            ours = our_bottleneck.move_median(np.arange(5).astype(dtype), 2)
            assert ours.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(ours, [np.nan, 0.5, 1.5, 2.5, 3.5])


class TestJwst:
    @given(arrays([*FLOATS, "<i4"]).map(lambda array: array[..., None]), st.integers(2, 12))
    def test_it_equals_the_moving_median_of_time_series(self, array, window):
        pytest.importorskip("jwst", reason="jwst is not installed")
        from jwst.outlier_detection import tso

        import badpix_selfcal.jwst as our_jwst

        if window // 2 >= len(array):
            with pytest.raises(IndexError):
                tso.moving_median_over_zeroth_axis(array, window)
            assert np.isnan(our_jwst.moving_median_over_zeroth_axis(array, window)).all()
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # sums of infinities
            expected = tso.moving_median_over_zeroth_axis(array, window)
        assert_same(our_jwst.moving_median_over_zeroth_axis(array, window), expected)

    def test_a_window_of_one_sample_is_refused(self):
        pytest.importorskip("jwst", reason="jwst is not installed")
        import badpix_selfcal.jwst as our_jwst

        with pytest.raises(ValueError, match="w must be greater than 1, got 1"):
            our_jwst.moving_median_over_zeroth_axis(np.zeros((4, 5)), 1)

    @given(
        st.sampled_from(["f4", "f8"]).flatmap(
            lambda dtype: npst.arrays(dtype, (7, 3), elements=SAMPLES, unique=False)
        ),
        npst.arrays("u4", (7, 3), elements=st.sampled_from([0, 0, 1, 2, 3])),
        st.integers(2, 6),
    )
    def test_it_equals_the_median_of_reference_pixels(self, data, dq, length):
        pytest.importorskip("jwst", reason="jwst is not installed")
        from jwst.refpix.reference_pixels import NIRDataset

        import badpix_selfcal.jwst as our_jwst

        dataset = NIRDataset.__new__(NIRDataset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # sums of infinities
            expected = NIRDataset.median_filter(dataset, data, dq, length)
        assert_same(our_jwst.reference_median(dataset, data, dq, length), expected)
