"""Disks that become full at any write: a limit for files stands for them."""

from __future__ import annotations

import os
import shutil
from collections import Counter

import pytest

from badpix_selfcal.files.exposure import read

from ..exposures import largest_file
from . import cases, report
from .runs import attacked, contents, observe, shown

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no limits")


@pytest.mark.parametrize("command", ["run", "batch"])
def test_every_write_that_fails(tmp_path, command):
    """A run writes all or nothing; a batch what fits."""
    observe(tmp_path / "in")
    out = tmp_path / "out"
    victim = attacked(tmp_path / "in", out, command, "p0_asn.json" if command == "run" else ".")
    inputs = contents(victim.data)
    victim.again()
    most = max(path.stat().st_size for path in out.iterdir())
    shutil.rmtree(out)
    count, counts = cases(16, 400), Counter()
    for number in range(count):
        has_old = number % 2
        if has_old:
            victim.write_old()
        before = contents(out)
        limit = number * most // (count - 1)
        try:
            with largest_file(limit):
                victim.again()
            counts["ended"] += 1
            assert limit >= most or command == "batch"
        except OSError as error:
            counts["failed"] += 1
            assert limit < most
            assert "cannot be written: File too large" in str(error)  # noqa: PT017 - or it ends
            assert contents(out) == before or command == "batch"
        found = contents(out)
        assert found == shown(found), "a part is left"
        for name, content in found.items():
            assert content in (before.get(name), victim.new[name]), f"{name} is not whole"
        assert bool(found) == out.exists()
        shutil.rmtree(out, ignore_errors=True)
    assert contents(victim.data) == inputs
    assert read(victim.data / "e0_rate.fits").problem == ""
    report(f"writes of a {command} that fail", counts)
