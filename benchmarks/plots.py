"""Pictures of the results."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from PIL import Image

from .report import Results
from .tables import Table, amount, times
from .timing import ALL, ONE, Row

__all__ = ["SERIES", "STYLE", "draw", "save"]

# The palette of Okabe and Ito, which colour-blind readers can distinguish.
COLOURS: Final = {
    ALL: "#0072B2",
    ONE: "#56B4E9",
    "bottleneck": "#D55E00",
    "scipy": "#009E73",
    "pandas": "#CC79A7",
    "polars": "#E69F00",
    "stcal": "#000000",
    "copy": "#999999",
}
SERIES: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000")
MARKERS: Final = "osD^vP"
OURS: Final = (ALL, ONE)
STYLE: Final = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
}
DPI: Final = 120
LEADING: Final = 12.0
"""Distance between names, points."""
STEP: Final = {
    "The step on arrays": "minimum image to mask, ",
    "The step on files": "the step on files, ",
    "Peak memory of": "the step on files as a process, ",
}
"""The tables in the picture of the step, and the prefixes for the names of their rows."""


def draw(results: Results, folder: Path) -> None:
    """Draw all pictures for which the results have tables.

    Parameters
    ----------
    results : Results
        The measures.
    folder : Path
        The folder for the pictures; it must exist.
    """
    figures = {"medians": _medians, "step": _step, "scaling": _scaling}
    for name, make in figures.items():
        with plt.rc_context(STYLE):
            figure = make(results)
            if figure is not None:
                save(figure, folder / f"{name}.png")


def save(figure: Figure, path: Path) -> None:
    """Write a picture in few colours, which makes it several times smaller."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DPI)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)


def _medians(results: Results) -> Figure | None:
    """Draw time against window for every tool, with one panel for each axis."""
    table = results.table("Running median along lines")
    if table is None:
        return None
    figure: Figure
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.4), sharey=True, layout="constrained")
    ends: list[tuple[Axes, Row, int]] = []
    for axis, panel in enumerate(panels):
        rows = {_window(row): row for row in table.rows if f"axis {axis}, float32" in row.name}
        _lines(panel, rows, table.ways)
        panel.set_title(f"along axis {axis}")
        panel.set_xlabel("samples in the window, k")
        ends.append((panel, rows[max(rows)], max(rows)))
    panels[0].set_ylabel("time per image, ms")
    _title(figure, table.title + ", float32: lower is better", results)
    for end in ends:
        _name_lines(figure, *end)
    return figure


def _window(row: Row) -> int:
    return int(row.name.split(",")[0].removeprefix("k = "))


def _lines(panel: Axes, rows: dict[int, Row], ways: Sequence[str]) -> None:
    """Draw a line for each way; both axes are logarithmic."""
    for way in ways:
        panel.plot(
            list(rows),
            [row.measures[way].value for row in rows.values()],
            color=COLOURS[way],
            linewidth=2.2 if way in OURS else 1.3,
            marker="o" if way in OURS else "s",
            markersize=4,
            linestyle="--" if way == "copy" else "-",
        )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(list(rows), [str(position) for position in rows])
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.minorticks_off()


def _name_lines(figure: Figure, panel: Axes, row: Row, position: int) -> None:
    """Write the name of each way beside the last point of its line, without overlap."""
    figure.draw_without_rendering()  # computes the places of the points
    heights = {
        way: panel.transData.transform((position, measure.value))[1] * 72 / figure.dpi
        for way, measure in row.measures.items()
    }
    for way, height in spread(heights, LEADING).items():
        panel.annotate(
            way,
            (position, row.measures[way].value),
            (7, height - heights[way]),
            textcoords="offset points",
            va="center",
            color=COLOURS[way],
            fontweight="bold" if way in OURS else "normal",
        )


def spread(heights: dict[str, float], gap: float) -> dict[str, float]:
    """Move heights apart, as little as possible, until all distances are at least a gap."""
    groups: list[tuple[list[str], float]] = []  # names from bottom to top, middle of the group
    for name in sorted(heights, key=heights.__getitem__):
        names, middle = [name], heights[name]
        while groups and _top(*groups[-1], gap) + gap > _top(names, middle, -gap):
            below, _ = groups.pop()
            names = below + names
            middle = sum(heights[each] for each in names) / len(names)
        groups.append((names, middle))
    return {
        name: middle + gap * (number - (len(names) - 1) / 2)
        for names, middle in groups
        for number, name in enumerate(names)
    }


def _top(names: list[str], middle: float, gap: float) -> float:
    """Return the highest position in a group; for a negative gap, the lowest."""
    return middle + gap * (len(names) - 1) / 2


def _step(results: Results) -> Figure | None:
    """Draw times and memory of the step as pairs of bars, each panel with its own scale."""
    tables = {name: results.table(start) for start, name in STEP.items()}
    pairs = [
        _pair(name, row)
        for name, table in tables.items()
        if table is not None
        for row in table.rows
    ]
    if not pairs:
        return None
    figure: Figure
    figure, panels = plt.subplots(
        len(pairs), 1, figsize=(7.5, 0.85 * len(pairs) + 0.7), layout="constrained", squeeze=False
    )
    for panel, pair in zip(panels.flat, pairs, strict=True):
        _bars(panel, *pair)
    _title(
        figure, "The step beside jwst's: shorter is better (each pair has its own scale)", results
    )
    return figure


def _pair(name: str, row: Row) -> tuple[str, str, float, float]:
    ours = row.measures.get("ours", row.measures.get(ALL))
    assert ours is not None
    return name + row.name, row.unit, ours.value, row.measures["jwst"].value


def _bars(panel: Axes, name: str, unit: str, ours: float, theirs: float) -> None:
    bars = panel.barh(
        ["jwst", "this package"], [theirs, ours], color=["#999999", COLOURS[ALL]], height=0.75
    )
    less = "faster" if unit == "ms" else "less"
    texts = [amount(theirs, unit), f"{amount(ours, unit)}  ({times(theirs / ours)} {less})"]
    panel.bar_label(bars, texts, padding=4)
    panel.set_title(name)
    panel.set_xlim(0, 1.15 * max(ours, theirs))
    panel.set_xticks([])
    panel.grid(visible=False)
    panel.tick_params(length=0)
    panel.spines[["bottom", "left"]].set_visible(False)


def _scaling(results: Results) -> Figure | None:
    """Draw time against size and gain against threads."""
    sizes, threads = results.table("Scaling in image size"), results.table("Scaling in threads")
    if sizes is None or threads is None:
        return None
    figure: Figure
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    rows = {int(row.name.split(" x ")[0]): row for row in sizes.rows}
    _against_size(panels[0], rows, sizes.ways)
    _against_threads(panels[1], threads)
    _title(figure, "Scaling of this package, float32, 2 % NaN", results)
    _name_lines(figure, panels[0], rows[max(rows)], max(rows))
    return figure


def _against_size(panel: Axes, rows: dict[int, Row], ways: Sequence[str]) -> None:
    _lines(panel, rows, ways)
    panel.set_title("running median, k = 15, axis 0")
    panel.set_xlabel("rows and columns of the image")
    panel.set_ylabel("time, ms")


def _against_threads(panel: Axes, table: Table) -> None:
    counts = [int(way) for way in table.ways]
    for row, colour, marker in zip(table.rows, SERIES, MARKERS, strict=True):
        gains = [row.ratio("1", str(count)) for count in counts]
        name = row.name.removeprefix("threads: ")
        panel.plot(counts, gains, color=colour, marker=marker, markersize=4.5, label=name)
    panel.plot(counts, counts, color="#999999", linestyle="--", label="ideal")
    panel.set_title("gain by threads")
    panel.set_xlabel("threads")
    panel.set_ylabel("times as fast as with one thread")
    panel.set_xticks(counts, [str(count) for count in counts])
    panel.legend(frameon=False, fontsize=8)


def _title(figure: Figure, text: str, results: Results) -> None:
    about = results.about
    figure.suptitle(text, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    figure.supxlabel(f"{about['date']}, {about['machine']}", x=0.99, ha="right", fontsize=7.5)
