"""Attacks on the memory: limits of all sizes, and arrays that claim more than there is.

The outcome is a result or `MemoryError`. The process is never ended, and a result under a limit is
the usual one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.arrays import MeanError
from badpix_selfcal.stcal import medfilt

from ..commands import command
from ..exposures import observation
from . import cases, report
from .under_limits import WORK

resource = pytest.importorskip("resource", reason="limits of the address space")

MIB = 2**20
FRUGAL = ("pedestal", "rectangular gap")  # may need no more than the allocator has in reserve


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
    allowed = {"a result", "no memory"}
    assert kinds.keys() <= allowed if work in FRUGAL else kinds.keys() == allowed


IN_RESERVE = """
import resource
import numpy as np
import badpix_selfcal as bps

image = np.ones((640, 60), np.float32)  # few samples need no threads
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


CALLS = """
import resource
import numpy as np
import badpix_selfcal as bps

image = np.random.default_rng(1).normal(size=(2048, 2048)).astype("f4")
find_bad_pixels = bps.find_bad_pixels
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (59 << 20), resource.RLIM_INFINITY))
for _ in range(3):
    find_bad_pixels(image, dispaxis=1)
"""
"""Works where there are too few addresses for a heap of each thread."""


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_small_allocations_under_a_limit_need_no_calls_of_the_system(tmp_path):
    """Each took six of them: 9000 in each call of the function."""
    trace = ["strace", "-f", "-e", "trace=mmap,munmap,mprotect", "-o", tmp_path / "calls"]
    environment = os.environ | {"BADPIX_SELFCAL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([*trace, sys.executable, "-c", CALLS], check=False, env=environment)
    assert run.returncode == 0
    assert (tmp_path / "calls").read_text().count("ENOMEM") < 30


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space")
@pytest.mark.parametrize("words", ["simulate .", "run x_asn.json", "batch . --cut sigma"])
def test_a_command_under_a_limit_ends_well_or_says_in_a_line_that_memory_is_short(words, tmp_path):
    observation(tmp_path)
    kinds = Counter()
    number = cases(4, 400)
    for limit in (MIB * (100 + 400 * each // number) for each in range(number)):
        out = ["out"] if words == "simulate ." else [*words.split()[1:], "--output-dir", "out"]
        done = command(
            words.split()[0],
            *out,
            "--overwrite",
            "--quiet",
            cwd=tmp_path,
            preexec_fn=lambda most=limit: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
        )
        line = r"badpix-selfcal: error: (?:.*: )?(?:out of memory|Cannot allocate memory)[^\n]*\n"
        is_said = done.returncode == 1 and re.fullmatch(line, done.stderr)
        kinds["no memory" if is_said else done.stderr or "done"] += 1
    report(f"memory, {words}", kinds)
    assert kinds.keys() == {"done", "no memory"}


class Unstartable(threading.Thread):
    """A thread for whose stack there is no room."""

    def start(self):
        raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("function", [bps.selfcal, bps.batch, bps.associate])
def test_a_thread_that_cannot_start_is_a_memory_error(function, tmp_path, monkeypatch):
    observation(tmp_path)
    monkeypatch.setattr(threading, "Thread", Unstartable)
    given = tmp_path if function is not bps.selfcal else tmp_path / "x_asn.json"
    with pytest.raises(MemoryError, match="can't start new thread"):
        function(given, output_dir=tmp_path / "out")


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
