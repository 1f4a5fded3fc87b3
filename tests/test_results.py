"""Results as a session shows them: a few lines, not whole masks."""

from __future__ import annotations

import re

import numpy as np
import pytest

import badpix_selfcal as bps

from .exposures import observation
from .pools import pool


@pytest.fixture
def result(tmp_path, monkeypatch):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    return bps.selfcal("x_asn.json", output_dir="out", save_flagged_bkg=True)


def test_a_result(result):
    found = result.bad_pixels
    assert repr(result) == (
        "Result product: COMPLETE, 5 exposures\n"
        "  status    3 COMPLETE, 2 BACKGROUND\n"
        f"  cuts      residual below {found.cut_low:.6g} or above {found.cut_high:.6g}\n"
        "  flagged   62 low + 62 high = 124 pixels in 122 groups (0.202 %)\n"
        "  copies    3 files in out"
    )
    html = result._repr_html_()
    assert "<strong>Result product: COMPLETE, 5 exposures</strong>" in html
    assert html.count("<img ") == 1


def test_bad_pixels(result):
    found = result.bad_pixels
    assert repr(found) == (
        "BadPixels of 96 x 640 pixels\n"
        f"  cuts      residual below {found.cut_low:.6g} or above {found.cut_high:.6g}\n"
        "  flagged   62 low + 62 high = 124 pixels in 122 groups (0.202 %)"
    )


def test_bad_pixels_of_the_sigma_cut():
    image = np.random.default_rng(1).normal(size=(40, 50))
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=np.ones((40, 50)))
    assert re.fullmatch(
        r"BadPixels of 40 x 50 pixels\n"
        r"  cuts      significance below -12 or above 4\.5\n"
        r"  flagged   \d+ low \+ \d+ high = \d+ pixels( in \d+ groups)? \(\d\.\d{3} %\)\n"
        r"  ERR       times [\d.]+ is the noise",
        repr(found),
    )


def test_bad_pixels_where_nothing_is_known():
    found = bps.find_bad_pixels(np.full((4, 5), np.nan), dispaxis=1)
    assert repr(found) == (
        "BadPixels of 4 x 5 pixels\n"
        "  cuts      residual below none or above none\n"
        "  flagged   0 low + 0 high = 0 pixels (0.000 %)"
    )


def test_one_pixel_is_no_pixels():
    image = np.random.default_rng(1).normal(size=(20, 20))
    found = bps.find_bad_pixels(image, dispaxis=1, flagfrac_lower=0)
    assert repr(found).endswith("  flagged   0 low + 1 high = 1 pixel (0.250 %)")


def test_further_errors_of_a_batch_are_counted(tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / f"{name}_rate.fits").write_text("junk")
    monkeypatch.chdir(tmp_path)
    assert repr(bps.batch(".")) == (
        "Results of 3 exposures\n"
        "  status    3 FAILED\n"
        "  failed    a_rate.fits: is not a FITS file, nor one compressed by gzip "
        "(and 2 other errors)"
    )


def test_a_batch_accounts_for_every_exposure(tmp_path, monkeypatch):
    pool(tmp_path, detectors=("MIRIFULONG", "NRS1"))
    (tmp_path / "junk_rate.fits").write_text("junk")
    monkeypatch.chdir(tmp_path)
    result = bps.batch(".", output_dir="out")
    assert repr(result).splitlines() == [
        "Results of 11 exposures",
        "  status    6 COMPLETE, 1 FAILED, 4 BACKGROUND",
        "  failed    junk_rate.fits: is not a FITS file, nor one compressed by gzip",
        "  written   6 files in out",
        "  group          exposures                 flagged",
        "  MIRIFULONG 34  3 COMPLETE, 2 BACKGROUND  62 low + 62 high = 124 pixels (0.202 %)",
        "  NRS1           3 COMPLETE, 2 BACKGROUND  62 low + 62 high = 124 pixels (0.202 %)",
    ]
    html = result._repr_html_()
    assert "<strong>Results of 11 exposures</strong>" in html
    assert ">MIRIFULONG 34</td>" in html
    assert [each.name for each in result] == ["MIRIFULONG 34", result[1].name]
    assert len(result.written) == len(list((tmp_path / "out").iterdir()))
    assert sum(result.statuses.values()) == len(list(tmp_path.glob("*_rate.fits")))


def test_an_association_and_whether_it_exists(tmp_path, monkeypatch):
    pool(tmp_path, detectors=("NRS1",))
    monkeypatch.chdir(tmp_path)
    first, *_ = bps.associate(".", dry_run=True)
    assert repr(first) == (
        "GeneratedAssociation sci0_nrs1\n"
        "  group     NRS1\n"
        "  members   1 science, 2 background, 5 selfcal\n"
        "  path      sci0_nrs1_spec2_asn.json"
    )
    assert not first.exists
    assert not any(each.exists for each in bps.associate("."))
    assert all(each.exists for each in bps.associate(".", dry_run=True))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_threads_of_a_call_are_those_of_the_process_no_longer(result, threads):
    assert result.status == "COMPLETE"
    before = bps.num_threads()
    seen = []

    def progress(*_):
        seen.append(bps.num_threads())

    bps.batch(".", output_dir="batch", threads=threads, progress=progress)
    assert {*seen} == {threads}
    assert bps.num_threads() == before
    with pytest.raises(ValueError, match="threads must be from 1 to 1024"):
        bps.selfcal("x_asn.json", output_dir="other", threads=0)
    assert bps.num_threads() == before


def test_a_number_of_threads_that_was_set_is_set_again(result):
    bps.set_num_threads(3)
    try:
        bps.selfcal("x_asn.json", output_dir="again", threads=2)
        assert bps.num_threads() == 3
        assert result.status == "COMPLETE"
    finally:
        bps.set_num_threads(None)
