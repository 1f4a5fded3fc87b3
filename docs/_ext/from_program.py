"""Pages of the reference that are made from the program: its commands, parameters and modules."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any, get_origin

from cyclopts import App
from cyclopts.argument import Argument
from numpydoc.docscrape import FunctionDoc
from sphinx.pycode import ModuleAnalyzer

import badpix_selfcal
from badpix_selfcal.arrays.bad_pixels import OF_CUT
from badpix_selfcal.cli.commands import COMMANDS, EXAMPLES, program
from badpix_selfcal.cli.terminal import PROGRAM
from badpix_selfcal.parameters import Parameter, Parameters

GUIDES = {
    "run": "/how-to/flag-exposures",
    "batch": "/how-to/flag-exposures",
    "apply": "/how-to/masks",
    "report": "/how-to/report",
    "plot": "/how-to/figures",
    "compare": "/how-to/compare",
    "history": "/how-to/compare",
    "export": "/how-to/compare",
    "associate": "/how-to/associations",
    "verify": "/how-to/testing",
}
"""The guide in which a command is used."""

MODULES = (
    *("arrays", "arrays.reference", "arrays.crowded", "arrays.dask"),
    *("ndimage", "signal", "bottleneck", "stcal", "jwst"),
    *("look", "instrument", "simulate", "testing"),
)
"""The modules for users."""


def setup(app: Any) -> dict[str, bool]:
    """Write the pages before Sphinx looks for pages."""
    app.connect("config-inited", lambda app, _: write(Path(app.srcdir) / "reference"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(reference: Path) -> None:
    """Write all pages into two folders of the reference, and remove those that no longer exist."""
    blocks = dict(zip(COMMANDS, EXAMPLES.rstrip().split("\n\n"), strict=True))
    pages = {f"{name}.rst": command(name, blocks[name]) for name in COMMANDS}
    _save(reference / "commands", pages | {"completion.rst": completion()})
    _save(reference / "commands", {"parameters.inc": parameters()})
    names = ("", *MODULES)
    _save(reference / "api", {f"{name or 'badpix_selfcal'}.rst": module(name) for name in names})


def _save(folder: Path, pages: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for suffix in {Path(name).suffix for name in pages}:
        for path in folder.glob(f"*{suffix}"):
            if path.name not in pages:
                path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# Commands


def command(name: str, examples: str) -> str:
    """Return the page of a command."""
    function = COMMANDS[name].function
    public = f"{function.__module__.partition('.')[0]}.{function.__name__}"
    if function.__name__ not in badpix_selfcal.__all__:
        public = f"{function.__module__.rpartition('.')[0]}.{function.__name__}"
    more = f":func:`{public}` does the same in Python."
    if name in GUIDES:
        more += f" Guide: :doc:`{GUIDES[name]}`."
    app = program(name)
    page = _page(app, name, [more])
    if notes := FunctionDoc(function)["Notes"]:
        page += _section("Outputs", notes)
    page += _section("Examples", [".. code-block:: sh", "", *_indented(examples.split("\n"))])
    page.append("Exit status, summary in JSON and messages: :doc:`/reference/output`.")
    return "\n".join([*page, ""])


def completion() -> str:
    """Return the page of the command that prints a script for shells."""
    return "\n".join(_page(program(next(iter(COMMANDS))), "completion", []))


def _page(app: App, name: str, more: list[str]) -> list[str]:
    """Return what the pages of all commands begin with."""
    arguments = list(
        app[name].assemble_argument_collection(default_parameter=app.default_parameter)
    )
    needed = [each for each in arguments if not each.name.startswith("-")]
    typed = [f"{each.name}{'...' * _is_several(each)}" for each in needed]
    options = ["[OPTIONS]"] if len(needed) < len(arguments) else []
    start = [".. currentmodule:: badpix_selfcal", ""]
    description = [_escaped(line) for line in _above(app[name].help or "").split("\n")]
    page = [
        name,
        "=" * len(name),
        "",
        f".. program:: {PROGRAM} {name}",
        "",
        *start,
        *description,
        "",
        *more,
    ]
    page += [
        "",
        ".. code-block:: text",
        "",
        f"    {' '.join([PROGRAM, name, *options, *typed])}",
        "",
    ]
    groups: dict[str, list[str]] = {}
    for each in arguments:
        groups.setdefault(each.parameter.group[0].name, []).extend(_option(each))
    for title, lines in groups.items():
        page += _section(title, lines)
    return page


def _above(docstring: str) -> str:
    return inspect.cleandoc(docstring).partition("\n\nParameters\n")[0]


def _option(argument: Argument) -> list[str]:
    """Return the description of an argument or an option."""
    default = argument.field_info.default
    choices = argument.get_choices() or ()
    kind = "CHOICE" if choices else getattr(_one(argument.hint), "__name__", "").upper()
    if kind == "BOOL" or argument.parameter.count or not argument.name.startswith("-"):
        kind = ""
    text = [_escaped(argument.parameter.help or "")]
    if choices:
        text.append(f"One of {', '.join(f'``{each}``' for each in choices)}.")
    if default not in (None, (), 0, inspect.Parameter.empty):
        text.append(f"Default: ``{default}``.")
    kind = f" {kind}".rstrip() + "..." * _is_several(argument)
    shown = ", ".join(f"{each}{kind}" for each in argument.names)
    return [f".. option:: {shown}", "", *_indented([" ".join(filter(None, text))]), ""]


def _is_several(argument: Argument) -> bool:
    return getattr(argument.hint, "__origin__", None) is list


def _one(hint: Any) -> Any:
    return hint.__args__[0] if getattr(hint, "__origin__", None) is list else hint


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, "-" * len(title), "", *lines, ""]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}".rstrip() for line in lines]


def _escaped(text: str) -> str:
    """Return plain text as reStructuredText; options are literal."""
    parts = re.split(r"(?<![\w-])(--?[a-z][a-z-]*)", text)
    return "".join(
        f"``{part}``" if place % 2 else re.sub(r"([\\*`|_<>])", r"\\\1", part)
        for place, part in enumerate(parts)
    )


# Parameters


def parameters() -> str:
    """Return the table of the step's parameters."""
    cuts = {name: cut for cut, names in OF_CUT.items() for name in names}
    lines = ["| option | default | allowed | cut | card |", "|---|---|---|---|---|"]
    for name, each in Parameters.by_name().items():
        option = f"--{name.replace('_', '-')}"
        link = f"{{option}}`{option} <{PROGRAM} run {option}>`"
        default = f"`{getattr(Parameters, name)}`"
        cells = link, default, _allowed(each), cuts.get(name, "both"), f"`{each.keyword}`"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _allowed(parameter: Parameter) -> str:
    """Return which values are allowed, as the error of a wrong value says it."""
    try:
        parameter.check(-2, name="it")
    except (TypeError, ValueError) as error:
        allowed = str(error).removeprefix("it must be ").partition(", got")[0]
        return re.sub(r"'(\w+)'", r"`\1`", allowed)
    return "any"


# Modules


def module(name: str) -> str:
    """Return the page of a module; the names of the package itself have pages of their own."""
    full = f"badpix_selfcal.{name}".rstrip(".")
    names = _names(full)
    page = [
        full,
        "=" * len(full),
        "",
        f".. automodule:: {full}",
        "",
        f".. currentmodule:: {full}",
        "",
    ]
    page += [".. autosummary::", *(["   :toctree:"] if not name else []), "   :nosignatures:", ""]
    page += [f"   {each}" for each in names]
    for each, value in names.items() if name else ():
        kind = "class" if isinstance(value, type) else "function" if callable(value) else "data"
        page += ["", f".. auto{kind}:: {each}", *(["   :members:"] if kind == "class" else [])]
    return "\n".join([*page, ""])


def _names(full: str) -> dict[str, Any]:
    """Return the public names of a module, without those that the package itself has."""
    module = import_module(full)
    own = getattr(module, "__all__", None)
    if own is None:  # what is defined or documented there; not the aliases of types
        documented = [name for _, name in ModuleAnalyzer.for_module(full).find_attr_docs()]
        own = [
            name
            for name, value in vars(module).items()
            if name in documented or getattr(value, "__module__", None) == full
            if not (name.startswith("_") or get_origin(value))
        ]
    shared = {} if module is badpix_selfcal else {*badpix_selfcal.__all__} & {*own}
    hidden = {name for name in shared if getattr(badpix_selfcal, name) is getattr(module, name)}
    return {name: getattr(module, name) for name in own if name not in hidden and name[:2] != "__"}
