"""Hypothesis strategies for images, masks, windows and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import DTypeLike, NDArray

LAYOUTS: Final = ("C", "Fortran", "strided", "reversed", "swapped", "misaligned", "read-only")
"""Ways in which an array lies in memory: "reversed" has negative strides, "swapped" the other byte
order."""

USUAL: Final = ("noise", "ties", "constant", "outliers")
EXTREME: Final = ("huge", "tiny", "zeros")
FLOATS: Final[tuple[DTypeLike, ...]] = ("float32", "float64")
WORST: Final = 2**32 - 1


@st.composite
def images(
    draw: st.DrawFn,
    *,
    dtypes: Sequence[DTypeLike] = FLOATS,
    shape: tuple[int, int] | None = None,
    max_rows: int = 12,
    max_cols: int = 40,
    infinities: bool = False,
    extremes: bool = False,
) -> NDArray[Any]:
    """Draw images of one pixel or more, any fraction of them NaN.

    Half of them are drawn sample by sample, so that hypothesis can shrink them. The others are
    noise, ties, a constant or outliers, with NaN scattered, in rows, columns, stripes or a block,
    or everywhere. With `infinities` samples may be infinite; with `extremes` they may be the
    largest and the smallest numbers, and zeros of both signs.
    """
    dtype = np.dtype(draw(st.sampled_from([*dtypes])))
    sides = shape or (draw(st.integers(1, max_rows)), draw(st.integers(1, max_cols)))
    if draw(st.booleans()):
        kinds = (*USUAL, *(EXTREME if extremes else ()), *(("infinite",) if infinities else ()))
        return draw(_textures(sides, dtype, kinds))
    # The simpler case, to which hypothesis shrinks.
    samples = st.integers(-9, 9).map(float) | st.just(np.nan)
    samples |= st.floats(-1000, 1000, width=32, allow_subnormal=False)
    if infinities:
        samples |= st.sampled_from([np.inf, -np.inf])
    if extremes:
        about = np.finfo(dtype)
        samples |= st.sampled_from([float(about.max), float(about.smallest_subnormal), -0.0])
    filler = st.just(np.nan) | st.just(1.0) | st.nothing()
    return draw(npst.arrays(dtype, sides, elements=samples, fill=filler))


@st.composite
def large_images(draw: st.DrawFn) -> NDArray[Any]:
    """Draw images of 100 x 100 to 400 x 400 pixels.

    They are large enough that the kernels divide them into tiles, chunks and tasks.
    """
    sides = (draw(st.integers(100, 400)), draw(st.integers(100, 400)))
    return draw(_textures(sides, np.dtype(draw(st.sampled_from(FLOATS))), USUAL))


@st.composite
def _textures(
    draw: st.DrawFn, shape: tuple[int, int], dtype: np.dtype[Any], kinds: Sequence[str]
) -> NDArray[Any]:
    """Draw images of random samples, of which a part is missing."""
    kind, share = draw(st.sampled_from(kinds)), draw(st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0]))
    pattern = draw(st.sampled_from(["scattered", "rows", "columns", "block", "stripes"]))
    rng = np.random.default_rng(draw(st.integers(0, WORST)))
    image = _samples(rng, kind, shape, np.finfo(dtype)).astype(dtype)
    rows, cols = shape
    if pattern == "block":
        height, width = round(share**0.5 * rows), round(share**0.5 * cols)
        y0, x0 = rng.integers(rows - height + 1), rng.integers(cols - width + 1)
        image[y0 : y0 + height, x0 : x0 + width] = np.nan
    elif pattern == "stripes":
        image[(np.add.outer(range(rows), range(cols)) % 2 == 0) & (share > 0)] = np.nan
    else:
        lines = {"rows": (rows, 1), "columns": (1, cols)}.get(pattern, shape)
        image[np.broadcast_to(rng.random(lines) < share, shape)] = np.nan
    return image


def _samples(
    rng: np.random.Generator, kind: str, shape: tuple[int, int], about: np.finfo[Any]
) -> NDArray[Any]:
    noise = rng.normal(size=shape)
    if kind == "constant":
        return np.full(shape, rng.normal())
    if kind == "ties":
        return np.round(noise)
    if kind == "huge":  # their sum overflows
        return float(about.max) * rng.choice([-1.0, -0.75, 0.75, 1.0], shape)
    if kind == "tiny":
        return float(about.smallest_subnormal) * np.round(20 * noise)
    if kind == "zeros":
        return rng.choice([-0.0, 0.0, 1.0, -1.0], shape)
    if kind == "outliers":
        noise[rng.random(shape) < 0.05] *= 1e4
    elif kind == "infinite":
        noise[rng.random(shape) < 0.05] = np.inf
        noise[rng.random(shape) < 0.05] = -np.inf
    return noise


def laid_out(image: NDArray[Any], layout: str) -> NDArray[Any]:
    """Return an equal array that lies otherwise in memory: in one of `LAYOUTS`."""
    if layout == "Fortran":
        return np.asfortranarray(image)
    if layout == "swapped":
        return image.astype(image.dtype.newbyteorder("S"))
    if layout == "reversed":
        back = (slice(None, None, -1),) * image.ndim
        return np.ascontiguousarray(image[back])[back]
    if layout == "strided":
        wide = np.zeros([2 * side for side in image.shape], image.dtype)
        view = wide[(slice(None, None, 2),) * image.ndim]
    elif layout == "misaligned":
        memory = np.zeros(image.nbytes + 1, np.uint8)[1:]
        view = memory.view(image.dtype).reshape(image.shape)
    else:
        view = np.empty_like(image, order="C")
    view[...] = image
    view.flags.writeable = layout != "read-only"
    return view


def kernel_sizes(largest: int = 61, *, even: bool = False) -> st.SearchStrategy[int]:
    """Draw window lengths from 1 to `largest`, which may exceed the image; odd unless `even`."""
    if even:
        return st.integers(1, largest)
    return st.integers(0, largest // 2).map(lambda half: 2 * half + 1)


def windows(
    longest: int = 61, side: int = 9, *, even: bool = False
) -> st.SearchStrategy[tuple[int, int]]:
    """Draw windows (height, width): lines up to `longest`, rectangles up to `side` a side.

    Their lengths are odd; with `even`, any.
    """
    line, short = kernel_sizes(longest, even=even), kernel_sizes(side, even=even)
    lines = st.tuples(line, st.just(1)) | st.tuples(st.just(1), line)
    return lines | st.tuples(short, short)


def flagfracs() -> st.SearchStrategy[float]:
    """Draw fractions of pixels to flag, from 0 to 0.5 inclusive."""
    return st.sampled_from([0.0, 0.001, 0.5]) | st.floats(0.0, 0.5)


def dispaxes() -> st.SearchStrategy[Any]:
    """Draw dispersion axes: 1, 2 or None."""
    return st.sampled_from([1, 2, None])
