"""Every code block of the README and of the site runs, in the order of its page, or says why not.

``<!-- skip: next "reason" -->`` before a block says why it does not run; `REASONS` has all reasons.
The cells of tutorials run when the site is built.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.instrument import BAD
from badpix_selfcal.simulate import simulate

pytest.importorskip("sybil", reason="sybil is not installed")
Image = pytest.importorskip("PIL.Image", reason="matplotlib is not installed")

from .pages import PAGES, ROOT, SHOWN, document_of, regions, run, text_of  # noqa: E402 - needs sybil

REASONS = {
    "needs a network",
    "needs a cluster",
    "needs DS9",
    "needs jdaviz",
    "takes a quarter of an hour",
    "needs the reference files of CRDS",
    "tests/test_jwst_installed.py runs it",
    "takes minutes: tests/test_verify.py runs it",
}


@pytest.fixture(scope="session")
def observed(tmp_path_factory):
    """Make files with the names that the pages use."""
    folder = tmp_path_factory.mktemp("observed")
    made = simulate(folder / "data", size=(96, 640))
    content = json.loads(made.association.read_text(encoding="utf-8"))
    (product,) = content["products"]
    product["name"] = "jw01234"
    for member in product["members"]:
        member["expname"] = f"data/{member['expname']}"
    (folder / "jw01234_spec2_asn.json").write_text(json.dumps(content), encoding="utf-8")
    for path in made.associations:
        path.unlink()
    names = ("science_rate.fits", "tonight_rate.fits", "sky1_rate.fits", "sky2_rate.fits")
    for name, path in zip(names, (*made.science, *made.background), strict=True):
        shutil.copy(path, folder / name)

    result = bps.selfcal(
        folder / "science_rate.fits",
        background=[folder / "sky1_rate.fits", folder / "sky2_rate.fits"],
        cut="sigma",
        output_dir=folder / "found",
        save_mask=True,
    )
    copies = ("ours/target_badpix_selfcal.fits", "pipeline/target_badpix_selfcal.fits")
    masks = ("masks/target_mask.fits", "masks/later_mask.fits", "masks/last_mask.fits")
    for source, names in (
        (result.science, (*copies, "A.fits", "B.fits")),
        (result.mask_file, masks),
    ):
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(source, folder / name)
    shutil.rmtree(folder / "found")
    return folder


@pytest.fixture
def folder(observed, tmp_path, monkeypatch):
    """A copy of these files in the current folder."""
    folder = tmp_path / "page"
    shutil.copytree(observed, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)
    return folder


@dataclass(frozen=True)
class Ran:
    """A page that has run: its folder, what it printed, and the names that it defined."""

    folder: Path
    printed: str
    names: dict[str, object]


def n_flagged(path):
    return int(np.count_nonzero((fits.getdata(path, "DQ") & BAD) == BAD))


def of_readme(ran):
    (copy,) = (ran.folder / "demo" / "flagged").glob("*_badpix_selfcal.fits")
    assert n_flagged(copy) > 9000
    (page,) = (ran.folder / "demo").glob("*_report.html")
    assert "TRUST" in page.read_text(encoding="utf-8")
    science = {path.name for path in (ran.folder / "data").glob("jw09999001*_rate.fits")}
    copies = {
        path.name for path in (ran.folder / "flagged").glob("jw09999001*_badpix_selfcal.fits")
    }
    assert copies == {name.replace("_rate", "_badpix_selfcal") for name in science}
    assert ran.printed.count("  flagged   ") == 2
    assert len(ran.names["rows"]) > 100
    the_first_picture_is_drawn(ran)


def the_first_picture_is_drawn(ran):
    subprocess.run([sys.executable, ROOT / "examples" / "before_after.py", "demo"], check=True)
    shown = ROOT / "docs" / "images" / "before_after.png"
    with (
        Image.open(ran.folder / "demo" / "before_after.png") as drawn,
        Image.open(shown) as picture,
    ):
        assert drawn.size == picture.size
        new, old = (np.asarray(each.convert("RGB"), float) for each in (drawn, picture))
    orange = [np.all(np.abs(each - (213, 94, 0)) < 30, axis=2).sum() for each in (new, old)]
    assert orange[0] == pytest.approx(orange[1], rel=0.1)
    assert np.abs(coarse(new) - coarse(old)).mean() < 4  # of 255; texts may be wider or shifted


def coarse(picture):
    """Return the means of blocks of 16 x 16 pixels."""
    height, width = (size // 16 for size in picture.shape[:2])
    blocks = picture[: 16 * height, : 16 * width].reshape(height, 16, width, 16, 3)
    return blocks.mean(axis=(1, 3))


def of_flag_exposures(ran):
    assert "2 COMPLETE, 2 BACKGROUND" in ran.printed
    assert "2 KEPT, 2 BACKGROUND" in ran.printed
    copies = sorted((ran.folder / "flagged").glob("*_badpix_selfcal*.fits"))
    copies.remove(ran.folder / "flagged" / "jw01234_badpix_selfcal_mask.fits")
    assert sum("_bkg_" in copy.name for copy in copies) == 2
    assert len(copies) == 3
    assert len({n_flagged(copy) for copy in copies}) == 1
    assert n_flagged(ran.folder / "science_badpix_selfcal.fits") > 100


def of_associations(ran):
    for place in ("data", "flagged_all"):
        assert len([*(ran.folder / place).glob("*_spec2_asn.json")]) == 2


def of_masks(ran):
    assert re.search(r"jw01234: \d+ of \d+ pixels are new\n\d+ groups of .*\nsigma \[", ran.printed)
    assert n_flagged(ran.folder / "tonight" / "tonight_badpix_selfcal.fits") > 100


def of_report(ran):
    assert (ran.folder / "flagged" / "jw01234_badpix_selfcal_report.html").exists()
    assert (ran.folder / "jw01234_badpix_selfcal_report.html").exists()


def of_figures(ran):
    for name in ("page.png", "residual.pdf"):
        assert (ran.folder / f"jw01234_badpix_selfcal_{name}").stat().st_size > 10_000


def of_compare(ran):
    assert ran.printed.count("A and B are equal\n") == 2
    assert "3 masks of MIRIFULONG" in ran.printed
    assert "\nequal\n" in ran.printed
    for name in ("differences.png", "history.png", "pixels.ecsv", "target.ecsv", "target.reg"):
        assert (ran.folder / name).stat().st_size > 1000
    assert bps.Mask.read(ran.folder / "persistent_mask.fits").bad_pixels.n_high > 100


def of_kernels(ran):
    assert ran.printed.startswith("1057 1057 True\n")
    assert (ran.folder / "flags.png").stat().st_size > 10_000


def of_medians(ran):
    assert ran.printed == "[1. 5. 6. 3.]\n[ 300 1500]\n(3,)\n"
    cube = ran.names["cube"]
    assert ran.names["squares"].shape == ran.names["trailing"].shape == cube.shape
    window = cube[88:113, 3, 4]
    assert ran.names["along_time"][100, 3, 4] == np.nanmedian(window)
    assert ran.names["trailing"][112, 3, 4] == np.nanmedian(window)
    assert np.isnan(ran.names["trailing"][8, 0, 0])
    assert not np.isnan(ran.names["trailing"][9, 0, 0])
    flux, rolling_median = ran.names["flux"], ran.names["rolling_median"]
    assert ran.names["smooth"].equals(flux.rolling(time=7).median())
    for missing in (0.0, 0.1):
        some = flux.where(flux > np.quantile(flux, missing)).astype("float32")
        ours = rolling_median(some, "y", 3, min_periods=1)
        assert ours.dtype == np.float32
        assert ours.equals(some.rolling(y=3, min_periods=1).median())
        chunked = rolling_median(some.chunk(x=2), "time", 7)
        assert chunked.equals(rolling_median(some, "time", 7))


def of_sigma_cut(ran):
    assert "1 True 18.4" in ran.printed


OUTCOMES = {
    "README.md": of_readme,
    "docs/explanation/sigma-cut.md": of_sigma_cut,
    "docs/how-to/associations.md": of_associations,
    "docs/how-to/compare.md": of_compare,
    "docs/how-to/figures.md": of_figures,
    "docs/how-to/flag-exposures.md": of_flag_exposures,
    "docs/how-to/kernels.md": of_kernels,
    "docs/how-to/masks.md": of_masks,
    "docs/how-to/medians.md": of_medians,
    "docs/how-to/report.md": of_report,
}


@pytest.mark.parametrize("page", [page for page in PAGES if [*document_of(page)]])
@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")  # of stcal
def test_the_blocks_of_a_page_run(page, folder, capfd):
    if "from stcal" in text_of(page):
        pytest.importorskip("stcal", reason="needs the extra jwst")
    names = run(page)
    if page in OUTCOMES:
        OUTCOMES[page](Ran(folder, capfd.readouterr().out, names))


def test_blocks_are_skipped_for_a_known_reason():
    reasons = {
        reason.strip(' "')
        for page in PAGES
        for reason in re.findall(r"<!--+ *skip: *(?:next|start)\b(.*?)-->", text_of(page))
    }
    assert reasons == REASONS


def test_blocks_that_are_only_shown_hold_no_commands():
    command = re.compile(r"^(\$|badpix-selfcal|make|pip|python|strun) ", re.MULTILINE)
    shown = [
        f"{page}: {found[0]}"
        for page in PAGES
        for language, source in regions(page)
        if language in SHOWN and (found := command.search(source))
    ]
    assert shown == []
