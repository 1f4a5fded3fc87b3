"""The commands: which function each calls, its examples, and how its result is reported."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

from cyclopts import App, CycloptsError, Group, Parameter, UnusedCliTokensError

from . import others, steps
from .options import PACKAGE, option, options_of, plain
from .report import Report
from .terminal import PROGRAM

__all__ = ["COMMANDS", "Command", "problem", "program"]


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes
    ----------
    name : str
        Its name.
    target : str
        The module and the name of the function that it calls.
    report : callable
        Returns the `Report` of a result and of the arguments that the user gave.
    examples : str
        Lines that work in the folder of a simulation.
    counts : str
        What the function's `progress` counts.
    settings : tuple of str
        The settings of a simulation that are options.
    """

    name: str
    target: str
    report: Callable[[Any, Mapping[str, Any]], Report]
    examples: str
    counts: str = ""
    settings: tuple[str, ...] = ()

    @property
    def function(self) -> Callable[..., Any]:
        """The function."""
        module, _, name = self.target.partition(":")
        function: Callable[..., Any] = getattr(import_module(f"{PACKAGE}.{module}"), name)
        return function

    def __call__(self, given: Mapping[str, Any], progress: Callable[[int, int], None]) -> Report:
        """Call the function with the arguments that the user gave."""
        arguments = {name: each for name, each in given.items() if name not in self.settings}
        if self.counts:
            arguments["progress"] = progress
        if settings := {name: given[name] for name in self.settings if name in given}:
            arguments["settings"] = _settings()(**settings)
        return self.report(self.function(**arguments), given)


def _settings() -> Any:
    return import_module(f"{PACKAGE}.simulate").Settings


FILES: Final = "files read or written"

COMMANDS: Final = {
    command.name: command
    for command in (
        Command(
            "run",
            "step.selfcal:selfcal",
            steps.report_of_run,
            "run *_00001_*_asn.json --cut sigma --output-dir flagged\n"
            "run *1001_*_00001_*_rate.fits --background *2001_*_rate.fits",
            counts=FILES,
        ),
        Command(
            "batch",
            "step.batch:batch",
            steps.report_of_batch,
            "batch . --output-dir flagged_all\nbatch . --output-dir flagged_all --resume",
            counts=FILES,
        ),
        Command(
            "apply",
            "step.apply:apply",
            steps.report_of_apply,
            "batch . --output-dir flagged_all --save-mask\n"
            "apply flagged_all/*_mask.fits *_rate.fits --output-dir again",
            counts=FILES,
        ),
        Command(
            "report",
            "look.report:report",
            others.report_of_report,
            "run *_00001_*_asn.json --save-mask\nreport *_mask.fits",
        ),
        Command(
            "plot",
            "look.plot:save",
            others.report_of_plot,
            "run *_00001_*_asn.json --save-mask\nplot *_mask.fits\n"
            "plot *_badpix_selfcal.fits --figure residual --format pdf",
        ),
        Command(
            "compare",
            "look.pictures:compare",
            others.report_of_compare,
            "run *_00001_*_asn.json --output-dir run\nbatch . --output-dir batch\n"
            "compare run/*_00001_*_selfcal.fits batch/*_00001_*_selfcal.fits",
        ),
        Command(
            "history",
            "look.pictures:history",
            others.report_of_history,
            "run *_00001_*_asn.json --output-dir masks --save-mask\n"
            "run *_00002_*_asn.json --output-dir masks --save-mask\n"
            "history masks/*_mask.fits --table pixels.ecsv",
        ),
        Command(
            "export",
            "masks.export:export",
            others.report_of_export,
            "run *_00001_*_asn.json --cut sigma --output-dir run --save-mask\n"
            "export run/*_mask.fits pixels.ecsv pixels.reg",
        ),
        Command(
            "associate",
            "step.associate:associate",
            others.report_of_associate,
            "associate . --dry-run\nassociate . --output-dir associations",
        ),
        Command(
            "simulate",
            "simulate.files:simulate",
            others.report_of_simulate,
            "simulate demo\nsimulate small --detector NRS1 --size 96 640 --n-science 4",
            settings=("hot_groups",),
        ),
        Command(
            "verify",
            "testing.verification:verify",
            others.report_of_verify,
            "verify --examples 5",
            counts="checks",
        ),
    )
}

STATUSES: Final = "0 done, 1 failed, 2 wrong usage, 3 skipped (nothing is flagged), 4 files differ"


def program(*names: str, is_help: bool = False) -> App:
    """Return the program with some commands; without names it has all, but not their options.

    Called with words, it returns the arguments that they give, a text, or None after a help page.
    """
    app = App(
        name=PROGRAM,
        help="Self-calibration of bad pixels in JWST integral-field exposures.",
        help_epilogue=f"'{PROGRAM} COMMAND --help' describes a command.",
        help_format="plaintext",
        help_formatter=_formatter() if is_help else None,
        version_flags=(),
        group_parameters=Group("Options"),
        default_parameter=Parameter(negative=(), show_default=_shown),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for place, name in enumerate(names or COMMANDS):
        command = COMMANDS[name]
        examples = "".join(f"\n  {PROGRAM} {line}" for line in command.examples.split("\n"))
        app.command(
            _with_options(command) if names else _described(command),
            name=name,
            sort_key=place,
            help_epilogue=f"Examples:{examples}\nExit status: {STATUSES}",
        )

    @app.command
    def completion(shell: Literal["bash", "zsh", "fish"], /) -> str:
        """Print a script for completion in the shell: the Tab key then completes what you type.

        For bash: eval "$(badpix-selfcal completion bash)" in ~/.bashrc.

        Parameters
        ----------
        shell : str
            The shell.
        """
        app = program(*filter(_is_installed, COMMANDS))
        return app.generate_completion(prog_name=PROGRAM, shell=shell)

    return app


def _is_installed(name: str) -> bool:
    """Return whether a command has the extra that it needs."""
    try:
        return callable(COMMANDS[name].function)
    except ImportError:
        return False


def _formatter() -> Any:
    """Return how help pages look: tables without frames."""
    from cyclopts.help import DefaultFormatter, PanelSpec
    from rich.box import SIMPLE

    return DefaultFormatter(panel_spec=PanelSpec(box=SIMPLE, padding=(0, 0)))


def _shown(default: object) -> str | None:
    """Return how a help page shows a default."""
    return None if default in (None, (), 0) else str(default)


def _with_options(command: Command) -> Callable[..., dict[str, Any]]:
    """Return a function with the options of a command; it returns the arguments that are given."""
    options = options_of(command.function)
    for name in command.settings:
        default = getattr(_settings(), name)
        found = re.search(rf'\n    {name}: .*\n    """(.*?)"""', inspect.getsource(_settings()))
        options.append(option(name, type(default), default, text=found[1] if found else ""))
    options += PRINTING

    def given(*positional: Any, **named: Any) -> dict[str, Any]:
        names = (each.name for each in options)
        return dict(zip(names, positional, strict=False)) | named

    given.__doc__ = _above(inspect.getdoc(command.function) or "")
    given.__annotations__ = {each.name: each.annotation for each in options}
    given.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return given


PRINTING: Final = [
    option(name, type(default), default, Parameter(name=names, group="Printing", count=count), text)
    for name, names, default, count, text in (
        ("json", (), False, False, "Print the report in JSON."),
        ("verbose", ("--verbose", "-v"), 0, True, "Print what is done; -vv: all details."),
        ("quiet", (), False, False, "Print errors only (and the report with --json)."),
    )
]


def _described(command: Command) -> Callable[[], None]:
    """Return a function with the description of a command, which is not imported for that."""

    def given() -> None: ...

    module, _, name = command.target.partition(":")
    source = Path(__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            given.__doc__ = _above(ast.get_docstring(node) or "")
    return given


def _above(docstring: str) -> str:
    """Return what stands above the parameters in a docstring, as plain text."""
    return plain(docstring.partition("\n\nParameters\n")[0])


def problem(error: CycloptsError) -> str:
    """Return what is wrong with the words of the user."""
    error.verbose = False
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        many = error.command_chain == ("run",)
        hint = f"; '{PROGRAM} batch' takes many exposures" if many else ""
        return f"one argument too many: {error.unused_tokens[0]}{hint}"
    return str(error).strip()
