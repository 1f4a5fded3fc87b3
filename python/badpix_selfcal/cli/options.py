"""What several commands have in common: options, and what a command is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from .._kernels import MOST_THREADS
from ..parameters import (
    EDGE,
    EDGES,
    FLAGFRAC,
    GROUP_BY,
    KERNEL_SIZE,
    AskedDispaxis,
    check_flagfrac,
    check_kernel_size,
)

__all__ = [
    "Commands",
    "Report",
    "add_pool_options",
    "add_step_options",
    "checked",
    "command",
    "step_options",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


@dataclass(frozen=True)
class Report:
    """What a command has to say in the end.

    Attributes
    ----------
    facts : dict
        For machines, as JSON can hold it.
    text : str
        For people.
    failed : bool
        Whether something failed although the command came to its end.
    """

    facts: dict[str, Any]
    text: str
    failed: bool = False


Command: TypeAlias = Callable[[argparse.Namespace], Report]

_DISPAXIS: Final[dict[str, AskedDispaxis]] = {
    "auto": "auto",
    "1": 1,
    "2": 2,
    "none": None,
}

_THREADS = "threads to compute with (default: BADPIX_SELFCAL_NUM_THREADS, else what is free to use)"


def command(
    commands: Commands,
    name: str,
    description: str,
    examples: str,
    run: Command,
) -> argparse.ArgumentParser:
    """Add a command with its help page and the options that every command has."""
    parser = commands.add_parser(
        name,
        help=description.split(".")[0].replace("\n", " "),
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="report in JSON")
    parser.set_defaults(command=run, stopped="no output was written")
    return parser


def add_pool_options(to: argparse.ArgumentParser) -> None:
    """Add the exposures of a pool, and how they are grouped."""
    to.add_argument(
        "inputs", metavar="INPUT", nargs="+", help="an exposure, or a folder of *_rate.fits"
    )
    to.add_argument(
        "--background",
        metavar="FILE",
        action="append",
        default=[],
        help="exposures (a file, a folder, a pattern) that are backgrounds, besides those whose "
        "header says so (BKGDTARG); repeatable",
    )
    to.add_argument(
        "--group-by",
        choices=GROUP_BY,
        default="detector",
        help="what exposures that calibrate each other share: the detector, or the band (the "
        "filter and grating) too (default: %(default)s)",
    )


def add_step_options(to: argparse.ArgumentParser) -> None:
    """Add the step's parameters, and where and how to write."""
    to.add_argument(
        "--output-dir", metavar="DIR", type=Path, help="where to write (default: this folder)"
    )
    for end in ("lower", "upper"):
        name = f"flagfrac_{end}"
        to.add_argument(
            f"--flagfrac-{end}",
            metavar="F",
            type=checked(float, partial(check_flagfrac, name=name)),
            default=FLAGFRAC,
            help=f"fraction of pixels to flag at the {end} end, 0 to 0.5 (default: %(default)s)",
        )
    to.add_argument(
        "--kernel-size",
        metavar="K",
        type=checked(int, check_kernel_size),
        default=KERNEL_SIZE,
        help="samples in the running median's window, odd (default: %(default)s)",
    )
    to.add_argument(
        "--force-single",
        action="store_true",
        help="go on when there is no exposure but the science exposure",
    )
    to.add_argument(
        "--save-flagged-bkg", action="store_true", help="write the flagged backgrounds too"
    )
    to.add_argument(
        "--edge",
        choices=EDGES,
        default=EDGE,
        help="beyond the border the window sees zeros, or nothing (default: %(default)s)",
    )
    to.add_argument(
        "--dispaxis",
        choices=tuple(_DISPAXIS),
        default="auto",
        help="dispersion along x (1), y (2), unknown (none: a square window), or as the science "
        "exposure's header tells (default: %(default)s)",
    )
    to.add_argument("--threads", metavar="N", type=checked(int, _threads), help=_THREADS)
    to.add_argument("--overwrite", action="store_true", help="replace existing outputs")


def step_options(given: argparse.Namespace) -> dict[str, Any]:
    """Return what was given of them as the arguments of `selfcal` and `batch`."""
    names = ("output_dir", "kernel_size", "flagfrac_lower", "flagfrac_upper", "force_single")
    more = ("save_flagged_bkg", "edge", "overwrite")
    arguments = {name: getattr(given, name) for name in (*names, *more)}
    return {**arguments, "dispaxis": _DISPAXIS[given.dispaxis]}


def checked(kind: Callable[[str], Any], check: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Return an argparse type that reports what `check` says of a wrong value."""

    def parse(text: str) -> Any:
        try:
            return check(kind(text))
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _threads(number: int) -> int:
    if not 1 <= number <= MOST_THREADS:
        raise ValueError(f"threads must be from 1 to {MOST_THREADS}, got {number}")
    return number
