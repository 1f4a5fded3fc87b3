"""The suites of `badpix_selfcal.testing`: what holds, what does not, and what they say then."""

from __future__ import annotations

import re
import sys
import unittest
from functools import partial

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays.medians import BORDERS
from badpix_selfcal.testing import (
    Check,
    CheckFailed,
    check_find_bad_pixels,
    check_median_filter,
    check_minimum_image,
    check_pedestal,
    check_percentiles,
    check_step,
    find_bad_pixels_checks,
    median_filter_checks,
    minimum_image_checks,
    pedestal_checks,
    percentiles_checks,
    step_checks,
)
from badpix_selfcal.testing.drawn import imports_of

from . import mutants_of_edges, mutants_of_runs  # noqa: F401 - they add their mutants
from .mutants import MUTANTS

pytestmark = pytest.mark.filterwarnings("ignore")


COMMAND = [sys.executable, "-m", "badpix_selfcal", "run"]


def run_step(association, folder):
    bps.selfcal(association, output_dir=folder)


MEDIANS = [bps.median_filter, *(partial(bps.median_filter, method=m) for m in ("heap", "network"))]
EVERYTHING = {"edges": BORDERS, "even": True, "min_counts": True}

OURS = [
    *(check for median in MEDIANS for check in median_filter_checks(median)),
    *(check for median in MEDIANS for check in median_filter_checks(median, **EVERYTHING)),
    *percentiles_checks(bps.percentiles),
    *pedestal_checks(bps.pedestal),
    *minimum_image_checks(bps.minimum_image),
    *find_bad_pixels_checks(bps.find_bad_pixels),
    *find_bad_pixels_checks(partial(bps.find_bad_pixels, cut="sigma"), cut="sigma"),
    *step_checks(run_step),
    *step_checks([*COMMAND, "{association}", "--output-dir", "{output_dir}"]),
]


@pytest.mark.parametrize("check", OURS, ids=str)
def test_this_package_has_every_property(check):
    check(examples=settings().max_examples // 2)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_every_mutant_is_caught(mutant):
    caught = 0
    for check in mutant.suite(mutant.function):
        try:
            check(shrink=False)
        except CheckFailed as error:
            caught += 1
            assert "smallest example" in str(error)  # noqa: PT017
            break
    assert caught, f"{mutant.name} is not caught"


def test_there_are_mutants_of_every_suite():
    suites = {each.name.partition(":")[0] for each in MUTANTS}
    assert suites == {
        "median_filter",
        "percentiles",
        "pedestal",
        "minimum_image",
        "find_bad_pixels",
        "step",
    }
    assert len({each.name for each in MUTANTS}) == len(MUTANTS) >= 30


# What is drawn


def calls_of(**how):
    """Return the windows and the keywords that a check calls a running median with."""
    calls = []

    def recorded(image, window, **given):
        calls.append((window, given))
        return bps.median_filter(image, window, **given)

    check, *_ = median_filter_checks(recorded, oracle=bps.median_filter, **how)
    check(examples=200)
    return calls


def test_only_odd_windows_and_two_edges_are_drawn_unless_asked():
    calls = calls_of()
    assert {side % 2 for window, _ in calls for side in window} == {1}
    assert {(*given.items(),) for _, given in calls} == {(("edge", "zero"),), (("edge", "shrink"),)}


def test_edges_even_windows_and_counts_are_drawn_if_asked():
    calls = calls_of(**EVERYTHING)
    assert {given["edge"] for _, given in calls} == {*BORDERS}
    assert all(("fill" in given) == (given["edge"] == "constant") for _, given in calls)
    assert {side % 2 for window, _ in calls for side in window} == {0, 1}
    counts = {(given["min_count"], window[0] * window[1]) for window, given in calls}
    assert all(1 <= count <= size for count, size in counts)
    assert any(1 < count < size for count, size in counts)


@pytest.mark.parametrize("finite", [True, False])
def test_fills_are_drawn_of_every_kind(finite):
    calls = calls_of(edges=["constant"], finite=finite)
    fills = np.array([given["fill"] for _, given in calls])
    for kind in (fills == 0, fills < 0, fills > 1e10, np.isnan(fills)):
        assert kind.any()
    assert np.isinf(fills).any() == (not finite)


@pytest.mark.parametrize(
    ("mutant", "found_by"),
    [
        (mutants_of_edges.nearest_for_reflect, "padding"),
        (mutants_of_edges.fill_ignored, "padding"),
        (mutants_of_edges.fill_without_sign, "negation"),
        (mutants_of_edges.fill_is_clipped, "scale by powers of two"),
        (mutants_of_edges.even_window_shifted, "tiles"),
        (mutants_of_edges.wide_even_window_shifted, "transposition"),
        (mutants_of_edges.wrapped_one_row_off, "independence of distant samples"),
    ],
)
def test_properties_find_what_no_oracle_knows(mutant, found_by):
    checks = median_filter_checks(mutant, oracle=mutant, **EVERYTHING)
    (check,) = (each for each in checks if each.name == f"median_filter: {found_by}")
    with pytest.raises(CheckFailed):
        check(examples=500, shrink=False)


# Outsiders


def stcal_median(image, window, edge):
    from stcal.outlier_detection.utils import medfilt

    assert edge == "zero"
    return medfilt(image, window)


def test_stcal_has_every_property():
    check_median_filter(stcal_median, edges=["zero"], finite=True, empty=False)


def scipy_median(image, window, edge):
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")
    assert edge == "zero"
    return ndimage.median_filter(image, window, mode="constant")


def trailing_median(image, window, edge):
    bottleneck = pytest.importorskip("bottleneck", reason="bottleneck is not installed")
    assert edge == "shrink"
    height = min(window[0], len(image))  # it refuses longer ones
    return bottleneck.move_median(image, height, min_count=1, axis=0)


def failure_of(checks):
    """Return what the first check says that fails."""
    for check in checks:
        try:
            check()
        except CheckFailed as error:
            return error
    raise AssertionError("every check holds")


def test_where_scipy_differs():
    found = failure_of(median_filter_checks(scipy_median, edges=["zero"], finite=True))
    assert found.check == "median_filter: equals the oracle"
    assert "nan" in found.example  # it does not skip NaN
    assert "nan" in found.got
    assert "nan" not in found.expected


def test_where_bottleneck_differs():
    checks = median_filter_checks(trailing_median, edges=["shrink"], windows=[(3, 1)], finite=True)
    found = failure_of(checks)
    assert found.check == "median_filter: equals the oracle"
    names: dict[str, object] = {"trailing_median": trailing_median}
    exec(imports_of(found.example + found.expected), names)
    got = np.asarray(eval(found.example, names))
    expected = eval(found.expected, names)
    # Its window ends at the sample: the medians stand one row further down than ours.
    assert len(got) > 1
    assert not np.array_equal(got, expected, equal_nan=True)
    image = np.arange(9.0).reshape(9, 1) ** 2
    np.testing.assert_array_equal(
        trailing_median(image, (3, 1), "shrink")[2:], bps.median_filter(image, (3, 1))[1:-1]
    )


# What a failure says


def test_a_failure_has_all_that_repeats_it():
    def lower(image, window, edge):
        return np.floor(bps.median_filter(image, window, edge=edge))

    with pytest.raises(CheckFailed) as caught:
        check_median_filter(lower, edges=["shrink"])
    text = str(caught.value)
    assert re.search(
        r"smallest example: lower\((?:array|full)\(.*\), \(\d+, \d+\), edge='shrink'\)", text
    )
    (line,) = re.findall(r"repeat: +(.*)", text)
    imports, _, printed = line.rpartition("; ")
    call = printed.removeprefix("print(").removesuffix(")")
    names: dict[str, object] = {"lower": lower}
    exec(imports, names)
    got = eval(call, names)
    expected = eval(caught.value.expected, names)
    assert not np.array_equal(got, expected, equal_nan=True)
    assert np.array_equal(got, eval(caught.value.got, names), equal_nan=True)


def test_an_error_of_the_function_is_reported():
    def broken(*_):
        raise RuntimeError("no such kernel")

    with pytest.raises(CheckFailed, match="RuntimeError: no such kernel"):
        check_percentiles(broken)


def test_a_function_that_varies_is_reported():
    counter = iter(range(10**9))

    def varying(image, gap):
        return bps.pedestal(image, gap) + next(counter) % 7

    with pytest.raises(CheckFailed):
        check_pedestal(varying)


def test_a_program_that_fails_is_reported():
    with pytest.raises(CheckFailed, match="status 2"):
        check_step([*COMMAND, "{association}", "--nonsense"])


def test_a_program_that_writes_nothing_is_reported():
    with pytest.raises(CheckFailed, match="no flagged file is written"):
        check_step(lambda *_: None)


def test_all_suites_take_examples_and_a_seed():
    check_minimum_image(bps.minimum_image, examples=3, seed=1)
    check_find_bad_pixels(bps.find_bad_pixels, examples=3, seed=1)
    check_step(run_step, examples=3, seed=1)


class TestInUnittest(unittest.TestCase):
    def test_pedestals(self):
        for check in pedestal_checks(bps.pedestal):
            with self.subTest(check=str(check)):
                check(examples=5)


@pytest.mark.parametrize(("asked", "drawn"), [(100, 10), (1, 1), (2000, 2000)])
def test_a_thorough_run_draws_all_examples(asked, drawn):
    seen = []
    check = Check(
        "counts", seen.append, st.integers(0, 10**9), lambda trial, each: trial(each), 0.1
    )
    check(examples=asked)
    assert len(seen) >= drawn
    assert len({*seen}) > 0.9 * drawn
