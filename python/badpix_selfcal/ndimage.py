"""Running NaN-medians of `scipy.ndimage`, with equal results in far less time.

`nanmedian_filter` is ``generic_filter(input, numpy.nanmedian, size)``. `generic_filter` has the
arguments of scipy's and calls it for other functions, so that programs change one import only.

>>> from badpix_selfcal.ndimage import nanmedian_filter
>>> nanmedian_filter([1.0, float("nan"), 2.0, 9.0], 3)
array([1. , 1.5, 5.5, 9. ])

scipy is needed for other functions, windows over three axes and footprints with holes only.
"""

from __future__ import annotations

import contextlib
import math
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .arrays.checks import as_floats, check_axes, check_choice, check_each, check_number
from .arrays.medians import Border, Window, check_window, filtered

__all__ = ["generic_filter", "nanmedian_filter"]

_EDGES: Final[dict[str, Border]] = {
    "reflect": "reflect",
    "grid-mirror": "reflect",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "nearest",
    "mirror": "mirror",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}

_Whole = int | Sequence[int]


class _OtherWindowError(ValueError):
    """A window that scipy has and the kernels do not have."""


def generic_filter(
    input: ArrayLike,  # noqa: A002 - the name in scipy
    function: Any,
    size: _Whole | None = None,
    footprint: ArrayLike | None = None,
    output: NDArray[Any] | DTypeLike | None = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: _Whole = 0,
    extra_arguments: tuple[Any, ...] = (),
    extra_keywords: dict[str, Any] | None = None,
    *,
    axes: _Whole | None = None,
) -> NDArray[Any]:
    """Compute ``scipy.ndimage.generic_filter``, fast if `function` is ``nanmedian``.

    Parameters
    ----------
    input, size, footprint, output, mode, cval, origin, axes
        As of `nanmedian_filter`. scipy computes windows that are not full, or longer than 1 along
        three axes.
    function : callable
        `numpy.nanmedian`, ``bottleneck.nanmedian``, or another one, for which scipy is called.
    extra_arguments, extra_keywords
        Passed to the function by scipy.

    Returns
    -------
    ndarray, shape of `input`
        The filtered array.

    Raises
    ------
    ImportError
        If scipy is needed and not installed.
    TypeError, ValueError
        As `nanmedian_filter`.
    """
    theirs = sys.modules.get("bottleneck")
    is_nanmedian = function is np.nanmedian or (theirs and function is theirs.nanmedian)
    if is_nanmedian and not extra_arguments and not extra_keywords:
        how: Any = {"footprint": footprint, "mode": mode, "cval": cval, "origin": origin}
        with contextlib.suppress(_OtherWindowError):
            return nanmedian_filter(input, size, output=output, axes=axes, **how)
    try:
        from scipy import ndimage
    except ImportError as error:
        raise ImportError(
            "scipy computes other functions, windows over three axes and footprints with holes "
            f"({error}): pip install scipy"
        ) from error
    given = (size, footprint, output, mode, cval, origin, extra_arguments, extra_keywords)
    found: NDArray[Any] = ndimage.generic_filter(input, function, *given, axes=axes)
    return found


def nanmedian_filter(
    input: ArrayLike,  # noqa: A002 - the name in scipy
    size: _Whole | None = None,
    *,
    footprint: ArrayLike | None = None,
    output: NDArray[Any] | DTypeLike | None = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: _Whole = 0,
    axes: _Whole | None = None,
) -> NDArray[Any]:
    """Compute ``scipy.ndimage.generic_filter(input, numpy.nanmedian, size, ...)``.

    The results are equal to the last bit, but for the sign of a zero. Without NaN and for windows
    of an odd number of samples they are those of ``scipy.ndimage.median_filter`` too; of an even
    number, that one takes the upper of the two in the middle, this one their mean.

    Parameters
    ----------
    input : array_like of real numbers
        The samples.
    size : int or sequence of int
        Samples in the window, for each of `axes` in ascending order, as in scipy. It may be longer
        than 1 along at most two.
    footprint : array_like of bool, optional
        The window instead of `size`. All of it must be true.
    output : ndarray or dtype, optional
        Where to write, or the dtype of the result. None: the dtype of `input`. Medians are
        truncated to whole numbers if it is one of integers.
    mode : str, optional
        What lies beyond the ends of an axis: "reflect" (or "grid-mirror"), "constant"
        ("grid-constant"), "nearest", "mirror", "wrap" ("grid-wrap").
    cval : float, optional
        The value of "constant".
    origin : int or sequence of int, optional
        Shifts the window towards the start of each of `axes`; if these are all, in ascending order.
    axes : int, sequence of int or None, optional
        The axes of the window; None: all.

    Returns
    -------
    ndarray, shape of `input`
        The medians; `output`, if it is an array.

    Raises
    ------
    TypeError
        If `input` or `output` is not real, or a number is not whole.
    ValueError
        If there is no such window, it is longer than 1 along three axes, `footprint` is not full,
        there is no such mode, or `output` has another shape.

    Notes
    -----
    It differs from scipy so: there is no warning where a window holds only NaN; the mean of two
    samples does not overflow; float16 is accepted; `output` may be `input`; other types of errors
    are raised. As in scipy, all types are computed in double precision or as if they were; masks
    and units of the input are ignored.
    """
    given = np.asarray(input)
    array = given.view(np.uint8) if given.dtype.kind == "b" else given
    window = _window(array.ndim, size, footprint, origin, axes)
    edge = _EDGES[check_choice([*_EDGES], mode, "mode")]
    fill = check_number(cval, "cval") if edge == "constant" else math.nan
    result = _output(output, given)
    with np.errstate(over="ignore"):
        is_single = math.isnan(fill) or float(np.float32(fill)) == fill
    if not is_single or result.dtype.kind != "f" or result.dtype.itemsize > 4:
        array = array.astype(np.float64, copy=False)
    medians = filtered(as_floats(array, "input", ndim=None), window, edge, fill)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN is no integer, and all is no float16
        if result.dtype.kind == "b":
            result.view(np.uint8)[...] = medians.astype(np.uint8)
        else:
            result[...] = medians.astype(result.dtype)
    return result


def _window(
    ndim: int, size: _Whole | None, footprint: ArrayLike | None, origin: _Whole, axes: _Whole | None
) -> Window:
    """Return the window along the axes where it is longer than 1."""
    if ndim == 0:
        raise ValueError("input must have at least one dimension, got a single number")
    given = tuple(range(ndim)) if axes is None else check_axes(ndim, axes, "axes")
    if not 0 < len(set(given)) == len(given):
        raise ValueError(f"axes must be different axes, got {axes}")
    lengths = _lengths(len(given), size, footprint)
    # scipy assigns sizes to the axes in ascending order, origins in the given one unless the window
    # is over all axes.
    along = sorted(given)
    order = given if len(given) < ndim else along
    origins = dict(zip(order, check_each(origin, len(given), "origin"), strict=True))
    if any(length < 1 for length in lengths):
        raise ValueError(f"size must be 1 or more along every axis, got {size}")
    long = {axis: length for axis, length in zip(along, lengths, strict=True) if length > 1}
    if any(origins[axis] for axis in along if axis not in long):
        raise ValueError(f"origin must be 0 where the window has one sample, got {origin}")
    if len(long) > 2:
        raise _OtherWindowError(
            f"the window may be longer than 1 along two axes only, got {lengths}; "
            "use scipy.ndimage.generic_filter"
        )
    long = long or {along[0]: 1}
    shifts = tuple(origins[axis] for axis in long)
    return check_window(ndim, tuple(long.values()), tuple(long), shifts)


def _lengths(count: int, size: _Whole | None, footprint: ArrayLike | None) -> tuple[int, ...]:
    if footprint is None:
        if size is None:
            raise ValueError("size or footprint must be given")
        return check_each(size, count, "size")
    if size is not None:
        warnings.warn("ignoring size because footprint is set", UserWarning, stacklevel=4)
    full = np.asarray(footprint, dtype=bool)
    if full.ndim != count:
        raise ValueError(f"footprint must have {count} dimensions as axes, got {full.ndim}")
    if not full.all():
        raise _OtherWindowError(
            "footprint must be true everywhere; use scipy.ndimage.generic_filter"
        )
    return full.shape


def _output(output: NDArray[Any] | DTypeLike | None, array: NDArray[Any]) -> NDArray[Any]:
    if not isinstance(output, np.ndarray):
        dtype = array.dtype.newbyteorder("=") if output is None else np.dtype(output)
        output = np.empty(array.shape, dtype)
    if output.dtype.kind not in "biuf":
        raise TypeError(f"output must hold real numbers, got dtype {output.dtype}")
    if output.shape != array.shape:
        raise ValueError(f"output must have the input's shape {array.shape}, got {output.shape}")
    return output
