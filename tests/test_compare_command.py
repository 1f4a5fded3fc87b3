"""The command `compare`: statuses, reports, pictures, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.errors import ExposureError
from badpix_selfcal.instrument import BAD

from .commands import command
from .flagged_files import SHAPE, exposure, image_of, mask_file


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The command


def test_the_statuses_tell_equal_different_failed_and_wrong(here):
    exposure(here / "a.fits", {(1, 1)})
    exposure(here / "b.fits", {(1, 2)})
    assert command("compare", "a.fits", "a.fits", cwd=here).returncode == 0
    assert command("compare", "a.fits", "b.fits", cwd=here).returncode == 4
    assert command("compare", "a.fits", "c.fits", cwd=here).returncode == 1
    assert command("compare", "a.fits", cwd=here).returncode == 2
    quiet = command("compare", "a.fits", "b.fits", "--quiet", cwd=here)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (4, "", "")


def test_a_report_that_cannot_be_printed_is_a_failure(here):
    exposure(here / "a.fits", {(1, 1)})
    exposure(here / "b.fits", {(1, 2)})
    words = [sys.executable, "-m", "badpix_selfcal", "compare", "a.fits", "b.fits"]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(words, cwd=here, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"error: the report could not be printed" in done.stderr


def test_the_report_in_json(here, capsys):
    ends = {(0, 0): "low", (1, 1): "high"}
    mask_file(here / "a.fits", BAD * image_of(ends), ends=ends)
    exposure(here / "b.fits", {(1, 1), (2, 2), (3, 3)})
    assert main(["compare", "a.fits", "b.fits", "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    for name in ("version", "warnings", "errors"):
        del report[name]
    assert report == {
        "exit_status": 4,
        "equal": False,
        "same_flags": False,
        "a": {"path": "a.fits", "kind": "mask", "flagged": {"number": 2, "low": 1, "high": 1}},
        "b": {
            "path": "b.fits",
            "kind": "exposure",
            "flagged": {"number": 3, "low": None, "high": None},
        },
        "both": {"number": 1, "low": 0, "high": 1},
        "only_a": {"number": 1, "low": 1, "high": 0},
        "only_b": {"number": 2, "low": None, "high": None},
        "jaccard": 0.25,
        "other_end": None,
        "planes": [],
    }


def test_the_report_as_text(here, capsys):
    ends = {(0, 0): "low", (1, 1): "high"}
    mask_file(here / "a.fits", BAD * image_of(ends), ends=ends)
    exposure(here / "b.fits", {(1, 1), (2, 2), (3, 3)})
    assert main(["compare", "a.fits", "b.fits"]) == 4
    assert (
        capsys.readouterr().out
        == """\
A and B differ: 1 pixel flagged only in A, 2 only in B
  A         2 (1 low + 1 high) flagged in the mask a.fits
  B         3 flagged in the exposure b.fits
  both      1 (0 low + 1 high)
  only A    1 (1 low + 0 high)
  only B    2
  Jaccard   0.25
"""
    )


def test_infinite_differences_can_be_printed_in_json(here, capsys):
    a, b = exposure(here / "a.fits"), exposure(here / "b.fits")
    for path, value in ((a, 1.7e308), (b, -1.7e308)):
        fits.append(path, np.full(2, value), fits.Header({"EXTNAME": "HUGE"}))
    assert main(["compare", "a.fits", "b.fits", "--json"]) == 4
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["planes"][-1]["largest"] is None


# The picture


def test_the_picture_shows_all_pixels(here):
    plt = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")
    exposure(here / "a.fits", {(0, 0), (1, 1), (3, 3)})
    exposure(here / "b.fits", {(1, 1), (5, 9)})
    assert main(["compare", "a.fits", "b.fits", "--picture", "new/map.png"]) == 4
    image = plt.imread(here / "new" / "map.png")
    colours = {tuple(each) for each in np.rint(255 * image[..., :3].reshape(-1, 3)).astype(int)}
    assert {(0x8C,) * 3, (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours
    assert main(["compare", "a.fits", "b.fits", "--picture", "map.svg"]) == 4
    text = (here / "map.svg").read_text()
    for label in ("in both: 1", "only in A: 2; ", "only in B: 1; ", "a.fits", "b.fits"):
        assert label in text
    assert main(["compare", "a.fits", "b.fits", "--picture", "map.pdf"]) == 4
    assert (here / "map.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in here.iterdir()) == [
        "a.fits",
        "b.fits",
        "map.pdf",
        "map.svg",
        "new",
    ]


# Bad inputs


def refused(capsys, *words):
    assert main(["compare", *words]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line.removeprefix("badpix-selfcal: error: ")


def test_bad_files_are_named(here, capsys):
    a = exposure(here / "a_rate.fits", {(1, 1)})
    (here / "text.fits").write_text("no FITS")
    (here / "cut.fits").write_bytes(a.read_bytes()[:-2880])
    (here / "folder").mkdir()
    fits.PrimaryHDU(np.zeros(SHAPE)).writeto(here / "none.fits")
    cube = np.zeros((2, *SHAPE), np.uint32)
    mask_file(here / "cube.fits", cube)
    mask_file(here / "float.fits", cube[0])
    with fits.open(here / "float.fits", mode="update") as hdus:
        hdus["DQ"].data = np.zeros(SHAPE)
    for name, words in {
        "b_rate.fits": "b_rate.fits: no such file or folder; did you mean a_rate.fits?",
        "text.fits": "text.fits: is not a FITS file",
        "cut.fits": "cut.fits: .*cut short",
        "folder": "folder: is not a file",
        "none.fits": "none.fits: has no DQ extension",
        "cube.fits": r"cube.fits: DQ must be 2-D, got shape \(2, 7, 11\)",
        "float.fits": "float.fits: DQ must hold integers, got (>f8|float64)",
    }.items():
        assert re.match(words, refused(capsys, "a_rate.fits", name)), name
        assert re.match(words, refused(capsys, name, "a_rate.fits")), name
    with pytest.raises(ExposureError, match=r"none.fits: has no DQ"):
        bps.compare(a, here / "none.fits")


def test_files_of_different_pixels_are_refused(here, capsys):
    exposure(here / "a.fits")
    exposure(here / "short.fits", DETECTOR="MIRIFUSHORT")
    exposure(here / "part.fits", SUBARRAY="SUB64", SUBSTRT1=9)
    mask_file(here / "small.fits", np.zeros((3, 4)))
    mask_file(here / "any.fits", np.zeros(SHAPE), DETECTOR="ANY", SUBARRAY="GENERIC")
    assert refused(capsys, "a.fits", "short.fits") == (
        "short.fits: is of MIRIFUSHORT, a.fits is of MIRIFULONG; give files of one detector"
    )
    assert refused(capsys, "a.fits", "part.fits") == (
        "part.fits: is of the subarray SUB64(9,1), a.fits of FULL; give files of one subarray"
    )
    assert refused(capsys, "a.fits", "small.fits") == (
        "small.fits: has shape (3, 4), a.fits has (7, 11); give files of one shape"
    )
    assert refused(capsys, "a.fits", "a.fits", "--before", "short.fits").startswith("short.fits: ")
    assert refused(capsys, "a.fits", "a.fits", "--before", "any.fits") == (
        "any.fits: has no SCI extension; give the exposure (_rate)"
    )
    assert refused(capsys, "any.fits", "a.fits", "--before", "short.fits").startswith("short.fits")
    assert main(["compare", "a.fits", "any.fits"]) == 0


def test_nothing_is_replaced_without_being_asked(here, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    exposure(here / "a.png", {(1, 1)})
    exposure(here / "b.fits")
    before = (here / "a.png").read_bytes()
    (here / "old.png").write_text("old")
    assert "a.png: would replace the input a.png" in refused(
        capsys, "a.png", "b.fits", "--picture", "a.png", "--overwrite"
    )
    assert "old.png exists already; pass --overwrite to replace it" in refused(
        capsys, "a.png", "b.fits", "--picture", "old.png"
    )
    assert refused(capsys, "a.png", "b.fits", "--picture", "map.gif") == (
        "map.gif: a picture must end with .png, .pdf, .svg"
    )
    assert (here / "a.png").read_bytes() == before
    assert (here / "old.png").read_text() == "old"
    assert len([*here.iterdir()]) == 3
    assert main(["compare", "a.png", "b.fits", "--picture", "old.png", "--overwrite"]) == 4
    assert (here / "old.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_picture_says_what_to_install(here, capsys, monkeypatch):
    exposure(here / "a.fits")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    line = refused(capsys, "a.fits", "a.fits", "--picture", "map.png")
    assert line.startswith("map.png: pictures need matplotlib (")
    assert line.endswith('): pip install ".[plot]" in the clone of badpix-selfcal')
    assert main(["compare", "a.fits", "a.fits"]) == 0
    assert not (here / "map.png").exists()
