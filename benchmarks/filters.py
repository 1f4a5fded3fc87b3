"""Running medians in place of other packages, with other borders and even windows, and in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

import badpix_selfcal as bps
from badpix_selfcal.arrays.medians import Border
from badpix_selfcal.bottleneck import move_median
from badpix_selfcal.jwst import moving_median_over_zeroth_axis
from badpix_selfcal.ndimage import nanmedian_filter

from . import peers
from .images import Image, image, ours
from .sizes import Sizes
from .tables import Table
from .timing import ALL, Row, Way, in_turns

__all__ = ["TITLE", "measure"]

TITLE = "In place of other packages"
NOTE = """\
generic_filter with nanmedian filters {lines} of the {rows} lines, and its time is scaled. OpenCV
and scipy's median_filter do not skip NaN and filter an image without NaN; OpenCV runs on one
thread. In the cube 2 % are NaN, for the moving median of time series none."""
EDGES: Final[tuple[Border, ...]] = ("zero", "shrink", "nearest", "reflect", "mirror", "wrap")
PLAIN: Final = "zero"


def measure(sizes: Sizes) -> list[Table]:
    """Return the times beside the originals, of all edges and windows, and with `out`."""
    note = NOTE.format(lines=sizes.lines, rows=sizes.square)
    return [
        Table(TITLE, [*_drop_ins(sizes)], base=ALL, note=note),
        Table("Borders, all threads", [*_edges(sizes)], base=PLAIN),
        Table("Even windows, all threads", [*_even(sizes)], base="odd"),
        Table("With and without `out`, all threads", [*_outputs(sizes)], base="out"),
    ]


def _drop_ins(sizes: Sizes) -> list[Row]:
    square = image((sizes.square, sizes.square))
    ways = ours(partial(nanmedian_filter, square, (1, 50)))
    ways["generic_filter"] = peers.generic_nanmedian(square[: sizes.lines], 50, square.size)
    rows = [in_turns("generic_filter(nanmedian), size 50", ways, sizes)]
    filled = image(sizes.shape, missing=0.0)
    for side in (3, 5, 7, 15):
        ways = ours(partial(nanmedian_filter, filled, side))
        ways["median_filter"] = peers.scipy_square(filled, side)
        if side <= 5:
            ways["OpenCV"] = peers.opencv(filled, side)
        rows.append(in_turns(f"median_filter {side} x {side}, without NaN", ways, sizes))
    for missing, name, run, peer in (
        (0.02, "move_median", partial(move_median, window=25, axis=0), peers.bottleneck_cube),
        (0.0, "moving median of time series", _moving, peers.jwst_moving_median),
    ):
        cube = _cube(sizes.cube, missing)
        ways = ours(partial(run, cube))
        ways["the original"] = peer(cube, 25)
        rows.append(in_turns(f"{name}, w = 25", ways, sizes))
    return rows


def _moving(cube: Image) -> Image:
    return moving_median_over_zeroth_axis(cube, 25)


def _cube(shape: tuple[int, int, int], missing: float) -> Image:
    flat = image((shape[0], shape[1] * shape[2]), missing=missing)
    return flat.reshape(shape)


def _edges(sizes: Sizes) -> list[Row]:
    samples, rows = image(sizes.shape), []
    windows = [(k, axis) for k in (15, 51) for axis in (0, 1)]
    for k, axis in [*windows, (7, None), (15, None)]:
        run = partial(bps.median_filter, samples, k, axis=axis)
        ways = {str(edge): _all(partial(run, edge=edge)) for edge in EDGES}
        rows.append(in_turns(f"borders, {_name(k, axis)}", ways, sizes))
    return rows


def _even(sizes: Sizes) -> list[Row]:
    samples = image(sizes.shape)
    windows = [(odd, axis) for odd in (7, 15, 25, 51) for axis in (0, 1)]
    both = [*windows, (7, None), (15, None)]
    return [_beside(samples, odd, axis, sizes) for odd, axis in both]


def _name(k: int, axis: int | None) -> str:
    return f"{k} x {k}" if axis is None else f"k = {k}, axis {axis}"


def _beside(samples: Image, odd: int, axis: int | None, sizes: Sizes) -> Row:
    """Return the time of an odd window beside that of one more sample along each axis."""
    run = partial(bps.median_filter, samples, axis=axis)
    ways = {
        "odd": _all(partial(run, kernel_size=odd)),
        "even": _all(partial(run, kernel_size=odd + 1)),
    }
    return in_turns(f"{_name(odd, axis)} and one more", ways, sizes)


def _outputs(sizes: Sizes) -> list[Row]:
    samples, rows = image(sizes.shape), []
    out = np.empty_like(samples)
    for k in (3, 15):
        run = partial(bps.median_filter, samples, k, axis=0)
        ways = {"out": _all(partial(run, out=out)), "new": _all(run)}
        rows.append(in_turns(f"output, k = {k}, axis 0", ways, sizes))
    cube = _cube(sizes.cube, missing=0.02)
    run, out = partial(bps.median_filter, cube, 25, axis=0), np.empty_like(cube)
    ways = {"out": _all(partial(run, out=out)), "new": _all(run)}
    return [*rows, in_turns("output, cube, w = 25", ways, sizes)]


def _all(run: Callable[[], object]) -> Way:
    return ours(run)[ALL]
