"""The tables of docs/how-to/medians.md name all that there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.arrays.medians import BORDERS

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "medians.md").read_text(encoding="utf-8")


def test_the_tables_name_all_arguments_and_borders():
    arguments = set(inspect.signature(bps.median_filter).parameters)
    assert arguments == {"image", *re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)}
    assert re.findall(r"^\| `\"(\w+)\"`", PAGE, re.MULTILINE) == [*BORDERS]


def test_scipys_name_of_each_border():
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")
    line = np.array([3.0, 1.0, 7.0, 5.0])
    for name, scipys in re.findall(r"^\| `\"(\w+)\"`.*\| `(\w+)`", PAGE, re.MULTILINE):
        how = {"cval": np.nan} if name == "shrink" else {}
        fill = {"fill": 0.0} if name == "constant" else {}
        expected = ndimage.generic_filter(line, np.nanmedian, size=5, mode=scipys, **how)
        np.testing.assert_array_equal(bps.median_filter(line, 5, edge=name, **fill), expected)
