"""What a command returns: facts for ``--json``, text for the terminal, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Report", "finite", "written"]


@dataclass(frozen=True)
class Report:
    """The result of a command.

    Attributes
    ----------
    facts : dict
        The result as values that JSON can hold; anything else is written as text, such as a path.
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


def finite(value: float | None) -> float | None:
    """Return a number that JSON can hold."""
    return value if value is not None and math.isfinite(value) else None


def written(files: Iterable[object], indent: str = "") -> list[str]:
    """Return the lines of a report that name files which were written."""
    return [f"{indent}written   {path}" for path in files if path is not None]
