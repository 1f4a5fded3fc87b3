"""The commands. Their options come from the functions that they call: signatures and docstrings.

A parameter without a default is a positional argument; any other is an option of the same name. Its
help is the text of the function's docstring. `cyclopts` parses, completes and prints the pages.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from cyclopts import App, CycloptsError, Group, Parameter, UnusedCliTokensError
from cyclopts import Token as Word

from ..parameters import Parameters
from . import others, steps
from .report import Report
from .terminal import PROGRAM

__all__ = ["COMMANDS", "Command", "problem", "program"]

PACKAGE: Final = __package__.rpartition(".")[0]

ONLY_IN_PYTHON: Final = ("progress", "no_sync", "settings")
"""Keywords without an option."""

PRINTING: Final = Group("Printing")


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
    statuses : str
        The exit statuses.
    counts : str
        What the function's `progress` counts.
    options : mapping of str to str
        Options that the function does not have, and the classes whose docstrings describe them.
    """

    name: str
    target: str
    report: Callable[[Any, Mapping[str, Any]], Report]
    examples: str
    statuses: str = "0 done, 1 failed, 2 wrong usage"
    counts: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def function(self) -> Callable[..., Any]:
        """The function."""
        function: Callable[..., Any] = _imported(self.target)
        return function

    def __call__(self, given: Mapping[str, Any], progress: Callable[[int, int], None]) -> Report:
        """Call the function with the arguments that the user gave."""
        arguments = dict(given)
        if self.counts:
            arguments["progress"] = progress
        if "hot_groups" in arguments:
            settings = import_module(f"{PACKAGE}.simulate").Settings
            arguments["settings"] = settings(hot_groups=arguments.pop("hot_groups"))
        return self.report(self.function(**arguments), given)


COMMANDS: Final = {
    command.name: command
    for command in (
        Command(
            "run",
            "step.selfcal:selfcal",
            steps.report_of_run,
            "badpix-selfcal run *_00001_*_asn.json --cut sigma --output-dir flagged\n"
            "badpix-selfcal run *1001_*_00001_*_rate.fits --background *2001_*_rate.fits",
            statuses="0 done, 1 failed, 2 wrong usage, 3 skipped (nothing was flagged)",
            counts="files read or written",
        ),
        Command(
            "batch",
            "step.batch:batch",
            steps.report_of_batch,
            "badpix-selfcal batch . --output-dir flagged_all\n"
            "badpix-selfcal batch . --output-dir flagged_all --resume",
            statuses="0 done, 1 failed, 2 wrong usage, 3 skipped (1 and 3: some or all)",
            counts="files read or written",
        ),
        Command(
            "apply",
            "step.apply:apply",
            steps.report_of_apply,
            "badpix-selfcal batch . --output-dir flagged_all --save-mask\n"
            "badpix-selfcal apply flagged_all/*_mask.fits *_rate.fits --output-dir again",
            statuses="0 done, 1 failed (some or all), 2 wrong usage",
            counts="files read or written",
        ),
        Command(
            "report",
            "look.report:report",
            others.report_of_report,
            "badpix-selfcal run *_00001_*_asn.json --save-mask\nbadpix-selfcal report *_mask.fits",
            statuses="0 done (whatever the verdict), 1 failed, 2 wrong usage",
        ),
        Command(
            "plot",
            "look.plot:save",
            others.report_of_plot,
            "badpix-selfcal run *_00001_*_asn.json --save-mask\n"
            "badpix-selfcal plot *_mask.fits\n"
            "badpix-selfcal plot *_badpix_selfcal.fits --figure residual --format pdf",
        ),
        Command(
            "compare",
            "look.pictures:compare",
            others.report_of_compare,
            "badpix-selfcal run *_00001_*_asn.json --output-dir run\n"
            "badpix-selfcal batch . --output-dir batch\n"
            "badpix-selfcal compare run/*_00001_*_selfcal.fits batch/*_00001_*_selfcal.fits",
            statuses="0 equal, 4 they differ, 1 failed, 2 wrong usage",
        ),
        Command(
            "history",
            "look.pictures:history",
            others.report_of_history,
            "badpix-selfcal run *_00001_*_asn.json --output-dir masks --save-mask\n"
            "badpix-selfcal run *_00002_*_asn.json --output-dir masks --save-mask\n"
            "badpix-selfcal history masks/*_mask.fits --table pixels.ecsv",
        ),
        Command(
            "export",
            "masks.export:export",
            others.report_of_export,
            "badpix-selfcal run *_00001_*_asn.json --cut sigma --output-dir run --save-mask\n"
            "badpix-selfcal export run/*_mask.fits pixels.ecsv pixels.reg",
        ),
        Command(
            "associate",
            "step.associate:associate",
            others.report_of_associate,
            "badpix-selfcal associate . --dry-run\n"
            "badpix-selfcal associate . --output-dir associations",
        ),
        Command(
            "simulate",
            "simulate.files:simulate",
            others.report_of_simulate,
            "badpix-selfcal simulate demo\n"
            "badpix-selfcal simulate small --detector NRS1 --size 96 640 --n-science 4",
            options={"hot_groups": "simulate:Settings"},
        ),
        Command(
            "verify",
            "testing.verification:verify",
            others.report_of_verify,
            "badpix-selfcal verify --examples 5",
            statuses="0 all holds, 1 something does not, 2 wrong usage",
            counts="checks",
        ),
    )
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
    for place, name in enumerate(names or COMMANDS):
        command = COMMANDS[name]
        examples = command.examples.replace("\n", "\n  ")
        app.command(
            _with_options(command) if names else _described(command),
            name=name,
            sort_key=place,
            help_epilogue=f"Examples:\n  {examples}\nExit status: {command.statuses}",
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
        return program(*COMMANDS).generate_completion(prog_name=PROGRAM, shell=shell)

    return app


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
    try:
        options = _options(command)
    except ImportError as error:  # an extra is not installed
        return _raising(error)

    def given(*positional: Any, **named: Any) -> dict[str, Any]:
        values = dict(zip(options, positional, strict=False)) | named
        return {name: options[name].value(each) for name, each in values.items()}

    given.__name__, given.__doc__ = command.name, _above(inspect.getdoc(command.function) or "")
    given.__annotations__ = {name: each.annotation for name, each in options.items()}
    given.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.parameter for each in options.values()]
    )
    return given


def _raising(error: ImportError) -> Callable[..., dict[str, Any]]:
    """Return a function that takes any words and raises an error; its help page shows it."""

    def given(*_: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> dict[str, Any]:
        raise error

    given.__doc__ = str(error)
    return given


def _described(command: Command) -> Callable[[], None]:
    """Return a function with the description of a command, which is not imported for that."""

    def given() -> None: ...

    module, _, name = command.target.partition(":")
    path = Path(__file__).parent.parent.joinpath(*module.split("."))
    source = next(file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists())
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            given.__doc__ = _above(ast.get_docstring(node) or "")
    return given


@dataclass(frozen=True)
class _Option:
    """A parameter of a function as cyclopts takes it, and how its value is passed on."""

    parameter: inspect.Parameter
    words: Mapping[str, Any] = field(default_factory=dict)

    @property
    def annotation(self) -> Any:
        return self.parameter.annotation

    def value(self, given: Any) -> Any:
        """Return the value for a function; one of several that may be given stands alone."""
        if isinstance(given, list):
            return given[0] if len(given) == 1 else tuple(given)
        return self.words.get(given, given) if self.words else given


def _options(command: Command) -> dict[str, _Option]:
    """Return the options of a command by name, those of printing last."""
    function = command.function
    options = _options_of(function, lambda name: name not in ONLY_IN_PYTHON)
    for name, target in command.options.items():
        options |= _options_of(_imported(target), name.__eq__)
    printing: dict[str, tuple[Any, str, bool | int]] = {
        "json": (bool, "Print the report in JSON.", False),
        "verbose": (int, "Print what is done; -vv: details and tracebacks too.", 0),
        "quiet": (bool, "Print errors only (and the report with --json).", False),
    }
    for name, (kind, text, default) in printing.items():
        names = ("--verbose", "-v") if name == "verbose" else ()
        how = Parameter(name=names, help=text, group=PRINTING, count=kind is int)
        options[name] = _option(name, Annotated[kind, how], default)
    return options


def _options_of(function: Callable[..., Any], is_one: Callable[[str], bool]) -> dict[str, _Option]:
    hints = _hints(function)
    texts = _texts(function) | {
        name: f"{about.help[0].upper()}{about.help[1:]}."
        for name, about in Parameters.by_name().items()
    }
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if is_one(name):
            kind, words = _kind(hints[name], parameter.default)
            how = Parameter(
                help=texts.get(name, ""),
                converter=_as_typed if kind in (Path, list[Path]) else None,
                consume_multiple=get_origin(kind) is list,
            )
            default = parameter.default
            word = next((word for word, value in words.items() if value == default), default)
            found[name] = _option(name, Annotated[kind, how], word, words)
    return found


def _option(
    name: str, annotation: Any, default: Any, words: Mapping[str, Any] | None = None
) -> _Option:
    needed = default is inspect.Parameter.empty
    kind = inspect.Parameter.POSITIONAL_ONLY if needed else inspect.Parameter.KEYWORD_ONLY
    parameter = inspect.Parameter(name, kind, default=default, annotation=annotation)
    return _Option(parameter, words or {})


def _kind(hint: Any, default: Any) -> tuple[Any, dict[str, Any]]:
    """Return the type of an option, and the values of its words if it takes only some."""
    members = _members(hint)
    chosen = [value for each in members if get_origin(each) is Literal for value in get_args(each)]
    if chosen:
        if type(None) in members and default is not None:
            chosen.append(None)
        words = {str(value).lower(): value for value in chosen}
        return Literal[tuple(words)], words
    if bool in members:
        return bool, {}
    several = any(get_origin(each) in (Iterable, Sequence, tuple) for each in members)
    one: type = next((kind for kind in (float, int) if kind in members), str)
    if one is str and any(each is PathLike or get_origin(each) is PathLike for each in members):
        one = Path  # for completion: the shell offers files
    return (list[one] if several else one), {}  # type: ignore[valid-type]


def _members(hint: Any) -> list[Any]:
    """Return the types of a union, with those of the unions in it."""
    if get_origin(hint) in (Union, UnionType):
        return [member for each in get_args(hint) for member in _members(each)]
    return [hint]


def _as_typed(kind: Any, words: Sequence[Word]) -> str | list[str]:
    """Return files as they are typed: a path would lose the slashes of a URL."""
    return words[0].value if kind is Path else [word.value for word in words]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of the parameters; those that only type checkers import count as text."""
    unknown: dict[str, Any] = {}
    while True:
        try:
            return get_type_hints(function, localns=unknown)
        except NameError as error:
            unknown[error.name or ""] = str


def _above(docstring: str) -> str:
    """Return what stands above the parameters in a docstring, as plain text."""
    return _plain(docstring.partition("\n\nParameters\n")[0])


def _texts(function: Callable[..., Any]) -> dict[str, str]:
    """Return the texts of the parameters in a docstring, as plain text in one line each."""
    section = re.search(
        r"\n(?:Parameters|Attributes)\n-+\n(.*?)(?:\n\n|$)", inspect.getdoc(function) or "", re.S
    )
    texts = {}
    for entry in re.split(r"\n(?=\S)", section[1]) if section else []:
        names, *lines = entry.split("\n")
        text = " ".join(line.strip() for line in lines)
        for name in names.partition(" : ")[0].split(", "):
            texts[name] = text
            if other := re.match(r"As in `badpix_selfcal\.(\w+)`", text):
                there = _texts_of(other[1]).get(name, other[0]).rstrip(".")
                texts[name] = there + text[other.end() :]
    return {name: _plain(text) for name, text in texts.items()}


@cache
def _texts_of(name: str) -> dict[str, str]:
    """Return the texts of a public function."""
    return _texts(getattr(import_module(PACKAGE), name))


def _plain(text: str) -> str:
    return text.replace("``", "").replace("`", "")


def _imported(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(f"{PACKAGE}.{module}"), name)


def problem(error: CycloptsError) -> str:
    """Return what is wrong with the words of the user."""
    error.verbose = False
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        many = error.command_chain == ("run",)
        hint = f"; '{PROGRAM} batch' takes many exposures" if many else ""
        return f"one argument too many: {error.unused_tokens[0]}{hint}"
    return str(error).strip()
