"""Running medians that skip NaN, over arrays of any number of dimensions.

`ndimage`, `bottleneck`, `stcal` and `jwst` of this package have running medians under the names
and by the rules of other packages: they make a `Window` and call `filtered`, which views any array
as the stack of images that the kernels filter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, Final, Literal, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .._kernels import median_filter as filter_images
from .checks import (
    METHODS,
    FloatArray,
    Method,
    as_floats,
    check_axes,
    check_choice,
    check_each,
    check_number,
    check_whole,
    loaded,
)

Border: TypeAlias = Literal["zero", "constant", "shrink", "nearest", "reflect", "mirror", "wrap"]
"""What a window contains beyond the ends of an axis; the last four as in `scipy.ndimage`."""

BORDERS: Final[tuple[Border, ...]] = (
    "zero", "constant", "shrink", "nearest", "reflect", "mirror", "wrap",
)  # fmt: skip

Scale: TypeAlias = float | Literal["normal"]
"""What deviations are multiplied by; "normal": `NORMAL`."""

NORMAL: Final = 1.482602218505602
"""The standard deviation of normal noise, in units of its median absolute deviation."""

FARTHEST: Final = 1 << 61
"""Samples to one side of a window: more than any array has."""

P = ParamSpec("P")
R = TypeVar("R")

Whole: TypeAlias = int | tuple[int, ...]
"""A number for all axes of a window, or one for each."""


@dataclass(frozen=True)
class Window:
    """A window over one axis or two, in ascending order.

    `reaches` holds for each axis the samples before and after the one that the window belongs to.
    """

    axes: tuple[int, ...]
    reaches: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Samples in the window."""
        return math.prod(before + after + 1 for before, after in self.reaches)


def median_filter(
    image: ArrayLike,
    kernel_size: Whole,
    *,
    axis: Whole | None = None,
    edge: Border = "zero",
    fill: float | None = None,
    min_count: int = 1,
    origin: Whole = 0,
    out: FloatArray | None = None,
    method: Method = "auto",
) -> FloatArray:
    """Compute a running median that skips NaN.

    Parameters
    ----------
    image : array_like of real numbers
        The samples, in one or more dimensions.
    kernel_size : int or tuple of int
        Samples in the window along `axis`: one number, or one for each of two axes. The window is
        centred. An even one has one sample more before the pixel that it belongs to than after.
    axis : int, tuple of int or None, optional
        The axis of the window, or its two axes; negative values count from the last axis. None: the
        last two axes, or the only one.
    edge : {"zero", "constant", "shrink", "nearest", "reflect", "mirror", "wrap"}, optional
        Samples beyond the ends of an axis. "zero" counts them as zeros, "constant" as `fill`;
        "shrink" ignores them. Of a line ``a b c d``, the others continue with ``d d`` ("nearest"),
        ``d c`` ("reflect"), ``c b`` ("mirror") and ``a b`` ("wrap"), as in `scipy.ndimage`.
    fill : float, optional
        The value of "constant", rounded to the precision of the medians. NaN is as "shrink".
    min_count : int, optional
        The least number of valid samples in a window. With fewer, the median is NaN. Values beyond
        the ends count, unless NaN or ignored.
    origin : int or tuple of int, optional
        Shifts the window towards the start of the axis, one number or one for each axis. A window
        of ``k`` samples can be shifted from ``-(k // 2)``, where it begins at the pixel, to
        ``(k - 1) // 2``, where it ends there.
    out : ndarray, optional
        Where to write the medians. It has their shape and dtype and shares no memory with `image`.
        A C-contiguous one is written without a copy, and a further call touches no new memory.
    method : {"auto", "heap", "network"}, optional
        The kernel: the double heap or selection networks. Windows too large for a network use the
        double heap. All methods have equal results.

    Returns
    -------
    ndarray of float32 or float64, shape of `image`
        The medians, in the unit of `image`: float32 for float16 and float32, else float64. So
        integers beyond 2^53 are rounded. The median of an even number of samples is the mean of the
        two in the middle, in this precision and without overflow. NaN where a window holds only
        NaN. `out`, if it is given.

    Raises
    ------
    TypeError
        If `image` is masked or not real, `out` is no array or has another dtype, or a number is not
        whole.
    ValueError
        If `image` has no dimension, or another argument has an invalid value.

    Notes
    -----
    With ``edge="zero"`` and odd windows this is ``stcal.outlier_detection.utils.medfilt``. With
    ``origin=(k - 1) // 2`` and ``edge="shrink"`` the window ends at its pixel, as in
    ``bottleneck.move_median``. The double heap needs O(log k) operations per sample (Hardle and
    Steiger 1995, Applied Statistics 44, 258).
    """
    return _checked(image, kernel_size, axis, origin, edge, fill, min_count, out, method)


def mad_filter(
    image: ArrayLike,
    kernel_size: Whole,
    *,
    scale: Scale = 1.0,
    axis: Whole | None = None,
    edge: Border = "zero",
    fill: float | None = None,
    min_count: int = 1,
    origin: Whole = 0,
    out: FloatArray | None = None,
    method: Method = "auto",
) -> FloatArray:
    """Compute the running median of the deviations from the running median.

    It is ``median_filter(abs(image - median_filter(image, ...)), ...)`` with the same arguments
    both times, times `scale`; not the median deviation from the median of each window, as of
    `scipy.stats.median_abs_deviation`. It costs two running medians.

    Parameters
    ----------
    image, kernel_size, axis, edge, fill, min_count, origin, out, method
        As of `median_filter`. Beyond the ends, deviations have the values that `edge` says: 0 with
        "zero".
    scale : float or "normal", optional
        A factor; "normal": 1.4826, so that the result estimates the standard deviation of normal
        noise.

    Returns
    -------
    ndarray of float32 or float64, shape of `image`
        The deviations, in the unit of `image`.

    Raises
    ------
    TypeError, ValueError
        As `median_filter`, or if `scale` is not a number or "normal".

    Examples
    --------
    Samples farther than five standard deviations from their neighbours:

    >>> import numpy as np
    >>> import badpix_selfcal as bps
    >>> line = np.array([1.0, 2.0, 1.5, 90.0, 1.0, 2.5, 2.0, 1.0])
    >>> median = bps.median_filter(line, 5, edge="shrink")
    >>> sigma = bps.mad_filter(line, 5, edge="shrink", scale="normal")
    >>> np.flatnonzero(np.abs(line - median) > 5 * sigma)
    array([3])
    """
    if isinstance(scale, str) and scale != "normal":
        raise ValueError(f"scale must be a number or 'normal', got {scale!r}")
    factor = NORMAL if scale == "normal" else check_number(scale, "scale", "a number or 'normal'")
    how = kernel_size, axis, origin, edge, fill, min_count, out, method
    found = _checked(image, *how, deviation=True)
    if factor != 1.0:
        with np.errstate(over="ignore"):
            found *= found.dtype.type(factor)
    return found


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Keep what a function returns for the last arguments that can be keys.

    The checks of a window take longer than the medians of a few samples.
    """
    keeping = lru_cache(maxsize=64, typed=True)(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return keeping(*args, **kwargs)  # type: ignore[arg-type]
        except TypeError:  # a list is no key; or it is the function's own error
            return function(*args, **kwargs)

    return call


@remembered
def check_window(ndim: int, kernel_size: Whole, axis: Whole | None, origin: Whole) -> Window:
    """Return the window of `median_filter` on an array of `ndim` axes."""
    if axis is None:
        axes = tuple(range(max(0, ndim - 2), ndim))
    else:
        axes = check_axes(ndim, axis, "axis", " or None")
        if not 1 <= len(set(axes)) == len(axes) <= 2:
            raise ValueError(f"axis must be one axis or two different ones, got {axis}")
    if len(axes) == 1 and isinstance(kernel_size, tuple) and len(kernel_size) != 1:
        raise ValueError(f"kernel_size must be one whole number along one axis, got {kernel_size}")
    lengths = check_each(kernel_size, len(axes), "kernel_size")
    reaches = map(_reach, lengths, check_each(origin, len(axes), "origin"))
    ordered = sorted(zip(axes, reaches, strict=True))
    return Window(tuple(each for each, _ in ordered), tuple(reach for _, reach in ordered))


def _reach(length: int, origin: int) -> tuple[int, int]:
    if length < 1:
        raise ValueError(f"kernel_size must be 1 or more, got {length}")
    before = length // 2 + origin
    if not 0 <= before < length:
        least, most = -(length // 2), (length - 1) // 2
        raise ValueError(
            f"origin of a window of {length} must be from {least} to {most}, got {origin}"
        )
    return min(before, FARTHEST), min(length - 1 - before, FARTHEST)


def _checked(
    image: ArrayLike,
    kernel_size: Whole,
    axis: Whole | None,
    origin: Whole,
    edge: str,
    fill: float | None,
    min_count: int,
    out: FloatArray | None,
    method: str,
    *,
    deviation: bool = False,
) -> FloatArray:
    """Check all arguments of `median_filter` and `mad_filter`, and filter."""
    samples = as_floats(image, "image", ndim=None)
    if samples.ndim == 0:
        raise ValueError("image must have at least one dimension, got a single number")
    window = check_window(samples.ndim, kernel_size, axis, origin)
    border = check_choice(BORDERS, edge, "edge")
    if (fill is None) == (border == "constant"):
        what = "needs fill, the value beyond the border" if fill is None else "has no fill"
        raise ValueError(f"edge={edge!r} {what}")
    beyond = math.nan if fill is None else check_number(fill, "fill")
    least = check_whole(min_count, "min_count")
    if not 1 <= least <= window.size:
        raise ValueError(
            f"min_count must be from 1 to the {window.size} samples of the window, got {least}"
        )
    kernel = check_choice(METHODS, method, "method")
    if out is not None:
        _check_out(out, samples, image)
    return filtered(samples, window, border, beyond, least, kernel, out, deviation=deviation)


def _check_out(out: object, samples: FloatArray, image: ArrayLike) -> None:
    """Refuse an array to write to that cannot take the medians of some samples."""
    if not isinstance(out, np.ndarray) or isinstance(out, loaded("numpy.ma", "MaskedArray")):
        raise TypeError(f"out must be a plain ndarray, got a {type(out).__name__}")
    if out.dtype != samples.dtype:
        raise TypeError(f"out must be {samples.dtype} as the medians, got {out.dtype}")
    if out.shape != samples.shape:
        raise ValueError(f"out must have the image's shape {samples.shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out is read-only; pass an array that can be written")
    try:
        most_steps: Any = 10_000
        is_shared = any(
            np.shares_memory(out, each, max_work=most_steps) for each in (samples, image)
        )
    except np.exceptions.TooHardError:  # as if they did
        is_shared = True
    if is_shared:
        raise ValueError("out shares memory with image; pass an array of its own")


def filtered(
    samples: FloatArray,
    window: Window,
    edge: Border,
    fill: float = math.nan,
    min_count: int = 1,
    method: Method = "auto",
    out: FloatArray | None = None,
    *,
    deviation: bool = False,
) -> FloatArray:
    """Filter an array, whose samples are native, aligned and C-contiguous.

    Arguments are those of `median_filter`, checked; `fill` serves "constant" alone. If possible,
    `out` is written without a copy. With `deviation`, the result is that of `mad_filter`, unscaled.
    """
    axes, ndim = window.axes, samples.ndim
    last = tuple(range(ndim - len(axes), ndim))
    moved = samples
    rows, cols = ((0, 0), *window.reaches)[-2:]
    if len(axes) == 2:
        if axes != last:
            moved = np.ascontiguousarray(np.moveaxis(samples, axes, last))
        stack: tuple[int, ...] = (-1, *moved.shape[-2:])
    elif axes == last:
        stack = (1, -1, samples.shape[-1])
    else:
        rows, cols = cols, rows
        (axis,), shape = axes, samples.shape
        stack = (math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
    is_direct = out is not None and moved is samples and out.flags.carray
    target = out if out is not None and is_direct else np.empty(moved.shape, moved.dtype)
    if samples.size:
        how = rows, cols, edge, fill, min_count, method, deviation
        filter_images(moved.reshape(stack), target.reshape(stack), *how)
    medians = target if moved is samples else np.moveaxis(target, last, axes)
    if out is None:
        return np.ascontiguousarray(medians)
    if not is_direct:
        out[...] = medians
    return out
