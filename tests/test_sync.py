"""Outputs are on the disk before they have their names, and the names before the run ends."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.files.outputs import Outputs

from .exposures import observation


@pytest.fixture
def events(monkeypatch):
    """What is synced and moved, in order: names; "." stands for a folder, "-> x" for a move."""
    found = []
    fsync, link, replace = os.fsync, os.link, os.replace

    def synced(file):
        path = Path(f"/proc/self/fd/{file}").readlink()
        is_folder = stat.S_ISDIR(os.fstat(file).st_mode)
        found.append(f"{path.name}/" if is_folder else path.name.split(".")[1])
        fsync(file)

    def linked(source, target, **how):
        link(source, target, **how)
        found.append(f"-> {Path(target).name}")

    def replaced(source, target):
        replace(source, target)
        found.append(f"-> {Path(target).name}")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    monkeypatch.setattr(os, "replace", replaced)
    if not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc")
    return found


def write(folder, **how):
    with Outputs(folder, **how) as outputs:
        outputs.part(outputs.claim("a")).write_text("new")
        outputs.publish()


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_file_is_synced_before_its_move_and_the_folder_after_it(tmp_path, events, overwrite):
    write(tmp_path, overwrite=overwrite)
    assert events == ["a", "-> a", f"{tmp_path.name}/"]


def test_the_names_of_new_folders_are_synced_too(tmp_path, events):
    write(tmp_path / "one" / "two")
    assert events[:2] == ["a", "-> a"]
    assert {*events[2:]} == {"two/", "one/", f"{tmp_path.name}/"}


def test_without_sync_there_is_none(tmp_path, events):
    write(tmp_path, no_sync=True)
    assert events == ["-> a"]


def test_the_option_and_the_keyword(tmp_path, events, monkeypatch):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    bps.selfcal("x_asn.json", no_sync=True)
    bps.batch(".", no_sync=True, output_dir="all")
    assert main(["run", "x_asn.json", "--no-sync", "--overwrite", "--quiet"]) == 0
    assert main(["batch", ".", "--no-sync", "--output-dir", "more", "--quiet"]) == 0
    assert [each for each in events if not each.startswith("->")] == []
    bps.batch("sci0_rate.fits", force_single=True, output_dir="single")
    assert {*events} > {"sci0_badpix_selfcal", "single/"}


def test_a_disk_that_fails_to_sync_publishes_nothing(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")

    def failing(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match=r"No space left on device: .*a"):
        write(tmp_path, overwrite=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    fsync = os.fsync

    def unable(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(file)

    monkeypatch.setattr(os, "fsync", unable)
    write(tmp_path)
    assert (tmp_path / "a").read_text() == "new"
