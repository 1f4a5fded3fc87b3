"""The algorithm of `badpix_selfcal.arrays` in plain NumPy: slow, short and easy to check.

The property tests compare the kernels with it. It is part of the package, so that everybody can
check an installation. Names, arguments and results, to the last bit, are those of
`badpix_selfcal.arrays`. Arguments are not validated.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ._floats import FloatArray
from .arrays import BadPixels
from .detectors import IMAGE_AXIS, Dispaxis, Region
from .parameters import Edge, Parameters

__all__ = ["find_bad_pixels", "median_filter", "minimum_image", "pedestal", "percentiles"]


def median_filter(
    image: ArrayLike,
    kernel_size: int | tuple[int, int],
    *,
    axis: int | None = None,
    edge: Edge = Parameters.edge,
) -> FloatArray:
    """Sort every window; see `badpix_selfcal.arrays.median_filter`."""
    samples = _as_floats(image)
    sides = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * samples.ndim
    if axis is not None:
        sides = tuple(side if i == axis % samples.ndim else 1 for i, side in enumerate(sides))
    beyond = 0.0 if edge == "zero" else np.nan
    padded = np.pad(samples, [(side // 2, side // 2) for side in sides], constant_values=beyond)
    windows = sliding_window_view(padded, sides).reshape(*samples.shape, -1)
    return np.array([_median(line) for line in windows]).reshape(samples.shape)


def pedestal(image: ArrayLike, gap: ArrayLike | Region) -> float:
    """Sort the gap; see `badpix_selfcal.arrays.pedestal`."""
    samples = _as_floats(image)
    mask = np.asarray(gap)
    if mask.dtype == bool:
        return float(_median(samples[mask]))
    y0, y1, x0, x1 = mask
    return float(_median(samples[y0:y1, x0:x1].ravel()))


def minimum_image(
    images: Iterable[ArrayLike], pedestals: Iterable[float] | None = None
) -> FloatArray:
    """Stack all exposures; see `badpix_selfcal.arrays.minimum_image`."""
    stack = [_as_floats(image) for image in images]
    levels = [0.0] * len(stack) if pedestals is None else list(pedestals)
    lowered = [image - image.dtype.type(level) for image, level in zip(stack, levels, strict=True)]
    minimum: FloatArray = np.fmin.reduce(np.asarray(lowered), axis=0)
    return minimum


def percentiles(image: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Sort all samples; see `badpix_selfcal.arrays.percentiles`."""
    samples = np.sort(_as_floats(image), axis=None)
    samples = samples[: np.count_nonzero(~np.isnan(samples))]
    percentages = np.asarray(q, dtype=np.float64)
    if samples.size == 0:
        return np.full(percentages.shape, np.nan)
    position = (samples.size - 1) * (percentages / 100)
    below = np.minimum(np.floor(position).astype(int), samples.size - 1)
    above = np.minimum(below + 1, samples.size - 1)
    fraction = np.where(below == above, 0.0, position - below)
    with np.errstate(invalid="ignore", over="ignore"):
        step = (samples[above] - samples[below]).astype(np.float64)
        rising = samples[below] + step * fraction
        falling = samples[above] - step * (1 - fraction)
    return np.asarray(np.where(fraction >= 0.5, falling, rising))


def find_bad_pixels(
    minimum: ArrayLike,
    *,
    dispaxis: Dispaxis,
    kernel_size: int = Parameters.kernel_size,
    flagfrac_lower: float = Parameters.flagfrac_lower,
    flagfrac_upper: float = Parameters.flagfrac_upper,
    edge: Edge = Parameters.edge,
) -> BadPixels:
    """Cut the residual at two percentiles; see `badpix_selfcal.arrays.find_bad_pixels`."""
    samples = _as_floats(minimum)
    axis = IMAGE_AXIS[dispaxis]
    with np.errstate(invalid="ignore", over="ignore"):
        residual = samples - median_filter(samples, kernel_size, axis=axis, edge=edge)
    low, high = percentiles(
        residual[np.isfinite(residual)], [flagfrac_lower * 100, (1 - flagfrac_upper) * 100]
    )
    below = (residual.astype(np.float64) < low) | np.isneginf(residual)
    above = (residual.astype(np.float64) > high) | np.isposinf(residual)
    return BadPixels(
        mask=below | above,
        residual=residual,
        cut_low=float(low),
        cut_high=float(high),
        n_low=int(below.sum()),
        n_high=int(above.sum()),
    )


def _as_floats(values: ArrayLike) -> FloatArray:
    array = np.asarray(values)
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return array.astype(np.float32 if single else np.float64)


def _median(windows: FloatArray) -> FloatArray:
    """NaN-median over the last axis, in the windows' precision."""
    # NaN sorts to the end.
    ordered: FloatArray = np.sort(windows, axis=-1)
    valid = np.count_nonzero(~np.isnan(ordered), axis=-1)
    if ordered.shape[-1] == 0:
        return np.full(valid.shape, np.nan, dtype=ordered.dtype)
    low, high = np.maximum(valid - 1, 0) // 2, valid // 2
    a = np.take_along_axis(ordered, np.expand_dims(low, -1), -1)[..., 0]
    b = np.take_along_axis(ordered, np.expand_dims(high, -1), -1)[..., 0]
    with np.errstate(invalid="ignore", over="ignore"):
        mean = (a + b) / 2
        return np.asarray(np.where(np.isinf(mean), a / 2 + b / 2, mean))
