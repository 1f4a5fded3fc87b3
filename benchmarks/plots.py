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
from matplotlib.ticker import NullFormatter, ScalarFormatter
from PIL import Image

from .report import Results
from .tables import Table, amount, times
from .timing import ALL, ONE, Row

__all__ = ["draw"]

# The palette of Okabe and Ito, which colour-blind readers can tell apart.
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


def draw(results: Results, folder: Path) -> None:
    """Draw what the results hold.

    Parameters
    ----------
    results : Results
        The measures.
    folder : Path
        Where the pictures go; it must exist.
    """
    figures = {"medians": _medians, "step": _step, "scaling": _scaling}
    for name, make in figures.items():
        with plt.rc_context(STYLE):
            figure = make(results)
            if figure is not None:
                _save(figure, folder / f"{name}.png")


def _save(figure: Figure, path: Path) -> None:
    """Write a picture in few colours, which makes it several times smaller."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DPI)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)


def _medians(results: Results) -> Figure | None:
    """Draw time against window for every tool, one panel an axis."""
    table = results.table("Running median along lines")
    if table is None:
        return None
    figure: Figure
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.4), sharey=True, layout="constrained")
    for axis, panel in enumerate(panels):
        rows = {_window(row): row for row in table.rows if f"axis {axis}, float32" in row.name}
        for way in table.ways:
            _line(panel, way, {k: row.measures[way].value for k, row in rows.items()})
        panel.set_title(f"along axis {axis}")
        panel.set_xlabel("samples in the window, k")
        _log_log(panel, list(rows))
    panels[0].set_ylabel("time per image, ms")
    _title(figure, table.title + ", float32: lower is better", results)
    return figure


def _window(row: Row) -> int:
    return int(row.name.split(",")[0].removeprefix("k = "))


def _line(panel: Axes, way: str, points: dict[int, float], colour: str = "") -> None:
    """Draw a line with its name at its right end."""
    colour = colour or COLOURS[way]
    ours = way in OURS
    panel.plot(
        list(points),
        list(points.values()),
        color=colour,
        linewidth=2.2 if ours else 1.3,
        marker="o" if ours else "s",
        markersize=4,
        linestyle="--" if way == "copy" else "-",
    )
    end = max(points)
    label = panel.annotate(
        way, (end, points[end]), (6, 0), textcoords="offset points", va="center", color=colour
    )
    label.set_fontweight("bold" if ours else "normal")


def _log_log(panel: Axes, positions: Sequence[int]) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(positions, [str(position) for position in positions])
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_formatter(ScalarFormatter())
    low, high = panel.get_xlim()
    panel.set_xlim(low, high * (high / low) ** 0.45)  # room for the names
    panel.minorticks_off()


def _step(results: Results) -> Figure | None:
    """Draw the step's times and memory as pairs of bars, each panel with its own scale."""
    tables = [
        results.table(start)
        for start in ("The step on arrays", "The step on files", "Peak memory of")
    ]
    pairs = [_pair(row) for table in tables if table is not None for row in table.rows]
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


def _pair(row: Row) -> tuple[str, str, float, float]:
    ours = row.measures.get("ours", row.measures.get(ALL))
    assert ours is not None
    return row.name, row.unit, ours.value, row.measures["jwst"].value


def _bars(panel: Axes, name: str, unit: str, ours: float, theirs: float) -> None:
    bars = panel.barh(
        ["jwst", "this package"], [theirs, ours], color=["#999999", COLOURS[ALL]], height=0.75
    )
    texts = [amount(theirs, unit), f"{amount(ours, unit)}  ({times(theirs / ours)} less)"]
    panel.bar_label(bars, texts, padding=4)
    panel.set_title(name)
    panel.set_xlim(0, 1.15 * max(ours, theirs))
    panel.set_xticks([])
    panel.tick_params(length=0)
    panel.spines[["bottom", "left"]].set_visible(False)


def _scaling(results: Results) -> Figure | None:
    """Draw time against size and gain against threads."""
    sizes, threads = results.table("Scaling in image size"), results.table("Scaling in threads")
    if sizes is None or threads is None:
        return None
    figure: Figure
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    _against_size(panels[0], sizes)
    _against_threads(panels[1], threads)
    _title(figure, "Scaling of this package, float32, 2 % NaN", results)
    return figure


def _against_size(panel: Axes, table: Table) -> None:
    sides = {int(row.name.split(" x ")[0]): row for row in table.rows}
    for way in table.ways:
        _line(panel, way, {side: row.measures[way].value for side, row in sides.items()})
    panel.set_title("running median, k = 15, axis 0")
    panel.set_xlabel("rows and columns of the image")
    panel.set_ylabel("time, ms")
    _log_log(panel, list(sides))


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
