"""The commands that work on many exposures, run as a user does."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.cli.progress import Bar, line

from .exposures import header
from .pools import pool, take


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with exposures of two detectors, which is the current folder."""
    pool(tmp_path, detectors=("MIRIFULONG", "NRS1"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    bps.set_num_threads(None)


def test_batch_ends_with_a_table(here, capsys):
    assert main(["batch", ".", "--output-dir", "out"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    head, *rows = printed.out.splitlines()
    assert head.split("  ")[0] == "group"
    assert [row.split()[0] for row in rows] == ["MIRIFULONG", "NRS1"]
    for row in rows:
        assert row.split()[-1] == "0"
        assert "62 low + 62 high" in row
    assert len(list((here / "out").iterdir())) == 6


@pytest.mark.usefixtures("here")
def test_batch_reports_in_json(capsys):
    options = ["--json", "--threads", "2", "--workers", "3", "--save-flagged-bkg"]
    assert main(["batch", ".", "--output-dir", "out", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["threads"], report["failed"]) == (bps.__version__, 2, 0)
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
    for told, group in zip(report["groups"], result.groups, strict=True):
        assert told["group"] == group.name
        assert told["masks"][0]["n_low"] == group.masks[1].n_low
    for each in result.exposures:
        history = " ".join(header(each.output)["HISTORY"])
        assert history == " ".join(header(f"cli/{each.output.name}")["HISTORY"])


def test_a_failed_exposure_is_told_and_makes_status_1(here, capsys):
    (here / "junk_rate.fits").write_text("junk")
    assert main(["batch", ".", "--output-dir", "out"]) == 1
    printed = capsys.readouterr()
    assert printed.err == (
        "badpix-selfcal: error: junk_rate.fits: is not a FITS file, nor one compressed by gzip\n"
    )
    assert printed.out.splitlines()[-1].split() == ["unreadable", "1", *"-----", "1"]
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


def test_what_a_batch_did_not_do_is_told(here, capsys):
    take(here / "image_rate.fits", 1, DETECTOR="MIRIMAGE", EXP_TYPE="MIR_IMAGE")
    take(here / "zempty_rate.fits", 30, empty_gap=True)
    assert main(["batch", ".", "--output-dir", "out"]) == 0
    printed = capsys.readouterr()
    assert "badpix-selfcal: warning: zempty_rate.fits: left out" in printed.err
    assert printed.out.splitlines()[-1] == "passed over: 1 not of an integral-field unit"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["batch"], "INPUT"),
        (["batch", ".", "--workers", "0"], "workers must be from 1 to 64"),
        (["batch", ".", "--group-by", "channel"], "invalid choice: 'channel'"),
        (["batch", ".", "--kernel-size", "4"], "kernel_size must be odd"),
        (["associate"], "INPUT"),
    ],
)
@pytest.mark.usefixtures("here")
def test_wrong_usage_has_status_2(capsys, arguments, words):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["batch", "associate"])
def test_help_is_a_page_to_work_from(capsys, command):
    assert main([command, "--help"]) == 0
    page = capsys.readouterr().out
    assert f"usage: badpix-selfcal {command}" in page
    assert "examples:" in page


def test_associate_tells_what_it_wrote(here, capsys):
    assert main(["associate", ".", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would write   sci0_mirifulong_spec2_asn.json")
    assert not list(here.glob("*.json"))
    assert main(["associate", ".", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["associations"]) == len(list(here.glob("*_spec2_asn.json"))) == 6
    assert main(["associate", "."]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["associate", ".", "--overwrite", "--background", "sci2*.fits"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith("(MIRIFULONG 34: 1 science, 3 background, 5 selfcal)")
    assert main(["run", "sci0_nrs1_spec2_asn.json", "--output-dir", "out"]) == 0


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_tells_rate_and_time_left():
    assert line(0, 6, 0.0) == f"[{'-' * 30}] 0/6 exposures"
    assert line(2, 6, 1.0) == f"[{'#' * 10}{'-' * 20}] 2/6 exposures, 2/s, 0:02 left"
    assert line(1, 100, 2.0).endswith("1/100 exposures, 0.5/s, 3:18 left")


def test_the_bar_is_drawn_on_a_terminal_at_times_and_taken_away():
    now = iter([0.0, 0.0, 0.01, 0.02, 5.0, 5.01])
    terminal = Terminal()
    with Bar(terminal, lambda: next(now)) as bar:
        for done in range(5):
            bar(done, 4)
    drawn = terminal.getvalue().split("\r")
    assert ["0/4" in drawn[1], "3/4" in drawn[2], "4/4" in drawn[3]] == [True] * 3
    assert drawn[-1] == "\x1b[K"
    assert len(drawn) == 5


def test_there_is_no_bar_in_a_pipe():
    pipe = io.StringIO()
    with Bar(pipe) as bar:
        bar(0, 2)
        bar(2, 2)
    assert pipe.getvalue() == ""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")
def test_a_terminated_batch_leaves_whole_files_and_can_be_resumed(here):
    code = (
        "import sys, time\n"
        "from badpix_selfcal import cli, exposure\n"
        "write = exposure.Exposure.write_under\n"
        "written = []\n"
        "def slow(self, header, to, mask):\n"
        "    write(self, header, to, mask)\n"
        "    written.append(to)\n"
        "    if len(written) == 3:\n"
        "        print('third', flush=True)\n"
        "        time.sleep(2)\n"
        "exposure.Exposure.write_under = slow\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    run = ["batch", ".", "--output-dir", "out", "--workers", "1"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *run], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"third\n"
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert b"terminated; outputs written before are whole; --resume goes on" in told
    left = sorted(path.name for path in (here / "out").iterdir())
    assert len(left) == 3
    assert all(name.endswith("_badpix_selfcal.fits") for name in left)
    assert main([*run, "--resume"]) == 0
    assert len(list((here / "out").iterdir())) == 6
