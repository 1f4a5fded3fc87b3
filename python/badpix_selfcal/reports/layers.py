"""Images as small integers, compressed, in a page.

An image of floats becomes codes of 16 bits,
``code = HALF + round(asinh(value / knee) * knee / step)`` with ``knee = KNEE * scatter`` and
``step = STEP * scatter``. Near zero a code is one step; far from
it the relative error is at most ``STEP / KNEE / 2``. `page.js` turns the codes into values again.
"""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.floats import FloatArray

__all__ = [
    "HALF",
    "KNEE",
    "STEP",
    "Layer",
    "bits_layer",
    "decoded",
    "float_layer",
    "growth_layer",
    "plain_layer",
]

STEP: Final = 1 / 16
KNEE: Final = 50.0

NOT_A_NUMBER, LESS, MORE = 0, 1, 65535
"""The codes of NaN and of the infinities."""

HALF: Final = 32768


@dataclass(frozen=True)
class Layer:
    """One array in a page.

    Attributes
    ----------
    name : str
        Its name.
    text : str
        Its bytes, first those of the lowest order, compressed, in base64.
    about : dict
        What is needed to read it: ``bytes`` for each element, ``shape``, and for floats ``knee``
        and ``step``.
    """

    name: str
    text: str
    about: dict[str, Any] = field(default_factory=dict)


def float_layer(name: str, values: FloatArray, scatter: float) -> Layer:
    """Return floats as codes of 16 bits.

    Parameters
    ----------
    name : str
        The name of the layer.
    values : ndarray of float
        The values.
    scatter : float
        The unit of step and knee: the scatter of the noise. If it is not a positive number, 1.
    """
    unit = scatter if math.isfinite(scatter) and scatter > 0 else 1.0
    knee, step = KNEE * unit, STEP * unit
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.arcsinh(values / values.dtype.type(knee)) * values.dtype.type(knee / step)
        codes = np.clip(np.rint(scaled) + HALF, LESS + 1, MORE - 1)
    codes[np.isposinf(values)] = MORE
    codes[np.isneginf(values)] = LESS
    codes[np.isnan(values)] = NOT_A_NUMBER
    return plain_layer(name, codes.astype(np.uint16), knee=knee, step=step)


def plain_layer(name: str, values: NDArray[np.unsignedinteger[Any]], **about: Any) -> Layer:
    """Return whole numbers as they are."""
    size = values.dtype.itemsize
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    planes = plain.reshape(-1).view(np.uint8).reshape(-1, size).T
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)  # noise has no repetitions
    packed = packer.compress(np.ascontiguousarray(planes).data) + packer.flush()
    text = base64.b64encode(packed).decode("ascii")
    return Layer(name, text, {"bytes": size, "shape": [*values.shape], **about})


def bits_layer(name: str, values: NDArray[np.uint32]) -> Layer:
    """Return flag words, of which only the bits that occur are stored."""
    any_set = int(np.bitwise_or.reduce(values, axis=None)) if values.size else 0
    bits = [bit for bit in range(32) if any_set >> bit & 1]
    codes = np.zeros(values.shape, np.uint32)
    for place, bit in enumerate(bits):
        codes |= (values >> np.uint32(bit) & np.uint32(1)) << np.uint32(place)
    size = next(size for size in (8, 16, 32) if len(bits) <= size)
    codes = codes.astype(f"u{size // 8}")
    return plain_layer(name, codes, bits=bits)


def decoded(codes: NDArray[np.uint16], knee: float, step: float) -> NDArray[np.float64]:
    """Return the values of codes, as `page.js` does."""
    values = knee * np.sinh((codes.astype(np.float64) - HALF) * (step / knee))
    values[codes == NOT_A_NUMBER] = np.nan
    values[codes == LESS] = -np.inf
    values[codes == MORE] = np.inf
    return values


def growth_layer(name: str, values: FloatArray, scatter: float) -> Layer:
    """Return values of at least 0 as codes of 8 bits; 0 is NaN.

    The code is ``1 + round(asinh(value / knee) / step)`` with a knee of twice the scatter; the step
    is such that the largest finite value has the code 255.
    """
    unit = scatter if math.isfinite(scatter) and scatter > 0 else 1.0
    knee = 2 * unit
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.arcsinh(np.maximum(values, 0) / np.float32(knee))
        finite = np.isfinite(scaled)
        step = float(scaled.max(where=finite, initial=1e-3)) / 254
        codes = np.where(np.isnan(values), 0, 1 + np.rint(np.minimum(scaled / step, 254)))
    return plain_layer(name, codes.astype(np.uint8), knee=knee, step=step)
