"""Checks: properties of any implementation, tried on drawn examples.

A check calls the function with one example after the other. It fails with the smallest example that
hypothesis finds, what was expected, what came, and a line of Python that repeats it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky, HypothesisException
from numpy.typing import ArrayLike, NDArray

from ..arrays.checks import check_whole

__all__ = [
    "EXAMPLES",
    "THOROUGH",
    "Check",
    "CheckFailed",
    "Property",
    "Trial",
    "assert_same",
    "run",
]

EXAMPLES: Final = 100
"""Examples of a check, unless another number is asked for."""

THOROUGH: Final = 2000
"""Examples of a check in a thorough run."""

SHORT: Final = 120
"""The most samples that are written out."""

LONGEST: Final = 2000
"""Characters of an array in a message."""

Property: TypeAlias = Callable[["Trial", Any], None]
"""Takes the function on trial and an example; fails by `Trial.expect`."""


class CheckFailed(AssertionError):  # noqa: N818 - what has failed is a check
    """A property does not hold.

    Attributes
    ----------
    check : str
        The name of the check.
    why : str
        What is wrong.
    example : str
        The call, as an expression of Python; large arrays are described.
    expected, got : str
        What was expected, and what came.
    arguments : tuple
        The arguments of the call.
    keywords : dict
        Its keywords.
    """

    def __init__(self, check: str, difference: _Differs) -> None:
        self.check, self.why, self.example = check, difference.why, difference.example
        self.expected, self.got = difference.expected, difference.got
        self.arguments, self.keywords = difference.arguments, difference.keywords
        names = [name for name in ("array", "full", "inf", "nan") if name in self.example]
        repeat = f"from numpy import {', '.join(names)}; " if names else ""
        if "Observation(" in self.example:
            repeat = "from badpix_selfcal.testing import Observation; "
        super().__init__(
            f"{check}: {self.why}\n"
            f"  smallest example: {self.example}\n"
            f"  expected: {textwrap.shorten(self.expected, LONGEST, placeholder=' ...')}\n"
            f"  got:      {textwrap.shorten(self.got, LONGEST, placeholder=' ...')}\n"
            f"  repeat:   {repeat}print({self.example})"
        )


class _Differs(AssertionError):  # noqa: N818 - it never leaves this module
    """What a property reports to hypothesis, which then looks for a smaller example."""

    def __init__(self, why: str, trial: Trial, expected: str, got: str) -> None:
        super().__init__(why)
        self.why, self.expected, self.got = why, expected, got
        self.arguments, self.keywords = trial.arguments, trial.keywords
        self.example = trial.call


class Trial:
    """The function that is checked, as a property calls it; it knows the last call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        name = getattr(function, "__name__", "function")
        self._function, self._name = function, name if name.isidentifier() else "function"
        self.arguments: tuple[Any, ...] = ()
        self.keywords: dict[str, Any] = {}

    @property
    def call(self) -> str:
        """The last call, as an expression of Python."""
        words = [code_of(each) for each in self.arguments]
        words += [f"{name}={code_of(each)}" for name, each in self.keywords.items()]
        return f"{self._name}({', '.join(words)})"

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function; fail if it raises an error or modifies an array."""
        self.arguments, self.keywords = arguments, keywords
        lists = [each if isinstance(each, list) else [each] for each in arguments]
        arrays = [each for some in lists for each in some if isinstance(each, np.ndarray)]
        arrays += [each for each in keywords.values() if isinstance(each, np.ndarray)]
        before = [each.tobytes() for each in arrays]
        try:
            result = self._function(*arguments, **keywords)
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
            raise _Differs("it raises an error", self, "a result", got) from error
        if before != [each.tobytes() for each in arrays]:
            self.fail("it modifies its argument", "the same argument", "another one")
        return result

    def fail(self, why: str, expected: str, got: str) -> NoReturn:
        """Say what is wrong with the last call."""
        raise _Differs(why, self, expected, got)

    def expect(self, result: ArrayLike, expected: ArrayLike, why: str) -> None:
        """Fail unless the result of the last call is as expected; signs of zeros may differ."""
        found, wanted = np.asarray(result), np.asarray(expected)
        for name in ("dtype", "shape"):
            if getattr(found, name) != getattr(wanted, name):
                self.fail(f"{why} ({name})", str(getattr(wanted, name)), str(getattr(found, name)))
        if not np.array_equal(found, wanted, equal_nan=found.dtype.kind == "f"):
            self.fail(why, *_shown(wanted, found))


@dataclass(frozen=True)
class Check:
    """A property of a function, with the examples to try it on.

    Call it to run it: it returns nothing, or raises `CheckFailed`. So it can be parametrized
    in pytest, used in ``unittest.TestCase.subTest``, or called in a loop.

    Attributes
    ----------
    name : str
        Suite and property: ``median_filter: negation``.
    function : callable
        The implementation.
    examples_of : strategy
        Draws the examples.
    holds : callable
        The property.
    share : float
        Its share of the examples that are asked for: less than 1 if one takes long, unless the run
        is thorough.
    """

    name: str
    function: Callable[..., Any]
    examples_of: st.SearchStrategy[Any]
    holds: Property
    share: float = 1.0

    def __str__(self) -> str:
        return self.name

    def __call__(
        self, *, examples: int = EXAMPLES, seed: int | None = None, shrink: bool = True
    ) -> None:
        """Try the property.

        Parameters
        ----------
        examples : int, optional
            How many examples are drawn, at least 1.
        seed : int or None, optional
            Of the drawing. None: the same examples each time.
        shrink : bool, optional
            Whether to look for the smallest example; else the first one is reported.

        Raises
        ------
        CheckFailed
            With the smallest example for which it does not hold.
        TypeError, ValueError
            If `examples` is not a whole number of at least 1.
        """

        def attempt(example: Any) -> None:
            self.holds(Trial(self.function), example)

        test = hypothesis.given(self.examples_of)(attempt)
        if seed is not None:
            test = hypothesis.seed(seed)(test)
        how = hypothesis.settings(
            max_examples=self._number(check_examples(examples)),
            derandomize=seed is None,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
            suppress_health_check=list(HealthCheck),
        )
        try:
            how(test)()
        except _Differs as error:
            raise CheckFailed(self.name, error) from error.__cause__
        except (Flaky, HypothesisException) as error:
            why, trial = "it does not return the same each time", Trial(self.function)
            raise CheckFailed(self.name, _Differs(why, trial, "one result", str(error))) from error

    def _number(self, examples: int) -> int:
        share = max(self.share, 1.0) if examples >= THOROUGH else self.share
        return max(1, round(share * examples))


def run(checks: Iterable[Check], examples: int = EXAMPLES, seed: int | None = None) -> None:
    """Run checks; the first that fails raises `CheckFailed`."""
    for check in checks:
        check(examples=examples, seed=seed)


def check_examples(examples: int) -> int:
    """Return a number of examples, or raise a TypeError or ValueError."""
    number = check_whole(examples, "examples")
    if number < 1:
        raise ValueError(f"examples must be at least 1, got {number}")
    return number


def assert_same(ours: ArrayLike, theirs: ArrayLike) -> None:
    """Assert that two arrays are equal in shape, dtype and every value, NaN where NaN.

    The signs of zeros may differ.
    """
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs), strict=True)


def code_of(value: object) -> str:
    """Return an expression that makes a value: exact for numbers and short arrays of them."""
    if isinstance(value, list):
        return f"[{', '.join(map(code_of, value))}]"
    if not isinstance(value, np.ndarray):
        return repr(value)
    dtype = value.dtype.newbyteorder("=").name
    if value.ndim and value.size and len({*map(repr, value.ravel().tolist())}) == 1:
        return f"full({value.shape}, {value.ravel()[0].item()!r}, {dtype!r})"
    if value.size > SHORT:
        return f"<array of shape {value.shape}, {dtype}: `arguments` of this error>"
    shaped = "" if value.size else f".reshape({value.shape})"
    return f"array({value.tolist()!r}, {dtype!r}){shaped}"


def _shown(expected: NDArray[Any], got: NDArray[Any]) -> tuple[str, str]:
    """Return two arrays in words; of large ones the places that differ first."""
    if expected.size <= 60 or not expected.ndim:
        return code_of(expected), code_of(got)
    both_nan = np.isnan(expected) & np.isnan(got) if expected.dtype.kind == "f" else False
    places = np.argwhere((expected != got) & ~np.asarray(both_nan))
    more = f" and {len(places) - 3} more" * (len(places) > 3)
    some = [tuple(map(int, place)) for place in places[:3]]
    sides = [", ".join(f"{each[place]!r} at {place}" for place in some) for each in (expected, got)]
    return sides[0] + more, sides[1] + more
