"""What dead processes have left in a folder of outputs, and what live ones have there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import badpix_selfcal as bps
from badpix_selfcal.files import presence
from badpix_selfcal.files.outputs import Outputs

from .exposures import observation

WRITER = """
import sys, time
from pathlib import Path
from badpix_selfcal.files.outputs import Outputs
with Outputs(Path(sys.argv[1]), overwrite=True) as outputs:
    for name in sys.argv[2:]:
        outputs.part(outputs.claim(name)).write_text("new")
    print("writing", flush=True)
    time.sleep(60)
"""


class Writer:
    """Another process that is writing outputs."""

    def __init__(self, folder, *names):
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), *names], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "writing\n"

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def writer():
    writers = []

    def start(*given):
        writers.append(Writer(*given))
        return writers[-1]

    yield start
    for each in writers:
        each.kill()
        each.process.stdout.close()


def run(folder, text="later"):
    """A later run into the folder."""
    with Outputs(folder, overwrite=True) as outputs:
        outputs.part(outputs.claim("later")).write_text(text)
        outputs.publish()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def hide(folder, name, host=None):
    """Make what a process has left look as if it were that of another machine."""
    ours = presence.host()
    for path in folder.iterdir():
        if name in path.name and host:
            path.rename(path.with_name(path.name.replace(ours, host)))


def age(folder, seconds):
    then = time.time() - seconds
    for path in folder.iterdir():
        os.utime(path, (then, then), follow_symlinks=False)


def test_a_later_run_removes_what_a_killed_one_has_left(tmp_path, writer):
    writer(tmp_path / "out", "a", "b").kill()
    assert len(names(tmp_path / "out")) == 3  # two files and the sign
    run(tmp_path / "out")
    assert names(tmp_path / "out") == ["later"]


def test_it_does_not_touch_what_a_live_one_is_writing(tmp_path, writer):
    alive = writer(tmp_path / "out", "a", "b")
    before = names(tmp_path / "out")
    age(tmp_path / "out", 10 * presence.SILENCE)
    run(tmp_path / "out")
    assert names(tmp_path / "out") == [*before, "later"]
    alive.kill()
    run(tmp_path / "out")
    assert names(tmp_path / "out") == ["later"]


def test_nor_what_this_process_is_writing_in_another_thread(tmp_path):
    with Outputs(tmp_path) as outputs:
        part = outputs.part(outputs.claim("a"))
        part.write_text("new")
        run(tmp_path)
        presence.Presence(tmp_path).sweep()
        assert part.read_text() == "new"
        outputs.publish()
    assert [name for name in names(tmp_path) if not name.startswith(".badpix")] == ["a", "later"]


def test_what_another_machine_has_left_is_removed_after_a_day(tmp_path, writer):
    writer(tmp_path, "a").kill()
    hide(tmp_path, ".lock", host="12345678")
    age(tmp_path, 0.9 * presence.SILENCE)
    run(tmp_path)
    assert len(names(tmp_path)) == 3
    age(tmp_path, 1.1 * presence.SILENCE)
    run(tmp_path)
    assert names(tmp_path) == ["later"]


def test_a_new_file_of_another_machine_shows_that_it_lives(tmp_path, writer):
    writer(tmp_path, "a", "b").kill()
    hide(tmp_path, ".lock", host="12345678")
    age(tmp_path, 1.1 * presence.SILENCE)
    next(tmp_path.glob(".b.*")).write_text("written on")
    run(tmp_path)
    assert len(names(tmp_path)) == 4


def test_without_locks_age_decides(tmp_path, writer, monkeypatch):
    writer(tmp_path, "a").kill()
    monkeypatch.setattr(presence, "fcntl", None)
    run(tmp_path)
    assert len(names(tmp_path)) == 3
    age(tmp_path, 1.1 * presence.SILENCE)
    run(tmp_path)
    assert names(tmp_path) == ["later"]


def test_files_of_older_versions_are_removed_after_a_day(tmp_path):
    left = tmp_path / ".x_badpix_selfcal.fits.0123456789abcdef.part"
    others = {
        ".x.part",
        ".x.0123456789ABCDEF.part",
        ".badpix_selfcal.lock",
        "x.0123456789abcdef.part",
    }
    for name in (left.name, *others):
        (tmp_path / name).write_text("old")
    run(tmp_path)
    assert left.exists()
    age(tmp_path, 1.1 * presence.SILENCE)
    run(tmp_path)
    assert {*names(tmp_path)} == {*others, "later"}


def test_a_folder_that_only_dead_runs_have_made_goes_with_the_last_run(tmp_path, writer):
    writer(tmp_path / "out" / "deep", "a").kill()
    with pytest.raises(RuntimeError), Outputs(tmp_path / "out" / "deep"):
        raise RuntimeError
    assert names(tmp_path) == []


def test_a_run_that_ends_does_not_take_the_folder_from_another(tmp_path, writer):
    out = tmp_path / "out"
    writer(out)  # has made it
    with Outputs(out) as outputs:
        (one,) = tmp_path.rglob(".badpix_selfcal.*.1.lock")
        one.unlink()
        part = outputs.part(outputs.claim("a"))
        with pytest.raises(OSError):
            out.rmdir()  # as a run that has made it and ends
        part.write_text("new")
        outputs.publish()
    assert names(out) == ["a"]


@pytest.mark.parametrize("first", [0, 1])
def test_the_last_of_two_runs_removes_the_folder_whoever_made_it(tmp_path, first, monkeypatch):
    """Even if it has come before the maker has written its sign."""
    here = tmp_path / "new" / "out"
    maker, other = (Outputs(here) for _ in range(2))
    write, presences = presence.Presence._write, []

    def overtaken(self):
        if not presences:
            presences.append(self)
            presences.append(presence.Presence(here))
            presences[1].sweep()
        write(self)

    monkeypatch.setattr(presence.Presence, "_write", overtaken)
    with maker:
        made, overtaker = presences
        if first:
            overtaker.end()
    if not first:
        assert here.exists()
        overtaker.end()
    assert made.directory == overtaker.directory
    assert names(tmp_path) == []
    del other


def test_a_folder_that_vanishes_before_the_sign_is_written_is_made_again(tmp_path, monkeypatch):
    write, vanished = presence.Presence._write, []

    def vanish(self):
        if len(vanished) < 3:
            vanished.append(self.directory.rmdir())
        write(self)

    monkeypatch.setattr(presence.Presence, "_write", vanish)
    run(tmp_path / "out")
    assert names(tmp_path / "out") == ["later"]


def test_a_sign_that_a_sweep_has_taken_is_written_again(tmp_path, monkeypatch):
    lock, taken = presence.lock, []

    def swept(file):
        if not taken:
            (sign,) = tmp_path.glob(".badpix_selfcal.*")
            sign.unlink()
            taken.append(sign)
        return lock(file)

    monkeypatch.setattr(presence, "lock", swept)
    with Outputs(tmp_path):
        (sign,) = tmp_path.glob(".badpix_selfcal.*")
    assert taken != [sign]
    assert names(tmp_path) == []


def test_a_forked_child_does_not_remove_what_its_parent_is_writing(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork")
    code = """
import gc, os, sys
from pathlib import Path
from badpix_selfcal.files.outputs import Outputs
outputs = Outputs(Path(sys.argv[1]))
with outputs:
    part = outputs.part(outputs.claim("a"))
    part.write_text("new")
    if not (child := os.fork()):
        sys.exit()
    os.waitpid(child, 0)
    outputs.publish()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_file_of_another_user_in_a_sticky_folder_leaves_no_second_name(tmp_path):
    """It may be linked, but neither replaced nor removed."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for name in "ab":
        (shared / name).write_text("theirs")
        (shared / name).chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    child = os.fork()
    if not child:
        os.setegid(65534)
        os.seteuid(65534)
        try:
            with Outputs(shared, overwrite=True) as outputs:
                for final in outputs.claim_all(["a", "b"]):
                    outputs.part(final).write_text("new")
                outputs.publish()
        except PermissionError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert names(shared) == ["a", "b"]
    assert {path.read_text() for path in shared.iterdir()} == {"theirs"}


def test_a_run_of_the_command_sweeps(tmp_path, writer):
    out = tmp_path / "out"
    listed = observation(tmp_path)
    writer(out, "a").kill()
    bps.selfcal(listed, output_dir=out)
    assert names(out) == ["product_badpix_selfcal.fits"]
    writer(out, "a").kill()
    bps.batch(tmp_path, output_dir=out)
    assert not [name for name in names(out) if name.startswith(".")]


def test_a_signal_while_outputs_are_moved_leaves_nothing(tmp_path, monkeypatch):
    """Not even if it comes at the very begin of the cleaning up."""
    closed = []

    def interrupted(self, *_):
        closed.append(self)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Outputs, "__exit__", interrupted)

    def attempt():
        with Outputs(tmp_path / "out") as outputs:
            outputs.part(outputs.claim("a")).write_text("new")

    with pytest.raises(KeyboardInterrupt):
        attempt()
    closed.clear()  # the last reference
    assert names(tmp_path) == []
