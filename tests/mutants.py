"""Implementations with one fault each, which the suites must find: medians and reductions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.testing import (
    Check,
    median_filter_checks,
    minimum_image_checks,
    pedestal_checks,
    percentiles_checks,
)

Implementation = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """An implementation with a fault, and the suite that must find it."""

    name: str
    function: Implementation
    suite: Callable[[Implementation], list[Check]]


MUTANTS: list[Mutant] = []


def mutant(
    suite: Callable[..., list[Check]], **how: Any
) -> Callable[[Implementation], Implementation]:
    """Add a mutant; its name is that of the function."""

    def add(function: Implementation) -> Implementation:
        name = f"{suite.__name__.removesuffix('_checks')}: {function.__name__}"
        MUTANTS.append(Mutant(name, function, lambda given: suite(given, **how)))
        return function

    return add


of_median = mutant(median_filter_checks)
of_percentiles = mutant(percentiles_checks)
of_pedestal = mutant(pedestal_checks)
of_minimum = mutant(minimum_image_checks)


# Running medians


def filtered(image, window, edge, median, *, pad=None):
    """Apply a median of its own to the valid samples of every window."""
    native = np.asarray(image, np.dtype(image.dtype).newbyteorder("="))
    beyond = 0.0 if edge == "zero" else np.nan
    frame = [(side // 2, side // 2) for side in window] if pad is None else pad
    padded = np.pad(native, frame, constant_values=beyond)
    if not native.size:
        return native.copy()
    windows = sliding_window_view(padded, window).reshape(*native.shape, -1)
    found = [median(each[~np.isnan(each)]) for each in windows.reshape(native.size, -1)]
    return np.array(found, native.dtype).reshape(native.shape)


def middle(samples, below, above):
    """Return the mean of two samples by rank, counted from the middle; NaN if there is none."""
    if not samples.size:
        return np.nan
    ordered, last = np.sort(samples), samples.size - 1
    low = ordered[np.clip((last // 2) + below, 0, last)]
    high = ordered[np.clip((last + 1) // 2 + above, 0, last)]
    with np.errstate(all="ignore"):
        return low if low == high else low / 2 + high / 2


@of_median
def rank_too_low(image, window, edge):
    return filtered(image, window, edge, lambda each: middle(each, -1, -1))


@of_median
def rank_too_high(image, window, edge):
    return filtered(image, window, edge, lambda each: middle(each, 1, 1))


@of_median
def lower_of_two(image, window, edge):
    return filtered(image, window, edge, lambda s: np.sort(s)[(s.size - 1) // 2] if s.size else s)


@of_median
def upper_of_two(image, window, edge):
    def median(samples):
        return np.sort(samples)[samples.size // 2] if samples.size else np.nan

    return filtered(image, window, edge, median)


@of_median
def mean_overflows(image, window, edge):
    def median(samples):
        if not samples.size:
            return np.nan
        ordered = np.sort(samples)
        with np.errstate(all="ignore"):
            return (ordered[(samples.size - 1) // 2] + ordered[samples.size // 2]) / 2

    return filtered(image, window, edge, median)


@of_median
def nan_counts_as_zero(image, window, edge):
    return bps.median_filter(
        np.nan_to_num(image, nan=0.0, posinf=np.inf, neginf=-np.inf), window, edge=edge
    )


@of_median
def nan_spreads(image, window, edge):
    medians = bps.median_filter(image, window, edge=edge)
    lost = bps.median_filter(np.isnan(image).astype(float), window, edge="shrink") > 0.5
    return np.where(lost, np.nan, medians).astype(medians.dtype)


@of_median
def edges_swapped(image, window, edge):
    return bps.median_filter(image, window, edge={"zero": "shrink", "shrink": "zero"}[edge])


@of_median
def edge_is_zero_on_one_side(image, window, edge):
    medians = bps.median_filter(image, window, edge=edge)
    if len(medians) > 1:
        medians[-1] = bps.median_filter(image, window, edge="shrink")[-1]
    return medians


@of_median
def window_shifted(image, window, edge):
    height, width = window
    pad = [(height // 2 + (height > 1), height // 2 - (height > 1)), (width // 2, width // 2)]
    return filtered(image, window, edge, lambda each: middle(each, 0, 0), pad=pad)


@of_median
def window_too_short(image, window, edge):
    return bps.median_filter(image, tuple(max(1, side - 2) for side in window), edge=edge)


@of_median
def window_turned(image, window, edge):
    return bps.median_filter(image, window[::-1], edge=edge)


@of_median
def window_cut_to_the_image(image, window, edge):
    sides = [min(w, n - (n % 2 == 0)) for w, n in zip(window, image.shape, strict=True)]
    return bps.median_filter(image, tuple(max(1, side) for side in sides), edge=edge)


@of_median
def result_in_double_precision(image, window, edge):
    return bps.median_filter(image, window, edge=edge).astype(np.float64)


@of_median
def computed_in_single_precision(image, window, edge):
    medians = bps.median_filter(np.asarray(image, np.float32), window, edge=edge)
    return medians.astype(image.dtype.newbyteorder("="))


@of_median
def infinities_are_missing(image, window, edge):
    return bps.median_filter(np.where(np.isinf(image), np.nan, image), window, edge=edge)


@of_median
def denormals_are_zero(image, window, edge):
    tiny = np.abs(image) < np.finfo(image.dtype).tiny
    return bps.median_filter(np.where(tiny, image.dtype.type(0), image), window, edge=edge)


@of_median
def a_seam_after_64_rows(image, window, edge):
    parts = [image[first : first + 64] for first in range(0, len(image), 64)] or [image]
    return np.concatenate([bps.median_filter(part, window, edge=edge) for part in parts])


@of_median
def the_last_row_is_forgotten(image, window, edge):
    medians = bps.median_filter(image, window, edge=edge)
    if len(image) > 100:
        medians[-1] = 0
    return medians


@of_median
def input_modified(image, window, edge):
    medians = bps.median_filter(image, window, edge=edge)
    if image.flags.writeable:
        image[np.isnan(image)] = 0
    return medians


@of_median
def byte_order_ignored(image, window, edge):
    raw = np.frombuffer(image.tobytes(), image.dtype.newbyteorder("=")).reshape(image.shape)
    return bps.median_filter(raw, window, edge=edge)


@of_median
def order_of_memory_ignored(image, window, edge):
    raw = np.frombuffer(image.tobytes("A"), image.dtype).reshape(image.shape)
    return bps.median_filter(raw, window, edge=edge)


@of_median
def one_line_fails(image, window, edge):
    if 1 in image.shape and image.size > 40:
        raise IndexError("one line")
    return bps.median_filter(image, window, edge=edge)


SHARED = np.zeros(2_000_000)


@of_median
def calls_share_memory(image, window, edge):
    import time

    medians = bps.median_filter(image, window, edge=edge)
    place = SHARED[: medians.size]
    place[:] = medians.ravel()
    place[:1] = place[:1] + 1  # another call sees what is half done
    time.sleep(1e-4)
    place[:1] = place[:1] - 1
    return place.reshape(medians.shape).astype(medians.dtype)


# Percentiles


@of_percentiles
def counts_nan(image, q):
    filled = np.nan_to_num(image, nan=np.finfo(np.float32).max, posinf=np.inf, neginf=-np.inf)
    return reference.percentiles(filled, q)


@of_percentiles
def position_of_n(image, q):
    valid = image[~np.isnan(image)]
    place = np.minimum(q / 100 * valid.size, valid.size - 1) * 100 / max(valid.size - 1, 1)
    return reference.percentiles(valid, np.clip(place, 0, 100))


@of_percentiles
def not_interpolated(image, q):
    valid = np.sort(image[~np.isnan(image)])
    if not valid.size:
        return np.full(q.shape, np.nan)
    return valid[np.floor((valid.size - 1) * q / 100).astype(int)].astype(np.float64)


@of_percentiles
def rounded_to_single(image, q):
    with np.errstate(all="ignore"):
        return reference.percentiles(image, q).astype(np.float32).astype(np.float64)


@of_percentiles
def interpolated_from_below_only(image, q):
    valid = np.sort(image[~np.isnan(image)])
    if not valid.size:
        return np.full(q.shape, np.nan)
    at = (valid.size - 1) * (q / 100)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, valid.size - 1)
    with np.errstate(all="ignore"):
        return (valid[low] + (valid[high] - valid[low]) * (at - low)).astype(np.float64)


# Pedestals


@of_pedestal
def region_shifted(image, gap):
    if isinstance(gap, tuple):
        gap = (gap[0], gap[1], gap[2] + 1, gap[3] + 1)
    return reference.pedestal(image, gap)


@of_pedestal
def region_with_its_end(image, gap):
    if isinstance(gap, tuple):
        gap = (gap[0], gap[1] + 1, gap[2], gap[3])
    return reference.pedestal(image, gap)


@of_pedestal
def rows_and_columns_swapped(image, gap):
    if isinstance(gap, tuple):
        gap = (*gap[2:], *gap[:2])
    return reference.pedestal(image, gap)


@of_pedestal
def mean_of_the_gap(image, gap):
    gap = gap if not isinstance(gap, tuple) else np.s_[gap[0] : gap[1], gap[2] : gap[3]]
    samples = image[gap][~np.isnan(image[gap])].astype(float)
    with np.errstate(all="ignore"):
        return float(image.dtype.type(samples.mean())) if samples.size else np.nan


@of_pedestal
def mask_inverted(image, gap):
    return reference.pedestal(image, gap if isinstance(gap, tuple) else ~gap)


@of_pedestal
def missing_samples_of_the_gap_count(image, gap):
    filled = np.where(np.isnan(image), image.dtype.type(0), image)
    return reference.pedestal(filled, gap)


# Minimum images


def lowered(images, pedestals):
    return [a - a.dtype.type(b) for a, b in zip(images, pedestals, strict=True)]


@of_minimum
def minimum_spreads_nan(images, pedestals):
    return np.minimum.reduce(lowered(images, pedestals))


@of_minimum
def first_pedestal_forgotten(images, pedestals):
    return reference.minimum_image(images, [0.0, *pedestals[1:]])


@of_minimum
def pedestals_added(images, pedestals):
    return reference.minimum_image(images, [-each for each in pedestals])


@of_minimum
def maximum(images, pedestals):
    return np.fmax.reduce(np.asarray(lowered(images, pedestals)))


@of_minimum
def last_exposure_forgotten(images, pedestals):
    if len(images) > 2:
        images, pedestals = images[:-1], pedestals[:-1]
    return reference.minimum_image(images, pedestals)


@of_minimum
def always_double(images, pedestals):
    return reference.minimum_image(images, pedestals).astype(np.float64)
