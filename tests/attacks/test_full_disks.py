"""Disks that become full at any write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import badpix_selfcal as bps

from ..exposures import largest_file
from . import cases, report
from .runs import attacked, contents, observe

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
ROOT = Path(__file__).resolve().parents[2]


def may_mount():
    """Return whether this user can mount a disk in a namespace."""
    if shutil.which("unshare") is None:
        return False
    mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run([*NAMESPACE, *mount], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="no disk can be mounted in a namespace of this user")
def test_a_full_disk(tmp_path):
    command = [sys.executable, "-m", "tests.attacks.full_disk", tmp_path, cases(10, 300)]
    done = subprocess.run(
        [*NAMESPACE, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["on a full disk"]
    report("full disks", counts)


@pytest.mark.skipif(os.name == "nt", reason="there are no limits")
def test_every_write_that_fails(tmp_path):
    """A limit for files stands for a full disk: the first, the second, ... write fails."""
    observe(tmp_path / "in")
    out = tmp_path / "out"
    victim = attacked(tmp_path / "in", out, "run", "p0_asn.json")
    victim.again()
    most = max(path.stat().st_size for path in out.iterdir())
    shutil.rmtree(out)
    count, counts = cases(20, 400), Counter()
    for number in range(count):
        old = number % 2
        if old:
            victim.prepare()
        limit = number * most // (count - 1)
        try:
            with largest_file(limit):
                victim.again()
            counts["written"] += 1
            assert limit >= most
        except OSError:
            counts["failed"] += 1
            assert limit < most
            assert contents(out) == (victim.old if old else {})
            assert out.exists() == bool(old)
        shutil.rmtree(out, ignore_errors=True)
    assert counts["failed"] == count - 1
    report("writes that fail", counts)


def test_a_batch_with_every_write_that_fails(tmp_path):
    """Outputs that fit are written; the others are reported."""
    observe(tmp_path / "in")
    large = tmp_path / "in" / "e1_rate.fits"
    out = tmp_path / "out"
    victim = attacked(tmp_path / "in", out, "batch", ".")
    mask = {name: content for name, content in victim.new.items() if name.endswith("_mask.fits")}
    most, count = len(victim.new["e1_badpix_selfcal.fits"]), cases(5, 100)
    counts = Counter()
    for number in range(count):
        limit = number * (most - 1) // (count - 1)
        with largest_file(limit):
            result = bps.batch(victim.data, output_dir=out, save_mask=True)
        assert len(result.failed) == len(result.exposures)
        assert large in [each.exposure for each in result.failed]
        found = contents(out)
        assert found == (mask if found else {})
        assert out.exists() == bool(found) == (not any(each.unwritten for each in result.groups))
        counts["the mask is written" if found else "nothing is written"] += 1
        shutil.rmtree(out, ignore_errors=True)
    assert len(counts) == 2
    report("batches with writes that fail", counts)
