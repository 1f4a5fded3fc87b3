"""Results in a few words: for the reports of the commands, and for results shown in a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..files.paths import Location
    from .bad_pixels import BadPixels

__all__ = ["NAMES_OF_AXES", "block", "counted", "cuts_of", "files_of", "flags_of"]

NAMES_OF_AXES: Final = {1: "1 (along x)", 2: "2 (along y)", None: "unknown (square window)"}


def block(head: str, lines: Mapping[str, str]) -> str:
    """Return a headline and lines that each begin with a word; empty ones are left out."""
    return "\n".join([head, *(f"  {word:<8}  {text}" for word, text in lines.items() if text)])


def counted(number: int, what: str) -> str:
    """Return a number and what it counts: ``1 file``, ``2 files``."""
    return f"{number} {what}{'s' * (number != 1)}"


def flags_of(found: BadPixels) -> str:
    """Return how many pixels are flagged, and how many groups they form if some touch."""
    flagged = found.n_low + found.n_high
    share = 100 * flagged / found.mask.size if found.mask.size else 0.0
    number = len(found.groups)
    groups = f" in {counted(number, 'group')}" if number < flagged else ""
    return (
        f"{found.n_low} low + {found.n_high} high = {counted(flagged, 'pixel')}{groups} "
        f"({share:.3f} %)"
    )


def cuts_of(found: BadPixels) -> str:
    """Return below and above what pixels are flagged."""
    quantity = "residual" if found.significance is None else "significance"
    low, high = (
        "none" if abs(cut) == float("inf") or cut != cut else f"{cut:.6g}"
        for cut in (found.cut_low, found.cut_high)
    )
    return f"{quantity} below {low} or above {high}"


def files_of(paths: Sequence[Location]) -> str:
    """Return one file, or the number of files and their folder."""
    if len(paths) < 2:
        return str(paths[0]) if paths else ""
    folders = {str(path.parent) for path in paths}
    where = folders.pop() if len(folders) == 1 else counted(len(folders), "folder")
    return f"{counted(len(paths), 'file')} in {where}"
