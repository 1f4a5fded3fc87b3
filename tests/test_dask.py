"""Batches on a real Dask cluster of several processes, some of which are killed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.files import exposure
from badpix_selfcal.step import dask as cluster_file
from badpix_selfcal.step.packed import packed, unpacked

from . import servers
from .exposures import assert_equal_planes, header, observation, planes, sky
from .pools import pool, take

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
dask = pytest.importorskip("dask")

SMALL = (64, 66)

# What Dask itself leaves open when workers are killed.
pytestmark = [
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
    names = sorted(path.name for path in expected.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == names
    for name in names:
        assert content_of(ours / name) == content_of(expected / name)


def assert_same_groups(ours, expected):
    for one, other in zip(ours.groups, expected.groups, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal([*one.pedestals.values()], [*other.pedestals.values()])
        assert [*one.masks] == [*other.masks]
        for axis, found in one.masks.items():
            np.testing.assert_array_equal(found.residual, other.masks[axis].residual)
            np.testing.assert_array_equal(found.mask, other.masks[axis].mask)


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


def test_a_file_that_appears_during_the_run_is_kept(tmp_path, client):
    make(tmp_path / "in", 12, detectors=("NRS1",))
    theirs = tmp_path / "out" / "e0005_nrs1_badpix_selfcal.fits"

    def progress(done, _):
        if done == 0 and not theirs.exists():
            theirs.parent.mkdir()
            theirs.write_text("theirs")

    result = bps.batch(
        tmp_path / "in", output_dir=tmp_path / "out", scheduler=client, progress=progress
    )
    (failed,) = result.failed
    assert failed.exposure.name == "e0005_nrs1_rate.fits"
    assert "exist" in failed.error
    assert theirs.read_text() == "theirs"
    assert len([*(tmp_path / "out").iterdir()]) == 12


def test_after_an_interrupt_nothing_is_written_any_more(tmp_path, client):
    make(tmp_path / "in", 120, detectors=("NRS1",))

    def progress(done, _):
        if done > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bps.batch(tmp_path / "in", output_dir=tmp_path / "out", scheduler=client, progress=progress)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert 8 < len(names) < 120
    time.sleep(0.5)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert not [name for name in names if name.endswith(".part")]


def test_a_thousand_exposures_and_two_killed_workers(tmp_path, client):
    make(tmp_path / "in", 1000)
    expected = bps.batch(tmp_path / "in", output_dir=tmp_path / "local")
    killer = Killer(client)
    result = bps.batch(
        tmp_path / "in", output_dir=tmp_path / "there", scheduler=client, progress=killer
    )
    assert len(killer.killed) == 2
    assert not {*killer.killed} & {*client.run(os.getpid).values()}
    assert [each.status for each in result.exposures] == ["COMPLETE"] * 1000
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


def test_pedestals_backgrounds_and_what_is_left_out(tmp_path, client):
    folder = tmp_path / "in"
    folder.mkdir()
    pool(folder, science=12, background=3)
    take(folder / "empty_rate.fits", 77, empty_gap=True)
    (folder / "broken_rate.fits").write_bytes(b"SIMPLE  = nothing")
    how = {"save_flagged_bkg": True, "group_by": "band", "dispaxis": 1, "kernel_size": 9}
    with pytest.warns(bps.SelfcalWarning, match=r"empty_rate.fits: left out"):
        expected = bps.batch(folder, output_dir=tmp_path / "local", **how)
    with pytest.warns(bps.SelfcalWarning, match=r"empty_rate.fits: left out"):
        result = bps.batch(folder, output_dir=tmp_path / "there", scheduler=client, **how)
    assert_same_groups(result, expected)
    assert_same_files(tmp_path / "there", tmp_path / "local")
    (failed,) = result.failed
    assert failed.exposure == folder / "broken_rate.fits"


def test_unflagged_copies_of_what_is_skipped(tmp_path, client):
    make(tmp_path / "in", 2)  # one of each detector
    how = {"copy_skipped": True, "scheduler": client}
    with pytest.warns(bps.SelfcalWarning, match="step skipped"):
        result = bps.batch(tmp_path / "in", output_dir=tmp_path / "out", **how)
    assert [each.status for each in result.exposures] == ["SKIPPED"] * 2
    for each in result.exposures:
        assert_equal_planes(each.output, each.exposure)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 64), (0, 4)])
def test_masks_of_any_shape_are_sent(shape):
    mask = np.random.default_rng(1).random(shape) < 0.3
    again = unpacked(packed(mask), shape)
    assert again.dtype == np.bool_
    np.testing.assert_array_equal(again, mask)


def test_paths_become_absolute(tmp_path, client, monkeypatch):
    make(tmp_path / "in", 4)
    monkeypatch.chdir(tmp_path)
    result = bps.batch("in", output_dir="out", scheduler=client)
    assert {each.exposure.parent for each in result.exposures} == {tmp_path / "in"}
    assert {each.output.parent for each in result.exposures} == {tmp_path / "out"}


def test_what_is_done_is_kept_and_what_is_there_is_refused(tmp_path, client):
    make(tmp_path / "in", 10)
    out = tmp_path / "out"
    bps.batch(tmp_path / "in", output_dir=out, scheduler=client)
    with pytest.raises(FileExistsError, match="exists already"):
        bps.batch(tmp_path / "in", output_dir=out, scheduler=client)
    next(out.iterdir()).unlink()
    result = bps.batch(tmp_path / "in", output_dir=out, scheduler=client, resume=True)
    statuses = [each.status for each in result.exposures]
    assert (statuses.count("KEPT"), statuses.count("COMPLETE")) == (9, 1)


def test_a_copy_that_cannot_be_written_is_reported_and_the_others_are_written(tmp_path, client):
    make(tmp_path / "in", 6, detectors=("NRS1",))
    path = take(tmp_path / "in" / "no_dq_rate.fits", 9, detector="NRS1", shape=SMALL)
    path.write_bytes(path.read_bytes().replace(b"'DQ      '", b"'XX      '"))
    local = bps.batch(tmp_path / "in", output_dir=tmp_path / "local")
    result = bps.batch(tmp_path / "in", output_dir=tmp_path / "there", scheduler=client)
    (failed,) = result.failed
    assert failed.error == local.failed[0].error
    assert "has no DQ extension" in failed.error
    assert_same_files(tmp_path / "there", tmp_path / "local")


def test_files_of_another_run_are_not_removed(tmp_path, client):
    """It may still write them."""
    make(tmp_path / "in", 4)
    out = tmp_path / "out"
    out.mkdir()
    theirs = out / f".e0000_nrs1_badpix_selfcal.fits.{'0123456789abcdef'}.part"
    theirs.write_bytes(b"half")
    bps.batch(tmp_path / "in", output_dir=out, scheduler=client)
    assert sorted(out.glob(".*")) == [theirs]


@pytest.mark.parametrize("how", [{"resume": True}, {"overwrite": True}])
def test_what_appears_in_place_of_an_old_copy_is_kept(tmp_path, client, how):
    make(tmp_path / "in", 12, detectors=("NRS1",))
    out, theirs = tmp_path / "out", []
    ends = [out / f"e{number:04d}_nrs1_badpix_selfcal.fits" for number in (0, 11)]
    out.mkdir()
    for path in ends:
        path.write_text("old")

    def progress(done, _):
        if done and not theirs:  # one of the two tasks has ended
            theirs.extend(path for path in ends if path.read_bytes() == b"old")
            theirs[0].write_text("theirs")

    result = bps.batch(tmp_path / "in", output_dir=out, scheduler=client, progress=progress, **how)
    (failed,) = result.failed
    assert failed.error == f"{theirs[0]} appeared during the run; nothing was replaced"
    assert theirs[0].read_text() == "theirs"
    assert len([*out.iterdir()]) == 12


def test_an_interrupted_batch_leaves_whole_files_only(tmp_path, client):
    make(tmp_path / "in", 60)

    def interrupt(done, _):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bps.batch(
            tmp_path / "in", output_dir=tmp_path / "out", scheduler=client, progress=interrupt
        )
    for path in (tmp_path / "out").glob("*.fits"):
        assert header(path)["S_BPXSLF"] == "COMPLETE"
        assert len(planes(path)) == 5
    assert client.status == "running"


def _threads():
    return bps.num_threads()


def test_workers_compute_with_as_many_threads_as_they_have(tmp_path, client):
    make(tmp_path / "in", 30)
    bps.batch(tmp_path / "in", output_dir=tmp_path / "out", scheduler=client)
    # A worker without a task keeps its default.
    assert 1 in client.run(_threads).values()


def test_the_command_takes_an_address(tmp_path, cluster, capsys):
    make(tmp_path / "in", 10)
    bps.batch(tmp_path / "in", output_dir=tmp_path / "local")
    arguments = ["batch", str(tmp_path / "in"), "--output-dir", str(tmp_path / "there")]
    assert main([*arguments, "--scheduler", cluster.scheduler_address]) == 0
    assert "NRS1" in capsys.readouterr().out
    assert_same_files(tmp_path / "there", tmp_path / "local")


def test_a_scheduler_that_cannot_be_reached_is_named(tmp_path):
    make(tmp_path / "in", 4)
    address = "tcp://127.0.0.1:9"
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(OSError, match=address),
    ):
        bps.batch(tmp_path / "in", output_dir=tmp_path / "out", scheduler=address)
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_workers_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_file, "PATIENCE", 1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        pytest.raises(OSError, match=f"{empty.scheduler_address}: no worker has started"),
    ):
        bps.batch(tmp_path, scheduler=empty.scheduler_address)


def test_missing_packages_are_reported_with_the_remedy(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["batch", str(tmp_path), "--scheduler", "tcp://127.0.0.1:9"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("badpix-selfcal: error: --scheduler needs Dask, which cannot be")
    assert printed.endswith('pip install ".[dask]" in the clone of badpix-selfcal\n')


@pytest.mark.parametrize("name", ["workers", "threads"])
def test_workers_of_a_cluster_are_its_own(tmp_path, capsys, name):
    with pytest.raises(ValueError, match=f"{name} is a number of threads of this process"):
        bps.batch(tmp_path, scheduler="tcp://127.0.0.1:1", **{name: 3})
    assert main(["batch", str(tmp_path), "--scheduler", "tcp://127.0.0.1:1", f"--{name}", "3"]) == 1
    assert capsys.readouterr().err == (
        f"badpix-selfcal: error: --{name} is a number of threads of this process; leave it out "
        "with --scheduler, whose workers have threads of their own\n"
    )


def test_exposures_on_the_web_are_read_by_the_workers(tmp_path, client):
    pytest.importorskip("aiohttp", reason="needs the extra cloud")
    observation(tmp_path)
    names = sorted(path.name for path in tmp_path.glob("*_rate.fits"))
    expected = bps.batch([tmp_path / name for name in names], output_dir=tmp_path / "local")
    with servers.http(tmp_path) as web:
        urls = [f"{web.url}/{name}" for name in names]
        result = bps.batch(urls, output_dir=tmp_path / "there", scheduler=client)
    assert [str(each.exposure) for each in result.exposures] == urls
    assert_same_groups(result, expected)
    for path in (tmp_path / "there").iterdir():
        for name, image in planes(path).items():
            np.testing.assert_array_equal(image, planes(tmp_path / "local" / path.name)[name])


def test_inputs_are_untouched(tmp_path, client, hashes):
    make(tmp_path / "in", 20)
    before = hashes(tmp_path / "in")
    bps.batch(tmp_path / "in", output_dir=tmp_path / "out", scheduler=client)
    assert hashes(tmp_path / "in") == before
    assert len([*Path(tmp_path / "out").iterdir()]) == 20
