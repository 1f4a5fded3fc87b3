"""Rows crowded with flags: found in masks, reported by runs, and left unflagged on demand."""

from __future__ import annotations

import json
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning, instrument
from badpix_selfcal.arrays.crowded import LEAST_COUNT, crowded_rows, ranges_of, rows_in, spared
from badpix_selfcal.cli import main

from .exposures import header, planes, write
from .profiles import share

SHAPE = (64, 600)
TRACE = (20, 21, 40)


def scattered(seed, density, shape=SHAPE):
    return np.random.default_rng(seed).random(shape) < density


seeds = st.integers(0, 2**32 - 1)
densities = st.floats(0, 0.013)  # 1.3 times the most that is flagged of flight-like exposures
lengths = st.integers(LEAST_COUNT, SHAPE[1])


@given(seeds, st.floats(0, 1), st.sampled_from([SHAPE, (1, 90), (2048, 100), (5, 2048)]))
@example(1, 1.0, SHAPE)
@example(2, 0.012, (2048, 2048))
@example(2, 0.004, (2048, 2048))  # 2 %, the least share, is five times the usual
def test_scattered_flags_crowd_no_row_at_any_density(seed, density, shape):
    mask = scattered(seed, density, shape)
    assert crowded_rows(mask, dispaxis=1) == ()
    assert crowded_rows(mask.T, dispaxis=2) == ()


@pytest.mark.parametrize("density", [0.0025, 0.004, 0.009, 0.013])
def test_flags_in_threes_crowd_no_row_of_ten_detectors(density):
    """A hot pixel lights its neighbours."""
    for seed in range(10):
        events = scattered(seed, density / 3, (2048, 2048))
        mask = events.copy()
        mask[:, 1:] |= events[:, :-1]
        mask[:, :-1] |= events[:, 1:]
        assert crowded_rows(mask, dispaxis=1) == ()


@given(
    seeds,
    densities,
    st.sets(st.integers(0, SHAPE[0] - 1), max_size=8),
    st.integers(80, SHAPE[1]),
)
def test_a_flagged_trace_is_found_among_hot_pixels(seed, density, rows, length):
    mask = scattered(seed, density)
    mask[sorted(rows), :length] = True
    assert crowded_rows(mask, dispaxis=1) == tuple(sorted(rows))
    assert crowded_rows(mask.T, dispaxis=2) == tuple(sorted(rows))
    assert crowded_rows(mask, dispaxis=None) == ()


@given(seeds, densities, lengths, st.integers(0, SHAPE[0] - 1), st.floats(0, 1))
def test_further_flags_in_a_row_keep_it_crowded(seed, density, length, row, more):
    mask = scattered(seed, density)
    mask[row, :length] = True
    before = crowded_rows(mask, dispaxis=1)
    mask[row] |= scattered(seed + 1, more)[row]
    after = crowded_rows(mask, dispaxis=1)
    assert set(before) <= set(after) <= {*before, row}


@given(seeds, densities, st.integers(LEAST_COUNT, 100))
def test_flipping_the_image_flips_the_rows(seed, density, length):
    mask = scattered(seed, density)
    mask[list(TRACE), :length] = True
    rows = crowded_rows(mask, dispaxis=1)
    assert crowded_rows(mask[:, ::-1], dispaxis=1) == rows
    assert crowded_rows(mask[::-1], dispaxis=1) == tuple(SHAPE[0] - 1 - row for row in rows[::-1])


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
    ("how", "words"),
    [
        ({"dispaxis": 3}, "dispaxis must be 1"),
        ({"dispaxis": 1, "sensitive": np.ones((2, 2), bool)}, r"sensitive has shape \(2, 2\)"),
    ],
)
def test_wrong_arguments_are_refused(how, words):
    with pytest.raises(ValueError, match=words):
        crowded_rows(np.zeros(SHAPE, bool), **how)
    with pytest.raises(ValueError, match="mask must have two dimensions, got 1"):
        crowded_rows(np.zeros(5, bool), dispaxis=1)


@given(st.sets(st.integers(0, 30)))
def test_ranges_hold_each_row_once(rows):
    ranges = [part.split("-") for part in ranges_of(tuple(sorted(rows))).split(", ") if part]
    held = [number for each in ranges for number in range(int(each[0]), int(each[-1]) + 1)]
    assert held == sorted(rows)
    assert all(int(one[-1]) + 1 < int(next_[0]) for one, next_ in pairwise(ranges))
    assert rows_in(ranges_of(tuple(sorted(rows)))) == tuple(sorted(rows))


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


@pytest.fixture
def exposures(tmp_path):
    """A function that writes exposures with hot pixels and a narrow, rippled, fixed trace."""

    def made(axis=1, count=3, trace=TRACE):
        rng = np.random.default_rng(8)
        fixed = 50.0 * (rng.random(SHAPE) < 0.001)
        fixed[list(trace)] += 60 * (np.arange(SHAPE[1]) % 10 == 0)
        (tmp_path / "in").mkdir()
        for number in range(count):
            image = (rng.normal(0, 1, SHAPE) + fixed).astype(np.float32)
            how = {"detector": "NRS1", "exp_type": "NRS_MSASPEC", "dispaxis": axis}
            write(tmp_path / "in" / f"{number}_rate.fits", image if axis == 1 else image.T, **how)
        return sorted((tmp_path / "in").iterdir())

    return made


HOW = {"flagfrac_upper": 0.006}


@pytest.mark.parametrize("axis", [1, 2])
def test_a_run_reports_crowded_rows_and_spares_them_on_demand(tmp_path, exposures, axis):
    paths = exposures(axis)
    found = {}
    for spare, ending in ((False, "spare_crowded=True leaves"), (True, "they are left unflagged")):
        words = (
            rf"^0: 3 {('rows', 'columns')[axis - 1]} along the dispersion are crowded with flags"
        )
        with pytest.warns(SelfcalWarning, match=rf"{words} \(20-21, 40, .*{ending}") as warned:
            result = bps.selfcal(
                paths[0],
                selfcal=paths[1:],
                output_dir=tmp_path / f"{spare}",
                spare_crowded=spare,
                **HOW,
            )
        assert len(warned) == 1
        assert result.crowded_rows == TRACE
        flagged = planes(result.science)["DQ"] & instrument.BAD == instrument.BAD
        np.testing.assert_array_equal(flagged, result.bad_pixels.mask)
        assert f"spare_crowded={spare}" in " ".join(header(result.science)["HISTORY"])
        found[spare] = result.bad_pixels
    minimum = bps.minimum_image(planes(path)["SCI"] for path in paths)
    plain = bps.find_bad_pixels(minimum, dispaxis=axis, **HOW)
    np.testing.assert_array_equal(found[False].mask, plain.mask)
    assert (found[False].n_low, found[False].n_high) == (plain.n_low, plain.n_high)
    expected = plain.mask.copy()
    expected[(list(TRACE), slice(None)) if axis == 1 else (slice(None), list(TRACE))] = False
    np.testing.assert_array_equal(found[True].mask, expected)
    assert found[True].n_low + found[True].n_high == expected.sum() > 20


def test_sparing_with_the_sigma_cut(tmp_path, exposures):
    paths = exposures()
    how = {"selfcal": paths[1:], "cut": "sigma", "spare_crowded": True}
    with pytest.warns(SelfcalWarning, match="left unflagged"):
        result = bps.selfcal(paths[0], output_dir=tmp_path / "out", **how)
    assert set(result.crowded_rows) == set(TRACE)
    mask = result.bad_pixels.mask
    assert not mask[list(TRACE)].any()
    assert mask.sum() == result.bad_pixels.n_low + result.bad_pixels.n_high > 20


@pytest.mark.parametrize("spare", [False, True])
def test_without_crowded_rows_nothing_changes(tmp_path, exposures, spare):
    paths = exposures(trace=())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = bps.selfcal(
            paths[0], selfcal=paths[1:], output_dir=tmp_path / "out", spare_crowded=spare
        )
    minimum = bps.minimum_image(planes(path)["SCI"] for path in paths)
    plain = bps.find_bad_pixels(minimum, dispaxis=1)
    assert result.crowded_rows == ()
    np.testing.assert_array_equal(result.bad_pixels.mask, plain.mask)


@pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
def test_batch_spares_and_resumes(tmp_path, exposures):
    exposures()

    def run(spare):
        out = tmp_path / "out"
        how = {"spare_crowded": spare, "resume": True, "overwrite": True}
        return bps.batch(tmp_path / "in", output_dir=out, **how, **HOW)

    def statuses(result):
        return {each.status for each in result.exposures}

    first = run(False)
    assert first.groups[0].crowded_rows == {1: TRACE}
    assert first.groups[0].masks[1].mask[list(TRACE)].any()
    assert (statuses(first), statuses(run(False))) == ({"COMPLETE"}, {"KEPT"})
    second = run(True)
    assert statuses(second) == {"COMPLETE"}
    assert second.groups[0].crowded_rows == {1: TRACE}
    for each in second.exposures:
        assert not (planes(each.output)["DQ"] & instrument.BAD == instrument.BAD)[list(TRACE)].any()
    kept = run(True)
    assert (statuses(kept), kept.groups[0].crowded_rows) == ({"KEPT"}, {})


def test_the_commands(tmp_path, exposures, capsys):
    paths = [str(path) for path in exposures()]
    out = tmp_path / "out"
    run = ["run", paths[0], "--selfcal", paths[1], "--flagfrac-upper", "0.006"]
    assert main([*run, "--output-dir", f"{out}/1"]) == 0
    printed = capsys.readouterr()
    assert "  crowded   3 rows, flagged\n" in printed.out
    assert "look      3 lines crowded with flags: if light is flagged there, repeat " in printed.out
    assert "warning: 0: 3 rows along the dispersion are crowded" in printed.err
    assert main([*run, "--output-dir", f"{out}/2", "--spare-crowded", "--quiet", "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["products"]
    assert facts["crowded_rows"] == [*TRACE]
    assert main([*run, "--output-dir", f"{out}/3", "--spare-crowded"]) == 0
    printed = capsys.readouterr().out
    assert "  crowded   3 rows, left unflagged\n" in printed
    assert "look      --report shows" in printed
    assert f"{facts['n_low']} low + {facts['n_high']} high" in printed
    batch = ["batch", *paths, "--flagfrac-upper", "0.006", "--spare-crowded", "--json", "--quiet"]
    assert main([*batch, "--output-dir", f"{out}/4"]) == 0
    (group,) = json.loads(capsys.readouterr().out)["groups"]
    assert group["masks"][0]["crowded_rows"] == [*TRACE]


def test_spare_crowded_is_a_switch(tmp_path):
    with pytest.raises(TypeError, match="spare_crowded must be True or False, got 1"):
        bps.batch(tmp_path, spare_crowded=1)
