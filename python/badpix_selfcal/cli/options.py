"""The options that several commands have, and the report that each command returns."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from .._kernels import MOST_THREADS
from ..checks import GROUP_BY
from ..parameters import Parameter, Parameters

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
    """The result of a command.

    Attributes
    ----------
    facts : dict
        The result as values that JSON can hold.
    text : str
        The result as text for the terminal.
    failed : bool
        Whether a part failed, although the command ran to its end.
    skipped : bool
        Whether the step was skipped for a part.
    """

    facts: dict[str, Any]
    text: str
    failed: bool = False
    skipped: bool = False


Command: TypeAlias = Callable[[argparse.Namespace], Report]

_THREADS: Final = (
    "threads that compute (default: BADPIX_SELFCAL_NUM_THREADS, or the number of CPUs that this "
    "process may use)"
)


def command(
    commands: Commands,
    name: str,
    description: str,
    examples: str,
    run: Command,
) -> argparse.ArgumentParser:
    """Add a command with its help page and the options of every command."""
    parser = commands.add_parser(
        name,
        help=description.split(".")[0].replace("\n", " "),
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="report in JSON")
    verbosity = parser.add_mutually_exclusive_group()
    verbosity.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="print what is done to standard error; -vv prints details and tracebacks too",
    )
    verbosity.add_argument(
        "--quiet",
        action="store_true",
        help="print errors only (and the report, with --json): no warnings, no progress bar",
    )
    parser.set_defaults(command=run, stopped="no output was written")
    return parser


def add_pool_options(to: argparse.ArgumentParser) -> None:
    """Add the exposures of a pool and how they are grouped."""
    to.add_argument(
        "inputs", metavar="INPUT", nargs="+", help="an exposure, or a folder of *_rate.fits"
    )
    to.add_argument(
        "--background",
        metavar="FILE",
        action="append",
        default=[],
        help="exposures (a file, a folder, a pattern) that are backgrounds, besides those marked "
        "in their headers (BKGDTARG); repeatable",
    )
    to.add_argument(
        "--group-by",
        choices=GROUP_BY,
        default=GROUP_BY[0],
        help="what the exposures of a group share: the detector, or the band (the filter and "
        "grating) too (default: %(default)s)",
    )


def add_step_options(to: argparse.ArgumentParser) -> None:
    """Add the parameters of the step, and where and how to write."""
    to.add_argument(
        "--output-dir",
        metavar="DIR",
        help="a folder or URL (s3://bucket/prefix) to write to (default: this folder)",
    )
    for name, parameter in Parameters.by_name().items():
        _add_parameter(to, name, parameter)
    to.add_argument("--threads", metavar="N", type=checked(int, _threads), help=_THREADS)
    to.add_argument("--overwrite", action="store_true", help="replace existing outputs")


def step_options(given: argparse.Namespace) -> dict[str, Any]:
    """Return the values of these options as arguments of `selfcal` and `batch`."""
    arguments = {"output_dir": given.output_dir, "overwrite": given.overwrite}
    for name, parameter in Parameters.by_name().items():
        value = getattr(given, name)
        arguments[name] = parameter.choices[value] if parameter.choices else value
    return arguments


def _add_parameter(to: argparse.ArgumentParser, name: str, parameter: Parameter) -> None:
    option, default = f"--{name.replace('_', '-')}", getattr(Parameters, name)
    about = f"{parameter.help} (default: %(default)s)"
    if parameter.choices:
        word = next(word for word, value in parameter.choices.items() if value == default)
        to.add_argument(option, choices=tuple(parameter.choices), default=word, help=about)
    elif isinstance(default, bool):
        to.add_argument(option, action="store_true", default=default, help=parameter.help)
    else:
        kind = checked(type(default), partial(parameter.check, name=name))
        to.add_argument(option, metavar=parameter.metavar, type=kind, default=default, help=about)


def checked(kind: Callable[[str], Any], check: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Return an argparse type that reports the error of `check` for a wrong value."""

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
