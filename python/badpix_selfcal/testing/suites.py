"""The suites of the array functions: medians, percentiles, pedestals, minima and bad pixels.

A suite is a table: each row has the name of a property, its examples, the property, and its share
of the examples. A property is that results are equal: to those of an oracle, in calls at the same
time, for arrays that lie otherwise in memory. A function that need not have a property is given the
checks without it: ``[each for each in pedestal_checks(f) if "rectangles" not in each.name]``.

The parameters of all suites are described in `badpix_selfcal.testing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import ArrayLike, NDArray

from ..arrays import reference
from ..arrays.checks import Cut, Edge
from ..arrays.medians import Border
from . import strategies
from .check import Call, Check, Property, Trial, suite_of

Examples: TypeAlias = st.SearchStrategy[Any]

FILLS: Final = (np.nan, -1.5, 0.0, 0.1, 1e20)
"""Values beyond the border."""


def median_filter_checks(
    function: Callable[..., ArrayLike],
    *,
    edges: Sequence[Border] = ("zero", "shrink"),
    even: bool = False,
    min_counts: bool = False,
    windows: Sequence[tuple[int, int]] | None = None,
    oracle: Callable[..., ArrayLike] = reference.median_filter,
    infinities: bool = True,
) -> list[Check]:
    """Return the checks of a running median that skips NaN.

    Parameters
    ----------
    function, oracle, infinities
        See `badpix_selfcal.testing`. ``function(image, (height, width), edge=edge)`` returns
        the medians, in the dtype of the image. `badpix_selfcal.median_filter` is one.
    edges : sequence of str, optional
        The edges that it knows, of those of `badpix_selfcal.median_filter`. Default: "zero" (zeros
        count as samples) and "shrink" (the window is cut at the border). With "constant", the value
        beyond the border is passed as ``fill=``.
    even : bool, optional
        Whether the default windows may have even sides. Such a window has one sample more before
        the pixel that it belongs to than after.
    min_counts : bool, optional
        Whether ``min_count=`` is passed, from 1 to the samples of the window: with fewer valid
        samples, the median is NaN.
    windows : sequence of (int, int), optional
        The windows that it takes. Default: lines of up to 61 samples, rectangles of up to 9 x 9.
    """
    drawn = st.sampled_from([*windows]) if windows else strategies.windows(even=even)
    fills = (*FILLS, np.inf, -np.inf) if infinities else FILLS
    calls = partial(_medians, windows=drawn, edges=edges, fills=fills, min_counts=min_counts)
    usual = calls(strategies.images(infinities=infinities, extremes=infinities))
    row, column = (strategies.images(max_rows=most, max_cols=91 - most) for most in (1, 90))
    return suite_of(
        "median_filter",
        function,
        ("equals the oracle", usual, _equals(oracle), 2),
        ("large images", calls(strategies.large_images()), _equals(oracle), 0.04),
        ("images of one line", calls(row | column), _equals(oracle), 0.5),
        ("calls at the same time", usual, _is_alike_in_threads, 0.2),
        ("layouts", usual, _is_alike_in_layouts, 0.5),
    )


def percentiles_checks(
    function: Callable[[Any, Any], ArrayLike],
    *,
    oracle: Callable[[Any, Any], ArrayLike] = reference.percentiles,
) -> list[Check]:
    """Return the checks of percentiles that skip NaN, with linear interpolation.

    ``function(image, q)`` gets the samples and percentages from 0 to 100, and returns float64.
    """
    q = st.lists(st.sampled_from([0.0, 0.1, 50.0, 99.9, 100.0]) | st.floats(0, 100), max_size=5)
    calls = partial(_pairs, second=q.map(lambda each: np.array(each, np.float64)))
    usual = calls(strategies.images(infinities=True, extremes=True))
    return suite_of(
        "percentiles",
        function,
        ("equals the oracle", usual, _equals(oracle), 2),
        ("large images", calls(strategies.large_images()), _equals(oracle), 0.5),
        ("layouts", usual, _is_alike_in_layouts, 0.5),
    )


def pedestal_checks(
    function: Callable[[Any, Any], float],
    *,
    oracle: Callable[[Any, Any], float] = reference.pedestal,
) -> list[Check]:
    """Return the checks of a pedestal: the NaN-median over a gap.

    ``function(image, gap)`` gets a mask of the image's shape, or (y0, y1, x0, x1), half-open, and
    returns the median as a float, in the precision of the image.
    """
    images = strategies.images(infinities=True, extremes=True)

    def with_gaps(gaps_of: Callable[[Any], Examples]) -> Examples:
        return images.flatmap(lambda image: _pairs(st.just(image), gaps_of(image.shape)))

    masked = with_gaps(partial(npst.arrays, np.bool_))
    return suite_of(
        "pedestal",
        function,
        ("equals the oracle", masked, _equals(oracle), 2),
        ("rectangles", with_gaps(_regions), _equals(oracle), 2),
        ("layouts", masked, _is_alike_in_layouts, 0.5),
        view=lambda found, _: np.asarray(float(found)),
    )


def minimum_image_checks(
    function: Callable[[Any, Any], ArrayLike],
    *,
    oracle: Callable[[Any, Any], ArrayLike] = reference.minimum_image,
) -> list[Check]:
    """Return the checks of a minimum image: the pixelwise NaN-minimum minus pedestals.

    ``function(images, pedestals)`` gets a list of exposures of one shape, and a list of as many
    pedestals, each in the precision of its exposure. It returns the minimum; float32 if all
    exposures are float32, else float64.
    """

    def stacks_of(shape: tuple[int, int]) -> Examples:
        image = strategies.images(shape=shape, infinities=True)
        level = st.integers(-20, 20).map(lambda each: each / 8)
        both = st.lists(st.tuples(image, level), min_size=1, max_size=5)
        return both.map(lambda each: Call(tuple(map(list, zip(*each, strict=True))), {}))

    stacks = st.tuples(st.integers(1, 6), st.integers(1, 20)).flatmap(stacks_of)
    return suite_of(
        "minimum_image",
        function,
        ("equals the oracle", stacks, _equals(oracle), 2),
        ("layouts", stacks, _is_alike_in_layouts, 0.5),
    )


def find_bad_pixels_checks(
    function: Callable[..., Any],
    *,
    cut: Cut = "fraction",
    edges: Sequence[Edge] = ("zero", "shrink"),
    oracle: Callable[..., Any] | None = None,
    infinities: bool = True,
) -> list[Check]:
    """Return the checks of a function that finds bad pixels with either cut.

    ``function(minimum, *, dispaxis, kernel_size, edge, ...)`` also gets `flagfrac_lower` and
    `flagfrac_upper` with the fraction cut; `sigma_lower`, `sigma_upper`, `error` and `n_exposures`
    with the sigma cut. It returns a mask, the indices of the bad pixels, or an object with a
    `mask`.
    """
    equal = _equals(oracle or partial(reference.find_bad_pixels, cut=cut))
    minima = partial(_minima, cut, edges)
    usual = minima(strategies.images(infinities=infinities))
    return suite_of(
        f"find_bad_pixels ({cut})",
        function,
        ("equals the oracle", usual, equal, 2),
        ("large images", minima(strategies.large_images()), equal, 0.04),
        ("layouts", usual, _is_alike_in_layouts, 0.5),
        view=_mask_of,
    )


# Properties


def _equals(oracle: Callable[..., Any]) -> Property:
    """Return the property that results are those of the oracle."""

    def holds(trial: Trial, call: Call) -> None:
        expected = trial.check.view(oracle(*call.arguments, **call.keywords), call)
        trial.expect(trial(call), expected, "the result is another")

    return holds


def _is_alike_in_layouts(trial: Trial, call: Call) -> None:
    """It does not matter how an array lies in memory."""
    expected, (first, *others) = trial(call), call.arguments
    for layout in strategies.LAYOUTS[1:]:
        lying = partial(strategies.laid_out, layout=layout)
        other = [*map(lying, first)] if isinstance(first, list) else lying(first)
        why = f"an equal array that lies otherwise in memory ({layout}) has another result"
        trial.expect(trial(Call((other, *others), call.keywords)), expected, why)


def _is_alike_in_threads(trial: Trial, call: Call) -> None:
    expected = trial(call)
    with ThreadPoolExecutor(4) as threads:
        for found in [*threads.map(trial, [call] * 8)]:
            trial.expect(found, expected, "calls at the same time have other results")


def _mask_of(found: Any, call: Call) -> NDArray[np.bool_]:
    """Return the mask of what a finder returns."""
    if hasattr(found, "mask") and not isinstance(found, np.ndarray):
        return np.asarray(found.mask)
    if not isinstance(found, tuple):
        return np.asarray(found)
    mask = np.zeros(call.arguments[0].shape, bool)
    mask[found] = True
    return mask


# Calls


@st.composite
def _medians(
    draw: st.DrawFn,
    images: Examples,
    *,
    windows: Examples,
    edges: Sequence[Border],
    fills: Sequence[float],
    min_counts: bool,
) -> Call:
    """Draw a call of a running median."""
    image, window = draw(images), draw(windows)
    how: dict[str, Any] = {"edge": draw(st.sampled_from([*edges]))}
    if how["edge"] == "constant":
        how["fill"] = draw(st.sampled_from(fills))
    if min_counts:
        how["min_count"] = draw(st.just(1) | st.integers(1, math.prod(window)))
    return Call((image, window), how)


@st.composite
def _minima(draw: st.DrawFn, cut: Cut, edges: Sequence[Edge], images: Examples) -> Call:
    """Draw a minimum image and the keywords of a finder."""
    image = draw(images)
    how: dict[str, Any] = {
        "dispaxis": draw(strategies.dispaxes()),
        "kernel_size": draw(strategies.kernel_sizes(21)),
        "edge": draw(st.sampled_from([*edges])),
    }
    if cut == "fraction":
        ends = {f"flagfrac_{end}": draw(strategies.flagfracs()) for end in ("lower", "upper")}
        return Call((image,), {**how, **ends})
    sigma = st.floats(0.5, 4) | st.floats(0.5, 20)  # cuts in the noise tell faults apart
    how |= {f"sigma_{end}": draw(sigma) for end in ("lower", "upper")}
    how["n_exposures"] = draw(st.integers(2, 30) | st.just(1))
    return Call((image,), {**how, "error": draw(_errors_of(image))})


def _regions(shape: tuple[int, int]) -> Examples:
    """Draw half-open rectangles (y0, y1, x0, x1), some of them beyond the image or empty."""
    rows, cols = (st.tuples(*[st.integers(0, side + 3)] * 2).map(sorted) for side in shape)
    return st.tuples(rows, cols).map(lambda both: (*both[0], *both[1]))


def _errors_of(image: NDArray[Any]) -> Examples:
    """Draw ERR for an image: none, noise, or with zeros, NaN, infinite and negative."""

    def errors(seed: int) -> NDArray[Any]:
        rng = np.random.default_rng(seed)
        drawn = rng.lognormal(0.0, 0.3, image.shape).astype(image.dtype)
        for value in (0.0, np.nan, np.inf, -1.0) if seed % 2 else ():
            drawn[rng.random(image.shape) < 0.1] = value
        return drawn

    return st.none() | st.builds(errors, st.integers(0, strategies.WORST))


def _pairs(first: Examples, second: Examples) -> Examples:
    return st.builds(lambda *both: Call(both, {}), first, second)
