"""The arrays that the kernels take."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FloatArray", "as_floats"]

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
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; pass {name}.filled(numpy.nan)")
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if ndim is not None and array.ndim not in ndim:
        wanted = " or ".join(f"{n}-D" for n in ndim)
        raise ValueError(f"{name} must be {wanted}, got shape {array.shape}")
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.require(array, dtype=np.float32 if single else np.float64, requirements=["C", "A"])
