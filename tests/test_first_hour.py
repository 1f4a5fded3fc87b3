"""What a new user types in the first hour: the status of each command, and what it says."""

from __future__ import annotations

import shlex
import shutil

import numpy as np
import pytest
from astropy.io import fits

from badpix_selfcal.cli import main

SKY = "--background sky_rate.fits"


@pytest.fixture
def here(demo, monkeypatch):
    """The folder of a simulation, which is the current folder."""
    monkeypatch.chdir(demo)
    for name in (path.name for path in demo.glob("jw*1001*_rate.fits")):
        with fits.open(name) as hdus:
            hdus["SCI"].data = np.ones((3, 9, 9), np.float32)
            hdus.writeto("sci_s3d.fits", overwrite=True)
    shutil.copy("sci_rate.fits", "sci_cal.fits")
    (demo / "data").mkdir()
    return demo


@pytest.fixture
def command(here, capsys):
    """A function that runs a command and returns its status and all that it prints."""

    def run(line):
        status = main(shlex.split(line))
        printed = capsys.readouterr()
        return status, " ".join((printed.out + printed.err).split())

    assert here.exists()
    return run


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("run sci_rate.fits", 3, "no selfcal or background exposures for sci, step skipped: no "),
        ("run sci_rate.fits", 3, "use the science exposure alone (generally not recommended)"),
        ("run sci_rate.fits --background sci_rate.fits", 0, "is compared with itself only"),
        (f"run sci_rate.fits {SKY}", 0, "61 low + 61 high = 122 pixels in 113 groups (0.199 %)"),
        ("run sci_rate.fits --background 'jw*2001_*_rate.fits'", 0, "122 pixels in 114 groups"),
        ("run sci_rate.fits --background 'no*.fits'", 1, "no*.fits: no file matches this pattern"),
        ("batch sci_rate.fits", 3, "exposures for MIRIFUSHORT GENERIC 12, step skipped: no pixel"),
        ("batch dta", 1, "dta: no such file or folder; did you mean data?"),
        ("associate elsewhere", 1, "elsewhere: no such file or folder"),
        ("batch data", 1, "data: this folder holds no *_rate.fits; name the exposures one by one"),
        ("run sci_rte.fits", 1, "sci_rte.fits: no such file or folder; did you mean sci_rate.fits"),
        ("run data", 1, "data: is a folder; use `batch`"),
        (f"run sci_rate.fits {SKY} --output-dir sky_rate.fits", 1, "is a file; give a folder for"),
        (f"run sci_cal.fits {SKY}", 0, "sci_cal.fits: later steps of the pipeline have changed"),
        (f"run sci_s3d.fits {SKY}", 1, "SCI must be 2-D, got shape (3, 9, 9); _s3d is a spectral"),
        (f"run sci_rate.fits {SKY} --kernel-size 8", 2, "must be odd, got 8"),
        (f"run sci_rate.fits {SKY} --kernal-size 9", 2, "--kernel-size"),
        ("bach .", 2, "batch"),
    ],
)
def test_a_first_command(command, line, status, said):
    found, printed = command(line)
    assert found == status, printed
    assert said in printed


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ("run sci_rate.fits", "run sci_rate.fits", "sci_badpix_selfcal.fits exists already; set"),
        (
            "run sci_rate.fits",
            "run sci_badpix_selfcal.fits",
            "would replace the input, which has the name of an output; give the exposure that it",
        ),
        (
            "run sci_rate.fits",
            "run sci_badpix_selfcal.fits --output-dir out",
            "is flagged already (S_BPXSLF = COMPLETE), by this step or the pipeline's; give the",
        ),
        (
            "batch sci_rate.fits",
            "batch sci_rate.fits --resume --kernel-size 9",
            "was made with kernel_size=15 (now 9). To continue, give the same parameters;",
        ),
    ],
)
def test_a_second_command_that_does_not_go_with_the_first_one(command, first, then, said):
    assert command(f"{first} {SKY} --save-flagged-bkg")[0] == 0
    found, printed = command(f"{then} {SKY}")
    assert found == 1
    assert said in printed
