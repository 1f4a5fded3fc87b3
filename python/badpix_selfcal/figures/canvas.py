"""What all figures share: colours, names, and Axes that a notebook shows.

Nothing here changes the state of matplotlib: no pyplot, no backend, no rcParams.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ..arrays.bad_pixels import BadPixels
from ..looks import BLACK, GREEN, PINK

if TYPE_CHECKING:
    from ..arrays.floats import FloatArray
    from ..step.group_mask import GroupMask

__all__ = [
    "CROWDED",
    "CURVE",
    "KNOWN",
    "Axes",
    "NotebookFigure",
    "Shown",
    "axes_or_new",
    "finite",
    "found_of",
    "labelled",
    "level_of",
    "name_of",
    "root_of",
    "titled",
    "unit_of",
]

KNOWN: Final = GREEN
CROWDED: Final = PINK
CURVE: Final = BLACK

RESOLUTION: Final = 110
"""Dots per inch of a picture in a notebook."""

Shown: TypeAlias = "GroupMask | BadPixels"
"""What a figure shows. A mask of a group also has names and units."""


class NotebookFigure(Figure):
    """A figure that a notebook shows, whatever its backend."""

    def _repr_png_(self) -> bytes:
        return _png(self)


class _NotebookAxes(Axes):
    """The only Axes of a figure, which a notebook shows as the figure."""

    def _repr_png_(self) -> bytes:
        return _png(self.figure)


def _png(figure: Figure | SubFigure) -> bytes:
    drawn = io.BytesIO()
    root_of(figure).savefig(drawn, format="png", dpi=RESOLUTION)
    return drawn.getvalue()


def root_of(figure: Figure | SubFigure) -> Figure:
    """Return the whole figure that a part of it belongs to."""
    return figure if isinstance(figure, Figure) else root_of(figure.figure)


def axes_or_new(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the Axes given, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    figure = NotebookFigure(figsize=size, layout="constrained")
    return figure.add_subplot(axes_class=_NotebookAxes)


def found_of(shown: Shown) -> BadPixels:
    """Return the bad pixels of what is shown."""
    return shown if isinstance(shown, BadPixels) else shown.bad_pixels


def unit_of(shown: Shown) -> str:
    """Return the unit of SCI; empty if it is not known."""
    return "" if isinstance(shown, BadPixels) else shown.unit


def labelled(quantity: str, unit: str) -> str:
    """Return the label of an axis: ``residual (DN/s)``."""
    return f"{quantity} ({unit})" if unit else quantity


def level_of(value: float, unit: str) -> str:
    """Return a value as text: ``3.16 DN/s``."""
    return f"{value:.3g} {unit}".strip()


def titled(ax: Axes, title: str, shown: Shown, note: str = "") -> None:
    """Write a title, what is shown, and a note in smaller letters."""
    name = "" if isinstance(shown, BadPixels) else name_of(shown)
    below = ", ".join(filter(None, [name, note]))
    ax.set_title(title, loc="left", fontsize="medium", fontweight="bold", pad=18 if below else 6)
    if below:
        ax.annotate(
            below,
            (0.0, 1.0),
            (0, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize="small",
            annotation_clip=False,
        )


def name_of(mask: GroupMask) -> str:
    """Return detector, channel, band, filter and grating; the name of the group without them."""
    keywords = ("DETECTOR", "CHANNEL", "BAND", "FILTER", "GRATING")
    words = [str(mask.about[each]).strip() for each in keywords if each in mask.about]
    return " ".join(word for word in words if word) or mask.name


def finite(values: FloatArray) -> FloatArray:
    """Return the finite values, in one dimension."""
    return values[np.isfinite(values)]
