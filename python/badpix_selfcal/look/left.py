"""What a mask leaves: groups of unflagged pixels far above the noise, with sharp edges."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels, sharp_groups, spread_of_minimum
from ..arrays.checks import FloatArray
from ..arrays.medians import median_filter
from ..instrument import DO_NOT_USE, IMAGE_AXIS
from ..masks.mask import Mask
from .shown import images_of

LEVEL: Final = 20.0
"""Times the noise of one exposure that a pixel is above its running median, to count as left."""

WINDOW: Final = 31
"""Samples along the dispersion from which the noise follows, as in the sigma cut."""

BLOCK: Final = 64
"""Rows and columns of a block."""

NORMAL: Final = 1.4826
"""The standard deviation of normal numbers, in units of the median of their absolute values."""


@np.errstate(all="ignore")
def left_by(mask: Mask, sigmas: FloatArray, exposures: int) -> list[dict[str, Any]]:
    """Find the groups of pixels that a mask leaves, the brightest first.

    What DQ or the mask flags does not count. `sigmas` is the scatter of each block of the residual,
    `exposures` the number of different ones. ``column``, ``row``, ``residual`` and ``times_noise``
    (None without noise) are those of the brightest of the ``pixels``; ``spared`` groups lie in
    crowded rows that were left unflagged on purpose.
    """
    minimum, found = images_of(mask)
    known = found.mask if mask.dq is None else found.mask | ((mask.dq & DO_NOT_USE) != 0)
    noise = _noise(found, IMAGE_AXIS[mask.dispaxis], sigmas, exposures)
    labels = sharp_groups(
        found.residual,
        noise,
        minimum.astype(found.residual.dtype, copy=False),
        level=LEVEL,
        dispaxis=mask.dispaxis,
        known=known,
        detector=str(mask.about.get("DETECTOR", "")) or None,
    )
    number, residual, spared = labels.ravel(), found.residual.ravel(), _spared(mask, labels)
    pixels = np.flatnonzero(number)
    pixels = pixels[np.argsort(-residual[pixels], kind="stable")]
    _, first = np.unique(number[pixels], return_index=True)  # the brightest of each group
    peaks = pixels[np.sort(first)]
    sizes, ratios = np.bincount(number)[number[peaks]], residual[peaks] / noise.ravel()[peaks]
    facts = (peaks, sizes, residual[peaks], ratios, spared[number[peaks]])
    return [
        {
            "column": peak % mask.flags.shape[1],
            "row": peak // mask.flags.shape[1],
            "pixels": size,
            "residual": value,
            "times_noise": ratio if math.isfinite(ratio) else None,
            "spared": is_spared,
        }
        for peak, size, value, ratio, is_spared in zip(*(each.tolist() for each in facts))  # noqa: B905
    ]


def _noise(found: BadPixels, axis: int | None, sigmas: FloatArray, exposures: int) -> FloatArray:
    """Return the usual noise of one exposure along the dispersion."""
    if found.noise is not None:  # in it, the light of a bright group counts as noise
        return median_filter(found.noise, WINDOW, axis=axis, edge="shrink")
    local = NORMAL * median_filter(abs(found.residual), WINDOW, axis=axis, edge="shrink")
    spread = spread_of_minimum(max(exposures, 1))
    noise: FloatArray = np.fmax(local, per_pixel(sigmas, found.residual.shape)) / spread
    return noise.astype(found.residual.dtype)


def _spared(mask: Mask, labels: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Return whether each label lies in spared rows."""
    spared = np.zeros(int(labels.max(initial=0)) + 1, np.bool_)
    if mask.parameters is not None and mask.parameters.spare_crowded:
        lines = labels if mask.dispaxis == 1 else labels.T
        spared[lines[[row for row in mask.crowded if row < len(lines)]]] = True
    return spared


def scatter(values: FloatArray) -> float:
    """Return the robust standard deviation of finite values: 1.4826 times the MAD."""
    values = values[np.isfinite(values)]
    return NORMAL * float(np.median(abs(values - np.median(values)))) if values.size else math.nan


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


def per_pixel(blocks: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return the value of its block for each pixel of an image."""
    rows, columns = shape
    return np.repeat(np.repeat(blocks, BLOCK, axis=0), BLOCK, axis=1)[:rows, :columns]
