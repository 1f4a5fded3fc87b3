"""Running medians of `scipy.ndimage`, with equal results in far less time.

`median_filter`, `generic_filter` and `vectorized_filter` have the arguments of scipy's, and call
those for all that the kernels do not compute, so that programs change one import only.
`nanmedian_filter` is ``generic_filter(input, numpy.nanmedian, size)`` and never needs scipy.

>>> from badpix_selfcal.ndimage import nanmedian_filter
>>> nanmedian_filter([1.0, float("nan"), 2.0, 9.0], 3)
array([1. , 1.5, 5.5, 9. ])
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .arrays.checks import as_floats, check_axes, check_choice, check_each, check_number
from .arrays.medians import Border, Window, check_window, filtered, remembered

__all__ = ["generic_filter", "median_filter", "nanmedian_filter", "vectorized_filter"]

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

_MODES: Final = tuple(_EDGES)

_NANMEDIANS: Final = ("bottleneck", "astropy.stats.nanfunctions", "photutils.utils._stats")
"""Modules whose `nanmedian` is NumPy's in another way."""

_EXACT: Final = 1 << 53
"""Whole numbers up to this one are exact in double precision."""

_Whole = int | Sequence[int]


class OtherArgumentsError(ValueError):
    """Arguments that scipy takes and the kernels do not."""


def median_filter(
    input: ArrayLike,  # noqa: A002 - the name in scipy
    size: _Whole | None = None,
    footprint: ArrayLike | None = None,
    output: NDArray[Any] | DTypeLike | None = None,
    mode: str = "reflect",
    cval: float = 0.0,
    origin: _Whole = 0,
    *,
    axes: _Whole | None = None,
) -> NDArray[Any]:
    """Compute ``scipy.ndimage.median_filter``.

    Parameters
    ----------
    input, size, footprint, output, mode, cval, origin, axes
        As in scipy. The kernels compute windows of an odd number of samples, longer than 1 along at
        most two axes, over real samples without NaN. scipy computes all others.

    Returns
    -------
    ndarray, shape and dtype of `input`
        The medians; `output`, if it is an array.

    Raises
    ------
    ImportError
        If scipy is needed and not installed.
    Exception
        What scipy raises for wrong arguments; without scipy, as `nanmedian_filter`.
    """
    how: Any = {"footprint": footprint, "mode": mode, "cval": cval, "origin": origin, "axes": axes}
    try:
        return medians_of_odd(np.asarray(input), size, output=output, **how)
    except (TypeError, ValueError) as refusal:
        theirs = of_scipy("ndimage", "median_filter", refusal)
    return theirs(input, size, output=output, **how)


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
        `numpy.nanmedian`, or that of bottleneck, astropy or photutils; for others scipy is called.
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
    Exception
        What scipy raises for wrong arguments; without scipy, as `nanmedian_filter`.
    """
    how: Any = {"footprint": footprint, "output": output, "mode": mode, "cval": cval}
    how |= {"origin": origin, "axes": axes}
    extra = {"extra_arguments": extra_arguments, "extra_keywords": extra_keywords}
    try:
        if not _is_nanmedian(function) or extra_arguments or extra_keywords:
            raise OtherArgumentsError("another function than `numpy.nanmedian`")
        try:
            return nanmedian_filter(input, size, **how)
        except OtherArgumentsError:
            return _in_batches(np.asarray(input), size, **how)
    except (TypeError, ValueError) as refusal:
        theirs = of_scipy("ndimage", "generic_filter", refusal)
    return theirs(input, function, size, **how, **extra)


def vectorized_filter(
    input: ArrayLike,  # noqa: A002 - the name in scipy
    function: Any,
    *,
    size: _Whole | None = None,
    mode: str = "reflect",
    cval: float | None = None,
    origin: _Whole | None = None,
    axes: _Whole | None = None,
    **others: Any,
) -> NDArray[Any]:
    """Compute ``scipy.ndimage.vectorized_filter``, fast if `function` is ``nanmedian``.

    Parameters
    ----------
    input, size, mode, cval, origin, axes
        As in scipy. The kernels compute windows as of `nanmedian_filter`.
    function : callable
        As of `generic_filter`.
    **others
        Further arguments of scipy's, which then computes: `footprint`, `output`, `batch_memory`.

    Returns
    -------
    ndarray, shape of `input`
        The filtered array: with `numpy.nanmedian`, float32 for float32, else float64.

    Raises
    ------
    ImportError
        If scipy is needed and does not have this function (it came with scipy 1.16).
    Exception
        What scipy raises for wrong arguments.
    """
    how = {"size": size, "mode": mode, "cval": cval, "origin": origin, "axes": axes}
    array = np.asarray(input)
    is_float = array.dtype.kind == "f"
    try:
        if others or mode.startswith("grid") or not _is_nanmedian(function) or not _ascend(axes):
            raise OtherArgumentsError("other arguments")
        if not (array.dtype.itemsize in (4, 8) if is_float else array.dtype.kind in "iu"):
            raise OtherArgumentsError(f"samples of dtype {array.dtype}")
        if cval is not None and not is_float:
            raise OtherArgumentsError("cval among whole numbers")
        return nanmedian_filter(
            array,
            size,
            output=array.dtype.newbyteorder("=") if is_float else np.float64,
            mode=mode,
            cval=0.0 if cval is None else float(array.dtype.type(cval)),
            origin=0 if origin is None else origin,
            axes=axes,
        )
    except (TypeError, ValueError) as refusal:
        theirs = of_scipy("ndimage", "vectorized_filter", refusal)
    return theirs(input, function, **how, **others)


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
    edge = _EDGES[check_choice(_MODES, mode, "mode")]
    fill, is_single = math.nan, True
    if edge == "constant":
        fill = check_number(cval, "cval")
        with np.errstate(over="ignore"):
            is_single = math.isnan(fill) or float(np.float32(fill)) == fill
    result = _output(output, given)
    if not is_single or result.dtype.kind != "f" or result.dtype.itemsize > 4:
        array = array.astype(np.float64, copy=False)
    samples = as_floats(array, "input", ndim=None)
    if result.dtype == samples.dtype and not np.may_share_memory(result, given):
        return filtered(samples, window, edge, fill, out=result)
    return _put(filtered(samples, window, edge, fill), result)


def medians_of_odd(
    array: NDArray[Any],
    size: Any,
    *,
    footprint: ArrayLike | None = None,
    output: NDArray[Any] | DTypeLike | None = None,
    cval: float = 0.0,
    origin: _Whole = 0,
    axes: _Whole | None = None,
    mode: str = "reflect",
) -> NDArray[Any]:
    """Compute medians that need no mean, so that they are those of scipy's sorted samples.

    Raises `OtherArgumentsError` for samples that scipy orders in another way (NaN), for whole
    numbers that are not exact in double precision, and for windows of an even number of samples.
    """
    kind, size_of_one = array.dtype.kind, array.dtype.itemsize
    if kind not in "biuf" or size_of_one > 8 or array.dtype == np.float16 or array.size == 0:
        raise OtherArgumentsError(f"{array.size} samples of dtype {array.dtype}")
    if kind == "f" and math.isnan(array.min()):
        raise OtherArgumentsError("samples that are NaN")
    if kind in "iu" and size_of_one == 8 and not -_EXACT <= array.min() <= array.max() <= _EXACT:
        raise OtherArgumentsError("whole numbers beyond 2^53")
    if math.isnan(cval) or (kind != "f" and not (output is None and cval in (0, 1))):
        raise OtherArgumentsError("whole numbers and others")
    lengths = size if footprint is None else None  # else it warns that it ignores size
    if _window(array.ndim, lengths, footprint, origin, axes).size % 2 == 0:
        raise OtherArgumentsError("a window of an even number of samples")
    how: Any = {"footprint": footprint, "output": output, "mode": mode, "cval": cval}
    return nanmedian_filter(array, size, **how, origin=origin, axes=axes)


def _put(medians: NDArray[Any], result: NDArray[Any]) -> NDArray[Any]:
    """Write medians to an array of another type, truncated if it is one of whole numbers."""
    with np.errstate(invalid="ignore", over="ignore"):  # NaN is no integer, and all is no float16
        if result.dtype.kind == "b":
            result.view(np.uint8)[...] = medians.astype(np.uint8)
        else:
            result[...] = medians.astype(result.dtype)
    return result


def _in_batches(
    array: NDArray[Any],
    size: _Whole | None,
    *,
    output: NDArray[Any] | DTypeLike | None,
    mode: str,
    cval: float,
    axes: _Whole | None,
    **how: Any,
) -> NDArray[Any]:
    """Compute windows that the kernels lack by NumPy, for many windows at a time."""
    try:
        from scipy.ndimage import vectorized_filter as of_many
    except ImportError:
        raise OtherArgumentsError("windows with holes or over three axes") from None
    edge = _EDGES[check_choice(_MODES, mode, "mode")]
    if not _ascend(axes):
        raise OtherArgumentsError("axes in another order")
    result = _output(output, array)
    how |= {"mode": edge, "cval": cval if edge == "constant" else None, "axes": axes}
    samples = array.astype(np.float64)
    return _put(of_many(samples, np.nanmedian, size=size, batch_memory=1 << 26, **how), result)


def _ascend(axes: _Whole | None) -> bool:
    """Whether sizes have the order of the axes in all functions of scipy."""
    return axes is None or bool(np.all(np.diff(np.atleast_1d(axes)) > 0))


def _is_nanmedian(function: object) -> bool:
    theirs = (getattr(sys.modules.get(name), "nanmedian", np.nanmedian) for name in _NANMEDIANS)
    return function is np.nanmedian or any(function is each for each in theirs)


def of_scipy(module: str, name: str, refusal: Exception) -> Callable[..., NDArray[Any]]:
    """Return a function of scipy, which computes what ours has refused or says what is wrong."""
    try:
        theirs: Callable[..., NDArray[Any]] = getattr(import_module(f"scipy.{module}"), name)
    except (ImportError, AttributeError) as error:
        if not isinstance(refusal, OtherArgumentsError):
            raise refusal from None
        raise ImportError(
            f"scipy.{module}.{name} computes this ({refusal}): pip install scipy ({error})"
        ) from error
    return theirs


@remembered
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
        raise OtherArgumentsError(
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
        warnings.warn("ignoring size because footprint is set", UserWarning, stacklevel=5)
    full = np.asarray(footprint, dtype=bool)
    if full.ndim != count:
        raise ValueError(f"footprint must have {count} dimensions as axes, got {full.ndim}")
    if not full.all():
        raise OtherArgumentsError(
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
