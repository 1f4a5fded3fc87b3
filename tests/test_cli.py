"""The command line, run as a user does."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main

from .commands import command, signalled
from .exposures import observation, sky, write


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an observation in it, which is the current folder."""
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    bps.set_num_threads(None)


def test_run_reports_what_it_did(here, capsys):
    assert main(["run", "x_asn.json", "--output-dir", "out", "--save-flagged-bkg"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    result = bps.selfcal("x_asn.json", output_dir="api")
    levels, found = result.pedestals, result.bad_pixels
    members = [f"{name}_rate.fits" for name in ("sci0", "bkg0", "bkg1", "self0", "self1")]
    written = [f"product_badpix_selfcal{name}.fits" for name in ("", "_bkg_0", "_bkg_1")]
    assert printed.out.splitlines() == [
        "product: COMPLETE",
        *(f"  member    {name}  pedestal {levels[Path(name)]:.6g}" for name in members),
        "  dispaxis  2 (along y), kernel 15",
        f"  cuts      residual below {found.cut_low:.6g} or above {found.cut_high:.6g}",
        "  flagged   62 low + 62 high = 124 pixels in 122 groups (0.202 %)",
        *(f"  written   out/{name}" for name in written),
        "look      --report shows the flags on a page; --save-mask keeps the mask to plot",
        "next      strun calwebb_spec2 out/product_badpix_selfcal.fits",
    ]
    assert sorted(path.name for path in (here / "out").iterdir()) == written


@pytest.mark.usefixtures("here")
def test_run_reports_in_json(capsys):
    assert main(["run", "x_asn.json", "--json", "--threads", "3"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["threads"]) == (bps.__version__, 3)
    (product,) = report["products"]
    assert product["status"] == "COMPLETE"
    assert product["n_low"] + product["n_high"] == 124
    assert product["cut_low"] < 0 < product["cut_high"]
    assert [member["path"] for member in product["members"]] == [
        f"{name}_rate.fits" for name in ("sci0", "bkg0", "bkg1", "self0", "self1")
    ]
    assert all(5 < member["pedestal"] < 6 for member in product["members"])
    assert product["science"] == "product_badpix_selfcal.fits"


@pytest.mark.usefixtures("here")
def test_every_option_reaches_the_step(capsys):
    options = [
        *("--selfcal", "self0_rate.fits", "--selfcal", "self1_rate.fits"),
        *("--background", "bkg0_rate.fits", "--output-dir", "cli"),
        *("--flagfrac-lower", "0.01", "--flagfrac-upper", "0.02", "--kernel-size", "7"),
        *("--save-flagged-bkg", "--edge", "shrink", "--dispaxis", "1", "--force-single"),
    ]
    assert main(["run", "sci0_rate.fits", *options, "--json"]) == 0
    (product,) = json.loads(capsys.readouterr().out)["products"]
    result = bps.selfcal(
        "sci0_rate.fits",
        selfcal=["self0_rate.fits", "self1_rate.fits"],
        background=["bkg0_rate.fits"],
        output_dir="api",
        flagfrac_lower=0.01,
        flagfrac_upper=0.02,
        kernel_size=7,
        edge="shrink",
        dispaxis=1,
        force_single=True,
        save_flagged_bkg=True,
    )
    found = result.bad_pixels
    assert (product["n_low"], product["n_high"]) == (found.n_low, found.n_high)
    assert (product["cut_low"], product["cut_high"]) == (found.cut_low, found.cut_high)
    assert (product["dispaxis"], len(product["backgrounds"])) == (1, 1)


@pytest.mark.usefixtures("here")
def test_a_square_window_on_demand(capsys):
    assert main(["run", "x_asn.json", "--dispaxis", "none", "--kernel-size", "3"]) == 0
    assert "dispaxis  unknown (square window), kernel 3" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_unflagged_copies_are_written_on_demand(capsys):
    assert main(["run", "sci0_rate.fits", "--copy-skipped"]) == 3
    printed = capsys.readouterr()
    assert "badpix-selfcal: warning: sci0_rate.fits: no selfcal or background" in printed.err
    assert printed.out.splitlines() == [
        "sci0: SKIPPED, no pixel is flagged",
        "  member    sci0_rate.fits",
        "  written   sci0_badpix_selfcal.fits",
        "next      nothing was flagged: add exposures of the same detector (--background)",
    ]


def test_nothing_to_measure_is_null_in_json(here, capsys):
    image = np.full((96, 640), np.nan, np.float32)
    write(here / "nan_rate.fits", image, detector="NRS1")
    assert main(["run", "nan_rate.fits", "--force-single", "--json"]) == 0
    (product,) = json.loads(capsys.readouterr().out)["products"]
    assert (product["cut_low"], product["n_high"]) == (None, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere_asn.json"], "nowhere_asn.json: no such file or folder"),
        (["run", "nowhere.fits"], "nowhere.fits: no such file or folder"),
        (["run", "sci0_rate.fits", "--selfcal", "no.fits"], "no.fits: no such file or folder"),
        (["run", "."], ".: is a folder; use badpix-selfcal batch"),
        (
            ["run", "x_asn.json", "--output-dir", "x_asn.json"],
            "x_asn.json: is a file; give a folder for the outputs",
        ),
        (["simulate", "x_asn.json"], "x_asn.json"),
    ],
)
def test_failures_have_status_1_and_no_traceback(here, capsys, arguments, words):
    before = sorted(here.iterdir())
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("badpix-selfcal: error: ")
    assert words in printed.err
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no command given"),
        (["fly"], "no such command: fly"),
        (["run"], "INPUT"),
        (
            ["run", "x_asn.json", "--kernel-size", "14"],
            "argument --kernel-size: the value must be odd, got 14",
        ),
        (["run", "x_asn.json", "--kernel-size", "big"], "--kernel-size"),
        (
            ["run", "x_asn.json", "--flagfrac-lower", "0.6"],
            "--flagfrac-lower: the value must be from 0 to 0.5",
        ),
        (
            ["run", "x_asn.json", "--flagfrac-upper", "nan"],
            "--flagfrac-upper: the value must be from 0 to 0.5",
        ),
        (["run", "x_asn.json", "--edge", "wrap"], "invalid choice: 'wrap'"),
        (["run", "x_asn.json", "--dispaxis", "3"], "invalid choice: '3'"),
        (["run", "x_asn.json", "--threads", "0"], "threads must be from 1 to 1024"),
        (["simulate", "d", "--detector", "NRCA1"], "invalid choice: 'NRCA1'"),
        (["simulate", "d", "--size", "96", "640", "1"], "--size: takes one number or two, got 3"),
        (
            ["simulate", "d", "--size", "96", "wide"],
            "--size: the value must be a whole number, got wide",
        ),
        (["simulate", "d", "--size"], "--size: expected at least one argument"),
    ],
)
def test_wrong_usage_has_status_2(here, capsys, arguments, words):
    before = sorted(here.iterdir())
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert sorted(here.iterdir()) == before


def test_a_wrong_number_of_threads_is_reported_before_anything_is_written(here):
    before = sorted(here.iterdir())
    environment = {**os.environ, "BADPIX_SELFCAL_NUM_THREADS": "many"}
    done = command("run", "sci0_rate.fits", "--json", cwd=here, env=environment)
    assert done.returncode == 1
    assert "BADPIX_SELFCAL_NUM_THREADS must be" in done.stderr
    assert sorted(here.iterdir()) == before


def test_names_that_the_terminal_cannot_show(tmp_path):
    write(tmp_path / "ü_rate.fits", sky(1))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = command("run", "ü_rate.fits", "--force-single", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xfc_badpix_selfcal.fits" in done.stdout


def test_infinite_gaps_leave_the_json_valid(here, capsys):
    image = sky(9)
    image[:, 474:507] = np.inf
    write(here / "inf_rate.fits", image)
    arguments = ["run", "sci0_rate.fits", "--selfcal", "inf_rate.fits", "--json"]
    assert main([*arguments, "--background", "bkg0_rate.fits"]) == 0
    (product,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["products"]
    assert [member["pedestal"] is None for member in product["members"]] == [False, False, True]


def test_the_number_of_threads_of_the_process_is_kept(here):
    bps.set_num_threads(1)
    assert main(["run", str(here / "x_asn.json")]) == 0
    assert bps.num_threads() == 1


COMMANDS = (
    "run", "batch", "apply", "report", "plot", "compare", "history", "export", "associate",
    "simulate", "verify", "completion", "help",
)  # fmt: skip


def test_help_lists_the_commands(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    assert main(["--help"]) == 0
    listed = re.findall(r"^    (\w+)\s+\w.{20,}$", capsys.readouterr().out, re.MULTILINE)
    assert tuple(listed) == COMMANDS


def test_simulate_then_run(tmp_path, capsys):
    small = ["--size", "96", "640", "--detector", "mirifushort", "--n-science", "1"]
    assert main(["simulate", str(tmp_path), *small, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (len(made["science"]), len(made["background"])) == (1, 2)
    assert main(["run", made["associations"][0], "--output-dir", str(tmp_path / "out")]) == 0
    assert "COMPLETE" in capsys.readouterr().out
    assert main(["simulate", str(tmp_path), *small]) == 1
    assert "exist" in capsys.readouterr().err
    assert main(["simulate", str(tmp_path), *small, "--overwrite"]) == 0


def test_the_installed_command_and_the_module_are_one():
    script = Path(sysconfig.get_path("scripts")) / "badpix-selfcal"
    for start in ([script], [sys.executable, "-m", "badpix_selfcal"]):
        done = subprocess.run(
            [*start, "--version"], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == f"badpix-selfcal {bps.__version__}"


@pytest.fixture
def slow_run(tmp_path, slow_exposure):
    """The arguments of a run that flags five exposures, whose copies take some time."""
    arguments = ["run", "science_rate.fits.gz", "--output-dir", "out", "--save-flagged-bkg"]
    shutil.copy(slow_exposure, tmp_path / "science_rate.fits.gz")
    for number in range(4):
        name = f"bkg{number}_rate.fits.gz"
        shutil.copy(slow_exposure, tmp_path / name)
        arguments += ["--background", name]
    return arguments


def _names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")
class TestStopped:
    """A run that is stopped leaves nothing half written."""

    @pytest.mark.parametrize(
        ("number", "status", "word"),
        [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
    )
    @pytest.mark.parametrize("writing", [False, True], ids=["computing", "writing"])
    def test_nothing_is_left(self, tmp_path, slow_run, number, status, word, writing):
        out = tmp_path / "out"
        before = _names(tmp_path)

        def has_begun():
            return bool(_names(out)) if writing else out.exists()

        stopped, printed = signalled(*slow_run, cwd=tmp_path, when=has_begun, number=number)
        assert stopped == status
        assert printed == f"badpix-selfcal: {word}; no output was written\n"
        assert _names(tmp_path) == before

    def test_former_outputs_are_kept(self, tmp_path, slow_run, hashes):
        out = tmp_path / "out"
        assert command(*slow_run, cwd=tmp_path).returncode == 0
        before = hashes(out)
        again = (*slow_run, "--overwrite", "--kernel-size", "9")
        stopped, _ = signalled(*again, cwd=tmp_path, when=lambda: len(_names(out)) > len(before))
        assert stopped == 143
        assert hashes(out) == before

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_further_signals_do_not_disturb_the_cleaning_up(self, tmp_path, slow_run, number):
        out = tmp_path / "out"

        def has_begun():
            return bool(_names(out))

        signalled(*slow_run, cwd=tmp_path, when=has_begun, number=number, again=True)
        assert not out.exists()

    def test_a_handler_of_the_caller_is_left_alone(self, here):
        received = []

        def terminate():
            while not (here / "out").exists():
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGTERM)

        before = signal.signal(signal.SIGTERM, lambda *_: received.append(1))
        thread = threading.Thread(target=terminate)
        try:
            thread.start()
            assert main(["run", "x_asn.json", "--output-dir", "out"]) == 0
            thread.join()
        finally:
            signal.signal(signal.SIGTERM, before)
        assert received == [1]
