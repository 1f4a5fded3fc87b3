"""Options of the command line from the signature and the docstring of a function.

A parameter without a default is a positional argument, any other an option of the same name. Its
help is the text in the docstring, or the sentence of `Parameters`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from cyclopts import Parameter, Token, convert

from ..parameters import Parameters
from .terminal import with_options

PACKAGE: Final = __package__.rpartition(".")[0]

ONLY_IN_PYTHON: Final = ("progress", "settings")
"""Keywords without an option."""


def options_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a function as cyclopts takes them."""
    hints, texts = _hints(function), _texts_of(function)
    of_step, parameters = Parameters.by_name(), inspect.signature(function).parameters
    for name, each in of_step.items():
        texts[name] = f"{each.help[0].upper()}{each.help[1:]}."
    names = {*of_step, *(name for name, each in parameters.items() if each.default != each.empty)}
    return [
        option(
            name, *_kind(hints[name], each.default), plain(with_options(texts.get(name, ""), names))
        )
        for name, each in parameters.items()
        if name not in ONLY_IN_PYTHON
    ]


def option(
    name: str, kind: Any, default: Any, how: Parameter | None = None, text: str = ""
) -> inspect.Parameter:
    """Return a parameter as cyclopts takes it."""
    needed = default is inspect.Parameter.empty
    place = inspect.Parameter.POSITIONAL_ONLY if needed else inspect.Parameter.KEYWORD_ONLY
    annotation = Annotated[kind, Parameter(help=text), *([how] if how else [])]
    return inspect.Parameter(name, place, default=default, annotation=annotation)


def _kind(hint: Any, default: Any) -> tuple[Any, Any, Parameter | None]:
    """Return the type of an option, its default, and how its words become a value."""
    members = _members(hint)
    chosen = [value for each in members if get_origin(each) is Literal for value in get_args(each)]
    if chosen:
        if type(None) in members and default is not None:
            chosen.append(None)
        words = {str(value).lower(): value for value in chosen}
        shown = next((word for word, value in words.items() if value == default), default)
        return str, shown, Parameter(choices=tuple(words), converter=partial(_chosen, words))
    if bool in members:
        return bool, default, None
    several = any(get_origin(each) in (Iterable, Sequence, tuple) for each in members)
    one: Any = next((kind for kind in (float, int) if kind in members), str)
    if one is str and any(PathLike in (each, get_origin(each)) for each in members):
        one = Path  # for completion: the shell offers files
    if several:
        return list[one], default, Parameter(converter=_several, consume_multiple=True)
    return one, default, Parameter(converter=_as_typed) if one is Path else None


def _members(hint: Any) -> list[Any]:
    """Return the types of a union, with those of the unions in it."""
    if get_origin(hint) in (Union, UnionType):
        return [member for each in get_args(hint) for member in _members(each)]
    return [hint]


def _chosen(words: dict[str, Any], _: Any, tokens: Sequence[Token]) -> Any:
    """Return the value of a word; cyclopts has checked it."""
    return words[tokens[0].value]


def _several(kind: Any, tokens: Sequence[Token]) -> Any:
    """Return some values; one stands alone."""
    found = _as_typed(kind, tokens) if kind == list[Path] else convert(kind, tokens)
    return found[0] if len(found) == 1 else tuple(found)


def _as_typed(kind: Any, tokens: Sequence[Token]) -> Any:
    """Return files as they are typed: a path would lose the slashes of a URL."""
    return tokens[0].value if kind is Path else [token.value for token in tokens]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of the parameters; those that only type checkers import count as text."""
    unknown: dict[str, Any] = {}
    while True:
        try:
            return get_type_hints(function, localns=unknown)
        except NameError as error:
            unknown[error.name or ""] = str


def _texts_of(described: Callable[..., Any]) -> dict[str, str]:
    """Return the texts of the parameters in a docstring, in one line each."""
    section = re.search(r"\nParameters\n-+\n(.*?)(?:\n\n|$)", inspect.getdoc(described) or "", re.S)
    texts = {}
    for entry in re.split(r"\n(?=\S)", section[1]) if section else []:
        names, *lines = entry.split("\n")
        text = " ".join(line.strip() for line in lines)
        for name in names.partition(" : ")[0].split(", "):
            texts[name] = text
            if other := re.match(r"As in `badpix_selfcal\.(\w+)`", text):
                there = _texts_of(getattr(import_module(PACKAGE), other[1]))
                texts[name] = there.get(name, other[0]).rstrip(".") + text[other.end() :]
    return texts


def plain(text: str) -> str:
    """Return text of a docstring without its markup; functions have the names of commands."""
    return text.replace("`badpix_selfcal.", "`").replace("`", "")
