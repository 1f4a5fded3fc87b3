"""The pixels of masks as tables and regions, read back by other programs."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from astropy.table import Table
from astropy.units import Unit
from hypothesis import given

import badpix_selfcal as bps
main = None  # XXX

from .flagged_files import saved_mask
from .masks import group_mask, masks
from .profiles import share

BOX = re.compile(r"box\((\d+),(\d+),1,1,0\) # color=(cyan|red) tag=\{(low|high)\}")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def boxes_in(path):
    """Return position, colour and end of each region; every line must be a known one."""
    comment, name, system, *lines = path.read_text(encoding="utf-8").splitlines()
    assert (comment, system) == ("# Region file format: DS9 version 4.1", "image")
    assert name.startswith("# ")
    found = [BOX.fullmatch(line) for line in lines]
    assert None not in found
    return [(int(each[1]), int(each[2]), each[3], each[4]) for each in found]


@share(0.5)
@given(masks())
def test_the_table_is_read_back_exactly(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("table") / "t.ecsv"
    expected = mask.pixels()
    expected.write(path)
    table = Table.read(path, format="ascii.ecsv")
    assert table.colnames == expected.colnames
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(table[name], column)
        assert column.dtype.kind == "U" or table[name].dtype == column.dtype or not len(column)
        assert table[name].description == column.description
    assert table.meta["name"] == mask.name
    assert table.meta["parameters"] == asdict(mask.parameters)
    assert table.meta["crowded"] == [*mask.crowded]
    np.testing.assert_equal(table.meta["cut_high"], mask.bad_pixels.cut_high)


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
def test_the_regions_are_the_pixels(here, cut):
    mask = group_mask(cut=cut)
    mask.write(here / "m.fits")
    assert bps.export(here / "m.fits", [here / "p.ecsv", here / "p.reg"]) == (
        here / "p.ecsv",
        here / "p.reg",
    )
    rows, columns = mask.bad_pixels.indices
    assert rows.size > 5
    boxes = boxes_in(here / "p.reg")
    assert [(x - 1, y - 1) for x, y, _, _ in boxes] == [*zip(columns, rows, strict=True)]
    table = Table.read(here / "p.ecsv", format="ascii.ecsv")
    assert [end for *_, end in boxes] == table["end"].tolist()
    assert {(colour, end) for *_, colour, end in boxes} <= {("cyan", "low"), ("red", "high")}
    assert table["residual"].unit == table["value"].unit == Unit("DN/s")
    assert table["x"].unit == Unit("pixel")


def test_another_program_reads_the_regions(here):
    regions = pytest.importorskip("regions", reason="regions is not installed")
    mask = group_mask(cut="sigma")
    mask.write(here / "m.fits")
    bps.export(here / "m.fits", here / "p.reg")
    found = regions.Regions.read(here / "p.reg", format="ds9")
    covered = np.zeros(mask.bad_pixels.mask.shape, int)
    for region in found:
        assert isinstance(region, regions.RectanglePixelRegion)
        box = region.to_mask(mode="center")
        covered += box.to_image(covered.shape).astype(int)
    np.testing.assert_array_equal(covered, mask.bad_pixels.mask)  # each pixel exactly once
    ends = {region.visual["facecolor"]: region.meta["tag"] for region in found}
    assert ends == {"red": ["high"]} | ({"cyan": ["low"]} if mask.bad_pixels.n_low else {})


def test_both_ends_have_their_colours(here):
    saved_mask(here / "m.fits", {(0, 3), (6, 10)}, {(2, 0)})
    assert main(["export", "m.fits", "p.reg"]) == 0
    assert boxes_in(here / "p.reg") == [
        (4, 1, "cyan", "low"),
        (1, 3, "red", "high"),
        (11, 7, "cyan", "low"),
    ]


def test_a_mask_without_flags_has_an_empty_table(here, capsys):
    saved_mask(here / "m.fits")
    assert main(["export", "m.fits", "new/p.ecsv", "new/p.reg", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["new/p.ecsv", "new/p.reg"]
    assert len(Table.read(here / "new" / "p.ecsv")) == 0
    assert boxes_in(here / "new" / "p.reg") == []


def test_names_cannot_break_the_region_file(here):
    saved_mask(here / "m.fits", {(0, 0)}, name="a\nbox(1,1,1,1,0)\u2028é")
    bps.export(here / "m.fits", here / "p.reg")
    assert boxes_in(here / "p.reg") == [(1, 1, "cyan", "low")]
    assert (here / "p.reg").read_bytes().isascii()


def refused(capsys, *words, status=1):
    assert main(["export", *words]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()[-2 if status == 2 else -1].partition("error: ")[2]


def test_bad_inputs_are_named(here, capsys):
    saved_mask(here / "m.fits", {(0, 0)})
    (here / "text.fits").write_text("text")
    (here / "old.reg").write_text("old")
    (here / "dir.reg").mkdir()
    before = {path.name for path in here.iterdir()}
    assert refused(capsys, "n.fits", "p.reg") == (
        "n.fits: no such file or folder; did you mean m.fits or text.fits?"
    )
    assert refused(capsys, "text.fits", "p.reg").startswith("text.fits: is not a FITS file")
    assert refused(capsys, "m.fits", "p.ecsv", "old.reg").startswith("old.reg exists already; ")
    assert refused(capsys, "m.fits", "p.ecsv", "dir.reg").startswith("dir.reg: is a folder")
    assert refused(capsys, "m.fits", "p.ecsv", "p.csv") == (
        "p.csv: must end with .ecsv (a table) or .reg (regions of DS9)"
    )
    assert refused(capsys, "m.fits", status=2).endswith("required: FILE")
    assert {path.name for path in here.iterdir()} == before
    assert (here / "old.reg").read_text() == "old"
    assert main(["export", "m.fits", "old.reg", "--overwrite"]) == 0
    assert boxes_in(here / "old.reg") == [(1, 1, "cyan", "low")]
    with pytest.raises(ValueError, match=r"p\.csv: must end with \.ecsv"):
        bps.export("m.fits", "p.csv")


def test_the_mask_is_not_replaced(here, capsys):
    saved_mask(here / "m.reg", {(0, 0)})
    before = (here / "m.reg").read_bytes()
    line = refused(capsys, "m.reg", "m.reg", "--overwrite")
    assert line.startswith("m.reg: would replace the input m.reg")
    assert (here / "m.reg").read_bytes() == before
