"""Figures of a mask: images, counts, profiles, spectra, galleries, and a page of the main ones.

What all functions share:

mask, shown : Mask, or where that is enough BadPixels
    What is drawn. A `MaskError` is raised if it holds flags only, as a file of other origin does.
ax : Axes, optional
    Where to draw. None: in a new figure, which a notebook shows.
flags : bool, optional
    Whether the flags are marked.

They return the Axes; ``.figure`` is their figure. The state of matplotlib (pyplot, backend,
rcParams) never changes. Rows and columns are counted from 0; row 0 is at the bottom.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import index
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from ..arrays import percentiles
from ..arrays.bad_pixels import BadPixels, cuts_of, flags_of
from ..arrays.checks import FloatArray
from ..arrays.display import BLACK, HIGH, LOW, NAMES_OF_AXES, UNKNOWN, counted
from ..instrument import DO_NOT_USE, IMAGE_AXIS, NON_SCIENCE, REFERENCE_PIXEL
from ..masks.mask import Mask
from . import shown as chosen
from .left import NORMAL

__all__ = [
    *("minimum", "residual", "significance", "mask", "dq"),
    *("histogram", "rows", "columns", "slices"),
    *("profile", "spectrum", "gallery", "figure"),
]

Shown: TypeAlias = Mask | BadPixels
"""What a figure shows. A mask also has names and units."""

GREEN: Final = "#009E73"
PINK: Final = "#CC79A7"
FAINT: Final = "#8C8C8C"
NOISE: Final = "#9AD8C4"
UNFLAGGED: Final = "#BDBDBD"
ENDS: Final = {"low": LOW, "high": HIGH, "": FAINT}  # flagged at either end, not flagged

IMAGE: Final = (6.4, 6.2)
GRAPH: Final = (7.0, 4.0)
"""The sizes of figures, inches."""

DOT: Final = 1.3
"""The least size of a flag in points: a single pixel of a full frame would vanish."""

LARGEST: Final = 1e300
"""The largest number of a graph; there must be some room beyond it."""

REACH: Final = 10
"""Pixels to either side in the images of a gallery."""

NOTES: Final = {
    "strongest": "the brightest pixels (column, row) of the strongest groups of flags; good: "
    "single pixels, or groups with sharp edges",
    "borderline": "the pixels (column, row) nearest to the cuts, of a group of flags the "
    "brightest; grey titles: not flagged",
}


def _png(shown: Any) -> bytes:
    drawn = io.BytesIO()
    shown.figure.canvas.figure.savefig(drawn, format="png", dpi=110)
    return drawn.getvalue()


class _Shown(Figure):
    """A figure that a notebook shows, whatever its backend."""

    _repr_png_ = _png


class _ShownAxes(Axes):
    """The only Axes of a figure, which a notebook shows as the figure."""

    _repr_png_ = _png


# ---- Images ---------------------------------------------------------------------------------


def minimum(mask: Mask, *, ax: Axes | None = None, flags: bool = True) -> Axes:
    """Draw the minimum image."""
    image, found = chosen.images_of(mask)
    note = counted(len(mask.used), "exposure") if mask.used else ""
    label, levels = _label("minimum", mask), _levels(image[~found.mask], 0.5)
    ax = _scaled(mask, image, levels, label, ax, flags=flags, cmap="gray_r", interpolation=None)
    return _titled(ax, "Minimum image", mask, note)


def residual(shown: Shown, *, ax: Axes | None = None, flags: bool = False) -> Axes:
    """Draw the residual: the minimum image minus its running median."""
    found = _found(shown)
    limit = 5.0 * _scatter(found.residual[~found.mask])
    label = _label("residual", shown)
    ax = _scaled(shown, found.residual, (-limit, limit), label, ax, flags=flags)
    return _titled(ax, "Residual", shown)


def significance(shown: Shown, *, ax: Axes | None = None, flags: bool = False) -> Axes:
    """Draw how far each pixel stands out from the noise.

    A ValueError is raised if the pixels were found with the fraction cut, which has no
    significance.
    """
    found = _found(shown)
    if found.significance is None:
        name = f"{shown.title}: " if isinstance(shown, Mask) else ""
        raise ValueError(
            f"{name}the mask has no significance: its pixels were found with the fraction cut; "
            "draw the residual, or use the sigma cut"
        )
    limit = min(abs(found.cut_low), abs(found.cut_high))
    limit = limit if 0.0 < limit < math.inf else 5.0
    label = "significance (noise of one exposure)"
    ax = _scaled(shown, found.significance, (-limit, limit), label, ax, flags=flags)
    return _titled(ax, "Significance", shown)


def mask(shown: Shown, *, ax: Axes | None = None) -> Axes:
    """Draw the flagged pixels, those at either end in a colour; crowded rows are shaded."""
    ax, found = _axes(ax, IMAGE), _found(shown)
    _image(ax, np.isnan(found.residual))
    note = f"{found.share:g} % flagged; grey: no residual"
    if isinstance(shown, Mask) and shown.crowded:
        note += "; shaded: crowded"
        shade = ax.axvspan if shown.dispaxis == 2 else ax.axhspan
        for line in shown.crowded:
            shade(line - 0.5, line + 0.5, color=PINK, alpha=0.35, linewidth=0)
    _mark(ax, shown, {"low": (found.low, LOW), "high": (found.high, HIGH)})
    return _titled(ax, "Mask", shown, note)


def dq(mask: Mask, *, ax: Axes | None = None) -> Axes:
    """Draw which pixels were known to be bad before, and which flags are new.

    A ValueError is raised if the exposures have no DQ.
    """
    if mask.dq is None:
        raise ValueError(f"{mask.title}: the mask has no dq: the exposures have no DQ")
    ax, flagged = _axes(ax, IMAGE), mask.flags
    unlit = (mask.dq & (NON_SCIENCE | REFERENCE_PIXEL)) > 0
    known = (mask.dq & DO_NOT_USE) > 0
    _image(ax, unlit)
    _mark(ax, mask, {
        "bad before": (known & ~unlit & ~flagged, GREEN),
        "flagged, bad before": (flagged & known, PINK),
        "flagged, new": (flagged & ~known, HIGH),
    })  # fmt: skip
    return _titled(ax, "Data quality", mask, "grey: no science, or reference pixels")


def _scaled(
    shown: Shown, image: FloatArray, levels: tuple[float, float], label: str, ax: Axes | None, *,
    flags: bool, cmap: str = "RdBu_r", **how: Any,
) -> Axes:  # fmt: skip
    """Draw an image with a scale of colours."""
    ax, found, (low, high) = _axes(ax, IMAGE), _found(shown), levels
    if not low < high:
        low, high = low - 1.0, high + 1.0
    drawn = _image(ax, image, low, high, colormaps[cmap], **how)
    ax.figure.colorbar(drawn, ax=ax, label=label, extend="both", shrink=0.8, aspect=30, pad=0.02)
    _mark(ax, shown, {"low": (found.low, LOW), "high": (found.high, HIGH)} if flags else {})
    return ax


def _image(
    ax: Axes, image: NDArray[Any], low: float = 0.0, high: float = 1.0,
    colours: Any = ListedColormap(["white", UNKNOWN]), **how: Any,  # noqa: B008
) -> Any:  # fmt: skip
    """Show an image. Pixels are not averaged where dots are fewer: single ones would vanish."""
    how = {"interpolation": "nearest", "origin": "lower", "vmin": low, "vmax": high, **how}
    return ax.imshow(image, cmap=colours.with_extremes(bad=UNKNOWN), **how)


def _mark(ax: Axes, shown: Shown, kinds: Mapping[str, tuple[NDArray[np.bool_], str]]) -> None:
    """Mark pixels of several kinds, each in its colour, and count them; name the axes."""
    (rows, columns), points = _found(shown).mask.shape, 72.0 / ax.figure.canvas.figure.dpi
    size = max(DOT, points * min(ax.bbox.width / columns, ax.bbox.height / rows))
    for name, (pixels, colour) in kinds.items():
        y, x = np.nonzero(pixels)
        ax.plot(x, y, "s", color=colour, markersize=size, markeredgewidth=0, rasterized=True,
                scalex=False, scaley=False, label=f"{name}: {y.size}")  # fmt: skip
    if kinds:
        _legend(ax, markerscale=6.0 / size, handletextpad=0.1)
    dispaxis = getattr(shown, "dispaxis", None)
    ax.set_xlabel("column" + " (dispersion)" * (dispaxis == 1))
    ax.set_ylabel("row" + " (dispersion)" * (dispaxis == 2))


# ---- Counts ---------------------------------------------------------------------------------


def histogram(shown: Shown, *, ax: Axes | None = None) -> Axes:
    """Draw the histogram of what is cut: the residual, or with the sigma cut the significance.

    The bins are of equal width near 0 and grow further out, as the scale of the axis does.
    """
    ax, found, unit = _axes(ax, GRAPH), _found(shown), ""
    quantity = label = "significance"
    if found.significance is None:
        quantity, unit, label = "residual", getattr(shown, "unit", ""), _label("residual", shown)
    values = _finite(found.compared).astype(np.float64)
    width = _scatter(values) or 1.0
    least, most = _range(values, -1.0)
    low, high = np.arcsinh(np.clip([least, most], -LARGEST, LARGEST) / width)
    margin = max(0.02 * (high - low), 0.1)
    edges = width * np.sinh(np.linspace(low - margin, high + margin, 161))
    counts, _ = np.histogram(values, edges)
    ax.set_xlim(edges[0], edges[-1])  # first: margins that matplotlib chooses may overflow
    ax.set_ylim(0.6, max(10.0, 2.0 * int(counts.max())))
    ax.set_yscale("log", nonpositive="clip")  # after the limits: there may be nothing to scale to
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")  # formulas of matplotlib take long
    ax.yaxis.set_major_formatter(
        lambda value, _: "10" + f"{math.log10(value):.0f}".translate(raised)
    )
    ax.yaxis.set_minor_formatter(NullFormatter())
    _steps(ax, counts, edges, UNFLAGGED, f"all pixels: {values.size}")
    for name, pixels in (("low", found.low), ("high", found.high)):
        counts, _ = np.histogram(_finite(found.compared[pixels]).astype(np.float64), edges)
        _steps(ax, counts, edges, ENDS[name], f"flagged {name}: {np.count_nonzero(pixels)}")
    far = max(LARGEST * min(width, 1.0), np.abs(edges).max())  # the axis divides by the width
    for cut_at, colour in ((found.cut_low, LOW), (found.cut_high, HIGH)):
        if np.isfinite(cut_at):
            text, place = f"cut at {_level(cut_at, unit)}", np.clip(cut_at, -far, far)
            ax.axvline(place, color=colour, linestyle="--", linewidth=1.0, label=text)
    ax.set_xscale("asinh", linear_width=width)
    ax.xaxis.set_major_locator(FixedLocator(_ticks(edges, width)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set(xlabel=label, ylabel="pixels")
    _legend(ax)
    note = "" if values.size else "no pixel has one"
    return _titled(ax, f"What is cut: the {quantity}", shown, note)


def rows(shown: Shown, *, ax: Axes | None = None) -> Axes:
    """Draw the number of flags in each row."""
    return _flags_of_lines(shown, "row", ax)


def columns(shown: Shown, *, ax: Axes | None = None) -> Axes:
    """Draw the number of flags in each column."""
    return _flags_of_lines(shown, "column", ax)


def slices(mask: Mask, *, ax: Axes | None = None) -> Axes:
    """Draw the number of flags in each slice, or in bands of equal width."""
    ax, found, parts = _axes(ax, GRAPH), _found(mask), chosen.slices_of(mask)
    counts = np.array([parts.counts(found.low), parts.counts(found.high)])
    number = counts.shape[1]
    _counts(ax, counts, np.add.outer(np.arange(1, number + 1), [-0.4, 0.4]).ravel(), "slice")
    ax.set_xlim(0.6 - 0.05 * number, 0.4 + 1.05 * number)
    ax.set_xlabel("slice, from left to right or from below")
    return _titled(ax, "Flags per slice", mask, parts.source)


def _flags_of_lines(shown: Shown, line: str, ax: Axes | None) -> Axes:
    """Draw the number of flags in each row or column, low below high."""
    ax, found, across = _axes(ax, GRAPH), _found(shown), int(line == "row")
    counts = np.array([np.count_nonzero(end, axis=across) for end in (found.low, found.high)])
    edges, crowded = np.arange(counts.shape[1] + 1) - 0.5, []
    if isinstance(shown, Mask) and IMAGE_AXIS[shown.dispaxis] == across:
        crowded = [each for each in shown.crowded if each < counts.shape[1]]
    _counts(ax, counts, edges, line, crowded)
    ax.set(xlim=edges[[0, -1]], xlabel=line)
    return _titled(ax, f"Flags per {line}", shown)


def _steps(ax: Axes, top: Any, edges: Any, colour: str, label: str, bottom: Any = 0) -> None:
    """Fill steps. `Axes.stairs` would look for limits, which takes as long as all the drawing."""
    ax.add_artist(StepPatch(top, edges, baseline=bottom, fill=True, color=colour, label=label))


def _counts(
    ax: Axes, counts: NDArray[np.intp], edges: Any, line: str, crowded: Sequence[int] = ()
) -> None:
    """Draw numbers of low flags, above them those of high ones, and their median."""
    total = counts.sum(axis=0)
    low, high = counts
    if edges.size > total.size + 1:  # there are gaps
        low, high = np.insert(counts, np.arange(1, total.size), 0, axis=1)
    _steps(ax, low, edges, LOW, f"low: {low.sum()}")
    _steps(ax, low + high, edges, HIGH, f"high: {high.sum()}", low)
    if crowded:
        ax.plot(crowded, total[[*crowded]], "v", color=PINK, markersize=5, clip_on=False,
                label=f"crowded: {len(crowded)}")  # fmt: skip
    usual = float(np.median(total)) if total.size else 0.0
    ax.axhline(usual, color=FAINT, linewidth=1.0, label=f"median: {usual:g}")
    ax.set(ylim=(0.0, max(4.0, 1.1 * float(total.max(initial=0)))))
    ax.set_ylabel(f"flagged pixels per {line}")
    _legend(ax)


def _ticks(edges: NDArray[np.float64], width: float) -> list[float]:
    """Return 0 and the powers of ten of both signs that are not too near to it."""
    first, last = (math.ceil(math.log10(each)) for each in (2.0 * width, np.abs(edges).max()))
    powers = [sign * 10.0**power for power in range(first, last + 1) for sign in (-1.0, 1.0)]
    return [each for each in (0.0, *sorted(powers)) if edges[0] <= each <= edges[-1]]


# ---- Profiles and spectra -----------------------------------------------------------------------


def profile(
    mask: Mask,
    *,
    column: int,
    row: int,
    direction: chosen.Direction = "along",
    reach: int = 25,
    ax: Axes | None = None,
) -> Axes:
    """Draw the profile through a pixel: minimum image, running median, noise and cuts.

    It runs along the dispersion, or across it, for `reach` pixels to either side. A ValueError is
    raised if the pixel lies outside the image, or `direction` has another value.

    With the sigma cut, the cuts lie at as many times the noise from the light nearby, along the
    dispersion and across it, not from the running median. So flagged samples lie beyond them
    (``docs/explanation/sigma-cut.md``).
    """
    pixel, found = (index(row), index(column)), _found(mask)
    for name, place, size in zip(("row", "column"), pixel, mask.flags.shape, strict=True):
        if not 0 <= place < size:
            raise ValueError(f"{name} must be from 0 to {size - 1}, got {place}")
    shown, ax = chosen.profile_of(mask, pixel, direction, reach), _axes(ax, GRAPH)
    _draw_profile(ax, found, shown, pixel)
    ax.set(xlabel=("row", "column")[shown.axis], ylabel=_label("minimum", mask))
    _legend(ax)
    way = "" if mask.dispaxis is None else f", {direction} the dispersion"
    words = [f"residual {_level(float(found.residual[pixel]), mask.unit)}"]
    if found.significance is not None:
        words.append(f"significance {found.significance[pixel]:.3g}")
    words.append("flagged" if found.mask[pixel] else "not flagged")
    return _titled(ax, f"Column {column}, row {row}{way}", mask, ", ".join(words))


def _draw_profile(ax: Axes, found: BadPixels, line: chosen.Profile, pixel: chosen.Pixel) -> None:
    """Draw a profile, without names of axes. Flagged samples beyond the limits are marked there."""
    if line.noise is not None:
        below, above = line.median - line.noise, line.median + line.noise
        ax.fill_between(line.place, below, above, step="mid", color=NOISE, lw=0, label="noise")
    ax.plot(line.place, line.minimum, drawstyle="steps-mid", color=BLACK, lw=1, label="minimum")
    ax.plot(line.place, line.median, color=GREEN, linewidth=1.2, label="running median")
    low, high = _limits(line, found)
    ends = (
        ("low", found.cut_low, line.lower, line.low, line.minimum < low, low, "v"),
        ("high", found.cut_high, line.upper, line.high, line.minimum > high, high, "^"),
    )
    for name, level, cut_at, *_ in ends:
        if math.isfinite(level):
            label = f"cut: {level:.3g}{'' if line.noise is None else '× noise'}"
            ax.plot(line.place, cut_at, color=ENDS[name], linewidth=1, linestyle="--", label=label)
    for name, _, _, flagged, beyond, edge, marker in ends:
        style: dict[str, Any] = {"color": ENDS[name], "linestyle": "none"}
        if flagged.any():
            ax.plot(line.place[flagged], line.minimum[flagged], marker="o", markersize=4,
                    label=f"flagged {name}", **style)  # fmt: skip
        outside = line.place[flagged & beyond]
        if outside.size:
            edges = np.full(outside.size, edge)
            ax.plot(outside, edges, marker=marker, markersize=6, clip_on=False, **style)
    ax.axvline(pixel[line.axis], color=FAINT, linewidth=0.8, zorder=0)
    ax.set(xlim=(line.place[0] - 0.5, line.place[-1] + 0.5), ylim=(low, high))


def _limits(line: chosen.Profile, found: BadPixels) -> tuple[float, float]:
    """Return limits within which noise and cuts can be seen; flagged pixels may lie outside."""
    good, levels = _finite(line.minimum[~(line.low | line.high)]), _finite(line.median)
    if not levels.size:
        return 0.0, 1.0
    noises = np.ones(1) if line.noise is None else _finite(line.noise)
    noise = float(np.median(noises)) if noises.size else 0.0
    below, above = (
        abs(x) * noise if math.isfinite(x) else 0.0 for x in (found.cut_low, found.cut_high)
    )
    least, most = _range(levels)
    # Plain numbers: the difference of two of float32 may be infinite.
    low = min([least - 1.5 * below * bool(line.low.any()), *good.tolist()])
    high = max([most + 1.8 * above, *good.tolist()])
    margin = 0.08 * (high - low) or 1.0
    end = min(float(np.finfo(line.minimum.dtype).max), LARGEST)
    return max(low - margin, -end), min(high + margin, end)


def small_profiles(
    mask: Mask, pixels: Iterable[int], strips: chosen.Strips, most: int
) -> Iterator[Figure]:
    """Draw both profiles of some pixels side by side on one scale, with `most` exposures at most.

    It is the same figure for all pixels, which are flat indices: new Axes would take long. The
    scale is that of `gallery`, widened to the pixel itself: bright neighbours may lie beyond it.
    """
    # The user's default layout may be another; the stub does not know "none".
    figure = Figure(figsize=(3.2, 1.26), layout="none")  # type: ignore[arg-type]
    number = min(most, len(strips.names))
    minimum, found = chosen.images_of(mask)
    panels = figure.subplots(1, 2, width_ratios=[reach for _, reach, _ in chosen.HALVES])
    figure.subplots_adjust(0, 0, 1, 1, wspace=0.12)
    for panel, (_, reach, _) in zip(panels, chosen.HALVES, strict=True):
        panel.set_axis_off()
        panel.set_autoscale_on(False)  # numbers may be so large that margins overflow
        panel.set_xlim(-reach, reach)
        for _ in range(number):
            panel.plot([], [], color=FAINT, linewidth=0.8, alpha=0.7)
        panel.plot([], [], color=HIGH, linewidth=0.8, linestyle="--")
        panel.plot([], [], color=LOW, linewidth=1.3)
        panel.axvline(0, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)), zorder=1.5)
    where = {int(pixel): place for place, pixel in enumerate(strips.pixels)}
    none = np.full((number, chosen.SAMPLES), np.nan, np.float32)
    for flat in pixels:
        exposures = strips.values[:number, where[flat]] if flat in where else none
        pixel = divmod(flat, mask.flags.shape[1])
        known = _finite(minimum[pixel]).tolist()
        for panel, (direction, reach, first) in zip(panels, chosen.HALVES, strict=True):
            line = chosen.profile_of(mask, pixel, direction, reach)
            place = line.place - pixel[line.axis]
            values = (*exposures[:, first + reach + place], line.median, line.minimum)
            known += map(float, _limits(line, found))
            for artist in panel.collections:
                artist.remove()
            panel.fill_between(place, line.lower, line.upper, color=FAINT, alpha=0.22, lw=0)
            for artist, each in zip(panel.lines, values, strict=False):  # the last one stays
                artist.set_data(place, each)
        low, high = np.clip((min(known), max(known)), -LARGEST, LARGEST)
        margin = 0.05 * (high - low) or 1.0 + 0.05 * abs(low)  # of large values 1 is nothing
        for panel in panels:
            panel.set_ylim(low - margin, high + margin)
        yield figure


def spectrum(mask: Mask, *, band: tuple[int, int] | None = None, ax: Axes | None = None) -> Axes:
    """Draw the spectrum of a band of the minimum image, with and without the flagged pixels.

    `band` are the columns (rows, if the dispersion is along x) to average: the first, and that
    after the last. None: the brightest ones, about as many as a slice has. A ValueError is raised
    if the band lies outside the image.
    """
    axis, (image, found) = chosen.axis_of(mask.dispaxis, "along"), chosen.images_of(mask)
    image = np.where(np.isfinite(image), image, np.nan).astype(float)
    lines, good = image.shape[1 - axis], np.where(found.mask, np.nan, image)
    start, stop = band or chosen.brightest_band(chosen.mean_of(good, axis))
    if not 0 <= start < stop <= lines:
        raise ValueError(
            f"band must be (start, stop) with 0 <= start < stop <= {lines}, got {(start, stop)}"
        )
    at = np.s_[:, start:stop] if axis == 0 else np.s_[start:stop]
    before, after = (chosen.mean_of(each[at], 1 - axis) for each in (image, good))
    ax, levels = _axes(ax, GRAPH), _finite(after)
    ax.plot(before, color=HIGH, linewidth=0.9, label="before")
    ax.plot(after, color=BLACK, linewidth=0.9, label="after: without flagged pixels")
    if levels.size:
        low, high = _range(levels)
        margin = 0.25 * (high - low) or max(abs(high), 1.0)
        ax.set_ylim(low - margin, high + margin)
    along, line = ("row", "column")[:: 1 - 2 * axis]
    along += " (dispersion)" * (mask.dispaxis is not None)
    label = _label("mean of the minimum", mask)
    ax.set(xlim=(-0.5, before.size - 0.5), xlabel=along, ylabel=label)
    _legend(ax)
    flagged = counted(int(np.count_nonzero(found.mask[at])), "flagged pixel")
    return _titled(ax, "Spectrum of a band", mask, f"{line}s {start} to {stop - 1}, {flagged}")


# ---- Galleries and the page -----------------------------------------------------------------


def gallery(
    mask: Mask,
    *,
    which: Literal["strongest", "borderline"] = "strongest",
    count: int = chosen.IN_GALLERY,
    figure: Any = None,
) -> Any:
    """Draw the strongest or the borderline pixels: their surroundings, and the profile of each.

    There are at most `count` pixels, drawn in a Figure or SubFigure, which is returned; None: in a
    new one. A ValueError is raised if `which` has another value, or `count` is less than 1.
    """
    if which not in NOTES:
        raise ValueError(f"which must be 'strongest' or 'borderline', got {which!r}")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    found = _found(mask)
    pixels = (chosen.strongest if which == "strongest" else chosen.borderline)(found, count)
    lines = -(-count // 8)
    per_row = -(-count // lines)
    if figure is None:
        figure = _Shown(figsize=(2.1 * per_row, 3.6 * lines + 0.7), layout="constrained")
    figure.suptitle(
        f"{which.capitalize()} pixels: {chosen.mode_of(mask) or mask.name}\n",
        x=0.01, ha="left", fontsize="medium", fontweight="bold",
    )  # fmt: skip
    note = NOTES[which] if pixels else "there are none"
    figure.text(0.01, 0.985, "\n" + note, ha="left", va="top", fontsize="small")
    panels = figure.subplots(2 * lines, per_row, squeeze=False, height_ratios=[3, 2] * lines)
    for panel in panels.flat:
        panel.set_axis_off()
    for number, flat in enumerate(pixels):
        pixel = divmod(flat, mask.flags.shape[1])
        line, column = divmod(number, per_row)
        above, below = panels[2 * line : 2 * line + 2, column]
        _surroundings(above, mask, pixel)
        along = chosen.profile_of(mask, pixel, "along", chosen.ALONG)
        _draw_profile(below, found, along, pixel)
        below.set_xlabel(("row", "column")[along.axis], fontsize="x-small", labelpad=1)
        if column == 0:
            below.set_ylabel(_label("minimum", mask), fontsize="x-small")
        for panel in (above, below):
            panel.set_axis_on()
            panel.tick_params(labelsize="x-small", length=2)
            panel.locator_params(nbins=3)
    return figure


def _surroundings(panel: Axes, mask: Mask, pixel: chosen.Pixel) -> None:
    """Draw the minimum image around a pixel, with frames around flagged pixels."""
    minimum, found = chosen.images_of(mask)
    starts = [max(place - REACH, 0) for place in pixel]
    at = tuple(slice(start, place + REACH + 1) for start, place in zip(starts, pixel, strict=True))
    image, part = minimum[at], chosen.part_of(found, at)
    low, high = _levels(image[~part.mask], 1.0)
    high = low + max(2.0 * (high - low), 1e-6 * abs(low), 1e-30)
    y, x = starts[0] - 0.5, starts[1] - 0.5
    extent = (x, x + image.shape[1], y, y + image.shape[0])
    _image(panel, image, low, high, colormaps["gray_r"], interpolation=None, extent=extent)
    for end, colour in ((part.low, LOW), (part.high, HIGH)):
        frames = [Rectangle((x + column, y + row), 1, 1) for row, column in np.argwhere(end)]
        panel.add_collection(PatchCollection(frames, fc="none", ec=colour, linewidth=1.1))
    if found.significance is None:
        value = _level(float(found.residual[pixel]), mask.unit)
    else:
        value = f"{found.significance[pixel]:.4g}× noise"
    title = f"({pixel[1]}, {pixel[0]})  {value}"
    panel.set_title(title, fontsize="small", color=ENDS[chosen.end_of(found, pixel)])


def figure(shown: Mask) -> Figure:
    """Draw a page with the main figures of a mask; a notebook shows it."""
    found, how, (height, width) = _found(shown), shown.parameters, shown.flags.shape
    cut_by = "" if how is None else f"{how.cut} cut, kernel {how.kernel_size}: "
    about = (
        f"{shown.name}: {counted(len(shown.used), 'exposure')} of {height} x {width} pixels, "
        f"dispersion axis {NAMES_OF_AXES[shown.dispaxis]}\n"
        f"{cut_by}{cuts_of(found)}; flagged {flags_of(found)}\n"
        f"badpix-selfcal {shown.version}, {shown.made} UTC"
    )
    page = _Shown(figsize=(16.0, 19.6), layout="constrained")
    parts = page.subfigures(5, 1, squeeze=False, height_ratios=[1.0, 5.4, 6.4, 3.6, 3.6])
    head, pictures, graphs, strong, border = parts.ravel()
    title = chosen.mode_of(shown) or shown.name
    head.text(0.01, 0.95, title, fontsize="xx-large", fontweight="bold", va="top")
    head.text(0.01, 0.55, about, fontsize="medium", va="top", linespacing=1.5)
    left, middle, right = pictures.subplots(1, 3)
    minimum(shown, ax=left, flags=False)
    residual(shown, ax=middle)
    mask(shown, ax=right)
    draws: tuple[Callable[..., Axes], ...] = (histogram, spectrum, columns, rows)
    for draw, ax in zip(draws, graphs.subplots(2, 2).flat, strict=True):
        draw(shown, ax=ax)
    gallery(shown, which="strongest", count=8, figure=strong)
    gallery(shown, which="borderline", count=8, figure=border)
    return page


# ---- What all figures share -----------------------------------------------------------------


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the Axes given, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    return _Shown(figsize=size, layout="constrained").add_subplot(axes_class=_ShownAxes)


def _found(shown: Shown) -> BadPixels:
    return shown if isinstance(shown, BadPixels) else chosen.images_of(shown)[1]


def _label(quantity: str, shown: Shown) -> str:
    """Return the label of an axis: ``residual (DN/s)``. Only a mask has a unit."""
    return f"{quantity} ({shown.unit})" if isinstance(shown, Mask) and shown.unit else quantity


def _level(value: float, unit: str) -> str:
    """Return a value as text: ``3.16 DN/s``."""
    return f"{value:.3g} {unit}".strip()


def _titled(ax: Axes, title: str, shown: Shown, note: str = "") -> Axes:
    """Write a title, what is shown, and a note in smaller letters."""
    name = "" if isinstance(shown, BadPixels) else chosen.mode_of(shown) or shown.name
    below = ", ".join(filter(None, [name, note]))
    ax.set_title(title, loc="left", fontsize="medium", fontweight="bold", pad=18 if below else 6)
    if below:
        ax.annotate(below, (0.0, 1.0), (0, 5), xycoords="axes fraction", fontsize="small",
                    textcoords="offset points", annotation_clip=False)  # fmt: skip
    return ax


def _legend(ax: Axes, **how: Any) -> None:
    """Write the legend below the name of the x axis, where it hides no data."""
    below = ScaledTranslation(0, -38 / 72, ax.figure.dpi_scale_trans)
    ax.legend(loc="upper left", bbox_to_anchor=(-0.02, 0), bbox_transform=ax.transAxes + below,
              ncols=4, frameon=False, fontsize="small", columnspacing=1.0, borderaxespad=0.0,
              **how)  # fmt: skip


def _finite(values: FloatArray) -> FloatArray:
    """Return the finite values, in one dimension."""
    return values[np.isfinite(values)]


def _range(values: FloatArray, low: float = 0.0) -> tuple[float, float]:
    """Return the least and the greatest value; without any, a low one and 1."""
    return (float(values.min()), float(values.max())) if values.size else (low, 1.0)


def _levels(values: FloatArray, lower: float) -> tuple[float, float]:
    """Return a low and the 99th percentile of the finite values, as limits of colours."""
    good = _finite(values)
    low, high = percentiles(good, np.array([lower, 99.0])) if good.size else (0.0, 1.0)
    return float(low), float(high)


def _scatter(values: FloatArray) -> float:
    """Return the robust standard deviation of the finite values about 0; 0 without any."""
    sizes = np.abs(_finite(values))
    return NORMAL * float(np.median(sizes)) if sizes.size else 0.0
