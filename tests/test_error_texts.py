"""Errors that name the culprit, and errors that no input causes: these are raised as they are."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import ExposureError
from badpix_selfcal.cli import main
from badpix_selfcal.files import exposure as exposure_file
from badpix_selfcal.files.exposure import Exposure, read
from badpix_selfcal.step.minimum import MinimumImage
from badpix_selfcal.step.reader import Reader

from .exposures import enlarge, largest_file, observation, sky
from .exposures import write as write_exposure
from .fits_exposures import refusal, with_card, write
from .pools import pool, take

limited = pytest.mark.skipif(sys.platform == "win32", reason="needs limits of the system")


# Errors of the machine and of this package


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EMFILE, "Too many open files"),
        KeyError("a fault of this package"),
        ValueError("a fault of this package"),
        TypeError("a fault of this package"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("use", ["run", "batch"])
def test_what_no_file_causes_is_raised_as_it_is(tmp_path, monkeypatch, error, use):
    """Any exception became "cannot be read as FITS", and in a batch a failed exposure."""

    def fail(*_):
        raise error

    association = observation(tmp_path)
    monkeypatch.setattr(exposure_file, "scan", fail)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    start = {"run": lambda: bps.selfcal(association), "batch": lambda: bps.batch(tmp_path)}[use]
    with pytest.raises(type(error)) as caught:
        start()
    assert caught.value is error
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (MinimumImage, "measure"),
        (MinimumImage, "fold"),
        (Exposure, "write_copy"),
        (Reader, "images"),
    ],
)
@pytest.mark.parametrize("error", [ValueError("a fault"), MemoryError()], ids=repr)
def test_a_batch_does_not_blame_an_exposure_for_other_errors(
    tmp_path, monkeypatch, owner, name, error
):
    def fail(*_):
        raise error

    pool(tmp_path, detectors=("NRS1",))
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(type(error)) as caught:
        bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert caught.value is error


@limited
def test_a_limit_of_open_files_is_no_damaged_exposure(tmp_path):
    import resource

    path = write(tmp_path / "in.fits")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            read(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("number", "text"), [(errno.EIO, "Input/output error"), (errno.EACCES, "Permission denied")]
)
def test_an_error_of_the_disk_is_that_of_the_exposure(tmp_path, monkeypatch, number, text):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
    exposure = read(made[0])
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(ExposureError) as caught:
        exposure.science_image()
    assert str(caught.value) == f"{made[0]}: cannot be read: {text}"


# Texts


@pytest.mark.parametrize(
    ("extension", "keyword", "card", "said"),
    [
        ("ERR", "NAXIS1", b"COMMENT gone", "a header has no card NAXIS1"),
        ("ERR", "BITPIX", b"COMMENT gone", "a header has no card BITPIX"),
        ("ERR", "BITPIX", b"BITPIX  = 'text'", "a header is damaged (TypeError: "),
        ("ERR", "NAXIS1", b"NAXIS1  =                  9.5", "header of extension 2 is damaged"),
        ("SCI", "NAXIS1", b"NAXIS1  = 99999999999999999999", "is cut short: extension 1 (SCI)"),
        ("SCI", "DISPAXIS", b"DISPAXIS= 'a", "DISPAXIS"),
    ],
)  # fmt: skip
def test_a_damaged_header_is_described_in_words(tmp_path, extension, keyword, card, said):
    path = with_card(write(tmp_path / "in.fits"), extension, keyword, card)
    assert said in refusal(path)


@limited
def test_a_full_disk_is_reported_with_the_name_of_the_output(tmp_path):
    association = observation(tmp_path)
    output = tmp_path / "out" / "product_badpix_selfcal.fits"
    with (
        largest_file(enlarge(tmp_path / "sci0_rate.fits")),
        pytest.raises(OSError, match="too large") as caught,
    ):
        bps.selfcal(association, output_dir=tmp_path / "out")
    assert str(caught.value) == f"{output}: cannot be written: {os.strerror(errno.EFBIG)}"
    assert caught.value.errno == errno.EFBIG


@limited
def test_a_batch_names_the_output_that_cannot_be_written(tmp_path, capsys):
    made = pool(tmp_path, detectors=("NRS1",))["NRS1"]
    output = tmp_path / "out" / "sci0_nrs1_badpix_selfcal.fits"
    with largest_file(enlarge(made[0])):
        assert main(["batch", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 1
    assert f"{output}: cannot be written: " in capsys.readouterr().err


def test_no_memory_is_said_so(tmp_path, monkeypatch, capsys):
    """The text of the error was empty."""

    def fail(*_):
        raise MemoryError

    association = observation(tmp_path)
    monkeypatch.setattr(Reader, "images", fail)
    assert main(["run", str(association), "--output-dir", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == "badpix-selfcal: error: out of memory\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a working folder cannot be removed")
@pytest.mark.parametrize("command", ["run", "batch"])
def test_a_working_folder_that_has_gone_is_named(tmp_path, command):
    path = write_exposure(tmp_path / "in_rate.fits", sky(1))
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, sys; from badpix_selfcal.cli import main; "
        "os.rmdir(os.getcwd()); sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, command, path],
        cwd=gone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "badpix-selfcal: error: .: the working folder exists no longer; change to another one\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count characters")
def test_long_names_of_wide_characters_are_written(tmp_path):
    """They were cut by characters, and the system limits bytes: 75 such characters failed."""
    name = "望" * 75
    path = take(tmp_path / f"{name}_rate.fits", 1)
    other = take(tmp_path / "b_rate.fits", 2)
    written = bps.selfcal(path, background=other, output_dir=tmp_path / "out").science
    assert written == tmp_path / "out" / f"{name}_badpix_selfcal.fits"
    assert [*(tmp_path / "out").iterdir()] == [written]
    again = bps.selfcal(path, background=other, output_dir=tmp_path / "out", overwrite=True)
    assert Path(again.science).exists()
    assert np.isfinite(read(written).science_image()).any()
