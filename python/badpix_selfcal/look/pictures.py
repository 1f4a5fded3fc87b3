"""``badpix_selfcal.compare`` and ``history``, with pictures by matplotlib (extra ``plot``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..arrays.display import BLACK, HIGH, LOW
from ..files.outputs import Write, save
from ..files.paths import AnyLocation, Location, locate
from ..masks import compare as comparisons
from ..masks import history as histories
from ..masks.compare import Comparison
from ..masks.history import MaskHistory
from . import require
from .plot import DPI, FORMATS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAINT: Final = "#8C8C8C"
ABOVE: Final[dict[str, Any]] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "frameon": False}
"""A legend above a map or graph."""

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


def compare(
    a: AnyLocation,
    b: AnyLocation,
    *,
    before: AnyLocation | None = None,
    picture: AnyLocation | None = None,
    overwrite: bool = False,
) -> Comparison:
    """Compare the flags, and the samples, of two files.

    Parameters
    ----------
    a, b : path-like
        Two results of one exposure, of this package or of the pipeline; or two JWST MASK files; or
        one of each.
    before : path-like, optional
        The exposure as it was before flagging. Pixels that have the same bits in its DQ are left
        out of both files: they were not flagged by self-calibration.
    picture : path-like, optional
        The picture to write: PNG, PDF or SVG, by its ending (extra ``plot``).
    overwrite : bool, optional
        Whether the picture may replace a file.

    Returns
    -------
    Comparison
        The flags and their counts, and how each extension differs.

    Raises
    ------
    ExposureError, MaskError
        If a file cannot be read or has no DQ; ValueErrors.
    ValueError
        If the files differ in detector, subarray or shape.
    OSError, RuntimeError
        If the picture exists or cannot be written, or matplotlib is not installed.

    Notes
    -----
    A pixel of an exposure is flagged if its DQ has both OTHER_BAD_PIXEL and DO_NOT_USE. The
    pipeline's own mask can set both as well; such pixels count in both files unless `before` is
    given. A pixel of a mask is flagged if its DQ has DO_NOT_USE, as DQ_DEF defines it.

    Headers, and the tables ASDF and MEMBERS, which say how a file was made, are not compared.
    """
    draw = _drawing(picture, lambda: compared(found))
    found = comparisons.compare(a, b, before=before)
    inputs = [each for each in (a, b, before) if each is not None]
    save(draw, map(locate, inputs), overwrite=overwrite)
    return replace(found, picture=next(iter(draw), None))


def history(
    masks: AnyLocation | Iterable[AnyLocation],
    *,
    at_least: int | None = None,
    table: AnyLocation | None = None,
    picture: AnyLocation | None = None,
    persistent_mask: AnyLocation | None = None,
    overwrite: bool = False,
) -> MaskHistory:
    """Follow the bad pixels of detectors through their masks.

    Parameters
    ----------
    masks : path-like, or iterable of these
        Mask files of this package, at least two of a detector, subarray and shape; patterns too.
        They are put in the order of the dates of their exposures.
    at_least : int, optional
        In how many masks a persistent pixel is flagged at least; in all of them unless given.
    table : path-like, optional
        A table of the pixels to write: ``.ecsv``. This and the next two need masks of one detector.
    picture : path-like, optional
        The picture to write: PNG, PDF or SVG, by its ending (extra ``plot``).
    persistent_mask : path-like, optional
        A mask of the persistent pixels to write.
    overwrite : bool, optional
        Whether these files may replace others.

    Returns
    -------
    MaskHistory
        The counts of each mask, and in which masks each pixel is flagged, for the first detector;
        `others` holds those for the others.

    Raises
    ------
    ExposureError, MaskError
        If a mask does not exist or cannot be read; ValueErrors.
    ValueError
        If there are fewer than two masks, one is given twice, all differ in detector, subarray or
        shape, several detectors have files to write, or `at_least` is not from 1 to their number.
    OSError, RuntimeError
        If a file exists or cannot be written, or matplotlib is not installed.

    Warns
    -----
    SelfcalWarning
        If masks were found with different parameters: their counts cannot be compared. If one is
        the only one of its detector: it is left out.

    Notes
    -----
    Where the dates of exposures (DATE-OBS, TIME-OBS) are not known, the date at which the mask was
    made counts.
    """
    draw = _drawing(picture, lambda: followed(found))
    found = histories.history(masks, at_least=at_least)
    if found.others and (table or picture or persistent_mask):
        names = ", ".join(each.of_what for each in (found, *found.others))
        raise ValueError(f"files to write are of one detector; give the masks of one of {names}")
    files = {**histories.files_of(found, table, persistent_mask), **draw}
    save(files, [epoch.path for epoch in found.epochs], overwrite=overwrite)
    return found


def _drawing(picture: AnyLocation | None, draw: Callable[[], Figure]) -> dict[Location, Write]:
    """Return a picture, if one is asked for, with what writes it."""
    if picture is None:
        return {}
    to = locate(picture)
    kind = to.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"{to}: a picture must end with {', '.join(map('.'.__add__, FORMATS))}")
    require("plot", "matplotlib")

    def write(part: Path) -> None:
        import matplotlib as mpl

        with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
            draw().savefig(part, format=kind, dpi=DPI)

    return {to: write}


def compared(found: Comparison) -> Figure:
    """Return a map of the detector with the pixels in both, only in A, and only in B."""
    from matplotlib.figure import Figure

    counts, shape = found.counts, found.a.flags.shape
    a, b = ("/".join(Path(m.title).parts[-2:]).lstrip("/") for m in (found.a, found.b))
    figure = Figure(figsize=(WIDTH, _height_of(shape) + 1.2), layout="constrained")
    axes = figure.subplots()
    size = _map_of(axes, shape, int(np.count_nonzero(found.a.flags | found.b.flags)))
    for pixels, colour, marker, label in (
        (found.both, FAINT, "s", f"in both: {counts['both']}"),
        (found.only_a, LOW, "^", f"only in A: {counts['only_a']}; {a}"),
        (found.only_b, HIGH, "v", f"only in B: {counts['only_b']}; {b}"),
    ):
        y, x = np.nonzero(pixels)
        axes.scatter(x, y, size, color=colour, marker=marker, linewidths=0, label=label)
    axes.legend(markerscale=(LARGEST / size) ** 0.5, **ABOVE)
    return figure


def followed(found: MaskHistory) -> Figure:
    """Return the counts of each mask above a map of how often each pixel is flagged."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.dates import ConciseDateFormatter
    from matplotlib.figure import Figure

    heights, number = [2.5, _height_of(found.shape)], len(found.epochs)
    figure = Figure(figsize=(WIDTH, sum(heights) + 1.6), layout="constrained")
    above, below = figure.subplots(2, height_ratios=heights)
    try:
        dates = np.array([epoch.date for epoch in found.epochs], "datetime64[ms]")
    except ValueError:  # one is no date
        dates = np.zeros(number, "datetime64[ms]")
    if (dates == dates[0]).all():
        dates = np.arange(1, number + 1)
        above.xaxis.get_major_locator().set_params(integer=True)
        above.set_xlabel("mask")
    for name, colour, marker in (
        ("flagged", BLACK, "o"),
        ("new", HIGH, "^"),
        ("returned", "#E69F00", "s"),
        ("gone", LOW, "v"),
    ):
        counts = np.array([epoch.pixels[name] for epoch in found.epochs], float)  # None: NaN
        above.plot(dates, counts, color=colour, marker=marker, label=name)
    if dates.dtype.kind == "M":
        above.xaxis.set_major_formatter(ConciseDateFormatter(above.xaxis.get_major_locator()))
    above.yaxis.get_major_locator().set_params(integer=True)
    above.set(ylim=(0, None), ylabel="pixels")
    above.legend(ncols=4, **ABOVE)
    order = np.argsort(found.number, kind="stable")  # the most frequent ones on top
    shades = colormaps["viridis_r"](np.linspace(0.15, 1.0, number))  # the lightest can be seen
    size = _map_of(below, found.shape, found.x.size)
    shown = below.scatter(
        found.x[order], found.y[order], size, found.number[order], marker="s", linewidths=0,
        cmap=ListedColormap(shades), vmin=0.5, vmax=number + 0.5,
    )  # fmt: skip
    below.set_title(f"{found.x.size} pixels, {np.count_nonzero(found.persistent)} persistent")
    ticks = np.arange(1, number + 1, 1 + number // 12)
    figure.colorbar(shown, ax=below, location="bottom", aspect=50, ticks=ticks,
                    label="masks in which a pixel is flagged")  # fmt: skip
    return figure


def _height_of(shape: tuple[int, ...]) -> float:
    """Return the height of a map with square pixels, inches."""
    return float(np.clip(WIDTH * shape[0] / shape[1], 1.0, 2 * WIDTH))


def _map_of(axes: Axes, shape: tuple[int, ...], number: int) -> float:
    """Show the whole detector; return the area of the marks of some pixels, square points.

    Marks are larger than pixels, so that they are visible: smaller ones, where they are many.
    """
    rows, columns = shape
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5), aspect="equal",
             xlabel="column (x, from 0)", ylabel="row (y, from 0)")  # fmt: skip
    return float(np.clip(0.03 * rows * columns / max(number, 1), 3.0, LARGEST))
