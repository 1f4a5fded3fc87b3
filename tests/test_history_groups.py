"""Groups of pixels that touch in masks of several epochs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
main = None  # XXX

from .flagged_files import SERIES, history_of, image_of, saved_mask, searched


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(SERIES, st.data())
def test_the_groups_are_those_of_the_sets(series, data):
    at_least = data.draw(st.integers(1, len(series)))
    found = history_of(series, at_least)
    highs = set().union(*(high for _, high in series))
    lows = set().union(*(low for low, _ in series)) - highs
    groups = searched(image_of(highs).astype(int) - image_of(lows))
    assert sorted(found.groups.size) == sorted(map(len, groups))
    words = ["".join("01"[bool(group & (low | high))] for low, high in series) for group in groups]
    for name, expected in {
        "persistent_groups": sum(word.count("1") >= at_least for word in words),
        "changing_groups": sum(bool(re.search("10+1", word)) for word in words),
        "new_groups": sum("1" not in word[:-1] and word.endswith("1") for word in words),
        "gone_groups": sum(word.endswith("10") for word in words),
    }.items():
        assert np.count_nonzero(getattr(found, name)) == expected, name
    for number, epoch in enumerate(found.epochs):
        counts = epoch.groups
        assert counts.flagged == sum(word[number] == "1" for word in words)
        assert counts.flagged == counts.low + counts.high
        assert counts.low == sum(
            word[number] == "1" and group <= lows for word, group in zip(words, groups, strict=True)
        )
        if number:
            assert counts.new == sum(word.find("1") == number for word in words)
            assert counts.gone == sum(word[number - 1 : number + 1] == "10" for word in words)


def test_a_group_is_named_once_by_its_brightest_pixel(here, capsys):
    square = {(y, x) for y in (1, 2, 3) for x in (4, 5, 6)}
    old, corner, line = {(2, 0)}, {(6, 0)}, {(6, 9), (5, 10)}
    saved_mask(here / "a.fits", corner, old | square - {(1, 4)}, date="2023-01-01", strength=3.0)
    saved_mask(here / "b.fits", corner, old | {(2, 5)}, date="2023-02-01", strength=20.0)
    saved_mask(here / "c.fits", (), square | line, date="2023-03-01", strength=4.0)
    assert main(["history", "a.fits", "b.fits", "c.fits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:8] == [
        "  2023-01-01  pixels       10        1        9        -        -        -  a.fits",
        "              groups        3        1        2        -        -        -",
        "  2023-02-01  pixels        3        1        2        0        0        7  b.fits",
        "              groups        3        1        2        0        0        0",
        "  2023-03-01  pixels       11        0       11        3        7        2  c.fits",
        "              groups        2        0        2        1        0        2",
    ]
    assert lines[8:] == [
        "  13 pixels and 4 groups flagged in any mask",
        "  1 pixel and 1 group persistent: in at least 3 of 3",
        "  7 pixels and 0 groups come and go: flagged again after a mask in which they are not",
        "  1 group new in the last mask, the strongest first:",
        "    column 10, row 5: 2 pixels, high, residual 4 DN/s",
        "  2 groups gone from the last mask, the strongest first:",
        "    column 0, row 2: 1 pixel, high, residual 20 DN/s",
        "    column 0, row 6: 1 pixel, low, residual -20 DN/s",
        "  1 group persistent, the strongest first:",
        "    column 5, row 2: 9 pixels, high, residual 20 DN/s",
    ]
    table = bps.history(["a.fits", "b.fits", "c.fits"]).table()
    numbers = {(row["y"], row["x"]): row["group"] for row in table}
    assert {numbers[pixel] for pixel in square} == {2}
    assert (numbers[2, 0], numbers[6, 0], numbers[5, 10]) == (1, 3, 4)


def test_a_long_list_of_groups_is_cut_short(here, capsys):
    saved_mask(here / "a.fits", (), {(0, x) for x in range(0, 11, 2)}, date="2023-01-01")
    saved_mask(here / "b.fits", (), {(0, x) for x in range(0, 11, 2)}, date="2023-02-01")
    assert main(["history", "a.fits", "b.fits"]) == 0
    *_, head, first, _, _, _, _, last = capsys.readouterr().out.splitlines()
    assert head == "  6 groups persistent, the strongest first:"
    assert first == "    column 0, row 0: 1 pixel, high, residual 10 DN/s"
    assert last == "    and 1 more"
