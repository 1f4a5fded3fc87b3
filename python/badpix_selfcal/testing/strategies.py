"""Hypothesis strategies for images, masks, windows and parameters."""

from __future__ import annotations

from typing import Any, Final, get_args

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import DTypeLike, NDArray

from ..parameters import Parameters
from .drawn import LAYOUTS, Drawn, Kind, Layout, Pattern, texture

__all__ = [
    "dispaxes",
    "drawn_images",
    "errors_of",
    "flagfracs",
    "gap_masks",
    "gap_regions",
    "images",
    "kernel_sizes",
    "large_images",
    "layouts",
    "parameters",
    "shapes",
    "windows",
]

MISSING: Final = (0.0, 0.02, 0.3, 0.9, 1.0)
PATTERNS: Final[tuple[Pattern, ...]] = get_args(Pattern)
USUAL: Final[tuple[Kind, ...]] = ("noise", "ties", "constant", "outliers")
EXTREME: Final[tuple[Kind, ...]] = (*USUAL, "huge", "tiny", "zeros")
FLOATS: Final[tuple[DTypeLike, ...]] = ("float32", "float64")
WORST: Final = 2**32 - 1


@st.composite
def drawn_images(
    draw: st.DrawFn,
    *,
    dtypes: tuple[DTypeLike, ...] = FLOATS,
    shape: tuple[int, int] | None = None,
    max_rows: int = 12,
    max_cols: int = 40,
    infinities: bool = False,
    extremes: bool = False,
) -> Drawn:
    """Draw what `images` draws, with the code that makes it."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    sides = shape or (draw(st.integers(1, max_rows)), draw(st.integers(1, max_cols)))
    if not draw(st.booleans()):  # the simpler case: hypothesis shrinks sample by sample
        samples = st.integers(-9, 9).map(float) | st.just(np.nan)
        samples |= st.floats(-1000, 1000, width=32, allow_subnormal=False)
        if infinities:
            samples |= st.sampled_from([np.inf, -np.inf])
        if extremes:
            about = np.finfo(dtype)
            samples |= st.sampled_from([float(about.max), float(about.smallest_subnormal), -0.0])
        filler = st.just(1.0) | st.just(np.nan) | st.nothing()
        return Drawn.of(draw(npst.arrays(dtype, sides, elements=samples, fill=filler)))
    return draw(_textures(sides, dtype.name, infinities=infinities, extremes=extremes))


@st.composite
def _textures(
    draw: st.DrawFn, shape: tuple[int, int], dtype: str, *, infinities: bool, extremes: bool
) -> Drawn:
    kinds: tuple[Kind, ...] = (
        *(EXTREME if extremes else USUAL),
        *(("infinite",) if infinities else ()),
    )
    kind = draw(st.sampled_from(kinds))
    missing, pattern = draw(st.sampled_from(MISSING)), draw(st.sampled_from(PATTERNS))
    seed = draw(st.integers(0, WORST))
    how = f"missing={missing}, pattern={pattern!r}, seed={seed}, dtype={dtype!r}"
    image = texture(shape, kind, missing=missing, pattern=pattern, seed=seed, dtype=dtype)
    return Drawn.made(image, f"texture({shape}, {kind!r}, {how})")


def images(
    *,
    dtypes: tuple[DTypeLike, ...] = FLOATS,
    max_rows: int = 12,
    max_cols: int = 40,
    infinities: bool = False,
    extremes: bool = False,
) -> st.SearchStrategy[NDArray[Any]]:
    """Draw images of one pixel or more, any fraction of them NaN.

    Half of them are drawn sample by sample, so that hypothesis can shrink them. The others are
    those of `texture`: noise, ties, a constant, outliers, with NaN scattered, in rows, columns or
    blocks, or everywhere.

    Parameters
    ----------
    dtypes : tuple of dtype
        Floating-point dtypes to draw from.
    max_rows, max_cols : int
        The largest numbers of rows and columns.
    infinities : bool
        Whether samples may be infinite.
    extremes : bool
        Whether samples may be the largest and the smallest numbers, and zeros of both signs.

    Returns
    -------
    strategy for ndarray of a dtype in `dtypes`, shape (rows, cols)
        The images.
    """
    how: dict[str, Any] = {"dtypes": dtypes, "max_rows": max_rows, "max_cols": max_cols}
    return drawn_images(**how, infinities=infinities, extremes=extremes).map(_array)


@st.composite
def drawn_large_images(draw: st.DrawFn, *, dtypes: tuple[DTypeLike, ...] = FLOATS) -> Drawn:
    """Draw what `large_images` draws, with the code that makes it."""
    sides = (draw(st.integers(100, 400)), draw(st.integers(100, 400)))
    dtype = np.dtype(draw(st.sampled_from(dtypes))).name
    return draw(_textures(sides, dtype, infinities=False, extremes=False))


def large_images(*, dtypes: tuple[DTypeLike, ...] = FLOATS) -> st.SearchStrategy[NDArray[Any]]:
    """Draw images large enough that the kernels divide them into tiles, chunks and tasks.

    Parameters
    ----------
    dtypes : tuple of dtype
        Floating-point dtypes to draw from.

    Returns
    -------
    strategy for ndarray of float32 or float64, shape (rows, cols)
        Images as those of `texture`, 100 x 100 to 400 x 400 pixels.
    """
    return drawn_large_images(dtypes=dtypes).map(_array)


def shapes(max_rows: int = 12, max_cols: int = 40) -> st.SearchStrategy[tuple[int, int]]:
    """Draw rows and columns; many images have one row, one column or no pixel at all."""
    odd = st.sampled_from([(0, 0), (0, 5), (5, 0), (1, 1), (1, max_cols), (max_rows, 1)])
    return st.tuples(st.integers(1, max_rows), st.integers(1, max_cols)) | odd


def layouts() -> st.SearchStrategy[Layout]:
    """Draw ways in which an array lies in memory (see `laid_out`)."""
    return st.sampled_from(LAYOUTS)


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


def gap_masks(shape: tuple[int, int]) -> st.SearchStrategy[NDArray[np.bool_]]:
    """Draw masks of an image's shape; True is the gap, which may be empty."""
    return npst.arrays(np.bool_, shape)


def gap_regions(shape: tuple[int, int]) -> st.SearchStrategy[tuple[int, int, int, int]]:
    """Draw half-open rectangles (y0, y1, x0, x1), some of them beyond the image or empty."""
    rows, cols = (st.tuples(*[st.integers(0, side + 3)] * 2).map(sorted) for side in shape)
    return st.tuples(rows, cols).map(lambda both: (*both[0], *both[1]))


def errors_of(image: NDArray[Any]) -> st.SearchStrategy[NDArray[Any] | None]:
    """Draw ERR for an image: none, all alike, noise, or with zeros, NaN, infinite and negative."""
    kinds = st.sampled_from(["none", "alike", "noise", "damaged"])
    return st.tuples(kinds, st.integers(0, WORST)).map(lambda how: _errors(image, *how))


def _errors(image: NDArray[Any], kind: str, seed: int) -> NDArray[Any] | None:
    rng = np.random.default_rng(seed)
    errors: NDArray[Any] = np.ones(image.shape, image.dtype)
    if kind == "none":
        return None
    if kind != "alike":
        errors *= rng.lognormal(0.0, 0.3, image.shape).astype(image.dtype)
    if kind == "damaged":
        for value in (0.0, np.nan, np.inf, -1.0):
            errors[rng.random(image.shape) < 0.1] = value
    return errors


def parameters() -> st.SearchStrategy[Parameters]:
    """Draw the parameters of a run, of either cut."""
    common: dict[str, st.SearchStrategy[Any]] = {
        "kernel_size": kernel_sizes(31),
        "dispaxis": st.sampled_from(["auto", 1, 2, None]),
        "edge": st.sampled_from(["auto", "zero", "shrink"]),
        "force_single": st.booleans(),
        "save_flagged_bkg": st.booleans(),
    }
    fraction = st.builds(
        Parameters,
        cut=st.just("fraction"),
        flagfrac_lower=flagfracs(),
        flagfrac_upper=flagfracs(),
        **common,
    )
    sigma = st.floats(0.5, 50)
    return fraction | st.builds(
        Parameters,
        cut=st.just("sigma"),
        sigma_lower=sigma,
        sigma_upper=st.none() | sigma,
        grow=st.booleans(),
        **common,
    )


def _array(drawn: Drawn) -> NDArray[Any]:
    return drawn.array
