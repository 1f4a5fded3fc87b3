"""Date, machine, versions and load of a run."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

__all__ = ["OtherLoad", "describe"]

LIBRARIES: Final = ("numpy", "jwst", "stcal", "bottleneck", "pandas", "polars", "scipy")

# Vector instructions by the name in /proc/cpuinfo, the widest first.
VECTORS: Final = {
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "sse2": "SSE2",
    "asimd": "NEON",
}


def describe(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Return the date, the machine and the versions.

    Parameters
    ----------
    libraries : sequence of str, optional
        Names of the packages whose versions are given, beside this one.

    Returns
    -------
    dict of str to str
        ``date``, ``machine`` and ``versions``, each ready to print.
    """
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{_cores()} of {_model()} ({_vectors()})",
        "versions": f"Python {platform.python_version()}, {', '.join(_versions(libraries))}",
    }


class OtherLoad:
    """The load of the machine by other programs since the creation of this object."""

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.monotonic(), _busy(), _own()

    def __str__(self) -> str:
        """Return the load as text; "" if the system does not report it."""
        elapsed = time.monotonic() - self._start
        if self._busy is None or (busy := _busy()) is None or elapsed <= 0.0:
            return ""
        cores = (busy - self._busy - (_own() - self._own)) / elapsed
        return f", other programs busy on {max(0.0, cores):.2f} cores"


def _busy() -> float | None:
    """Return the busy and stolen time of all cores together, in seconds; None if unknown."""
    path = Path("/proc/stat")
    if not path.exists():
        return None
    # user, nice, system, idle, iowait, irq, softirq, steal
    ticks = [int(tick) for tick in path.read_text(encoding="ascii").split(maxsplit=9)[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Return the processor time of this program and its finished children, in seconds."""
    return sum(os.times()[:4])


def _cores() -> str:
    # Affinity may allow fewer cores than the machine has.
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "1 core" if usable == 1 else f"{usable} cores"


def _model() -> str:
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"


def _vectors() -> str:
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return next((name for flag, name in VECTORS.items() if flag in flags), platform.machine())


def _cpuinfo(key: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")


def _versions(libraries: Sequence[str]) -> list[str]:
    found = []
    for library in ("badpix-selfcal", *libraries):
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            found.append(f"{library} (not installed)")
    return found
