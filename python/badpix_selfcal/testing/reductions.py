"""Checks of percentiles, pedestals and minimum images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..arrays import reference
from . import strategies
from .check import EXAMPLES, Check, Row, Trial, run, suite
from .drawn import Drawn, Layout, code_of

__all__ = [
    "check_minimum_image",
    "check_pedestal",
    "check_percentiles",
    "minimum_image_checks",
    "pedestal_checks",
    "percentiles_checks",
]

Percentiles = Callable[[Any, Any], ArrayLike]
Pedestal = Callable[[Any, Any], float]
Minimum = Callable[[Any, Any], ArrayLike]


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
    dtypes : sequence of dtype, optional
        The dtypes that it takes.
    oracle : callable, optional
        What it must be equal to, bit for bit. Default: all samples are sorted.
    infinities : bool, optional
        Whether samples may be infinite.

    Returns
    -------
    list of Check
        Call each, or parametrize a test with them.
    """
    usual = strategies.drawn_images(dtypes=tuple(dtypes), infinities=infinities, extremes=True)
    # Differences of the largest numbers overflow, in numpy too.
    plain = strategies.drawn_images(dtypes=tuple(dtypes))
    large = strategies.drawn_large_images(dtypes=tuple(dtypes))
    q = st.lists(st.sampled_from([0.0, 0.1, 50.0, 99.9, 100.0]) | st.floats(0, 100), max_size=5)
    levels = q.map(lambda each: np.array(each, np.float64))

    def equals_the_oracle(trial: Trial, case: tuple[Drawn, Any]) -> None:
        image, at = case
        trial.expect(trial(image, at), oracle(image.array, at), "the percentiles are others")

    both = st.tuples(usual, levels)
    rows: list[Row] = [
        ("equals the oracle", both, equals_the_oracle, 2.0),
        ("equals the oracle on large images", st.tuples(large, levels), equals_the_oracle, 0.5),
        ("order of the samples", st.tuples(usual, levels, _seeds()), _ignores_order, 1.0),
        ("monotonic", plain, _rises, 1.0),
        ("padding by NaN", both, _ignores_nan, 1.0),
        ("layouts", st.tuples(usual, levels, strategies.layouts()), _any_layout, 1.0),
    ]
    return suite("percentiles", function, rows)


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
    dtypes : sequence of dtype, optional
        The dtypes that it takes.
    oracle : callable, optional
        What it must be equal to. Default: the gap is sorted.

    Returns
    -------
    list of Check
        Call each, or parametrize a test with them.
    """
    usual = strategies.drawn_images(dtypes=tuple(dtypes), infinities=True, extremes=True)
    masked = usual.flatmap(
        lambda drawn: st.tuples(st.just(drawn), strategies.gap_masks(drawn.array.shape))
    )

    def equals_the_oracle(trial: Trial, case: tuple[Drawn, Any]) -> None:
        image, gap = case
        level = trial(image, gap)
        trial.expect(float(level), oracle(image.array, gap), "the pedestal is another")

    rows: list[Row] = [
        ("equals the oracle", masked, equals_the_oracle, 2.0),
        ("samples beyond the gap", masked, _is_of_the_gap, 1.0),
        ("negation", masked, _negates, 1.0),
        ("layouts", st.tuples(masked, strategies.layouts()), _lies_otherwise, 1.0),
    ]
    if regions:
        within = usual.flatmap(
            lambda drawn: st.tuples(st.just(drawn), strategies.gap_regions(drawn.array.shape))
        )
        rows.insert(1, ("rectangles", within, equals_the_oracle, 2.0))
    return suite("pedestal", function, rows)


class Stack(NamedTuple):
    """Exposures of one shape, and their pedestals."""

    exposures: list[Drawn]
    pedestals: list[float]


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
    dtypes : sequence of dtype, optional
        The dtypes that it takes.
    oracle : callable, optional
        What it must be equal to, bit for bit. Default: all exposures are stacked.

    Returns
    -------
    list of Check
        Call each, or parametrize a test with them.
    """
    stacks = _stacks(tuple(dtypes))

    def equals_the_oracle(trial: Trial, stack: Stack) -> None:
        found = trial(stack.exposures, stack.pedestals)
        bare = [each.array for each in stack.exposures]
        trial.expect(found, oracle(bare, stack.pedestals), "the minimum is another")

    rows: list[Row] = [
        ("equals the oracle", stacks, equals_the_oracle, 2.0),
        ("order of the exposures", stacks, _ignores_their_order, 1.0),
        ("the same exposure twice", stacks, _counts_each_once, 1.0),
        ("layouts", st.tuples(stacks, strategies.layouts()), _stack_lies_otherwise, 1.0),
    ]
    return suite("minimum_image", function, rows)


def check_percentiles(
    function: Percentiles, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check percentiles that skip NaN.

    Parameters
    ----------
    function : callable
        As in `percentiles_checks`.
    examples : int, optional
        Examples of each property, at least 1.
    seed : int or None, optional
        Of the examples; None: the same each time.
    **how
        As in `percentiles_checks`.

    Raises
    ------
    CheckFailed
        With the smallest example that was found.
    TypeError, ValueError
        If `examples` is not a whole number of at least 1.
    """
    run(percentiles_checks(function, **how), examples, seed)


def check_pedestal(
    function: Pedestal, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check a pedestal.

    Parameters
    ----------
    function : callable
        As in `pedestal_checks`.
    examples : int, optional
        Examples of each property, at least 1.
    seed : int or None, optional
        Of the examples; None: the same each time.
    **how
        As in `pedestal_checks`.

    Raises
    ------
    CheckFailed
        With the smallest example that was found.
    TypeError, ValueError
        If `examples` is not a whole number of at least 1.
    """
    run(pedestal_checks(function, **how), examples, seed)


def check_minimum_image(
    function: Minimum, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check a minimum image.

    Parameters
    ----------
    function : callable
        As in `minimum_image_checks`.
    examples : int, optional
        Examples of each property, at least 1.
    seed : int or None, optional
        Of the examples; None: the same each time.
    **how
        As in `minimum_image_checks`.

    Raises
    ------
    CheckFailed
        With the smallest example that was found.
    TypeError, ValueError
        If `examples` is not a whole number of at least 1.
    """
    run(minimum_image_checks(function, **how), examples, seed)


def _seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 9)


def _ignores_order(trial: Trial, case: tuple[Drawn, NDArray[Any], int]) -> None:
    image, q, seed = case
    expected = trial(image, q)
    mixed = image.by(
        lambda array: np.random.default_rng(seed).permuted(array),
        f"numpy.random.default_rng({seed}).permuted({{0}})",
    )
    trial.expect(trial(mixed, q), expected, "the order of the samples changes the percentiles")


def _rises(trial: Trial, image: Drawn) -> None:
    found = np.asarray(trial(image, np.linspace(0, 100, 41)))
    with np.errstate(invalid="ignore"):
        falls = found[1:] < found[:-1]
    trial.require(not falls.any(), "a higher percentile is lower", "rising values", str(found))


def _ignores_nan(trial: Trial, case: tuple[Drawn, NDArray[Any]]) -> None:
    image, q = case
    expected = trial(image, q)
    padded = image.by(
        lambda array: np.pad(array, 2, constant_values=np.nan),
        "numpy.pad({0}, 2, constant_values=nan)",
    )
    trial.expect(trial(padded, q), expected, "NaN is counted")


def _any_layout(trial: Trial, case: tuple[Drawn, NDArray[Any], Layout]) -> None:
    image, q, layout = case
    expected = trial(image, q)
    found = trial(image.lying(layout), q)
    trial.expect(found, expected, f"an equal array has other percentiles: {layout}")


def _is_of_the_gap(trial: Trial, case: tuple[Drawn, NDArray[np.bool_]]) -> None:
    image, gap = case
    expected = float(trial(image, gap))
    beyond = image.by(
        lambda array: np.where(gap, array, array.dtype.type(7)),
        f"numpy.where({code_of(gap)}, {{0}}, {{0}}.dtype.type(7))",
    )
    trial.expect(float(trial(beyond, gap)), expected, "samples beyond the gap are counted")


def _negates(trial: Trial, case: tuple[Drawn, NDArray[np.bool_]]) -> None:
    image, gap = case
    expected = -float(trial(image, gap))
    found = float(trial(image.by(np.negative, "-{0}"), gap))
    trial.expect(found, expected, "the pedestal of negated samples is not the negated pedestal")


def _lies_otherwise(trial: Trial, case: tuple[tuple[Drawn, NDArray[np.bool_]], Layout]) -> None:
    (image, gap), layout = case
    expected = float(trial(image, gap))
    found = float(trial(image.lying(layout), gap))
    trial.expect(found, expected, f"an equal array has another pedestal: {layout}")


@st.composite
def _stacks(draw: st.DrawFn, dtypes: tuple[DTypeLike, ...]) -> Stack:
    shape = draw(strategies.shapes(6, 20))
    images = strategies.drawn_images(dtypes=dtypes, shape=shape, infinities=True)
    exposures = draw(st.lists(images, min_size=1, max_size=5))
    levels = st.integers(-20, 20).map(lambda each: each / 8)
    return Stack(exposures, [draw(levels) for _ in exposures])


def _ignores_their_order(trial: Trial, stack: Stack) -> None:
    expected = trial(*stack)
    found = trial(stack.exposures[::-1], stack.pedestals[::-1])
    trial.expect(found, expected, "the order of the exposures changes the minimum")


def _counts_each_once(trial: Trial, stack: Stack) -> None:
    expected = trial(*stack)
    found = trial(stack.exposures * 2, stack.pedestals * 2)
    trial.expect(found, expected, "exposures that are given twice change the minimum")


def _stack_lies_otherwise(trial: Trial, case: tuple[Stack, Layout]) -> None:
    stack, layout = case
    expected = trial(*stack)
    found = trial([each.lying(layout) for each in stack.exposures], stack.pedestals)
    trial.expect(found, expected, f"equal exposures have another minimum: {layout}")
