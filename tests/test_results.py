"""Results as a session shows them: a few lines."""

from __future__ import annotations

import builtins
import re
import shutil
import sys
import types
from html import escape
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import progress

from .exposures import names, observation
from .pools import pool


@pytest.fixture
def result(here):
    observation(here)
    return bps.selfcal("x_asn.json", output_dir="out", save_flagged_bkg=True)


def test_a_result(result):
    found = result.bad_pixels
    facts = (
        f"  cuts      residual below {found.cut_low:.6g} or above {found.cut_high:.6g}\n"
        "  flagged   62 low + 62 high = 124 pixels in 122 groups (0.202 %)"
    )
    assert repr(result) == (
        "Result product: COMPLETE, 5 exposures\n"
        "  status    3 COMPLETE, 2 SELFCAL\n"
        f"{facts}\n"
        "  copies    3 files in out"
    )
    assert repr(found) == f"BadPixels of 96 x 640 pixels\n{facts}"


def test_bad_pixels_of_the_sigma_cut():
    image = np.random.default_rng(1).normal(size=(40, 50))
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=np.ones((40, 50)))
    assert re.fullmatch(
        r"BadPixels of 40 x 50 pixels\n"
        r"  cuts      significance below -12 or above 4\.5\n"
        r"  flagged   \d+ low \+ \d+ high = \d+ pixels( in \d+ groups)? \([\d.]+ %\)\n"
        r"  ERR       times [\d.]+ is the noise",
        repr(found),
    )


@pytest.mark.parametrize(
    ("image", "cuts", "flagged"),
    [
        (np.full((4, 5), np.nan), "below none or above none", "0 high = 0 pixels (0 %)"),
        (np.random.default_rng(1).normal(size=(20, 20)), "below", "1 high = 1 pixel (0.25 %)"),
    ],
)
def test_few_bad_pixels(image, cuts, flagged):
    said = repr(bps.find_bad_pixels(image, dispaxis=1, flagfrac_lower=0))
    assert f"  cuts      residual {cuts}" in said
    assert said.endswith(f"  flagged   0 low + {flagged}")


def test_a_batch_accounts_for_every_exposure(here):
    pool(here, detectors=("MIRIFULONG", "NRS1"))
    for name in ("junk", "more"):
        (here / f"{name}_rate.fits").write_text("junk")
    result = bps.batch(".", output_dir="out")
    assert repr(result).splitlines() == [
        "Results of 12 exposures",
        "  status    6 COMPLETE, 2 FAILED, 4 BACKGROUND",
        "  failed    junk_rate.fits: is not a FITS file, nor one compressed by gzip "
        "(and 1 other error)",
        "  written   6 files in out",
        "  group          exposures                 flagged",
        "  MIRIFULONG 34  3 COMPLETE, 2 BACKGROUND  62 low + 62 high = 124 pixels (0.202 %)",
        "  NRS1           3 COMPLETE, 2 BACKGROUND  62 low + 62 high = 124 pixels (0.202 %)",
    ]
    assert [each.name for each in result] == ["MIRIFULONG 34", result[1].name]
    assert len(result.written) == len(names(here / "out"))
    assert sum(result.statuses.values()) == len(list(here.glob("*_rate.fits")))


def test_an_association_and_whether_it_exists(here):
    pool(here, detectors=("NRS1",))
    first, *_ = bps.associate(".", dry_run=True)
    assert repr(first) == (
        "GeneratedAssociation sci0_nrs1\n"
        "  group     NRS1\n"
        "  members   1 science, 2 background, 5 selfcal\n"
        "  path      sci0_nrs1_spec2_asn.json"
    )


@pytest.mark.parametrize("before", [None, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_of_a_call_are_those_of_the_process_no_longer(result, before, threads):
    bps.set_num_threads(before)
    try:
        usual, seen = bps.num_threads(), set()
        how = {"output_dir": "batch", "progress": lambda *_: seen.add(bps.num_threads())}
        bps.batch(".", threads=threads, **how)
        assert (seen, bps.num_threads()) == ({threads}, usual)
        with pytest.raises(ValueError, match="threads must be from 1 to 1024"):
            bps.selfcal("x_asn.json", output_dir="other", threads=0)
        assert bps.num_threads() == usual
    finally:
        bps.set_num_threads(None)
    assert result.status == "COMPLETE"


def test_a_notebook_shows_the_text_with_a_link_to_the_page(here, tmp_path):
    pytest.importorskip("bokeh", reason="bokeh is not installed")
    observation(here)
    how = {"output_dir": "a <b>", "save_mask": True, "report": True}
    result = bps.selfcal("x_asn.json", **how)
    link = '<a href="a%20%3Cb%3E/product_badpix_selfcal_report.html">'
    mask = bps.Mask.read(result.mask_file)
    made = bps.report(mask, output_dir="a <b>", overwrite=True)
    beside = bps.compare(result.mask_file, result.science)
    for each in (result, mask, made, beside):
        html = each._repr_html_()
        assert link in html
        assert escape(repr(each)) in html
        assert "<b>" not in html
    assert (
        "<a" not in bps.Mask.read(shutil.copy(result.mask_file, tmp_path / "m.fits"))._repr_html_()
    )


def test_progress_is_shown_in_a_notebook(monkeypatch, here):
    """With the widgets that rich draws into; there is no notebook here."""
    observation(here)
    shown = []
    widgets = types.ModuleType("ipywidgets")
    widgets.__spec__ = ModuleSpec("ipywidgets", None)
    widgets.Output = MagicMock
    display = types.ModuleType("IPython.display")
    display.display = shown.append
    for name in ("ipykernel", "IPython"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    monkeypatch.setattr(progress, "AFTER", -1.0)
    bps.selfcal("x_asn.json", output_dir="a", progress=True)
    assert any("files read or written" in getattr(each, "text", "") for each in shown)
    monkeypatch.delitem(sys.modules, "ipykernel")
    shown.clear()
    bps.selfcal("x_asn.json", output_dir="b", progress=True)
    assert shown == []
