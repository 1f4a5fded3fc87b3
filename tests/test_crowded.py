"""Rows crowded with flags, and groups of flags that touch, in masks; runs: test_cuts_of_runs.py."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import badpix_selfcal as bps
from badpix_selfcal.arrays.crowded import crowded_rows, ranges_of, rows_in, spared
from badpix_selfcal.arrays.groups import groups_of

from .flagged_files import searched
from .profiles import share

SHAPE = (64, 600)


def scattered(seed, density, shape=SHAPE):
    return np.random.default_rng(seed).random(shape) < density


seeds = st.integers(0, 2**32 - 1)
densities = st.floats(0, 0.013)  # 1.3 times the most that is flagged of flight-like exposures


@given(seeds, st.floats(0, 1), st.sampled_from([SHAPE, (1, 90), (2048, 100), (5, 2048)]))
@example(1, 1.0, SHAPE)
@example(2, 0.012, (2048, 2048))
@example(2, 0.004, (2048, 2048))  # 2 %, the least share, is five times the usual
def test_scattered_flags_crowd_no_row_at_any_density(seed, density, shape):
    mask = scattered(seed, density, shape)
    assert crowded_rows(mask, dispaxis=1) == ()
    assert crowded_rows(mask.T, dispaxis=2) == ()


@given(
    seeds,
    densities,
    st.sets(st.integers(0, SHAPE[0] - 1), max_size=8),
    st.integers(80, SHAPE[1]),
)
def test_a_flagged_trace_is_found_among_hot_pixels(seed, density, rows, length):
    mask = scattered(seed, density)
    mask[sorted(rows), :length] = True
    rows = tuple(sorted(rows))
    assert crowded_rows(mask, dispaxis=1) == crowded_rows(mask[:, ::-1], dispaxis=1) == rows
    assert crowded_rows(mask.T, dispaxis=2) == rows
    assert crowded_rows(mask[::-1], dispaxis=1) == tuple(SHAPE[0] - 1 - row for row in rows[::-1])
    assert crowded_rows(mask, dispaxis=None) == ()


def test_the_limits():
    def found(count, n=600, others=0):
        mask = np.zeros((9, n), bool)
        mask[:, :others] = True
        mask[4, :count] = True
        return crowded_rows(mask, dispaxis=1)

    assert (found(39), found(40)) == ((), (4,))
    assert (found(60, 3000), found(61, 3000)) == ((), (4,))  # 2 %
    assert (found(50, others=10), found(51, others=10)) == ((), (4,))  # five times the median


def test_only_light_sensitive_pixels_count():
    mask = np.zeros(SHAPE, bool)
    mask[3, :50] = mask[5, :50] = True
    sensitive = np.ones(SHAPE, bool)
    sensitive[3, :20] = False
    sensitive[5, 80:] = False
    sensitive[10:] = False  # these rows are no standard
    assert crowded_rows(mask, dispaxis=1, sensitive=sensitive) == (5,)
    assert crowded_rows(mask, dispaxis=1, sensitive=np.zeros(SHAPE, bool)) == ()
    assert crowded_rows(np.zeros((0, 5), bool), dispaxis=1) == ()


@pytest.mark.parametrize(
    ("mask", "how", "words"),
    [
        (np.zeros(SHAPE, bool), {"dispaxis": 3}, "dispaxis must be 1"),
        (np.zeros(5, bool), {"dispaxis": 1}, "mask must have two dimensions, got 1"),
    ],
)
def test_wrong_arguments_are_refused(mask, how, words):
    with pytest.raises(ValueError, match=words):
        crowded_rows(mask, **how)


@given(st.sets(st.integers(0, 30)).map(sorted))
def test_ranges_hold_each_row_once(rows):
    ranges = [part.split("-") for part in ranges_of(tuple(rows)).split(", ") if part]
    assert all(int(one[-1]) + 1 < int(next_[0]) for one, next_ in pairwise(ranges))
    assert rows_in(ranges_of(tuple(rows))) == tuple(rows)


@share(0.5)
@given(
    seeds,
    st.sampled_from(["fraction", "sigma"]),
    st.sampled_from([1, 2]),
    st.sampled_from([np.float32, np.float64]),
    st.sets(st.integers(0, 29), min_size=1),
)
def test_sparing_changes_the_flags_and_counts_of_these_rows_only(seed, cut, axis, dtype, rows):
    rng = np.random.default_rng(seed)
    image = (rng.normal(0, 1, (30, 30)) + 30.0 * (rng.random((30, 30)) < 0.1)).astype(dtype)
    image[rng.random((30, 30)) < 0.02] = np.inf
    image[rng.random((30, 30)) < 0.02] = -np.inf
    how = {"flagfrac_lower": 0.1, "flagfrac_upper": 0.1} if cut == "fraction" else {}
    found = bps.find_bad_pixels(image, dispaxis=axis, cut=cut, **how)
    mask, rows = found.mask.copy(), tuple(sorted(rows))
    after = spared(found, rows, axis)
    np.testing.assert_array_equal(found.mask, mask)
    inside = np.zeros((30, 30), bool)
    inside[rows, :] = True
    inside = inside if axis == 1 else inside.T
    np.testing.assert_array_equal(after.mask, mask & ~inside)
    compared = found.residual if found.significance is None else found.significance
    low = after.mask & (compared < 0)
    assert (after.n_low, after.n_high) == (low.sum(), after.mask.sum() - low.sum())
    assert after.residual is found.residual
    assert spared(found, (), axis) is found
    assert spared(found, rows, None) is found


ENDS = arrays(
    np.int8,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([0, 0, 1, 1, -1]),
)
RESIDUALS = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0, 2.0, -3.0])


def grouped(ends, residual=None):
    place = np.flatnonzero(ends)
    values = np.ones(place.size) if residual is None else residual.ravel()[place]
    return groups_of(place, ends.ravel()[place] < 0, values, ends.shape[1])


@given(ENDS, st.data())
def test_the_groups_are_those_of_a_search(ends, data):
    residual = data.draw(arrays(np.float64, ends.shape, elements=RESIDUALS))
    found = grouped(ends, residual)
    pixels = [tuple(map(int, pixel)) for pixel in np.argwhere(ends)]
    groups = [{pixels[at] for at in np.flatnonzero(found.number == n)} for n in range(len(found))]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, searched(ends)))
    assert found.size.tolist() == [len(group) for group in groups]
    # Strong pixels come first, and so do the groups of the strongest ones.
    strength = np.where(ends < 0, -residual, residual)
    strength[np.isnan(strength)] = -np.inf
    strongest = [max(strength[pixel] for pixel in group) for group in groups]
    assert strongest == sorted(strongest, reverse=True)
    ordered = [pixels[at] for at in found.order]
    for group, first, brightest in zip(groups, found.first, found.brightest, strict=True):
        own = ordered[first : first + len(group)]
        assert {*own} == group
        values = [strength[pixel] for pixel in own]
        assert values == sorted(values, reverse=True)
        assert pixels[brightest] == own[0]


def winding(shape, step):
    """Return a path that winds through an image, line after line."""
    path = np.zeros(shape, np.int8)
    path[::step] = 1
    for turn, row in enumerate(range(0, shape[0] - step, step)):
        path[row : row + step, -1 if turn % 2 == 0 else 0] = 1
    return path


@pytest.mark.parametrize(
    ("ends", "number"),
    [
        (np.ones((1024, 1024), np.int8), 1),
        (np.tile(np.array([[1, 0], [0, 0]], np.int8), (512, 512)), 512**2),
        (np.indices((1024, 1024)).sum(0).astype(np.int8) % 2, 1),
        (winding((1024, 1024), 2), 1),
        (np.ascontiguousarray(winding((1024, 1024), 2).T), 1),
    ],
    ids=["full", "grid", "chessboard", "winding along rows", "along columns"],
)
def test_large_groups_take_seconds_at_most(ends, number):
    began = time.process_time()
    assert len(grouped(ends)) == number
    assert time.process_time() - began < 8
