"""Workers of a Dask cluster that are killed, or halted and taken for dead; interrupted batches."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

import badpix_selfcal as bps

from ..test_dask import assert_same_files, make
from . import cases, report

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
dask = pytest.importorskip("dask")

# What Dask itself leaves open when workers are killed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COUNT = 120
"""Exposures of a batch."""

AFTER = 1.0
"""Seconds in which something might still be written."""


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
def client():
    with workers() as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Exposures, and in `expected` their copies."""
    folder = tmp_path_factory.mktemp("pool")
    make(folder / "in", COUNT, detectors=("NRS1",))
    bps.batch(folder / "in", output_dir=folder / "expected")
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Signaller:
    """Sends a signal to a worker whenever the batch has got on a little; a progress function."""

    def __init__(self, client, number, most, seed):
        self.client, self.number, self.most = client, number, most
        self.random = random.Random(seed)
        self.sent = []
        self.next = 0.0

    def __call__(self, done, total):
        if len(self.sent) < self.most and done >= self.next:
            alive = {*self.client.run(os.getpid, on_error="ignore").values()} - {*self.sent}
            if len(alive) > 1 or self.number != signal.SIGKILL:
                pid = self.random.choice(sorted(alive))
                time.sleep(self.random.random() * 0.05)
                with suppress(ProcessLookupError):
                    os.kill(pid, self.number)
                    self.sent.append(pid)
            self.next = done + total / (self.most + 2)


def test_killed_workers(tmp_path, folder):
    before = content(folder / "in")
    kills, wanted, runs = 0, cases(5, 60), 0
    while kills < wanted:
        out = tmp_path / str(runs)
        with workers() as client:
            killer = Signaller(client, signal.SIGKILL, min(5, wanted - kills), runs)
            result = bps.batch(folder / "in", output_dir=out, scheduler=client, progress=killer)
        assert [each.status for each in result.exposures] == ["COMPLETE"] * COUNT
        assert_same_files(out, folder / "expected")
        kills, runs = kills + len(killer.sent), runs + 1
    assert content(folder / "in") == before
    report("killed workers", {"workers killed": kills, "batches": runs, "copies": runs * COUNT})


def test_interrupted_batches(tmp_path, client, folder):
    """Nothing is written after the interrupt, and all that is there is whole."""
    runs, copies = cases(3, 60), 0
    for run in range(runs):
        out, when = tmp_path / str(run), random.Random(run).randrange(COUNT)

        def progress(done, _, when=when):
            if done > when:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            bps.batch(folder / "in", output_dir=out, scheduler=client, progress=progress)
        found = content(out) if out.exists() else {}
        time.sleep(AFTER / 5)
        assert (content(out) if out.exists() else {}) == found
        assert {*found} <= {path.name for path in (folder / "expected").iterdir()}
        copies += len(found)
        result = bps.batch(folder / "in", output_dir=out, scheduler=client, resume=True)
        assert result.statuses["KEPT"] == len(found)
        assert_same_files(out, folder / "expected")
    report("interrupted batches", {"batches": runs, "copies before the interrupt": copies})


@pytest.fixture
def halting(client):
    """A client of two workers that nobody restarts or kills, dead once silent for 5 s."""
    with (
        dask.config.set({"distributed.scheduler.worker-ttl": "2s"}),
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
        ExitStack() as started,
    ):
        words = ["-m", "distributed.cli.dask_worker", cluster.scheduler_address]
        words += ["--no-nanny", "--nthreads", "1", "--no-dashboard"]
        for _ in range(2):
            worker = started.enter_context(
                subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)
            )
            started.callback(worker.kill)
        client.wait_for_workers(2)
        yield client


@pytest.mark.parametrize("run", range(cases(0, 5)))  # each takes 15 s: none by default
def test_a_worker_taken_for_dead_changes_nothing_when_it_awakes(tmp_path, folder, halting, run):
    """It is halted while it writes copies; the other one writes them again."""
    halter, out = Signaller(halting, signal.SIGSTOP, 1, run), tmp_path / "out"

    def progress(done, total):
        if done:
            halter(done, total)

    bps.batch(folder / "in", output_dir=out, scheduler=halting, progress=progress)
    assert_same_files(out, folder / "expected")
    for path in out.iterdir():
        path.write_text("theirs")
    (pid,) = halter.sent
    os.kill(pid, signal.SIGCONT)
    time.sleep(AFTER)
    # The halted worker may leave a hidden file, which a later run removes.
    found = [path.read_text() for path in out.glob("[!.]*")]
    assert found == ["theirs"] * COUNT
    report("halted workers", {"workers halted": 1, "files replaced": 0})
