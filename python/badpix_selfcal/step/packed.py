"""Masks as they are sent to other processes: one bit for each pixel, compressed."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["packed", "unpacked"]


def packed(mask: NDArray[np.bool_]) -> bytes:
    """Return the bytes of a mask."""
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def unpacked(content: bytes, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the mask of a shape that has these bytes."""
    bits = np.frombuffer(zlib.decompress(content), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).view(np.bool_)
