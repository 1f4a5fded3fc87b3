"""Running medians along lines: this package and every peer that has one."""

from __future__ import annotations

from functools import partial

import badpix_selfcal as bps

from . import peers
from .images import image, ours
from .sizes import Sizes
from .tables import Table
from .timing import ALL, Row, Way, cold, in_turns

__all__ = ["TITLE", "measure"]

TITLE = "Running median along lines"
NOTE = """\
For this package, stcal and scipy samples beyond the border count as zeros; pandas and polars ignore
them. The window of bottleneck ends at its sample. This package, stcal, bottleneck and pandas skip
NaN. polars skips nulls, which replace NaN in its input. scipy does not skip NaN and filters an
image without NaN. Frames for pandas and polars, and contiguous lines for scipy, are prepared
outside the timing. Of the peers only polars uses all cores. From k = 101 on stcal needs gigabytes
for the whole image, so it filters an eighth of the lines."""
COPIES_NOTE = """\
Warm: each run follows another one, as in a loop. Cold: just before the run a large buffer is
overwritten, and the result goes to fresh memory. Both conditions are the same for this package and
for the copy."""


def measure(sizes: Sizes) -> list[Table]:
    """Return the tables of all peers, of a single long line, and of times relative to a copy."""
    keys = [("float32", k, axis) for k in sizes.windows for axis in (0, 1)]
    keys += [("float64", 15, axis) for axis in (0, 1)]
    rows = [_row(sizes, *key) for key in keys]
    size = f"{sizes.shape[0]} x {sizes.shape[1]} samples, 2 % NaN"
    return [
        Table(f"{TITLE}, {size}", rows, base=ALL, note=NOTE),
        Table("A single long line", [_long_line(sizes)], base=ALL),
        Table("In units of copying the image", _copies(sizes), base="copy", note=COPIES_NOTE),
    ]


def _row(sizes: Sizes, dtype: str, k: int, axis: int) -> Row:
    samples, filled = image(sizes.shape, dtype), image(sizes.shape, dtype, missing=0.0)
    ways = ours(partial(bps.median_filter, samples, k, axis=axis))
    ways |= peers.along(samples, filled, k, axis)
    return in_turns(f"k = {k}, axis {axis}, {dtype}", ways, sizes)


def _long_line(sizes: Sizes) -> Row:
    length, k = sizes.line
    line = image((1, length))[0]
    ways = ours(partial(bps.median_filter, line, k))
    ways["bottleneck"] = peers.bottleneck_line(line, k)
    return in_turns(f"one line, k = {k}, {length} samples", ways, sizes)


def _copies(sizes: Sizes) -> list[Row]:
    samples = image(sizes.shape)
    ways = ours(partial(bps.median_filter, samples, 15, axis=0))
    ways["copy"] = Way(samples.copy)
    name = "k = 15, axis 0, and a copy"
    return [in_turns(f"{name}, warm", ways, sizes), cold(f"{name}, cold", ways, sizes)]
