"""The errors for files and folders that do not exist."""

from __future__ import annotations

import os
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Final

from ..errors import ExposureError

__all__ = ["no_such", "require_file"]

MOST_NAMES: Final = 10_000
"""Names of a folder that are compared; a larger folder would take seconds."""


def no_such(path: Path) -> str:
    """Return the error message for a path that does not exist, with the near names beside it.

    If a folder on the way does not exist either, the near names are those of that folder.

    Raises
    ------
    OSError
        If the path cannot be a name of this file system.
    """
    absent = path
    while absent.parent != absent and not absent.parent.exists():
        absent = absent.parent
    names = _names(absent.parent) - {absent.name}  # the name of a link to nowhere
    near = get_close_matches(absent.name, sorted(names), n=3)
    hint = " or ".join(str(absent.with_name(name)) for name in near)
    return f"{path}: no such file or folder" + (f"; did you mean {hint}?" if hint else "")


def require_file(path: Path) -> None:
    """Refuse a path that is not a file.

    Raises
    ------
    ExposureError
        If it does not exist, or is a folder.
    OSError
        If the path cannot be a name of this file system.
    """
    if not path.is_file():
        raise ExposureError(f"{path}: is not a file" if path.exists() else no_such(path))


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in islice(entries, MOST_NAMES)}
    except OSError:  # not a folder, or not readable
        return set()
