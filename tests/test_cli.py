"""The command line, run as a user does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.files.exposure import Exposure
from badpix_selfcal.files.outputs import Outputs

from .exposures import observation, sky, write


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an observation in it, which is the current folder."""
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    bps.set_num_threads(None)


def test_run_says_what_it_did(here, capsys):
    assert main(["run", "x_asn.json", "--output-dir", "out", "--save-flagged-bkg"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "product: COMPLETE" in printed.out
    for name in ("sci0", "bkg0", "bkg1", "self0", "self1"):
        assert f"{name}_rate.fits  pedestal 5." in printed.out
    assert "dispaxis  2 (along y), kernel 15" in printed.out
    assert "cuts      residual below -" in printed.out
    assert "flagged   62 low + 62 high = 124 pixels (0.202 %)" in printed.out
    for name in ("", "_bkg_0", "_bkg_1"):
        assert f"written   out/product_badpix_selfcal{name}.fits" in printed.out
        assert (here / "out" / f"product_badpix_selfcal{name}.fits").exists()


@pytest.mark.usefixtures("here")
def test_run_reports_in_json(capsys):
    assert main(["run", "x_asn.json", "--json", "--threads", "2"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["threads"]) == (bps.__version__, 2)
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
def test_a_skipped_step_is_told_and_is_no_failure(capsys):
    assert main(["run", "sci0_rate.fits"]) == 0
    printed = capsys.readouterr()
    assert "badpix-selfcal: warning: sci0_rate.fits: no selfcal or background" in printed.err
    assert printed.out.splitlines() == [
        "sci0: SKIPPED",
        "  member    sci0_rate.fits",
        "  written   sci0_badpix_selfcal.fits",
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
        (["run", "nowhere_asn.json"], "nowhere_asn.json: no such association file"),
        (["run", "nowhere.fits"], "nowhere.fits: no such exposure file"),
        (["run", "sci0_rate.fits", "--selfcal", "no.fits"], "no.fits: no such exposure file"),
        (["run", "."], ".: cannot be read"),
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
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["run"], "INPUT"),
        (["run", "x_asn.json", "--kernel-size", "14"], "kernel_size must be odd, got 14"),
        (["run", "x_asn.json", "--kernel-size", "big"], "--kernel-size"),
        (["run", "x_asn.json", "--flagfrac-lower", "0.6"], "flagfrac_lower must be from 0 to 0.5"),
        (["run", "x_asn.json", "--flagfrac-upper", "nan"], "flagfrac_upper must be from 0 to 0.5"),
        (["run", "x_asn.json", "--edge", "wrap"], "invalid choice: 'wrap'"),
        (["run", "x_asn.json", "--dispaxis", "3"], "invalid choice: '3'"),
        (["run", "x_asn.json", "--threads", "0"], "threads must be from 1 to 1024"),
        (["simulate", "d", "--detector", "NRCA1"], "invalid choice: 'NRCA1'"),
    ],
)
def test_wrong_usage_has_status_2(here, capsys, arguments, words):
    before = sorted(here.iterdir())
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert sorted(here.iterdir()) == before


def test_a_wrong_number_of_threads_is_told_before_anything_is_written(here):
    arguments = [sys.executable, "-m", "badpix_selfcal", "run", "sci0_rate.fits", "--json"]
    environment = {**os.environ, "BADPIX_SELFCAL_NUM_THREADS": "many"}
    before = sorted(here.iterdir())
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "BADPIX_SELFCAL_NUM_THREADS must be" in done.stderr
    assert sorted(here.iterdir()) == before


def test_names_that_the_terminal_cannot_show(tmp_path):
    write(tmp_path / "ü_rate.fits", sky(1))
    arguments = [sys.executable, "-m", "badpix_selfcal", "run", "ü_rate.fits", "--force-single"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        arguments, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xfc_badpix_selfcal.fits" in done.stdout


def test_infinite_gaps_give_valid_json(here, capsys):
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


@pytest.mark.parametrize("arguments", [[], ["run"], ["simulate"]])
def test_help_is_a_page_to_work_from(capsys, arguments):
    assert main([*arguments, "--help"]) == 0
    page = capsys.readouterr().out
    assert "usage: badpix-selfcal" in page
    if arguments:
        assert "examples:" in page


def test_simulate_then_run(tmp_path, capsys):
    small = ["--size", "96", "640", "--detector", "mirifushort", "--science", "1"]
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
    for command in ([script], [sys.executable, "-m", "badpix_selfcal"]):
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == f"badpix-selfcal {bps.__version__}"


def test_an_interrupted_run_leaves_nothing(tmp_path):
    files = [write(tmp_path / f"{seed}_rate.fits", sky(seed, (2048, 2048))) for seed in range(3)]
    # Where the tests run in the background, SIGINT may be ignored from the start.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from badpix_selfcal.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = [sys.executable, "-c", code, "run", files[0], "--output-dir", "out"]
    arguments += ["--background", files[1], "--selfcal", files[2], "--save-flagged-bkg"]
    arguments += ["--dispaxis", "none", "--kernel-size", "31", "--threads", "1"]
    run = subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out").exists() and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 130
    assert "interrupted" in told
    assert not (tmp_path / "out").exists()
    assert len(list(tmp_path.iterdir())) == 3  # the inputs


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")
class TestTermination:
    """SIGTERM ends a run as ctrl-C does: nothing half written is left behind."""

    RUN = ("run", "x_asn.json", "--output-dir", "out", "--save-flagged-bkg", "--overwrite")

    @pytest.fixture
    def terminating(self, monkeypatch):
        """A function that makes the n-th copy of an exposure end in SIGTERM."""

        def terminate_at(number):
            write_copy, written = Exposure.write_copy, []

            def writing(self, to, *arguments):
                write_copy(self, to, *arguments)
                written.append(to)
                if len(written) == number:
                    os.kill(os.getpid(), signal.SIGTERM)

            monkeypatch.setattr(Exposure, "write_copy", writing)

        return terminate_at

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_nothing_is_left(self, here, terminating, capsys, number):
        terminating(number)
        before = sorted(path.name for path in here.iterdir())
        assert main(self.RUN) == 143
        assert sorted(path.name for path in here.iterdir()) == before
        assert "terminated; no output was written" in capsys.readouterr().err
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def test_former_outputs_are_kept(self, here, terminating, hashes):
        assert main(self.RUN) == 0
        before = hashes(here / "out")
        terminating(2)
        assert main(self.RUN) == 143
        assert hashes(here / "out") == before

    def test_a_second_signal_does_not_disturb_the_clearing_away(
        self, here, terminating, monkeypatch
    ):
        leave = Outputs.__exit__

        def leaving(self, *error):
            os.kill(os.getpid(), signal.SIGTERM)
            leave(self, *error)

        monkeypatch.setattr(Outputs, "__exit__", leaving)
        terminating(2)
        assert main(self.RUN) == 143
        assert not (here / "out").exists()

    @pytest.mark.usefixtures("here")
    def test_a_callers_own_handler_is_left_alone(self, terminating):
        received = []
        before = signal.signal(signal.SIGTERM, lambda *_: received.append(1))
        try:
            terminating(1)
            assert main(self.RUN) == 0
        finally:
            signal.signal(signal.SIGTERM, before)
        assert received == [1]

    def test_a_terminated_process_leaves_nothing(self, here):
        code = (
            "import sys, time\n"
            "from badpix_selfcal import cli\n"
            "from badpix_selfcal.files import exposure\n"
            "write_copy = exposure.Exposure.write_copy\n"
            "def slow(*arguments):\n"
            "    write_copy(*arguments)\n"
            "    print('written', flush=True)\n"
            "    time.sleep(60)\n"
            "exposure.Exposure.write_copy = slow\n"
            "sys.exit(cli.main(sys.argv[1:]))\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, *self.RUN], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"written\n"
            assert list((here / "out").iterdir())
            process.terminate()
            assert b"terminated" in process.communicate(timeout=30)[1]
        assert process.returncode == 143
        assert not (here / "out").exists()
