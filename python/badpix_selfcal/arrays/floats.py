"""Conversion of users' arrays to the arrays that the kernels take."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FloatArray", "as_floats", "as_stored", "bits_of", "refuse_dressed"]

FloatArray: TypeAlias = NDArray[np.float32 | np.float64]
"""An array of the precisions in which the kernels compute."""


def as_floats(values: ArrayLike, name: str, ndim: tuple[int, ...] | None) -> FloatArray:
    """Convert an array to one that the kernels take, with a copy only where needed.

    Parameters
    ----------
    values : array_like of real numbers
        The array.
    name : str
        Its name in error messages.
    ndim : tuple of int or None
        The allowed numbers of dimensions; None allows any.

    Returns
    -------
    ndarray of float32 or float64
        Native, aligned and C-contiguous. float16 and float32 become float32, all else float64.

    Raises
    ------
    TypeError
        If it has a mask or a unit, or does not hold real numbers.
    ValueError
        If its number of dimensions is not allowed.
    """
    array = _real(values, name, ndim)
    return np.require(array, dtype=_precision(array), requirements=["C", "A"])


def as_stored(values: ArrayLike, name: str) -> FloatArray:
    """Convert an exposure as `as_floats` does, but leave it in its byte order.

    Parameters
    ----------
    values : array_like of real numbers, shape (rows, cols)
        The exposure. Big-endian samples, as in FITS files, are not copied.
    name : str
        Its name in error messages.

    Returns
    -------
    ndarray of float32 or float64, shape (rows, cols)
        Aligned and C-contiguous, in native byte order or the other one.

    Raises
    ------
    TypeError
        If it has a mask or a unit, or does not hold real numbers.
    ValueError
        If it is not 2-D.
    """
    array = _real(values, name, (2,))
    dtype = _precision(array)
    if array.dtype.kind == "f" and array.dtype.itemsize == dtype.itemsize:
        dtype = array.dtype
    return np.require(array, dtype=dtype, requirements=["C", "A"])


def bits_of(samples: FloatArray) -> NDArray[Any]:
    """View samples in the other byte order as unsigned integers; return native ones unchanged."""
    return samples if samples.dtype.isnative else samples.view(f"u{samples.dtype.itemsize}")


def _real(values: ArrayLike, name: str, ndim: tuple[int, ...] | None) -> NDArray[Any]:
    refuse_dressed(values, name)
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if ndim is not None and array.ndim not in ndim:
        wanted = " or ".join(f"{n}-D" for n in ndim)
        raise ValueError(f"{name} must be {wanted}, got shape {array.shape}")
    return array


def refuse_dressed(values: object, name: str) -> None:
    """Refuse an array that has a mask or a unit, and a list of such arrays.

    NumPy drops both without a word.

    Raises
    ------
    TypeError
        With the name, and with what to pass.
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


def _precision(array: NDArray[Any]) -> np.dtype[Any]:
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.dtype(np.float32 if single else np.float64)
