"""The help pages: they fit a terminal, and their examples work when pasted."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import sampled_from

import badpix_selfcal as bps
from badpix_selfcal import plot
from badpix_selfcal.cli import main, program
from badpix_selfcal.cli.parser import WrongUsage, parse
from badpix_selfcal.cli.table import FUNCTIONS, ONLY_IN_PYTHON, ONLY_OPTIONS
from badpix_selfcal.simulate import simulate
from badpix_selfcal.testing import verify

from .transcripts import shell

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = program().commands
FUNCTION_OF = {
    "run": bps.selfcal,
    "batch": bps.batch,
    "report": bps.report,
    "apply": bps.apply,
    "associate": bps.associate,
    "plot": plot.save,
    "compare": bps.compare,
    "history": bps.history,
    "export": bps.export,
    "simulate": simulate,
    "verify": verify,
}


def page(name, capsys, monkeypatch, columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main([name, "--help"] if name else ["--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_a_page_fits_a_terminal(capsys, monkeypatch, name):
    lines = page(name, capsys, monkeypatch).splitlines()
    assert len(lines) <= 50
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_a_whole_sentence_in_one_line(capsys, monkeypatch, name):
    lines = page("", capsys, monkeypatch).splitlines()
    description = " ".join(COMMANDS[name].description.split())
    (at,) = (at for at, line in enumerate(lines) if line.split()[:1] == [name])
    said = lines[at].removeprefix(f"    {name}").strip() or lines[at + 1].strip()  # a long name
    assert f"{description} ".startswith(f"{said}. ")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_prints_the_same_page(capsys, monkeypatch, name):
    asked = page(name, capsys, monkeypatch)
    assert main(["help", name]) == 0
    assert capsys.readouterr().out == asked


def test_help_alone_prints_the_page_of_the_program(capsys, monkeypatch):
    asked = page("", capsys, monkeypatch)
    assert main(["help"]) == 0
    assert capsys.readouterr().out == asked


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_has_a_help_text(name):
    for action in COMMANDS[name].arguments:
        assert re.match(r"[a-zA-Z%].{5,}", action.help), action.dest


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observed") / "demo"
    simulate(folder, detector="MIRIFUSHORT", size=(96, 640))
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_work_in_the_demo_folder(capsys, monkeypatch, observed, tmp_path, name):
    demo = tmp_path / "demo"
    shutil.copytree(observed, demo)
    text = page(name, capsys, monkeypatch)
    examples = re.findall(
        r"^  (.*badpix-selfcal .*)$", text.partition("examples:")[2], re.MULTILINE
    )
    assert examples
    for example in examples:
        played = shell(example, demo)
        assert (example, played.status) == (example, 0), played.text
        assert "warning" not in played.text


def keywords(function):
    return {
        each.name: each.default
        for each in inspect.signature(function).parameters.values()
        if each.name not in ONLY_IN_PYTHON
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_and_keywords_have_the_same_names_and_defaults(name):
    options = {
        each.dest: each for each in COMMANDS[name].arguments if each.dest not in ONLY_OPTIONS
    }
    expected = keywords(FUNCTION_OF[name])
    assert options.keys() == expected.keys()
    for dest, action in options.items():
        if action.option_strings:
            assert action.option_strings == [f"--{dest.replace('_', '-')}"]
            default = expected[dest]
            shown = {"()": "[]"}.get(str(default), str(default))
            assert str(action.default) == shown


@pytest.mark.parametrize("keyword", ONLY_IN_PYTHON)
def test_a_keyword_without_an_option_exists(keyword):
    commands, _ = ONLY_IN_PYTHON[keyword]
    for command in commands.split(", "):
        assert keyword in inspect.signature(FUNCTION_OF[command]).parameters


def test_the_functions_of_the_table_exist():
    for name, function in FUNCTIONS.items():
        module, _, attribute = function.rpartition(".")
        __import__(module)
        assert getattr(sys.modules[module], attribute) is FUNCTION_OF[name]


def test_the_table_in_the_documentation_is_the_generated_one(capsys):
    assert main(["help", "options"]) == 0
    table = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == table
    for name in COMMANDS:
        for action in COMMANDS[name].arguments if name in FUNCTIONS else []:
            assert all(f"`{option}" in table for option in action.option_strings)


MISSPELLED = [
    (name, option, option[:at] + option[at + 1 :])
    for name in FUNCTIONS
    for option in COMMANDS[name].options
    for at in range(2, len(option))
    if option.startswith("--")
]


@given(sampled_from(MISSPELLED))
def test_a_missing_letter_is_noticed(misspelled):
    name, meant, written = misspelled
    with pytest.raises(WrongUsage) as error:
        parse(program(), [name, "x", written, "9"])
    assert str(error.value) == f"no such option: {written}; did you mean {meant}?"
    usage, said, where = error.value.text().splitlines()
    assert usage.startswith(f"usage: badpix-selfcal {name} [OPTION ...]")
    assert said == f"badpix-selfcal {name}: error: {error.value}"
    assert where == f"'badpix-selfcal {name} --help' lists the options"


COMPLETE = """
eval "$(badpix-selfcal completion bash)"
COMP_WORDS=({words}); COMP_CWORD={last}
"$(complete -p badpix-selfcal | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["b"], "batch"),
        (["run", "--kern"], "--kernel-size"),
        (["run", "--cut", "s"], "sigma"),
        (["batch", "some"], "some_rate.fits"),
    ],
)
def test_the_shell_completes(tmp_path, typed, offered):
    pytest.importorskip("shtab", reason="shtab is not installed")
    (tmp_path / "some_rate.fits").touch()
    line = COMPLETE.format(words=" ".join(["badpix-selfcal", *typed]), last=len(typed))
    played = shell(line, tmp_path)
    assert played.text.strip() == offered


def test_without_its_extra_completion_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("badpix-selfcal: error: completion needs shtab (")
    assert printed.err.endswith('): pip install ".[completion]" in the clone of badpix-selfcal\n')


def test_other_commands_do_not_import_it(tmp_path):
    code = (
        "import sys; from badpix_selfcal.cli import main; "
        "sys.exit(main(['help', 'run']) or 'shtab' in sys.modules)"
    )
    assert shell(f'{sys.executable} -c "{code}"', tmp_path).status == 0


EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_has_help_without_its_packages(tmp_path, path):
    bare = f"{sys.executable} -S -s {path}"  # -S: without what is installed
    played = shell(f"{bare} --help", tmp_path, PYTHONPATH="")
    assert played.status == 0
    assert f"python examples/{path.name} demo" in played.text
    files = "truth.fits copy.fits" if "truth" in path.name else "demo"
    played = shell(f"{bare} {files}", tmp_path, PYTHONPATH="")
    assert played.status == 2
    assert re.search(r"error: No module named 'numpy'; in the clone: pip install \S+$", played.text)


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_names_what_is_absent(tmp_path, path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    files = "truth.fits copy.fits" if "truth" in path.name else "nowhere"
    played = shell(f"python {path} {files}", tmp_path)
    assert played.status == 2
    assert re.search(
        r"error: \S+: (no such file|holds no \S+); see the example of --help$", played.text
    )


def test_flags_are_compared_with_the_truth(observed, tmp_path):
    line = f"badpix-selfcal run {observed}/*_00001_*_asn.json --output-dir flagged --quiet"
    assert shell(line, tmp_path).status == 0
    script = ROOT / "examples" / "compare_with_truth.py"
    played = shell(f"python {script} {observed}/*_truth.fits flagged/*.fits", tmp_path)
    assert played.status == 0
    assert re.fullmatch(
        r"122 pixels are flagged, at the low and at the high end\.\n"
        r"\d+ of them are hot or touch a hot pixel\.\n"
        r"\d+ of the \d+ hot pixels are flagged\.\n",
        played.text,
    )
