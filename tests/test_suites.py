"""The suites of `badpix_selfcal.testing`: what holds, what does not, and what they say then."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import settings

import badpix_selfcal as bps
from badpix_selfcal.testing import (
    CheckFailed,
    find_bad_pixels_checks,
    median_filter_checks,
    minimum_image_checks,
    pedestal_checks,
    percentiles_checks,
    run,
    step_checks,
)

from .mutants import EVERYTHING, MUTANTS

pytestmark = pytest.mark.filterwarnings("ignore")


def run_command(association, folder):
    words = ["run", str(association), "--output-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "badpix_selfcal", *words], capture_output=True)


def run_step(association, folder):
    bps.selfcal(association, output_dir=folder)


MEDIANS = [bps.median_filter, *(partial(bps.median_filter, method=m) for m in ("heap", "network"))]

OURS = [
    *(check for median in MEDIANS for check in median_filter_checks(median)),
    *(check for median in MEDIANS for check in median_filter_checks(median, **EVERYTHING)),
    *percentiles_checks(bps.percentiles),
    *pedestal_checks(bps.pedestal),
    *minimum_image_checks(bps.minimum_image),
    *find_bad_pixels_checks(bps.find_bad_pixels),
    *find_bad_pixels_checks(partial(bps.find_bad_pixels, cut="sigma"), cut="sigma"),
    *step_checks(run_step),
    *step_checks(run_command),
]


@pytest.mark.parametrize("check", OURS, ids=str)
def test_this_package_has_every_property(check):
    check(examples=settings().max_examples // 2)


@pytest.mark.parametrize("checks", MUTANTS.values(), ids=MUTANTS)
def test_every_fault_is_found(checks):
    for check in checks:
        try:
            check(shrink=False)
        except CheckFailed as error:
            assert "smallest example" in str(error)  # noqa: PT017
            return
    raise AssertionError("every check holds")


def failure_of(checks):
    """Return what the first check says that fails."""
    for check in checks:
        try:
            check()
        except CheckFailed as error:
            return error
    raise AssertionError("every check holds")


def test_a_failure_has_all_that_repeats_it():
    def lower(image, window, edge):
        return np.floor(bps.median_filter(image, window, edge=edge))

    found = failure_of(median_filter_checks(lower, edges=["shrink"]))
    (example,) = re.findall(
        r"smallest example: (lower\(array\(.*\), edge='shrink'\))\n", str(found)
    )
    got = eval(example, {"lower": lower, **vars(np)})
    np.testing.assert_array_equal(got, lower(*found.call.arguments, **found.call.keywords))
    assert not np.array_equal(got, bps.median_filter(*found.call.arguments, **found.call.keywords))
    assert f"ACTUAL: {got!r}"[:20] in str(found)


def test_a_failure_on_a_large_image_is_short_and_keeps_the_image():
    checks = median_filter_checks(lambda image, window, edge: np.zeros_like(image))  # noqa: ARG005
    (check,) = (each for each in checks if "large" in each.name)
    with pytest.raises(CheckFailed, match="Mismatched elements: ") as caught:
        check(shrink=False)
    assert caught.value.call.arguments[0].size >= 10_000
    assert len(str(caught.value)) < 3000


def varying(image, gap, counter=iter(range(10**9))):  # noqa: B008
    return bps.pedestal(image, gap) + next(counter) % 7


@pytest.mark.parametrize(
    ("suite", "function", "says"),
    [
        (percentiles_checks, lambda *_: 1 / 0, "ZeroDivisionError"),
        (pedestal_checks, varying, "the result is another|does not return the same"),
        (step_checks, lambda *_: None, "written: no flagged file"),
    ],
)
def test_faulty_functions_and_programs_are_reported(suite, function, says):
    with pytest.raises(CheckFailed, match=says):
        run(suite(function))
