"""``badpix-selfcal simulate``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..instrument import DETECTORS
from .options import Report, add_overwrite, add_report_options, command, whole, written
from .parser import Commands

__all__ = ["add"]

_SIMULATE = """\
Write a simulated observation. It has dithered science exposures, backgrounds,
an association for each science exposure, and a truth map of the defects."""

_SIMULATE_EXAMPLES = """\
examples:
  badpix-selfcal simulate demo
  badpix-selfcal simulate small --detector NRS1 --size 96 640 --n-science 4
exit status: 0 done, 1 failed, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    simulate = command(commands, "simulate", "DIR", _SIMULATE, _SIMULATE_EXAMPLES, _simulate)
    simulate.add_argument("directory", metavar="DIR", type=Path, help="where to write")
    simulate.add_argument(
        "--detector",
        choices=tuple(DETECTORS),
        type=str.upper,
        default="MIRIFULONG",
        metavar="NAME",
        help=f"{', '.join(DETECTORS)} (default: %(default)s)",
    )
    simulate.add_argument(
        "--size",
        action=_Size,
        nargs="+",
        metavar="N",
        type=whole,
        help="rows and columns of a subarray, or one number for both (default: the full frame)",
    )
    for role in ("science", "background"):
        simulate.add_argument(
            f"--n-{role}",
            metavar="N",
            type=whole,
            default=2,
            help=f"{role} exposures (default: %(default)s)",
        )
    simulate.add_argument(
        "--seed", metavar="N", type=whole, default=1, help="random seed (default: %(default)s)"
    )
    simulate.add_argument(
        "--epoch",
        metavar="N",
        type=whole,
        default=1,
        help="epoch; in each later one further pixels are hot (default: %(default)s)",
    )
    simulate.add_argument(
        "--hot-groups",
        metavar="N",
        type=whole,
        default=0,
        help="groups of hot pixels on the detector (default: %(default)s)",
    )
    add_overwrite(simulate)
    add_report_options(simulate)


class _Size(argparse.Action):
    """Takes one number for both sides, or two."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse passes it
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        if len(values) > 2:
            raise argparse.ArgumentError(self, f"takes one number or two, got {len(values)}")
        setattr(namespace, self.dest, (values[0], values[-1]))


def _simulate(given: argparse.Namespace) -> Report:
    from ..simulate import Settings, simulate

    made = simulate(
        given.directory,
        detector=given.detector,
        size=given.size,
        n_science=given.n_science,
        n_background=given.n_background,
        seed=given.seed,
        epoch=given.epoch,
        settings=Settings(hot_groups=given.hot_groups),
        overwrite=given.overwrite,
    )
    facts = {
        "associations": [str(path) for path in made.associations],
        "science": [str(path) for path in made.science],
        "background": [str(path) for path in made.background],
        "truth": str(made.truth),
    }
    return Report(facts, written(made.files))
