"""The package's logger: the messages of runs. Nothing is printed by default."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from logging.handlers import BufferingHandler as Kept
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal._kernels import median_kernel

from .exposures import MRS, change, observation
from .pools import pool, take


@pytest.fixture
def logged():
    """A function that returns the messages at a level, all of this package's logger."""
    root, log, handler = logging.getLogger(), logging.getLogger("badpix_selfcal"), Kept(10_000)

    def messages(level):
        assert {record.name for record in handler.buffer} <= {log.name}
        assert {record.levelno for record in handler.buffer} <= {logging.DEBUG, logging.INFO}
        return [each.getMessage() for each in handler.buffer if each.levelno == level]

    root.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield messages
    log.setLevel(logging.NOTSET)
    root.removeHandler(handler)


def test_a_run_logs_what_it_reads_finds_and_writes(tmp_path, logged):
    association = observation(tmp_path)
    result = bps.selfcal(association, output_dir=tmp_path / "out", save_flagged_bkg=True)
    found = result.bad_pixels
    assert logged(logging.INFO) == [
        f"{association}: products: product",
        "product: 5 exposures combined",
        f"product: {found.n_low} low and {found.n_high} high pixels flagged, dispersion axis 2",
        *(f"{path}: written" for path in (result.science, *result.backgrounds)),
    ]
    details = [re.sub(r"in \d+\.\d ms$", "in T", each) for each in logged(logging.DEBUG)]
    assert sorted(details) == sorted(
        [
            *(f"{path}: combined, pedestal {it:.6g}" for path, it in result.pedestals.items()),
            f"running median over 15 x 1 samples: {median_kernel(15, 1, *MRS)}",
            "product: combined in T",
            "product: mask found in T",
        ]
    )


def test_a_batch_logs_what_fails(tmp_path, logged):
    pool(tmp_path, detectors=("NRS1",), background=0)
    (tmp_path / "junk_rate.fits").write_text("junk")
    broken = change(take(tmp_path / "zz_rate.fits", 9, detector="NRS1"), without="DQ")
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    said = logged(logging.INFO)
    assert said[0] == "4 exposures, 1 unreadable"
    assert f"{broken}: failed: {result.failed[0].error}" in said
    assert "NRS1: 4 exposures combined" in said
    assert {f"{path}: written" for path in result.written} <= {*said}


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
