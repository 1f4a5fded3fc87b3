"""The gallery: small pictures of the cuts of single pixels, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.floats import FloatArray
from ..step.group_mask import GroupMask
from ..views.cuts import ACROSS, ALONG, SAMPLES, Direction, Line, line_of, part_of
from ..views.pixels import Pixel
from .cuts import Strips

__all__ = ["MOST_LINES", "gallery"]

MOST_LINES: Final = 20
"""Exposures drawn in each small picture."""

HALVES: Final[tuple[tuple[Direction, int, int], ...]] = (
    ("along", ALONG, 0),
    ("across", ACROSS, 2 * ALONG + 1),
)
"""The cuts of a pixel: direction, pixels on each side, and the first of its samples in strips."""

_HEIGHT: Final = 90
_STEP: Final = 4


def gallery(mask: GroupMask, pixels: NDArray[np.intp], strips: Strips) -> str:
    """Return the pictures of some pixels, each a button that selects its pixel."""
    if not pixels.size:
        return '<p class="note">There is none.</p>'
    columns = mask.minimum.shape[1]
    where = {int(pixel): place for place, pixel in enumerate(strips.pixels)}
    pictures = []
    for flat in pixels.tolist():
        pixel = divmod(flat, columns)
        shown = strips.values[:MOST_LINES, where[flat]] if flat in where else np.empty((0, SAMPLES))
        halves = []
        for direction, reach, first in HALVES:
            line = line_of(mask, pixel, direction, reach)
            places = line.place - pixel[line.axis] + reach
            halves.append((line, places, shown[:, first + places]))
        pictures.append(_button(mask, pixel, _drawing(halves)))
    return f'<div class="gallery">{"".join(pictures)}</div>'


def _button(mask: GroupMask, pixel: Pixel, drawing: str) -> str:
    (row, column), found = pixel, mask.bad_pixels
    alone = part_of(found, np.s_[row : row + 1, column : column + 1])
    end = "low" if alone.low.any() else "high" if alone.high.any() else "not flagged"
    what = "residual" if found.significance is None else "significance"
    label = escape(f"column {column}, row {row}: {what} {found.compared[pixel]:.4g}, {end}")
    return f'<button data-pixel="{row * mask.minimum.shape[1] + column}">{label}{drawing}</button>'


def _drawing(halves: Sequence[tuple[Line, NDArray[np.intp], FloatArray]]) -> str:
    """Return both cuts of one pixel side by side, on one scale.

    Each has its line, the places of its samples, from 0, and the samples of the exposures.
    """
    parts = [[line.minimum, line.median, *shown] for line, _, shown in halves]
    known = np.concatenate([each for part in parts for each in part])
    known = known[np.isfinite(known)]
    least, most = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    scale = (_HEIGHT - 8) / ((most - least) or 1.0)

    def points(values: FloatArray) -> list[str]:
        level = _HEIGHT - 4 - (np.clip(values, least, most) - least) * scale
        return ["" if y != y else f"{y:.1f}" for y in level.tolist()]

    width = _STEP * (2 * ALONG + 2 * ACROSS) + 20
    paths = []
    begins = ((0, ALONG), (_STEP * 2 * ALONG + 20, ACROSS))
    for (begin, middle), (line, places, shown) in zip(begins, halves, strict=True):
        x = (begin + _STEP * places).tolist()
        centre = begin + _STEP * middle
        paths.append(_band(x, points(line.lower), points(line.upper)))
        paths.append(f'<path class="c" d="M{centre} 0V{_HEIGHT}"/>')
        paths += [_path("e", x, points(each)) for each in shown]
        paths.append(_path("d", x, points(line.median)))
        paths.append(_path("m", x, points(line.minimum)))
    return (
        f'<svg viewBox="0 0 {width} {_HEIGHT}" role="img" aria-label="cuts along and across">'
        f"{''.join(paths)}</svg>"
    )


def _path(kind: str, x: Sequence[int], y: Sequence[str]) -> str:
    """Return a line that is broken where there is no value."""
    parts, pen = [], "M"
    for place, level in zip(x, y, strict=True):
        parts.append(f"{pen}{place} {level}" if level else "")
        pen = "L" if level else "M"
    return f'<path class="{kind}" d="{"".join(parts)}"/>'


def _band(x: Sequence[int], lower: Sequence[str], upper: Sequence[str]) -> str:
    """Return the area between two lines, without the places where one has no value."""
    known = [at for at, pair in enumerate(zip(lower, upper, strict=True)) if all(pair)]
    if not known:
        return ""
    around = [f"{x[at]} {upper[at]}" for at in known]
    around += [f"{x[at]} {lower[at]}" for at in reversed(known)]
    return f'<path class="b" d="M{"L".join(around)}Z"/>'
