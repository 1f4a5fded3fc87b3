"""Workers of a Dask cluster that are killed."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import contextmanager, suppress

import pytest

import badpix_selfcal as bps

from ..pools import take
from . import cases, report
from .runs import contents

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
dask = pytest.importorskip("dask")

# What Dask itself leaves open when workers are killed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COUNT = 60
"""Exposures of a batch."""


@contextmanager
def workers():
    """Start three workers, each restarted when it dies (mostly); a task may lose several."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 50}),
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(3)
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Exposures, and in `expected` their copies."""
    folder = tmp_path_factory.mktemp("pool")
    (folder / "in").mkdir()
    for number in range(COUNT):
        take(folder / "in" / f"e{number:04d}_rate.fits", number, detector="NRS1", shape=(12, 20))
    bps.batch(folder / "in", output_dir=folder / "expected")
    return folder


class Killer:
    """Kills a worker whenever the batch has got on a little; a progress function."""

    def __init__(self, client, most, seed):
        self.client, self.most, self.random = client, most, random.Random(seed)
        self.killed = []
        self.next = 0.0

    def __call__(self, done, total):
        if len(self.killed) < self.most and done >= self.next:
            alive = {*self.client.run(os.getpid, on_error="ignore").values()} - {*self.killed}
            if len(alive) > 1:
                time.sleep(self.random.random() * 0.05)
                with suppress(ProcessLookupError):
                    pid = self.random.choice(sorted(alive))
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(pid)
            self.next = done + total / (self.most + 2)


def test_killed_workers(tmp_path, folder):
    before, expected = contents(folder / "in"), contents(folder / "expected")
    kills, wanted, runs = 0, cases(2, 60), 0
    while kills < wanted:
        out = tmp_path / str(runs)
        with workers() as client:
            killer = Killer(client, min(5, wanted - kills), runs)
            result = bps.batch(folder / "in", output_dir=out, scheduler=client, progress=killer)
        assert [each.status for each in result.exposures] == ["COMPLETE"] * COUNT
        assert contents(out) == expected
        kills, runs = kills + len(killer.killed), runs + 1
    assert contents(folder / "in") == before
    report("killed workers", {"workers killed": kills, "batches": runs, "copies": runs * COUNT})
