"""The commands that work on many exposures, run as a user does."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.cli.progress import Bar, line
from badpix_selfcal.cli.terminal import say

from .commands import command, signalled
from .exposures import header
from .pools import pool, take


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with exposures of two detectors, which is the current folder."""
    pool(tmp_path, detectors=("MIRIFULONG", "NRS1"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    bps.set_num_threads(None)


STATUSES = ("complete", "skipped", "kept", "failed", "background")


def test_batch_ends_with_a_table(here, capsys):
    assert main(["batch", ".", "--output-dir", "out"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert [re.split("  +", row) for row in printed.out.splitlines()] == [
        ["group", "exposures", *STATUSES, "flagged pixels"],
        ["MIRIFULONG 34", "5", "3", "0", "0", "0", "2", "62 low + 62 high"],
        ["NRS1", "5", "3", "0", "0", "0", "2", "62 low + 62 high"],
        ["written", "6 files in out: <exposure>_badpix_selfcal.fits"],
        ["look", "--report shows the flags on a page; --save-mask keeps the mask to plot"],
        ["next", "strun calwebb_spec2 FILE, for each of the 6 files"],
    ]
    assert len(list((here / "out").iterdir())) == 6


@pytest.mark.usefixtures("here")
def test_batch_reports_in_json(capsys):
    options = ["--json", "--threads", "4", "--workers", "3", "--save-flagged-bkg"]
    assert main(["batch", ".", "--output-dir", "out", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["threads"], report["failed"]) == (bps.__version__, 4, 0)
    first, second = report["groups"]
    assert (first["group"], second["group"]) == ("MIRIFULONG 34", "NRS1")
    assert all(5 < member["pedestal"] < 11 for member in first["members"])
    assert all(member["pedestal"] is None for member in second["members"])
    assert first["masks"][0]["n_low"] == 62
    assert {each["status"] for each in report["exposures"]} == {"COMPLETE"}
    assert len(report["exposures"]) == 10


@pytest.mark.usefixtures("here")
def test_every_option_reaches_the_batch(capsys):
    options = [
        *("--flagfrac-lower", "0.01", "--flagfrac-upper", "0.02", "--kernel-size", "7"),
        *("--edge", "shrink", "--dispaxis", "1", "--background", "sci2*", "--group-by", "band"),
        *("--save-flagged-bkg", "--force-single"),
    ]
    assert main(["batch", ".", "--output-dir", "cli", *options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    result = bps.batch(
        ".",
        background="sci2*",
        group_by="band",
        output_dir="api",
        flagfrac_lower=0.01,
        flagfrac_upper=0.02,
        kernel_size=7,
        edge="shrink",
        dispaxis=1,
        force_single=True,
        save_flagged_bkg=True,
    )
    for reported, group in zip(report["groups"], result.groups, strict=True):
        assert reported["group"] == group.name
        assert [*group.masks] == [1]
        found = group.masks[1]
        assert reported["masks"] == [
            {
                "dispaxis": 1,
                "pixels": found.mask.size,
                "n_low": found.n_low,
                "n_high": found.n_high,
                "crowded_rows": [],
            }
        ]
        assert found.n_low < found.n_high
    for each in result.exposures:
        history = " ".join(header(each.output)["HISTORY"])
        assert history == " ".join(header(f"cli/{each.output.name}")["HISTORY"])


def test_a_failed_exposure_is_reported_and_makes_status_1(here, capsys):
    (here / "junk_rate.fits").write_text("junk")
    assert main(["batch", ".", "--output-dir", "out"]) == 1
    printed = capsys.readouterr()
    assert printed.err == (
        "badpix-selfcal: error: junk_rate.fits: is not a FITS file, nor one compressed by gzip\n"
    )
    assert printed.out.splitlines()[-3].split() == ["unreadable", "1", *"00010-"]
    assert len(list((here / "out").iterdir())) == 6


@pytest.mark.usefixtures("here")
def test_resume_keeps_what_is_done(capsys):
    run = ["batch", ".", "--output-dir", "out", "--json"]
    assert main(run) == 0
    assert main(run) == 1  # exists already
    capsys.readouterr()
    assert main([*run, "--resume"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {each["status"] for each in report["exposures"]} == {"KEPT"}
    assert main([*run, "--overwrite"]) == 0


def test_what_a_batch_did_not_do_is_reported(here, capsys):
    take(here / "image_rate.fits", 1, DETECTOR="MIRIMAGE", EXP_TYPE="MIR_IMAGE")
    take(here / "zempty_rate.fits", 30, empty_gap=True)
    assert main(["batch", ".", "--output-dir", "out"]) == 0
    printed = capsys.readouterr()
    assert "badpix-selfcal: warning: zempty_rate.fits: left out" in printed.err
    assert printed.out.splitlines()[-5:] == [
        "left out  1 exposure without a pedestal",
        "ignored   1 file of other modes (EXP_TYPE)",
        "written   7 files in out: <exposure>_badpix_selfcal.fits",
        "look      --report shows the flags on a page; --save-mask keeps the mask to plot",
        "next      strun calwebb_spec2 FILE, for each of the 7 files",
    ]
    assert main(["batch", ".", "--output-dir", "json", "--json"]) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["ignored"] == ["image_rate.fits"]
    members = [each for group in report["groups"] for each in group["members"]]
    left_out = [each for each in members if each["left_out"]]
    assert left_out == [{"path": "zempty_rate.fits", "pedestal": None, "left_out": True}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["batch"], "INPUT"),
        (["batch", ".", "--workers", "0"], "workers must be from 1 to 64"),
        (["batch", ".", "--group-by", "channel"], "invalid choice: 'channel'"),
        (["batch", ".", "--kernel-size", "4"], "--kernel-size: the value must be odd"),
        (["associate"], "INPUT"),
    ],
)
@pytest.mark.usefixtures("here")
def test_wrong_usage_has_status_2(capsys, arguments, words):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_associate_reports_what_it_wrote(here, capsys):
    assert main(["associate", ".", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would write     sci0_mirifulong_spec2_asn.json")
    assert not list(here.glob("*.json"))
    assert main(["associate", ".", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["associations"]) == len(list(here.glob("*_spec2_asn.json"))) == 6
    assert {each["existed"] for each in report["associations"]} == {False}
    assert main(["associate", "."]) == 1
    assert "exists already" in capsys.readouterr().err
    (here / "sci1_nrs1_spec2_asn.json").unlink()
    for options, verb in (([], "exists"), (["--overwrite"], "would replace")):
        assert main(["associate", ".", "--dry-run", *options]) == 0
        lines = capsys.readouterr().out.splitlines()
        new = [line for line in lines if "   sci1_nrs1_" in line]
        assert [line.startswith("would write     sci1_nrs1_") for line in new] == [True]
        assert [line.partition("  ")[0] for line in lines if line not in new] == [verb] * 5
    assert len(list(here.glob("*_spec2_asn.json"))) == 5
    assert main(["associate", ".", "--overwrite", "--background", "sci2*.fits"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith("(MIRIFULONG 34: 1 science, 3 background, 5 selfcal)")
    assert main(["run", "sci0_nrs1_spec2_asn.json", "--output-dir", "out"]) == 0


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(output):
    """Return the lines that a terminal shows in the end."""
    lines = [""]
    for part in re.split(r"(\r|\n|\x1b\[K)", output):
        if part == "\n":
            lines.append("")
            column = 0
        elif part == "\r":
            column = 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        else:
            column = 0 if not lines[-1] else column
            lines[-1] = lines[-1][:column] + part + lines[-1][column + len(part) :]
            column += len(part)
    return [line for line in lines if line]


def on_a_terminal(*arguments, cwd):
    """Run the command with a terminal for standard error; return what it writes there."""
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "badpix_selfcal", *arguments],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "200"},
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
class TestTerminal:
    def test_a_bar_is_drawn_and_cleared_for_other_lines(self, here):
        take(here / "zempty_rate.fits", 30, empty_gap=True)
        written = on_a_terminal("batch", ".", "-v", "--output-dir", "out", cwd=here)
        assert f"[{'-' * 30}] 0/7 exposures" in written
        assert f"[{'#' * 30}] 7/7 exposures" in written
        lines = shown(written)
        assert all(re.match("badpix-selfcal: (info|warning): ", line) for line in lines)
        assert any("zempty_rate.fits: left out" in line for line in lines)

    def test_quiet_draws_no_bar(self, here):
        take(here / "zempty_rate.fits", 30, empty_gap=True)
        assert on_a_terminal("batch", ".", "--quiet", "--output-dir", "out", cwd=here) == ""


def test_there_is_no_bar_in_a_pipe(here):
    done = command("batch", ".", "--output-dir", "out", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_bar_shows_rate_and_time_left():
    assert line(0, 6, 0.0) == f"[{'-' * 30}] 0/6 exposures"
    assert line(2, 6, 1.0) == f"[{'#' * 10}{'-' * 20}] 2/6 exposures, 2/s, 0:02 left"
    assert line(1, 100, 2.0).endswith("1/100 exposures, 0.5/s, 3:18 left")


def test_without_a_terminal_a_line_is_printed_every_half_minute():
    now = iter([0.0, 0.0, 29.0, 30.0, 31.0, 59.0, 60.0, 90.0])
    log = io.StringIO()
    with Bar(log, lambda: next(now)) as bar:
        for done in (0, 10, 20, 21, 39, 40, 60):
            bar.show(done, 60)
    assert log.getvalue().splitlines() == [
        "badpix-selfcal: 20/60 exposures, 0.667/s, 1:00 left",
        "badpix-selfcal: 40/60 exposures, 0.667/s, 0:30 left",
    ]


def test_quick_work_needs_no_bar():
    now = iter([0.0, 0.0, 0.4, 0.9, 1.0, 1.2])
    terminal = Terminal()
    with Bar(terminal, lambda: next(now), what="files", after=1.0) as bar:
        for done in range(5):
            bar.show(done, 4)
    assert re.findall(r"\d/4 files", terminal.getvalue()) == ["3/4 files", "4/4 files"]
    assert shown(terminal.getvalue()) == []


def test_the_bar_is_drawn_at_most_ten_times_a_second():
    now = iter([0.0, 0.0, 0.01, 0.02, 5.0, 5.01])
    terminal = Terminal()
    with Bar(terminal, lambda: next(now)) as bar:
        for done in range(5):
            bar.show(done, 4)
    assert re.findall(r"\d/4", terminal.getvalue()) == ["0/4", "3/4", "4/4"]
    assert shown(terminal.getvalue()) == []


def test_lines_of_many_threads_and_the_bar_do_not_mix(monkeypatch):
    terminal, clock = Terminal(), itertools.count()
    messages = [[f"thread {n}, line {i}" for i in range(2000)] for n in range(4)]

    monkeypatch.setattr(sys, "stderr", terminal)

    def print_all(lines):
        for each in lines:
            say(each, "stderr")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool, Bar(terminal, lambda: next(clock)) as bar:
            printing = [pool.submit(print_all, lines) for lines in messages]
            while not all(each.done() for each in printing):
                bar.show(1, 2)
    finally:
        sys.setswitchinterval(interval)
    assert sorted(shown(terminal.getvalue())) == sorted(itertools.chain(*messages))


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")
def test_a_terminated_batch_leaves_whole_files_and_can_be_resumed(tmp_path, slow_exposure):
    exposures = [
        shutil.copy(slow_exposure, tmp_path / f"sci{number}_rate.fits.gz") for number in range(5)
    ]
    run = ["batch", *exposures, "--output-dir", "out", "--workers", "1"]
    out = tmp_path / "out"

    def one_is_done():
        return len([*out.glob("*.fits")]) > 1  # one that is not synced yet would be undone

    status, printed = signalled(*run, cwd=tmp_path, when=one_is_done)
    assert status == 143
    assert printed.endswith(  # after a warning: all exposures are copies of one
        "badpix-selfcal: terminated; finished outputs are complete; --resume continues from there\n"
    )
    left = {path.name for path in out.iterdir()}
    assert 1 <= len(left) < 5
    assert all(name.endswith("_badpix_selfcal.fits") for name in left)
    done = command(*run, "--resume", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)["exposures"]
    kept = {Path(each["output"]).name for each in report if each["status"] == "KEPT"}
    assert kept == left
    assert [each["status"] for each in report].count("COMPLETE") == 5 - len(left)
