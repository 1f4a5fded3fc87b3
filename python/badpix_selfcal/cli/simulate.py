"""``badpix-selfcal simulate``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..detectors import DETECTORS
from .options import Commands, Report, command

__all__ = ["add"]

_SIMULATE = """\
Write a simulated observation into DIR: dithered science exposures, backgrounds, an association
for each science exposure, and a truth map of the defect of each pixel."""

_SIMULATE_EXAMPLES = """\
examples:
  badpix-selfcal simulate demo
  badpix-selfcal simulate small --detector MIRIFUSHORT --size 96 640 --science 4 --seed 7"""


def add(commands: Commands) -> None:
    """Add the command."""
    simulate = command(commands, "simulate", _SIMULATE, _SIMULATE_EXAMPLES, _simulate)
    simulate.add_argument("directory", metavar="DIR", type=Path, help="where to write")
    simulate.add_argument(
        "--detector",
        choices=tuple(DETECTORS),
        type=str.upper,
        default="MIRIFULONG",
        help="the detector (default: %(default)s)",
    )
    simulate.add_argument(
        "--size",
        action=_Size,
        nargs="+",
        metavar="N",
        type=int,
        help="rows and columns of a subarray, or one number for both (default: full frame)",
    )
    for role in ("science", "background"):
        simulate.add_argument(
            f"--{role}",
            metavar="N",
            type=int,
            default=2,
            help=f"{role} exposures (default: %(default)s)",
        )
    simulate.add_argument(
        "--seed", metavar="N", type=int, default=1, help="random seed (default: %(default)s)"
    )
    simulate.add_argument("--overwrite", action="store_true", help="replace existing files")


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
    from ..simulate import simulate

    made = simulate(
        given.directory,
        detector=given.detector,
        size=given.size,
        n_science=given.science,
        n_background=given.background,
        seed=given.seed,
        overwrite=given.overwrite,
    )
    facts = {
        "associations": [str(path) for path in made.associations],
        "science": [str(path) for path in made.science],
        "background": [str(path) for path in made.background],
        "truth": str(made.truth),
    }
    return Report(facts, "\n".join(f"written   {path}" for path in made.files))
