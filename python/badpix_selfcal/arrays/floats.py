"""Conversion of users' arrays to the arrays that the kernels take."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FloatArray", "as_floats", "as_stored", "kernel_view", "precision_of", "refuse_masked"]

FloatArray: TypeAlias = NDArray[np.float32 | np.float64]
"""An array of the precisions in which the kernels compute."""


def as_floats(values: ArrayLike, name: str, ndim: int | None) -> FloatArray:
    """Convert an array to one that the kernels take, with a copy only where needed.

    Parameters
    ----------
    values : array_like of real numbers
        The array.
    name : str
        Its name in error messages.
    ndim : int or None
        The number of dimensions that it must have; None allows any.

    Returns
    -------
    ndarray of float32 or float64
        Native, aligned and C-contiguous. float16 and float32 become float32, all else float64.

    Raises
    ------
    TypeError
        If it has a mask or a unit, or does not hold real numbers.
    ValueError
        If it has another number of dimensions.
    """
    array = _real(values, name, ndim)
    return np.require(array, dtype=precision_of(array.dtype), requirements=["C", "A"])


def as_stored(values: ArrayLike, name: str) -> FloatArray:
    """Convert an image as `as_floats` does, but leave it in its byte order.

    Big-endian samples, as in FITS files, are not copied.
    """
    array = _real(values, name, 2)
    dtype = precision_of(array.dtype)
    if array.dtype.kind == "f" and array.dtype.itemsize == dtype.itemsize:
        dtype = array.dtype
    return np.require(array, dtype=dtype, requirements=["C", "A"])


def kernel_view(samples: FloatArray) -> NDArray[Any]:
    """View samples as the kernels take them: unsigned integers, if in the other byte order."""
    return samples if samples.dtype.isnative else samples.view(f"u{samples.dtype.itemsize}")


def precision_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the precision in which samples of a type are computed."""
    return np.dtype(np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64)


def _real(values: ArrayLike, name: str, ndim: int | None) -> NDArray[Any]:
    refuse_masked(values, name)
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must be {ndim}-D, got shape {array.shape}")
    return array


def refuse_masked(values: object, name: str) -> None:
    """Raise a TypeError for an array that has a mask or a unit, and for a list of such arrays.

    NumPy drops both without a word. The message says what to pass.
    """
    if isinstance(values, (list, tuple)):
        for each in filter(lambda each: _advice(each, ""), _kinds_in(values)):
            raise TypeError(
                f"{name} is a list that holds a {type(each).__name__}; pass a list of plain arrays "
                f"({_advice(each, 'each')} for each of them)"
            )
    elif advice := _advice(values, name):
        raise TypeError(f"{name} is a {type(values).__name__}; pass {advice}")


def _kinds_in(values: Iterable[object]) -> Iterator[object]:
    """Yield one element of each type in a list, and in the lists in it."""
    kinds = {type(each): each for each in values if not isinstance(each, (list, tuple))}
    yield from kinds.values()
    for each in values:
        if isinstance(each, (list, tuple)):
            yield from _kinds_in(each)


def _advice(values: object, name: str) -> str:
    """Return how to pass an array without its mask and unit; empty for one without them."""
    if isinstance(values, np.ma.MaskedArray):
        return _filled(values.dtype, name)
    nddata, masked, units = map(
        sys.modules.get, ("astropy.nddata", "astropy.utils.masked", "astropy.units")
    )
    if nddata is not None and isinstance(values, nddata.NDData):
        if values.mask is None:
            return f"{name}.data"
        return f"numpy.where({name}.mask, numpy.nan, {name}.data)"
    value = f"{name}.value" if units is not None and isinstance(values, units.Quantity) else ""
    if masked is not None and isinstance(values, masked.Masked):
        return _filled(values.dtype, value or name)
    return value


def _filled(dtype: np.dtype[Any], name: str) -> str:
    """Return a masked array without its mask, as Python code."""
    if dtype.kind == "b":
        return f"{name}.filled(False)"
    return f"{name}{'' if dtype.kind == 'f' else '.astype(float)'}.filled(numpy.nan)"
