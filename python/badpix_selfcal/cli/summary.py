"""What a command returns: facts for ``--json``, text for the terminal, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from ..errors import visible
from ..files.paths import RemoteFile


@dataclass(frozen=True)
class Summary:
    """The result of a command.

    Attributes
    ----------
    facts : dict
        The result by name; `plain` makes it what JSON can hold.
    text : str
        The result as text for the terminal.
    errors : tuple of str
        Why parts failed, although the command ran to its end.
    skipped, differs : bool
        Whether the step was skipped for a part; whether two files that were compared differ.
    """

    facts: dict[str, Any]
    text: str
    errors: tuple[str, ...] = ()
    skipped: bool = False
    differs: bool = False


def facts_of(value: object, names: str, **others: str) -> dict[str, Any]:
    """Return attributes of an object by their names; `others` have other names in the summary."""
    attributes = {name: name for name in names.split()} | others
    return {name: getattr(value, attribute) for name, attribute in attributes.items()}


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: no infinite number, a path as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if is_dataclass(value) and not isinstance(value, (type, RemoteFile)):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else str(value)


def written(files: Iterable[object]) -> list[str]:
    """Return the lines of a report that name files which were written."""
    return [f"written   {visible(path)}" for path in files if path is not None]
