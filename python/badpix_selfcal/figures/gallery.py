"""The gallery: the strongest and the borderline pixels, each with its surroundings and its cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from ..arrays import percentiles
from ..looks import FAINT, HIGH, LOW, UNKNOWN
from ..views.cuts import ALONG, line_of, part_of
from ..views.pixels import IN_GALLERY, Pixel, borderline, strongest
from .canvas import Axes, NotebookFigure, finite, labelled, level_of, name_of, unit_of
from .cuts import draw_line

if TYPE_CHECKING:
    from ..step.group_mask import GroupMask

from matplotlib import colormaps

__all__ = ["Which", "gallery"]

Which: TypeAlias = Literal["strongest", "borderline"]

REACH: Final = 10
"""Pixels to either side in the images."""

MOST_PER_ROW: Final = 8

NOTES: Final = {
    "strongest": "the brightest pixels of the strongest groups of flags; good: single pixels, or "
    "groups with sharp edges",
    "borderline": "the pixels nearest to the cuts, of a group of flags the brightest; grey titles: "
    "not flagged",
}


def gallery(
    mask: GroupMask,
    *,
    which: Which = "strongest",
    count: int = IN_GALLERY,
    figure: Any = None,
) -> Any:
    """Draw the strongest or the borderline pixels: their surroundings, and a cut through each.

    Parameters
    ----------
    mask : GroupMask
        What to show.
    which : {"strongest", "borderline"}, optional
        The pixels.
    count : int, optional
        How many, at most.
    figure : Figure or SubFigure, optional
        Where to draw. None: a new figure.

    Returns
    -------
    Figure or SubFigure
        Where it is drawn.

    Raises
    ------
    ValueError
        If `which` has another value, or `count` is less than 1.
    """
    if which not in NOTES:
        raise ValueError(f"which must be 'strongest' or 'borderline', got {which!r}")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    choose = strongest if which == "strongest" else borderline
    pixels = choose(mask.bad_pixels, count)
    lines = -(-count // MOST_PER_ROW)
    per_row = -(-count // lines)
    if figure is None:
        figure = NotebookFigure(figsize=(2.1 * per_row, 3.6 * lines + 0.7), layout="constrained")
    note = NOTES[which] if pixels else "there are none"
    figure.suptitle(
        f"{which.capitalize()} pixels: {name_of(mask)}\n",
        x=0.01, ha="left", fontsize="medium", fontweight="bold",
    )  # fmt: skip
    figure.text(0.01, 0.985, "\n" + note, ha="left", va="top", fontsize="small")
    panels = figure.subplots(
        2 * lines, per_row, squeeze=False, gridspec_kw={"height_ratios": [3, 2] * lines}
    )
    for panel in panels.flat:
        panel.set_axis_off()
    for number, pixel in enumerate(pixels):
        top, column = 2 * (number // per_row), number % per_row
        _surroundings(panels[top, column], mask, pixel)
        _cut(panels[top + 1, column], mask, pixel)
        if column == 0:
            panels[top + 1, 0].set_ylabel(labelled("minimum", unit_of(mask)), fontsize="x-small")
    return figure


def _surroundings(panel: Axes, mask: GroupMask, pixel: Pixel) -> None:
    """Draw the minimum image around a pixel, with frames around flagged pixels."""
    panel.set_axis_on()
    starts = [max(place - REACH, 0) for place in pixel]
    at = tuple(slice(start, place + REACH + 1) for start, place in zip(starts, pixel, strict=True))
    image, part = mask.minimum[at], part_of(mask.bad_pixels, at)
    good = finite(image[~part.mask])
    low, high = percentiles(good, np.array([1.0, 99.0])) if good.size else (0.0, 1.0)
    high = low + max(2.0 * (high - low), 1e-6 * abs(low), 1e-30)
    rows, columns = image.shape
    extent = (starts[1] - 0.5, starts[1] + columns - 0.5, starts[0] - 0.5, starts[0] + rows - 0.5)
    shades = colormaps["gray_r"].with_extremes(bad=UNKNOWN)
    panel.imshow(image, cmap=shades, vmin=low, vmax=high, origin="lower", extent=extent)
    for end, colour in ((part.low, LOW), (part.high, HIGH)):
        corners = np.argwhere(end) + starts
        frames = [Rectangle((x - 0.5, y - 0.5), 1, 1) for y, x in corners]
        panel.add_collection(PatchCollection(frames, fc="none", ec=colour, linewidth=1.1))
    panel.tick_params(labelsize="x-small", length=2)
    panel.locator_params(nbins=3)
    inside = pixel[0] - starts[0], pixel[1] - starts[1]
    colour = LOW if part.low[inside] else HIGH if part.high[inside] else FAINT
    title = f"({pixel[0]}, {pixel[1]})  {_value(mask, pixel)}"
    panel.set_title(title, fontsize="small", color=colour)


def _cut(panel: Axes, mask: GroupMask, pixel: Pixel) -> None:
    """Draw the cut through a pixel along the dispersion."""
    panel.set_axis_on()
    line = line_of(mask, pixel, "along", ALONG)
    draw_line(panel, mask, line)
    panel.axvline(pixel[line.axis], color=FAINT, linewidth=0.8, zorder=0)
    panel.tick_params(labelsize="x-small", length=2)
    panel.locator_params(nbins=3)
    panel.set_xlabel(("row", "column")[line.axis], fontsize="x-small", labelpad=1)


def _value(mask: GroupMask, pixel: Pixel) -> str:
    """Return what is compared with the cuts."""
    found = mask.bad_pixels
    if found.significance is not None:
        return f"{found.significance[pixel]:.4g}× noise"
    return level_of(float(found.residual[pixel]), unit_of(mask))
