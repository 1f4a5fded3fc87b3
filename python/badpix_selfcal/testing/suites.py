"""The suites of the array functions: medians, percentiles, pedestals, minima and bad pixels.

A property is either that a result equals the oracle's, or how it follows from the result of a
related call: with the samples negated, the image transposed, the exposures in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..arrays import reference
from ..arrays.checks import Cut, Edge
from ..arrays.medians import Border
from . import strategies
from .check import EXAMPLES, Check, Property, Trial, run

__all__ = [
    "check_find_bad_pixels",
    "check_median_filter",
    "check_minimum_image",
    "check_pedestal",
    "check_percentiles",
    "find_bad_pixels_checks",
    "median_filter_checks",
    "minimum_image_checks",
    "pedestal_checks",
    "percentiles_checks",
]

Window: TypeAlias = tuple[int, int]
Median: TypeAlias = Callable[..., ArrayLike]
"""Takes an image, a window (height, width) and keywords; returns the medians."""

Percentiles: TypeAlias = Callable[[Any, Any], ArrayLike]
Pedestal: TypeAlias = Callable[[Any, Any], float]
Minimum: TypeAlias = Callable[[Any, Any], ArrayLike]
Finder: TypeAlias = Callable[..., Any]

EDGES: Final[tuple[Edge, ...]] = ("zero", "shrink")
FILLS: Final = (np.nan, -1.5, 0.0, 0.1, 1e20)
"""Values beyond the border. None overflows in float32 if multiplied by 2^40."""

PADS: Final = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "wrap": "wrap"}
"""What `numpy.pad` calls the edges that repeat samples."""


class Call(NamedTuple):
    """The arguments of a call: the first is an image, or a list of exposures."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    @property
    def image(self) -> NDArray[Any]:
        """The image."""
        image: NDArray[Any] = self.arguments[0]
        return image

    def of(self, *arguments: Any, **keywords: Any) -> Call:
        """Return the call with other first arguments, and with other keywords."""
        return Call((*arguments, *self.arguments[len(arguments) :]), {**self.keywords, **keywords})


Calls: TypeAlias = st.SearchStrategy[Call]


@dataclass(frozen=True)
class _Suite:
    """Makes the checks of a function; `seen` returns the array that they compare."""

    name: str
    function: Callable[..., Any]
    seen: Callable[[Any, Call], NDArray[Any]]

    def result(self, trial: Trial, call: Call) -> NDArray[Any]:
        return self.seen(trial(*call.arguments, **call.keywords), call)

    def check(
        self, name: str, examples: st.SearchStrategy[Any], holds: Property, share: float = 1.0
    ) -> Check:
        return Check(f"{self.name}: {name}", self.function, examples, holds, share)

    def equals(
        self, calls: Calls, oracle: Callable[..., Any], name: str = "", share: float = 2.0
    ) -> Check:
        """Return the check that results are those of the oracle."""

        def holds(trial: Trial, call: Call) -> None:
            expected = self.seen(oracle(*call.arguments, **call.keywords), call)
            trial.expect(self.result(trial, call), expected, "the result is another")

        return self.check(name or "equals the oracle", calls, holds, share)

    def follows(
        self,
        name: str,
        why: str,
        examples: st.SearchStrategy[Any],
        change: Callable[..., Call],
        expected: Callable[..., Any] = lambda result, *_: result,
    ) -> Check:
        """Return the check that the result of a changed call follows from that of the call.

        An example is a call, or a tuple of one and of what `change` and `expected` take besides.
        """

        def holds(trial: Trial, example: Any) -> None:
            call, *more = (example,) if isinstance(example, Call) else example
            wanted = expected(self.result(trial, call), *more)
            trial.expect(self.result(trial, change(call, *more)), wanted, why.format(*more))

        return self.check(name, examples, holds)

    def layouts(self, calls: Calls) -> Check:
        """Return the check that it does not matter how an array lies in memory."""

        def holds(trial: Trial, call: Call) -> None:
            expected, first = self.result(trial, call), call.arguments[0]
            for layout in strategies.LAYOUTS[1:]:
                lying = partial(strategies.laid_out, layout=layout)
                other = call.of([*map(lying, first)] if isinstance(first, list) else lying(first))
                why = f"an equal array that lies otherwise in memory ({layout}) has another result"
                trial.expect(self.result(trial, other), expected, why)

        return self.check("layouts", calls, holds, 0.5)


def median_filter_checks(
    function: Median,
    *,
    edges: Sequence[Border] = EDGES,
    even: bool = False,
    min_counts: bool = False,
    dtypes: Sequence[DTypeLike] = strategies.FLOATS,
    windows: st.SearchStrategy[Window] | Sequence[Window] | None = None,
    oracle: Median = reference.median_filter,
    finite: bool = False,
    layouts: bool = True,
    empty: bool = True,
) -> list[Check]:
    """Return the checks of a running median.

    Parameters
    ----------
    function : callable
        ``function(image, window, edge=edge)``: the image, (height, width) of the window, and what
        lies beyond the border. It returns the medians, in the dtype of the image.
        `badpix_selfcal.median_filter` is one.
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
    dtypes : sequence of dtype, optional
        The dtypes that it takes.
    windows : strategy or sequence of (int, int), optional
        The windows that it takes. Default: lines of up to 61 samples, rectangles of up to 9 x 9.
    oracle : callable, optional
        What it must be equal to, bit for bit (but for the signs of zeros). Default: every window is
        sorted.
    finite : bool, optional
        Whether to draw neither infinities nor the largest numbers.
    layouts : bool, optional
        Whether it takes strided, byte-swapped and misaligned arrays.
    empty : bool, optional
        Whether it takes images without pixels.
    """
    if windows is None:
        windows = strategies.windows(even=even)
    elif not isinstance(windows, st.SearchStrategy):
        windows = st.sampled_from([*windows])
    fills = FILLS if finite else (*FILLS, np.inf, -np.inf)
    ways = partial(_ways, windows, fills=fills, min_counts=min_counts)
    of_any_edge, images = ways(edges=edges), partial(strategies.images, dtypes=dtypes)
    usual = _medians(images(infinities=not finite, extremes=not finite), of_any_edge)
    whole = _medians(images().map(np.round), of_any_edge)  # medians of whole numbers are exact
    large = _medians(strategies.large_images(dtypes=dtypes), of_any_edge)
    shapes = strategies.shapes(90, 90).filter(lambda shape: empty or min(shape) > 0)
    lines = _medians(shapes.flatmap(lambda shape: images(shape=shape)), of_any_edge)
    # A copy, as the function may use its memory again.
    suite = _Suite("median_filter", function, lambda found, _: np.array(found))

    def alike_in_threads(trial: Trial, call: Call) -> None:
        expected = suite.result(trial, call)
        with ThreadPoolExecutor(4) as threads:
            found = [*threads.map(lambda _: suite.result(trial, call), range(8))]
        for each in found:
            trial.expect(each, expected, "calls at the same time have other results")

    checks = [
        suite.equals(usual, oracle),
        suite.equals(large, oracle, "equals the oracle on large images", 0.04),
        suite.equals(lines, oracle, "images of one line", 0.5),
        suite.follows(
            "negation",
            "the medians of negated samples are not the negated medians",
            usual,
            lambda call: _times(call, -1.0),
            np.negative,
        ),
        suite.follows(
            "scale by powers of two",
            "samples times {} have other medians",
            st.tuples(whole, _powers(40)),
            _times,
            lambda result, factor: result * result.dtype.type(factor),
        ),
        suite.follows(
            "transposition",
            "transposed samples differ",
            usual,
            lambda call: call.of(_turned(call.image), call.arguments[1][::-1]),
            np.transpose,
        ),
        suite.check("padding", _medians(images(), of_any_edge), partial(_pads, suite)),
        suite.check("calls at the same time", usual, alike_in_threads, 0.2),
    ]
    if "constant" in edges:
        filled = _medians(images(), ways(edges=("constant",)))
        checks.append(suite.equals(filled, oracle, "equals the oracle with any fill", 1.0))
    return [*checks, suite.layouts(usual)] if layouts else checks


@st.composite
def _ways(
    draw: st.DrawFn,
    windows: st.SearchStrategy[Window],
    *,
    edges: Sequence[Border],
    fills: Sequence[float],
    min_counts: bool,
) -> tuple[Window, dict[str, Any]]:
    """Draw a window and the keywords of a call."""
    window = draw(windows)
    how: dict[str, Any] = {"edge": draw(st.sampled_from([*edges]))}
    if how["edge"] == "constant":
        how["fill"] = draw(st.sampled_from(fills))
    if min_counts:
        how["min_count"] = draw(st.just(1) | st.integers(1, math.prod(window)))
    return window, how


def _medians(images: st.SearchStrategy[Any], ways: st.SearchStrategy[Any]) -> Calls:
    return st.builds(lambda image, way: Call((image, way[0]), way[1]), images, ways)


def _turned(image: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(image.T)


def _powers(most: int) -> st.SearchStrategy[float]:
    return st.integers(-most, most).map(lambda power: 2.0**power)


def _times(call: Call, factor: float) -> Call:
    """Return the call with everything that has the unit of the samples times a factor."""
    scaled = {
        name: call.keywords[name] * factor
        for name in ("fill", "error")
        if call.keywords.get(name) is not None
    }
    return call.of(call.image * call.image.dtype.type(factor), **scaled)


def _pads(suite: _Suite, trial: Trial, call: Call) -> None:
    """What lies beyond the border can as well be written down."""
    edge = call.keywords["edge"]
    frame = [(side // 2, (side - 1) // 2) for side in call.arguments[1]]
    expected = suite.result(trial, call)
    beyond = {"zero": 0.0, "shrink": np.nan}.get(edge, call.keywords.get("fill"))
    how: Any = {"mode": PADS[edge]} if edge in PADS else {"constant_values": beyond}
    found = suite.result(trial, call.of(np.pad(call.image, frame, **how)))
    inside = tuple(
        slice(before, before + side)
        for (before, _), side in zip(frame, expected.shape, strict=True)
    )
    trial.expect(found[inside], expected, f"the border is not as {edge!r} says")


def percentiles_checks(
    function: Percentiles,
    *,
    dtypes: Sequence[DTypeLike] = strategies.FLOATS,
    oracle: Percentiles = reference.percentiles,
    infinities: bool = True,
) -> list[Check]:
    """Return the checks of percentiles that skip NaN, with linear interpolation.

    Parameters
    ----------
    function : callable
        ``function(image, q)``: the samples and percentages from 0 to 100, a float64 array. It
        returns a float64 array.
    dtypes, oracle
        As in `median_filter_checks`. Default of `oracle`: all samples are sorted.
    infinities : bool, optional
        Whether samples may be infinite.
    """
    images = partial(strategies.images, dtypes=dtypes)
    q = st.lists(st.sampled_from([0.0, 0.1, 50.0, 99.9, 100.0]) | st.floats(0, 100), max_size=5)
    levels = q.map(lambda each: np.array(each, np.float64))
    usual = _pairs(images(infinities=infinities, extremes=True), levels)
    large = _pairs(strategies.large_images(dtypes=dtypes), levels)
    suite = _Suite("percentiles", function, lambda found, _: np.asarray(found))
    return [
        suite.equals(usual, oracle),
        suite.equals(large, oracle, "equals the oracle on large images", 0.5),
        suite.follows(
            "order of the samples",
            "the order of the samples changes the percentiles",
            st.tuples(usual, st.integers(0, 9)),
            lambda call, seed: call.of(np.random.default_rng(seed).permuted(call.image)),
        ),
        suite.follows(
            "padding by NaN",
            "NaN is counted",
            usual,
            lambda call: call.of(np.pad(call.image, 2, constant_values=np.nan)),
        ),
        suite.layouts(usual),
    ]


def _pairs(first: st.SearchStrategy[Any], second: st.SearchStrategy[Any]) -> Calls:
    return st.builds(lambda *both: Call(both, {}), first, second)


def pedestal_checks(
    function: Pedestal,
    *,
    regions: bool = True,
    dtypes: Sequence[DTypeLike] = strategies.FLOATS,
    oracle: Pedestal = reference.pedestal,
) -> list[Check]:
    """Return the checks of a pedestal: the NaN-median over a gap.

    Parameters
    ----------
    function : callable
        ``function(image, gap)``: the image and a mask of its shape, or (y0, y1, x0, x1), half-open.
        It returns the median as a float, in the precision of the image.
    regions : bool, optional
        Whether it takes rectangles too.
    dtypes, oracle
        As in `median_filter_checks`. Default of `oracle`: the gap is sorted.
    """
    usual = strategies.images(dtypes=dtypes, infinities=True, extremes=True)

    def with_gaps(gaps_of: Callable[[Any], st.SearchStrategy[Any]]) -> Calls:
        return usual.flatmap(lambda image: _pairs(st.just(image), gaps_of(image.shape)))

    masked = with_gaps(strategies.gap_masks)
    suite = _Suite("pedestal", function, lambda found, _: np.asarray(float(found)))
    checks = [
        suite.equals(masked, oracle),
        suite.follows(
            "negation",
            "the pedestal of negated samples is not the negated pedestal",
            masked,
            lambda call: _times(call, -1.0),
            np.negative,
        ),
        suite.layouts(masked),
    ]
    if regions:
        checks.insert(1, suite.equals(with_gaps(strategies.gap_regions), oracle, "rectangles"))
    return checks


def minimum_image_checks(
    function: Minimum,
    *,
    dtypes: Sequence[DTypeLike] = strategies.FLOATS,
    oracle: Minimum = reference.minimum_image,
) -> list[Check]:
    """Return the checks of a minimum image: the pixelwise NaN-minimum minus pedestals.

    Parameters
    ----------
    function : callable
        ``function(images, pedestals)``: a list of exposures of one shape, and a list of as many
        pedestals, each in the precision of its exposure. It returns the minimum; float32 if all
        exposures are float32, else float64.
    dtypes, oracle
        As in `median_filter_checks`. Default of `oracle`: all exposures are stacked.
    """

    def stacks_of(shape: tuple[int, int]) -> Calls:
        image = strategies.images(dtypes=dtypes, shape=shape, infinities=True)
        level = st.integers(-20, 20).map(lambda each: each / 8)
        both = st.lists(st.tuples(image, level), min_size=1, max_size=5)
        return both.map(lambda each: Call(tuple(map(list, zip(*each, strict=True))), {}))

    stacks = strategies.shapes(6, 20).flatmap(stacks_of)
    suite = _Suite("minimum_image", function, lambda found, _: np.asarray(found))
    return [
        suite.equals(stacks, oracle),
        suite.follows(
            "order of the exposures",
            "the order of the exposures changes the minimum",
            stacks,
            lambda call: call.of(*(each[::-1] for each in call.arguments)),
        ),
        suite.layouts(stacks),
    ]


def find_bad_pixels_checks(
    function: Finder,
    *,
    cut: Cut = "fraction",
    edges: Sequence[Edge] = EDGES,
    dtypes: Sequence[DTypeLike] = strategies.FLOATS,
    oracle: Finder | None = None,
    infinities: bool = True,
    layouts: bool = True,
) -> list[Check]:
    """Return the checks of a function that finds bad pixels.

    Parameters
    ----------
    function : callable
        ``function(minimum, *, dispaxis, kernel_size, edge, ...)``. With the fraction cut it also
        gets `flagfrac_lower` and `flagfrac_upper`; with the sigma cut `sigma_lower`, `sigma_upper`,
        `error` and `n_exposures`. It returns a mask, the indices of the bad pixels, or an object
        with a `mask`.
    cut : {"fraction", "sigma"}, optional
        Which cut it makes.
    edges, dtypes, oracle, layouts
        As in `median_filter_checks`. Default of `oracle`: the plain NumPy of
        `badpix_selfcal.arrays.reference`.
    infinities : bool, optional
        Whether samples may be infinite.
    """
    oracle = oracle or partial(reference.find_bad_pixels, cut=cut)
    images, minima = partial(strategies.images, dtypes=dtypes), partial(_minima, cut, edges)
    usual, whole = minima(images(infinities=infinities)), minima(images().map(np.round))
    large = minima(strategies.large_images(dtypes=dtypes))
    suite = _Suite(f"find_bad_pixels ({cut})", function, _mask_of)

    def spares_nan(trial: Trial, call: Call) -> None:
        flagged = suite.result(trial, call) & np.isnan(call.image)
        trial.expect(flagged, np.zeros_like(flagged), "a missing sample is flagged")

    def flags_more(trial: Trial, call: Call) -> None:
        before = suite.result(trial, call)
        tighter = {name: _tighter(name, value) for name, value in call.keywords.items()}
        lost = before & ~suite.result(trial, call.of(call.image, **tighter))
        trial.expect(lost, np.zeros_like(lost), "with tighter cuts a pixel is no longer flagged")

    def turned(call: Call) -> Call:
        axis, error = call.keywords["dispaxis"], call.keywords.get("error")
        others = {} if error is None else {"error": _turned(error)}
        return call.of(_turned(call.image), dispaxis={1: 2, 2: 1}.get(axis), **others)

    why = "in the transposed image other pixels are flagged"
    scaled = "in samples times {} other pixels are flagged"
    checks = [
        suite.equals(usual, oracle),
        suite.equals(large, oracle, "equals the oracle on large images", 0.04),
        suite.check("NaN is never flagged", usual, spares_nan),
        suite.follows("transposition", why, minima(images()), turned, np.transpose),
        suite.follows("scale by powers of two", scaled, st.tuples(whole, _powers(20)), _times),
        suite.check("tighter cuts", minima(images()), flags_more),
    ]
    return [*checks, suite.layouts(usual)] if layouts else checks


@st.composite
def _minima(
    draw: st.DrawFn, cut: Cut, edges: Sequence[Edge], images: st.SearchStrategy[Any]
) -> Call:
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
    return Call((image,), {**how, "error": draw(strategies.errors_of(image))})


def _mask_of(found: Any, call: Call) -> NDArray[np.bool_]:
    """Return the mask of what a finder returns."""
    if hasattr(found, "mask") and not isinstance(found, np.ndarray):
        return np.asarray(found.mask)
    if not isinstance(found, tuple):
        return np.asarray(found)
    mask = np.zeros(call.image.shape, bool)
    mask[found] = True
    return mask


def _tighter(name: str, value: Any) -> Any:
    """Return the value of a keyword that flags at least as much."""
    if name.startswith("flagfrac"):
        return 0.25 + 0.5 * value
    return 0.5 * value if name.startswith("sigma") else value


def check_median_filter(
    function: Median, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check a running median: call all `median_filter_checks` (see `Check`)."""
    run(median_filter_checks(function, **how), examples, seed)


def check_percentiles(
    function: Percentiles, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check percentiles that skip NaN: call all `percentiles_checks` (see `Check`)."""
    run(percentiles_checks(function, **how), examples, seed)


def check_pedestal(
    function: Pedestal, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check a pedestal: call all `pedestal_checks` (see `Check`)."""
    run(pedestal_checks(function, **how), examples, seed)


def check_minimum_image(
    function: Minimum, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check a minimum image: call all `minimum_image_checks` (see `Check`)."""
    run(minimum_image_checks(function, **how), examples, seed)


def check_find_bad_pixels(
    function: Finder, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check a function that finds bad pixels: call all `find_bad_pixels_checks` (see `Check`)."""
    run(find_bad_pixels_checks(function, **how), examples, seed)
