"""Output files: written all or none, and never over an input."""

from __future__ import annotations

# ruff: noqa: PT012 - a failure within the context is what is tested
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from badpix_selfcal._interrupts import POLL
from badpix_selfcal.files.outputs import Outputs


def contents(folder: Path) -> dict[str, str | None]:
    """Return all that lies below a folder: texts of files, None for folders."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
    }


def write(outputs: Outputs, name: str, text: str = "new") -> Path:
    final = outputs.claim(name)
    outputs.part(final).write_text(text)
    return final


class Interruption(BaseException):
    """An interruption that is no Exception."""


# What is written


@pytest.mark.parametrize("folder", [".", "out", "out/deep/er"])
def test_published_outputs_lie_under_their_names_alone(tmp_path, folder):
    with Outputs(tmp_path / folder, [], overwrite=False) as outputs:
        assert write(outputs, "a", "1") == tmp_path / folder / "a"
        write(outputs, "b", "2")
        outputs.publish()
    files = {key: text for key, text in contents(tmp_path / folder).items() if text is not None}
    assert files == {"a": "1", "b": "2"}


def test_a_relative_folder_is_made_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Outputs(Path("out"), [], overwrite=False) as outputs:
        write(outputs, "a")
        outputs.publish()
    assert contents(tmp_path) == {"out": None, "out/a": "new"}


def test_nothing_lies_under_a_final_name_before_publishing(tmp_path):
    (tmp_path / "a").write_text("old")
    with Outputs(tmp_path, [], overwrite=True) as outputs:
        final = write(outputs, "a")
        other = write(outputs, "b")
        assert final.read_text() == "old"
        assert not other.exists()
        outputs.publish()
    assert contents(tmp_path) == {"a": "new", "b": "new"}


def test_parts_lie_beside_their_finals_under_names_of_their_own(tmp_path):
    with Outputs(tmp_path, [], overwrite=False) as outputs:
        parts = [outputs.part(outputs.claim(name)) for name in "abc"]
        assert len({*parts}) == 3
        assert {part.parent for part in parts} == {tmp_path}
        assert not any(part.exists() for part in parts)


def test_two_runs_into_one_folder_do_not_disturb_each_other(tmp_path):
    one = Outputs(tmp_path / "out", [], overwrite=False)
    two = Outputs(tmp_path / "out", [], overwrite=False)
    with one, two:
        write(one, "a", "1")
        write(two, "b", "2")
        one.publish()
        two.publish()
    assert contents(tmp_path / "out") == {"a": "1", "b": "2"}


def test_overwriting_is_a_rename(tmp_path):
    (tmp_path / "a").write_text("old")
    with Outputs(tmp_path, [], overwrite=True) as outputs, (tmp_path / "a").open() as reader:
        write(outputs, "a")
        outputs.publish()
        assert reader.read() == "old"
    assert contents(tmp_path) == {"a": "new"}


def test_overwriting_replaces_a_link_and_not_what_it_points_to(tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "a").symlink_to("kept")
    with Outputs(tmp_path, [], overwrite=True) as outputs:
        write(outputs, "a")
        outputs.publish()
    assert contents(tmp_path) == {"a": "new", "kept": "kept"}
    assert not (tmp_path / "a").is_symlink()


def test_a_part_requested_twice_leaves_nothing_behind(tmp_path):
    with Outputs(tmp_path, [], overwrite=False) as outputs:
        write(outputs, "a", "first")
        write(outputs, "a", "second")
        outputs.publish()
    assert contents(tmp_path) == {"a": "second"}


# What is refused


def test_an_existing_output_is_refused_without_overwrite(tmp_path):
    (tmp_path / "a").write_text("old")
    with (
        Outputs(tmp_path, [], overwrite=False) as outputs,
        pytest.raises(FileExistsError, match="exists"),
    ):
        outputs.claim("a")
    assert contents(tmp_path) == {"a": "old"}


def test_a_link_that_points_nowhere_is_an_existing_output(tmp_path):
    (tmp_path / "a").symlink_to("gone")
    with Outputs(tmp_path, [], overwrite=False) as outputs, pytest.raises(FileExistsError):
        outputs.claim("a")


def test_an_output_that_appeared_meanwhile_is_refused_without_overwrite(tmp_path):
    with pytest.raises(FileExistsError), Outputs(tmp_path, [], overwrite=False) as outputs:
        write(outputs, "b")
        write(outputs, "a")
        (tmp_path / "a").write_text("somebody's")
        outputs.publish()
    assert contents(tmp_path) == {"a": "somebody's"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_the_place_of_an_output_is_refused_at_once(tmp_path, overwrite):
    (tmp_path / "a").mkdir()
    with (
        Outputs(tmp_path, [], overwrite=overwrite) as outputs,
        pytest.raises(OSError, match=str(tmp_path / "a")),
    ):
        outputs.claim("a")


def same(folder: Path) -> tuple[Path, Path]:
    return folder / "in", folder / "in" / "a"


def through_a_linked_folder(folder: Path) -> tuple[Path, Path]:
    (folder / "link").symlink_to("in")
    return folder / "link", folder / "in" / "a"


def through_a_linked_input(folder: Path) -> tuple[Path, Path]:
    (folder / "link").symlink_to("in/a")
    return folder / "in", folder / "link"


def through_a_linked_output(folder: Path) -> tuple[Path, Path]:
    (folder / "out").mkdir()
    (folder / "out" / "a").symlink_to("../in/a")
    return folder / "out", folder / "in" / "a"


def through_a_hard_link(folder: Path) -> tuple[Path, Path]:
    (folder / "out").mkdir()
    (folder / "out" / "a").hardlink_to(folder / "in" / "a")
    return folder / "out", folder / "in" / "a"


def through_dots(folder: Path) -> tuple[Path, Path]:
    return folder / "in" / ".." / "in", folder / "in" / "a"


def through_dots_of_a_folder_to_be_made(folder: Path) -> tuple[Path, Path]:
    return folder / "new" / ".." / "in", folder / "in" / "a"


def by_a_relative_path(folder: Path) -> tuple[Path, Path]:
    return Path(os.path.relpath(folder / "in")), folder / "in" / "a"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "way",
    [
        same,
        through_a_linked_folder,
        through_a_linked_input,
        through_a_linked_output,
        through_a_hard_link,
        through_dots,
        through_dots_of_a_folder_to_be_made,
        by_a_relative_path,
    ],
)
def test_an_input_is_never_replaced(tmp_path, way, overwrite):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("input")
    directory, path = way(tmp_path)
    before = contents(tmp_path)
    with (
        pytest.raises(FileExistsError, match="would replace the input"),
        Outputs(directory, [tmp_path / "other", path], overwrite=overwrite) as outputs,
    ):
        write(outputs, "a")
    assert contents(tmp_path) == before


def test_an_input_that_was_moved_to_the_place_of_an_output_is_not_replaced(tmp_path):
    (tmp_path / "input").write_text("input")
    with (
        pytest.raises(FileExistsError, match="would replace the input"),
        Outputs(tmp_path / "out", [tmp_path / "input"], overwrite=True) as outputs,
    ):
        write(outputs, "a").hardlink_to(tmp_path / "input")
        outputs.publish()
    assert (tmp_path / "input").read_text() == "input"


def test_other_files_beside_an_input_may_be_written(tmp_path):
    (tmp_path / "in").write_text("input")
    with Outputs(tmp_path, [tmp_path / "in"], overwrite=True) as outputs:
        write(outputs, "a")
        outputs.publish()
    assert contents(tmp_path) == {"in": "input", "a": "new"}


# What a failure leaves


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, Interruption])
@pytest.mark.parametrize("folder", ["out", "out/deep/er"])
def test_a_failure_leaves_nothing_behind(tmp_path, error, folder):
    with pytest.raises(error), Outputs(tmp_path / folder, [], overwrite=False) as outputs:
        write(outputs, "a")
        outputs.part(outputs.claim("b"))
        raise error
    assert contents(tmp_path) == {}


def test_a_failure_keeps_what_was_there(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    with (
        pytest.raises(RuntimeError),
        Outputs(tmp_path / "out" / "deep", [], overwrite=True) as deep,
        Outputs(tmp_path / "out", [], overwrite=True) as outputs,
    ):
        write(deep, "a")
        write(outputs, "a")
        raise RuntimeError
    assert contents(tmp_path) == {"out": None, "out/a": "old"}


def test_a_failure_keeps_an_empty_folder_that_was_there(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError), Outputs(tmp_path / "out", [], overwrite=True):
        raise RuntimeError
    assert contents(tmp_path) == {"out": None}


def test_a_failure_keeps_an_empty_folder_named_by_way_of_a_missing_one(tmp_path):
    (tmp_path / "out").mkdir()
    way = tmp_path / "new" / ".." / "out"
    with pytest.raises(RuntimeError), Outputs(way, [], overwrite=True):
        raise RuntimeError
    assert contents(tmp_path) == {"out": None}


def test_a_failure_keeps_a_made_folder_that_others_use_by_now(tmp_path):
    with pytest.raises(RuntimeError), Outputs(tmp_path / "out" / "er", [], overwrite=True) as mine:
        write(mine, "a")
        (tmp_path / "out" / "other").write_text("other")
        raise RuntimeError
    assert contents(tmp_path) == {"out": None, "out/other": "other"}


def test_what_was_not_published_is_removed(tmp_path):
    with Outputs(tmp_path, [], overwrite=False) as outputs:
        write(outputs, "a")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path, folder):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="file"), Outputs(tmp_path / folder, [], overwrite=True):
        pass
    assert contents(tmp_path) == {"file": "kept"}


def test_a_folder_that_cannot_be_made_leaves_no_folders_above_it(tmp_path):
    folder = tmp_path / "new" / ("a" * 300)
    with pytest.raises(OSError, match="too long"), Outputs(folder, [], overwrite=True):
        pass
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("old", [{}, {"a": "old"}, {"c": "old"}, {"a": "old", "c": "old"}])
def test_publishing_is_all_or_nothing(tmp_path, old):
    """The second of three outputs was never written, so that it cannot be renamed."""
    for name, text in old.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(OSError), Outputs(tmp_path, [], overwrite=True) as outputs:
        write(outputs, "a")
        outputs.part(outputs.claim("b"))
        write(outputs, "c")
        outputs.publish()
    assert contents(tmp_path) == old


@pytest.mark.parametrize("old", [{}, {"a": "old", "b": "old", "c": "old"}])
def test_an_interrupt_undoes_publishing(tmp_path, monkeypatch, old):
    """The interrupt is sent from `os.replace`, so that it arrives at the right moment."""
    replace = os.replace

    def interrupted(source: os.PathLike[str], target: os.PathLike[str]) -> None:
        if Path(target).name == "b" and Path(source).read_text() == "new":
            signal.raise_signal(signal.SIGINT)
            time.sleep(2 * POLL)  # the main thread looks for it now and then
        replace(source, target)

    (tmp_path / "out").mkdir()
    for name, text in old.items():
        (tmp_path / "out" / name).write_text(text)
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), Outputs(tmp_path / "out", overwrite=True) as outputs:
        for name in "abc":
            write(outputs, name)
        outputs.publish()
    assert contents(tmp_path / "out") == old


def test_a_folder_made_is_gone_after_a_failed_publish(tmp_path):
    with pytest.raises(OSError), Outputs(tmp_path / "out", [], overwrite=False) as outputs:
        write(outputs, "a")
        outputs.part(outputs.claim("b"))
        outputs.publish()
    assert contents(tmp_path) == {}


def test_of_runs_that_publish_the_same_names_at_once_one_wins(tmp_path):
    names = [f"{number}" for number in range(200)]
    runs = 3
    barrier = threading.Barrier(runs)

    def run(text: str) -> str | None:
        with Outputs(tmp_path / "out") as outputs:
            for final in outputs.claim_all(names):
                outputs.part(final).write_text(text)
            barrier.wait()
            try:
                outputs.publish()
            except FileExistsError:
                return None
            return text

    with ThreadPoolExecutor(runs) as threads:
        (text,) = filter(None, threads.map(run, "123"))
    assert contents(tmp_path / "out") == dict.fromkeys(names, text)


def test_several_threads_write_parts(tmp_path):
    names = [f"{number}" for number in range(40)]
    with Outputs(tmp_path) as outputs:
        finals = outputs.claim_all(names)
        with ThreadPoolExecutor(8) as threads:
            parts = [*threads.map(outputs.part, finals * 3)]
        assert len({*parts}) == 40
        for part, name in zip(parts, names * 3, strict=True):
            part.write_text(name)
        outputs.publish()
    assert contents(tmp_path) == {name: name for name in names}
