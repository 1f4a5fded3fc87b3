"""The pixels of masks as tables and regions, read back by other programs."""

from __future__ import annotations

import re
from dataclasses import asdict

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.units import Unit
from hypothesis import given

import badpix_selfcal as bps

from .flagged_files import SHAPE, image_of, mask_file, saved_mask
from .masks import group_mask, masks
from .profiles import share

BOX = re.compile(r"box\((\d+),(\d+),1,1,0\) # color=(cyan|red) tag=\{(low|high)\}")


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
    folder = tmp_path_factory.mktemp("table")
    mask.write(folder / "m.fits")
    bps.export(folder / "m.fits", folder / "t.ecsv")
    table, expected = Table.read(folder / "t.ecsv", format="ascii.ecsv"), mask.pixels()
    assert table.colnames == expected.colnames
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(table[name], column)
        assert column.dtype.kind == "U" or table[name].dtype == column.dtype or not len(column)
        assert table[name].description == column.description != ""
        assert table[name].unit == column.unit
    assert table.meta["name"] == mask.name
    assert table.meta["parameters"] == asdict(mask.parameters)
    assert table.meta["crowded"] == [*mask.crowded]
    np.testing.assert_equal(table.meta["cut_high"], mask.bad_pixels.cut_high)


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
def test_tables_and_regions_have_the_same_pixels(here, cut):
    mask = group_mask(cut=cut)
    mask.write("m.fits")
    files = bps.export("m.fits", ["new/p.ecsv", here / "p.reg"])
    assert [str(each) for each in files] == ["new/p.ecsv", str(here / "p.reg")]
    rows, columns = mask.bad_pixels.indices
    assert rows.size > 5
    boxes = boxes_in(here / "p.reg")
    assert [(x - 1, y - 1) for x, y, _, _ in boxes] == [*zip(columns, rows, strict=True)]
    table = Table.read("new/p.ecsv", format="ascii.ecsv")
    assert [end for *_, end in boxes] == table["end"].tolist()
    assert {(colour, end) for *_, colour, end in boxes} <= {("cyan", "low"), ("red", "high")}
    assert table["residual"].unit == table["value"].unit == Unit("DN/s")
    assert table["x"].unit == Unit("pixel")


def test_another_program_reads_the_regions(here):
    regions = pytest.importorskip("regions", reason="regions is not installed")
    mask = group_mask(cut="sigma")
    mask.write("m.fits")
    bps.export("m.fits", "p.reg")
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
    name = "a\nbox(1,1,1,1,0)\u2028é"
    saved_mask(here / "m.fits", {(0, 3), (6, 10)}, {(2, 0)}, name=name)
    saved_mask(here / "none.fits")
    bps.export("m.fits", "p.reg")
    boxes = [(4, 1, "cyan", "low"), (1, 3, "red", "high"), (11, 7, "cyan", "low")]
    assert boxes_in(here / "p.reg") == boxes
    assert (here / "p.reg").read_bytes().isascii()  # no name can break the file
    bps.export("none.fits", ["none.ecsv", "none.reg"])
    assert boxes_in(here / "none.reg") == []
    assert len(Table.read("none.ecsv")) == 0


def test_a_mask_of_the_pipeline_is_exported(here):
    mask_file(here / "m.fits", image_of({(2, 0), (6, 10)}))
    bps.export("m.fits", ["p.ecsv", "p.reg"])
    assert [(x, y) for x, y, *_ in boxes_in(here / "p.reg")] == [(1, 3), (11, 7)]
    table = Table.read("p.ecsv")
    assert (table.colnames, table["y"].tolist()) == (["x", "y"], [2, 6])
    assert table.meta["shape"] == [*SHAPE]


@pytest.mark.parametrize(
    ("mask", "files", "message"),
    [
        (
            "n.fits",
            "p.reg",
            "n.fits: no such file or folder; did you mean m.fits or text.fits or copy.fits?",
        ),
        ("text.fits", "p.reg", "text.fits: is not a FITS file"),
        (
            "m.fits",
            ["p.ecsv", "old.reg"],
            "old.reg exists already; set `overwrite` to replace it, or write els",
        ),
        ("m.fits", ["p.ecsv", "p.csv"], "p.csv: must end with .ecsv (a table) or .reg (regions"),
        (
            "copy.fits",
            "p.reg",
            "copy.fits: is a flagged exposure, not its mask; give a file that was",
        ),
        ("m.reg", "m.reg", "m.reg: would replace the input m.reg"),
    ],
)
def test_bad_inputs_are_named_and_nothing_is_written(here, mask, files, message):
    for name in ("m.fits", "m.reg"):
        saved_mask(here / name, {(0, 0)})
    fits.PrimaryHDU(header=fits.Header({"S_BPXSLF": "COMPLETE"})).writeto("copy.fits")
    for name in ("text.fits", "old.reg"):
        (here / name).write_text("text")
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    with pytest.raises((ValueError, OSError)) as caught:
        bps.export(mask, files)
    assert str(caught.value).startswith(message)
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before
    bps.export("m.fits", "old.reg", overwrite=True)
    assert boxes_in(here / "old.reg") == [(1, 1, "cyan", "low")]
