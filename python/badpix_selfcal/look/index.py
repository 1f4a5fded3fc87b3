"""What can be read from pages that are written, and the page that lists several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from ..files.outputs import Outputs
from ..files.paths import Location
from .limits import LIMITS
from .page import rendered

__all__ = ["INDEX", "facts_in", "index_of", "verdict_on", "write_index"]

INDEX: Final = "badpix_selfcal_report.html"
"""The name of the page that lists others."""

_NUMBERS: Final = re.compile(r'<script type="application/json" id="numbers">(.*?)</script>')


def facts_in(page: Path) -> dict[str, Any] | None:
    """Return the numbers in a page; None if it is none.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with page.open(encoding="utf-8", errors="replace") as lines:
        found = next(filter(None, map(_NUMBERS.match, lines)), None)
    facts: dict[str, Any] | None = None if found is None else json.loads(found[1])
    return facts


def verdict_on(page: Location) -> str | None:
    """Return the verdict in a page that a run has written, with what decides it.

    None if it cannot be read; a page under a URL is not downloaded.
    """
    try:
        facts = facts_in(page) if isinstance(page, Path) else None
    except OSError:
        return None
    if facts is None:
        return None
    verdict = str(facts["verdict"])
    if verdict == "TRUST":
        return f"{verdict}: nothing speaks against the flags"
    against = [LIMITS[name].label for name, word in facts["reasons"].items() if word == verdict]
    return f"{verdict}: {'; '.join(against)} (the page says what to do)"


def write_index(folder: Location, pages: Iterable[Location]) -> Location | None:
    """Write the page that lists some pages of a folder, in the place of an earlier one.

    Parameters
    ----------
    folder : Path or remote location
        The folder.
    pages : iterable of Path or remote location
        The pages.

    Returns
    -------
    Path or None
        The page; None if there are fewer than two pages, or the folder is a URL.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    found = {page.name: facts_in(page) for page in pages if isinstance(page, Path)}
    known = [(name, facts) for name, facts in found.items() if facts is not None]
    if len(known) < 2:
        return None
    with Outputs(folder, overwrite=True) as outputs:
        with outputs.writing(INDEX) as part:
            part.write_text(index_of(known), encoding="utf-8", errors="replace")
        outputs.publish()
    return folder / INDEX


def index_of(pages: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Return the page that lists others, from their file names and the numbers in them."""
    return rendered("index.html", title="Bad pixels of several groups", history="", pages=pages)
