"""The package's logger: the messages of runs. Nothing is printed by default."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal._kernels import median_kernel

from .exposures import MRS, observation
from .pools import pool, take


@pytest.fixture
def logged(caplog):
    """A function that returns the messages at a level, all of this package's logger."""
    caplog.set_level(logging.DEBUG, "badpix_selfcal")

    def messages(level):
        assert {record.name for record in caplog.records} <= {"badpix_selfcal"}
        assert {record.levelno for record in caplog.records} <= {logging.DEBUG, logging.INFO}
        return [each.getMessage() for each in caplog.records if each.levelno == level]

    return messages


def without_times(messages):
    """Return the messages that report no time."""
    return [each for each in messages if not each.endswith(" ms")]


def times(messages):
    """Return the times of the messages, ms, by the work that took them."""
    found = (re.fullmatch(r"(.*) in (\d+\.\d) ms", each) for each in messages)
    return {each[1]: float(each[2]) for each in found if each}


def test_a_run_logs_what_it_reads_finds_and_writes(tmp_path, logged):
    association = observation(tmp_path)
    start = time.perf_counter()
    result = bps.selfcal(association, output_dir=tmp_path / "out", save_flagged_bkg=True)
    elapsed = 1e3 * (time.perf_counter() - start)
    found = result.bad_pixels
    assert logged(logging.INFO) == [
        f"{association}: products: product",
        "product: 5 exposures combined",
        f"product: {found.n_low} low and {found.n_high} high pixels flagged, dispersion axis 2",
        *(f"{path}: written" for path in (result.science, *result.backgrounds)),
    ]
    assert without_times(logged(logging.DEBUG)) == [
        *(f"{path}: combined, pedestal {level:.6g}" for path, level in result.pedestals.items()),
        f"running median over 15 x 1 samples: {median_kernel(15, 1, *MRS)}",
    ]
    taken = times(logged(logging.DEBUG))
    assert [*taken] == ["product: combined", "product: mask found"]
    assert 0 < sum(taken.values()) < elapsed


def test_a_batch_logs_what_it_reads_finds_writes_and_what_fails(tmp_path, logged):
    pool(tmp_path, science=2, background=1)
    (tmp_path / "junk_rate.fits").write_text("junk")
    broken = take(tmp_path / "zz_rate.fits", 9)
    broken.write_bytes(broken.read_bytes().replace(b"'DQ      '", b"'XX      '"))
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    failed, _ = result.failed
    first, second = result.groups
    expected = ["7 exposures, 1 unreadable", f"{broken}: failed: {failed.error}"]
    for group, count in ((first, 4), (second, 3)):
        found = group.bad_pixels
        flagged = f"{found.n_low} low and {found.n_high} high pixels flagged"
        expected += [
            f"{group.name}: {count} exposures combined",
            f"{group.name}: {flagged}, dispersion axis 2",
        ]
    expected += [f"{each.output}: written" for each in result.exposures if each.output]
    assert sorted(logged(logging.INFO)) == sorted(expected)
    assert len(expected) == 2 + 4 + 4
    details = without_times(logged(logging.DEBUG))
    assert [each for each in details if "pedestal" in each] == [
        f"{path}: combined, pedestal {level:.6g}"
        for group in (first, second)
        for path, level in group.pedestals.items()
    ]
    assert [*times(logged(logging.DEBUG))] == [
        f"{group.name}: {work}" for group in (first, second) for work in ("combined", "mask found")
    ]


LISTEN = "import logging; logging.basicConfig(level={level}); "
RUN = "import badpix_selfcal as bps; bps.selfcal('x_asn.json', overwrite=True); "
SPEAK = "from badpix_selfcal.errors import log; log.warning('here')"


def printed(code: str, folder: Path) -> str:
    """Return what a program prints to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stderr


def test_nothing_is_printed_by_default(tmp_path):
    observation(tmp_path)
    assert printed(RUN + SPEAK, tmp_path) == ""
    # Handlers of the user's program receive the messages that their level admits.
    by_default = LISTEN.format(level="logging.WARNING")
    assert printed(by_default + RUN, tmp_path) == ""
    assert printed(by_default + SPEAK, tmp_path) == "WARNING:badpix_selfcal:here\n"
    lines = printed(LISTEN.format(level="logging.INFO") + RUN, tmp_path).splitlines()
    assert len(lines) == 4
    assert all(line.startswith("INFO:badpix_selfcal:") for line in lines)
