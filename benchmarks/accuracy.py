"""Flags compared with the truth: ``python -m benchmarks.accuracy``.

Simulates exposures in memory, finds their bad pixels with the cuts of this package and with other
packages, and measures completeness and purity. `scenes` has the cases and the seeds, `truth` the
exposures, `finders` the methods, `judging` the measures. `accuracy_tables` and `accuracy_plots`
write the results.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from .accuracy_tables import Curve, Record, Results
from .judging import Curves, curves, judge
from .machine import describe
from .report import RESULTS
from .scenes import FULL, GROUPS, QUICK, REPORTING, TUNING, Case
from .truth import GEOMETRY, is_there, observe, source_of_geometry

__all__ = ["main", "measure"]

Judged = dict[tuple[int, str], tuple[dict[str, float], Curves | None]]
"""Measures and curves, by the number of exposures and the method."""

NEEDED: Final = ("astroscrappy", "ccdproc", "matplotlib", "scipy")
LIBRARIES: Final = ("numpy", "astropy", "astroscrappy", "ccdproc", "scipy")
EXAMPLES: Final = """\
python -m benchmarks.accuracy               run all cases, write benchmarks/results/accuracy.*
python -m benchmarks.accuracy light error   run and print these groups of cases
python -m benchmarks.accuracy --quick       check that it runs: one seed, a part of the detector"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments; None: those of the command line.
    """
    options = _parser().parse_args(arguments)
    folder = options.output
    if folder is None and not options.quick and not options.groups and not options.tuning:
        folder = RESULTS
    if options.rewrite:
        _write(Results.restore(folder or RESULTS), folder or RESULTS)
        return
    missing = [] if options.quick else [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(
            f"benchmarks.accuracy: needs {', '.join(missing)}; install them: "
            "pip install --group accuracy"
        )
    groups = options.groups or list(GROUPS)
    cases = [case for case in (QUICK if options.quick else FULL) if case.group in groups]
    seeds: Sequence[int] = TUNING if options.tuning else REPORTING
    seeds = seeds[:1] if options.quick else seeds
    processes = 1 if options.quick else options.processes
    results = measure(cases, seeds, options.geometry, processes)
    print(results.document())
    if folder is not None:
        _write(results, folder)


def measure(
    cases: Iterable[Case], seeds: Sequence[int], folder: Path = GEOMETRY, processes: int = 1
) -> Results:
    """Run cases.

    Parameters
    ----------
    cases : iterable of Case
        The cases.
    seeds : sequence of int
        The seeds of the random numbers.
    folder : Path
        The folder of the geometry maps.
    processes : int
        Number of processes that work at the same time.

    Returns
    -------
    Results
        Means and standard deviations over the seeds.
    """
    about = {
        **describe(LIBRARIES),
        "seeds": ", ".join(map(str, seeds)),
        "tuning": ", ".join(map(str, TUNING)),
        "geometry": source_of_geometry(folder),
    }
    asked = list(cases)
    possible = [case for case in asked if is_there(case.scene, folder)]
    if len(possible) < len(asked):
        absent = [f"{each.name} ({each.scene.band})" for each in asked if each not in possible]
        about["absent"] = ", ".join(absent)
    results = Results(about, [], [])
    judge_one = functools.partial(_judged, folder=folder)
    tasks = [(case, seed) for case in possible for seed in seeds]
    with _pool(processes) as pool:
        judged = (pool.map if pool else map)(judge_one, tasks)
        for case in possible:
            print(f"{case.group} {case.scene.band} {case.name}", file=sys.stderr, flush=True)
            results.add(_records(case, list(itertools.islice(judged, len(seeds)))))
    return results


def _pool(processes: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    if processes == 1:
        return nullcontext()
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))


def _judged(task: tuple[Case, int], folder: Path) -> Judged:
    """Return the measures and the curves of a case and a seed."""
    case, seed = task
    found: Judged = {}
    for count, observed in observe(case.scene, seed, case.counts, folder).items():
        wrong = replace(observed, error=observed.error * np.float32(case.error_scale))
        for method, find in case.methods.items():
            scores = find(wrong)
            drawn = curves(observed, scores) if case.curves else None
            found[count, method] = (judge(observed, scores), drawn)
    return found


def _records(case: Case, judged: list[Judged]) -> Iterator[tuple[Record, Curve | None]]:
    """Yield the results of a case for each number of exposures and each method."""
    for count, method in judged[0]:
        measured, drawn = zip(*(each[count, method] for each in judged), strict=True)
        key = (case.group, case.name, case.scene.band, count, method)
        table = {name: [each[name] for each in measured] for name in measured[0]}
        means = {name: _mean(column) for name, column in table.items()}
        spreads = {name: _spread(column) for name, column in table.items()}
        yield Record(*key, means, spreads), _curve(key, drawn) if case.curves else None


def _curve(key: tuple[str, str, str, int, str], drawn: Sequence[Curves]) -> Curve:
    parts = (
        [_mean(column) for column in zip(*(getattr(each, name) for each in drawn), strict=True)]
        for name in ("by_brightness", "purities", "lines")
    )
    return Curve(*key, *parts)


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean of the values that are not NaN, rounded; None if there is none."""
    known = [value for value in values if not np.isnan(value)]
    return round(float(np.mean(known)), 6) if known else None


def _spread(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation, rounded; None for fewer than two values."""
    known = [value for value in values if not np.isnan(value)]
    return round(float(np.std(known, ddof=1)), 6) if len(known) > 1 else None


def _write(results: Results, folder: Path) -> None:
    from .accuracy_plots import draw

    results.store(folder)
    draw(results, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description="Measure the completeness and purity of flags on simulated truth.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", choices=[[], *GROUPS], help=" ".join(GROUPS)
    )
    parser.add_argument("--quick", action="store_true", help="one seed, a part of the detector")
    parser.add_argument(
        "--tuning", action="store_true", help="use the seeds for tuning; nothing is written"
    )
    parser.add_argument(
        "--geometry", type=Path, default=GEOMETRY, metavar="DIR",
        help="folder of the geometry maps of the MRS (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count(), metavar="N",
        help="processes that work at the same time (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--rewrite", action="store_true", help="write the stored results again, without measuring"
    )
    return parser


if __name__ == "__main__":
    main()
