"""Running medians of Dask arrays and of xarray's, against those of NumPy arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays.dask import median_filter
from badpix_selfcal.arrays.medians import BORDERS
from badpix_selfcal.testing import assert_same

da = pytest.importorskip("dask.array", reason="Dask is not installed")


@st.composite
def cases(draw):
    """Draw a cube in chunks, and the arguments of a running median."""
    shape = draw(st.tuples(*[st.integers(1, 24)] * 3))
    chunks = tuple(draw(st.integers(1, side)) for side in shape)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    cube = random.normal(size=shape).astype(draw(st.sampled_from(["f4", "f8"])))
    cube[random.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.95]))] = np.nan
    axes = draw(st.permutations(range(3)))[: draw(st.integers(1, 2))]
    lengths = [draw(st.integers(1, 12)) for _ in axes]
    how = {
        "kernel_size": lengths[0] if len(axes) == 1 else tuple(lengths),
        "axis": axes[0] if len(axes) == 1 else tuple(axes),
        "origin": tuple(draw(st.integers(-(each // 2), (each - 1) // 2)) for each in lengths),
        "edge": draw(st.sampled_from(BORDERS)),
        "min_count": draw(st.integers(1, int(np.prod(lengths)))),
    }
    if how["edge"] == "constant":
        how["fill"] = draw(st.sampled_from([1.0, np.nan]))
    return cube, chunks, how


@given(cases())
def test_chunks_have_the_medians_of_the_whole(case):
    cube, chunks, how = case
    ours = median_filter(da.from_array(cube, chunks), **how)
    expected = bps.median_filter(cube, **how)
    assert ours.dtype == expected.dtype
    assert ours.shape == expected.shape
    assert_same(ours.compute(scheduler="synchronous"), expected)


def test_the_work_is_done_in_chunks_also_of_whole_numbers():
    lazy = median_filter(da.zeros((1000, 30), chunks=(100, 30)), 15, axis=0)
    assert lazy.numblocks == (10, 1)
    counts = np.arange(40).reshape(5, 8)
    ours = median_filter(da.from_array(counts, (2, 3)), 3, edge="reflect")
    assert_same(ours.compute(), bps.median_filter(counts, 3, edge="reflect"))


def test_wrong_arguments_are_refused_at_once():
    with pytest.raises(TypeError, match="image must be a Dask array, got a ndarray"):
        median_filter(np.zeros((4, 5)), 3)
    with pytest.raises(ValueError, match=r"call image\.compute_chunk_sizes\(\) first"):
        median_filter(da.arange(9, chunks=3)[da.arange(9, chunks=3) > 4], 3)
    lazy = da.zeros((4, 5))
    with pytest.raises(ValueError, match="kernel_size must be 1 or more, got 0"):
        median_filter(lazy, 0)
    with pytest.raises(ValueError, match="min_count must be from 1 to the 9 samples"):
        median_filter(lazy, 3, min_count=10)
    with pytest.raises(ValueError, match="origin of a window of 3 must be"):
        median_filter(lazy, 3, origin=2)


@pytest.mark.parametrize("chunks", [None, {"x": 2}])
def test_coordinates_and_attributes_of_xarray_are_kept(chunks):
    """By the recipe of docs/how-to/medians.md."""
    xr = pytest.importorskip("xarray", reason="xarray is not installed")
    values = np.random.default_rng(3).normal(size=(40, 3, 4))
    values[5:9, 1] = np.nan
    coordinates = {"time": np.linspace(0, 1, 40), "x": [10, 20, 30, 40]}
    flux = xr.DataArray(values, coordinates, ["time", "y", "x"], "flux", {"units": "MJy/sr"})
    flux = flux if chunks is None else flux.chunk(chunks)
    smooth = xr.apply_ufunc(
        bps.median_filter,
        flux,
        kwargs={"kernel_size": 7, "axis": -1, "edge": "nearest"},
        input_core_dims=[["time"]],
        output_core_dims=[["time"]],
        dask="parallelized",
        output_dtypes=[flux.dtype],
        keep_attrs=True,
    ).transpose(*flux.dims)
    assert_same(smooth.values, bps.median_filter(values, 7, axis=0, edge="nearest"))
    assert (smooth.dims, smooth.attrs) == (flux.dims, flux.attrs)
    xr.testing.assert_equal(smooth.coords.to_dataset(), flux.coords.to_dataset())
