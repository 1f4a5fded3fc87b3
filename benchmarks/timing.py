"""Timing of several ways to do the same, in turns, so that a machine's moods hit all alike."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import badpix_selfcal

ROUNDS = 7
QUICK = 100.0
"""Time of a quick way, ms."""


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median time of each way, in ms.

    Every counted run of a quick way follows one that is not counted, so that each starts with the
    caches it would have in a loop of its own, and not with those that another left behind.
    """
    times = {name: [_time(way)] for name, way in ways.items()}
    quick = {name for name, (first,) in times.items() if first < QUICK}
    for _ in range(rounds):
        for name, way in ways.items():
            if name in quick:
                way()
            times[name].append(_time(way))
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def _time(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    return 1e3 * (time.perf_counter() - start)


def table(title: str, columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"### {title}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, ""])


def machine() -> str:
    """Return what the figures were measured on."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores; "
        f"Python {platform.python_version()}, numpy {np.__version__}, "
        f"badpix_selfcal {badpix_selfcal.__version__}; {time.strftime('%Y-%m-%d')}"
    )
