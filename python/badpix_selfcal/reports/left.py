"""What a mask leaves: groups of unflagged pixels far above the noise, with sharp edges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels, sharp_groups, spread_of_minimum
from ..arrays.floats import FloatArray
from ..arrays.medians import median_filter
from ..instrument import DO_NOT_USE, IMAGE_AXIS
from ..step.group_mask import GroupMask
from .scatter import BLOCK

__all__ = ["LEVEL", "Left", "left_by"]

LEVEL: Final = 20.0
"""Times the noise of one exposure that a pixel is above its running median, to count as left."""

WINDOW: Final = 31
"""Samples along the dispersion from which the noise follows, as in the sigma cut."""

MOST_LISTED: Final = 200
"""Groups that a page lists and marks."""


@dataclass(frozen=True, eq=False)
class Left:
    """Groups of pixels that a mask leaves, the brightest first.

    Attributes
    ----------
    peaks : ndarray of int
        The brightest pixel of each, as a flat index.
    sizes : ndarray of int
        The pixels of each.
    residuals, ratios : ndarray of float
        The residual of the brightest pixel, and how many times the noise it is.
    spared : ndarray of bool
        Whether it lies in crowded rows that were left unflagged on purpose.
    """

    peaks: NDArray[np.intp]
    sizes: NDArray[np.intp]
    residuals: FloatArray
    ratios: FloatArray
    spared: NDArray[np.bool_]

    def places(self, columns: int) -> list[dict[str, Any]]:
        """Return the brightest groups of an image with some columns, as JSON can hold them."""
        found = (self.peaks, self.sizes, self.residuals, self.ratios, self.spared)
        each = zip(*(values[:MOST_LISTED].tolist() for values in found), strict=True)
        return [
            {
                "column": peak % columns,
                "row": peak // columns,
                "pixels": size,
                "residual": residual,
                "times_noise": ratio if math.isfinite(ratio) else None,  # without noise
                "spared": spared,
            }
            for peak, size, residual, ratio, spared in each
        ]


@np.errstate(all="ignore")
def left_by(mask: GroupMask, sigmas: FloatArray, exposures: int) -> Left:
    """Find what a mask leaves. What DQ or the mask flags does not count.

    Parameters
    ----------
    mask : GroupMask
        The mask.
    sigmas : ndarray of float
        The scatter of each block of its residual (`badpix_selfcal.reports.scatter.block_scatter`).
    exposures : int
        The different exposures that it was found from.
    """
    found = mask.bad_pixels
    known = found.mask if mask.dq is None else found.mask | ((mask.dq & DO_NOT_USE) != 0)
    noise = _noise(found, IMAGE_AXIS[mask.dispaxis], sigmas, exposures)
    labels = sharp_groups(
        found.residual,
        noise,
        mask.minimum.astype(found.residual.dtype, copy=False),
        level=LEVEL,
        dispaxis=mask.dispaxis,
        known=known,
        detector=str(mask.about.get("DETECTOR", "")) or None,
    )
    flat = labels.ravel()
    pixels = np.flatnonzero(flat)
    pixels = pixels[np.argsort(-found.residual.ravel()[pixels], kind="stable")]
    _, first = np.unique(flat[pixels], return_index=True)  # the brightest of each group
    peaks = pixels[np.sort(first)]
    residuals = found.residual.ravel()[peaks]
    return Left(
        peaks,
        np.bincount(flat)[flat[peaks]],
        residuals,
        residuals / noise.ravel()[peaks],
        _spared(mask, labels)[flat[peaks]],
    )


def _noise(found: BadPixels, axis: int | None, sigmas: FloatArray, exposures: int) -> FloatArray:
    """Return the usual noise of one exposure along the dispersion.

    At a group of bright pixels itself, its light counts as noise in `BadPixels.noise`.
    """
    if found.noise is not None:
        return median_filter(found.noise, WINDOW, axis=axis, edge="shrink")
    local = 1.4826 * median_filter(abs(found.residual), WINDOW, axis=axis, edge="shrink")
    rows, columns = found.residual.shape
    blocks = np.repeat(np.repeat(sigmas, BLOCK, axis=0), BLOCK, axis=1)[:rows, :columns]
    spread = spread_of_minimum(max(exposures, 1))
    scaled: FloatArray = (np.fmax(local, blocks) / spread).astype(found.residual.dtype)
    return scaled


def _spared(mask: GroupMask, labels: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Return whether each label lies in spared rows."""
    spared = np.zeros(int(labels.max(initial=0)) + 1, np.bool_)
    if mask.parameters.spare_crowded:
        lines = labels if mask.dispaxis == 1 else labels.T
        rows = [row for row in mask.crowded if row < len(lines)]
        spared[lines[rows]] = True
    return spared
