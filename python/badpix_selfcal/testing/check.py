"""Checks: properties of any implementation, tried on drawn examples.

A check calls the function with one example after the other. It fails with the smallest example that
hypothesis finds, written as a call in Python, and with what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky, HypothesisException
from numpy.typing import ArrayLike

from ..arrays.checks import check_whole

EXAMPLES: Final = 100
"""Examples of a check, unless another number is asked for."""

THOROUGH: Final = 2000
"""Examples of a check in a thorough run."""

SHORT: Final = 120
"""The most samples of an array that are written out."""


class Call(NamedTuple):
    """Arguments and keywords; the first argument is an image, a list of them, or no array."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def content(self) -> list[bytes]:
        """Return the content of all arrays among the arguments."""
        given = [*self.arguments, *self.keywords.values()]
        listed = [each for some in given for each in (some if isinstance(some, list) else [some])]
        return [each.tobytes() for each in listed if isinstance(each, np.ndarray)]


class CheckFailed(AssertionError):  # noqa: N818 - what has failed is a check
    """A property does not hold for the arguments and keywords in the attribute `call`."""

    def __init__(self, trial: Trial, why: str, difference: str) -> None:
        self.call = trial.call
        function = getattr(trial.check.function, "__name__", "function")
        with np.printoptions(threshold=SHORT, floatmode="unique"):
            words = [repr(each) for each in self.call.arguments]
            words += [f"{name}={value!r}" for name, value in self.call.keywords.items()]
        example = " ".join(", ".join(words).split())
        super().__init__(
            f"{trial.check}: {why}\n  smallest example: {function}({example})\n{difference.strip()}"
        )


class Trial:
    """The function of a check, as a property calls it; `call` is the last call."""

    def __init__(self, check: Check) -> None:
        self.check, self.call = check, Call((), {})

    def __call__(self, call: Call) -> Any:
        """Return what is compared of a call's result; fail at an error or a modified array."""
        self.call, before = call, call.content()
        try:
            result = self.check.function(*call.arguments, **call.keywords)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise CheckFailed(self, "it raises an error", said) from error
        if before != call.content():
            raise CheckFailed(self, "it modifies its argument", "")
        return self.check.view(result, call)

    def expect(self, result: ArrayLike, expected: ArrayLike, why: str) -> None:
        """Fail unless the result of the last call is as expected; signs of zeros may differ."""
        try:
            assert_same(result, expected)
        except AssertionError as error:
            raise CheckFailed(self, why, str(error)) from None


Property: TypeAlias = Callable[[Trial, Any], None]
"""Takes a trial and an example; fails by `Trial.expect`."""


@dataclass(frozen=True)
class Check:
    """A property of a function, with the examples to try it on.

    Call it to run it: it returns nothing, or raises `CheckFailed`. So it can be parametrized
    in pytest, used in ``unittest.TestCase.subTest``, or called in a loop.
    """

    name: str
    """Suite and property: ``median_filter: negation``."""
    function: Callable[..., Any]
    examples_of: st.SearchStrategy[Any]
    holds: Property
    share: float = 1.0
    """Of the examples that are asked for: less than 1 if one takes long, unless the run is
    thorough."""
    view: Callable[[Any, Call], Any] = lambda found, _: np.array(found)
    """Takes a result and the call; returns what is compared. Default: a copy of an array, as the
    function may use its memory again."""

    def __str__(self) -> str:
        return self.name

    def __call__(
        self, *, examples: int = EXAMPLES, seed: int | None = None, shrink: bool = True
    ) -> None:
        """Try the property on `examples` examples, the same ones each time unless there is a seed.

        Raises
        ------
        CheckFailed
            With the smallest example for which it does not hold; without `shrink`, with the first.
        TypeError, ValueError
            If `examples` is not a whole number of at least 1.
        """
        number = check_whole(examples, "examples", least=1)
        share = max(self.share, 1.0) if number >= THOROUGH else self.share
        test = hypothesis.given(self.examples_of)(lambda each: self.holds(Trial(self), each))
        if seed is not None:
            test = hypothesis.seed(seed)(test)
        how = hypothesis.settings(
            max_examples=max(1, round(share * number)),
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
        except (Flaky, HypothesisException) as error:
            why = "it does not return the same each time"
            raise CheckFailed(Trial(self), why, str(error)) from error


def suite_of(
    name: str,
    function: Callable[..., Any],
    *rows: tuple[str, st.SearchStrategy[Any], Property, float],
    **view: Any,
) -> list[Check]:
    """Return the checks of a function: for each row the property, its examples and their share."""
    return [Check(f"{name}: {row[0]}", function, *row[1:], **view) for row in rows]


def run(checks: Iterable[Check], *, examples: int = EXAMPLES, seed: int | None = None) -> None:
    """Run checks; the first that fails raises `CheckFailed`."""
    for check in checks:
        check(examples=examples, seed=seed)


def assert_same(ours: ArrayLike, theirs: ArrayLike) -> None:
    """Assert that two arrays are equal in shape, dtype and every value, NaN where NaN.

    The signs of zeros may differ.
    """
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs), strict=True)
