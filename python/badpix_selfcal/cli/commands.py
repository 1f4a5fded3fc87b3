"""The commands: which function each calls, its examples, and how its result is reported."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, Final, Literal, TextIO

from cyclopts import App, CycloptsError, Group, Parameter, UnusedCliTokensError

from . import others, steps
from .options import PACKAGE, option, options_of, plain
from .summary import Summary
from .terminal import PROGRAM

EXAMPLES: Final = """\
badpix-selfcal run *_00001_*_asn.json --cut sigma --output-dir flagged
badpix-selfcal run *1001_*_00001_*_rate.fits --background *2001_*_rate.fits

badpix-selfcal batch . --cut sigma --output-dir flagged_all
badpix-selfcal batch . --cut sigma --output-dir flagged_all --resume

badpix-selfcal batch . --cut sigma --output-dir flagged_all --save-mask
badpix-selfcal apply flagged_all/*_mask.fits *_rate.fits --output-dir again

badpix-selfcal run *_00001_*_asn.json --cut sigma --save-mask
badpix-selfcal report *_mask.fits

badpix-selfcal run *_00001_*_asn.json --cut sigma --save-mask
badpix-selfcal plot *_mask.fits
badpix-selfcal plot *_badpix_selfcal.fits --figure residual --format pdf

badpix-selfcal run *_00001_*_asn.json --output-dir run
badpix-selfcal batch . --output-dir batch
badpix-selfcal compare run/*_00001_*_selfcal.fits batch/*_00001_*_selfcal.fits

badpix-selfcal run *_00001_*_asn.json --cut sigma --output-dir m --save-mask
badpix-selfcal run *_00002_*_asn.json --cut sigma --output-dir m --save-mask
badpix-selfcal history m/*_mask.fits --table pixels.ecsv

badpix-selfcal run *_00001_*_asn.json --cut sigma --output-dir run --save-mask
badpix-selfcal export run/*_mask.fits pixels.ecsv pixels.reg

badpix-selfcal associate . --dry-run
badpix-selfcal associate . --output-dir associations

badpix-selfcal simulate demo
badpix-selfcal simulate small --detector NRS1 --size 96 640 --n-science 4

badpix-selfcal verify --examples 5
"""
"""Lines that work in the folder of a simulation; the last of each block names its command."""

STATUSES: Final = "0 done, 1 failed, 2 wrong usage, 3 skipped (nothing is flagged), 4 files differ"

SETTINGS: Final = ("hot_groups",)
"""The settings of a simulation that are options."""


@dataclass(frozen=True)
class Command:
    """A command: the function that it calls, how its result is reported, what `progress` counts."""

    module: str
    name: str
    summary: Callable[[Any, Mapping[str, Any]], Summary]
    counts: str = "files read or written"

    @property
    def function(self) -> Callable[..., Any]:
        """The function; its module is imported."""
        function: Callable[..., Any] = getattr(import_module(f"{PACKAGE}.{self.module}"), self.name)
        return function

    def __call__(self, given: Mapping[str, Any], progress: Callable[[int, int], None]) -> Summary:
        """Call the function, and return the summary of what it returns."""
        function, arguments = self.function, dict(given)
        if "progress" in inspect.signature(function).parameters:
            arguments["progress"] = progress
        if settings := {name: arguments.pop(name) for name in SETTINGS if name in given}:
            arguments["settings"] = _settings()(**settings)
        return self.summary(function(**arguments), given)


def _settings() -> Any:
    return import_module(f"{PACKAGE}.simulate").Settings


COMMANDS: Final = {
    "run": Command("step.selfcal", "selfcal", steps.summary_of_run),
    "batch": Command("step.batch", "batch", steps.summary_of_pool),
    "apply": Command("step.apply", "apply", steps.summary_of_pool),
    "report": Command("look.report", "report", others.summary_of_report),
    "plot": Command("look.plot", "save", partial(others.summary_of_files, "figures")),
    "compare": Command("look.pictures", "compare", others.summary_of_compare),
    "history": Command("look.pictures", "history", others.summary_of_history),
    "export": Command("masks.export", "export", partial(others.summary_of_files, "files")),
    "associate": Command("step.associate", "associate", others.summary_of_associate),
    "simulate": Command("simulate.files", "simulate", others.summary_of_simulate),
    "verify": Command("testing.verification", "verify", others.summary_of_verify, "checks"),
}


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
    blocks = dict(zip(COMMANDS, EXAMPLES.rstrip().split("\n\n"), strict=True))
    for place, name in enumerate(names or COMMANDS):
        command, examples = COMMANDS[name], blocks[name].replace("\n", "\n  ")
        app.command(
            _with_options(command) if names else _described(command),
            name=name,
            sort_key=place,
            help_epilogue=f"Examples:\n  {examples}\nExit status: {STATUSES}",
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


def console(page: TextIO) -> Any:
    """Return where a help page goes: lines as long as the terminal is wide."""
    from rich.console import Console

    return Console(file=page, width=get_terminal_size().columns)


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
    for name in SETTINGS if command.name == "simulate" else ():
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
        ("json", (), False, False, "Print the summary in JSON."),
        ("verbose", ("--verbose", "-v"), 0, True, "Print what is done; -vv: all details."),
        ("quiet", (), False, False, "Print errors only (and the summary with --json)."),
    )
]


def _described(command: Command) -> Callable[[], None]:
    """Return a function with the description of a command, which is not imported for that."""

    def given() -> None: ...

    source = Path(__file__).parents[1].joinpath(*command.module.split(".")).with_suffix(".py")
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == command.name:
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
        hint = f"; run takes one input, '{PROGRAM} batch' many exposures" if many else ""
        return f"one argument too many: {error.unused_tokens[0]}{hint}"
    return str(error).strip()
