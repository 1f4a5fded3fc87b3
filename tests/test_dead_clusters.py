"""A client that is killed together with all its workers, and what the next run removes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import badpix_selfcal as bps
from badpix_selfcal._interrupts import ends_with
from badpix_selfcal.step.dask import _write
from badpix_selfcal.step.member import Listed, members_of
from badpix_selfcal.step.plan import Copy, Job
from badpix_selfcal.step.reader import Reader

from .pools import take
from .test_dask import make

pytest.importorskip("distributed", reason="needs the extra dask")

CLIENT = """
import sys
import distributed
import badpix_selfcal as bps
if __name__ == "__main__":
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as it:
        bps.batch(sys.argv[1], output_dir=sys.argv[2], scheduler=it.scheduler_address)
"""


def test_a_task_that_starts_after_its_run_has_ended_writes_nothing(tmp_path):
    path = take(tmp_path / "a_rate.fits", 1, detector="NRS1", shape=(20, 30))
    with ThreadPoolExecutor(1) as executor:
        (planned,) = members_of([Listed(path)], Reader(), executor)
    job = Job(
        Copy(planned, tmp_path, "b.fits", 1, is_background=False),
        "SKIPPED",
        {},
        "",
        overwrite=False,
    )
    ended = threading.Event()
    ends_with(ended)
    try:
        ended.set()
        (error,) = _write([(job, "1")], None)
        assert "the run has ended" in str(error)
        assert [*tmp_path.iterdir()] == [path]
        ended.clear()
        (part,) = _write([(job, "1")], None)
    finally:
        ends_with(None)
    assert {*tmp_path.iterdir()} == {path, part}


def killed_with_its_cluster(folder, out):
    """Kill a client and all its workers while they write; return the files that are left."""
    script = folder.parent / "client.py"
    script.write_text(CLIENT)
    process = subprocess.Popen([sys.executable, script, folder, out], start_new_session=True)
    while process.poll() is None and not [*out.glob(".*.part")]:
        time.sleep(0.0005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.2)
    return [*out.glob(".*.part")]


def test_the_next_run_removes_what_a_dead_cluster_has_left(tmp_path):
    make(tmp_path / "in", 60, detectors=("NRS1",))
    for number in range(8):
        out = tmp_path / f"out{number}"
        out.mkdir()
        if left := killed_with_its_cluster(tmp_path / "in", out):
            break
    assert left
    (sign,) = out.glob(".badpix_selfcal.*.lock")
    number = sign.name.split(".")[2]
    assert all(f".{number}" in path.name for path in left)
    bps.batch(tmp_path / "in", output_dir=out, overwrite=True)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
