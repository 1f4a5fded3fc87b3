"""Counts: the histogram of what is cut, and the flags of each row and column."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from matplotlib.ticker import FixedLocator, StrMethodFormatter
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..instrument import IMAGE_AXIS
from ..looks import FAINT, HIGH, LOW
from .canvas import (
    CROWDED,
    Axes,
    Shown,
    axes_or_new,
    finite,
    found_of,
    labelled,
    level_of,
    titled,
    unit_of,
)
from .images import scatter_of

__all__ = ["columns", "histogram", "rows"]

SIZE: Final = (7.0, 4.0)
"""Inches."""

BINS: Final = 160


def histogram(shown: Shown, *, ax: Axes | None = None) -> Axes:
    """Draw the histogram of what is cut: the residual, or with the sigma cut the significance.

    The bins are of equal width near 0 and grow further out, as the scale of the axis does.

    Parameters
    ----------
    shown : GroupMask or BadPixels
        What to show.
    ax : Axes, optional
        Where to draw. None: in a new figure.

    Returns
    -------
    Axes
        Where it is drawn.
    """
    ax, found = axes_or_new(ax, SIZE), found_of(shown)
    quantity, unit = ("residual", unit_of(shown)) if found.significance is None else (
        "significance", "")  # fmt: skip
    values = finite(found.compared).astype(np.float64)
    width = scatter_of(values) or 1.0
    edges = _edges(values, width)
    ax.set_ylim(0.6, max(10.0, 2.0 * int(np.histogram(values, edges)[0].max())))
    ax.set_yscale("log", nonpositive="clip")  # after the limits: there may be nothing to scale to
    kinds = {
        "all pixels": (np.isfinite(found.compared), UNFLAGGED),
        "flagged low": (found.low, LOW),
        "flagged high": (found.high, HIGH),
    }
    for name, (pixels, colour) in kinds.items():
        chosen = finite(found.compared[pixels]).astype(np.float64)
        counts, _ = np.histogram(chosen, edges)
        label = f"{name}: {np.count_nonzero(pixels)}"
        ax.stairs(counts, edges, fill=True, color=colour, label=label)
    for cut, colour in ((found.cut_low, LOW), (found.cut_high, HIGH)):
        if np.isfinite(cut):
            text = f"cut at {level_of(cut, unit)}"
            ax.axvline(cut, color=colour, linestyle="--", linewidth=1.0, label=text)
    ax.set_xscale("asinh", linear_width=width)
    ax.xaxis.set_major_locator(FixedLocator(_ticks(edges, width)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(labelled(quantity, unit))
    ax.set_ylabel("pixels")
    ax.legend(frameon=False, fontsize="small")
    titled(ax, f"What is cut: the {quantity}", shown, "" if values.size else "no pixel has one")
    return ax


def rows(shown: Shown, *, ax: Axes | None = None) -> Axes:
    """Draw the number of flags in each row.

    Parameters
    ----------
    shown : GroupMask or BadPixels
        What to show.
    ax : Axes, optional
        Where to draw. None: in a new figure.

    Returns
    -------
    Axes
        Where it is drawn.
    """
    return _counts(shown, "row", ax)


def columns(shown: Shown, *, ax: Axes | None = None) -> Axes:
    """Draw the number of flags in each column.

    Parameters
    ----------
    shown : GroupMask or BadPixels
        What to show.
    ax : Axes, optional
        Where to draw. None: in a new figure.

    Returns
    -------
    Axes
        Where it is drawn.
    """
    return _counts(shown, "column", ax)


UNFLAGGED: Final = "#BDBDBD"


def _counts(shown: Shown, line: str, ax: Axes | None) -> Axes:
    """Draw the number of flags in each row or column, low below high."""
    ax, found = axes_or_new(ax, SIZE), found_of(shown)
    across = 1 if line == "row" else 0
    low, high = (np.count_nonzero(end, axis=across) for end in (found.low, found.high))
    edges = np.arange(low.size + 1) - 0.5
    ax.stairs(low, edges, fill=True, color=LOW, label=f"low: {low.sum()}")
    ax.stairs(low + high, edges, baseline=low, fill=True, color=HIGH, label=f"high: {high.sum()}")
    total = low + high
    usual = float(np.median(total)) if total.size else 0.0
    ax.axhline(usual, color=FAINT, linewidth=1.0, label=f"median: {usual:g}")
    crowded = _crowded(shown, across)
    if crowded.size:
        name = f"crowded: {crowded.size}"
        top = total[crowded]
        ax.plot(crowded, top, "v", color=CROWDED, markersize=5, clip_on=False, label=name)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0.0, max(4.0, 1.1 * float(total.max(initial=0))))
    ax.set_xlabel(line)
    ax.set_ylabel(f"flagged pixels per {line}")
    ax.legend(fontsize="small", ncols=4, loc="upper left", edgecolor="none", framealpha=0.9)
    titled(ax, f"Flags per {line}", shown)
    return ax


def _crowded(shown: Shown, across: int) -> NDArray[np.intp]:
    """Return the crowded lines if they are those that are counted."""
    if isinstance(shown, BadPixels) or IMAGE_AXIS[shown.dispaxis] != across:
        return np.array([], np.intp)
    return np.array(shown.crowded, np.intp)


def _edges(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return the edges of bins that hold all values: equal steps of ``asinh(value / width)``."""
    least, most = (values.min(), values.max()) if values.size else (-1.0, 1.0)
    low, high = np.arcsinh(least / width), np.arcsinh(most / width)
    margin = max(0.02 * (high - low), 0.1)
    edges: NDArray[np.float64] = width * np.sinh(np.linspace(low - margin, high + margin, BINS + 1))
    return edges


def _ticks(edges: NDArray[np.float64], width: float) -> list[float]:
    """Return 0 and the powers of ten of both signs that are not too near to it."""
    first, last = (math.ceil(math.log10(each)) for each in (2.0 * width, np.abs(edges).max()))
    powers = [sign * 10.0**power for power in range(first, last + 1) for sign in (-1.0, 1.0)]
    return [each for each in (0.0, *sorted(powers)) if edges[0] <= each <= edges[-1]]
