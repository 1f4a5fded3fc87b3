"""Processes that run side by side share the processors."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import badpix_selfcal as bps


@pytest.fixture(autouse=True)
def _default_threads():
    yield
    bps.set_num_threads(None)


@pytest.fixture
def processors(monkeypatch):
    monkeypatch.delenv("BADPIX_SELFCAL_NUM_THREADS", raising=False)
    bps.set_num_threads(None)
    return bps.num_threads()


def test_a_single_process_uses_all_processors(processors):
    bps.set_num_threads(1)
    bps.share_threads(1)
    assert bps.num_threads() == processors


def test_many_processes_use_one_thread_each(processors):
    bps.share_threads(processors + 1)
    assert bps.num_threads() == 1


def test_together_they_use_all_processors(processors):
    for processes in range(1, processors + 1):
        bps.share_threads(processes)
        assert processes * bps.num_threads() <= processors < processes * (bps.num_threads() + 1)


def test_the_variable_takes_precedence(monkeypatch):
    monkeypatch.setenv("BADPIX_SELFCAL_NUM_THREADS", "3")
    bps.share_threads(1000)
    assert bps.num_threads() == 3


def test_a_wrong_variable_is_refused(monkeypatch):
    monkeypatch.setenv("BADPIX_SELFCAL_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="BADPIX_SELFCAL_NUM_THREADS must be a whole number"):
        bps.share_threads(2)


@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_wrong_numbers_are_refused(wrong, error):
    with pytest.raises(error, match="processes must be"):
        bps.share_threads(wrong)


def _threads_and_flagged(seed):
    image = np.random.default_rng(seed).normal(size=(200, 300)).astype(np.float32)
    return bps.num_threads(), int(bps.find_bad_pixels(image, dispaxis=2).mask.sum())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool(method, processors):
    expected = [_threads_and_flagged(seed)[1] for seed in range(6)]
    context = multiprocessing.get_context(method)
    workers = 2
    with context.Pool(workers, bps.share_threads, (workers,)) as pool:
        found = pool.map_async(_threads_and_flagged, range(6)).get(timeout=120)
    assert [flagged for _, flagged in found] == expected
    assert {threads for threads, _ in found} == {max(1, processors // workers)}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_an_executor(method, processors):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(
        2, mp_context=context, initializer=bps.share_threads, initargs=(2,)
    ) as pool:
        found = [*pool.map(_threads_and_flagged, range(4), timeout=120)]
    assert {threads for threads, _ in found} == {max(1, processors // 2)}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_variable_takes_precedence_in_workers(method, monkeypatch):
    monkeypatch.setenv("BADPIX_SELFCAL_NUM_THREADS", "1")
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map_async(_threads_and_flagged, range(4)).get(timeout=120)
    assert {threads for threads, _ in found} == {1}


def _flag(folder, out):
    bps.batch(folder, output_dir=out, workers=1)
    return sorted(path.name for path in out.iterdir())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_batches_in_workers(method, tmp_path):
    from .pools import pool

    (tmp_path / "in").mkdir()
    pool(tmp_path / "in", detectors=("NRS1",))
    expected = _flag(tmp_path / "in", tmp_path / "here")
    with multiprocessing.get_context(method).Pool(2) as workers:
        given = [(tmp_path / "in", tmp_path / f"out{number}") for number in range(2)]
        assert workers.starmap_async(_flag, given).get(timeout=120) == [expected] * 2
    for name in expected:
        for number in range(2):
            assert (tmp_path / f"out{number}" / name).stat().st_size > 0
