"""Masks of several epochs against plain set logic."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.errors import SelfcalWarning
from badpix_selfcal.simulate import simulate

from .flagged_files import (
    PIXELS,
    SERIES,
    SHAPE,
    history_of,
    image_of,
    mask_file,
    pixels_of,
    saved_mask,
    searched,
)
from .profiles import share


@given(SERIES, st.data())
def test_the_history_is_that_of_the_sets(series, data):
    at_least = data.draw(st.integers(1, len(series)))
    found = history_of(series, at_least)
    sets = [low | high for low, high in series]
    seen = set()
    for number, epoch in enumerate(found.epochs):
        now, before = sets[number], sets[number - 1]
        counts = epoch.pixels
        assert counts["flagged"] == len(now) == counts["low"] + counts["high"]
        assert counts["high"] == len(series[number][1])
        changes = [len(each) for each in (now - seen, (now & seen) - before, before - now)]
        expected = changes if number else [None] * 3
        assert [counts[name] for name in ("new", "returned", "gone")] == expected
        seen |= now
    pixels = [*zip(found.y.tolist(), found.x.tolist(), strict=True)]
    assert pixels == sorted(seen)
    words = ["".join("01"[pixel in each] for each in sets) for pixel in pixels]
    assert found.flagged.tolist() == [[digit == "1" for digit in word] for word in words]
    assert found.number.tolist() == [word.count("1") for word in words]
    assert found.persistent.tolist() == [word.count("1") >= at_least for word in words]
    assert found.comes_and_goes.tolist() == [bool(re.search("10+1", word)) for word in words]
    assert found.counts.sum() == found.number.sum()
    assert pixels_of(found.counts) == seen


@given(SERIES)
def test_the_table_has_a_row_for_each_pixel(series):
    table = history_of(series, 1).table()
    sets = [low | high for low, high in series]
    assert len(table) == len(set().union(*sets))
    for row in table:
        pixel = (row["y"], row["x"])
        flagged = [number for number, each in enumerate(sets) if pixel in each]
        ends = {"high" if pixel in series[number][1] else "low" for number in flagged}
        assert row["epochs"] == "".join("01"[pixel in each] for each in sets)
        assert row["number"] == len(flagged)
        assert row["end"] == (ends.pop() if len(ends) == 1 else "both")
        sign = 1 if pixel in series[flagged[-1]][1] else -1
        assert row["residual"] == sign * (2.0 + flagged[-1])  # the last one is the strongest
        assert np.isnan(row["significance"])


def test_the_masks_are_put_in_the_order_of_their_dates(here):
    saved_mask(here / "a.fits", {(0, 0)}, date="2024-01-01")
    saved_mask(here / "b.fits", {(0, 1)}, about={"TIME-OBS": "12:00:00.5"})
    saved_mask(here / "c.fits", {(0, 1)}, about={"TIME-OBS": "08:00:00.0"})
    saved_mask(here / "d.fits", {(0, 0)}, date=None, made="2023-09-01T00:00:00")
    found = bps.history("*.fits")
    assert [(each.path.name, each.date, each.is_observed) for each in found.epochs] == [
        ("c.fits", "2023-05-06T08:00:00.0", True),
        ("b.fits", "2023-05-06T12:00:00.5", True),
        ("d.fits", "2023-09-01T00:00:00", False),
        ("a.fits", "2024-01-01", True),
    ]
    table = found.table()
    assert table["first"].tolist() == ["2023-09-01T00:00:00", "2023-05-06T08:00:00.0"]
    assert table["last"].tolist() == ["2024-01-01", "2023-05-06T12:00:00.5"]
    same = [saved_mask(here / f"{name}.fits", {(0, 0)}) for name in "yx"]
    assert [epoch.path for epoch in bps.history(same).epochs] == same


def epochs_of(folder, **how):
    return [
        saved_mask(folder / "1_mask.fits", {(0, 0)}, {(1, 1), (2, 2)}, date="2023-01-01", **how),
        saved_mask(folder / "2_mask.fits", {(0, 0)}, {(3, 3)}, date="2023-03-01", **how),
        saved_mask(folder / "3_mask.fits", {(0, 0)}, {(1, 1), (3, 3)}, date="2023-05-01", **how),
    ]


def test_the_report(here):
    epochs_of(here)
    shown = """\
3 masks of MIRIFULONG, 7 x 11 pixels
  date                flagged      low     high      new returned     gone  mask
  2023-01-01  pixels        3        1        2        -        -        -  1_mask.fits
              groups        2        1        1        -        -        -
  2023-03-01  pixels        2        1        1        1        0        2  2_mask.fits
              groups        2        1        1        0        0        0
  2023-05-01  pixels        3        1        2        0        1        0  3_mask.fits
              groups        2        1        1        0        0        0
  4 pixels and 2 groups flagged in any mask
  3 pixels and 2 groups persistent: in at least 2 of 3
  1 pixel and 0 groups come and go: flagged again after a mask in which they are not
  2 groups persistent, the strongest first:
    column 0, row 0: 1 pixel, low, residual -10 DN/s
    column 1, row 1: 3 pixels, high, residual 10 DN/s"""
    assert str(bps.history("*_mask.fits", at_least=2)) == shown


@given(SERIES, st.data())
def test_the_groups_are_those_of_the_sets(series, data):
    at_least = data.draw(st.integers(1, len(series)))
    found = history_of(series, at_least)
    highs = set().union(*(high for _, high in series))
    lows = set().union(*(low for low, _ in series)) - highs
    groups = searched(image_of(highs).astype(int) - image_of(lows))
    assert sorted(found.groups.size) == sorted(map(len, groups))
    words = ["".join("01"[bool(group & (low | high))] for low, high in series) for group in groups]
    assert found.changing_groups.sum() == sum(bool(re.search("10+1", word)) for word in words)
    assert {name: len(groups) for name, groups in found.named_groups.items()} == {
        "new": sum("1" not in word[:-1] and word.endswith("1") for word in words),
        "gone": sum(word.endswith("10") for word in words),
        "persistent": sum(word.count("1") >= at_least for word in words),
    }
    for number, epoch in enumerate(found.epochs):
        counts = epoch.groups
        assert counts["flagged"] == sum(word[number] == "1" for word in words)
        assert counts["flagged"] == counts["low"] + counts["high"]
        assert counts["low"] == sum(
            word[number] == "1" and group <= lows for word, group in zip(words, groups, strict=True)
        )
        if number:
            assert counts["new"] == sum(word.find("1") == number for word in words)
            assert counts["gone"] == sum(word[number - 1 : number + 1] == "10" for word in words)


def test_a_group_is_named_once_by_its_brightest_pixel(here):
    square = {(y, x) for y in (1, 2, 3) for x in (4, 5, 6)}
    old, corner, line = {(2, 0)}, {(6, 0)}, {(6, 9), (5, 10)}
    saved_mask(here / "a.fits", corner, old | square - {(1, 4)}, date="2023-01-01", strength=3.0)
    saved_mask(here / "b.fits", corner, old | {(2, 5)}, date="2023-02-01", strength=20.0)
    saved_mask(here / "c.fits", (), square | line, date="2023-03-01", strength=4.0)
    found = bps.history(["a.fits", "b.fits", "c.fits"], table="t.ecsv")
    expected = {
        "new": [(10, 5, 2, "high", 4.0)],
        "gone": [(0, 2, 1, "high", 20.0), (0, 6, 1, "low", -20.0)],
        "persistent": [(5, 2, 9, "high", 20.0)],
    }
    for name, groups in expected.items():
        assert [tuple(group.values()) for group in found.named_groups[name]] == groups
    assert "7 pixels and 0 groups come and go" in str(found)
    assert str(found).endswith("    column 5, row 2: 9 pixels, high, residual 20 DN/s")
    table = Table.read("t.ecsv")
    assert table.colnames == found.table().colnames
    assert [each["path"] for each in table.meta["masks"]] == ["a.fits", "b.fits", "c.fits"]
    numbers = {(row["y"], row["x"]): row["group"] for row in table}
    assert {numbers[pixel] for pixel in square} == {2}
    assert (numbers[2, 0], numbers[6, 0], numbers[5, 10]) == (1, 3, 4)


def test_a_long_list_of_groups_is_cut_short(here):
    for name in "ab":
        saved_mask(here / f"{name}.fits", (), {(0, x) for x in range(0, 11, 2)})
    assert str(bps.history(["a.fits", "b.fits"])).endswith("DN/s\n    and 1 more")


# The mask of the persistent pixels

DATES = [f"2023-01-0{day}" for day in range(1, 5)]


@share(0.2)
@given(
    st.lists(st.tuples(PIXELS, PIXELS), min_size=2, max_size=4),
    st.sampled_from(["fraction", "sigma"]),
    st.data(),
)
def test_the_persistent_mask_flags_the_persistent_pixels(tmp_path_factory, series, cut, data):
    folder = tmp_path_factory.mktemp("masks")
    at_least = data.draw(st.integers(1, len(series)))
    strengths = data.draw(st.permutations([2.0 + number for number in range(len(series))]))
    paths = [
        saved_mask(folder / f"{at}.fits", low - high, high, strength=value, cut=cut, date=date)
        for at, ((low, high), value, date) in enumerate(zip(series, strengths, DATES, strict=False))
    ]
    bps.history(paths, at_least=at_least, persistent_mask=folder / "p.fits")
    mask = bps.Mask.read(folder / "p.fits")
    seen = {}
    for (low, high), strength in zip(series, strengths, strict=True):
        for pixel in low | high:
            seen.setdefault(pixel, []).append(strength if pixel in high else -strength)
    persistent = {
        pixel: max(found, key=abs) for pixel, found in seen.items() if len(found) >= at_least
    }
    assert pixels_of(mask.bad_pixels.mask) == persistent.keys()
    highs = sum(residual > 0 for residual in persistent.values())
    for pixel, residual in persistent.items():
        assert mask.bad_pixels.residual[pixel] == residual
        assert mask.minimum[pixel] == residual + 5
    assert (mask.bad_pixels.n_high, mask.bad_pixels.n_low) == (highs, len(persistent) - highs)
    names = {"jw01_rate.fits", "jw02_rate.fits", "s3://bucket/jw03_rate.fits"}
    assert {str(each.exposure) for each in mask.members} == names
    dates = (mask.about["DATE-OBS"], mask.about["DATE-END"])
    assert dates == (DATES[0], DATES[len(series) - 1])


# Bad inputs


def refused(folder, *masks, error=ValueError, **files):
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(error) as caught:
        bps.history(masks, **files)
    assert {path.name for path in folder.iterdir()} == before
    return str(caught.value)


def test_bad_inputs_are_named(here):
    epochs_of(here)
    one, every = "1_mask.fits", "*_mask.fits"
    saved_mask(here / "short.fits", about={"DETECTOR": "MIRIFUSHORT"})
    saved_mask(here / "part.fits", about={"SUBARRAY": "SUB64"})
    mask_file(here / "foreign.fits", np.zeros(SHAPE, "u1"))
    found = bps.find_bad_pixels(np.random.default_rng(1).normal(size=(7, 12)), dispaxis=2)
    wide = replace(bps.Mask.read(one), bad_pixels=found, minimum=found.residual, dq=None)
    wide.write("wide.fits")
    (here / "text.fits").write_text("text")
    (here / "folder").mkdir()
    for masks, message in (
        ([one], "a history needs at least two masks, got 1"),
        ([one, f"./{one}"], "1_mask.fits: is given twice; give each mask once"),
        ([one, "4_mask.fits"], "4_mask.fits: no such file or folder; did you mean "),
        ([one, "no*.fits"], "no*.fits: no file matches this pattern"),
        ([one, "folder"], "folder: is a folder; name the masks in it, or give a pattern"),
        ([one, "text.fits"], "text.fits: is not a FITS file"),
        ([one, "foreign.fits"], "foreign.fits: does not say how its pixels were found; give "),
        *(
            ([one, other], f"{one}, {other}: each is the only mask of its detector, subarray ")
            for other in ("short.fits", "part.fits", "wide.fits")
        ),
    ):
        assert refused(here, *masks).startswith(message), masks
    for number in (0, 4):
        assert refused(here, every, at_least=number) == (
            f"at_least must be from 1 to 3, got {number}"
        )
    assert refused(here, every, table="t.csv") == "t.csv: a table must end with .ecsv"
    said = refused(here, every, table="t.ecsv", persistent_mask=one, error=FileExistsError)
    assert said.startswith(f"{one}: would replace the input {one}; ")
    said = refused(here, every, at_least="x", error=TypeError)
    assert "at_least must be a whole number, got 'x'" in said


def test_masks_of_several_detectors_are_grouped(here, capsys):
    epochs_of(here)
    expected = bps.history("?_mask.fits")
    for number in (1, 2):
        saved_mask(here / f"nrs{number}_mask.fits", {(0, number)}, about={"DETECTOR": "NRS1"})
    nrs = bps.history("nrs*_mask.fits")
    saved_mask(here / "part_mask.fits", about={"SUBARRAY": "SUB64"})
    with pytest.warns(SelfcalWarning, match=r"^part_mask.fits: is the only mask of its"):
        found = bps.history("*_mask.fits")
    assert repr(found) == f"{expected}\n{nrs}"
    assert [(each.detector, each.shape, each.at_least) for each in (found, *found.others)] == [
        ("MIRIFULONG", SHAPE, 3),
        ("NRS1", SHAPE, 2),
    ]
    assert refused(here, "[1-3]_mask.fits", "nrs*_mask.fits", table="t.ecsv") == (
        "files to write are of one detector; give the masks of one of MIRIFULONG, NRS1"
    )
    assert main(["history", *map(str, sorted(here.glob("[1-3n]*_mask.fits"))), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["detector"], facts["others"][0]["detector"]) == ("MIRIFULONG", "NRS1")
    assert (facts["others"][0]["in_any"], facts["others"][0]["persistent"]) == (2, 0)


def test_masks_of_other_parameters_are_warned_of(here):
    saved_mask(here / "a.fits", {(0, 0)}, date="2023-01-01")
    saved_mask(here / "b.fits", {(0, 0)}, date="2023-02-01", cut="sigma")
    said = "^b.fits: was found with cut=sigma, .*, a.fits with cut=fraction, .*cannot be compared"
    with pytest.warns(SelfcalWarning, match=said) as caught:
        bps.history(["a.fits", "b.fits"])
    assert len(caught) == 1
    with (
        pytest.warns(SelfcalWarning),
        pytest.raises(ValueError, match=r"b\.fits: was found with another cut"),
    ):
        bps.history(["a.fits", "b.fits"], persistent_mask="p.fits")
    assert not (here / "p.fits").exists()


def test_the_persistent_mask_is_applied(tmp_path):
    made = simulate(tmp_path / "data", detector="MIRIFUSHORT", size=(96, 640))
    masks = [
        bps.selfcal(path, cut="sigma", output_dir=tmp_path / "masks", save_mask=True).mask_file
        for path in made.associations
    ]
    bps.history(masks, persistent_mask=tmp_path / "p.fits")
    flagged = bps.apply(tmp_path / "p.fits", made.science[0], output_dir=tmp_path / "applied")
    (copy,) = flagged.written
    found = bps.compare(tmp_path / "p.fits", copy, before=made.science[0])
    assert found.same_flags
    assert found.counts["both"].number > 100


@pytest.mark.parametrize("days", [1e-5, 0.002, 0.1, 1, 12, 45, 200, 800, 4000, 40000])
def test_the_dates_of_a_picture_do_not_overlap(days):
    agg = pytest.importorskip("matplotlib.backends.backend_agg")
    followed = pytest.importorskip("badpix_selfcal.look.pictures").followed
    found = history_of([({(1, 2)}, {(3, 4)})] * 4, 1)
    start = np.datetime64("2022-12-28T23:59:50.000")
    milliseconds = [int(part * days * 86_400_000) for part in (0, 0.1, 0.5, 1)]
    dates = [str(start + np.timedelta64(each, "ms")) for each in milliseconds]
    epochs = (replace(each, date=date) for each, date in zip(found.epochs, dates, strict=True))
    figure = followed(replace(found, epochs=tuple(epochs)))
    agg.FigureCanvasAgg(figure).draw()
    above, below, *_ = figure.axes
    texts = [*above.get_xticklabels(), above.xaxis.get_offset_text(), *below.texts]
    boxes = [each.get_window_extent() for each in texts if each.get_text()]
    assert len(boxes) > 2
    assert not any(a.overlaps(b) for number, a in enumerate(boxes) for b in boxes[:number])
