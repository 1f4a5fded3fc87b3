"""Checks of a running median that skips NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..arrays import reference
from ..arrays.medians import Border
from . import strategies
from .check import EXAMPLES, Check, Row, Trial, run, suite
from .drawn import Drawn, Layout

__all__ = ["check_median_filter", "median_filter_checks"]

Window: TypeAlias = tuple[int, int]
Median: TypeAlias = Callable[..., ArrayLike]
"""Takes an image, a window (height, width) and keywords; returns the medians."""

EDGES: Final[tuple[Border, ...]] = ("zero", "shrink")
FILLS: Final = (np.nan, -1.5, 0.0, 0.1, 1e20)
"""Values beyond the border. None overflows in float32 if multiplied by 2^40."""

FOLDED: Final = ("reflect", "mirror", "wrap")
"""The edges for which a window at one end of a line may contain samples far from it."""

PADS: Final = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "wrap": "wrap"}
"""What `numpy.pad` calls the edges that repeat samples."""

Images: TypeAlias = Callable[..., st.SearchStrategy[Drawn]]
How: TypeAlias = Mapping[str, Any]
"""The keywords of a call: ``edge``, and ``fill`` and ``min_count`` if there are any."""

Way: TypeAlias = tuple[Window, How]


class Case(NamedTuple):
    """An example."""

    image: Drawn
    window: Window
    how: How

    @property
    def reaches(self) -> list[tuple[int, int]]:
        """Samples before and after the pixel, along each axis of the window."""
        return [(side // 2, (side - 1) // 2) for side in self.window]


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

    Returns
    -------
    list of Check
        Call each, or parametrize a test with them.
    """
    if windows is None:
        drawn = strategies.windows(even=even)
    elif isinstance(windows, st.SearchStrategy):
        drawn = windows
    else:
        drawn = st.sampled_from([*windows])
    fills = FILLS if finite else (*FILLS, np.inf, -np.inf)
    ways_of = partial(_ways, drawn, fills=fills, min_counts=min_counts)
    ways = ways_of(edges=tuple(edges))
    drawn_images = partial(strategies.drawn_images, dtypes=tuple(dtypes))
    usual = _cases(drawn_images(infinities=not finite, extremes=not finite), ways)
    plain = _cases(drawn_images(), ways)
    large = _cases(strategies.drawn_large_images(dtypes=tuple(dtypes)), ways)

    def equals_the_oracle(trial: Trial, case: Case) -> None:
        expected = oracle(case.image.array, case.window, **case.how)
        trial.expect(_medians(trial, *case), expected, "the medians are others")

    lines = _lines(drawn_images, ways, empty=empty)
    rows: list[Row] = [
        ("equals the oracle", usual, equals_the_oracle, 2.0),
        ("equals the oracle on large images", large, equals_the_oracle, 0.04),
        ("images of one line", lines, equals_the_oracle, 0.5),
        ("negation", usual, _negates, 1.0),
        ("scale by powers of two", _whole(drawn_images, ways, -40, 40), _scales, 1.0),
        ("shift by powers of two", _whole(drawn_images, ways, 0, 10), _shifts, 1.0),
        ("transposition", usual, _transposes, 1.0),
        ("independence of distant samples", plain, _is_local, 1.0),
        ("padding", plain, _pads, 1.0),
        ("tiles", plain, _splits, 1.0),
        ("calls at the same time", plain, _is_alike_in_threads, 0.2),
    ]
    if "constant" in edges:
        filled = _cases(drawn_images(), ways_of(edges=("constant",)))
        rows.append(("equals the oracle with any fill", filled, equals_the_oracle, 1.0))
    if layouts:
        rows.append(("layouts", st.tuples(usual, strategies.layouts()), _any_layout, 1.0))
    return suite("median_filter", function, rows)


def check_median_filter(
    function: Median, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check a running median.

    Parameters
    ----------
    function : callable
        As in `median_filter_checks`.
    examples : int, optional
        Examples of each property, at least 1.
    seed : int or None, optional
        Of the examples; None: the same each time.
    **how
        As in `median_filter_checks`.

    Raises
    ------
    CheckFailed
        With the smallest example that was found.
    TypeError, ValueError
        If `examples` is not a whole number of at least 1.
    """
    run(median_filter_checks(function, **how), examples, seed)


@st.composite
def _ways(
    draw: st.DrawFn,
    windows: st.SearchStrategy[Window],
    *,
    edges: Sequence[Border],
    fills: Sequence[float],
    min_counts: bool,
) -> Way:
    """Draw a window and the keywords of a call."""
    window = draw(windows)
    how: dict[str, Any] = {"edge": draw(st.sampled_from(edges))}
    if how["edge"] == "constant":
        how["fill"] = draw(st.sampled_from(fills))
    if min_counts:
        how["min_count"] = draw(st.just(1) | st.integers(1, math.prod(window)))
    return window, how


def _cases(
    images: st.SearchStrategy[Drawn], ways: st.SearchStrategy[Way]
) -> st.SearchStrategy[Case]:
    return st.builds(lambda image, way: Case(image, *way), images, ways)


def _lines(
    drawn_images: Images, ways: st.SearchStrategy[Way], *, empty: bool
) -> st.SearchStrategy[Case]:
    """Draw images of which many have one row or one column, or no pixel."""
    shapes = strategies.shapes(90, 90).filter(lambda shape: empty or min(shape) > 0)
    return _cases(shapes.flatmap(lambda shape: drawn_images(shape=shape)), ways)


def _whole(
    drawn_images: Images, ways: st.SearchStrategy[Way], least: int, most: int
) -> st.SearchStrategy[tuple[Case, int]]:
    """Draw images of whole numbers, whose medians are exact, with a power of two."""
    whole = drawn_images().map(lambda drawn: drawn.by(np.round, "{0}.round()"))
    return st.tuples(_cases(whole, ways), st.integers(least, most))


def _medians(trial: Trial, image: Drawn, window: Window, how: How) -> NDArray[Any]:
    return np.array(trial(image, window, **how))  # the function may use its memory again


def _times(how: How, factor: float) -> How:
    """Return the keywords for samples that are multiplied by a factor."""
    return {**how, "fill": how["fill"] * factor} if "fill" in how else how


def _negates(trial: Trial, case: Case) -> None:
    image, window, how = case
    expected = -_medians(trial, *case)
    found = _medians(trial, image.by(np.negative, "-{0}"), window, _times(how, -1.0))
    trial.expect(found, expected, "the medians of negated samples are not the negated medians")


def _scales(trial: Trial, scaled: tuple[Case, int]) -> None:
    (image, window, how), power = scaled
    factor = image.array.dtype.type(2.0**power)
    expected = _medians(trial, image, window, how) * factor
    larger = image.by(lambda array: array * factor, f"{{0}} * {float(factor)!r}")
    found = _medians(trial, larger, window, _times(how, float(factor)))
    trial.expect(found, expected, f"samples times {float(factor):g} have other medians")


def _shifts(trial: Trial, shifted: tuple[Case, int]) -> None:
    case, power = shifted
    image, window, how = case
    step = image.array.dtype.type(2.0**power)
    if how["edge"] in ("zero", "constant"):  # what lies beyond the border is not shifted
        inside = tuple(slice(before, -after or None) for before, after in case.reaches)
    else:
        inside = (slice(None), slice(None))
    expected = _medians(trial, *case)[inside] + step
    raised = image.by(lambda array: array + step, f"{{0}} + {float(step)!r}")
    found = _medians(trial, raised, window, how)
    why = f"samples plus {float(step):g} have other medians, away from the border"
    trial.expect(found[inside], expected, why)


def _transposes(trial: Trial, case: Case) -> None:
    image, window, how = case
    expected = _medians(trial, *case).T
    turned = image.by(lambda array: np.ascontiguousarray(array.T), "{0}.T.copy()")
    found = _medians(trial, turned, window[::-1], how)
    trial.expect(found, expected, "transposed samples differ")


def _is_local(trial: Trial, case: Case) -> None:
    """A sample beyond the window changes nothing."""
    image, window, how = case
    expected = _medians(trial, *case)
    half = 1 + image.array.shape[0] // 2
    raised = image.by(
        lambda array: np.concatenate([array[:half] + array.dtype.type(7), array[half:]]),
        f"numpy.concatenate([{{0}}[:{half}] + 7, {{0}}[{half}:]])",
    )
    found = _medians(trial, raised, window, how)
    before, after = case.reaches[0]
    last = -after or None if how["edge"] in FOLDED else None
    distant = slice(half + before, last)
    trial.expect(found[distant], expected[distant], "samples beyond the window change a median")


def _pads(trial: Trial, case: Case) -> None:
    """What lies beyond the border can as well be written down."""
    image, window, how = case
    edge, frame = how["edge"], case.reaches
    expected = _medians(trial, *case)
    beyond = {"zero": 0.0, "shrink": np.nan}.get(edge, how.get("fill"))
    word, value = ("mode", PADS[edge]) if edge in PADS else ("constant_values", beyond)
    padding: dict[str, Any] = {word: value}
    padded = image.by(
        lambda array: np.pad(array, frame, **padding),
        f"numpy.pad({{0}}, {frame}, {word}={value!r})",
    )
    found = _medians(trial, padded, window, how)
    inside = tuple(
        slice(before, before + side)
        for (before, _), side in zip(frame, image.array.shape, strict=True)
    )
    trial.expect(found[inside], expected, f"the border is not as {edge!r} says")


def _splits(trial: Trial, case: Case) -> None:
    """The medians of a part, away from its border, are those of the whole."""
    image, window, how = case
    whole = _medians(trial, *case)
    rows, (before, after) = image.array.shape[0], case.reaches[0]
    half = rows // 2
    first = before if how["edge"] in FOLDED else 0
    upper = image.by(lambda array: array[: half + after].copy(), f"{{0}}[:{half + after}].copy()")
    if half + after < rows and first < half:
        found = _medians(trial, upper, window, how)
        trial.expect(
            found[first:half], whole[first:half], "a tile has other medians than the whole"
        )


def _is_alike_in_threads(trial: Trial, case: Case) -> None:
    """Calls at the same time do not disturb each other."""
    expected = _medians(trial, *case)
    with ThreadPoolExecutor(4) as threads:
        found = [*threads.map(lambda _: _medians(trial, *case), range(8))]
    for each in found:
        trial.expect(each, expected, "calls at the same time have other results")


def _any_layout(trial: Trial, case: tuple[Case, Layout]) -> None:
    (image, window, how), layout = case
    expected = _medians(trial, image, window, how)
    found = _medians(trial, image.lying(layout), window, how)
    trial.expect(found, expected, f"an equal array has other medians: {layout}")
