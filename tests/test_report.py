"""The pages of masks: their numbers, what they are made of, and how they are written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.reports import cuts
from badpix_selfcal.reports.index import verdict_on
from badpix_selfcal.reports.judgement import judge
from badpix_selfcal.reports.limits import LIMITS
from badpix_selfcal.reports.page import page_of
from badpix_selfcal.views.pixels import IN_GALLERY, ranked

from .exposures import observation
from .masks import masks
from .reported import NUMBERS, Cells, mask_of, numbers_in, observed

pytest.importorskip("bokeh", reason="bokeh is not installed")


def expected_numbers(mask):
    """Compute the numbers of a page from the arrays, by plain NumPy."""
    found = mask.bad_pixels
    residual, flagged = found.residual.astype("f8"), found.mask
    values = residual if found.significance is None else found.significance
    finite = np.isfinite(residual)
    high, low = flagged & (values > found.cut_high), flagged & (values < found.cut_low)
    before, after = residual[finite], residual[finite & ~flagged]
    return {
        "pixels": flagged.size,
        "sensitive": np.sum(~np.isnan(residual)),
        "low": low.sum(),
        "high": high.sum(),
        "flagged": flagged.sum(),
        "share_low": 100 * low.sum() / finite.sum(),
        "share_high": 100 * high.sum() / finite.sum(),
        "cut_low": found.cut_low,
        "cut_high": found.cut_high,
        "scatter_before": 1.4826 * np.median(abs(before - np.median(before))),
        "scatter_after": 1.4826 * np.median(abs(after - np.median(after))),
        "deviation_before": before.std(),
        "deviation_after": after.std(),
        "already_known": np.sum(flagged & (mask.dq % 2 == 1)),
        "exposures": len(mask.members),
    }


@pytest.mark.parametrize("cut", ["sigma", "fraction"])
def test_numbers_on_the_page_are_those_of_the_arrays(cut):
    mask = mask_of("MIRIFULONG", (96, 640), cut)
    page = page_of(mask).html
    numbers, texts = numbers_in(page), Cells(page).texts
    expected = expected_numbers(mask)
    assert expected["flagged"] > 100
    for name, value in expected.items():
        assert numbers[name] == pytest.approx(value, rel=1e-5), name
    shown = [name for name in expected if name in texts]
    assert len(shown) >= 13
    for name in shown:
        for text in texts[name]:
            assert float(text) == pytest.approx(float(expected[name]), rel=1e-4), name


def test_counts_by_region_and_slice_add_up():
    mask = mask_of("MIRIFULONG", (96, 640), "sigma")
    numbers = numbers_in(page_of(mask).html)
    assert sum(each["high"] for each in numbers["regions"].values()) == numbers["high"]
    assert sum(each["sensitive"] for each in numbers["slices"].values()) == numbers["sensitive"]
    half = numbers["regions"]["upper left"]
    assert half["low"] + half["high"] == np.sum(mask.bad_pixels.mask[48:, :320])


def test_a_page_needs_no_network():
    page = page_of(mask_of()).html
    head = page[: page.index("<script")]
    assert "default-src 'none'" in head
    assert 'src="http' not in head
    assert '<link rel="icon" href="data:,">' in head
    assert page.count("<link") == 1


def test_what_a_name_holds_is_no_html():
    mask = replace(mask_of(), name="</script><script>alert(1)</script>&\"'")
    page = page_of(mask).html
    assert "<script>alert" not in page
    assert numbers_in(page)["name"] == mask.name


@given(masks())
def test_every_mask_has_a_page(mask):
    page = page_of(replace(mask, members=())).html
    numbers = json.loads(NUMBERS.search(page)[1], parse_constant=pytest.fail)  # NaN is no JSON
    assert numbers["flagged"] == mask.bad_pixels.mask.sum()
    assert page.count("<html") == page.count("</html>") == 1


def test_a_page_of_a_whole_detector_takes_two_seconds_at_most():
    """Of processor time, imports included: other programs may be running."""
    mask = observed("MIRIFUSHORT", (1024, 1032), "sigma")[1].mask
    code = (
        "import sys, time, badpix_selfcal as bps; mask = bps.read_mask(sys.argv[1]); "
        "begin = time.process_time(); from badpix_selfcal.reports.page import page_of; "
        "page = page_of(mask); print(time.process_time() - begin, len(page.html))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(mask)], capture_output=True, text=True, check=True
    )
    seconds, size = map(float, done.stdout.split())
    assert seconds < 2
    assert size < 15e6


def test_without_its_exposures_a_page_says_so_and_shows_the_minimum(tmp_path):
    mask = mask_of()
    gone = tuple(replace(each, exposure=tmp_path / each.exposure.name) for each in mask.members)
    page = page_of(replace(mask, members=gone)).html
    assert "Only the minimum is shown." in page
    assert str(tmp_path / gone[0].exposure.name) in page
    assert '"exposures": []' in page


def test_an_exposure_that_has_changed_is_not_shown(tmp_path):
    mask = mask_of()
    first, *others = mask.members
    changed = tmp_path / first.exposure.name
    shutil.copy(first.exposure, changed)
    with fits.open(changed, mode="update") as hdus:
        hdus["SCI"].data[10:20, 10:20] -= 5
    page = page_of(replace(mask, members=(replace(first, exposure=changed), *others))).html
    assert f"{changed}: has changed since the mask was found" in page
    assert page.count("has changed since the mask was found") == 2  # cuts, table


def test_an_exposure_of_another_shape_is_not_shown(tmp_path):
    mask = mask_of()
    first, *others = mask.members
    cut = tmp_path / first.exposure.name
    with fits.open(first.exposure) as hdus:
        hdus["SCI"].data = hdus["SCI"].data[:50]
        hdus.writeto(cut)
    page = page_of(replace(mask, members=(replace(first, exposure=cut), *others))).html
    assert f"{cut}: SCI has shape (50, 640), the mask (96, 640)" in page


def test_a_mask_file_and_the_copy_beside_it_have_the_same_page(tmp_path):
    result = observed()[1]
    by_mask = bps.report(result.mask, output_dir=tmp_path / "mask")
    by_copy = bps.report([result.science], output_dir=tmp_path / "copy")
    both = bps.report([result.science, result.mask], output_dir=tmp_path / "both")
    assert len(both.groups) == 1
    assert both.index is None
    for made in (by_mask, by_copy, both):
        (group,) = made.groups
        assert group.page.name == f"{result.product}_badpix_selfcal_report.html"
        assert group.verdict == by_mask.groups[0].verdict
        assert numbers_in(group.page.read_text()) == numbers_in(by_mask.groups[0].page.read_text())
        assert [path.name for path in group.page.parent.iterdir()] == [group.page.name]


def test_several_masks_have_a_page_that_lists_them(tmp_path):
    one, other = observed()[1].mask, observed("NRS1", (96, 128))[1].mask
    made = bps.report([one, other], output_dir=tmp_path)
    text = made.index.read_text()
    for group in made.groups:
        assert f'href="{group.page.name}"' in text
        assert f"<td>{group.verdict}</td>" in text
        assert f'<td class="n">{group.judgement.numbers["flagged"]}</td>' in text
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [made.index.name, *(group.page.name for group in made.groups)]
    )
    assert made.index.name in repr(made)


def test_a_copy_without_a_mask_says_what_to_do(tmp_path, capsys):
    copy = tmp_path / observed()[1].science.name
    shutil.copy(observed()[1].science, copy)
    with pytest.raises(bps.MaskError) as error:
        bps.report(copy, output_dir=tmp_path / "out")
    assert str(error.value).startswith(f"{copy}: no mask beside it")
    assert "save_mask=True (keeps the mask) or report=True" in str(error.value)
    assert main(["report", str(copy), "--output-dir", str(tmp_path / "out")]) == 1
    assert "--save-mask (keeps the mask) or --report" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_that_does_not_exist(tmp_path):
    with pytest.raises(bps.MaskError, match="nowhere"):
        bps.report(tmp_path / "nowhere.fits", output_dir=tmp_path)
    with pytest.raises(ValueError, match="results is empty"):
        bps.report([], output_dir=tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_an_existing_page_is_replaced_only_if_asked(tmp_path):
    mask = observed()[1].mask
    (group,) = bps.report(mask, output_dir=tmp_path).groups
    group.page.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        bps.report(mask, output_dir=tmp_path)
    assert group.page.read_text() == "mine"
    bps.report(mask, output_dir=tmp_path, overwrite=True)
    assert numbers_in(group.page.read_text())["flagged"] > 0


def test_two_masks_with_the_same_page(tmp_path):
    mask = observed()[1].mask
    other = tmp_path / mask.name
    shutil.copy(mask, other)
    with pytest.raises(ValueError, match="two masks would have the page"):
        bps.report([mask, other], output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_bokeh_the_error_names_the_extra(tmp_path, monkeypatch, capsys):
    from badpix_selfcal.reports.bokeh_scripts import bokeh_scripts

    bokeh_scripts.cache_clear()
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "bokeh", raising=False)
    result = observed()[1]
    out = tmp_path / "out"
    with pytest.raises(RuntimeError, match=r'needs bokeh.*pip install "\.\[report\]"'):
        bps.report(result.mask, output_dir=out)
    with pytest.raises(RuntimeError, match=r'pip install "\.\[report\]"'):
        bps.selfcal(observed()[0].associations[0], output_dir=out, report=True)
    assert main(["report", str(result.mask), "--output-dir", str(out)]) == 1
    assert "error: a report needs bokeh" in capsys.readouterr().err
    assert not out.exists()


def test_the_command_prints_the_verdict(tmp_path, capsys):
    mask = observed("MIRIFULONG", (96, 640), "fraction")[1].mask
    line = ["report", str(mask), "--output-dir", str(tmp_path)]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "spikes left" in said
    assert main([*line, "--overwrite", "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["groups"]
    found = mask_of("MIRIFULONG", (96, 640), "fraction").bad_pixels
    assert facts["numbers"]["flagged"] == found.mask.sum()
    assert facts["reasons"]["spikes_left"] != "TRUST"
    worst = [word for word in ("REJECT", "LOOK") if word in facts["reasons"].values()]
    assert facts["verdict"] == worst[0]
    assert f": {worst[0]}. " in said
    for name, limit in LIMITS.items():
        told = limit.advice in " ".join(said.split())
        assert told == (facts["reasons"][name] != "TRUST"), name


def test_run_writes_the_page_with_the_copies(tmp_path, capsys):
    files, result = observed()
    made = bps.selfcal(files.associations[0], output_dir=tmp_path, cut="sigma", report=True)
    assert made.page == tmp_path / f"{made.product}_badpix_selfcal_report.html"
    numbers = numbers_in(made.page.read_text())
    assert numbers["flagged"] == made.bad_pixels.mask.sum()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [made.page.name, made.science.name]
    )
    line = ["run", str(files.associations[0]), "--report", "--output-dir", str(tmp_path / "2")]
    assert main(line) == 0
    said = capsys.readouterr().out
    (page,) = (tmp_path / "2").glob("*_report.html")
    assert f"  page      {page}\n  verdict   {told(page)}\n" in said
    assert result.page is None


def test_the_page_says_for_how_many_pixels_it_holds_the_exposures(monkeypatch):
    mask = mask_of()
    pixels = ranked(mask.bad_pixels)
    columns, left = mask.minimum.shape[1], judge(mask).numbers["sharp_left_at"][:IN_GALLERY]
    remaining = np.array([each["row"] * columns + each["column"] for each in left], np.intp)
    parts = (pixels.flagged, pixels.near, pixels.strongest, pixels.borderline, remaining)
    number = len({pixel for part in parts for pixel in part.tolist()})
    note = "The page holds the exposures for {} of {} flagged, borderline and left pixels"
    assert note.format(number, number) in page_of(mask).html
    one = cuts.SAMPLES * len(mask.members)  # samples of one pixel
    monkeypatch.setattr(cuts, "MOST_SAMPLES", 3 * one)
    assert note.format(3, number) in page_of(mask).html


def told(page):
    """What a run says of the verdict in a page."""
    facts = numbers_in(page.read_text())
    worst = [name for name, word in facts["reasons"].items() if word == facts["verdict"]]
    if facts["verdict"] == "TRUST":
        return "TRUST: nothing speaks against the flags"
    labels = "; ".join(LIMITS[name].label for name in worst)
    return f"{facts['verdict']}: {labels} (the page says what to do)"


def test_batch_prints_the_verdicts(tmp_path, capsys):
    folder = observed()[0].science[0].parent
    line = ["batch", str(folder), "--cut", "sigma", "--report", "--output-dir", str(tmp_path)]
    assert main(line) == 0
    (page,) = tmp_path.glob("*_report.html")
    said = capsys.readouterr().out
    name = numbers_in(page.read_text())["name"]
    assert f"pages     {page}\nverdict   {name}: {told(page)}\n" in said


def test_a_page_that_cannot_be_read_has_no_verdict(tmp_path):
    assert verdict_on(tmp_path / "missing.html") is None
    other = tmp_path / "other.html"
    other.write_text("mine")
    assert verdict_on(other) is None


def test_batch_writes_pages_and_their_list_and_keeps_them(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for which in (("MIRIFULONG", (96, 640)), ("NRS1", (96, 128))):
        files = observed(*which, "sigma")[0]
        for path in (*files.science, *files.background):
            shutil.copy(path, data / path.name)
    out = tmp_path / "out"
    made = bps.batch(data, output_dir=out, cut="sigma", report=True)
    pages = [page for group in made.groups for page in group.pages.values()]
    assert len(pages) == 2
    assert made.index == out / "badpix_selfcal_report.html"
    assert all(f'href="{page.name}"' in made.index.read_text() for page in pages)
    times = {page: page.stat().st_mtime_ns for page in pages}
    pages[1].write_bytes(pages[1].read_bytes().replace(b"Gallery", b"gallery", 1))
    again = bps.batch(data, output_dir=out, cut="sigma", report=True, resume=True)
    assert again.index == made.index
    assert pages[0].stat().st_mtime_ns == times[pages[0]]
    assert b"gallery</h2>" not in pages[1].read_bytes()  # the changed page is made again


def test_a_list_of_pages_that_cannot_be_written_is_a_warning(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for which in (("MIRIFULONG", (96, 640)), ("NRS1", (96, 128))):
        for path in observed(*which, "sigma")[0].science:
            shutil.copy(path, data / path.name)
    (tmp_path / "out" / "badpix_selfcal_report.html").mkdir(parents=True)
    with pytest.warns(bps.SelfcalWarning, match="badpix_selfcal_report.html"):
        made = bps.batch(data, output_dir=tmp_path / "out", cut="sigma", report=True)
    assert made.index is None
    assert {each.status for each in made.exposures} == {"COMPLETE"}


def test_an_exposure_whose_name_is_no_unicode_has_a_page(tmp_path, monkeypatch):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    odd = os.fsdecode(b"sci\xff_rate.fits")
    (tmp_path / "sci0_rate.fits").rename(odd)
    result = bps.selfcal(odd, background="bkg*_rate.fits", output_dir="out", report=True)
    assert "sci?_rate.fits" in result.page.read_text(encoding="utf-8")
