"""``python -m benchmarks`` measures, and writes the tables and pictures."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from .goals import compare
from .machine import OtherLoad, describe
from .report import PAGE, README, RESULTS, Results, refresh
from .sizes import FULL, QUICK, Sizes
from .tables import Table

PARTS: Final = (
    "medians", "rectangles", "filters", "functions", "reductions", "step", "batch", "remote",
    "scaling",
)  # fmt: skip
PROCESSES: Final = "processes"
"""The part that only repeats tables of the step."""
EXAMPLES: Final = """\
python -m benchmarks                  run all parts, write benchmarks/results/, README and page
python -m benchmarks medians step     run and print these parts
python -m benchmarks --quick          check that all parts run; the figures mean nothing"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments; None: those of the command line.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.rewrite:
            folder = options.output or RESULTS
            _write(Results.restore(folder), folder)
        else:
            _measure(
                options.parts or list(PARTS), QUICK if options.quick else FULL, _folder(options)
            )
    except ImportError as error:  # a peer that is not installed
        sys.exit(f"benchmarks: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this package and its peers in one run.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        choices=[[], *PARTS, PROCESSES],
        help=" ".join((*PARTS, PROCESSES)),
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one run of each way")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--rewrite", action="store_true", help="write the tables and pictures of stored results"
    )
    return parser


def _folder(options: argparse.Namespace) -> Path | None:
    """Return the folder to write; by default only a full run of all parts has one."""
    full = not options.quick and not options.parts
    return options.output or (RESULTS if full else None)


def _measure(parts: Sequence[str], sizes: Sizes, folder: Path | None) -> None:
    measures = [_measure_of(part) for part in parts]  # fails at once
    warnings.simplefilter("ignore", RuntimeWarning)  # windows that hold only NaN
    load, results = OtherLoad(), Results(describe(), sizes.rounds)
    print(results.heading)
    for measure in measures:
        for table in measure(sizes):
            results.tables.append(table)
            print(table.as_markdown(sizes.rounds), flush=True)
    results.about["machine"] += str(load)
    print(f"{compare(results.rows)}\nOn {results.about['machine']}.")
    if folder is not None:
        _write(results, folder)


def _measure_of(part: str) -> Callable[[Sizes], list[Table]]:
    is_alone = part == PROCESSES
    module = import_module(".step" if is_alone else f".{part}", __package__)
    measure: Callable[[Sizes], list[Table]] = module.process_tables if is_alone else module.measure
    return measure


def _write(results: Results, folder: Path) -> None:
    from .plots import draw

    results.store(folder)
    draw(results, folder)
    if folder == RESULTS:
        for path, block in ((README, results.for_readme()), (PAGE, results.for_page())):
            path.write_text(refresh(path.read_text(encoding="utf-8"), block), encoding="utf-8")


if __name__ == "__main__":
    main()
