"""Results in a few words, and the colours of flagged pixels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ..errors import visible

NAMES_OF_AXES: Final = {1: "1 (along x)", 2: "2 (along y)", None: "unknown (square window)"}

LOW: Final = "#0072B2"
"""Pixels flagged at the low end. Colours are of the palette of Okabe and Ito, which colour-blind
readers can distinguish."""

HIGH: Final = "#D55E00"
"""Pixels flagged at the high end."""

UNKNOWN: Final = "#DCDCDC"
"""Pixels without a value."""

BLACK: Final = "#000000"


def counted(number: int, what: str) -> str:
    """Return a number and what it counts: ``1 file``, ``2 files``."""
    return f"{number} {what}{'s' * (number != 1)}"


def percent(part: float, whole: float) -> float | None:
    """Return a percentage of three digits, the same wherever it is shown; None of nothing."""
    return float(f"{100 * part / whole:.3g}") if whole else None


def linked(shown: object, *pages: object) -> str:
    """Return the text of an object for a notebook, with links to the files or URLs about it."""
    parts = [f"<pre>{escape(repr(shown))}</pre>"]
    for page in filter(None, pages):
        to = quote(os.path.relpath(page)) if isinstance(page, Path) else str(page)
        parts.append(f'<a href="{escape(to)}">{escape(str(page))}</a>')
    return "<br>".join(parts)


def block(head: str, lines: Mapping[str, str]) -> str:
    """Return a headline and lines that each begin with a word; empty ones are left out."""
    found = (f"  {word:<8}  {visible(text)}" for word, text in lines.items() if text)
    return "\n".join([visible(head), *found])
