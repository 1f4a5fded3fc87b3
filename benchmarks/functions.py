"""Whole functions of other packages, with their own running median and with this package's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import numpy as np

import badpix_selfcal as bps
from badpix_selfcal import ndimage as ours_of_scipy
from badpix_selfcal import stcal as ours_of_stcal

from .images import image
from .sizes import Sizes
from .tables import Table
from .timing import Row, Way, in_turns

__all__ = ["TITLE", "measure"]

TITLE: Final = "Whole functions of other packages"
ORIGINAL: Final = "the original"
OURS: Final = "with this package"
NOTE: Final = (
    "A package that is not installed has no row: pip install lacosmic dask-image photutils."
)


def measure(sizes: Sizes) -> list[Table]:
    """Return the times of each function that is installed."""
    rows: list[Row] = []
    for function in (_lacosmic, _photutils, _dask_image, _xarray, _outliers, _reference, _soss):
        with suppress(ImportError):
            rows += [
                in_turns(name, {ORIGINAL: Way(before, hurried=True), OURS: Way(after)}, sizes)
                for name, before, after in function(sizes)
            ]
    return [Table(TITLE, rows, base=OURS, note=NOTE)]


_Pair = tuple[str, Callable[[], object], Callable[[], object]]


def _replaced(name: str, run: Callable[[], object], target: str, new: object) -> _Pair:
    """Return a function, and the same with a name of its module replaced."""

    def after() -> object:
        with patch(target, new):
            return run()

    return name, run, after


def _scipys() -> Any:
    """Return a stand-in of `scipy.ndimage`."""
    from scipy import ndimage

    return SimpleNamespace(**{**vars(ndimage), "median_filter": ours_of_scipy.median_filter})


def _lacosmic(sizes: Sizes) -> Iterator[_Pair]:
    from astropy import log
    from lacosmic import remove_cosmics

    log.setLevel("WARNING")
    filled = 100.0 + image(sizes.shape, missing=0.0)
    run = partial(remove_cosmics, filled, 2.0, 8.0, 5.0, effective_gain=1.0, readnoise=5.0)
    yield _replaced("lacosmic.remove_cosmics", run, "lacosmic.core.ndimage", _scipys())


def _photutils(sizes: Sizes) -> Iterator[_Pair]:
    from photutils.background import Background2D

    def run() -> object:
        return Background2D(image(sizes.shape, missing=0.0), 8, filter_size=7).background

    target = "photutils.background.background_2d.generic_filter"
    yield _replaced("photutils Background2D, boxes of 8", run, target, ours_of_scipy.generic_filter)


def _dask_image(sizes: Sizes) -> Iterator[_Pair]:
    import dask.array as da
    from dask_image.ndfilters import median_filter

    filled = da.from_array(image(sizes.shape, missing=0.0), chunks=256)

    def run() -> object:
        return median_filter(filled, size=7).compute()

    target = "dask_image.dispatch._dispatch_ndfilters.scipy"
    yield _replaced(
        "dask_image median_filter 7 x 7", run, target, SimpleNamespace(ndimage=_scipys())
    )


def _xarray(sizes: Sizes) -> Iterator[_Pair]:
    import xarray as xr

    flat = image((sizes.cube[0], sizes.cube[1] * sizes.cube[2]))
    flux = xr.DataArray(flat.reshape(sizes.cube), dims=["time", "y", "x"])
    how: Any = {"kernel_size": 25, "axis": 0, "edge": "shrink", "origin": 12, "min_count": 25}
    before = flux.rolling(time=25).median
    yield (
        "xarray rolling(time=25).median()",
        before,
        lambda: flux.copy(data=bps.median_filter(flux.data, **how)),
    )


def _outliers(sizes: Sizes) -> Iterator[_Pair]:
    from jwst.datamodels import ImageModel
    from jwst.outlier_detection import ifu

    models = []
    for number in range(4):
        data = np.roll(image(sizes.shape), number, axis=1)
        model = ImageModel(data=data, dq=np.zeros(data.shape, np.uint32))
        model.meta.instrument.detector = "MIRIFULONG"
        models.append(model)
    rows, columns = sizes.shape
    how = models, 0, ["mirifulong"], len(models), 1, columns, rows, (7, 7), 99.8, False, False, None
    run, target = partial(ifu.flag_outliers, *how), "jwst.outlier_detection.ifu.medfilt"
    yield _replaced(
        "jwst outlier detection, 4 exposures, 7 x 7", run, target, ours_of_stcal.medfilt
    )


def _reference(sizes: Sizes) -> Iterator[_Pair]:
    from jwst.refpix.reference_pixels import NIRDataset

    from badpix_selfcal.jwst import reference_median

    side = sizes.square
    dataset = NIRDataset.__new__(NIRDataset)  # its medians need nothing else
    dataset.side_smoothing_length, dataset.pixeldq = 11, np.zeros((side, 4), np.uint32)
    run = partial(dataset.calculate_side_ref_signal, image((side, 4), missing=0.0), 0, 3)
    target = "jwst.refpix.reference_pixels.NIRDataset.median_filter"
    yield _replaced("jwst reference pixels of one side, a group", run, target, reference_median)


def _soss(sizes: Sizes) -> Iterator[_Pair]:
    from jwst.datamodels import CubeModel
    from jwst.extract_1d.soss_extract import soss_extract

    flat = image((sizes.cube[0], sizes.cube[1] * sizes.cube[2]))
    cube = CubeModel(data=flat.reshape(sizes.cube), err=np.ones(sizes.cube, np.float32))
    no_pixel = np.zeros(sizes.cube[1:], bool)
    run = partial(soss_extract._infill_data_get_mederr, cube, no_pixel)
    target = "jwst.extract_1d.soss_extract.soss_extract.ndimage"
    yield _replaced("jwst SOSS, missing samples of a time series", run, target, _scipys())
