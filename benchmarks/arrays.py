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


def image(dtype: str = "float32") -> NDArray[np.floating]:
    """Return noise on a slope, 2 % of it NaN."""
    rng = np.random.default_rng(1)
    samples = (rng.normal(size=SHAPE) + np.linspace(0, 30, SHAPE[0])[:, None]).astype(dtype)
    samples[rng.random(SHAPE) < 0.02] = np.nan
    return samples


def with_threads(threads: int | None, way: Callable[[], object]) -> Callable[[], object]:
    """Return `way` run with a number of threads."""

    def run() -> object:
        bps.set_num_threads(threads)
        bps.num_threads()  # builds the pool outside of what follows
        return way()

    return run


def compare(name: str, ours: Callable[[], object], peers: dict[str, Callable[[], object]]) -> list:
    """Return a row: our times with one thread and all, each peer's time and its ratio to ours."""
    ways = {"one": with_threads(1, ours), "all": with_threads(None, ours), **peers}
    times = in_turns(ways)
    row = [name, f"{times['one']:.2f}", f"{times['all']:.2f}"]
    return row + [f"{times[peer]:.1f} ({times[peer] / times['all']:.1f}x)" for peer in peers]


def tables() -> Iterator[str]:
    """Yield every table of this module."""
    minimum = image()
    columns = ["", "ours, 1 thread", "ours, all", "jwst"]
    rows = [
        compare(
            f"dispaxis={axis}",
            lambda axis=axis: bps.find_bad_pixels(minimum, dispaxis=axis),
            {"jwst": lambda axis=axis: jwst_badpix_selfcal(minimum, dispaxis=axis)},
        )
        for axis in (2, 1)
    ]
    yield table("The array step: minimum image -> mask, k = 15, float32 (ms)", columns, rows)

    rows = [_median(k, axis) for k in (3, 15, 101) for axis in (0, 1)]
    columns = ["", "ours, 1 thread", "ours, all", "stcal medfilt", "bottleneck move_median"]
    yield table("Running median of 1024 x 1032 float32, 2 % NaN (ms)", columns, rows)


def _median(k: int, axis: int) -> list:
    samples = image()
    window = (k, 1) if axis == 0 else (1, k)
    return compare(
        f"k={k}, axis {axis}",
        lambda: bps.median_filter(samples, k, axis=axis),
        {
            "stcal": lambda: medfilt(samples, window),
            "bottleneck": lambda: bottleneck.move_median(samples, k, min_count=1, axis=axis),
        },
    )


def main() -> None:
    """Print every table."""
    warnings.simplefilter("ignore", RuntimeWarning)  # windows of nothing but NaN
    for each in tables():
        print(each, flush=True)
