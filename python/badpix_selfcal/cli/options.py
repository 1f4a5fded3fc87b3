"""The options that several commands have, and the report that each command returns.

A help page fits a terminal of 80 columns and 50 lines: one line for most options.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from .._kernels import MOST_THREADS
from ..arrays.checks import GROUP_BY, check_workers
from ..files.published import PUBLISHED
from ..messages import option
from ..parameters import Parameter, Parameters
from .parser import Commands, Parser

__all__ = [
    "LEFT",
    "NOTHING",
    "Command",
    "Report",
    "add_output_dir",
    "add_overwrite",
    "add_picture",
    "add_pool_options",
    "add_report_options",
    "add_results",
    "add_step_options",
    "add_worker_options",
    "add_writing_options",
    "checked",
    "command",
    "number",
    "step_options",
    "whole",
    "written",
]


NOTHING: Final = "no output was written"
"""What there is after an interrupt before the outputs are published."""

LEFT: Final = "finished outputs are complete; --resume continues from there"
"""What there is after an interrupt if each output is published on its own."""


@dataclass(frozen=True)
class Report:
    """The result of a command.

    Attributes
    ----------
    facts : dict
        The result as values that JSON can hold.
    text : str
        The result as text for the terminal.
    errors : tuple of str
        Why parts failed, although the command ran to its end.
    skipped : bool
        Whether the step was skipped for a part.
    differs : bool
        Whether two files that were compared differ.
    """

    facts: dict[str, Any]
    text: str
    errors: tuple[str, ...] = ()
    skipped: bool = False
    differs: bool = False


Command: TypeAlias = Callable[[argparse.Namespace], Report]


def command(
    commands: Commands, name: str, inputs: str, description: str, examples: str, run: Command
) -> Parser:
    """Add a command with its help page.

    Parameters
    ----------
    commands : Commands
        Where to add it.
    name : str
        Its name.
    inputs : str
        What follows the options in the line of the usage.
    description, examples : str
        The text above the options; the lines below them, which work in the folder of a simulation.
    run : callable
        Does the work.

    Returns
    -------
    Parser
        The parser of the command, without the options of commands that write files.
    """
    parser = commands.add_parser(
        name,
        help=_first_sentence(description),
        usage=f"%(prog)s [OPTION ...] {inputs}",
        description=description,
        epilog=examples,
    )
    parser.set_defaults(
        command=run, stopped=NOTHING, written=PUBLISHED, json=False, quiet=False, verbose=0
    )
    return parser


def _first_sentence(text: str) -> str:
    """Return the first sentence without its full stop; a dot within a word ends none."""
    return f"{' '.join(text.split())} ".partition(". ")[0].rstrip()


def add_report_options(to: Parser) -> None:
    """Add how much is printed, and how."""
    to.add_argument("--json", action="store_true", help="report in JSON")
    verbosity = to.add_mutually_exclusive_group()
    verbosity.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="print what is done; -vv: details and tracebacks too",
    )
    verbosity.add_argument(
        "--quiet", action="store_true", help="print errors only (and the report with --json)"
    )


def add_pool_options(to: Parser) -> None:
    """Add the exposures of a pool and how they are grouped."""
    to.add_argument(
        "inputs", metavar="INPUT", nargs="+", help="an exposure, a pattern, or a folder"
    )
    to.add_argument(
        "--background",
        metavar="FILE",
        action="append",
        default=[],
        help="backgrounds that their headers (BKGDTARG) do not mark: a file, folder or pattern; "
        "repeatable",
    )
    to.add_argument(
        "--group-by",
        metavar="WHAT",
        choices=GROUP_BY,
        default=GROUP_BY[0],
        help="one mask for each detector or band (default: %(default)s)",
    )


def add_step_options(to: Parser) -> None:
    """Add the parameters of the step, and where and how to write."""
    add_output_dir(to)
    for name, parameter in Parameters.by_name().items():
        _add_parameter(to, name, parameter)
    to.add_argument(
        "--threads",
        metavar="N",
        type=checked(whole, _threads),
        help="threads that compute (default: all available CPUs)",
    )
    add_writing_options(to)


def add_writing_options(to: Parser) -> None:
    """Add how outputs are written."""
    add_overwrite(to)
    to.add_argument(
        "--no-sync",
        action="store_true",
        help="do not wait for the disk; unsafe if the power fails",
    )


def add_output_dir(to: Parser) -> None:
    """Add the folder of the outputs."""
    to.add_argument(
        "--output-dir",
        metavar="DIR",
        help="output folder or URL (default: current directory)",
    )


def add_results(to: Parser) -> None:
    """Add the results to be shown."""
    to.add_argument(
        "results",
        metavar="RESULT",
        nargs="+",
        help="a mask that --save-mask has written, or a flagged copy beside it",
    )


def add_picture(to: Parser, what: str) -> None:
    """Add the picture to write; `what` it shows."""
    to.add_argument(
        "--picture", metavar="FILE", help=f'{what} to write: .png, .pdf or .svg (extra "plot")'
    )


def add_worker_options(to: Parser, threads: str = "--threads") -> None:
    """Add what continues a batch, and who does the work; `threads` is what computes."""
    to.add_argument(
        "--resume",
        action="store_true",
        help="keep the outputs that are done; write the others",
    )
    to.add_argument(
        "--workers",
        metavar="N",
        type=checked(whole, check_workers),
        help=f"threads for files (default: one more than {threads})",
    )
    to.add_argument(
        "--scheduler",
        metavar="URL",
        help='a Dask cluster that does the work (extra "dask")',
    )


def add_overwrite(to: Parser) -> None:
    """Add the option to replace files."""
    to.add_argument(
        "--overwrite", action="store_true", help="replace existing outputs (never inputs)"
    )


def written(files: Iterable[object]) -> str:
    """Return the lines of a report that name files which were written."""
    return "\n".join(f"written   {path}" for path in files)


def step_options(given: argparse.Namespace) -> dict[str, Any]:
    """Return the values of these options as arguments of `selfcal` and `batch`."""
    arguments = {
        "output_dir": given.output_dir,
        "overwrite": given.overwrite,
        "no_sync": given.no_sync,
        "threads": given.threads,
    }
    for name, parameter in Parameters.by_name().items():
        value = getattr(given, name)
        arguments[name] = parameter.choices[value] if parameter.choices else value
    return arguments


def _add_parameter(to: Parser, name: str, parameter: Parameter) -> None:
    default, about = getattr(Parameters, name), parameter.help
    if default is not None or parameter.choices:
        about += " (default: %(default)s)"
    how: dict[str, Any] = {"metavar": parameter.metavar, "default": default, "help": about}
    if parameter.choices:
        word = next(word for word, value in parameter.choices.items() if value == default)
        how |= {"choices": tuple(parameter.choices), "default": word}
    elif isinstance(default, bool):
        how = {"action": "store_true", "default": default, "help": parameter.help}
    else:
        kind = whole if isinstance(default, int) else number
        how["type"] = checked(kind, partial(parameter.check, name="the value"))
    to.add_argument(option(name), **how)


def checked(kind: Callable[[str], Any], check: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Return an argparse type that reports the error of `check` for a wrong value."""

    def parse(text: str) -> Any:
        value = kind(text)
        try:
            return check(value)
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def whole(text: str) -> int:
    """Return the whole number that a text stands for, as an argparse type."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"the value must be a whole number, got {text}") from None


def number(text: str) -> float:
    """Return the number that a text stands for, as an argparse type."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"the value must be a number, got {text}") from None


def _threads(count: int) -> int:
    if not 1 <= count <= MOST_THREADS:
        raise ValueError(f"threads must be from 1 to {MOST_THREADS}, got {count}")
    return count
