"""The array functions against NumPy, stcal, bottleneck and jwst."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import bottleneck
import numpy as np
from jwst.badpix_selfcal.badpix_selfcal import badpix_selfcal as jwst_badpix_selfcal
from numpy.typing import NDArray
from stcal.outlier_detection.utils import medfilt

import badpix_selfcal as bps

from .timing import in_turns, table

SHAPE = (1024, 1032)
OURS = ["", "ours, 1 thread", "ours, all"]


def image(dtype: str = "float32") -> NDArray[np.floating]:
    """Return noise on a slope, 2 % of it NaN."""
    rng = np.random.default_rng(1)
    samples = (rng.normal(size=SHAPE) + np.linspace(0, 30, SHAPE[0])[:, None]).astype(dtype)
    samples[rng.random(SHAPE) < 0.02] = np.nan
    return samples


def compare(name: str, ours: Callable[[], object], peers: dict[str, Callable[[], object]]) -> list:
    """Return a row: our times with one thread and all, each peer's time and its ratio to ours."""
    bps.set_num_threads(1)
    one = in_turns({"one": ours})["one"]
    bps.set_num_threads(None)
    times = in_turns({"all": ours, **peers})
    row = [name, f"{one:.2f}", f"{times['all']:.2f}"]
    return row + [f"{times[peer]:.1f} ({times[peer] / times['all']:.1f}x)" for peer in peers]


def tables() -> Iterator[str]:
    """Yield every table of this module."""
    minimum = image()
    yield table(
        "Array step: minimum image to mask, k = 15, float32 (ms)",
        [*OURS, "jwst"],
        [
            compare(
                f"dispaxis={axis}",
                lambda axis=axis: bps.find_bad_pixels(minimum, dispaxis=axis),
                {"jwst": lambda axis=axis: jwst_badpix_selfcal(minimum, dispaxis=axis)},
            )
            for axis in (2, 1)
        ],
    )
    yield table(
        "Running median of 1024 x 1032 samples, 2 % NaN (ms)",
        [*OURS, "stcal medfilt", "bottleneck move_median"],
        [_median(dtype, k, axis) for dtype, k, axis in MEDIANS],
    )
    yield table(
        "By method, float32, axis 0 (ms)",
        ["", "heap, all threads", "network, all threads"],
        [_methods(k, lines) for k in (3, 15, 31, 101, 501) for lines in (1, 4, 32, 1032)],
    )
    yield table(
        "Both cuts, the minimum image, a copy (ms)",
        [*OURS, "numpy"],
        list(_rest(minimum)),
    )


MEDIANS = [("float32", k, axis) for k in (3, 7, 15, 31, 101, 501) for axis in (0, 1)]
MEDIANS += [("float64", 15, axis) for axis in (0, 1)]
LONG = 201
"""Windows from this length on are not timed with stcal, which takes many seconds each."""


def _median(dtype: str, k: int, axis: int) -> list:
    samples = image(dtype)
    window = (k, 1) if axis == 0 else (1, k)
    peers: dict[str, Callable[[], object]] = {
        "bottleneck": lambda: bottleneck.move_median(samples, k, min_count=1, axis=axis)
    }
    if k < LONG:
        peers = {"stcal": lambda: medfilt(samples, window), **peers}
    row = compare(
        f"{dtype}, k={k}, axis {axis}", lambda: bps.median_filter(samples, k, axis=axis), peers
    )
    return row if k < LONG else [*row[:3], "", row[3]]


def _methods(k: int, lines: int) -> list:
    samples = image()[:, :lines].copy()
    times = in_turns(
        {
            method: lambda method=method: bps.median_filter(samples, k, axis=0, method=method)
            for method in ("heap", "network")
        }
    )
    name = f"k={k}, {lines} lines of {len(samples)}"
    return [name, *(f"{times[method]:.3f}" for method in ("heap", "network"))]


def _rest(minimum: NDArray[np.floating]) -> Iterator[list]:
    q = [0.1, 99.9]
    yield compare(
        "percentiles 0.1 and 99.9",
        lambda: bps.percentiles(minimum, q),
        {"numpy": lambda: np.nanpercentile(minimum, q)},
    )
    exposures = [np.roll(minimum, shift, axis=0) for shift in range(5)]
    yield compare(
        "minimum of 5 exposures",
        lambda: bps.minimum_image(exposures),
        {"numpy": lambda: np.nanmin(np.asarray(exposures), axis=0)},
    )
    yield compare("copy of the image", minimum.copy, {"numpy": minimum.copy})


def main() -> None:
    """Print every table."""
    warnings.simplefilter("ignore", RuntimeWarning)  # windows of nothing but NaN
    for each in tables():
        print(each, flush=True)
