"""docs/medians.md: its code runs, and its tables name all that there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.arrays.medians import BORDERS

PAGE = (Path(__file__).parents[1] / "docs" / "medians.md").read_text(encoding="utf-8")
CODE = re.findall(r"```(?:python|py)\n(.*?)```", PAGE, re.DOTALL)


def run(words):
    """Run the block that holds some words; return its names."""
    (block,) = [each for each in CODE if words in each]
    names = {}
    exec(compile(block, "docs/medians.md", "exec"), names)
    return names


def test_every_block_is_run_here():
    assert len(CODE) == 5


def test_windows():
    names = run("along_time")
    cube = names["cube"]
    assert names["squares"].shape == names["trailing"].shape == cube.shape
    window = cube[88:113, 3, 4]
    assert names["along_time"][100, 3, 4] == np.nanmedian(window)
    assert names["trailing"][112, 3, 4] == np.nanmedian(window)
    assert np.isnan(names["trailing"][8, 0, 0])
    assert not np.isnan(names["trailing"][9, 0, 0])


def test_outliers(capsys):
    run("clipped")
    assert capsys.readouterr().out == "[ 300 1500]\n"


def test_a_program_changes_one_import():
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")
    samples = np.arange(12.0).reshape(3, 4)
    expected = ndimage.generic_filter(samples, np.nanmedian, size=3, mode="nearest")
    np.testing.assert_array_equal(run("generic_filter(")["smooth"], expected)


def test_dask(capsys):
    pytest.importorskip("dask.array", reason="Dask is not installed")
    run("import dask.array")
    assert capsys.readouterr().out == "(3,)\n"


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_xarray(missing):
    pytest.importorskip("xarray", reason="xarray is not installed")
    names = run("apply_ufunc")
    flux, rolling_median = names["flux"], names["rolling_median"]
    assert names["smooth"].equals(flux.rolling(time=7).median())
    flux = flux.where(flux > np.quantile(flux, missing)).astype("float32")
    ours = rolling_median(flux, "y", 3, min_periods=1)
    assert ours.dtype == np.float32
    assert ours.equals(flux.rolling(y=3, min_periods=1).median())
    assert rolling_median(flux.chunk(x=2), "time", 7).equals(rolling_median(flux, "time", 7))


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
