"""The page that lists the pages of several groups."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from .._kernels import __version__
from ..files.location import Location
from ..files.outputs import Outputs
from .limits import LIMITS
from .page import document
from .tables import shown

__all__ = ["INDEX", "facts_in", "index_of", "verdict_on", "write_index"]

INDEX: Final = "badpix_selfcal_report.html"
"""The name of the page that lists others."""

_NUMBERS: Final = re.compile(r'<script type="application/json" id="numbers">(.*?)</script>')


def facts_in(page: Path) -> dict[str, Any] | None:
    """Return the numbers in a page; None if it cannot be read, or is none.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with page.open(encoding="utf-8") as lines:
        found = next(filter(None, map(_NUMBERS.match, lines)), None)
    if found is None:
        return None
    facts: dict[str, Any] = json.loads(found[1])
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
    against = [LIMITS[name].label for name, word in facts["reasons"].items() if word == verdict]
    if verdict == "TRUST":
        return f"{verdict}: nothing speaks against the flags"
    return f"{verdict}: {'; '.join(against)} (the page says what to do)"


def write_index(
    folder: Location, pages: Iterable[Location], *, no_sync: bool = False
) -> Location | None:
    """Write the page that lists some pages of a folder, in the place of an earlier one.

    Parameters
    ----------
    folder : Path or RemoteFile
        The folder.
    pages : iterable of Path or RemoteFile
        The pages.
    no_sync : bool, optional
        Whether not to wait until the disk has it.

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
    with Outputs(folder, overwrite=True, no_sync=no_sync) as outputs:
        final = outputs.claim(INDEX)
        outputs.part(final).write_text(index_of(known), encoding="utf-8", errors="replace")
        outputs.publish()
    return final


def index_of(pages: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Return the page that lists others.

    Parameters
    ----------
    pages : sequence of (str, dict)
        The file names of the pages, and the numbers in them.
    """
    rows = []
    for name, facts in pages:
        against = ", ".join(f"{each}: {word}" for each, word in facts["reasons"].items()
                            if word != "TRUST")  # fmt: skip
        cells = (facts[key] for key in ("flagged", "low", "high", "share_low", "share_high"))
        rows.append(
            f'<tr><td class="{facts["verdict"]}"><a href="{escape(quote(name))}">'
            f"{escape(str(facts['name']))}</a></td><td>{facts['verdict']}</td>"
            + "".join(f'<td class="n">{shown(cell)}</td>' for cell in cells)
            + f'<td class="n">{facts["exposures"]}</td><td>{escape(against) or "none"}</td></tr>'
        )
    heads = ("group", "verdict", "flagged", "low", "high", "% low", "% high", "exposures",
             "against it")  # fmt: skip
    body = [
        "<h1>Bad pixels of several groups</h1>",
        '<p class="note">TRUST: use the flags. LOOK: look at the page first. REJECT: change '
        "something and run again; the page says what.</p>",
        f"<table><tr>{''.join(f'<th>{each}</th>' for each in heads)}</tr>{''.join(rows)}</table>",
        f'<p class="note">badpix-selfcal {__version__}</p>',
    ]
    return document("Bad pixels of several groups", body)
