"""Cuts through a pixel, and the spectrum of a band before and after."""

from __future__ import annotations

import math
from operator import index
from typing import TYPE_CHECKING, Final

import numpy as np

from ..arrays.bad_pixels import BadPixels
from ..arrays.summary import counted
from ..looks import FAINT, GREEN, HIGH, LOW
from ..views.cuts import Direction, Line, line_of
from ..views.pixels import Pixel
from ..views.regions import band_of
from .canvas import CURVE, Axes, axes_or_new, finite, labelled, level_of, titled, unit_of

if TYPE_CHECKING:
    from ..step.group_mask import GroupMask

__all__ = ["cut", "draw_line", "spectrum"]

SIZE: Final = (7.0, 4.0)
"""Inches."""

MEDIAN: Final = GREEN
NOISE: Final = "#9AD8C4"


def cut(
    mask: GroupMask,
    row: int,
    column: int,
    *,
    direction: Direction = "along",
    reach: int = 25,
    ax: Axes | None = None,
) -> Axes:
    """Draw a cut through a pixel: the minimum image, its running median, the noise and the cuts.

    With the sigma cut, the cuts lie at as many times the noise from the light nearby, along the
    dispersion and across it, not from the running median. So flagged samples lie beyond them
    (``docs/sigma-cut.md``).

    Parameters
    ----------
    mask : GroupMask
        What to show.
    row, column : int
        The pixel, counted from 0.
    direction : {"along", "across"}, optional
        Along the dispersion, or across it.
    reach : int, optional
        Pixels to either side.
    ax : Axes, optional
        Where to draw. None: in a new figure.

    Returns
    -------
    Axes
        Where it is drawn.

    Raises
    ------
    ValueError
        If the pixel lies outside the image, or `direction` has another value.
    """
    pixel = _checked(mask, row, column)
    ax, line, unit = axes_or_new(ax, SIZE), line_of(mask, pixel, direction, reach), unit_of(mask)
    draw_line(ax, mask, line)
    ax.axvline(pixel[line.axis], color=FAINT, linewidth=0.8, zorder=0)
    ax.set_xlabel(("row", "column")[line.axis])
    ax.set_ylabel(labelled("minimum", unit))
    ax.legend(frameon=False, fontsize="small")
    way = "" if mask.dispaxis is None else f", {direction} the dispersion"
    titled(ax, f"Pixel ({pixel[0]}, {pixel[1]}){way}", mask, about(mask, pixel))
    return ax


def draw_line(ax: Axes, mask: GroupMask, line: Line) -> None:
    """Draw a cut, without names of axes."""
    found = mask.bad_pixels
    if line.noise is not None:
        below, above = line.median - line.noise, line.median + line.noise
        ax.fill_between(line.place, below, above, step="mid", color=NOISE, lw=0, label="noise")
    ax.plot(line.place, line.minimum, drawstyle="steps-mid", color=CURVE, lw=1, label="minimum")
    ax.plot(line.place, line.median, color=MEDIAN, linewidth=1.2, label="running median")
    cuts = ((found.cut_low, line.lower, LOW), (found.cut_high, line.upper, HIGH))
    for level, cut_at, colour in cuts:
        if math.isfinite(level):
            ax.plot(line.place, cut_at, color=colour, linewidth=1.0, linestyle="--", label=(
                f"cut: {level:.3g}{'' if line.noise is None else '× noise'}"
            ))  # fmt: skip
    for name, flagged, colour in (("low", line.low, LOW), ("high", line.high, HIGH)):
        if flagged.any():
            ax.plot(line.place[flagged], line.minimum[flagged], "o", color=colour, markersize=4,
                    label=f"flagged {name}")  # fmt: skip
    low, high = limits_of(line, found)
    for name, flagged, colour, edge in (
        ("low", line.low & (line.minimum < low), LOW, low),
        ("high", line.high & (line.minimum > high), HIGH, high),
    ):
        outside = line.place[flagged]
        if outside.size:
            mark, edges = "v" if name == "low" else "^", np.full(outside.size, edge)
            ax.plot(outside, edges, mark, color=colour, markersize=6, clip_on=False)
    ax.set_xlim(line.place[0] - 0.5, line.place[-1] + 0.5)
    ax.set_ylim(low, high)


def limits_of(line: Line, found: BadPixels) -> tuple[float, float]:
    """Return limits within which noise and cuts can be seen; flagged pixels may lie outside."""
    good = finite(line.minimum[~(line.low | line.high)])
    levels = finite(line.median)
    if not levels.size:
        return 0.0, 1.0
    noises = np.ones(1) if line.noise is None else finite(line.noise)
    noise = float(np.median(noises)) if noises.size else 0.0
    below, above = (
        abs(cut) * noise if math.isfinite(cut) else 0.0 for cut in (found.cut_low, found.cut_high)
    )
    low = min([float(levels.min()) - 1.5 * below * bool(line.low.any()), *good])
    high = max([float(levels.max()) + 1.8 * above, *good])
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def spectrum(
    mask: GroupMask, *, band: tuple[int, int] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the spectrum of a band of the minimum image, with and without the flagged pixels.

    Parameters
    ----------
    mask : GroupMask
        What to show.
    band : tuple of int, optional
        The columns (rows, if the dispersion is along x) to average: the first, and that after the
        last. None: the brightest ones, about as many as a slice has.
    ax : Axes, optional
        Where to draw. None: in a new figure.

    Returns
    -------
    Axes
        Where it is drawn.

    Raises
    ------
    ValueError
        If the band lies outside the image.
    """
    ax, drawn = axes_or_new(ax, SIZE), band_of(mask, band)
    place = np.arange(drawn.before.size)
    ax.plot(place, drawn.before, color=HIGH, linewidth=0.9, label="before")
    ax.plot(place, drawn.after, color=CURVE, linewidth=0.9, label="after: without flagged pixels")
    shown = finite(drawn.after)
    if shown.size:
        low, high = float(shown.min()), float(shown.max())
        margin = 0.25 * (high - low) or max(abs(high), 1.0)
        ax.set_ylim(low - margin, high + 2.0 * margin)
    line, along = ("row", "column") if drawn.axis == 1 else ("column", "row")
    ax.set_xlim(-0.5, place.size - 0.5)
    ax.set_xlabel(along + " (dispersion)" * (mask.dispaxis is not None))
    ax.set_ylabel(labelled("mean of the minimum", unit_of(mask)))
    ax.legend(fontsize="small", ncols=2, loc="upper left", edgecolor="none", framealpha=0.9)
    lines = f"{line}s {drawn.start} to {drawn.stop - 1}"
    flagged = counted(int(drawn.flagged.sum()), "flagged pixel")
    titled(ax, "Spectrum of a band", mask, f"{lines}, {flagged}")
    return ax


def about(mask: GroupMask, pixel: Pixel) -> str:
    """Return residual and significance of a pixel, and whether it is flagged."""
    found = mask.bad_pixels
    words = [f"residual {level_of(float(found.residual[pixel]), unit_of(mask))}"]
    if found.significance is not None:
        words.append(f"significance {found.significance[pixel]:.3g}")
    words.append("flagged" if found.mask[pixel] else "not flagged")
    return ", ".join(words)


def _checked(mask: GroupMask, row: int, column: int) -> Pixel:
    """Return a pixel, if it lies in the image."""
    pixel = index(row), index(column)
    for name, place, size in zip(("row", "column"), pixel, mask.minimum.shape, strict=True):
        if not 0 <= place < size:
            raise ValueError(f"{name} must be from 0 to {size - 1}, got {place}")
    return pixel
