"""Batches on a real Dask cluster of several processes, some of which are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.files import exposure
from badpix_selfcal.step import dask as cluster_file

from . import servers
from .exposures import assert_equal_planes, header, names, set_error, sky, statuses
from .masks import assert_same_masks
from .pools import pool, take

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
dask = pytest.importorskip("dask")

SMALL = (64, 66)

# What Dask itself leaves open when workers are killed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.* times the mean ERR"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster():
    """A cluster of three processes, which restarts killed workers."""
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        client.wait_for_workers(3)
        yield client


def make(folder, count, detectors=("NRS1", "NRS2")):
    """Write many small exposures, which differ in SCI only."""
    folder.mkdir()
    template = take(folder.parent / "template.fits", 0, detector=detectors[0], shape=SMALL)
    place = exposure.read(template).planes["SCI"]
    content = bytearray(template.read_bytes())
    for number in range(count):
        detector = detectors[number % len(detectors)]
        image = sky(number, SMALL).astype(">f4").tobytes()
        content[place.data : place.data + len(image)] = image
        named = bytes(content).replace(detectors[0].encode(), detector.encode())
        (folder / f"e{number:04d}_{detector.lower()}_rate.fits").write_bytes(named)
    template.unlink()


def content_of(path):
    """Return a file's bytes without the time at which it was written."""
    content = path.read_bytes()
    at = content.index(b"DATE    =")
    return content[:at] + content[at + 80 :]


def assert_same_files(ours, expected):
    """Check that two folders hold the same files, byte by byte, and nothing else."""
    assert names(ours) == names(expected)
    for path in expected.iterdir():
        assert content_of(ours / path.name) == content_of(path)


def assert_same_groups(ours, expected):
    for one, other in zip(ours, expected, strict=True):
        assert (one.name, one.dispaxis) == (other.name, other.dispaxis)
        np.testing.assert_array_equal([*one.pedestals.values()], [*other.pedestals.values()])
        np.testing.assert_array_equal(one.bad_pixels.residual, other.bad_pixels.residual)
        np.testing.assert_array_equal(one.mask.flags, other.mask.flags)


class Killer:
    """Kills a worker soon after the batch begins, and another when a third of it is done."""

    def __init__(self, client):
        self.pids = [*client.run(os.getpid).values()]
        self.killed = []

    def __call__(self, done, total):
        if done == 0 and not self.killed:
            threading.Timer(0.2, self.kill).start()
        if done > total / 3 and len(self.killed) < 2:
            self.kill()

    def kill(self):
        self.killed.append(self.pids.pop())
        os.kill(self.killed[-1], signal.SIGKILL)


def test_many_exposures_and_two_killed_workers(tmp_path, client):
    make(tmp_path / "in", 300)
    expected = bps.batch(tmp_path / "in", output_dir=tmp_path / "local")
    killer = Killer(client)
    result = bps.batch(
        tmp_path / "in", output_dir=tmp_path / "there", scheduler=client, progress=killer
    )
    assert len(killer.killed) == 2
    assert not {*killer.killed} & {*client.run(os.getpid).values()}
    assert statuses(result) == ["COMPLETE"] * 300
    assert_same_groups(result, expected)
    assert_same_files(tmp_path / "there", tmp_path / "local")


def _images(dask_scheduler):
    """Return how many results as large as an image the workers hold."""
    image = 4 * SMALL[0] * SMALL[1]
    tasks = dask_scheduler.tasks.values()
    return sum(task.state == "memory" and task.nbytes >= image for task in tasks)


def test_images_on_the_workers_do_not_grow_with_the_exposures(tmp_path, client, monkeypatch):
    monkeypatch.setattr(cluster_file, "LEAF", 2)
    make(tmp_path / "in", 400, detectors=("NRS1",))
    most, begun, done = 0, threading.Event(), threading.Event()

    def watch():
        nonlocal most
        begun.wait()  # until the headers are read
        while not done.wait(0.005):
            most = max(most, client.run_on_scheduler(_images))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        bps.batch(
            tmp_path / "in",
            output_dir=tmp_path / "out",
            scheduler=client,
            progress=lambda *_: begun.set(),
        )
    finally:
        begun.set()
        done.set()
        watcher.join()
    leaves, levels = 200, 3
    # On each level of the tree, each worker may have begun another branch.
    assert 0 < most <= len(client.nthreads()) * levels * cluster_file.FAN < leaves / 2


def test_pedestals_backgrounds_and_what_is_left_out_or_fails(tmp_path, client):
    folder = tmp_path / "in"
    folder.mkdir()
    pool(folder, science=12, background=3)
    take(folder / "empty_rate.fits", 77, empty_gap=True)
    (folder / "broken_rate.fits").write_bytes(b"SIMPLE  = nothing")
    path = take(folder / "no_dq_rate.fits", 88)
    path.write_bytes(path.read_bytes().replace(b"'DQ      '", b"'XX      '"))
    how = {"save_flagged_bkg": True, "group_by": "band", "dispaxis": 1, "kernel_size": 9}
    with pytest.warns(bps.SelfcalWarning, match=r"empty_rate.fits: left out"):
        local = bps.batch(folder, output_dir=tmp_path / "local", **how)
    with pytest.warns(bps.SelfcalWarning, match=r"empty_rate.fits: left out"):
        there = bps.batch(folder, output_dir=tmp_path / "there", scheduler=client, **how)
    assert_same_groups(there, local)
    assert_same_files(tmp_path / "there", tmp_path / "local")
    assert [each.error for each in there.failed] == [each.error for each in local.failed]
    assert {each.exposure.name for each in there.failed} == {"broken_rate.fits", "no_dq_rate.fits"}
    assert there[0].left_out == local[0].left_out == (folder / "empty_rate.fits",)


def test_noisy_exposures_are_left_out(tmp_path, client):
    """They lie in tasks of their own, and with others; the headers tell no depth."""
    make(tmp_path / "in", 40, ("NRS1",))
    for number, path in enumerate(sorted((tmp_path / "in").iterdir())):
        if number < 20 or number % 3 == 0:
            set_error(path, np.full(SMALL, 2.0 + (number % 2)))
        else:
            set_error(path, np.full(SMALL, 1.0))
    local, there = (
        bps.batch(tmp_path / "in", output_dir=tmp_path / name, cut="sigma", scheduler=scheduler)
        for name, scheduler in (("local", None), ("there", client))
    )
    assert len(local[0].noisy) == 27
    assert there[0].noise == local[0].noise
    assert_same_groups(there, local)
    assert_same_files(tmp_path / "there", tmp_path / "local")


def test_unflagged_copies_of_what_is_skipped(tmp_path, client):
    make(tmp_path / "in", 2)  # one of each detector
    how = {"copy_skipped": True, "scheduler": client}
    with pytest.warns(bps.SelfcalWarning, match="step skipped"):
        result = bps.batch(tmp_path / "in", output_dir=tmp_path / "out", **how)
    assert statuses(result) == ["SKIPPED"] * 2
    for each in result.exposures:
        assert_equal_planes(each.output, each.exposure)


def test_what_is_done_is_kept_and_what_is_there_is_refused(tmp_path, client, monkeypatch):
    make(tmp_path / "in", 10)
    out = tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    result = bps.batch("in", output_dir="out", scheduler=client)
    assert {each.exposure.parent for each in result.exposures} == {tmp_path / "in"}
    assert {each.output.parent for each in result.exposures} == {out}  # paths become absolute
    with pytest.raises(FileExistsError, match="exists already"):
        bps.batch(tmp_path / "in", output_dir=out, scheduler=client)
    next(out.iterdir()).unlink()
    result = bps.batch(tmp_path / "in", output_dir=out, scheduler=client, resume=True)
    assert (result.statuses["KEPT"], result.statuses["COMPLETE"]) == (9, 1)


def test_workers_compute_with_as_many_threads_as_they_have(tmp_path, client):
    make(tmp_path / "in", 30)
    bps.batch(tmp_path / "in", output_dir=tmp_path / "out", scheduler=client)
    # A worker without a task keeps its default.
    assert 1 in client.run(lambda: bps.num_threads()).values()


@pytest.mark.parametrize("workers", [None, 0])
def test_a_cluster_that_is_not_there_or_has_no_workers_is_named(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(cluster_file, "PATIENCE", 1)
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.comm.timeouts.connect": "1s"}))
        address, words = "tcp://127.0.0.1:9", ""
        if workers == 0:
            empty = distributed.LocalCluster(n_workers=0, dashboard_address=":0")
            address, words = stack.enter_context(empty).scheduler_address, "no worker has started"
        with pytest.raises(OSError, match=f"{address}.*{words}"):
            bps.batch(tmp_path, output_dir=tmp_path / "out", scheduler=address)
    assert not (tmp_path / "out").exists()


def test_missing_packages_are_reported_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        RuntimeError, match=r'^`scheduler` needs Dask.*pip install "badpix-selfcal\[dask\]"'
    ):
        bps.batch(tmp_path, scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize("name", ["workers", "threads"])
def test_workers_of_a_cluster_are_its_own(tmp_path, name):
    with pytest.raises(ValueError, match=f"`{name}` is a number of threads of this process"):
        bps.batch(tmp_path, scheduler="tcp://127.0.0.1:1", **{name: 3})


def test_exposures_on_the_web_are_read_by_the_workers(tmp_path, client):
    pytest.importorskip("aiohttp", reason="needs the extra cloud")
    make(tmp_path / "in", 3, detectors=("NRS1",))
    expected = bps.batch(tmp_path / "in", output_dir=tmp_path / "local")
    with servers.http(tmp_path / "in") as web:
        urls = [f"{web.url}/{path.name}" for path in sorted((tmp_path / "in").iterdir())]
        result = bps.batch(urls, output_dir=tmp_path / "there", scheduler=client)
    assert [str(each.exposure) for each in result.exposures] == urls
    assert_same_groups(result, expected)


def test_masks_are_those_of_this_process_and_are_applied(tmp_path, client):
    pool(tmp_path, science=20, detectors=("MIRIFULONG", "NRS1"))
    how = {"save_mask": True, "cut": "sigma", "save_flagged_bkg": True}
    here = bps.batch(tmp_path, output_dir=tmp_path / "here", **how)
    there = bps.batch(tmp_path, output_dir=tmp_path / "there", scheduler=client, **how)
    for one, other in zip(there, here, strict=True):
        ours, expected = bps.Mask.read(one.mask_file), bps.Mask.read(other.mask_file)
        outputs = {each.exposure: each.output for each in ours.members}
        assert all(each.output == outputs[each.exposure] for each in one.exposures)
        same = ("made", "members", "source")  # the copies are in another folder
        assert_same_masks(
            replace(ours, **{name: getattr(expected, name) for name in same}), expected
        )
    again = bps.batch(tmp_path, output_dir=tmp_path / "there", scheduler=client, resume=True, **how)
    assert {*statuses(again)} == {"KEPT"}
    applied = bps.apply(
        here[0].mask_file, tmp_path, output_dir=tmp_path / "applied", scheduler=client
    )
    assert len(applied.written) == len(applied.ignored) == 22
    for path in applied.written:
        assert_equal_planes(path, tmp_path / "here" / path.name)


@pytest.mark.parametrize("last", [0, 70])
def test_an_interrupted_batch_leaves_whole_files_and_is_continued(tmp_path, client, last):
    make(tmp_path / "in", 60, detectors=("NRS1",))  # 60 are read first

    def interrupt(done, _):
        if done > last:
            raise KeyboardInterrupt

    how = {"output_dir": tmp_path / "out", "scheduler": client}
    with pytest.raises(KeyboardInterrupt):
        bps.batch(tmp_path / "in", progress=interrupt, **how)
    time.sleep(0.5)  # copies that a worker has begun still appear
    left = [*(tmp_path / "out").glob("*")]
    assert [header(path)["S_BPXSLF"] for path in left] == ["COMPLETE"] * len(left)
    assert (len(left) > 8) == (last > 60)
    result = bps.batch(tmp_path / "in", resume=True, **how)
    assert result.statuses["KEPT"] == len(left)  # a fast cluster may have written all
    assert result.statuses["COMPLETE"] == 60 - len(left)


CLIENT = """
import sys
import distributed
import badpix_selfcal as bps
if __name__ == "__main__":
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as it:
        bps.batch(sys.argv[1], output_dir=sys.argv[2], scheduler=it.scheduler_address)
"""


def test_the_next_run_replaces_what_a_dead_cluster_has_left(tmp_path):
    """Kill a client and all its workers while they write."""
    make(tmp_path / "in", 60, detectors=("NRS1",))
    script, out = tmp_path / "client.py", tmp_path / "out"
    script.write_text(CLIENT)
    process = subprocess.Popen(
        [sys.executable, script, tmp_path / "in", out], start_new_session=True
    )
    while process.poll() is None and not [*out.glob(".*.part")]:
        time.sleep(0.0005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.2)
    for path in out.glob("*.fits"):
        assert header(path)["S_BPXSLF"] == "COMPLETE"
    bps.batch(tmp_path / "in", output_dir=out, overwrite=True)
    assert not [*out.glob(".*")]
    assert len([*out.iterdir()]) == 60


def test_a_scheduler_that_dies_ends_in_a_clear_error(tmp_path):
    make(tmp_path / "in", 60, detectors=("NRS1",))
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")

    def close(done, _):
        if done:
            cluster.close()

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        result = bps.batch(
            tmp_path / "in",
            output_dir=tmp_path / "out",
            scheduler=cluster.scheduler_address,
            progress=close,
        )
    assert all("the cluster has gone" in each.error for each in result.failed)
    for path in (tmp_path / "out").glob("*.fits"):
        assert header(path)["S_BPXSLF"] == "COMPLETE"
