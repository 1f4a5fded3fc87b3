"""Checks of a function that finds bad pixels in a minimum image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

from ..arrays import reference
from ..arrays.checks import Cut, Edge
from . import strategies
from .check import EXAMPLES, Check, Row, Trial, run, suite
from .drawn import Drawn, Layout

__all__ = ["check_find_bad_pixels", "find_bad_pixels_checks"]

Finder = Callable[..., Any]
EDGES: Final[tuple[Edge, ...]] = ("zero", "shrink")
TURNED: Final = {1: 2, 2: 1, None: None}


Images: TypeAlias = Callable[..., st.SearchStrategy[Drawn]]


class Case(NamedTuple):
    """An example: a minimum image, and the keywords of the function."""

    minimum: Drawn
    how: dict[str, Any]


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
    edges : sequence of {"zero", "shrink"}, optional
        The edges that it knows.
    dtypes : sequence of dtype, optional
        The dtypes that it takes.
    oracle : callable, optional
        What it must be equal to. Default: `badpix_selfcal.arrays.reference.find_bad_pixels`.
    infinities : bool, optional
        Whether samples may be infinite.
    layouts : bool, optional
        Whether it takes strided, byte-swapped and misaligned arrays.

    Returns
    -------
    list of Check
        Call each, or parametrize a test with them.
    """
    finder = oracle or _by_reference(cut)
    drawn_images = partial(strategies.drawn_images, dtypes=tuple(dtypes))
    how = _keywords(cut, edges)
    cases = _cases(drawn_images(infinities=infinities), how, cut)
    finite = _cases(drawn_images(), how, cut)
    large = _cases(strategies.drawn_large_images(dtypes=tuple(dtypes)), how, cut)

    def equals_the_oracle(trial: Trial, case: Case) -> None:
        expected = _mask_of(finder(case.minimum.array, **case.how), case.minimum)
        trial.expect(_flags(trial, case), expected, "other pixels are flagged")

    rows: list[Row] = [
        ("equals the oracle", cases, equals_the_oracle, 2.0),
        ("equals the oracle on large images", large, equals_the_oracle, 0.04),
        ("NaN is never flagged", cases, _spares_nan, 1.0),
        ("transposition", finite, _transposes, 1.0),
        (
            "scale by powers of two",
            st.tuples(_whole(drawn_images, how, cut), st.integers(-20, 20)),
            _scales,
            1,
        ),
        ("tighter cuts", finite, _flags_more, 1.0),
    ]
    if cut == "fraction":
        rows.append(("fractions of 0", finite, _flags_nothing, 0.5))
    if layouts:
        rows.append(("layouts", st.tuples(cases, strategies.layouts()), _any_layout, 1.0))
    return suite(f"find_bad_pixels ({cut})", function, rows)


def check_find_bad_pixels(
    function: Finder, *, examples: int = EXAMPLES, seed: int | None = None, **how: Any
) -> None:
    """Check a function that finds bad pixels.

    Parameters
    ----------
    function : callable
        As in `find_bad_pixels_checks`.
    examples : int, optional
        Examples of each property, at least 1.
    seed : int or None, optional
        Of the examples; None: the same each time.
    **how
        As in `find_bad_pixels_checks`.

    Raises
    ------
    CheckFailed
        With the smallest example that was found.
    TypeError, ValueError
        If `examples` is not a whole number of at least 1.
    """
    run(find_bad_pixels_checks(function, **how), examples, seed)


def _by_reference(cut: Cut) -> Finder:
    def find(minimum: NDArray[Any], **how: Any) -> Any:
        return reference.find_bad_pixels(minimum, cut=cut, **how)

    return find


def _keywords(cut: Cut, edges: Sequence[Edge]) -> st.SearchStrategy[dict[str, Any]]:
    ends: dict[str, st.SearchStrategy[Any]]
    if cut == "fraction":
        ends = {
            "flagfrac_lower": strategies.flagfracs(),
            "flagfrac_upper": strategies.flagfracs(),
        }
    else:
        sigma = st.floats(0.5, 4) | st.floats(0.5, 20)  # cuts in the noise tell faults apart
        number = st.integers(2, 30) | st.just(1)
        ends = {"sigma_lower": sigma, "sigma_upper": sigma, "n_exposures": number}
    return st.fixed_dictionaries(
        {
            "dispaxis": strategies.dispaxes(),
            "kernel_size": strategies.kernel_sizes(21),
            "edge": st.sampled_from([*edges]),
            **ends,
        }
    )


def _cases(
    images: st.SearchStrategy[Drawn], how: st.SearchStrategy[dict[str, Any]], cut: Cut
) -> st.SearchStrategy[Case]:
    if cut == "fraction":
        return st.builds(Case, images, how)
    return images.flatmap(
        lambda image: st.builds(
            lambda how, error: Case(image, {**how, "error": error}),
            how,
            strategies.errors_of(image.array),
        )
    )


def _whole(
    drawn_images: Images, how: st.SearchStrategy[dict[str, Any]], cut: Cut
) -> st.SearchStrategy[Case]:
    whole = drawn_images().map(lambda drawn: drawn.by(np.round, "{0}.round()"))
    return _cases(whole, how, cut)


def _flags(trial: Trial, case: Case) -> NDArray[np.bool_]:
    return _mask_of(trial(case.minimum, **case.how), case.minimum)


def _mask_of(found: Any, minimum: Drawn) -> NDArray[np.bool_]:
    """Return the mask of what a finder returns."""
    if hasattr(found, "mask") and not isinstance(found, np.ndarray):
        return np.asarray(found.mask)
    if not isinstance(found, tuple):
        return np.asarray(found)
    mask = np.zeros(minimum.array.shape, bool)
    mask[found] = True
    return mask


def _spares_nan(trial: Trial, case: Case) -> None:
    flagged = _flags(trial, case) & np.isnan(case.minimum.array)
    trial.expect(flagged, np.zeros_like(flagged), "a missing sample is flagged")


def _transposes(trial: Trial, case: Case) -> None:
    expected = _flags(trial, case).T
    turned = case.minimum.by(lambda array: np.ascontiguousarray(array.T), "{0}.T.copy()")
    how = {**case.how, "dispaxis": TURNED[case.how["dispaxis"]]}
    if how.get("error") is not None:
        how["error"] = np.ascontiguousarray(how["error"].T)
    found = _flags(trial, Case(turned, how))
    trial.expect(found, expected, "in the transposed image other pixels are flagged")


def _scales(trial: Trial, scaled: tuple[Case, int]) -> None:
    case, power = scaled
    factor = case.minimum.array.dtype.type(2.0**power)
    expected = _flags(trial, case)
    image = case.minimum.by(lambda array: array * factor, f"{{0}} * {float(factor)!r}")
    how = dict(case.how)
    if how.get("error") is not None:
        how["error"] = how["error"] * factor
    found = _flags(trial, Case(image, how))
    trial.expect(found, expected, f"in samples times {float(factor):g} other pixels are flagged")


def _flags_nothing(trial: Trial, case: Case) -> None:
    how = {**case.how, "flagfrac_lower": 0.0, "flagfrac_upper": 0.0}
    flagged = _flags(trial, Case(case.minimum, how))
    trial.expect(flagged, np.zeros_like(flagged), "fractions of 0 flag a finite sample")


def _tighter(how: dict[str, Any]) -> dict[str, Any]:
    """Return keywords that flag at least as much."""
    return {
        name: 0.25 + 0.5 * value
        if name.startswith("flagfrac")
        else 0.5 * value
        if name.startswith("sigma")
        else value
        for name, value in how.items()
    }


def _flags_more(trial: Trial, case: Case) -> None:
    before = _flags(trial, case)
    lost = before & ~_flags(trial, Case(case.minimum, _tighter(case.how)))
    trial.expect(lost, np.zeros_like(lost), "with tighter cuts a pixel is no longer flagged")


def _any_layout(trial: Trial, case: tuple[Case, Layout]) -> None:
    (minimum, how), layout = case
    expected = _flags(trial, case[0])
    found = _flags(trial, Case(minimum.lying(layout), how))
    trial.expect(found, expected, f"in an equal array other pixels are flagged: {layout}")
