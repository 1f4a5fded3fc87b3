"""Rows crowded with flags: a trace, or the edge of a slit, flagged along its length.

Hot pixels are scattered over a detector; light that stays in place between exposures is not. A line
along the dispersion (a row, for `dispaxis` 2 a column) is crowded if at least `LEAST_COUNT` of its
light-sensitive pixels are flagged, more than `LEAST_SHARE` of them, and more than `TIMES_USUAL`
times the median share of all lines.

Hot pixels at the density of flight data do not crowd a line by chance. Measured on simulated
exposures (`badpix_selfcal.simulate`, four of NRS1, MIRIFUSHORT and MIRIFULONG each, three seeds,
sigma cut): 0.9 % of a column (MIRI) and 0.25 % of a row (NIRSpec) are flagged, and the fullest of
12 336 lines has 3.6 times the median; none has more than 25 flags. By the binomial distribution,
the probability of a crowded line is at most 4e-16; if all flags were in threes, 1.4e-6.

As the median is the standard, a source that crowds half of all lines is not noticed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..instrument import IMAGE_AXIS, Dispaxis
from .bad_pixels import BadPixels
from .checks import check_dispaxis

__all__ = ["crowded_rows", "ranges_of", "rows_in", "spared"]

LEAST_COUNT: Final = 40
LEAST_SHARE: Final = 0.02
TIMES_USUAL: Final = 5.0


def crowded_rows(
    mask: NDArray[np.bool_],
    *,
    dispaxis: Dispaxis,
    sensitive: NDArray[np.bool_] | None = None,
) -> tuple[int, ...]:
    """Return the lines along the dispersion that are crowded with flags, from 0, in order.

    `mask` and `sensitive`, the light-sensitive pixels (default: all), have the shape (rows, cols);
    other pixels do not count. `dispaxis` is 1 for rows, 2 for columns; without an axis, no line is
    crowded. Raises ValueError for other shapes or another axis.
    """
    if mask.ndim != 2:
        raise ValueError(f"mask must have two dimensions, got {mask.ndim}")
    if sensitive is not None and sensitive.shape != mask.shape:
        raise ValueError(f"sensitive has shape {sensitive.shape}, mask has {mask.shape}")
    axis = IMAGE_AXIS[check_dispaxis(dispaxis)]
    if axis is None or not mask.size:
        return ()
    flagged = np.count_nonzero(mask, axis=axis)
    if flagged.max() < LEAST_COUNT:  # as a rule; saves most of the time
        return ()
    total = np.full(flagged.shape, mask.shape[axis])
    if sensitive is not None:
        flagged = np.count_nonzero(mask & sensitive, axis=axis)
        total = np.count_nonzero(sensitive, axis=axis)
    share = flagged / np.maximum(total, 1)
    usual = np.median(share[total > 0]) if total.any() else 0.0
    crowded = (flagged >= LEAST_COUNT) & (share > max(LEAST_SHARE, TIMES_USUAL * usual))
    return tuple(np.flatnonzero(crowded).tolist())


def spared(found: BadPixels, rows: tuple[int, ...], dispaxis: Dispaxis) -> BadPixels:
    """Return bad pixels without those of some lines along the dispersion, as of `crowded_rows`."""
    axis = IMAGE_AXIS[dispaxis]
    if axis is None or not rows:
        return found
    lines = (list(rows), slice(None)) if axis == 1 else (slice(None), list(rows))
    low, high = (int(np.count_nonzero(end[lines])) for end in (found.low, found.high))
    mask = found.mask.copy()
    mask[lines] = False
    return replace(found, mask=mask, n_low=found.n_low - low, n_high=found.n_high - high)


def rows_in(ranges: str) -> tuple[int, ...]:
    """Return the numbers in a text of `ranges_of`; ValueError if it is no such text."""
    rows: list[int] = []
    for each in filter(None, ranges.split(", ")):
        first, _, last = each.partition("-")
        rows += range(int(first), int(last or first) + 1)
    return tuple(rows)


def ranges_of(rows: tuple[int, ...]) -> str:
    """Return numbers in increasing order as text: ``1-3, 7``."""
    places = np.flatnonzero(np.diff(rows) != 1) + 1
    runs = (run.tolist() for run in np.split(np.array(rows, int), places) if run.size)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
