"""The scatter of a residual, as a whole and in blocks, and what stands out from it."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.floats import FloatArray

__all__ = ["BLOCK", "SPIKE", "beyond", "block_scatter", "deviation", "scatter", "spikes"]

BLOCK: Final = 64
"""Rows and columns of a block."""

SPIKE: Final = 10.0
"""Times the scatter of its block by which a spike exceeds its four neighbours."""


def scatter(values: FloatArray) -> float:
    """Return the robust standard deviation of finite values: 1.4826 times the MAD."""
    values = values[np.isfinite(values)]
    if not values.size:
        return math.nan
    return 1.4826 * float(np.median(abs(values - np.median(values))))


def deviation(values: FloatArray) -> float:
    """Return the standard deviation of finite values."""
    values = values[np.isfinite(values)]
    return float(values.std(dtype=np.float64)) if values.size else math.nan


def block_scatter(residual: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the scatter and the number of finite samples of each block of an image.

    The scatter is the distance between the first and the last tenth of the samples, over 2.563; NaN
    for a block without samples. (The quartiles would be too near to each other: where a pixel is
    its own median, the residual is 0.) Blocks at the border may be smaller.
    """
    rows, columns = residual.shape
    padded = np.pad(residual, ((0, -rows % BLOCK), (0, -columns % BLOCK)), constant_values=np.nan)
    padded[~np.isfinite(padded)] = np.nan
    down, right = (size // BLOCK for size in padded.shape)
    blocks = padded.reshape(down, BLOCK, right, BLOCK).swapaxes(1, 2).reshape(down, right, -1)
    blocks.sort(axis=-1)  # NaN last
    count = np.count_nonzero(~np.isnan(blocks), axis=-1)
    lower, upper = (
        np.take_along_axis(blocks, (count * part // 10)[..., np.newaxis], axis=-1)[..., 0]
        for part in (1, 9)
    )
    return (upper - lower) / np.float32(2.563), count


def beyond(
    cut: float, sigmas: NDArray[np.floating[Any]] | float, counts: NDArray[np.intp] | int
) -> float:
    """Return how many of some normal numbers lie beyond a cut, at one end."""
    if not math.isfinite(cut):
        return 0.0
    return sum(
        float(count) * math.erfc(abs(cut) / float(sigma) / math.sqrt(2)) / 2
        for sigma, count in zip(np.ravel(sigmas), np.ravel(counts), strict=True)
        if sigma > 0
    )


def spikes(residual: FloatArray, mask: NDArray[np.bool_], sigmas: FloatArray) -> int:
    """Return how many pixels without a flag stand out as hot pixels do.

    A spike exceeds each of its four neighbours by `SPIKE` times the scatter of its block.
    """
    rows, columns = residual.shape
    limit = np.repeat(np.repeat(sigmas, BLOCK, axis=0), BLOCK, axis=1)[:rows, :columns]
    with np.errstate(invalid="ignore"):
        inner = residual[1:-1, 1:-1] - np.float32(SPIKE) * limit[1:-1, 1:-1]
        found = ~mask[1:-1, 1:-1]
        for beside in (
            residual[:-2, 1:-1], residual[2:, 1:-1], residual[1:-1, :-2], residual[1:-1, 2:]
        ):  # fmt: skip
            found &= inner > beside
    return int(np.count_nonzero(found))
