"""Pictures of the accuracy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .accuracy_tables import PICTURES, Curve, Results
from .finders import OURS, PEERS, REFERENCE, SIGMA, SIGMA_ALONE
from .judging import BRIGHTNESS, LEVELS
from .plots import SERIES, STYLE, save

__all__ = ["draw"]

NAMES: Final = (SIGMA, SIGMA_ALONE, REFERENCE, *PEERS)
COLOURS: Final = dict(zip(NAMES, SERIES, strict=True))


def draw(results: Results, folder: Path) -> None:
    """Draw all pictures for which there are curves.

    Parameters
    ----------
    results : Results
        The results.
    folder : Path
        The folder for the pictures; it must exist.
    """
    makers: tuple[tuple[Callable[[Axes, Curve], None], str, str], ...] = (
        (_against_brightness, "exposures", "faint"),
        (_against_completeness, "exposures", "light"),
    )
    for (name, title), (plot, *groups) in zip(PICTURES.items(), makers, strict=True):
        with plt.rc_context(STYLE):
            figure = _panels(results, plot, groups)
            if figure is not None:
                figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
                save(figure, folder / name)


def _panels(
    results: Results, plot: Callable[[Axes, Curve], None], groups: list[str]
) -> Figure | None:
    """Draw one panel for each case of these groups."""
    cases: dict[tuple[str, str, str, int], list[Curve]] = {}
    for curve in results.curves:
        if curve.group in groups and not (curve.group == "faint" and curve.count not in (1, 4)):
            key = (curve.group, curve.name, curve.band, curve.count)
            cases.setdefault(key, []).append(curve)
    if not cases:
        return None
    rows = -(-len(cases) // 2)
    figure: Figure
    figure, panels = plt.subplots(
        rows, 2, figsize=(9, 3.1 * rows + 0.6), layout="constrained", squeeze=False
    )
    for panel in panels.flat[len(cases) :]:
        panel.set_visible(False)
    for panel, ((group, name, band, count), drawn) in zip(panels.flat, cases.items(), strict=False):
        for curve in drawn:
            plot(panel, curve)
        kind = {"faint": "hot pixels from 0.2 DN/s on"}.get(group, name)
        panel.set_title(", ".join(part for part in (band, kind, f"exposures: {count}") if part))
    panels.flat[0].legend(frameon=False, fontsize=8)
    return figure


def _against_brightness(panel: Axes, curve: Curve) -> None:
    """Draw the share of flagged hot pixels by their brightness."""
    if curve.method not in (*OURS, *PEERS):
        return
    middles = [(a * b) ** 0.5 for a, b in pairwise(BRIGHTNESS)]
    points = [(x, y) for x, y in zip(middles, curve.by_brightness, strict=True) if y is not None]
    _line(panel, curve, points)
    panel.set_xscale("log")
    panel.set_xticks([2, 5, 10, 30, 100, 300], ["2", "5", "10", "30", "100", "300"])
    panel.minorticks_off()
    panel.set_xlabel("rate of the hot pixel, sigma")
    panel.set_ylabel("share that is flagged")


def _against_completeness(panel: Axes, curve: Curve) -> None:
    """Draw purity against completeness."""
    points = [(x, y) for x, y in zip(LEVELS, curve.purities, strict=True) if y is not None]
    _line(panel, curve, points)
    panel.set_xlabel("completeness")
    panel.set_ylabel("purity")
    panel.set_ylim(0, 1.02)


def _line(panel: Axes, curve: Curve, points: list[tuple[float, float]]) -> None:
    panel.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=COLOURS[curve.method],
        linewidth=2.2 if curve.method == SIGMA else 1.3,
        marker="o",
        markersize=3.5,
        label=curve.method,
    )
