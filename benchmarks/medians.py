"""Running medians along lines: this package and every peer that has one."""

from __future__ import annotations

from functools import partial

import badpix_selfcal as bps

from . import peers
from .images import image, ours
from .plan import Plan
from .tables import Table
from .timing import ALL, Row, Way, cold, in_turns

__all__ = ["TITLE", "measure"]

TITLE = "Running median along lines"
NOTE = """\
Beyond the border this package, stcal and scipy see zeros; pandas and polars clip the window. The
window of bottleneck ends at its sample. This package, stcal, bottleneck and pandas skip NaN. polars
skips nulls, which replace NaN in its input. scipy does not skip NaN and filters an image without
NaN. Frames for pandas and polars, and contiguous lines for scipy, are prepared outside the timing.
Of the peers only polars uses all cores. From k = 101 on stcal needs gigabytes: it filters an eighth
of the lines."""
COPIES_NOTE = """\
Warm: each run follows another one, as in a loop. Cold: just before the run a large buffer is
overwritten, and the result goes to fresh memory. Both conditions are the same for this package and
for the copy."""


def measure(plan: Plan) -> list[Table]:
    """Return the tables of all peers, of a single long line, and of times in copies."""
    keys = [("float32", k, axis) for k in plan.windows for axis in (0, 1)]
    keys += [("float64", 15, axis) for axis in (0, 1)]
    rows = [_row(plan, *key) for key in keys]
    size = f"{plan.shape[0]} x {plan.shape[1]} samples, 2 % NaN"
    return [
        Table(f"{TITLE}, {size}", rows, base=ALL, note=NOTE),
        Table("A single long line", [_long_line(plan)], base=ALL),
        Table("In units of copying the image", _copies(plan), base="copy", note=COPIES_NOTE),
    ]


def _row(plan: Plan, dtype: str, k: int, axis: int) -> Row:
    samples, filled = image(plan.shape, dtype), image(plan.shape, dtype, missing=0.0)
    ways = ours(partial(bps.median_filter, samples, k, axis=axis))
    ways |= peers.along(samples, filled, k, axis)
    return in_turns(f"k = {k}, axis {axis}, {dtype}", ways, plan)


def _long_line(plan: Plan) -> Row:
    length, k = plan.line
    line = image((1, length))[0]
    ways = ours(partial(bps.median_filter, line, k))
    ways["bottleneck"] = peers.bottleneck_line(line, k)
    return in_turns(f"one line, k = {k}, {length} samples", ways, plan)


def _copies(plan: Plan) -> list[Row]:
    samples = image(plan.shape)
    ways = ours(partial(bps.median_filter, samples, 15, axis=0))
    ways["copy"] = Way(samples.copy)
    name = "k = 15, axis 0, and a copy"
    return [in_turns(f"{name}, warm", ways, plan), cold(f"{name}, cold", ways, plan)]
