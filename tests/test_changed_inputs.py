"""Inputs that other programs replace, cut or overwrite during a run: noticed, and never mixed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import ExposureError
from badpix_selfcal.files.exposure import Exposure, read

from .exposures import observation, sky, write
from .pools import pool

CHANGED = "was changed while it was read"
MASK = np.zeros((96, 640), bool)


def overwrite(path: Path) -> None:
    """Change the last sample of a file in place."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")


def swap(path: Path) -> None:
    """Replace a file by another one of equal size, as a program does that writes and renames."""
    other = path.with_name("other")
    shutil.copy(path, other)
    overwrite(other)
    other.replace(path)


def cut(path: Path) -> None:
    os.truncate(path, 10_000)


@pytest.mark.parametrize("change", [overwrite, swap, cut, Path.unlink])
def test_a_file_that_was_changed_is_refused(tmp_path, change):
    path = write(tmp_path / "in.fits", sky(1))
    exposure = read(path)
    science = exposure.science()
    change(path)
    np.testing.assert_array_equal(science, sky(1))  # not mapped: the system would end the process
    for use in (
        exposure.science,
        exposure.error,
        exposure.dq,
        exposure.require_unchanged,
        lambda: exposure.write_copy(tmp_path / "copy.fits", MASK, {}, ""),
    ):
        with pytest.raises(ExposureError, match=r"in\.fits: .*(changed|cut short|no such file|No)"):
            use()


def change_before(monkeypatch, name, path, change):
    """Change a file just before a method of its exposure is called for the first time."""
    usual, left = getattr(Exposure, name), [change]

    def changing(exposure, *given):
        if left and exposure.path == path:
            left.pop()(path)
        return usual(exposure, *given)

    monkeypatch.setattr(Exposure, name, changing)


@pytest.mark.parametrize("change", [overwrite, swap, cut])
@pytest.mark.parametrize(
    ("when", "member"), [("science", "sci0"), ("science", "self0"), ("write_copy", "sci0")]
)
def test_a_run_whose_input_changes_writes_nothing(tmp_path, monkeypatch, change, when, member):
    association, path = observation(tmp_path), tmp_path / f"{member}_rate.fits"
    change_before(monkeypatch, when, path, change)
    with pytest.raises(ExposureError, match=f"{member}_rate.fits: (was changed|is cut short)"):
        bps.selfcal(association, output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_batch_fails_the_exposure_that_changes_before_it_is_copied(tmp_path, monkeypatch):
    made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
    change_before(monkeypatch, "write_copy", made[1], swap)
    bps.batch(made, output_dir=tmp_path / "out")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"{read(path).stem}_badpix_selfcal.fits" for path in (made[0], *made[2:])}


def test_no_file_stays_open(tmp_path):
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("needs /proc")
    association = observation(tmp_path)
    bps.selfcal(association, output_dir=tmp_path / "first")
    before = len(list(folder.iterdir()))
    bps.selfcal(association, output_dir=tmp_path / "second")
    bps.batch(tmp_path, output_dir=tmp_path / "batch")
    assert len(list(folder.iterdir())) <= before
