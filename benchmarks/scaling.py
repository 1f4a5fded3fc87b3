"""The times of this package against the size of the image, the window and the threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

import badpix_selfcal as bps
from badpix_selfcal.arrays.checks import METHODS

from .images import image, ours
from .sizes import Sizes
from .tables import Table
from .timing import Row, Way, in_turns

__all__ = ["SIZE", "THREADS", "measure"]

SIZE: Final = "Scaling in image size"
THREADS: Final = "Scaling in threads"
LINES: Final = (1, 4, 32)
SQUARE: Final = 7


def measure(sizes: Sizes) -> list[Table]:
    """Return the scaling in size and in threads, and the methods by window and lines."""
    return [
        Table(f"{SIZE}: running median, k = 15, axis 0, float32", _sizes(sizes)),
        Table(f"{THREADS}, {sizes.shape[0]} x {sizes.shape[1]}, float32", _threads(sizes)),
        Table("Methods, all threads: lines in the image, k, axis 0, float32", _methods(sizes)),
    ]


def _sizes(sizes: Sizes) -> list[Row]:
    rows = []
    for height in sizes.heights:
        samples = image((height, height))
        ways = ours(partial(bps.median_filter, samples, 15, axis=0))
        ways["copy"] = Way(samples.copy)
        rows.append(in_turns(f"{height} x {height}", ways, sizes))
    return rows


def _threads(sizes: Sizes) -> list[Row]:
    samples = image(sizes.shape)
    exposures = [np.roll(samples, shift, axis=0) for shift in range(5)]
    works: dict[str, Callable[[], object]] = {
        "median, k = 15, axis 0": partial(bps.median_filter, samples, 15, axis=0),
        "median, k = 15, axis 1": partial(bps.median_filter, samples, 15, axis=1),
        f"median, {SQUARE} x {SQUARE}": partial(bps.median_filter, samples, (SQUARE, SQUARE)),
        "percentiles": partial(bps.percentiles, samples, (0.1, 99.9)),
        "minimum of 5": partial(bps.minimum_image, exposures),
        "array step": partial(bps.find_bad_pixels, samples, dispaxis=2),
    }
    return [in_turns(f"threads: {name}", _by_threads(run), sizes) for name, run in works.items()]


def _by_threads(run: Callable[[], object]) -> dict[str, Way]:
    return {
        str(count): Way(run, prepare=partial(bps.set_num_threads, count))
        for count in thread_counts()
    }


def thread_counts() -> list[int]:
    """Return the number of threads that this process may use, and all lower powers of two."""
    bps.set_num_threads(None)
    most = min(bps.num_threads(), os.cpu_count() or 1)
    return sorted({2**power for power in range(most.bit_length()) if 2**power < most} | {most})


def _methods(sizes: Sizes) -> list[Row]:
    bps.set_num_threads(None)
    rows = []
    for lines in (*LINES, sizes.shape[1]):
        samples = np.ascontiguousarray(image(sizes.shape)[:, :lines])
        for k in sizes.windows:
            ways: dict[str, Way] = {
                method: Way(partial(bps.median_filter, samples, k, axis=0, method=method))
                for method in METHODS
            }
            rows.append(in_turns(f"{lines} lines, k = {k}", ways, sizes))
    return rows
