"""Results in a few words, and as a notebook shows them: with a small picture of the mask.

The text has the colours of the notebook, light or dark; the picture brings its own background.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..files.paths import Location

NAMES_OF_AXES: Final = {1: "1 (along x)", 2: "2 (along y)", None: "unknown (square window)"}

LOW: Final = "#0072B2"
"""Pixels flagged at the low end. Colours are of the palette of Okabe and Ito, which colour-blind
readers can distinguish."""

HIGH: Final = "#D55E00"
"""Pixels flagged at the high end."""

UNKNOWN: Final = "#DCDCDC"
"""Pixels without a value."""

BLACK: Final = "#000000"

Layers: TypeAlias = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]
"""The pixels of a picture that have a value, those flagged at the low end, and at the high end."""

MOST_PIXELS: Final = 256
"""Rows and columns of a picture."""


def counted(number: int, what: str) -> str:
    """Return a number and what it counts: ``1 file``, ``2 files``."""
    return f"{number} {what}{'s' * (number != 1)}"


def files_of(paths: Sequence[Location]) -> str:
    """Return one file, or the number of files and their folder."""
    if len(paths) < 2:
        return str(paths[0]) if paths else ""
    folders = {str(path.parent) for path in paths}
    where = folders.pop() if len(folders) == 1 else counted(len(folders), "folder")
    return f"{counted(len(paths), 'file')} in {where}"


def block(head: str, lines: Mapping[str, str]) -> str:
    """Return a headline and lines that each begin with a word; empty ones are left out."""
    return "\n".join([head, *(f"  {word:<8}  {text}" for word, text in lines.items() if text)])


def card(head: str, lines: Mapping[str, str], pictures: Mapping[str, Layers]) -> str:
    """Return a headline, lines as of `block`, and pictures of masks with titles, as HTML.

    Without matplotlib the pictures are left out.
    """
    rows = "".join(
        _row([_cell(word, "th", "row"), _cell(text)]) for word, text in lines.items() if text
    )
    drawn = "".join(_picture(_escaped(title), layers) for title, layers in pictures.items())
    return f"<div><strong>{_escaped(head)}</strong><table>{rows}</table>{drawn}</div>"


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table as HTML; empty without rows."""
    if not rows:
        return ""
    head = _row(_cell(name, "th", "col") for name in columns)
    return f"<table>{head}{''.join(_row(map(_cell, row)) for row in rows)}</table>"


def _row(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(text: str, tag: str = "td", scope: str = "") -> str:
    of = f' scope="{scope}"' if scope else ""
    style = "text-align:left;padding:0 1em 0 0;border:0;background:none"
    return f'<{tag}{of} style="{style}">{_escaped(text)}</{tag}>'


def _escaped(text: str) -> str:
    """Return text for HTML; a name that is no valid Unicode has ``?`` in place of its bytes."""
    return html.escape(text.encode("utf-8", "replace").decode())


def picture_of(layers: Layers) -> NDArray[np.uint8]:
    """Return the picture of a mask, shape (rows, cols, 3): red, green, blue; row 0 at the bottom.

    A block of pixels has the colour of its flags, even of a single one; black if it has some of
    both ends. It is grey only if no pixel of it has a residual.
    """
    known, low, high = map(_reduced, layers)
    picture = np.full((*known.shape, 3), 255, np.uint8)
    for pixels, colour in ((~known, UNKNOWN), (low, LOW), (high, HIGH), (low & high, BLACK)):
        picture[pixels] = [*bytes.fromhex(colour[1:])]
    return picture[::-1]


def _reduced(image: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return an image of at most `MOST_PIXELS`, true where a square block holds a true pixel."""
    side = -(-max(image.shape) // MOST_PIXELS)
    for axis in (0, 1) if side > 1 else ():
        image = np.logical_or.reduceat(image, np.arange(0, image.shape[axis], side), axis=axis)
    return image


def _picture(title: str, layers: Layers) -> str:
    """Return the picture of a mask with its legend; empty for an image without pixels."""
    try:
        from matplotlib.image import imsave
    except ImportError:
        return ""
    if not layers[0].size:
        return ""
    picture, png = picture_of(layers), io.BytesIO()
    imsave(png, picture, format="png")
    rows, columns, _ = picture.shape
    side = -(-max(layers[0].shape) // MOST_PIXELS)
    scale = max(1, MOST_PIXELS // max(rows, columns))
    dot = f"; a dot is a block of {side} x {side} pixels" if side > 1 else ""
    return (
        f'<figure style="margin:0.5em 0"><img alt="{title}" width="{scale * columns}" '
        f'height="{scale * rows}" style="image-rendering:pixelated;border:1px solid #888" '
        f'src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"/>'
        f'<figcaption>{title}: <span style="color:{LOW}">&#9632;</span> low '
        f'<span style="color:{HIGH}">&#9632;</span> high{dot}</figcaption></figure>'
    )
