"""Checks of a running median that skips NaN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import reference
from ..checks import Edge
from . import strategies
from .check import EXAMPLES, Check, Row, Trial, run, suite
from .drawn import Drawn, Layout

__all__ = ["check_median_filter", "median_filter_checks"]

Window: TypeAlias = tuple[int, int]
Median: TypeAlias = Callable[..., ArrayLike]
"""Takes an image, a window (height, width) and ``edge=``; returns the medians."""

EDGES: Final[tuple[Edge, ...]] = ("zero", "shrink")


Images: TypeAlias = Callable[..., st.SearchStrategy[Drawn]]


class Case(NamedTuple):
    """An example."""

    image: Drawn
    window: Window
    edge: Edge


def median_filter_checks(
    function: Median,
    *,
    edges: Sequence[Edge] = EDGES,
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
    edges : sequence of {"zero", "shrink"}, optional
        The edges that it knows: zeros count as samples, or the window is cut at the border.
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
        drawn = strategies.windows()
    elif isinstance(windows, st.SearchStrategy):
        drawn = windows
    else:
        drawn = st.sampled_from([*windows])
    drawn_images = partial(strategies.drawn_images, dtypes=tuple(dtypes))
    sides = st.sampled_from([*edges])
    usual = _cases(drawn_images(infinities=not finite, extremes=not finite), drawn, sides)
    plain = _cases(drawn_images(), drawn, sides)
    large = _cases(strategies.drawn_large_images(dtypes=tuple(dtypes)), drawn, sides)

    def equals_the_oracle(trial: Trial, case: Case) -> None:
        trial.expect(
            _medians(trial, *case),
            oracle(case.image.array, case.window, edge=case.edge),
            "the medians are others",
        )

    rows: list[Row] = [
        ("equals the oracle", usual, equals_the_oracle, 2.0),
        ("equals the oracle on large images", large, equals_the_oracle, 0.04),
        (
            "images of one line",
            _lines(drawn_images, drawn, sides, empty=empty),
            equals_the_oracle,
            0.5,
        ),
        ("negation", usual, _negates, 1.0),
        ("scale by powers of two", _whole(drawn_images, drawn, sides, -40, 40), _scales, 1.0),
        ("shift by powers of two", _whole(drawn_images, drawn, sides, 0, 10), _shifts, 1.0),
        ("transposition", usual, _transposes, 1.0),
        ("independence of distant samples", plain, _is_local, 1.0),
        ("padding", plain, _pads, 1.0),
        ("tiles", plain, _splits, 1.0),
        ("calls at the same time", plain, _is_alike_in_threads, 0.2),
    ]
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


def _cases(
    images: st.SearchStrategy[Drawn],
    windows: st.SearchStrategy[Window],
    edges: st.SearchStrategy[Edge],
) -> st.SearchStrategy[Case]:
    return st.builds(Case, images, windows, edges)


def _lines(
    drawn_images: Images,
    windows: st.SearchStrategy[Window],
    edges: st.SearchStrategy[Edge],
    *,
    empty: bool,
) -> st.SearchStrategy[Case]:
    """Draw images of which many have one row or one column, or no pixel."""
    shapes = strategies.shapes(90, 90).filter(lambda shape: empty or min(shape) > 0)
    images = shapes.flatmap(lambda shape: drawn_images(shape=shape))
    return _cases(images, windows, edges)


def _whole(
    drawn_images: Images,
    windows: st.SearchStrategy[Window],
    edges: st.SearchStrategy[Edge],
    least: int,
    most: int,
) -> st.SearchStrategy[tuple[Case, int]]:
    """Draw images of whole numbers, whose medians are exact, with a power of two."""
    whole = drawn_images().map(lambda drawn: drawn.by(np.round, "{0}.round()"))
    return st.tuples(_cases(whole, windows, edges), st.integers(least, most))


def _medians(trial: Trial, image: Drawn, window: Window, edge: Edge) -> NDArray[Any]:
    return np.array(trial(image, window, edge=edge))  # the function may use its memory again


def _negates(trial: Trial, case: Case) -> None:
    image, window, edge = case
    expected = -_medians(trial, *case)
    found = _medians(trial, image.by(np.negative, "-{0}"), window, edge)
    trial.expect(found, expected, "the medians of negated samples are not the negated medians")


def _scales(trial: Trial, scaled: tuple[Case, int]) -> None:
    (image, window, edge), power = scaled
    factor = image.array.dtype.type(2.0**power)
    expected = _medians(trial, image, window, edge) * factor
    found = _medians(
        trial, image.by(lambda array: array * factor, f"{{0}} * {float(factor)!r}"), window, edge
    )
    trial.expect(found, expected, f"samples times {float(factor):g} have other medians")


def _shifts(trial: Trial, shifted: tuple[Case, int]) -> None:
    (image, window, _), power = shifted
    step = image.array.dtype.type(2.0**power)
    if shifted[0].edge == "zero":  # zeros beyond the border are not shifted
        inside = tuple(slice(side // 2, -(side // 2) or None) for side in window)
    else:
        inside = (slice(None), slice(None))
    expected = _medians(trial, *shifted[0])[inside] + step
    found = _medians(
        trial, image.by(lambda array: array + step, f"{{0}} + {float(step)!r}"), *shifted[0][1:]
    )
    why = f"samples plus {float(step):g} have other medians, away from the border"
    trial.expect(found[inside], expected, why)


def _transposes(trial: Trial, case: Case) -> None:
    image, (height, width), edge = case
    expected = _medians(trial, *case).T
    turned = image.by(lambda array: np.ascontiguousarray(array.T), "{0}.T.copy()")
    trial.expect(
        _medians(trial, turned, (width, height), edge), expected, "transposed samples differ"
    )


def _is_local(trial: Trial, case: Case) -> None:
    """A sample beyond the window changes nothing."""
    image, window, edge = case
    expected = _medians(trial, *case)
    half = 1 + image.array.shape[0] // 2
    raised = image.by(
        lambda array: np.concatenate([array[:half] + array.dtype.type(7), array[half:]]),
        f"numpy.concatenate([{{0}}[:{half}] + 7, {{0}}[{half}:]])",
    )
    found = _medians(trial, raised, window, edge)
    first = half + window[0] // 2
    trial.expect(found[first:], expected[first:], "samples beyond the window change a median")


def _pads(trial: Trial, case: Case) -> None:
    """What lies beyond the border can as well be written down."""
    image, window, edge = case
    beyond = 0.0 if edge == "zero" else np.nan
    expected = _medians(trial, *case)
    frame = [(side // 2, side // 2) for side in window]
    padded = image.by(
        lambda array: np.pad(array, frame, constant_values=beyond),
        f"numpy.pad({{0}}, {frame}, constant_values={beyond!r})",
    )
    found = _medians(trial, padded, window, edge)
    inside = tuple(
        slice(before, before + side)
        for (before, _), side in zip(frame, image.array.shape, strict=True)
    )
    trial.expect(found[inside], expected, f"the border is not as {edge!r} says")


def _splits(trial: Trial, case: Case) -> None:
    """The medians of a part, away from its border, are those of the whole."""
    image, window, edge = case
    whole = _medians(trial, *case)
    rows = image.array.shape[0]
    half, reach = rows // 2, window[0] // 2
    upper = image.by(lambda array: array[: half + reach].copy(), f"{{0}}[:{half + reach}].copy()")
    if half + reach < rows and half:
        found = _medians(trial, upper, window, edge)
        trial.expect(found[:half], whole[:half], "a tile has other medians than the whole")


def _is_alike_in_threads(trial: Trial, case: Case) -> None:
    """Calls at the same time do not disturb each other."""
    expected = _medians(trial, *case)
    with ThreadPoolExecutor(4) as threads:
        found = [*threads.map(lambda _: _medians(trial, *case), range(8))]
    for each in found:
        trial.expect(each, expected, "calls at the same time have other results")


def _any_layout(trial: Trial, case: tuple[Case, Layout]) -> None:
    (image, window, edge), layout = case
    expected = _medians(trial, image, window, edge)
    found = _medians(trial, image.lying(layout), window, edge)
    trial.expect(found, expected, f"an equal array has other medians: {layout}")
