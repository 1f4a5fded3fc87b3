"""Messages name arguments as the user gives them: in Python, or on the command line."""

from __future__ import annotations

import pickle
import re
import threading
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.messages import (
    argument,
    argument_name,
    changed,
    extra,
    function,
    on_command_line,
)
from badpix_selfcal.parameters import Parameters
from badpix_selfcal.step.plan import Job

from .exposures import observation

PACKAGE = Path(bps.__file__).parent


def test_in_python_an_argument_is_a_keyword():
    assert argument_name("kernel_size") == "kernel_size"
    assert argument(overwrite=True) == "overwrite=True"
    assert argument(cut="sigma") == "cut='sigma'"
    assert function("batch") == "badpix_selfcal.batch"


def test_on_the_command_line_it_is_an_option():
    with on_command_line():
        assert argument_name("kernel_size") == "--kernel-size"
        assert argument(overwrite=True) == "--overwrite"
        assert argument(cut="sigma") == "--cut sigma"
        assert function("batch") == "badpix-selfcal batch"
    assert argument(overwrite=True) == "overwrite=True"


@pytest.mark.parametrize(
    ("name", "before", "now", "in_python", "on_the_command_line"),
    [
        ("edge", "zero", "shrink", "edge=zero (now shrink)", "--edge zero (now shrink)"),
        (
            "spare_crowded",
            "False",
            "True",
            "spare_crowded=False (now True)",
            "no --spare-crowded (now set)",
        ),
        (
            "spare_crowded",
            "True",
            "False",
            "spare_crowded=True (now False)",
            "--spare-crowded (now not set)",
        ),
    ],
)
def test_what_has_changed(name, before, now, in_python, on_the_command_line):
    assert changed(name, before, now) == in_python
    with on_command_line():
        assert changed(name, before, now) == on_the_command_line


def test_the_threads_of_a_command_write_messages_too():
    said = []
    with on_command_line():
        thread = threading.Thread(target=lambda: said.append(argument(resume=True)))
        thread.start()
        thread.join()
    assert said == ["--resume"]


def test_a_job_of_a_command_keeps_its_words_on_another_machine():
    with on_command_line():
        job = Job(None, "COMPLETE", {}, "", overwrite=False)
    assert pickle.loads(pickle.dumps(job)).remedy == "pass --overwrite to replace it"


def test_the_hint_for_an_extra_is_that_of_the_readme():
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    for name in ("jwst", "dask", "cloud"):
        assert extra(name).partition(" in ")[0] in readme


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an observation in it, which is the current folder."""
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_an_existing_output_is_told_to_each_in_their_words(capsys):
    bps.selfcal("x_asn.json")
    with pytest.raises(FileExistsError) as error:
        bps.selfcal("x_asn.json")
    ending = "or choose another output folder"
    exists = "product_badpix_selfcal.fits exists already; pass"
    assert str(error.value) == f"{exists} overwrite=True to replace it, {ending}"
    assert main(["run", "x_asn.json"]) == 1
    assert capsys.readouterr().err == (
        f"badpix-selfcal: error: {exists} --overwrite to replace it, {ending}\n"
    )


@pytest.mark.usefixtures("here")
def test_a_batch_says_how_to_resume(capsys):
    assert main(["batch", ".", "--output-dir", "out", "--quiet"]) == 0
    assert main(["batch", ".", "--output-dir", "out"]) == 1
    assert "; pass --overwrite to replace it, --resume to keep what is done, or" in (
        capsys.readouterr().err
    )


NAMES = (*Parameters.by_name(), "overwrite", "resume", "workers", "scheduler", "group_by")
WORDS = ("cut", "edge", "workers")  # words of English too


def test_no_sentence_of_the_command_line_names_a_keyword():
    """Below the commands, a message names an argument by `argument` or `argument_name` only."""
    found = []
    for path in [*sorted(PACKAGE.glob("runs/*.py")), *sorted(PACKAGE.glob("files/*.py"))]:
        text = re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8"))
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
            said = re.sub(r"\{[^}]*\}", "", literal)
            named = [
                name for name in NAMES if name not in WORDS and re.search(rf"\b{name}\b", said)
            ]
            if named and " " in said:
                found.append((path.name, literal))
    assert found == []
