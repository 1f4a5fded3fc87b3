"""Arrays in a page: as small integers, compressed, in base64. `page.js` turns them into values.

A float becomes a code of 16 bits, ``HALF + round(asinh(value / knee) * knee / step)`` with
``knee = KNEE * scatter`` and ``step = STEP * scatter``: near zero a code is one step, far from it
the relative error is at most ``STEP / KNEE / 2``.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.checks import FloatArray

STEP: Final = 1 / 16
KNEE: Final = 50.0

NOT_A_NUMBER, LESS, MORE = 0, 1, 65535
"""The codes of NaN and of the infinities."""

HALF: Final = 32768


def float_layer(name: str, values: FloatArray, scatter: float) -> Any:
    """Return floats as codes of 16 bits, in units of the scatter of the noise."""
    unit = _unit(scatter)
    knee, step = KNEE * unit, STEP * unit
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.arcsinh(values / values.dtype.type(knee)) * values.dtype.type(knee / step)
        codes = np.clip(np.rint(scaled) + HALF, LESS + 1, MORE - 1)
    codes[np.isposinf(values)] = MORE
    codes[np.isneginf(values)] = LESS
    codes[np.isnan(values)] = NOT_A_NUMBER
    return plain_layer(name, codes.astype(np.uint16), knee=knee, step=step)


def growth_layer(name: str, values: FloatArray, scatter: float) -> Any:
    """Return values of at least 0 as codes of 8 bits; 0 is NaN.

    The code is ``1 + round(asinh(value / knee) / step)`` with a knee of twice the scatter; the step
    is such that the largest finite value has the code 255.
    """
    knee = 2 * _unit(scatter)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.arcsinh(np.maximum(values, 0) / np.float32(knee))
        step = float(scaled.max(where=np.isfinite(scaled), initial=1e-3)) / 254
        codes = np.where(np.isnan(values), 0, 1 + np.rint(np.minimum(scaled / step, 254)))
    return plain_layer(name, codes.astype(np.uint8), knee=knee, step=step)


def bits_layer(name: str, values: NDArray[np.uint32]) -> Any:
    """Return flag words, of which only the bits that occur are stored."""
    any_set = int(np.bitwise_or.reduce(values, axis=None)) if values.size else 0
    bits = [bit for bit in range(32) if any_set >> bit & 1]
    codes = np.zeros(values.shape, np.uint32)
    for place, bit in enumerate(bits):
        codes |= (values >> np.uint32(bit) & np.uint32(1)) << np.uint32(place)
    size = next(size for size in (8, 16, 32) if len(bits) <= size)
    return plain_layer(name, codes.astype(f"u{size // 8}"), bits=bits)


def plain_layer(name: str, values: NDArray[np.unsignedinteger[Any]], **about: Any) -> Any:
    """Return whole numbers as they are, those of their bytes of the lowest order first."""
    size = values.dtype.itemsize
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    planes = np.ascontiguousarray(plain.reshape(-1).view(np.uint8).reshape(-1, size).T)
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)  # noise has no repetitions
    text = base64.b64encode(packer.compress(planes.data) + packer.flush()).decode("ascii")
    return _script(f"layer-{name}", text, {"bytes": size, **about})


def packed(name: str, code: str) -> Any:
    """Return a library of JavaScript, compressed."""
    text = base64.b64encode(zlib.compress(code.encode(), 9)).decode("ascii")
    return _script(name, text, {})


def _script(name: str, text: str, about: dict[str, Any]) -> Any:
    from markupsafe import Markup

    facts = json.dumps(about)
    return Markup(f"<script type='text/plain' id='{name}' data-about='{facts}'>{text}</script>")


def _unit(scatter: float) -> float:
    """Return a scatter that can be a unit: 1 if it is not a positive number."""
    return scatter if math.isfinite(scatter) and scatter > 0 else 1.0
