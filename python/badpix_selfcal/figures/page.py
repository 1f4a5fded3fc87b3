"""A page with the main figures of a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..arrays.summary import NAMES_OF_AXES, counted, cuts_of, flags_of
from . import counts, cuts, images
from .canvas import NotebookFigure, name_of
from .gallery import gallery

if TYPE_CHECKING:
    from ..step.group_mask import GroupMask

__all__ = ["figure"]


def figure(mask: GroupMask) -> NotebookFigure:
    """Draw a page with the main figures of a mask.

    Parameters
    ----------
    mask : GroupMask
        What to show.

    Returns
    -------
    Figure
        The page. A notebook shows it.
    """
    page = NotebookFigure(figsize=(16.0, 19.6), layout="constrained")
    parts = page.subfigures(5, 1, squeeze=False, height_ratios=[0.85, 5.4, 6.2, 3.7, 3.7])
    head, pictures, graphs, strong, border = parts.ravel()
    head.text(0.01, 0.95, name_of(mask), fontsize="xx-large", fontweight="bold", va="top")
    head.text(0.01, 0.55, described(mask), fontsize="medium", va="top", linespacing=1.5)
    left, middle, right = pictures.subplots(1, 3)
    images.minimum(mask, ax=left, flags=False)
    images.residual(mask, ax=middle)
    images.mask(mask, ax=right)
    panels = graphs.subplots(2, 2)
    counts.histogram(mask, ax=panels[0, 0])
    cuts.spectrum(mask, ax=panels[0, 1])
    counts.columns(mask, ax=panels[1, 0])
    counts.rows(mask, ax=panels[1, 1])
    gallery(mask, which="strongest", count=8, figure=strong)
    gallery(mask, which="borderline", count=8, figure=border)
    return page


def described(mask: GroupMask) -> str:
    """Return in three lines what the mask is of, how it was found, and what is flagged."""
    found = mask.bad_pixels
    rows, columns = found.mask.shape
    lines = (
        f"{mask.name}: {counted(len(mask.used), 'exposure')} of {rows} x {columns} pixels, "
        f"dispersion axis {NAMES_OF_AXES[mask.dispaxis]}",
        f"{mask.parameters.cut} cut, kernel {mask.parameters.kernel_size}: {cuts_of(found)}; "
        f"flagged {flags_of(found)}",
        f"badpix-selfcal {mask.version}, {mask.made} UTC",
    )
    return "\n".join(lines)
