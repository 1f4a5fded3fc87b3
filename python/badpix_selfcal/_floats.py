"""The arrays that the kernels take."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FloatArray", "as_floats", "as_stored", "bits_of"]

FloatArray: TypeAlias = NDArray[np.float32 | np.float64]
"""What the kernels compute on."""


def as_floats(values: ArrayLike, name: str, ndim: tuple[int, ...] | None) -> FloatArray:
    """Return an array as the kernels take it; a copy only where needed.

    Parameters
    ----------
    values : array_like of real numbers
        The array.
    name : str
        What to call it in errors.
    ndim : tuple of int or None
        The numbers of dimensions that it may have; None: any.

    Returns
    -------
    ndarray of float32 or float64
        Native, aligned and C-contiguous; float32 for float16 and float32, else float64.

    Raises
    ------
    TypeError
        If it is masked or not real.
    ValueError
        If it has another number of dimensions.
    """
    array = _real(values, name, ndim)
    return np.require(array, dtype=_precision(array), requirements=["C", "A"])


def as_stored(values: ArrayLike, name: str) -> FloatArray:
    """Return an exposure as the kernels that read one take it: `as_floats` in either byte order.

    Parameters
    ----------
    values : array_like of real numbers, shape (rows, cols)
        The exposure; big-endian as in a FITS file is as good as native.
    name : str
        What to call it in errors.

    Returns
    -------
    ndarray of float32 or float64, shape (rows, cols)
        Aligned and C-contiguous, in native byte order or the other one.

    Raises
    ------
    TypeError
        If it is masked or not real.
    ValueError
        If it is not 2-D.
    """
    array = _real(values, name, (2,))
    dtype = _precision(array)
    if array.dtype.kind == "f" and array.dtype.itemsize == dtype.itemsize:
        dtype = array.dtype
    return np.require(array, dtype=dtype, requirements=["C", "A"])


def bits_of(samples: FloatArray) -> NDArray[Any]:
    """Return samples in the other byte order as unsigned integers of their bits, others as is."""
    return samples if samples.dtype.isnative else samples.view(f"u{samples.dtype.itemsize}")


def _real(values: ArrayLike, name: str, ndim: tuple[int, ...] | None) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; pass {name}.filled(numpy.nan)")
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if ndim is not None and array.ndim not in ndim:
        wanted = " or ".join(f"{n}-D" for n in ndim)
        raise ValueError(f"{name} must be {wanted}, got shape {array.shape}")
    return array


def _precision(array: NDArray[Any]) -> np.dtype[Any]:
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.dtype(np.float32 if single else np.float64)
