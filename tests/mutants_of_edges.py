"""Running medians with one fault each, which the suite must find: edges, even windows, counts."""

from __future__ import annotations

import numpy as np

import badpix_selfcal as bps
from badpix_selfcal.arrays.medians import BORDERS
from badpix_selfcal.testing import median_filter_checks

from .mutants import mutant

of_edges = mutant(median_filter_checks, edges=BORDERS)
of_even = mutant(median_filter_checks, even=True)
of_counts = mutant(median_filter_checks, min_counts=True)


# Edges


def with_edge(image, window, how, **others):
    """Filter with another edge in place of some."""
    return bps.median_filter(image, window, **{**how, "edge": others.get(how["edge"], how["edge"])})


@of_edges
def nearest_for_reflect(image, window, **how):
    return with_edge(image, window, how, reflect="nearest")


@of_edges
def mirror_for_reflect(image, window, **how):
    return with_edge(image, window, how, reflect="mirror")


@of_edges
def reflect_for_mirror(image, window, **how):
    return with_edge(image, window, how, mirror="reflect")


@of_edges
def nearest_is_cut(image, window, **how):
    return with_edge(image, window, how, nearest="shrink")


@of_edges
def folded_once(image, window, **how):
    """Lines shorter than half the window need more than one reflection."""
    if how["edge"] != "reflect":
        return bps.median_filter(image, window, **how)
    padded = np.array(image, image.dtype.newbyteorder("="))
    for axis, side in enumerate(window):
        n = image.shape[axis]
        places = np.arange(-side, n + side)
        places = np.where(places < 0, -1 - places, places)
        places = np.where(places >= n, 2 * n - 1 - places, places)
        padded = padded.take(np.clip(places, 0, max(n - 1, 0)), axis) if n else padded
    inside = tuple(
        slice(side, side + n) for side, n in zip(window, image.shape, strict=True) if image.size
    )
    return bps.median_filter(padded, window, **{**how, "edge": "shrink"})[inside]


@of_edges
def wrapped_one_row_off(image, window, **how):
    rolled = np.roll(image, 1, axis=0) if how["edge"] == "wrap" else image
    return bps.median_filter(rolled, window, **how)


# The value beyond the border


def with_fill(image, window, how, change):
    """Filter with another fill."""
    changed = {"fill": change(how["fill"])} if "fill" in how else {}
    return bps.median_filter(image, window, **{**how, **changed})


@of_edges
def fill_ignored(image, window, **how):
    return with_fill(image, window, how, lambda _: 0.0)


@of_edges
def fill_of_nan_is_zero(image, window, **how):
    return with_fill(image, window, how, lambda fill: 0.0 if np.isnan(fill) else fill)


@of_edges
def fill_without_sign(image, window, **how):
    return with_fill(image, window, how, abs)


@of_edges
def fill_is_clipped(image, window, **how):
    return with_fill(image, window, how, lambda fill: np.clip(fill, -1e6, 1e6))


@of_edges
def fill_of_infinity_is_missing(image, window, **how):
    return with_fill(image, window, how, lambda fill: np.nan if np.isinf(fill) else fill)


# Even windows


@of_even
def even_window_shifted(image, window, **how):
    return bps.median_filter(image, window, origin=tuple(side % 2 - 1 for side in window), **how)


@of_even
def wide_even_window_shifted(image, window, **how):
    return bps.median_filter(image, window, origin=(0, window[1] % 2 - 1), **how)


@of_even
def even_window_is_odd(image, window, **how):
    return bps.median_filter(image, tuple(side | 1 for side in window), **how)


# The least number of valid samples


@of_counts
def min_count_ignored(image, window, *, edge, **_):
    return bps.median_filter(image, window, edge=edge)


@of_counts
def min_count_is_too_few(image, window, *, edge, min_count):
    more = min(min_count + 1, window[0] * window[1])
    return bps.median_filter(image, window, edge=edge, min_count=more)


@of_counts
def zeros_do_not_count(image, window, *, edge, min_count):
    """Zeros beyond the border are samples, and count."""
    medians = bps.median_filter(image, window, edge=edge)
    few = np.isnan(bps.median_filter(image, window, edge="shrink", min_count=min_count))
    medians[few & (min_count > 1)] = np.nan
    return medians
