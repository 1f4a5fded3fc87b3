"""The running medians of the peers, as functions without arguments that can be timed.

A peer that needs its input in another form gets it before the timing, which favours the peer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from .images import Image
from .timing import Way

NEEDED: Final = ("bottleneck", "cv2", "jwst", "matplotlib", "pandas", "polars", "scipy", "stcal")

_missing = [name for name in NEEDED if find_spec(name) is None]
if _missing:
    raise ImportError(
        f"the benchmarks need {', '.join(_missing)}; install them: pip install --group bench"
    )

import bottleneck  # noqa: E402
import cv2  # noqa: E402
import pandas as pd  # noqa: E402
import polars as pl  # noqa: E402
from jwst.outlier_detection.tso import moving_median_over_zeroth_axis  # noqa: E402
from scipy import ndimage  # noqa: E402
from stcal.outlier_detection.utils import medfilt  # noqa: E402

__all__ = [
    "along",
    "bottleneck_cube",
    "bottleneck_line",
    "generic_nanmedian",
    "jwst_moving_median",
    "opencv",
    "scipy_square",
    "stcal_square",
]

LONG: Final = 100
"""From this window on stcal needs gigabytes for a whole image: it filters an eighth of it."""


def along(samples: Image, filled: Image, k: int, axis: int) -> dict[str, Way]:
    """Return each peer's running median along an axis.

    Parameters
    ----------
    samples : ndarray, shape (rows, cols)
        The image, with NaN.
    filled : ndarray, shape (rows, cols)
        The image without NaN, for peers that do not skip it.
    k : int
        Samples in the window.
    axis : {0, 1}
        The axis of the window.

    Returns
    -------
    dict of str to Way
        By the peer's name.
    """
    return {
        "stcal": _stcal(samples, k, axis),
        "bottleneck": Way(
            lambda: bottleneck.move_median(samples, k, min_count=1, axis=axis), hurried=True
        ),
        "pandas": Way(_pandas(samples, k, axis), hurried=True),
        "polars": Way(_polars(samples, k, axis), hurried=True),
        "scipy": Way(_scipy(filled, k, axis), hurried=True),
    }


def bottleneck_line(line: Image, k: int) -> Way:
    """Return bottleneck's running median of a single line."""
    return Way(lambda: bottleneck.move_median(line, k, min_count=1))


def bottleneck_cube(cube: Image, k: int) -> Way:
    """Return bottleneck's running median along the first axis."""
    return Way(lambda: bottleneck.move_median(cube, k, axis=0), hurried=True)


def jwst_moving_median(cube: Image, k: int) -> Way:
    """Return the moving median of jwst's time series, for a cube without NaN."""
    return Way(lambda: moving_median_over_zeroth_axis(cube, k), hurried=True)


def generic_nanmedian(lines: Image, k: int, size: int) -> Way:
    """Return scipy's generic filter with NumPy's NaN-median along some lines of an image."""
    run = functools.partial(ndimage.generic_filter, lines, np.nanmedian, size=(1, k))
    return Way(run, hurried=True, share=lines.size / size)


def opencv(filled: Image, side: int) -> Way:
    """Return OpenCV's median over a square window, on one thread, for an image without NaN."""
    return Way(lambda: cv2.medianBlur(filled, side), prepare=lambda: cv2.setNumThreads(1))


def scipy_square(filled: Image, side: int) -> Way:
    """Return scipy's median over a square window, for an image without NaN."""
    return Way(lambda: ndimage.median_filter(filled, side, mode="constant"), hurried=True)


def stcal_square(samples: Image, crop: tuple[int, int], side: int) -> Way:
    """Return stcal's median over a square window, for a crop of the image."""
    part = samples[: crop[0], : crop[1]].copy()
    return Way(lambda: medfilt(part, (side, side)), hurried=True, share=part.size / samples.size)


def _stcal(samples: Image, k: int, axis: int) -> Way:
    window = (k, 1) if axis == 0 else (1, k)
    lines = samples if axis == 1 else samples.T
    part = lines[: max(1, len(lines) // 8)] if k >= LONG else lines
    image = np.ascontiguousarray(part if axis == 1 else part.T)
    return Way(lambda: medfilt(image, window), hurried=True, share=image.size / samples.size)


def _pandas(samples: Image, k: int, axis: int) -> Callable[[], Any]:
    frame = pd.DataFrame(samples if axis == 0 else samples.T.copy())
    return lambda: frame.rolling(k, center=True, min_periods=1).median()


def _polars(samples: Image, k: int, axis: int) -> Callable[[], Any]:
    lines = samples.T if axis == 0 else samples
    columns = {str(number): line for number, line in enumerate(np.ascontiguousarray(lines))}
    frame = pl.DataFrame(columns).fill_nan(None)  # polars skips nulls only
    rolling = pl.all().rolling_median(k, center=True, min_samples=1)
    return lambda: frame.select(rolling)


def _scipy(filled: Image, k: int, axis: int) -> Callable[[], Any]:
    # A loop over lines: for a 1-D window in an image scipy uses a slower kernel.
    lines = np.ascontiguousarray(filled if axis == 1 else filled.T)
    median = functools.partial(ndimage.median_filter, size=k, mode="constant")
    return lambda: [median(line) for line in lines]
