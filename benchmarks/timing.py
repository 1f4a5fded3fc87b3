"""Timing of several ways alternately, so that the load of the machine affects all equally."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from .sizes import Sizes

__all__ = ["ALL", "ONE", "Measure", "Row", "Way", "Ways", "cold", "in_turns", "once"]

ONE: Final = "ours, 1 thread"
ALL: Final = "ours, all threads"

QUICK: Final = 100.0
"""A way whose first run takes less time, ms, is quick."""


@dataclass(frozen=True)
class Way:
    """One way to do some work.

    Attributes
    ----------
    run : callable
        The timed function.
    prepare : callable or None
        Called before each run, not timed.
    hurried : bool
        Whether long runs may be repeated fewer times.
    share : float
        The fraction of the work that `run` does. Its time is divided by this.
    """

    run: Callable[[], object]
    prepare: Callable[[], None] | None = None
    hurried: bool = False
    share: float = 1.0


Ways: TypeAlias = Mapping[str, Way]


@dataclass(frozen=True)
class Measure:
    """A median.

    Attributes
    ----------
    value : float
        The median, in its row's unit.
    rounds : int
        Number of counted runs.
    scaled : bool
        Whether only a part of the work was measured, and its time scaled up.
    """

    value: float
    rounds: int
    scaled: bool = False


@dataclass(frozen=True)
class Row:
    """The measures of several ways to do the same work.

    Attributes
    ----------
    name : str
        The work.
    measures : dict of str to Measure
        The measures, by way.
    unit : {"ms", "MiB"}
        The unit of all measures.
    """

    name: str
    measures: dict[str, Measure]
    unit: str = "ms"

    def ratio(self, over: str, under: str) -> float:
        """Return the measure of one way divided by that of another."""
        return self.measures[over].value / self.measures[under].value


def in_turns(name: str, ways: Ways, sizes: Sizes) -> Row:
    """Time the ways alternately, with warm caches.

    Every counted run of a quick way follows an uncounted run of the same way. Its caches and its
    allocator are therefore as in a loop, and not as another way left them. The first run of a way
    is counted only if the time limit allows no other.

    Parameters
    ----------
    name : str
        The work.
    ways : mapping of str to Way
        The ways to do it.
    sizes : Sizes
        The number of runs.

    Returns
    -------
    Row
        The medians, in ms.
    """
    firsts = {key: _timed(way) for key, way in ways.items()}
    if not sizes.warm_up:
        return Row(name, {key: _measure(way, [firsts[key]]) for key, way in ways.items()})
    rounds = {key: _rounds(way, firsts[key], sizes) for key, way in ways.items()}
    times: dict[str, list[float]] = {key: [] for key in ways}
    for turn in range(max(rounds.values())):
        for key, way in ways.items():
            if turn < rounds[key]:
                times[key].append(_warm(way) if firsts[key] < QUICK else _timed(way))
    return Row(name, {key: _measure(way, times[key] or [firsts[key]]) for key, way in ways.items()})


def cold(name: str, ways: Ways, sizes: Sizes) -> Row:
    """Time the ways alternately, with cold caches and results in fresh memory.

    A large buffer is overwritten before each run. All results are kept until the end, so that each
    result goes to fresh memory. The time to allocate this memory is counted.

    Parameters
    ----------
    name, ways, sizes
        As for `in_turns`.

    Returns
    -------
    Row
        The medians, in ms.
    """
    buffer = np.zeros(sizes.sweep, dtype=np.uint8)
    kept: list[object] = []
    times: dict[str, list[float]] = {key: [] for key in ways}
    for _ in range(sizes.rounds):
        for key, way in ways.items():
            _timed(way)  # excludes the setup of threads and the like
            np.add(buffer, 1, out=buffer)
            times[key].append(_timed(replace(way, prepare=None), kept))
    return Row(name, {key: _measure(way, times[key]) for key, way in ways.items()})


def once(values: Mapping[str, float], rounds: int) -> dict[str, Measure]:
    """Return values that were measured elsewhere as measures."""
    return {key: Measure(value, rounds) for key, value in values.items()}


def _rounds(way: Way, first: float, sizes: Sizes) -> int:
    if not way.hurried or first <= 0.0:
        return sizes.rounds
    return min(sizes.rounds, int(sizes.patience / first))


def _warm(way: Way) -> float:
    _timed(way)
    return _timed(replace(way, prepare=None))


def _timed(way: Way, kept: list[object] | None = None) -> float:
    if way.prepare is not None:
        way.prepare()
    start = time.perf_counter()
    result = way.run()
    taken = 1e3 * (time.perf_counter() - start)
    if kept is not None:
        kept.append(result)
    return taken


def _measure(way: Way, times: list[float]) -> Measure:
    return Measure(statistics.median(times) / way.share, len(times), scaled=way.share != 1.0)
