"""Running medians that skip NaN, over arrays of any number of dimensions.

`badpix_selfcal.ndimage`, `badpix_selfcal.bottleneck`, `badpix_selfcal.stcal` and
`badpix_selfcal.jwst` have running medians under the names and by the rules of other packages.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import Method, check_method
from .checks import check_whole
from .floats import FloatArray, as_floats
from .windows import Border, Whole, Window, check_border, check_fill, check_window, filtered

__all__ = ["NORMAL", "Border", "Scale", "mad_filter", "median_filter"]

Scale: TypeAlias = float | Literal["normal"]
"""What deviations are multiplied by; "normal": `NORMAL`."""

NORMAL: Final = 1.482602218505602
"""The standard deviation of normal noise, in units of its median absolute deviation."""

_MOST_WORK: Final[Any] = 10_000
"""Steps in which memory that two arrays share must be found."""


def median_filter(
    image: ArrayLike,
    kernel_size: int | tuple[int, ...],
    *,
    axis: int | tuple[int, ...] | None = None,
    edge: Border = "zero",
    fill: float | None = None,
    min_count: int = 1,
    origin: int | tuple[int, ...] = 0,
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
    where = kernel_size, axis, origin
    return _filtered(image, where, edge, fill, min_count, out, method, deviation=False)


def mad_filter(
    image: ArrayLike,
    kernel_size: int | tuple[int, ...],
    *,
    scale: Scale = 1.0,
    axis: int | tuple[int, ...] | None = None,
    edge: Border = "zero",
    fill: float | None = None,
    min_count: int = 1,
    origin: int | tuple[int, ...] = 0,
    out: FloatArray | None = None,
    method: Method = "auto",
) -> FloatArray:
    """Compute the running median of the deviations from the running median.

    It is ``median_filter(abs(image - median_filter(image, ...)), ...)`` with the same arguments
    both times, times `scale`. This is not the median deviation from the median of each window, as
    of `scipy.stats.median_abs_deviation`: the running median varies within a window. It costs two
    running medians.

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
    factor, where = _factor(scale), (kernel_size, axis, origin)
    found = _filtered(image, where, edge, fill, min_count, out, method, deviation=True)
    if factor != 1.0:
        with np.errstate(over="ignore"):
            found *= found.dtype.type(factor)
    return found


def _filtered(
    image: ArrayLike,
    where: tuple[Whole, Whole | None, Whole],
    edge: Border,
    fill: float | None,
    min_count: int,
    out: FloatArray | None,
    method: Method,
    *,
    deviation: bool,
) -> FloatArray:
    """Check all arguments, and filter; `where` is the size, the axis and the origin."""
    samples = as_floats(image, "image", ndim=None)
    if samples.ndim == 0:
        raise ValueError("image must have at least one dimension, got a single number")
    window = check_window(samples.ndim, *where)
    edge = check_border(edge)
    how = edge, check_fill(fill, edge), _least(min_count, window), check_method(method)
    return filtered(samples, window, *how, _checked(out, samples, image), deviation=deviation)


def _least(min_count: int, window: Window) -> int:
    least = check_whole(min_count, "min_count")
    if not 1 <= least <= window.size:
        raise ValueError(
            f"min_count must be from 1 to the {window.size} samples of the window, got {least}"
        )
    return least


def _factor(scale: Scale) -> float:
    if isinstance(scale, str):
        if scale != "normal":
            raise ValueError(f"scale must be a number or 'normal', got {scale!r}")
        return NORMAL
    try:
        return float(scale)
    except (TypeError, ValueError):
        raise TypeError(f"scale must be a number or 'normal', got {scale!r}") from None


def _checked(out: Any, samples: FloatArray, image: ArrayLike) -> NDArray[Any] | None:
    """Return an array to write to, if it can take the medians of some samples."""
    if out is None:
        return None
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out must be a plain ndarray, got a {type(out).__name__}")
    if out.dtype != samples.dtype:
        raise TypeError(f"out must be {samples.dtype} as the medians, got {out.dtype}")
    if out.shape != samples.shape:
        raise ValueError(f"out must have the image's shape {samples.shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out is read-only; pass an array that can be written")
    if any(_overlap(out, each) for each in (samples, image)):
        raise ValueError("out shares memory with image; pass an array of its own")
    return out


def _overlap(out: NDArray[Any], image: ArrayLike) -> bool:
    """Return whether they share memory; also if that takes long to find out."""
    try:
        return np.shares_memory(out, image, max_work=_MOST_WORK)
    except np.exceptions.TooHardError:
        return True
