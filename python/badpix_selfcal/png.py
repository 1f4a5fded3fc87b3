"""Small pictures as PNG, by the standard library alone."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Colour", "data_uri", "png", "reduced", "rgb"]

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue: 0 to 255."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_INDEXED: Final = 3


def reduced(image: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Return an image of at most `most` rows and columns, true where a block holds a true pixel.

    Blocks are squares of whole pixels; those at the far borders may be smaller.
    """
    side = -(-max(image.shape) // most)
    if side <= 1:
        return image
    rows, columns = (np.arange(0, length, side) for length in image.shape)
    found: NDArray[np.bool_] = np.logical_or.reduceat(image, rows, axis=0)
    return np.logical_or.reduceat(found, columns, axis=1)


def png(indices: NDArray[np.uint8], palette: Sequence[Colour]) -> bytes:
    """Return a picture whose pixels are numbers of colours; the first row is at the top.

    Parameters
    ----------
    indices : ndarray of uint8, shape (rows, cols)
        Number of the colour of each pixel.
    palette : sequence of Colour
        The colours, at most 256.
    """
    rows, columns = indices.shape
    lines = np.zeros((rows, columns + 1), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = indices
    head = struct.pack(">IIBBBBB", columns, rows, 8, _INDEXED, 0, 0, 0)
    chunks = (
        (b"IHDR", head),
        (b"PLTE", bytes(part for colour in palette for part in colour)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def data_uri(picture: bytes) -> str:
    """Return the URL that holds a PNG."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rgb(colour: str) -> Colour:
    """Return red, green and blue of a colour as ``#D55E00``."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
