"""Checks: properties of any implementation, tried on drawn examples.

A check calls the function with one example after the other. It fails with the smallest example that
hypothesis finds, what was expected, what came, and a line of Python that repeats it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky, HypothesisException
from numpy.typing import ArrayLike

from ..arrays.checks import THOROUGH, check_examples
from .drawn import Drawn, code_of, imports_of

__all__ = [
    "EXAMPLES",
    "Check",
    "CheckFailed",
    "Row",
    "Trial",
    "assert_same",
    "run",
    "suite",
]

EXAMPLES: Final = 100
"""Examples of a check, unless another number is asked for."""

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
    example : str
        The call, as an expression of Python.
    expected, got : str
        What was expected, and what came.
    """

    def __init__(self, check: str, why: str, example: str, expected: str, got: str) -> None:
        self.check, self.why = check, why
        self.example, self.expected, self.got = example, expected, got
        super().__init__(
            f"{check}: {why}\n"
            f"  smallest example: {example}\n"
            f"  expected: {_indented(expected)}\n"
            f"  got:      {_indented(got)}\n"
            f"  repeat:   {imports_of(example)}print({example})"
        )


class _Differs(AssertionError):  # noqa: N818 - it never leaves this module
    """What a property reports to hypothesis, which then looks for a smaller example."""

    def __init__(self, why: str, example: str, expected: str, got: str) -> None:
        super().__init__(why)
        self.parts = why, example, expected, got


class Trial:
    """The function that is checked, as a property calls it."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name
        self._call = ""

    def __call__(self, *arguments: object, **keywords: object) -> Any:
        """Call the function; fail if it raises an error or modifies an array.

        Arguments may be `Drawn`, or sequences of them.
        """
        words = [_code(each) for each in arguments]
        words += [f"{name}={_code(each)}" for name, each in keywords.items()]
        self._call = f"{self._name}({', '.join(words)})"
        given = [_bare(each) for each in arguments]
        named = {name: _bare(each) for name, each in keywords.items()}
        arrays = [*_arrays(given), *_arrays(named.values())]
        before = [each.tobytes() for each in arrays]
        try:
            result = self._function(*given, **named)
        except Exception as error:
            raise self._differs(
                "it raises an error", "a result", f"{type(error).__name__}: {error}"
            ) from error
        if before != [each.tobytes() for each in arrays]:
            raise self._differs("it modifies its argument", "the same argument", "another one")
        return result

    def expect(self, result: ArrayLike, expected: ArrayLike, why: str) -> None:
        """Fail unless the result of the last call is as expected; signs of zeros may differ."""
        found, wanted = np.asarray(result), np.asarray(expected)
        if found.dtype != wanted.dtype:
            raise self._differs(f"{why} (dtype)", str(wanted.dtype), str(found.dtype))
        if found.shape != wanted.shape:
            raise self._differs(f"{why} (shape)", str(wanted.shape), str(found.shape))
        if not np.array_equal(found, wanted, equal_nan=found.dtype.kind == "f"):
            raise self._differs(why, *_shown(wanted, found))

    def require(self, holds: bool, why: str, expected: str, got: str) -> None:  # noqa: FBT001
        """Fail unless something holds for the last call."""
        if not holds:
            raise self._differs(why, expected, got)

    def _differs(self, why: str, expected: str, got: str) -> _Differs:
        return _Differs(why, self._call, expected, got)


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
        name = getattr(self.function, "__name__", "function")
        name = name if name.isidentifier() else "function"

        def attempt(example: Any) -> None:
            self.holds(Trial(self.function, name), example)

        examples = check_examples(examples)
        share = max(self.share, 1.0) if examples >= THOROUGH else self.share
        number = max(1, round(share * examples))
        test = hypothesis.given(self.examples_of)(attempt)
        if seed is not None:
            test = hypothesis.seed(seed)(test)
        how = hypothesis.settings(
            max_examples=number,
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
            raise CheckFailed(self.name, *error.parts) from error.__cause__
        except (Flaky, HypothesisException) as error:
            why = "it does not return the same each time"
            raise CheckFailed(self.name, why, name, "one result", str(error)) from error


Row: TypeAlias = tuple[str, st.SearchStrategy[Any], Property, float]
"""A property of a suite: its name, its examples, what holds, and its share of the examples."""


def suite(name: str, function: Callable[..., Any], rows: Iterable[Row]) -> list[Check]:
    """Return the checks of a suite."""
    return [
        Check(f"{name}: {each}", function, examples_of, holds, share)
        for each, examples_of, holds, share in rows
    ]


def run(checks: Iterable[Check], examples: int = EXAMPLES, seed: int | None = None) -> None:
    """Run checks; the first that fails raises `CheckFailed`."""
    for check in checks:
        check(examples=examples, seed=seed)


def assert_same(ours: ArrayLike, theirs: ArrayLike) -> None:
    """Assert that two arrays are equal in shape, dtype and every value, NaN where NaN.

    Parameters
    ----------
    ours, theirs : array_like
        The arrays. The signs of zeros may differ.

    Raises
    ------
    AssertionError
        If they differ.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype, f"dtype {ours.dtype} is not {theirs.dtype}"
    np.testing.assert_array_equal(ours, theirs, strict=True)


def _bare(argument: Any) -> Any:
    """Return an argument as the function takes it."""
    if isinstance(argument, Drawn):
        return argument.array
    if isinstance(argument, list):
        return [_bare(each) for each in argument]
    return argument


def _code(argument: Any) -> str:
    if isinstance(argument, list):
        return f"[{', '.join(map(_code, argument))}]"
    return argument.code if isinstance(argument, Drawn) else code_of(argument)


def _arrays(values: Iterable[Any]) -> list[np.ndarray[Any, Any]]:
    """Return the arrays among arguments, also those in lists."""
    found: list[np.ndarray[Any, Any]] = []
    for value in values:
        if isinstance(value, np.ndarray):
            found.append(value)
        elif isinstance(value, list):
            found += _arrays(value)
    return found


def _shown(expected: np.ndarray[Any, Any], got: np.ndarray[Any, Any]) -> tuple[str, str]:
    """Return two arrays in words; of large ones the places that differ first."""
    if expected.size <= 60 or not expected.ndim:
        return code_of(expected), code_of(got)
    both_nan = np.isnan(expected) & np.isnan(got) if expected.dtype.kind == "f" else False
    places = np.argwhere((expected != got) & ~np.asarray(both_nan))
    some: Sequence[Any] = [tuple(map(int, place)) for place in places[:3]]
    more = f" and {len(places) - 3} more" * (len(places) > 3)
    sides = [", ".join(f"{each[place]!r} at {place}" for place in some) for each in (expected, got)]
    return sides[0] + more, sides[1] + more


def _indented(text: str) -> str:
    return textwrap.shorten(text, LONGEST, placeholder=" ...")
