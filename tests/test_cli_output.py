"""What the command prints besides its report, and streams that cannot be written."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis.strategies import text

import badpix_selfcal as bps
from badpix_selfcal import progress
from badpix_selfcal.cli import main
from badpix_selfcal.cli.commands import COMMANDS
from badpix_selfcal.errors import visible

from .commands import command
from .exposures import observation, sky, write
from .pools import pool, take


@pytest.fixture
def here(here):
    """A folder with an observation in it, which is the current folder."""
    observation(here)
    return here


RUN = ("run", "x_asn.json", "--overwrite")


# -v, -vv and --quiet


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["run", "batch", "associate", "simulate"])
def test_verbose_prints_the_log(capsys, name):
    inputs = {"run": ["x_asn.json"], "simulate": ["made", "--size", "96", "640"]}
    assert main([name, *inputs.get(name, ["."]), "--verbose"]) == 0
    first, *others = capsys.readouterr().err.splitlines()
    python = platform.python_version()
    assert first == f"badpix-selfcal: info: badpix-selfcal {bps.__version__}, Python {python}"
    assert all(re.match("badpix-selfcal: (?!debug)", line) for line in others)


@pytest.mark.usefixtures("here")
def test_verbose_twice_prints_the_arguments_too(capsys):
    assert main([*RUN, "-vv", "--threads", "2", "--kernel-size", "9"]) == 0
    printed = capsys.readouterr()
    assert "badpix-selfcal: info: threads that compute: 2\n" in printed.err
    assert re.search(r"^badpix-selfcal: debug: .*'kernel_size': 9", printed.err, re.MULTILINE)
    assert "COMPLETE" in printed.out


# Errors and warnings name parameters as options


@pytest.mark.usefixtures("here")
def test_errors_and_warnings_name_the_options(capsys):
    for words, said in (
        (["batch", "."], "set --overwrite to replace it, --resume to keep what is done, or"),
        (["run", "x_asn.json"], "set --overwrite to replace it, or"),
        (["export", "sci0_rate.fits", "p.ecsv"], "that was written with --save-mask"),
        (["plot", "x_asn.json", "--dpi", "1"], "--dpi must be from 20 to 1200"),
        (
            ["batch", "sci0_rate.fits", "--output-dir", "new"],
            "exposures of the same detector (--background)",
        ),
    ):
        for options in ((), ("--json",)):  # outputs exist the second time
            capsys.readouterr()
            main([*words, *options])
        printed = capsys.readouterr()
        found = json.loads(printed.out)
        assert said in " ".join(found["errors"] + found["warnings"])
        assert said in printed.err
        assert "`" not in printed.err


def test_the_report_of_a_batch_names_the_options(here, capsys):
    assert main(["batch", ".", "--quiet"]) == 0
    copy = str(next(here.glob("*_badpix_selfcal.fits")))
    assert main(["batch", copy, ".", "--output-dir", "out"]) == 1
    assert capsys.readouterr().out.count("or set --force to use it") == 1


# Names of files that a terminal would obey

EVIL = "\x1b]0;title\x07\x9b31m\u202e\x7f\n\u2028verdict  TRUST\r\x1b[2J"


def controls(text):
    return {each for each in text if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Cf")}


@pytest.mark.skipif(os.name == "nt", reason="files have no such names")
def test_control_characters_in_names_are_shown_never_sent(here, capsys):
    """In reports, warnings, errors and the log of each command, and in pages."""
    for number, path in enumerate(sorted(here.glob("*_rate.fits"))):
        path.rename(here / f"{number}{EVIL}_rate.fits")
    (here / f"broken{EVIL}_rate.fits").write_bytes(b"x" * 2880)
    broken, old, new = str(here / f"broken{EVIL}_rate.fits"), f"old{EVIL}", f"new{EVIL}"

    def call(*words, status=0):
        assert main([*words, "-vv"]) == status
        printed = capsys.readouterr()
        assert controls(printed.out + printed.err) <= {"\n"}
        assert not re.search("^verdict  TRUST", printed.out + printed.err, re.MULTILINE)
        return printed

    for out, options in ((old, ()), (new, ("--cut", "sigma"))):
        done = call(
            "batch", ".", "--output-dir", out, "--save-mask", "--report", *options, status=1
        )
        assert "\\u001b]0;title\\u0007\\u009b31m\\u202e\\u007f\\u000a\\u2028verdict" in done.out
        assert "broken\\u001b]0;title" in done.err
    first, second = (str(next(here.glob(f"{out}/*_mask.fits"))) for out in (old, new))
    pages = [page.read_text() for page in here.glob("*/*.html")]
    assert [*map(controls, pages)] == [{"\n"}] * 2
    assert all("\\u001b]0;title" in page for page in pages)
    call("plot", first, "--output-dir", f"figures{EVIL}")
    call("report", first, "--output-dir", f"pages{EVIL}")
    call("export", first, f"{EVIL}.reg")
    call("history", first, second)
    call("compare", first, second, status=4)
    call("apply", first, ".", "--output-dir", f"applied{EVIL}", status=1)
    call("associate", ".", status=1)
    call("simulate", f"made{EVIL}", "--size", "96", "640")
    for words in (["run", broken], ["run", EVIL]):
        call(*words, status=1)
    for words in ([EVIL], ["run", "a", EVIL], ["run", "a", f"--{EVIL}"]):
        call(*words, status=2)


@given(text())
def test_visible_text_is_that_of_json(text):
    shown = visible(text)
    assert controls(shown) <= {each for each in text if unicodedata.category(each) == "Cf"}
    if "\\" not in text and '"' not in text:
        assert json.loads(f'"{shown}"') == text


def test_quiet_prints_errors_only(here, capsys):
    assert main(["run", "sci0_rate.fits", "--quiet", "--copy-skipped"]) == 3
    assert capsys.readouterr() == ("", "")
    assert (here / "sci0_badpix_selfcal.fits").exists()
    assert main(["run", "nowhere.fits", "--quiet"]) == 1
    assert capsys.readouterr().err.startswith("badpix-selfcal: error: nowhere.fits: no such")


@pytest.mark.usefixtures("here")
def test_the_traceback_of_an_expected_error_needs_two(capsys):
    assert main(["run", "nowhere.fits", "-v"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert main(["run", "nowhere.fits", "-vv"]) == 1
    traceback, _, last = capsys.readouterr().err.rstrip().rpartition("\n")
    assert "Traceback" in traceback
    assert last.startswith("badpix-selfcal: error: nowhere.fits: no such")


@pytest.fixture
def failing(monkeypatch):
    """A function that lets `run` fail with an error from elsewhere."""

    def fail(error):
        def raised(*_):
            raise error

        monkeypatch.setattr(type(COMMANDS["run"]), "__call__", raised)

    return fail


def test_an_unexpected_error_asks_for_a_report_in_one_line(failing, capsys):
    failing(KeyError("two\nlines"))
    assert main(["run", "x"]) == 1
    assert capsys.readouterr() == (
        "",
        r"badpix-selfcal: unexpected error: KeyError: 'two\nlines'; please report it with the "
        "traceback that --verbose prints\n",
    )
    assert main(["run", "x", "-v", "--json"]) == 1
    printed = capsys.readouterr()
    *_, traceback, last = printed.err.splitlines()
    assert "Traceback (most recent call last):" in printed.err
    assert traceback == r"KeyError: 'two\nlines'"
    assert last.endswith("please report it with the traceback above")
    assert json.loads(printed.out)["errors"] == [r"KeyError: 'two\nlines'"]


def test_no_memory_is_said_so(failing, capsys):
    failing(MemoryError())
    assert main(["run", "x"]) == 1
    assert capsys.readouterr().err == "badpix-selfcal: error: out of memory\n"


def test_names_that_the_terminal_cannot_show(tmp_path):
    write(tmp_path / "ü_rate.fits", sky(1))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = command("run", "ü_rate.fits", "--force-single", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xfc_badpix_selfcal.fits" in done.stdout


# Progress


def test_without_a_terminal_a_line_is_printed_every_half_minute(monkeypatch):
    now, stream = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.shown(stream, "files") as show:
        for at, done in ((0, 0), (29, 10), (30, 20), (31, 21), (59, 39), (60, 40), (90, 60)):
            now[0] = at
            show(done, 60)
    assert stream.getvalue().splitlines() == [
        "badpix-selfcal: 20/60 files, 1:00 left",
        "badpix-selfcal: 40/60 files, 0:30 left",
    ]


def on_a_terminal(*arguments, cwd):
    """Run the command with a terminal for standard error; return what it writes there."""
    import pty

    code = (
        "import sys; from badpix_selfcal import progress; from badpix_selfcal.cli import main; "
        "progress.AFTER = 0.0; "
        "sys.exit(main(sys.argv[1:]))"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "200", "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        written = b""
        with suppress(OSError):  # raised at the end of the output
            while part := os.read(ours, 4096):
                written += part
    os.close(ours)
    assert process.returncode == 0
    return written.decode()


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_messages_stand_above_the_bar(tmp_path):
    pool(tmp_path, detectors=("MIRIFULONG",))
    take(tmp_path / "zempty_rate.fits", 30, empty_gap=True)
    written = on_a_terminal("batch", ".", "-v", "--output-dir", "out", cwd=tmp_path)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written)
    assert "files read or written" in plain
    assert re.search(r"[\r\n]badpix-selfcal: warning: zempty_rate.fits: left out", plain)
    assert on_a_terminal("batch", ".", "--quiet", "--output-dir", "two", cwd=tmp_path) == ""


# Streams that cannot be written


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110
WRITES = "run x_asn.json --output-dir out --save-flagged-bkg"


def shell(line, cwd, start="-m badpix_selfcal"):
    """Run a command with redirections; return its status, standard output and standard error."""
    program = ["bash", "-c", f"{shlex.quote(sys.executable)} {start} {line}"]
    done = subprocess.run(
        program, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def written(folder):
    return sorted(path.name for path in (folder / "out").iterdir())


@FULL
@pytest.mark.parametrize("how", [">&-", "> /dev/full", "--json >&-", "--json > /dev/full"])
def test_a_report_that_cannot_be_printed_is_a_failure(here, how):
    status, _, error = shell(f"{WRITES} {how}", here)
    why = "it is closed" if "&-" in how else "No space left on device"
    assert error == f"badpix-selfcal: error: the summary could not be printed (stdout: {why})\n"
    assert status == 1
    assert len(written(here)) == 3


@FULL
@pytest.mark.parametrize("how", ["2>&-", "2> /dev/full", ">&- 2>&-", "--help > /dev/full"])
def test_only_the_report_must_be_printed(here, how):
    status, printed, _ = shell(f"{WRITES} {how}", here)
    is_printed = how.startswith("2")
    assert (status, bool(printed)) == (0 if is_printed else 1, is_printed)
    assert "help" in how or len(written(here)) == 3


def test_a_reader_that_has_gone_wants_no_more(here):
    for line in ("batch . --output-dir out -v 2>&1", "run --help", "completion bash"):
        assert shell(f"{line} | true; exit ${{PIPESTATUS[0]}}", here) == (0, "", "")
    assert len(written(here)) == 5


def test_no_output_gets_the_number_of_a_closed_stream(here):
    """The system's own messages would end up in it."""
    if not os.path.exists("/proc/self/fd"):  # noqa: PTH110
        pytest.skip("there is no /proc")
    code = (
        "import os, sys; from badpix_selfcal.cli import main; main(sys.argv[1:]); "
        "sys.exit([os.readlink(f'/proc/self/fd/{n}') for n in range(3)] != 3 * ['/dev/null'])"
    )
    status, *_ = shell(f"{WRITES} <&- >&- 2>&-", here, f"-c {shlex.quote(code)}")
    assert status == 0
