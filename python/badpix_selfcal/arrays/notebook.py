"""Results as a notebook shows them: a table of a few lines, and a small picture of the mask.

The text has the colours of the notebook, light or dark; the picture brings its own background.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .bad_pixels import BadPixels

__all__ = ["BLACK", "HIGH", "LOW", "UNKNOWN", "card", "picture_of", "table"]

LOW: Final = "#0072B2"
"""Pixels flagged at the low end. Colours are of the palette of Okabe and Ito, which colour-blind
readers can distinguish."""

HIGH: Final = "#D55E00"
"""Pixels flagged at the high end."""

UNKNOWN: Final = "#DCDCDC"
"""Pixels without a value."""

BLACK: Final = "#000000"

MOST_PIXELS: Final = 256
"""Rows and columns of a picture."""

_CELL: Final = "text-align:left;padding:0 1em 0 0;border:0;background:none"


def card(head: str, lines: Mapping[str, str], pictures: Mapping[str, BadPixels]) -> str:
    """Return a headline, lines that each begin with a word, and pictures of masks, as HTML.

    Parameters
    ----------
    head : str
        The headline.
    lines : mapping of str to str
        The lines; empty ones are left out.
    pictures : mapping of str to BadPixels
        The masks, by what is written above them. Without matplotlib they are left out.
    """
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}">{escape(word)}</th>'
        f'<td style="{_CELL}">{escape(text)}</td></tr>'
        for word, text in lines.items()
        if text
    )
    drawn = "".join(_picture(title, found) for title, found in pictures.items())
    return f"<div><strong>{escape(head)}</strong><table>{rows}</table>{drawn}</div>"


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table as HTML; empty without rows."""
    if not rows:
        return ""
    heads = "".join(f'<th scope="col" style="{_CELL}">{escape(name)}</th>' for name in columns)
    body = ""
    for row in rows:
        cells = "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row)
        body += f"<tr>{cells}</tr>"
    return f"<table><tr>{heads}</tr>{body}</table>"


def picture_of(found: BadPixels) -> NDArray[np.uint8]:
    """Return the picture of a mask, shape (rows, cols, 3): red, green, blue; row 0 at the bottom.

    A block of pixels has the colour of its flags, even of a single one; black if it has some of
    both ends. It is grey only if no pixel of it has a residual.
    """
    known, low, high = map(_reduced, (~np.isnan(found.residual), found.low, found.high))
    picture = np.full((*known.shape, 3), 255, np.uint8)
    for pixels, colour in ((~known, UNKNOWN), (low, LOW), (high, HIGH), (low & high, BLACK)):
        picture[pixels] = [*bytes.fromhex(colour[1:])]
    return picture[::-1]


def _reduced(image: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return an image of at most `MOST_PIXELS`, true where a square block holds a true pixel."""
    side = -(-max(image.shape) // MOST_PIXELS)
    if side <= 1:
        return image
    rows, columns = (np.arange(0, length, side) for length in image.shape)
    found: NDArray[np.bool_] = np.logical_or.reduceat(image, rows, axis=0)
    return np.logical_or.reduceat(found, columns, axis=1)


def _picture(title: str, found: BadPixels) -> str:
    """Return the picture of a mask with its legend; empty for an image without pixels."""
    try:
        from matplotlib.image import imsave
    except ImportError:
        return ""
    if not found.residual.size:
        return ""
    picture, png = picture_of(found), io.BytesIO()
    imsave(png, picture, format="png")
    rows, columns, _ = picture.shape
    side = -(-max(found.residual.shape) // MOST_PIXELS)
    scale = max(1, MOST_PIXELS // max(rows, columns))
    block = f"; a dot is a block of {side} x {side} pixels" if side > 1 else ""
    swatches = " ".join(
        f'<span style="color:{colour}">&#9632;</span> {name}'
        for name, colour in (("low", LOW), ("high", HIGH))
    )
    return (
        f'<figure style="margin:0.5em 0"><img alt="{escape(title)}" width="{scale * columns}" '
        f'height="{scale * rows}" style="image-rendering:pixelated;border:1px solid #888" '
        f'src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"/>'
        f"<figcaption>{escape(title)}: {swatches}{block}</figcaption></figure>"
    )


def escape(text: str) -> str:
    """Return text for HTML; a name that is no valid Unicode has ``?`` in place of its bytes."""
    return html.escape(text.encode("utf-8", "replace").decode())
