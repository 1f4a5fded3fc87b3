"""Temporary folders: gone with their process, or with the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from badpix_selfcal.files import presence
from badpix_selfcal.files import scratch as scratch_file
from badpix_selfcal.files.scratch import Scratch

WRITER = """
import time
from badpix_selfcal.files.scratch import Scratch
scratch = Scratch()
(scratch.path / "a").write_text("new")
print(scratch.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def writer(folder):
    command, where = [sys.executable, "-c", WRITER], os.environ | {"TMPDIR": str(folder)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=where)
    assert process.stdout.readline().startswith(str(folder))
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def in_a_new_process():
    scratch_file._sweep.cache_clear()
    Scratch().remove()


def test_a_folder_is_gone_with_its_object(folder):
    scratch = Scratch()
    (scratch.path / "a").write_text("new")
    assert [*folder.iterdir()] == [scratch.path]
    del scratch
    assert [*folder.iterdir()] == []


def test_what_a_killed_process_has_left_is_removed_by_the_next_one(folder, writer):
    in_a_new_process()
    assert len([*folder.rglob("*")]) == 3  # a live one is left alone
    writer.kill()
    writer.wait()
    in_a_new_process()
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize("other", ["12345678", presence.NO_HOST])
def test_folders_of_other_machines_are_left_alone(folder, writer, monkeypatch, other):
    writer.kill()
    writer.wait()
    before = [*folder.iterdir()]
    monkeypatch.setattr(scratch_file, "host", lambda: other)
    in_a_new_process()
    assert [*folder.iterdir()] == before


def test_other_folders_and_links_are_left_alone(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / scratch_file._sign()).touch()
    (folder / "badpix-selfcal-link").symlink_to(elsewhere)
    (folder / "badpix-selfcal-demo").mkdir()
    (folder / "badpix-selfcal-file").touch()
    in_a_new_process()
    assert len([*folder.iterdir()]) == 3
    assert [*elsewhere.iterdir()]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_folders_of_other_users_are_left_alone(folder, writer):
    writer.kill()
    writer.wait()
    (theirs,) = folder.iterdir()
    os.chown(theirs, 65534, 65534)
    in_a_new_process()
    assert [*folder.iterdir()] == [theirs]


def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(folder, monkeypatch):
    swept = []

    def overtaken(file):
        if not swept:
            swept.extend(folder.iterdir())
            scratch_file._remove_dead(swept[0])
        return presence.lock(file)

    monkeypatch.setattr(scratch_file, "lock", overtaken)
    scratch = Scratch()
    assert scratch.path != swept[0]
    assert [*folder.iterdir()] == [scratch.path]


def test_a_forked_child_does_not_remove_the_folder():
    scratch = Scratch()
    child = os.fork()
    if not child:
        scratch.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert scratch.path.exists()
