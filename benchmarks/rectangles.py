"""Medians over square windows."""

from __future__ import annotations

from functools import partial

import badpix_selfcal as bps

from . import peers
from .images import image, ours
from .sizes import Sizes
from .tables import Table
from .timing import ALL, Row, in_turns

__all__ = ["TITLE", "measure"]

TITLE = "Median over square windows"
NOTE = """\
On the whole image stcal needs gigabytes, and more time for each pixel than on a crop. Its time is
that of a crop of {rows} x {columns}, scaled by the number of pixels. scipy does not skip NaN and
filters an image without NaN."""


def measure(sizes: Sizes) -> list[Table]:
    """Return the times of this package, stcal and scipy."""
    rows = [_row(sizes, dtype, side) for dtype in ("float32", "float64") for side in sizes.sides]
    size = f"{sizes.shape[0]} x {sizes.shape[1]} samples, 2 % NaN"
    note = NOTE.format(rows=sizes.crop[0], columns=sizes.crop[1])
    return [Table(f"{TITLE}, {size}", rows, base=ALL, note=note)]


def _row(sizes: Sizes, dtype: str, side: int) -> Row:
    samples, filled = image(sizes.shape, dtype), image(sizes.shape, dtype, missing=0.0)
    ways = ours(partial(bps.median_filter, samples, (side, side)))
    ways["stcal"] = peers.stcal_square(samples, sizes.crop, side)
    ways["scipy"] = peers.scipy_square(filled, side)
    return in_turns(f"{side} x {side}, {dtype}", ways, sizes)
