"""Results do not depend on the number of threads; kernels run in forked and spawned processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.testing import assert_same


@pytest.fixture(autouse=True)
def _default_threads():
    yield
    bps.set_num_threads(None)


def _image(seed=0, shape=(300, 400)):
    image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    image[::7, ::5] = np.nan
    return image


def _all_results(image):
    found = bps.find_bad_pixels(image, dispaxis=2)
    return (
        bps.median_filter(image, 15, axis=0),
        bps.median_filter(image, 15, axis=1),
        bps.median_filter(image, (3, 7)),
        bps.minimum_image([image, image[::-1]], [0.1, 0.2]),
        bps.median_filter(image, (9, 7), method="network"),
        bps.median_filter(image.ravel(), 101, method="network"),
        found.mask,
        found.residual,
        [found.cut_low, found.cut_high],
        bps.find_bad_pixels(image, dispaxis=2, cut="sigma").significance,
    )


@pytest.mark.parametrize("threads", [2, 5])
def test_results_do_not_depend_on_the_number_of_threads(threads):
    image = _image()
    bps.set_num_threads(1)
    single = _all_results(image)
    bps.set_num_threads(threads)
    assert bps.num_threads() == threads
    for ours, expected in zip(_all_results(image), single, strict=True):
        assert_same(ours, expected)


@pytest.mark.parametrize("wrong", [0, -1, 1025])
def test_wrong_numbers_of_threads_are_refused(wrong):
    with pytest.raises(ValueError, match=f"threads must be from 1 to 1024.*got {wrong}"):
        bps.set_num_threads(wrong)
    assert bps.num_threads() >= 1


def _in_new_process(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


COUNT = "import badpix_selfcal as bps; print(bps.num_threads())"


@pytest.mark.parametrize(
    ("value", "threads"),
    [("3", "3"), (" 2 ", "2"), *((wrong, "") for wrong in ("0", "many", "1.5", "9999"))],
)
def test_the_variable_sets_the_number_of_threads(value, threads):
    done = _in_new_process(COUNT, BADPIX_SELFCAL_NUM_THREADS=value)
    assert done.stdout.strip() == threads
    if not threads:
        wrong = "ValueError: BADPIX_SELFCAL_NUM_THREADS must be a whole number"
        assert wrong in done.stderr
        assert f'got "{value}"' in done.stderr


# The threads of the kernels: those of the process, without those that exist after the imports.
THREADS = """
import os, numpy as np, badpix_selfcal as bps
image = np.random.default_rng(0).normal(size=(300, 400)).astype(np.float32)
before = set(os.listdir("/proc/self/task"))
def threads():
    return set(os.listdir("/proc/self/task")) - before
def compute():
    bps.median_filter(image, 15, axis=0)
"""

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="/proc lists a process's threads")


def _assert_in_new_process(code, **environment):
    environment = {"BADPIX_SELFCAL_NUM_THREADS": "", **environment}
    done = _in_new_process(f"{THREADS}\n{code}\nprint('done')", **environment)
    assert (done.stdout.strip(), done.returncode) == ("done", 0), done.stderr


@needs_proc
def test_few_samples_are_filtered_in_the_calling_thread():
    _assert_in_new_process(
        """
from threading import Thread
few, expected = image[:20, :20], []
def filter_few():
    expected.append(bps.median_filter(few, 5))
filter_few()
assert not threads()  # the first thread that filters few samples
compute()  # the same thread uses the pool for many
other = Thread(target=filter_few); other.start(); other.join()
child = os.fork()
if child == 0:
    filter_few()
    compute()
    filter_few()
    os._exit(not all(np.array_equal(each, expected[0]) for each in expected))
assert os.waitpid(child, 0)[1] == 0
assert len(expected) == 2 and np.array_equal(*expected)
large = bps.median_filter(np.pad(few, ((0, 300), (0, 300))), 5)[:18, :18]
assert np.array_equal(large, expected[0][:18, :18])
"""
    )


def test_the_first_kernels_of_several_threads_at_once():
    """What the pool imports lets other threads run: they waited for each other for ever."""
    code = """
import sys, threading, numpy as np, badpix_selfcal as bps
sys.setswitchinterval(1e-6)
image, median_filter = np.ones((300, 400), np.float32), bps.median_filter
together = threading.Barrier(8)
def first():
    together.wait()
    median_filter(image, 15)
threads = [threading.Thread(target=first) for _ in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
print("done")
"""
    for _ in range(5):
        done = _in_new_process(code)
        assert (done.stdout.strip(), done.returncode) == ("done", 0), done.stderr


@needs_proc
def test_threads_are_started_when_needed_and_kept_while_their_number_is_the_same():
    _assert_in_new_process(
        """
bps.set_num_threads(5)
assert bps.num_threads() == 5
bps.set_num_threads(None)
assert bps.num_threads() >= 1
bps.share_threads(1000)
assert bps.num_threads() == 1
assert not threads(), threads()
for number in (1, 3):
    bps.set_num_threads(number)
    compute()
    first = threads()
    if number == 1:
        bps.share_threads(1000)
    for _ in range(20):
        bps.set_num_threads(number)
        compute()
        assert threads() == first
"""
    )
    _assert_in_new_process(
        """
bps.set_num_threads(bps.num_threads())
compute()
first = threads()
bps.set_num_threads(None)
compute()
assert threads() == first
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
bps.set_num_threads(None)
assert bps.num_threads() == 1
"""
    )


def _flagged(seed):
    return bps.find_bad_pixels(_image(seed), dispaxis=2).mask.sum()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_after_a_kernel_has_run(method):
    expected = [_flagged(seed) for seed in range(6)]
    context = multiprocessing.get_context(method)
    with context.Pool(3) as pool:
        found = pool.map_async(_flagged, range(6)).get(timeout=120)
    assert found == expected


def test_fork_while_another_thread_computes():
    stop = threading.Event()

    def compute():
        while not stop.is_set():
            _flagged(1)

    with ThreadPoolExecutor() as threads:
        threads.submit(compute)
        try:
            expected = _flagged(2)
            for _ in range(5):
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    assert pool.map_async(_flagged, [2, 2]).get(timeout=120) == [expected] * 2
        finally:
            stop.set()


@needs_proc
def test_a_forked_child_can_fork_again():
    _assert_in_new_process(
        """
compute()
for _ in range(2):
    child = os.fork()
    if child:
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    bps.set_num_threads(2)
    compute()
"""
    )


def test_the_interpreter_is_free_while_a_kernel_runs():
    image, ticks = _image(shape=(1500, 1500)), 0
    bps.set_num_threads(1)
    with ThreadPoolExecutor() as threads:
        computed = threads.submit(bps.median_filter, image, 15)
        while not computed.done():
            time.sleep(0.005)
            ticks += 1
    assert ticks > 3
