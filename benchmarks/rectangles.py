"""Medians over square windows."""

from __future__ import annotations

from functools import partial

import badpix_selfcal as bps

from . import peers
from .images import image, ours
from .plan import Plan
from .tables import Table
from .timing import ALL, Row, in_turns

__all__ = ["TITLE", "measure"]

TITLE = "Median over square windows"
NOTE = """\
On the whole image stcal needs gigabytes, and more time for each pixel than on a crop. Its time is
that of a crop of {rows} x {columns}, scaled by the number of pixels. scipy does not skip NaN and
filters an image without NaN."""


def measure(plan: Plan) -> list[Table]:
    """Return the times of this package, stcal and scipy."""
    rows = [_row(plan, dtype, side) for dtype in ("float32", "float64") for side in plan.sides]
    size = f"{plan.shape[0]} x {plan.shape[1]} samples, 2 % NaN"
    note = NOTE.format(rows=plan.crop[0], columns=plan.crop[1])
    return [Table(f"{TITLE}, {size}", rows, base=ALL, note=note)]


def _row(plan: Plan, dtype: str, side: int) -> Row:
    samples, filled = image(plan.shape, dtype), image(plan.shape, dtype, missing=0.0)
    ways = ours(partial(bps.median_filter, samples, (side, side)))
    ways["stcal"] = peers.stcal_plane(samples, plan.crop, side)
    ways["scipy"] = peers.scipy_plane(filled, side)
    return in_turns(f"{side} x {side}, {dtype}", ways, plan)
