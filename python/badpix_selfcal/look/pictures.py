"""Pictures of comparisons and histories, by matplotlib (extra ``plot``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..files.paths import Location
from ..files.save import Write
from ..looks import BLACK, DPI, FAINT, FORMATS, HIGH, LOW, ORANGE
from ..messages import extra
from .comparison import Comparison
from .epochs import MaskHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compared", "drawing", "followed"]

LOOKS: Final = {"both": (FAINT, "s"), "only_a": (LOW, "^"), "only_b": (HIGH, "v")}
"""The colour and the marker of each kind of pixel."""

LINES: Final = {
    "flagged": ("flagged", BLACK, "o"),
    "new": ("new", HIGH, "^"),
    "returned": ("returned", ORANGE, "s"),
    "gone": ("gone", LOW, "v"),
}
"""The counts of an epoch: label, colour and marker."""

MOST_NUMBERS: Final = 12
"""Numbers that are written at the scale of colours."""

STYLE: Final = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
}
LARGEST: Final = 30.0
"""The area of the largest mark, square points."""
WIDTH: Final = 8.0
"""The width of a picture, inches."""

_Shown = TypeVar("_Shown")


def drawing(draw: Callable[[_Shown], Figure], shown: _Shown, to: Location) -> Write:
    """Return what writes a picture.

    Raises
    ------
    ValueError
        If the ending of its name is not that of a format.
    RuntimeError
        If matplotlib is not installed.
    """
    kind = to.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"{to}: a picture must end with {', '.join(map('.'.__add__, FORMATS))}")
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise RuntimeError(f"{to}: pictures need matplotlib ({error}): {extra('plot')}") from error

    def write(part: Path) -> None:
        with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
            draw(shown).savefig(part, format=kind, dpi=DPI)

    return write


def compared(comparison: Comparison) -> Figure:
    """Return a map of the detector with the pixels in both, only in A, and only in B."""
    from matplotlib.figure import Figure

    counts = comparison.counts
    a, b = (ending_of(side.path) for side in (comparison.a, comparison.b))
    shown = {
        "both": (comparison.both, f"in both: {counts['both']}"),
        "only_a": (comparison.only_a, f"only in A: {counts['only_a']}; {a}"),
        "only_b": (comparison.only_b, f"only in B: {counts['only_b']}; {b}"),
    }
    shape = comparison.a.flags.shape
    size = size_for(int(np.count_nonzero(comparison.a.flags | comparison.b.flags)), shape)
    figure = Figure(figsize=(WIDTH, height_of(shape) + 1.2), layout="constrained")
    axes = figure.subplots()
    for name, (colour, marker) in LOOKS.items():
        pixels, label = shown[name]
        mark(axes, pixels, size, color=colour, marker=marker, label=label)
    frame(axes, shape)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        frameon=False,
        markerscale=(LARGEST / size) ** 0.5,
    )
    return figure


def size_for(number: int, shape: tuple[int, ...]) -> float:
    """Return the area of the marks of some pixels, square points: small ones, where they are many.

    Marks are larger than pixels, so that they are visible.
    """
    return float(np.clip(0.03 * np.prod(shape) / max(number, 1), 3.0, LARGEST))


def height_of(shape: tuple[int, ...]) -> float:
    """Return the height of a map with square pixels, inches."""
    rows, columns = shape
    return float(np.clip(WIDTH * rows / columns, 1.0, 2 * WIDTH))


def mark(axes: Axes, pixels: NDArray[np.bool_], size: float, **how: Any) -> None:
    """Mark pixels."""
    rows, columns = np.nonzero(pixels)
    axes.scatter(columns, rows, size, linewidths=0, **how)


def ending_of(path: Location) -> str:
    """Return the name of a file and that of its folder."""
    return f"{path.parent.name}/{path.name}".lstrip("/")


def frame(axes: Axes, shape: tuple[int, ...]) -> None:
    """Show the whole detector, with square pixels."""
    rows, columns = shape
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(-0.5, rows - 0.5)
    axes.set_aspect("equal")
    axes.set_xlabel("column (x, from 0)")
    axes.set_ylabel("row (y, from 0)")


def followed(found: MaskHistory) -> Figure:
    """Return the counts of each mask above a map of how often each pixel is flagged."""
    from matplotlib.dates import ConciseDateFormatter
    from matplotlib.figure import Figure

    heights = [2.5, height_of(found.shape)]
    figure = Figure(figsize=(WIDTH, sum(heights) + 1.6), layout="constrained")
    above, below = figure.subplots(2, height_ratios=heights)
    dates = _dates(found)
    for name, (label, colour, marker) in LINES.items():
        counts = [getattr(epoch, name) for epoch in found.epochs]
        known = [float("nan") if count is None else count for count in counts]
        above.plot(dates, known, color=colour, marker=marker, label=label)
    if dates.dtype.kind == "M":
        above.xaxis.set_major_formatter(ConciseDateFormatter(above.xaxis.get_major_locator()))
    else:
        above.xaxis.get_major_locator().set_params(integer=True)
        above.set_xlabel("mask")
    above.yaxis.get_major_locator().set_params(integer=True)
    above.set_ylim(bottom=0)
    above.set_ylabel("pixels")
    above.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(LINES), frameon=False)
    number = len(found.epochs)
    order = np.argsort(found.number, kind="stable")  # the most frequent ones on top
    shown = below.scatter(
        found.x[order],
        found.y[order],
        size_for(found.x.size, found.shape),
        found.number[order],
        marker="s",
        linewidths=0,
        cmap=_colours(number),
        vmin=0.5,
        vmax=number + 0.5,
    )
    frame(below, found.shape)
    below.set_title(f"{found.x.size} pixels, {np.count_nonzero(found.persistent)} persistent")
    figure.colorbar(
        shown,
        ax=below,
        location="bottom",
        aspect=50,
        label="masks in which a pixel is flagged",
        ticks=np.arange(1, number + 1, 1 + number // MOST_NUMBERS),
    )
    return figure


def _dates(found: MaskHistory) -> NDArray[Any]:
    """Return the dates of the masks; numbers from 1 if a date is none, or all are the same."""
    numbers = np.arange(1, len(found.epochs) + 1)
    try:
        dates = np.array([epoch.date for epoch in found.epochs], "datetime64[ms]")
    except ValueError:
        return numbers
    return numbers if (dates == dates[0]).all() else dates


def _colours(number: int) -> Any:
    """Return as many colours, from light to dark; the lightest is visible on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis_r"](np.linspace(0.15, 1.0, number)))
