"""Images: the minimum image, residual, significance, mask and DQ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays import percentiles
from ..arrays.bad_pixels import BadPixels
from ..arrays.floats import FloatArray
from ..arrays.summary import counted
from ..instrument import DO_NOT_USE, NON_SCIENCE, REFERENCE_PIXEL
from ..looks import HIGH, LOW, UNKNOWN
from .canvas import (
    CROWDED,
    KNOWN,
    Axes,
    Shown,
    axes_or_new,
    finite,
    found_of,
    labelled,
    root_of,
    titled,
    unit_of,
)

if TYPE_CHECKING:
    from ..step.group_mask import GroupMask

from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap

__all__ = ["dq", "mask", "minimum", "residual", "scatter_of", "significance"]

SIZE: Final = (6.4, 6.2)
"""Inches."""

DOT: Final = 1.3
"""The least size of a flag in points: a single pixel of a full frame would vanish."""

NORMAL: Final = 1.4826
"""The standard deviation of normal numbers, in units of the median of their absolute values."""


def minimum(mask: GroupMask, *, ax: Axes | None = None, flags: bool = True) -> Axes:
    """Draw the minimum image, with its flags in two colours.

    Parameters
    ----------
    mask : GroupMask
        What to show.
    ax : Axes, optional
        Where to draw. None: in a new figure.
    flags : bool, optional
        Whether to mark the flagged pixels.

    Returns
    -------
    Axes
        Where it is drawn; ``.figure`` is its figure.
    """
    ax = axes_or_new(ax, SIZE)
    found, unit = mask.bad_pixels, unit_of(mask)
    good = finite(mask.minimum[~found.mask])
    low, high = percentiles(good, np.array([0.5, 99.0])) if good.size else (0.0, 1.0)
    limits = _apart(low, high)
    image = _image(ax, mask.minimum, "gray_r", limits, interpolation=None)
    _colour_bar(ax, image, labelled("minimum", unit), "both")
    if flags:
        _mark_ends(ax, found)
    used = len(mask.used)
    titled(ax, "Minimum image", mask, counted(used, "exposure") if used else "")
    _name_axes(ax, mask)
    return ax


def residual(shown: Shown, *, ax: Axes | None = None, flags: bool = False) -> Axes:
    """Draw the residual: the minimum image minus its running median.

    Parameters
    ----------
    shown : GroupMask or BadPixels
        What to show.
    ax : Axes, optional
        Where to draw. None: in a new figure.
    flags : bool, optional
        Whether to mark the flagged pixels.

    Returns
    -------
    Axes
        Where it is drawn.
    """
    found = found_of(shown)
    limit = 5.0 * scatter_of(found.residual[~found.mask])
    label = labelled("residual", unit_of(shown))
    return _difference(shown, found.residual, "Residual", label, limit, ax=ax, flags=flags)


def significance(shown: Shown, *, ax: Axes | None = None, flags: bool = False) -> Axes:
    """Draw how far each pixel stands out from the noise. Only the sigma cut has it.

    Parameters
    ----------
    shown : GroupMask or BadPixels
        What to show.
    ax : Axes, optional
        Where to draw. None: in a new figure.
    flags : bool, optional
        Whether to mark the flagged pixels.

    Returns
    -------
    Axes
        Where it is drawn.

    Raises
    ------
    ValueError
        If the pixels were found with the fraction cut.
    """
    found = found_of(shown)
    if found.significance is None:
        raise ValueError(
            "the mask has no significance: its pixels were found with the fraction cut; draw the "
            "residual, or use the sigma cut"
        )
    limit = min(abs(found.cut_low), abs(found.cut_high))
    return _difference(
        shown,
        found.significance,
        "Significance",
        "significance (noise of one exposure)",
        limit if 0.0 < limit < math.inf else 5.0,
        ax=ax,
        flags=flags,
    )


def mask(shown: Shown, *, ax: Axes | None = None) -> Axes:
    """Draw the flagged pixels, those at the low and at the high end in two colours.

    Parameters
    ----------
    shown : GroupMask or BadPixels
        What to show. The crowded rows of a GroupMask are shaded.
    ax : Axes, optional
        Where to draw. None: in a new figure.

    Returns
    -------
    Axes
        Where it is drawn.
    """
    ax, found = axes_or_new(ax, SIZE), found_of(shown)
    empty = np.isnan(found.residual)
    _image(ax, empty, ListedColormap(["white", UNKNOWN]), (0.0, 1.0))
    crowded = () if isinstance(shown, BadPixels) else shown.crowded
    if not isinstance(shown, BadPixels):
        draw_span = ax.axvspan if shown.dispaxis == 2 else ax.axhspan
        for line in crowded:
            draw_span(line - 0.5, line + 0.5, color=CROWDED, alpha=0.35, linewidth=0)
    _mark_ends(ax, found)
    share = found.mask.mean() if found.mask.size else 0.0
    note = f"{100 * share:.3g} % flagged; grey: no residual"
    titled(ax, "Mask", shown, note + "; shaded: crowded" * bool(crowded))
    _name_axes(ax, shown)
    return ax


def dq(mask: GroupMask, *, ax: Axes | None = None) -> Axes:
    """Draw which pixels were known to be bad before, and which flags are new.

    Parameters
    ----------
    mask : GroupMask
        What to show.
    ax : Axes, optional
        Where to draw. None: in a new figure.

    Returns
    -------
    Axes
        Where it is drawn.

    Raises
    ------
    ValueError
        If the exposures have no DQ.
    """
    if mask.dq is None:
        raise ValueError(f"{mask.name}: the exposures have no DQ")
    ax = axes_or_new(ax, SIZE)
    unlit = (mask.dq & (NON_SCIENCE | REFERENCE_PIXEL)) > 0
    known = (mask.dq & DO_NOT_USE) > 0
    flagged = mask.bad_pixels.mask
    _image(ax, unlit, ListedColormap(["white", UNKNOWN]), (0.0, 1.0))
    _mark(ax, {
        "bad before": (known & ~unlit & ~flagged, KNOWN),
        "flagged, bad before": (flagged & known, CROWDED),
        "flagged, new": (flagged & ~known, HIGH),
    })  # fmt: skip
    titled(ax, "Data quality", mask, "grey: no science, or reference pixels")
    _name_axes(ax, mask)
    return ax


def scatter_of(values: FloatArray) -> float:
    """Return the robust standard deviation of the finite values about 0; 0 without any."""
    sizes = np.abs(finite(values))
    return NORMAL * float(np.median(sizes)) if sizes.size else 0.0


def _difference(
    shown: Shown,
    image: FloatArray,
    title: str,
    label: str,
    limit: float,
    *,
    ax: Axes | None,
    flags: bool,
) -> Axes:
    """Draw an image of differences about 0."""
    ax = axes_or_new(ax, SIZE)
    _colour_bar(ax, _image(ax, image, "RdBu_r", _apart(-limit, limit)), label, "both")
    if flags:
        _mark_ends(ax, found_of(shown))
    titled(ax, title, shown)
    _name_axes(ax, shown)
    return ax


def _image(
    ax: Axes,
    image: NDArray[Any],
    colours: str | Colormap,
    limits: tuple[float, float],
    interpolation: str | None = "nearest",
) -> ScalarMappable:
    """Show an image as detectors are shown: row 0 at the bottom.

    By default pixels are not averaged where the figure has fewer dots: single ones would vanish.
    """
    known = colormaps[colours] if isinstance(colours, str) else colours
    shades = known.with_extremes(bad=UNKNOWN)
    return ax.imshow(
        image,
        cmap=shades,
        vmin=limits[0],
        vmax=limits[1],
        origin="lower",
        interpolation=interpolation,
    )


def _colour_bar(ax: Axes, image: ScalarMappable, label: str, extend: str) -> None:
    ax.figure.colorbar(image, ax=ax, label=label, extend=extend, shrink=0.8, aspect=30, pad=0.02)


def _mark_ends(ax: Axes, found: BadPixels) -> None:
    _mark(ax, {"low": (found.low, LOW), "high": (found.high, HIGH)})


def _mark(ax: Axes, kinds: Mapping[str, tuple[NDArray[np.bool_], str]]) -> None:
    """Mark pixels of several kinds, each in its colour, and count them in a legend."""
    for name, (pixels, colour) in kinds.items():
        rows, columns = np.nonzero(pixels)
        ax.plot(
            columns,
            rows,
            linestyle="none",
            marker="s",
            markersize=_dot(ax, pixels.shape),
            markeredgewidth=0,
            color=colour,
            label=f"{name}: {rows.size}",
            rasterized=True,
            scalex=False,
            scaley=False,
        )
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.11),
        ncols=len(kinds),
        frameon=False,
        fontsize="small",
        markerscale=6.0 / _dot(ax, next(iter(kinds.values()))[0].shape),
        handletextpad=0.1,
        borderaxespad=0.0,
    )


def _dot(ax: Axes, shape: tuple[int, ...]) -> float:
    """Return the size of a pixel in points, or that of the smallest mark if it is smaller."""
    points = 72.0 / root_of(ax.figure).dpi
    rows, columns = shape
    return max(DOT, points * min(ax.bbox.width / columns, ax.bbox.height / rows))


def _name_axes(ax: Axes, shown: Shown) -> None:
    """Name the axes, and which one is that of the dispersion."""
    dispaxis = None if isinstance(shown, BadPixels) else shown.dispaxis
    ax.set_xlabel("column" + " (dispersion)" * (dispaxis == 1))
    ax.set_ylabel("row" + " (dispersion)" * (dispaxis == 2))


def _apart(low: float, high: float) -> tuple[float, float]:
    """Return limits of a colour scale that differ."""
    return (float(low), float(high)) if low < high else (low - 1.0, high + 1.0)
