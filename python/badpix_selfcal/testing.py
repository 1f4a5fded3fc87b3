"""Hypothesis strategies and comparisons for your own regression tests (extra ``test``).

>>> from hypothesis import given
>>> from badpix_selfcal import find_bad_pixels, reference
>>> from badpix_selfcal.testing import assert_same, images
>>> @given(images())
... def test_the_kernels_equal_plain_numpy(image):
...     ours = find_bad_pixels(image, dispaxis=2)
...     assert_same(ours.mask, reference.find_bad_pixels(image, dispaxis=2).mask)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .messages import extra

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as npst
except ImportError as error:
    raise ImportError(
        f"badpix_selfcal.testing needs hypothesis ({error}): {extra('test')}"
    ) from error

__all__ = ["assert_same", "dispaxes", "flagfracs", "images", "kernel_sizes", "large_images"]

NAN_FRACTIONS = (0.0, 0.02, 0.3, 0.9, 1.0)
KINDS = ("noise", "ties", "constant", "outliers")


@st.composite
def large_images(draw: st.DrawFn) -> NDArray[Any]:
    """Draw images large enough that the kernels divide them into tiles, chunks and tasks.

    Parameters
    ----------
    draw : callable
        Passed by hypothesis.

    Returns
    -------
    ndarray of float32 or float64, shape (rows, cols)
        Noise, ties, a constant or outliers, 100 x 100 to 400 x 400 pixels, any fraction of them
        NaN.
    """
    shape = (draw(st.integers(100, 400)), draw(st.integers(100, 400)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = _texture(rng, draw(st.sampled_from(KINDS)), shape)
    image[rng.random(shape) < draw(st.sampled_from(NAN_FRACTIONS))] = np.nan
    return image.astype(draw(st.sampled_from([np.float32, np.float64])))


@st.composite
def images(
    draw: st.DrawFn,
    *,
    dtypes: tuple[DTypeLike, ...] = (np.float32, np.float64),
    max_rows: int = 12,
    max_cols: int = 40,
    infinities: bool = False,
) -> NDArray[Any]:
    """Draw images of one pixel or more, any fraction of them NaN.

    Half of them are drawn sample by sample, so that hypothesis can shrink them. The others are
    noise, noise with ties, a constant or noise with outliers.

    Parameters
    ----------
    draw : callable
        Passed by hypothesis.
    dtypes : tuple of dtype
        Floating-point dtypes to draw from.
    max_rows, max_cols : int
        The largest numbers of rows and columns.
    infinities : bool
        Whether samples may be infinite.

    Returns
    -------
    ndarray of a dtype in `dtypes`, shape (rows, cols)
        The image.
    """
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = (draw(st.integers(1, max_rows)), draw(st.integers(1, max_cols)))
    if draw(st.booleans()):
        samples = st.floats(-1000, 1000, width=32, allow_subnormal=False) | st.just(np.nan)
        if infinities:
            samples |= st.sampled_from([np.inf, -np.inf])
        return draw(npst.arrays(dtype, shape, elements=samples, fill=st.just(1.0) | st.nothing()))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = _texture(rng, draw(st.sampled_from(KINDS)), shape).astype(dtype)
    image[rng.random(shape) < draw(st.sampled_from(NAN_FRACTIONS))] = np.nan
    if infinities:
        image[rng.random(shape) < 0.05] = np.inf
        image[rng.random(shape) < 0.05] = -np.inf
    return image


def _texture(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> NDArray[np.float64]:
    if kind == "constant":
        return np.full(shape, rng.normal())
    noise = rng.normal(size=shape)
    if kind == "ties":
        return np.round(noise)
    if kind == "outliers":
        noise[rng.random(shape) < 0.05] *= 1e4
    return noise


def kernel_sizes(largest: int = 61) -> st.SearchStrategy[int]:
    """Draw odd window lengths from 1 to `largest`, which may exceed the size of the image."""
    return st.integers(0, largest // 2).map(lambda half: 2 * half + 1)


def flagfracs() -> st.SearchStrategy[float]:
    """Draw fractions of pixels to flag, from 0 to 0.5 inclusive."""
    return st.sampled_from([0.0, 0.001, 0.5]) | st.floats(0.0, 0.5)


def dispaxes() -> st.SearchStrategy[Any]:
    """Draw dispersion axes: 1, 2 or None."""
    return st.sampled_from([1, 2, None])


def assert_same(ours: ArrayLike, theirs: ArrayLike) -> None:
    """Assert that two arrays are equal in shape, dtype and every value, NaN where NaN.

    Parameters
    ----------
    ours, theirs : array_like
        The arrays. The signs of zeros may differ.

    Raises
    ------
    AssertionError
        If they differ.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype, f"dtype {ours.dtype} is not {theirs.dtype}"
    np.testing.assert_array_equal(ours, theirs, strict=True)
