"""Attacks on the memory: limits of all sizes, and arrays that claim more than there is.

The outcome is a result or `MemoryError`. The process is never ended, and a result under a limit is
the usual one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.arrays import MeanError
from badpix_selfcal.stcal import medfilt

from . import cases, report
from .under_limits import WORK

MIB = 2**20


@pytest.fixture(scope="module")
def outcomes():
    """The outcomes of each work for limits beyond what a process has; the last is ample."""
    # Thorough: steps of 80 kB. Small allocations then fail, too.
    number = cases(3, 400)
    limits = [MIB // 16 + step * 32 * MIB // number for step in range(number)]
    words = [json.dumps([*WORK]), json.dumps([*limits, 1000 * MIB])]
    run = subprocess.run(
        [sys.executable, "-m", "tests.attacks.under_limits", *words],
        capture_output=True,
        text=True,
        timeout=60 + 10 * len(limits) * len(WORK),
        env=os.environ | {"BADPIX_SELFCAL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space")
@pytest.mark.parametrize("work", WORK)
def test_a_limit_leaves_a_result_or_a_memory_error(work, outcomes):
    usual = outcomes[work][-1]
    assert len(usual) == 64  # a digest
    kinds = Counter("a result" if each == usual else each for each in outcomes[work])
    report(f"memory, {work}", kinds)
    assert kinds.keys() == {"a result", "no memory"}


IN_RESERVE = """
import resource
import numpy as np
import badpix_selfcal as bps

image = np.ones((64, 60), np.float32)
median_filter = bps.median_filter  # what it imports needs memory, too
kept = bytearray(16 << 20)
del kept
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), resource.RLIM_INFINITY))
try:
    median_filter(image, 15, axis=0)
except MemoryError as error:
    print(error)
"""
"""Starts threads where the allocator has memory in reserve, and the system has none."""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space")
def test_what_the_allocator_has_in_reserve_is_not_taken_for_room_for_threads():
    """Their stacks need new memory. The outcome was RuntimeError, or the process ended."""
    settings = {"MALLOC_MMAP_THRESHOLD_": str(64 * MIB), "MALLOC_TRIM_THRESHOLD_": str(1000 * MIB)}
    run = subprocess.run(
        [sys.executable, "-c", IN_RESERVE],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | settings | {"BADPIX_SELFCAL_NUM_THREADS": "2"},
    )
    assert "bytes" in run.stdout


CLAIMS = {
    "median_filter": lambda image: bps.median_filter(image, 15, axis=0),
    "median_filter, square": lambda image: bps.median_filter(image, 15),
    "find_bad_pixels": lambda image: bps.find_bad_pixels(image, dispaxis=2),
    "find_bad_pixels, sigma": lambda image: bps.find_bad_pixels(image, dispaxis=1, cut="sigma"),
    "percentiles": lambda image: bps.percentiles(image, 50),
    "percentiles, q": lambda image: bps.percentiles([1.0, 2.0], image),
    "medfilt": lambda image: medfilt(image, (3, 3)),
    "medfilt, even": lambda image: medfilt(image, (3, 4)),
    "minimum_image": lambda image: bps.minimum_image([image, image]),
    "pedestal": lambda image: bps.pedestal(image, (0, 10**6, 0, 10**6)),
    "pedestal, mask": lambda image: bps.pedestal(image, np.broadcast_to(np.True_, image.shape)),
    "MeanError": lambda image: MeanError(image.shape),
}


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8", "f2", "i2"])
@pytest.mark.parametrize("shape", [(10**6, 10**6), (1, 10**12), (10**12, 1)])
@pytest.mark.parametrize("function", CLAIMS)
def test_an_array_that_claims_too_much(function, shape, dtype):
    image = np.broadcast_to(np.array(1, dtype), shape)
    with pytest.raises(MemoryError):
        CLAIMS[function](image)


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
@pytest.mark.parametrize("dispaxis", [1, 2, None])
@pytest.mark.parametrize("shape", [(10**12, 0), (0, 10**12)])
def test_no_pixels_in_many_rows_are_nothing_to_do(shape, dispaxis, cut):
    image = np.zeros(shape, np.float32)
    found = bps.find_bad_pixels(image, dispaxis=dispaxis, cut=cut, kernel_size=2**31 - 1)
    assert found.mask.shape == shape
    assert np.isnan(bps.pedestal(image, np.ones(shape, dtype=bool)))
    assert np.isnan(bps.percentiles(image, 50))


def test_a_window_beyond_all_bounds_is_fitted_to_the_image():
    image = np.ones((3, 4), np.float32)
    expected = bps.median_filter(image, (7, 9))
    assert np.array_equal(bps.median_filter(image, 2**63 - 1), expected)
