"""Output files: written all or none, whole, and never over an input."""

from __future__ import annotations

# ruff: noqa: PT012, SIM117 - a failure within the context is what is tested
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from badpix_selfcal.files.outputs import Outputs, save
from badpix_selfcal.files.paths import RemoteFile

from .exposures import largest_file


def contents(folder: Path) -> dict[str, str | None]:
    """Return all that lies below a folder: texts of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
    }


def write(outputs: Outputs, name: str, text: str = "new") -> Path:
    outputs.check([name])
    outputs.part(name).write_text(text)
    return outputs.place(name)


def publish(folder: Path | RemoteFile, names: str, text: str = "new", **how: object) -> None:
    with Outputs(folder, **how) as outputs:
        for name in names:
            write(outputs, name, text)
        outputs.publish()


# What is written


@pytest.mark.parametrize("folder", [".", "out", "out/deep/er"])
def test_published_outputs_lie_under_their_names_alone(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "a").write_text("old")
    with Outputs(tmp_path / folder, overwrite=True) as outputs:
        assert write(outputs, "a", "1") == tmp_path / folder / "a"
        write(outputs, "b" * 250, "2")
        parts = {path.name for path in (tmp_path / folder).iterdir()} - {"a"}
        assert len(parts) == 2
        assert all(name.startswith(".") for name in parts)  # hidden, beside their outputs
        assert (tmp_path / folder / "a").read_text() == "old"
        outputs.publish()
    assert contents(tmp_path / folder) == {"a": "1", "b" * 250: "2"}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
def test_parts_are_not_open_where_the_system_has_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("badpix_selfcal.files.outputs.fcntl", None)  # as on Windows
    with Outputs(tmp_path) as outputs:
        place = write(outputs, "a")
        opened = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        assert not [path for path in opened if path.parent == tmp_path]
        outputs.publish()
    assert place.read_text() == "new"


def test_overwriting_replaces_a_link_and_not_what_it_points_to(tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "a").symlink_to("kept")
    publish(tmp_path, "a", overwrite=True)
    assert contents(tmp_path) == {"a": "new", "kept": "kept"}
    assert not (tmp_path / "a").is_symlink()


def test_several_threads_write_parts(tmp_path):
    names = [f"{number}" for number in range(40)]
    with Outputs(tmp_path) as outputs:
        with ThreadPoolExecutor(8) as threads:
            parts = [*threads.map(outputs.part, names * 3)]
        assert len({*parts}) == 40
        for part, name in zip(parts, names * 3, strict=True):
            part.write_text(name)
        outputs.publish()
    assert contents(tmp_path) == {name: name for name in names}


def test_files_of_several_folders_are_saved_together(tmp_path):
    one, two = tmp_path / "a" / "x", tmp_path / "b" / "y"
    assert save({one: lambda part: part.write_text("1"), two: Path.touch}, []) == (one, two)
    assert contents(tmp_path) == {"a": None, "a/x": "1", "b": None, "b/y": ""}

    def fail(_: Path) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        save({one: lambda part: part.write_text("2"), two: fail}, [], overwrite=True)
    assert one.read_text() == "1"


def test_an_interrupt_while_outputs_are_renamed_comes_after_the_last(tmp_path, monkeypatch):
    replace = Path.replace

    def interrupted(part: Path, final: Path) -> None:
        replace(part, final)
        if final.name == "a":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, "abc")
    assert contents(tmp_path) == dict.fromkeys("abc", "new")


# Two runs at the same time, and runs that were killed

on_posix = pytest.mark.skipif(os.name != "posix", reason="has no locks and no SIGKILL")


@on_posix
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_another_run_is_writing_is_refused(tmp_path, overwrite):
    with Outputs(tmp_path) as one, Outputs(tmp_path, overwrite=overwrite) as two:
        write(one, "a", "1")
        with pytest.raises(FileExistsError, match=r"/a is being written by another run; wait"):
            two.part("a")
        one.publish()
    assert contents(tmp_path) == {"a": "1"}


KILLED = """
import os, signal, sys
from pathlib import Path
from badpix_selfcal.files.outputs import Outputs
with Outputs(Path(sys.argv[1])) as outputs:
    outputs.part("a").write_text("a long text that is not complete")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@on_posix
def test_the_part_of_a_killed_run_is_replaced(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert [*contents(tmp_path)] == [".a.part"]
    publish(tmp_path, "a")
    assert contents(tmp_path) == {"a": "new"}


@on_posix
def test_of_runs_that_write_the_same_outputs_at_once_one_wins(tmp_path):
    names = "".join(map(chr, range(ord("a"), ord("z"))))

    def run(text: str) -> str | None:
        try:
            publish(tmp_path / "out", names, text)
        except FileExistsError:
            return None
        return text

    with ThreadPoolExecutor(3) as threads:
        (text,) = filter(None, threads.map(run, "123"))
    assert contents(tmp_path / "out") == dict.fromkeys(names, text)


# What is refused


def test_an_existing_output_is_refused_without_overwrite(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileExistsError, match="a exists already; set `overwrite`"):
        publish(tmp_path, "a")
    with pytest.raises(FileExistsError), Outputs(tmp_path) as outputs:
        for name in "bc":
            write(outputs, name)
        (tmp_path / "c").write_text("somebody's")  # meanwhile
        outputs.publish()
    assert contents(tmp_path) == {"a": "old", "c": "somebody's"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_the_place_of_an_output_is_refused_at_once(tmp_path, overwrite):
    (tmp_path / "a").mkdir()
    with Outputs(tmp_path, overwrite=overwrite) as outputs:
        with pytest.raises(OSError, match=re.escape(str(tmp_path / "a"))):
            outputs.check(["a"])


@pytest.mark.parametrize("is_relative", [False, True])
@pytest.mark.parametrize(
    ("folder", "given"),
    [
        ("in", "in/a"),
        ("linked_folder", "in/a"),
        ("in", "linked_input"),
        ("out/linked", "in/a"),
        ("out/hard", "in/a"),
        ("new/../in", "in/a"),
    ],
)
def test_an_input_is_never_replaced(tmp_path, monkeypatch, folder, given, is_relative):
    for each in ("in", "out/linked", "out/hard"):
        (tmp_path / each).mkdir(parents=True)
    (tmp_path / "in" / "a").write_text("input")
    (tmp_path / "linked_folder").symlink_to("in")
    (tmp_path / "linked_input").symlink_to(Path("in/a"))
    (tmp_path / "out" / "linked" / "a").symlink_to(Path("../../in/a"))
    (tmp_path / "out" / "hard" / "a").hardlink_to(tmp_path / "in" / "a")
    before = contents(tmp_path)
    monkeypatch.chdir(tmp_path)
    here, inputs = Path() if is_relative else tmp_path, [tmp_path / "other", tmp_path / given]
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="would replace the input"):
            publish(here / folder, "a", inputs=inputs, overwrite=overwrite)
    assert contents(tmp_path) == before


# What a failure leaves


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, error):
    (tmp_path / "a").write_text("old")
    with (
        pytest.raises(error),
        Outputs(tmp_path / "deep" / "er") as deep,
        Outputs(tmp_path, overwrite=True) as outputs,
    ):
        write(deep, "a")
        write(outputs, "a")
        outputs.part("b")
        raise error
    assert contents(tmp_path) == {"a": "old"}


@pytest.mark.parametrize("folder", ["file", "file/below", "new/" + "a" * 300])
def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_output(tmp_path, folder):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match=re.escape(f"{Path(folder, 'a')}: cannot be written")):
        with Outputs(tmp_path / folder) as outputs:
            outputs.part("a")
    assert contents(tmp_path) == {"file": "kept"}


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="there are no limits")
def test_a_full_disk_names_the_output(tmp_path):
    with largest_file(10), Outputs(tmp_path / "out") as outputs:
        with pytest.raises(OSError, match="out/a: cannot be written: File too large") as caught:
            with outputs.writing("a") as part:
                part.write_text("x" * 100)
    assert caught.value.errno
    assert contents(tmp_path) == {}


# Object stores


@pytest.fixture
def store(bucket, scratch):
    assert scratch
    return RemoteFile(f"{bucket.url}/out")


def test_objects_appear_when_they_are_published(bucket, store):
    with Outputs(store) as outputs:
        write(outputs, "a", "1")
        assert write(outputs, "b", "2") == store / "b"
        assert bucket.contents() == {}
        outputs.publish("a")
        assert bucket.contents() == {"out/a": "1"}
        outputs.publish()
    assert bucket.contents() == {"out/a": "1", "out/b": "2"}


def test_an_object_is_replaced_only_if_that_is_asked_for(bucket, store):
    bucket.write(**{"out/a": "old"})
    with pytest.raises(FileExistsError, match="out/a exists already; set `overwrite`"):
        publish(store, "ba")
    with pytest.raises(FileExistsError, match="would replace the input"):
        publish(store, "ba", inputs=[store / "a"], overwrite=True)
    assert bucket.contents() == {"out/a": "old"}
    publish(store, "a", overwrite=True)
    assert bucket.contents() == {"out/a": "new"}


def test_an_upload_that_fails_leaves_no_new_object(bucket, store):
    bucket.write(**{"out/d": "old"})
    bucket.proxy.refuse("PUT", "/out/c")
    with pytest.raises(OSError, match=r"/out/c: cannot be written: "):
        publish(store, "abc", overwrite=True)
    assert bucket.contents() == {"out/d": "old"}


def test_a_bucket_that_is_not_there_is_named(bucket):
    assert bucket
    with pytest.raises(OSError, match="s3://no-such-bucket-at-all/out: cannot be listed"):
        publish(RemoteFile("s3://no-such-bucket-at-all/out"), "a")
