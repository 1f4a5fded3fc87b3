"""The images that are measured on, and our own ways of treating them."""

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
    """Return noise on a slope, a share of it NaN.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    dtype : str
        Type of the samples.
    missing : float
        Share of the samples that are NaN.

    Returns
    -------
    ndarray
        The image; the same object for the same arguments, so it must not be written to.
    """
    rng = np.random.default_rng(1)
    slope = np.linspace(0, 30, shape[0])[:, None]
    samples = (rng.normal(size=shape) + slope).astype(dtype)
    samples[rng.random(shape) < missing] = np.nan
    samples.flags.writeable = False
    return samples


def ours(run: Callable[[], object]) -> dict[str, Way]:
    """Return our two ways of one call: with one thread and with all."""
    return {
        ONE: Way(run, prepare=functools.partial(bps.set_num_threads, 1)),
        ALL: Way(run, prepare=functools.partial(bps.set_num_threads, None)),
    }
