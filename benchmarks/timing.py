"""Timing of several ways to do the same, in turns, so that a machine's moods hit all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from .plan import Plan

__all__ = ["ALL", "ONE", "Measure", "Row", "Way", "Ways", "cold", "in_turns", "once"]

ONE: Final = "ours, 1 thread"
ALL: Final = "ours, all threads"

QUICK: Final = 100.0
"""Time of a quick way, ms."""


@dataclass(frozen=True)
class Way:
    """One way to do something.

    Attributes
    ----------
    run : callable
        What is timed.
    prepare : callable or None
        What is called before each run and not timed.
    hurried : bool
        Whether a run that takes long may be repeated fewer times.
    share : float
        The share of the work that `run` does; its time is divided by it.
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
        Of how many counted runs.
    scaled : bool
        Whether it was measured on a part of the work and scaled up.
    """

    value: float
    rounds: int
    scaled: bool = False


@dataclass(frozen=True)
class Row:
    """What several ways of doing one thing took, in one run.

    Attributes
    ----------
    name : str
        What was done.
    measures : dict of str to Measure
        By way.
    unit : {"ms", "MiB"}
        The unit of all measures.
    """

    name: str
    measures: dict[str, Measure]
    unit: str = "ms"

    def ratio(self, over: str, under: str) -> float:
        """Return how many times as much one way takes as another."""
        return self.measures[over].value / self.measures[under].value


def in_turns(name: str, ways: Ways, plan: Plan) -> Row:
    """Time each way in turns, with warm caches.

    Every counted run of a quick way follows one that is not counted, so that each starts with the
    caches and the allocator it would have in a loop of its own, and not with those that another
    left behind. The first run of a way is not counted, unless it is so long that it stays alone.

    Parameters
    ----------
    name : str
        What is done.
    ways : mapping of str to Way
        The ways to do it.
    plan : Plan
        How often.

    Returns
    -------
    Row
        The medians, in ms.
    """
    firsts = {key: _timed(way) for key, way in ways.items()}
    if not plan.warm_up:
        return Row(name, {key: _measure(way, [firsts[key]]) for key, way in ways.items()})
    rounds = {key: _rounds(way, firsts[key], plan) for key, way in ways.items()}
    times: dict[str, list[float]] = {key: [] for key in ways}
    for turn in range(max(rounds.values())):
        for key, way in ways.items():
            if turn < rounds[key]:
                times[key].append(_warm(way) if firsts[key] < QUICK else _timed(way))
    return Row(name, {key: _measure(way, times[key] or [firsts[key]]) for key, way in ways.items()})


def cold(name: str, ways: Ways, plan: Plan) -> Row:
    """Time each way in turns, with nothing useful in the caches and results in fresh memory.

    Before each run a large buffer is written over. Results are kept until all is done, so that
    none goes to memory that the program had before: the time of getting it is counted.

    Parameters
    ----------
    name, ways, plan
        As for `in_turns`.

    Returns
    -------
    Row
        The medians, in ms.
    """
    buffer = np.zeros(plan.sweep, dtype=np.uint8)
    kept: list[object] = []
    times: dict[str, list[float]] = {key: [] for key in ways}
    for _ in range(plan.rounds):
        for key, way in ways.items():
            _timed(way)  # what is set up once, such as threads, is not the point here
            np.add(buffer, 1, out=buffer)
            times[key].append(_timed(replace(way, prepare=None), kept))
    return Row(name, {key: _measure(way, times[key]) for key, way in ways.items()})


def once(values: Mapping[str, float], rounds: int) -> dict[str, Measure]:
    """Return values measured elsewhere as measures."""
    return {key: Measure(value, rounds) for key, value in values.items()}


def _rounds(way: Way, first: float, plan: Plan) -> int:
    if not way.hurried or first <= 0.0:
        return plan.rounds
    return min(plan.rounds, int(plan.patience / first))


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
