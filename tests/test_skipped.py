"""A step that is skipped: what a user sees, and what is written."""

from __future__ import annotations

import json

import pytest

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning
from badpix_selfcal.cli import main

from .exposures import assert_equal_planes, header, observation, sky, write
from .pools import pool, take


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with one exposure and two backgrounds, which is the current folder."""
    write(tmp_path / "my_rate.fits", sky(1))
    for number in (1, 2):
        write(tmp_path / f"sky{number}_rate.fits", sky(1 + number))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_first_command_says_what_to_add_and_the_second_one_works(here, capsys):
    before = names(here)
    assert main(["run", "my_rate.fits", "--output-dir", "flagged"]) == 3
    printed = capsys.readouterr()
    assert printed.err.startswith(
        "badpix-selfcal: warning: my_rate.fits: no selfcal or background exposures for my, step "
        "skipped: no pixel is flagged, no file is written"
    )
    assert "Add exposures of the same detector" in printed.err
    assert printed.out.splitlines() == [
        "my: SKIPPED, no pixel is flagged",
        "  member    my_rate.fits",
        "  written   nothing",
        "next      nothing was flagged: add exposures of the same detector (--background)",
    ]
    assert names(here) == before  # not even the folder
    again = ["run", "my_rate.fits", "--output-dir", "flagged", "--background", "sky1_rate.fits"]
    assert main(again) == 0
    assert header("flagged/my_badpix_selfcal.fits")["S_BPXSLF"] == "COMPLETE"


@pytest.mark.usefixtures("here")
def test_the_json_says_so_too(capsys):
    assert main(["run", "my_rate.fits", "--json"]) == 3
    (product,) = json.loads(capsys.readouterr().out)["products"]
    assert (product["status"], product["science"], product["backgrounds"]) == ("SKIPPED", None, [])


def test_unflagged_copies_on_demand(here):
    with pytest.warns(SelfcalWarning, match="step skipped: .* unflagged copies are written"):
        result = bps.selfcal("my_rate.fits", copy_skipped=True)
    assert header(result.science)["S_BPXSLF"] == "SKIPPED"
    assert_equal_planes(result.science, here / "my_rate.fits")


@pytest.mark.usefixtures("here")
def test_a_warning_names_the_line_of_the_caller():
    with pytest.warns(SelfcalWarning, match="step skipped") as warned:
        bps.selfcal("my_rate.fits")
    assert [each.filename for each in warned] == [__file__]
    with pytest.warns(SelfcalWarning, match="step skipped") as warned:
        bps.batch("my_rate.fits")
    assert [each.filename for each in warned] == [__file__]


def test_a_result_has_no_file(here):
    before = names(here)
    with pytest.warns(SelfcalWarning, match="step skipped"):
        result = bps.selfcal("my_rate.fits", output_dir="out", save_flagged_bkg=True)
    assert (result.status, result.science, result.backgrounds) == ("SKIPPED", None, ())
    assert names(here) == before


def test_a_skipped_product_beside_one_that_is_done(tmp_path, monkeypatch, capsys):
    association = observation(tmp_path)
    table = json.loads(association.read_text())
    lone = {"name": "lone", "members": [{"expname": "sci0_rate.fits", "exptype": "science"}]}
    table["products"].insert(0, lone)
    association.write_text(json.dumps(table))
    monkeypatch.chdir(tmp_path)
    assert main(["run", "x_asn.json", "--output-dir", "out"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "lone: SKIPPED, no pixel is flagged"
    assert "product: COMPLETE" in lines
    assert names(tmp_path / "out") == ["product_badpix_selfcal.fits"]


class TestBatch:
    """A group of a single exposure is skipped."""

    @pytest.fixture(autouse=True)
    def _exposures(self, tmp_path, monkeypatch):
        pool(tmp_path, detectors=("NRS1",))
        take(tmp_path / "lone_rate.fits", 1)
        monkeypatch.chdir(tmp_path)

    def test_its_exposure_is_not_written_and_the_status_is_3(self, tmp_path, capsys):
        assert main(["batch", ".", "--output-dir", "out", "--json"]) == 3
        printed = capsys.readouterr()
        assert "lone_rate.fits: no selfcal or background exposures for MIRIFULONG 34" in printed.err
        found = {each["exposure"]: each for each in json.loads(printed.out)["exposures"]}
        assert (found["lone_rate.fits"]["status"], found["lone_rate.fits"]["output"]) == (
            "SKIPPED",
            None,
        )
        assert names(tmp_path / "out") == [f"sci{n}_nrs1_badpix_selfcal.fits" for n in range(3)]

    def test_an_unflagged_copy_on_demand(self, tmp_path):
        assert main(["batch", ".", "--output-dir", "out", "--copy-skipped"]) == 3
        copy = tmp_path / "out" / "lone_badpix_selfcal.fits"
        assert header(copy)["S_BPXSLF"] == "SKIPPED"
        assert_equal_planes(copy, tmp_path / "lone_rate.fits")

    def test_a_failure_is_more_important(self, tmp_path):
        (tmp_path / "junk_rate.fits").write_text("junk")
        assert main(["batch", ".", "--output-dir", "out"]) == 1
