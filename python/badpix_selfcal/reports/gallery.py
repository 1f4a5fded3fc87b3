"""The gallery: small pictures of the cuts of single pixels, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .._floats import FloatArray
from ..runs.group_mask import GroupMask
from .cuts import ACROSS, ALONG, Strips, places_of
from .pixels import cut_values

__all__ = ["MOST_LINES", "gallery"]

MOST_LINES: Final = 20
"""Exposures drawn in each small picture."""

_HEIGHT: Final = 90
_STEP: Final = 4


def gallery(mask: GroupMask, pixels: NDArray[np.intp], strips: Strips) -> str:
    """Return the pictures of some pixels, each a button that selects its pixel."""
    if not pixels.size:
        return '<p class="note">There is none.</p>'
    places, inside = places_of(pixels, mask.minimum.shape, mask.dispaxis)
    found = mask.bad_pixels

    def cut(image: FloatArray) -> NDArray[np.float64]:
        return np.where(inside, image.ravel()[places].astype(np.float64), np.nan)

    minimum, residual = cut(mask.minimum), cut(found.residual)
    median = minimum - residual
    noise = 1.0 if found.noise is None else cut(found.noise)
    with np.errstate(invalid="ignore"):
        lower, upper = (median + limit * noise for limit in (found.cut_low, found.cut_high))
    where = {int(pixel): place for place, pixel in enumerate(strips.pixels)}
    pictures = []
    for number, pixel in enumerate(int(each) for each in pixels):
        place = where.get(pixel)
        lines = [] if place is None else [each[place] for each in strips.values[:MOST_LINES]]
        drawing = _drawing(minimum[number], median[number], lower[number], upper[number], [*lines])
        pictures.append(_button(mask, pixel, drawing))
    return f'<div class="gallery">{"".join(pictures)}</div>'


def _button(mask: GroupMask, pixel: int, drawing: str) -> str:
    row, column = divmod(pixel, mask.minimum.shape[1])
    found = mask.bad_pixels
    value = cut_values(found)[row, column]
    end = "not flagged"
    if found.mask[row, column]:
        end = "high" if value > 0 else "low"
    what = "residual" if found.significance is None else "significance"
    label = escape(f"column {column}, row {row}: {what} {value:.4g}, {end}")
    return f'<button data-pixel="{pixel}">{label}{drawing}</button>'


def _drawing(
    minimum: FloatArray,
    median: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    exposures: Sequence[FloatArray],
) -> str:
    """Return both cuts of one pixel side by side, on one scale."""
    shown = np.concatenate([minimum, median, *exposures])
    shown = shown[np.isfinite(shown)]
    least, most = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    scale = (_HEIGHT - 8) / ((most - least) or 1.0)

    def points(values: FloatArray) -> list[str]:
        level = _HEIGHT - 4 - (np.clip(values, least, most) - least) * scale
        return ["" if y != y else f"{y:.1f}" for y in level.tolist()]

    width = _STEP * (2 * ALONG + 2 * ACROSS) + 20
    halves = (
        (0, slice(0, 2 * ALONG + 1), ALONG),
        (_STEP * 2 * ALONG + 20, slice(2 * ALONG + 1, None), ACROSS),
    )
    paths = []
    for begin, part, middle in halves:
        x = [begin + _STEP * place for place in range(2 * middle + 1)]
        centre = begin + _STEP * middle
        paths.append(_band(x, points(lower[part]), points(upper[part])))
        paths.append(f'<path class="c" d="M{centre} 0V{_HEIGHT}"/>')
        paths += [_path("e", x, points(each[part])) for each in exposures]
        paths.append(_path("d", x, points(median[part])))
        paths.append(_path("m", x, points(minimum[part])))
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
