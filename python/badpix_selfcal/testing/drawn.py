"""Arrays that know the line of Python that makes them, so that a failure can be repeated."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "LAYOUTS",
    "Drawn",
    "Kind",
    "Layout",
    "Pattern",
    "code_of",
    "imports_of",
    "laid_out",
    "texture",
]

Kind: TypeAlias = Literal[
    "noise", "ties", "constant", "outliers", "huge", "tiny", "zeros", "infinite"
]
"""What the samples of `texture` are."""

Pattern: TypeAlias = Literal["scattered", "rows", "columns", "block", "stripes"]
"""Where its missing samples are."""

Layout: TypeAlias = Literal[
    "C", "Fortran", "strided", "reversed", "swapped", "misaligned", "read-only"
]
"""How an array lies in memory."""

LAYOUTS: Final[tuple[Layout, ...]] = get_args(Layout)

_FROM_NUMPY: Final = ("array", "full", "inf", "nan")
_FROM_HERE: Final = ("Observation", "laid_out", "texture")

SHORT: Final = 120
"""The most samples that are written out."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """An array, and an expression of Python that makes it (with the imports of `imports_of`)."""

    array: NDArray[Any]
    code: str

    @classmethod
    def of(cls, array: NDArray[Any]) -> Drawn:
        """Return an array that is written out."""
        return cls(array, code_of(array))

    def by(self, function: Callable[[NDArray[Any]], NDArray[Any]], code: str) -> Drawn:
        """Return what a function makes of the array; ``{0}`` in its code stands for the array."""
        return Drawn.made(function(self.array), code.format(self.code))

    @classmethod
    def made(cls, array: NDArray[Any], code: str) -> Drawn:
        """Return an array that is written out if it is short."""
        return cls.of(array) if array.size <= SHORT else cls(array, code)

    def lying(self, layout: Layout) -> Drawn:
        """Return an equal array that lies otherwise in memory."""
        if layout == "C":
            return self
        return Drawn(laid_out(self.array, layout), f"laid_out({self.code}, {layout!r})")

    def __repr__(self) -> str:
        return self.code


def imports_of(code: str) -> str:
    """Return the imports that an expression needs, as statements that end with a semicolon."""
    words = {*re.findall(r"[A-Za-z_]+", code)}
    lines = ["import numpy"] if "numpy" in words else []
    for module, names in (("numpy", _FROM_NUMPY), ("badpix_selfcal.testing", _FROM_HERE)):
        if needed := [name for name in names if name in words]:
            lines.append(f"from {module} import {', '.join(needed)}")
    return "".join(f"{line}; " for line in lines)


def code_of(value: object) -> str:
    """Return an expression that makes a value: exact for arrays of numbers."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size and value.shape != () and len({*map(repr, value.ravel().tolist())}) == 1:
        made = f"full({value.shape}, {value.ravel()[0].item()!r}"
    else:
        made = f"array({value.tolist()!r}"
    shaped = f".reshape({value.shape})" if not value.size else ""
    return f"{made}, {value.dtype.newbyteorder('=').name!r}){shaped}"


def laid_out(image: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Return an equal array that lies otherwise in memory.

    Parameters
    ----------
    image : ndarray
        The array; it is not changed.
    layout : str
        "C", "Fortran", "strided", "reversed" (negative strides), "swapped" (the other byte order),
        "misaligned" or "read-only".

    Returns
    -------
    ndarray
        The array.
    """
    if layout == "Fortran":
        return np.asfortranarray(image)
    if layout == "strided":
        wide = np.zeros(tuple(2 * side for side in image.shape), image.dtype)
        view = wide[tuple(slice(None, None, 2) for _ in image.shape)]
        view[...] = image
        return view
    if layout == "reversed":
        back = tuple(slice(None, None, -1) for _ in image.shape)
        return np.ascontiguousarray(image[back])[back]
    if layout == "swapped":
        return image.astype(image.dtype.newbyteorder("S"))
    if layout == "misaligned":
        memory = np.zeros(image.nbytes + 1, np.uint8)[1:]
        view = memory.view(image.dtype).reshape(image.shape)
        view[...] = image
        return view
    fixed = np.array(image, order="C")
    fixed.flags.writeable = layout != "read-only"
    return fixed


def texture(
    shape: tuple[int, int],
    kind: Kind = "noise",
    *,
    missing: float = 0.0,
    pattern: Pattern = "scattered",
    seed: int = 0,
    dtype: DTypeLike = "float64",
) -> NDArray[Any]:
    """Return an image of random samples.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    kind : str
        "noise"; "ties" (whole numbers); "constant"; "outliers" (a few 10 000 times as large);
        "huge" (up to the largest of the dtype, whose sum overflows); "tiny" (denormals); "zeros" of
        both signs; "infinite" (a tenth).
    missing : float
        The fraction of NaN.
    pattern : str
        Where they are: "scattered", whole "rows" or "columns", one "block", or every second
        diagonal ("stripes").
    seed : int
        Of the random numbers.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray of `dtype`, shape `shape`
        The image.
    """
    rng, real = np.random.default_rng(seed), np.dtype(dtype)
    image = _samples(rng, kind, shape, np.finfo(real)).astype(real)
    image[_missing(rng, pattern, shape, missing)] = np.nan
    return image


def _samples(
    rng: np.random.Generator, kind: Kind, shape: tuple[int, int], about: np.finfo[Any]
) -> NDArray[Any]:
    noise = rng.normal(size=shape)
    if kind == "constant":
        return np.full(shape, rng.normal())
    if kind == "ties":
        return np.round(noise)
    if kind == "outliers":
        noise[rng.random(shape) < 0.05] *= 1e4
    elif kind == "huge":
        return float(about.max) * rng.choice([-1.0, -0.75, 0.75, 1.0], shape)
    elif kind == "tiny":
        return float(about.smallest_subnormal) * np.round(20 * noise)
    elif kind == "zeros":
        return rng.choice([-0.0, 0.0, 1.0, -1.0], shape)
    elif kind == "infinite":
        noise[rng.random(shape) < 0.05] = np.inf
        noise[rng.random(shape) < 0.05] = -np.inf
    return noise


def _missing(
    rng: np.random.Generator, pattern: Pattern, shape: tuple[int, int], share: float
) -> NDArray[np.bool_]:
    rows, cols = shape
    if pattern == "rows":
        return np.broadcast_to(rng.random((rows, 1)) < share, shape)
    if pattern == "columns":
        return np.broadcast_to(rng.random((1, cols)) < share, shape)
    lost = np.zeros(shape, bool)
    if pattern == "block" and share > 0:
        side = share**0.5
        height, width = round(side * rows), round(side * cols)
        y0, x0 = rng.integers(rows - height + 1), rng.integers(cols - width + 1)
        lost[y0 : y0 + height, x0 : x0 + width] = True
        return lost
    if pattern == "stripes" and share > 0:
        y, x = np.indices(shape)
        return np.asarray((x + y) % 2 == 0)
    return rng.random(shape) < share
