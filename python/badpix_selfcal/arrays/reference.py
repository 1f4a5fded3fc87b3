"""The algorithm of `badpix_selfcal.arrays` in plain NumPy: slow, short and easy to check.

The property tests compare the kernels with it. It is part of the package, so that everybody can
check an installation. Names, arguments and results, to the last bit, are those of
`badpix_selfcal.arrays`. Arguments are not validated.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ..instrument import IMAGE_AXIS, Dispaxis, Region, blur_of
from .bad_pixels import (
    FLAGFRAC,
    KERNEL_SIZE,
    SIGMA_LOWER,
    BadPixels,
    blunt_factor,
    spread_of_minimum,
    upper_cut,
)
from .checks import AskedEdge, Cut, FloatArray, edge_of, precision_of
from .medians import NORMAL, Border, Scale, Whole, check_window
from .reference_edges import SharpGroups


def median_filter(
    image: ArrayLike,
    kernel_size: Whole,
    *,
    axis: Whole | None = None,
    edge: Border = "zero",
    fill: float | None = None,
    min_count: int = 1,
    origin: Whole = 0,
) -> FloatArray:
    """Sort every window; see `badpix_selfcal.median_filter`."""
    samples = _as_floats(image)
    window = check_window(samples.ndim, kernel_size, axis, origin)
    if not samples.size:
        return samples.copy()
    padded = samples
    for along, reach in zip(window.axes, window.reaches, strict=True):
        padded = _extended(padded, along, reach, edge, fill)
    lengths = [before + after + 1 for before, after in window.reaches]
    windows = sliding_window_view(padded, lengths, window.axes).reshape(*samples.shape, -1)
    medians = np.array([_median(line) for line in windows]).reshape(samples.shape)
    if min_count > 1:
        few = np.count_nonzero(~np.isnan(windows), axis=-1) < min_count
        medians[few] = np.nan
    return medians


def mad_filter(
    image: ArrayLike,
    kernel_size: Whole,
    *,
    scale: Scale = 1.0,
    **how: Any,
) -> FloatArray:
    """Filter twice; see `badpix_selfcal.mad_filter`."""
    samples = _as_floats(image)
    with np.errstate(invalid="ignore", over="ignore"):
        deviations = np.abs(samples - median_filter(samples, kernel_size, **how))
        factor = samples.dtype.type(NORMAL if scale == "normal" else scale)
        return median_filter(deviations, kernel_size, **how) * factor


def _extended(
    samples: FloatArray, axis: int, reach: tuple[int, int], edge: Border, fill: float | None
) -> FloatArray:
    """Append what lies beyond both ends of an axis."""
    n, (before, after) = samples.shape[axis], reach
    places = np.arange(-before, n + after)
    if edge in ("zero", "constant", "shrink"):
        beyond = {"zero": 0.0, "shrink": np.nan}.get(edge, fill)
        pads = [reach if each == axis else (0, 0) for each in range(samples.ndim)]
        return np.pad(samples, pads, constant_values=samples.dtype.type(beyond))
    around: dict[str, NDArray[np.intp]] = {
        "nearest": np.clip(places, 0, n - 1),
        "wrap": places % n,
        "reflect": np.minimum(places % (2 * n), -1 - places % (2 * n) + 2 * n),
        "mirror": np.abs((places + n - 1) % max(2 * n - 2, 1) - (n - 1)),
    }
    return samples.take(around[edge], axis)


def pedestal(image: ArrayLike, gap: ArrayLike | Region) -> float:
    """Sort the gap; see `badpix_selfcal.pedestal`."""
    samples = _as_floats(image)
    mask = np.asarray(gap)
    if mask.dtype == bool:
        return float(_median(samples[mask]))
    y0, y1, x0, x1 = mask
    return float(_median(samples[y0:y1, x0:x1].ravel()))


def minimum_image(
    images: Iterable[ArrayLike], pedestals: Iterable[float] | None = None
) -> FloatArray:
    """Stack all exposures; see `badpix_selfcal.minimum_image`."""
    stack = [_as_floats(image) for image in images]
    levels = [0.0] * len(stack) if pedestals is None else list(pedestals)
    lowered = [image - image.dtype.type(level) for image, level in zip(stack, levels, strict=True)]
    minimum: FloatArray = np.fmin.reduce(np.asarray(lowered), axis=0)
    return minimum


def percentiles(image: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Call NumPy; see `badpix_selfcal.percentiles`."""
    samples, percentages = _as_floats(image), np.asarray(q, dtype=np.float64)
    if not samples.size:
        return np.full(percentages.shape, np.nan)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", over="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # all samples may be NaN
        return np.asarray(np.nanpercentile(samples, percentages), np.float64)


def find_bad_pixels(
    minimum: ArrayLike,
    *,
    dispaxis: Dispaxis,
    cut: Cut = "fraction",
    kernel_size: int = KERNEL_SIZE,
    flagfrac_lower: float = FLAGFRAC,
    flagfrac_upper: float = FLAGFRAC,
    error: ArrayLike | None = None,
    n_exposures: int = 1,
    sigma_lower: float = SIGMA_LOWER,
    sigma_upper: float | None = None,
    grow: bool = False,
    detector: str | None = None,
    edge: AskedEdge = "auto",
) -> BadPixels:
    """Cut the residual or the significance; see `badpix_selfcal.find_bad_pixels`."""
    samples = _as_floats(minimum)
    axis = IMAGE_AXIS[dispaxis]
    smooth = median_filter(samples, kernel_size, axis=axis, edge=edge_of(edge, cut))
    with np.errstate(invalid="ignore", over="ignore"):
        residual = samples - smooth
    if cut == "fraction":
        finite = residual[np.isfinite(residual)]
        cuts = percentiles(finite, [flagfrac_lower * 100, (1 - flagfrac_upper) * 100])
        low, high = cuts.tolist()
        below, above = _beyond(residual, low, high)
        return BadPixels(below | above, residual, low, high, int(below.sum()), int(above.sum()))
    errors = None if error is None else _as_floats(error).astype(samples.dtype)
    low, high = -sigma_lower, upper_cut(n_exposures) if sigma_upper is None else sigma_upper
    significance, noise, base, slope, scale = _significance(
        samples, smooth, errors, axis, spread_of_minimum(n_exposures), blunt_factor(n_exposures)
    )
    blur = blur_of(detector)
    flagged = np.logical_or(*_beyond(significance, low, high))
    with np.errstate(all="ignore"):
        values = [residual]
        if axis is not None and blur.across >= 0.5:  # else light beside is undersampled
            values.append(residual - median_filter(residual, 7, axis=1 - axis, edge="shrink"))
        for number, each in enumerate(values):
            groups = SharpGroups(residual, base, slope, axis, blur, minus_beside=number > 0)
            in_base = each / base
            for place in groups.find(each, in_base, high):
                if not flagged[place] and residual[place] > 0:  # others keep their significance
                    flagged[place] = True
                    significance[place], noise[place] = in_base[place], base[place]
    below, above = _beyond(significance, low, high)
    counts = int(below.sum()), int(above.sum())
    found = BadPixels(below | above, residual, low, high, *counts, significance, noise, scale)
    return _grown(found, blur.coupling) if grow else found


def _beyond(
    values: FloatArray, low: float, high: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which values are below and which are above the cuts; infinite ones always are."""
    below = (values.astype(np.float64) < low) | np.isneginf(values)
    return below, (values.astype(np.float64) > high) | np.isposinf(values)


def _grown(found: BadPixels, coupling: float) -> BadPixels:
    """Flag the neighbours that bright pixels light up above the cut."""
    assert found.noise is not None  # of the sigma cut
    assert found.significance is not None
    mask, significance = found.mask.copy(), found.significance.copy()
    light = found.residual * found.residual.dtype.type(coupling)
    rows, columns = mask.shape
    for y, x in np.argwhere(found.high & np.isfinite(light) & (light > 0)).tolist():
        for at in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            is_inside = 0 <= at[0] < rows and 0 <= at[1] < columns
            if not is_inside or found.mask[at] or not found.residual[at] > 0:
                continue
            with np.errstate(divide="ignore", over="ignore"):
                share = light[y, x] / np.abs(found.noise[at])
            if float(share) > found.cut_high:
                significance[at] = max(share, significance[at]) if mask[at] else share
                mask[at] = True
    n_high = found.n_high + int((mask & ~found.mask).sum())
    return replace(found, mask=mask, significance=significance, n_high=n_high)


def _significance(
    samples: FloatArray,
    smooth: FloatArray,
    error: FloatArray | None,
    axis: int | None,
    spread: float,
    blunt: float,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, float | None]:
    """Return significance, noise, its base, the slope of light and the scale of the errors.

    Groups with sharp edges are looked for afterwards.
    """
    across = None if axis is None else 1 - axis
    kind = samples.dtype.type
    with np.errstate(all="ignore"):
        residual = samples - smooth
        contrast = residual - median_filter(residual, 7, axis=across, edge="shrink")
        magnitude = np.abs(contrast)
        scatter = kind(1.4826) * median_filter(magnitude, 31, axis=axis, edge="shrink")
        errors = np.full_like(samples, np.nan) if error is None else error
        valid = (errors > 0) & (errors < np.inf)
        used = valid & _places(samples.shape)
        typical = float(percentiles(magnitude[used] / errors[used], 50.0))
        if np.isnan(typical):
            scale = None
            level = _noise_by_level(samples - contrast, magnitude)
            base, stands_out = np.fmax(scatter, level * kind(1.4826)) * kind(2), kind(1)
        else:
            scale = 1.4826 * typical / (0.79 * spread)
            scaled = np.where(valid, errors * kind(scale), scatter * kind(2))
            base, stands_out = np.fmax(scatter, scaled), kind(2)
        structure = median_filter(residual, 3, axis=axis, edge="shrink")
        if across is not None:
            structure = median_filter(structure, 3, axis=across, edge="shrink")
        structure = np.abs(structure)
        usual = median_filter(structure, 31, axis=axis, edge="shrink")
        third, brightest = _neighbours(contrast, residual)
        is_light = (third > base * stands_out) & ~(brightest >= contrast * kind(10))
        noise = np.fmax(base, (structure - usual) * kind(2 / 3))
        noise = np.fmax(noise, np.where(is_light, third, 0))
        directions = [along for along in (0, 1) if axis in (None, along)]
        sides = [side for along in directions for side in _around(smooth, along)]
        slope = np.fmax.reduce([np.abs(smooth - side) for side in sides])
        noise = np.fmax(noise, slope * kind(0.25))
        dark = np.fmax.reduce([samples - np.fmin(*_around(samples, along)) for along in directions])
        if across is not None:
            dark = np.fmax(dark, samples - np.fmax(*_around(samples, across)))
        least = np.fmin(np.fmax(residual, dark * kind(3)), 0)
        weakest = np.where(contrast < least, least, contrast)
        weakest = np.where((weakest > 0) & (residual <= 0), kind(0), weakest)
        divisor = np.where(weakest > 0, kind(blunt), kind(1))
        significance = np.where(np.isinf(weakest), weakest, weakest / np.abs(noise) / divisor)
    return significance, noise, base, slope, scale


def _neighbours(contrast: FloatArray, residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the third greatest contrast of 3 x 3 pixels, and the greatest residual of the others.

    NaN and pixels beyond the border count as less than any.
    """
    rows, columns = contrast.shape
    places = [np.s_[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    contrasts, residuals = (
        np.pad(np.where(np.isnan(image), -np.inf, image), 1, constant_values=-np.inf)
        for image in (contrast, residual)
    )
    third = np.sort([contrasts[each] for each in places], axis=0)[6]
    brightest = np.max([residuals[each] for each in places if each != places[4]], axis=0)
    return third.astype(contrast.dtype), brightest.astype(contrast.dtype)


def _around(image: FloatArray, axis: int) -> tuple[FloatArray, FloatArray]:
    """Return the samples before and after each along an axis; NaN beyond the border."""
    lines = np.moveaxis(image, axis, 0)
    beyond = np.full_like(lines[:1], np.nan)
    before, after = np.concatenate([beyond, lines[:-1]]), np.concatenate([lines[1:], beyond])
    return np.moveaxis(before, 0, axis), np.moveaxis(after, 0, axis)


def _noise_by_level(level: FloatArray, magnitude: FloatArray) -> FloatArray:
    """Return the median magnitude among pixels of like level, increasing with the level."""
    used = _places(level.shape) & np.isfinite(level) & np.isfinite(magnitude)
    order = np.lexsort((magnitude[used], level[used]))
    levels, magnitudes = level[used][order], magnitude[used][order]
    ends = [levels.size * part // 1000 for part in LEVEL_BINS]
    bins = [slice(*each) for each in zip([0, *ends], ends, strict=False) if each[0] < each[1]]
    if not bins:
        return np.full_like(level, np.nan)
    middles = np.array([levels[(each.start + each.stop) // 2] for each in bins])
    medians = np.maximum.accumulate([_median(magnitudes[each]) for each in bins])
    found = np.full_like(level, medians[0])
    first, *others = range(len(bins))
    for this in others:
        width, rise = middles[this] - middles[first], medians[this] - medians[first]
        if width > 0:
            if rise > 0:  # else an infinite level would become NaN
                beyond = np.fmin(np.fmax(level - middles[first], 0), width)
                found += beyond * (rise / width)
            first = this
    return found


def _places(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark pixels that are enough to measure properties of a whole image: about 2**14, or all."""
    rows, columns = shape
    step = max(1, -(-rows * columns // 2**14))
    y, x = np.ogrid[:rows, :columns]
    place = 3 * np.minimum(y, rows - 1 - y) + np.minimum(x, columns - 1 - x) // 64
    return np.asarray(place % step == 0)


LEVEL_BINS = (*range(50, 901, 50), 930, 960, 980, 990, 995, 998, 999, 1000)
"""The parts of the pixels below the ends of the bins of like level, in thousandths."""


def _as_floats(values: ArrayLike) -> FloatArray:
    array = np.asarray(values)
    return array.astype(precision_of(array.dtype))


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
