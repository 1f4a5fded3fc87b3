"""Pictures of comparisons and histories, by matplotlib (extra ``plot``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..files.location import Location
from ..messages import extra
from .comparison import Comparison
from .save import Write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compared", "drawing"]

FORMATS: Final = ("png", "pdf", "svg")

# Of the palette of Okabe and Ito, which colour-blind readers can distinguish; so are the markers.
LOOKS: Final = {
    "both": ("#8C8C8C", "s"),
    "only_a": ("#0072B2", "^"),
    "only_b": ("#D55E00", "v"),
}
STYLE: Final = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
}
DPI: Final = 150

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

    pixels = {"both": comparison.both, "only_a": comparison.only_a, "only_b": comparison.only_b}
    size = size_for(int(np.count_nonzero(comparison.a.flags | comparison.b.flags)))
    figure = Figure(figsize=(8.0, 8.6), layout="constrained")
    axes = figure.subplots()
    for name, (colour, marker) in LOOKS.items():
        label = f"{name.replace('_a', ' A').replace('_b', ' B')}: {comparison.counts[name]}"
        mark(axes, pixels[name], size, color=colour, marker=marker, label=label)
    frame(axes, comparison.a.flags.shape)
    a, b = (ending_of(side.path) for side in (comparison.a, comparison.b))
    figure.suptitle(f"A: {a}\nB: {b}", x=0.01, ha="left", fontsize=9)
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False)
    for handle in legend.legend_handles:
        handle.set_sizes([30.0])  # type: ignore[union-attr]
    return figure


def size_for(number: int) -> float:
    """Return the area of the marks of some pixels, square points: many small ones stay visible."""
    return float(np.clip(3e4 / max(number, 1), 3.0, 30.0))


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
