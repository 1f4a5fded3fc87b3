"""What the figures and layers of a page show, computed from a mask."""

from __future__ import annotations

import math
import os
from typing import Any, Final

import numpy as np

from .._interrupts import result_of, submitted, threads
from ..arrays.floats import FloatArray
from ..instrument import NAMES
from ..step.group_mask import GroupMask
from ..views.cuts import ACROSS, ALONG, places_of
from ..views.pixels import Ranked
from ..views.regions import Slices
from .cuts import Strips
from .judgement import Judgement
from .judgement import number as finite
from .layers import Layer, bits_layer, float_layer, growth_layer, plain_layer

__all__ = [
    "DQ_COLOURS",
    "HIGH",
    "LEFT",
    "LOW",
    "MASK_COLOURS",
    "PLAIN",
    "histogram_of",
    "layers_of",
    "settings_of",
    "unit_of",
]

LOW: Final = "#3b8fd1"
HIGH: Final = "#e66100"
PLAIN: Final = "#8a8a8a"
LEFT: Final = "#dc267f"
"""Colours that differ for colour-blind readers, on light and on dark ground."""

MISSING: Final = "#808080"
GROUND: Final = "#20242c"
MASK_COLOURS: Final = (GROUND, MISSING, LOW, HIGH)
DQ_COLOURS: Final = (GROUND, "#56b4e9", "#f0e442", MISSING)

BINS: Final = 240

MOST_DOTS: Final = 20000
"""Flags of each end that are drawn as dots, which are visible without zooming in."""

SAMPLE: Final = 97
"""Every so many pixels serve to choose the limits of colours; a prime: no column repeats."""


def unit_of(mask: GroupMask) -> str:
    """Return the unit of SCI."""
    return mask.unit or "unit of SCI"


def settings_of(
    mask: GroupMask, judgement: Judgement, slices: Slices, strips: Strips
) -> dict[str, Any]:
    """Return what `page.js` needs besides the layers."""
    found, unit = mask.bad_pixels, unit_of(mask)
    low, high = found.low, found.high
    along, across = ("row", "column") if mask.dispaxis == 2 else ("column", "row")
    what = f"residual, {unit}" if found.significance is None else "significance"
    by_slice = judgement.numbers["slices"].values()
    return {
        "shape": [*mask.minimum.shape],
        "unit": unit,
        "along": along,
        "ways": {
            "along": along if mask.dispaxis is None else f"{along}, along the dispersion",
            "across": across if mask.dispaxis is None else f"{across}, across the dispersion",
        },
        "cuts": [finite(found.cut_low), finite(found.cut_high)],
        "reach": {"along": ALONG, "across": ACROSS},
        "panels": _panels(mask, judgement),
        "left": [[each["column"], each["row"]] for each in judgement.numbers["sharp_left_at"]],
        "histogram": {
            "what": what,
            **histogram_of(found.compared, (found.cut_low, found.cut_high)),
        },
        "flags": {
            "row": {"low": low.sum(axis=1).tolist(), "high": high.sum(axis=1).tolist()},
            "column": {"low": low.sum(axis=0).tolist(), "high": high.sum(axis=0).tolist()},
            "slice": {end: [each[end] for each in by_slice] for end in ("low", "high")},
        },
        "exposures": [*strips.names],
        "slices": [*slices.names],
        "bits": [*NAMES],
        "most_dots": MOST_DOTS,
        "colours": {
            "low": LOW,
            "high": HIGH,
            "plain": PLAIN,
            "ground": GROUND,
            "missing": MISSING,
            "left": LEFT,
            "dq": [*DQ_COLOURS],
        },
    }


def _panels(mask: GroupMask, judgement: Judgement) -> list[dict[str, Any]]:
    """Return the images: names of their layers, titles, and the values of the end colours."""
    found, unit = mask.bad_pixels, unit_of(mask)
    sample = mask.minimum.ravel()[::SAMPLE]
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, (1, 99)) if sample.size else (0.0, 1.0)
    scatter = judgement.numbers["scatter_before"] or 1.0
    shown: list[tuple[str, str, tuple[float, float] | None]] = [
        ("minimum", f"Minimum image, {unit}", (float(low), float(max(high, low + scatter)))),
        ("residual", f"Residual, {unit}", (-6 * scatter, 6 * scatter)),
    ]
    if found.significance is not None:
        shown.append(("significance", "Significance", (-6.0, 6.0)))
    shown.append(("mask", "Mask", None))
    if mask.dq is not None:
        shown.append(("dq", "DQ of the first flagged exposure, before", None))
    return [{"name": name, "title": title, "limits": limits} for name, title, limits in shown]


def histogram_of(values: FloatArray, cuts: tuple[float, float]) -> dict[str, Any]:
    """Return edges and counts of a histogram that reaches three times beyond the cuts.

    What lies farther away is counted in the first and the last bin.
    """
    finite_values = values[np.isfinite(values)].astype(np.float64)
    if not finite_values.size:
        return {"edges": [-1.0, 1.0], "counts": [0]}
    known = [abs(cut) for cut in cuts if math.isfinite(cut)]
    least, most = float(finite_values.min()), float(finite_values.max())
    reach = 3 * max(known, default=0.0) or max(-least, most)
    first, last = max(-reach, least), min(reach, most)
    edges = np.linspace(first, last, BINS + 1)
    if not (np.diff(edges) > 0).all():  # too narrow a range for the bins
        around = max(1.0, abs(first), abs(last))
        first, last = first - around, last + around
        edges = np.linspace(first, last, BINS + 1)
    counts, _ = np.histogram(np.clip(finite_values, first, last), BINS, (first, last))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _median(mask: GroupMask) -> FloatArray:
    """Return the running median. A page holds it instead of the residual, as it has no peaks."""
    residual = mask.bad_pixels.residual
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(residual), residual.dtype.type(0), mask.minimum - residual)


def layers_of(
    mask: GroupMask, judgement: Judgement, slices: Slices, pixels: Ranked, strips: Strips
) -> list[Layer]:
    """Return the arrays of a page, compressed in several threads."""
    found = mask.bad_pixels
    scatter = judgement.numbers["scatter_before"] or 1.0
    places, inside = places_of(strips.pixels, mask.minimum.shape, mask.dispaxis)

    def cut(image: FloatArray) -> FloatArray:
        return np.where(inside, image.ravel()[places], np.float32(np.nan)).astype(np.float32)

    tasks: list[tuple[Any, ...]] = [
        (float_layer, "minimum", mask.minimum, scatter),
        (float_layer, "median", _median(mask), scatter),
    ]
    if found.significance is not None:
        tasks.append((float_layer, "significance", found.significance, 1.0))
    tasks.append((growth_layer, "strips", strips.values - cut(mask.minimum), scatter))
    if found.noise is not None:
        tasks.append((growth_layer, "noise", cut(found.noise), scatter))
    if mask.dq is not None:
        tasks.append((bits_layer, "dq", mask.dq))
    tasks += [
        (plain_layer, "slices", slices.number),
        (plain_layer, "flagged", pixels.flagged.astype(np.uint32)),
        (plain_layer, "is_high", pixels.is_high.astype(np.uint8)),
        (plain_layer, "sizes", pixels.sizes.astype(np.uint32)),
        (plain_layer, "strip_pixels", strips.pixels.astype(np.uint32)),
    ]
    with threads(os.cpu_count() or 1) as executor:
        made = [submitted(executor, make, *arguments) for make, *arguments in tasks]
        return [result_of(each) for each in made]
