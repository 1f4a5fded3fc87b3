"""The images of the benchmarks, and the two ways to time this package."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import badpix_selfcal as bps

from .timing import ALL, ONE, Way

__all__ = ["Image", "image", "ours"]

Image = NDArray[np.floating]


@functools.lru_cache(maxsize=4)
def image(shape: tuple[int, int], dtype: str = "float32", missing: float = 0.02) -> Image:
    """Return an image of noise on a slope, with some samples NaN.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    dtype : str
        Type of the samples.
    missing : float
        Fraction of the samples that are NaN.

    Returns
    -------
    ndarray
        The image, read-only: equal arguments give the same object.
    """
    rng = np.random.default_rng(1)
    slope = np.linspace(0, 30, shape[0])[:, None]
    samples = (rng.normal(size=shape) + slope).astype(dtype)
    samples[rng.random(shape) < missing] = np.nan
    samples.flags.writeable = False
    return samples


def ours(run: Callable[[], object]) -> dict[str, Way]:
    """Return two ways of one call to this package: with one thread and with all."""
    return {
        ONE: Way(run, prepare=functools.partial(bps.set_num_threads, 1)),
        ALL: Way(run, prepare=functools.partial(bps.set_num_threads, None)),
    }
