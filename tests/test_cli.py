"""The command line: commands, options, wrong usage, help pages, completion, the examples."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.cli.commands import COMMANDS
from badpix_selfcal.cli.options import ONLY_IN_PYTHON
from badpix_selfcal.instrument import DETECTORS, DISPAXIS_OF_EXP_TYPE

from .commands import command, shell

ROOT = Path(__file__).resolve().parents[1]
CARDS = {"DO_NOT_USE", "OTHER_BAD_PIXEL", "EXP_TYPE", "DQ_DEF", "IS_IMPRT", *DISPAXIS_OF_EXP_TYPE}
PUBLIC = ("batch", "apply", "report", "compare", "history", "export", "associate")


def page(capsys, *words):
    assert main([*words, "--help"]) == 0
    return capsys.readouterr().out


def options(text):
    """Return the long options of a help page."""
    return {*re.findall(r"^ [ *]*(--[\w-]+)", text, re.MULTILINE)} - {"--json", "--quiet"}


def keywords(function):
    """Return the keywords of a function that are options, and its further arguments."""
    named, positional = set(), []
    for name, each in inspect.signature(function).parameters.items():
        if each.default == each.empty:
            positional.append(name.upper())
        elif name not in ONLY_IN_PYTHON:
            named.add(f"--{name.replace('_', '-')}")
    return named, positional


# Commands and options


def test_the_commands_call_the_public_functions():
    assert COMMANDS["run"].function is bps.selfcal
    for name in PUBLIC:
        assert COMMANDS[name].function is getattr(bps, name)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_keyword_is_an_option_with_a_help_text(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "1000")
    text = page(capsys, name)
    named, positional = keywords(COMMANDS[name].function)
    extra = {"--hot-groups"} if name == "simulate" else set()
    assert options(text) == named | extra | {"--verbose"}
    first, *_ = text.splitlines()
    assert first == " ".join([f"Usage: badpix-selfcal {name} [OPTIONS]", *positional])
    for line in text.splitlines():
        if re.match(r" [ *]*(--)?[a-zA-Z]+ .*  ", line):
            assert re.search(r"  [A-Z(\"][^\[]{8,}", line), line
    texts = re.findall(r"^ [ *]*--[a-z-]+ .*?  +(\S.*)", text, re.MULTILINE)
    assert len(texts) == len({*texts}) > 2


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_no_names_of_the_code(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "1000")
    text = page(capsys, name).partition("\nExamples:")[0]
    assert not re.findall(r"badpix_selfcal\.\w+|[A-Z]\w+\.[a-z_]+|=True|\bNone\b", text)
    constants = {*re.findall(r"\b[A-Z]+_[A-Z_]+\b", text)} - CARDS
    assert constants <= {"BADPIX_SELFCAL_NUM_THREADS"}


def test_help_lists_the_detectors(capsys):
    assert all(each in page(capsys, "simulate") for each in DETECTORS)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_a_page_fits_a_terminal_and_has_no_markup(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    text = page(capsys, *filter(None, [name]))
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "`" not in text
    assert "As in" not in text
    assert "False" not in text


IMPORTED = (
    "import sys; from badpix_selfcal.cli import main; main(sys.argv[1:]); "
    "print([name for name in ('cyclopts', 'matplotlib', 'astropy', 'bokeh', 'hypothesis')"
    " if name in sys.modules])"
)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("--version", "[]"),
        ("--help", "['cyclopts']"),
        ("run sci_rate.fits --background sky_rate.fits --quiet", "['cyclopts', 'astropy']"),
    ],
)
def test_little_is_imported(demo, line, found):
    played = shell(f'{sys.executable} -c "{IMPORTED}" {line}', demo)
    assert played.text.splitlines()[-1] == found


def test_help_lists_the_commands(capsys):
    listed = re.findall(r"^ (\w+) +[A-Z]\w+ ", page(capsys), re.MULTILINE)
    assert listed == [*COMMANDS, "completion"]


def test_the_installed_command_and_the_module_are_one(tmp_path):
    script = Path(sysconfig.get_path("scripts")) / "badpix-selfcal"
    for start in (script, f"{sys.executable} -m badpix_selfcal"):
        played = shell(f"{start} --version", tmp_path)
        assert (played.status, played.text) == (0, f"badpix-selfcal {bps.__version__}\n")


# Wrong usage


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run", 'Command "run" parameter INPUT requires an argument.'),
        ("run --background a b", 'Command "run" parameter INPUT requires an argument.'),
        ("run x --kernal-size 9", "Unknown option: --kernal-size. Did you mean --kernel-size?"),
        ("run x --kernel-size nine", "--kernel-size"),
        ("run x --kernel-size 8", "kernel_size must be odd, got 8"),
        ("run x --flagfrac-lower 0.6", "flagfrac_lower must be from 0 to 0.5"),
        ("run x --edge wrap", 'Invalid value "wrap" for --edge. Choose from: '),
        ("run x --overwrite --no-overwrite", "Unknown option: --no-overwrite."),
        ("run x y", "too many: y; run takes one input, 'badpix-selfcal batch' many exposures"),
        ("run x --quiet -v", "give -v or --quiet, not both"),
        ("batch . --workers 0", "workers must be from 1 to 64"),
        ("batch . --group-by channel", 'Invalid value "channel" for --group-by.'),
        ("simulate d --detector NRCA1", "detector must be 'MIRIFULONG', "),
        ("simulate d --n-science 0", "n_science must be at least 1, got 0"),
        ("simulate d --size 96 640 1", "size must be one whole number or 2"),
        ("verify --examples 0", "examples must be at least 1"),
    ],
)
def test_wrong_usage_names_the_command_and_what_is_wrong(tmp_path, monkeypatch, capsys, line, said):
    monkeypatch.chdir(tmp_path)
    for name in ("x", "y"):
        (tmp_path / name).touch()
    name, *_ = words = line.split()
    assert main(words) == 2
    printed = capsys.readouterr()
    error, where = printed.err.splitlines()
    assert error.startswith(f"badpix-selfcal {name}: error: ")
    assert said in error
    assert where == f"'badpix-selfcal {name} --help' lists the options"
    assert printed.out == ""
    assert main([*words, "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert (report["exit_status"], len(report["errors"])) == (2, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-v run x", "-v stands before the command; options stand after it"),
        ("bach .", 'Unknown command "bach". Did you mean "batch"? '),
    ],
)
def test_a_command_that_is_missing_or_unknown(capsys, line, said):
    assert main(line.split()) == 2
    error, where = capsys.readouterr().err.splitlines()
    assert error.startswith(f"badpix-selfcal: error: {said}")
    assert where == "'badpix-selfcal --help' lists the commands"


def test_without_a_command_the_commands_are_listed(capsys):
    listed = page(capsys)
    assert main([]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", listed)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("plot", "verify")])
def test_a_missing_letter_is_noticed(capsys, name):
    named, positional = keywords(COMMANDS[name].function)
    for meant in named:
        if len(meant) > 6:
            assert main([name, *positional, meant[:-1], "9"]) == 2
            said = capsys.readouterr().err
            assert f"Unknown option: {meant[:-1]}. Did you mean {meant}?" in said


def test_a_missing_extra_is_named(capsys, monkeypatch):
    pytest.importorskip("hypothesis")
    for name in [name for name in sys.modules if name.startswith("badpix_selfcal.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    assert main(["verify", "--examples", "1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("badpix-selfcal: error: badpix_selfcal.testing needs hypothesis")
    assert 'pip install "badpix-selfcal[testing]"' in said
    assert main(["--help"]) == 0


# Completion


COMPLETE = """
eval "$(badpix-selfcal completion bash)"
COMP_WORDS=({words}); COMP_CWORD={last}; cur={word}
"$(complete -p badpix-selfcal | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["b"], "batch"),
        (["run", "--kern"], "--kernel-size"),
        (["run", "--cut", "s"], "sigma"),
        (["batch", "some"], "some_rate.fits"),
        (["run", "x", "--background", "some"], "some_rate.fits"),
    ],
)
def test_the_shell_completes(tmp_path, typed, offered):
    (tmp_path / "some_rate.fits").touch()
    words = ["badpix-selfcal", *typed]
    line = COMPLETE.format(words=" ".join(words), last=len(typed), word=typed[-1])
    assert shell(line, tmp_path).text.strip() == offered


# Examples


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_work_in_the_demo_folder(capsys, monkeypatch, simulated, tmp_path, name):
    demo = tmp_path / "demo"
    shutil.copytree(simulated, demo)
    monkeypatch.setenv("COLUMNS", "200")
    text = page(capsys, name).partition("Examples:")[2]
    examples = re.findall(r"^  (badpix-selfcal .*)$", text, re.MULTILINE)
    assert examples
    for example in examples:
        played = shell(example, demo)
        assert (example, played.status) == (example, 0), played.text
        assert "warning" not in played.text


SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_an_example_has_help_without_its_packages(tmp_path, path):
    bare = f"{sys.executable} -S -s {path}"  # -S: without what is installed
    played = shell(f"{bare} --help", tmp_path, PYTHONPATH="")
    assert played.status == 0
    assert f"python examples/{path.name} demo" in played.text
    files = "truth.fits copy.fits" if "truth" in path.name else "demo"
    played = shell(f"{bare} {files}", tmp_path, PYTHONPATH="")
    assert played.status == 2
    assert re.search(r"error: No module named 'numpy'; in the clone: pip install \S+$", played.text)


def test_flags_are_compared_with_the_truth(simulated, tmp_path):
    done = command(
        "run", *simulated.glob("*_00001_*_asn.json"), "--output-dir", "flagged", cwd=tmp_path
    )
    assert done.returncode == 0
    script = ROOT / "examples" / "compare_with_truth.py"
    played = shell(f"{sys.executable} {script} {simulated}/*_truth.fits flagged/*.fits", tmp_path)
    assert re.fullmatch(
        r"122 pixels are flagged, at the low and at the high end\.\n"
        r"\d+ of them are hot or touch a hot pixel\.\n"
        r"\d+ of the \d+ hot pixels are flagged\.\n",
        played.text,
    )
