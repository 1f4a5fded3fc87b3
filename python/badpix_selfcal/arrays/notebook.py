"""Results as a notebook shows them: a table of a few lines, and a small picture of the mask.

The text has the colours of the notebook, light or dark; the picture brings its own background.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..looks import BLACK, HIGH, LOW, UNKNOWN
from ..png import Colour, data_uri, png, reduced, rgb
from .floats import FloatArray

__all__ = ["card", "picture_of", "table"]

MOST_PIXELS: Final = 256
"""Rows and columns of a picture."""

PALETTE: Final[dict[str, Colour]] = {
    "good": (255, 255, 255),
    "no residual": rgb(UNKNOWN),
    "low": rgb(LOW),
    "high": rgb(HIGH),
    "low and high": rgb(BLACK),
}

_CELL: Final = "text-align:left;padding:0 1em 0 0;border:0;background:none"


class Found(Protocol):
    """What a picture shows of `badpix_selfcal.BadPixels`."""

    @property
    def residual(self) -> FloatArray: ...
    @property
    def low(self) -> NDArray[np.bool_]: ...
    @property
    def high(self) -> NDArray[np.bool_]: ...


def card(head: str, lines: Mapping[str, str], pictures: Mapping[str, Found]) -> str:
    """Return a headline, lines that each begin with a word, and pictures of masks, as HTML.

    Parameters
    ----------
    head : str
        The headline.
    lines : mapping of str to str
        The lines; empty ones are left out.
    pictures : mapping of str to BadPixels
        The masks, by what is written above them.
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


def picture_of(found: Found) -> NDArray[np.uint8]:
    """Return the picture of a mask: numbers in `PALETTE`, row 0 at the bottom.

    A block of pixels has the colour of its flags, even of a single one. It is grey only if no pixel
    of it has a residual.
    """
    numbers = {name: number for number, name in enumerate(PALETTE)}
    known = reduced(~np.isnan(found.residual), MOST_PIXELS)
    low, high = reduced(found.low, MOST_PIXELS), reduced(found.high, MOST_PIXELS)
    picture = np.where(known, numbers["good"], numbers["no residual"]).astype(np.uint8)
    picture[low] = numbers["low"]
    picture[high] = numbers["high"]
    picture[low & high] = numbers["low and high"]
    return np.ascontiguousarray(picture[::-1])


def _picture(title: str, found: Found) -> str:
    """Return the picture of a mask with its legend; empty for an image without pixels."""
    if not found.residual.size:
        return ""
    picture = picture_of(found)
    rows, columns = picture.shape
    side = -(-max(found.residual.shape) // MOST_PIXELS)
    scale = max(1, MOST_PIXELS // max(rows, columns))
    url = data_uri(png(picture, [*PALETTE.values()]))
    block = f"; a dot is a block of {side} x {side} pixels" if side > 1 else ""
    swatches = " ".join(
        f'<span style="color:rgb{PALETTE[name]}">&#9632;</span> {name}' for name in ("low", "high")
    )
    return (
        f'<figure style="margin:0.5em 0"><img alt="{escape(title)}" width="{scale * columns}" '
        f'height="{scale * rows}" style="image-rendering:pixelated;border:1px solid #888" '
        f'src="{url}"/><figcaption>{escape(title)}: {swatches}{block}</figcaption></figure>'
    )


def escape(text: str) -> str:
    """Return text for HTML; a name that is no valid Unicode has ``?`` in place of its bytes."""
    return html.escape(text.encode("utf-8", "replace").decode())
