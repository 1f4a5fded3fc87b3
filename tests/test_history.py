"""Masks of several epochs against plain set logic."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
main = None  # XXX
from badpix_selfcal.errors import MaskError, SelfcalWarning



from .exposures import largest_file
from .flagged_files import PIXELS, SERIES, SHAPE, history_of, image_of, pixels_of, saved_mask
from .profiles import share


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(SERIES, st.data())
def test_the_history_is_that_of_the_sets(series, data):
    at_least = data.draw(st.integers(1, len(series)))
    found = history_of(series, at_least)
    sets = [low | high for low, high in series]
    seen = set()
    for number, epoch in enumerate(found.epochs):
        now, before = sets[number], sets[number - 1]
        assert epoch.flagged == len(now) == epoch.low + epoch.high
        assert epoch.high == len(series[number][1])
        if number == 0:
            assert (epoch.new, epoch.returned, epoch.gone) == (None, None, None)
        else:
            assert epoch.new == len(now - seen)
            assert epoch.returned == len((now & seen) - before)
            assert epoch.gone == len(before - now)
            assert epoch.flagged == len(before) - epoch.gone + epoch.new + epoch.returned
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
    later = saved_mask(here / "a.fits", {(0, 0)}, date="2024-01-01")
    noon = saved_mask(here / "b.fits", {(0, 1)}, about={"TIME-OBS": "12:00:00.5"})
    morning = saved_mask(here / "c.fits", {(0, 1)}, about={"TIME-OBS": "08:00:00.0"})
    made = saved_mask(here / "d.fits", {(0, 0)}, date=None, made="2023-09-01T00:00:00")
    found = bps.history([later, noon, morning, made])
    assert [epoch.path.name for epoch in found.epochs] == ["c.fits", "b.fits", "d.fits", "a.fits"]
    assert [epoch.is_observed for epoch in found.epochs] == [True, True, False, True]
    assert [epoch.date for epoch in found.epochs][:2] == [
        "2023-05-06T08:00:00.0",
        "2023-05-06T12:00:00.5",
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


def test_the_report_as_text(here, capsys):
    epochs_of(here)
    assert main(["history", "*_mask.fits", "--at-least", "2"]) == 0
    assert (
        capsys.readouterr().out
        == """\
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
    column 1, row 1: 3 pixels, high, residual 10 DN/s
"""
    )


def test_the_report_in_json(here, capsys):
    epochs_of(here)
    words = ["history", "1_mask.fits", "3_mask.fits", "2_mask.fits", "--json"]
    assert main([*words, "--table", "t.ecsv"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["masks"][2] == {
        "path": "3_mask.fits",
        "date": "2023-05-01",
        "is_observed": True,
        "flagged": 3,
        "low": 1,
        "high": 2,
        "new": 0,
        "returned": 1,
        "gone": 0,
        "groups": {"flagged": 2, "low": 1, "high": 1, "new": 0, "returned": 0, "gone": 0},
    }
    low, high = report["groups"]["persistent"]
    assert low == {"x": 0, "y": 0, "pixels": 1, "end": "low", "residual": -10.0}
    assert (high["x"], high["y"], high["pixels"], high["end"]) == (1, 1, 3, "high")
    groups = {"in_any": 2, "come_and_go": 0, "new": [], "gone": []}
    assert {**report["groups"], **groups} == report["groups"]
    numbers = {"in_any": 4, "persistent": 1, "come_and_go": 1, "at_least": 3, "exit_status": 0}
    files = {"table": "t.ecsv", "picture": None, "persistent_mask": None}
    about = {"detector": "MIRIFULONG", "subarray": "", "shape": [7, 11], "warnings": []}
    assert {**report, **numbers, **files, **about} == report


def test_the_table_is_read_back(here):
    found = bps.history(epochs_of(here), table=here / "t.ecsv")
    table = Table.read(here / "t.ecsv", format="ascii.ecsv")
    expected = found.table()
    assert table.colnames == expected.colnames
    for name in table.colnames:
        np.testing.assert_array_equal(table[name], expected[name])
        assert table[name].unit == expected[name].unit
        assert table[name].description == expected[name].description
    assert table["epochs"].tolist() == ["111", "101", "100", "011"]
    assert [each["path"] for each in table.meta["masks"]][1] == str(here / "2_mask.fits")


def test_the_picture_is_drawn(here):
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")
    epochs_of(here)
    assert main(["history", "*_mask.fits", "--picture", "map.png"]) == 0
    shown = image.imread(here / "map.png")
    colours = {tuple(each) for each in np.rint(255 * shown[..., :3].reshape(-1, 3)).astype(int)}
    assert {(0, 0, 0), (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)} <= colours
    assert main(["history", "*_mask.fits", "--picture", "map.svg"]) == 0
    text = (here / "map.svg").read_text()
    for label in ("flagged", "new", "gone", "2023-May", "4 pixels, 1 persistent"):
        assert label in text


def test_a_picture_without_dates_is_drawn(here):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    masks = [saved_mask(here / f"{name}.fits", {(0, 0)}, date=f"day {name}") for name in "ab"]
    bps.history(masks, picture=here / "map.png")
    assert (here / "map.png").stat().st_size > 1000


@pytest.mark.parametrize(("dates", "across"), [
    (("2024-01-01", "2024-01-01", "2024-01-01"), [1, 2, 3]),
    (("2024-01-01", "2024-01-01", "2024-01-03"), [19723, 19723, 19725]),  # days since 1970
])  # fmt: skip
def test_masks_of_one_date_do_not_lie_on_each_other(here, dates, across):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    masks = [saved_mask(here / f"{at}.fits", {(0, at)}, date=date) for at, date in enumerate(dates)]
    counts = followed(bps.history(masks)).axes[0]
    assert counts.lines[0].get_xdata(orig=False).tolist() == across


# The mask of the persistent pixels


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
        saved_mask(
            folder / f"{number}.fits",
            low - high,
            high,
            strength=strengths[number],
            cut=cut,
            date=f"2023-01-0{number + 1}",
        )
        for number, (low, high) in enumerate(series)
    ]
    bps.history(paths, at_least=at_least, persistent_mask=folder / "p.fits")
    mask = bps.Mask.read(folder / "p.fits")
    sets = [low | high for low, high in series]
    persistent = {
        pixel for pixel in set().union(*sets) if sum(pixel in each for each in sets) >= at_least
    }
    assert pixels_of(mask.bad_pixels.mask) == persistent
    highs = 0
    for pixel in persistent:
        strongest = max(
            (number for number, each in enumerate(sets) if pixel in each), key=strengths.__getitem__
        )
        sign = 1 if pixel in series[strongest][1] else -1
        highs += sign > 0
        assert mask.bad_pixels.residual[pixel] == sign * strengths[strongest]
        assert mask.minimum[pixel] == sign * strengths[strongest] + 5
    assert (mask.bad_pixels.n_high, mask.bad_pixels.n_low) == (highs, len(persistent) - highs)
    assert {str(each.exposure) for each in mask.members} == {
        "jw01_rate.fits",
        "jw02_rate.fits",
        "s3://bucket/jw03_rate.fits",
    }
    assert mask.about["DATE-OBS"] == f"2023-01-0{len(series)}"


def test_the_masks_are_not_changed(here):
    paths = epochs_of(here)
    before = [path.read_bytes() for path in paths]
    bps.history(paths, at_least=2, persistent_mask=here / "p.fits", table=here / "t.ecsv")
    assert [path.read_bytes() for path in paths] == before
    for words in (["--persistent-mask", "1_mask.fits"], ["--table", "t.ecsv"]):
        assert main(["history", *map(str, paths), *words]) == 1
    assert [path.read_bytes() for path in paths] == before


# Bad inputs


def refused(capsys, *words, status=1):
    before = {path.name for path in Path().iterdir()}
    assert main(["history", *words]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert {path.name for path in Path().iterdir()} == before
    return printed.err.splitlines()[-2 if status == 2 else -1].partition("error: ")[2]


def test_bad_inputs_are_named(here, capsys):
    epochs_of(here)
    one = "1_mask.fits"
    saved_mask(here / "short.fits", about={"DETECTOR": "MIRIFUSHORT"})
    saved_mask(here / "part.fits", about={"SUBARRAY": "SUB64"})
    (here / "text.fits").write_text("text")
    (here / "folder").mkdir()
    for words, message in (
        ([one], "a history needs at least two masks, got 1"),
        ([one, f"./{one}"], "1_mask.fits: is given twice; give each mask once"),
        ([one, "4_mask.fits"], "4_mask.fits: no such file or folder; did you mean "),
        ([one, "no*.fits"], "no*.fits: no file matches this pattern"),
        ([one, "folder"], "folder: is a folder; name the masks in it, or give a pattern"),
        ([one, "text.fits"], "text.fits: is not a FITS file"),
        ([one, "short.fits"], "short.fits: is of MIRIFUSHORT, 1_mask.fits is of MIRIFULONG; "),
        ([one, "part.fits"], "part.fits: is of the subarray SUB64, 1_mask.fits of FULL; "),
        (
            ["*_mask.fits", "--at-least", "4"],
            "--at-least must be from 1 to the number of masks, 3, got 4",
        ),
        (["*_mask.fits", "--table", "t.csv"], "t.csv: a table must end with .ecsv"),
        (["*_mask.fits", "--picture", "p.gif"], "p.gif: a picture must end with .png, "),
        (["*_mask.fits", "--table", "t.ecsv", "--picture", "p.gif"], "p.gif: a picture must"),
        (["*_mask.fits", "--persistent-mask", one], f"{one}: would replace the input {one}; "),
    ):
        assert refused(capsys, *words).startswith(message), words
    assert refused(capsys, "*_mask.fits", "--at-least", "0", status=2) == (
        "argument --at-least: the value must be at least 1, got 0"
    )
    with pytest.raises(MaskError, match=r"text\.fits: is not a FITS file"):
        bps.history([one, "text.fits"])
    with pytest.raises(TypeError, match=r"at_least must be a whole number, got 'x'"):
        bps.history([one, "2_mask.fits"], at_least="x")


def test_masks_of_other_shapes_are_refused(here, capsys):
    epochs_of(here)
    mask = bps.Mask.read("1_mask.fits")
    rng = np.random.default_rng(1)
    found = bps.find_bad_pixels(rng.normal(size=(7, 12)).astype("f4"), dispaxis=2)
    other = dict(vars(mask)) | {"bad_pixels": found, "minimum": found.residual, "dq": None}
    bps.write_mask(bps.GroupMask(**other), "wide.fits")
    assert refused(capsys, "1_mask.fits", "wide.fits") == (
        "wide.fits: has shape (7, 12), 1_mask.fits has (7, 11); give files of one shape"
    )


def test_masks_of_other_parameters_are_warned_of(here):
    saved_mask(here / "a.fits", {(0, 0)}, date="2023-01-01")
    saved_mask(here / "b.fits", {(0, 0)}, date="2023-02-01", cut="sigma")
    with pytest.warns(SelfcalWarning, match="their counts cannot be compared") as caught:
        bps.history(["a.fits", "b.fits"])
    (warning,) = caught
    assert str(warning.message).startswith("b.fits: was found with cut=sigma, ")
    assert ", a.fits with cut=fraction, " in str(warning.message)
    with (
        pytest.warns(SelfcalWarning),
        pytest.raises(ValueError, match=r"b\.fits: was found with another cut"),
    ):
        bps.history(["a.fits", "b.fits"], persistent_mask="p.fits")
    assert not (here / "p.fits").exists()


def test_without_matplotlib_a_picture_says_what_to_install(here, capsys, monkeypatch):
    epochs_of(here)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    line = refused(capsys, "*_mask.fits", "--picture", "map.png", "--table", "t.ecsv")
    assert line.startswith("map.png: pictures need matplotlib (")
    assert line.endswith('): pip install ".[plot]" in the clone of badpix-selfcal')


@pytest.mark.parametrize(
    ("option", "name"),
    [("--table", "t.ecsv"), ("--picture", "p.svg"), ("--persistent-mask", "p.fits")],
)
def test_a_full_disk_leaves_nothing(here, capsys, option, name):
    pytest.importorskip("resource", reason="this system has no limits of file sizes")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    epochs_of(here)
    with largest_file(1000):
        line = refused(capsys, "*_mask.fits", option, name)
    assert re.fullmatch(rf"{name}: cannot be written: (\[Errno 27\] )?File too large", line)


def test_a_file_that_cannot_be_written_prevents_the_others(here, capsys):
    epochs_of(here)
    (here / "pixels.ecsv").mkdir()
    line = refused(capsys, "*_mask.fits", "--persistent-mask", "p.fits", "--table", "pixels.ecsv")
    assert line == "pixels.ecsv: is a folder; choose another output folder"


def test_the_persistent_mask_is_applied(tmp_path):
    made = simulate(tmp_path / "data", detector="MIRIFUSHORT", size=(96, 640))
    masks = [
        bps.selfcal(path, cut="sigma", output_dir=tmp_path / "masks", save_mask=True).mask
        for path in made.associations
    ]
    bps.history(masks, persistent_mask=tmp_path / "p.fits")
    flagged = bps.apply(tmp_path / "p.fits", made.science[0], output_dir=tmp_path / "applied")
    (copy,) = flagged.written
    found = bps.compare(tmp_path / "p.fits", copy, before=made.science[0])
    assert found.same_flags
    assert found.counts["both"].number > 100


def test_masks_without_any_flag_have_a_history(here):
    paths = [saved_mask(here / f"{name}.fits") for name in "ab"]
    found = bps.history(paths, table=here / "t.ecsv", persistent_mask=here / "p.fits")
    assert (found.x.size, [epoch.new for epoch in found.epochs]) == (0, [None, 0])
    assert len(Table.read(here / "t.ecsv")) == 0
    assert not bps.Mask.read(here / "p.fits").bad_pixels.mask.any()
    assert image_of(()).shape == SHAPE == found.shape
