"""The page of a mask as an output of a run."""

from __future__ import annotations

import re
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Final

from ..files.location import Location
from ..log import log
from ..step.group_mask import GroupMask
from ..step.provenance import PAGE
from .bokeh_scripts import bokeh_scripts
from .judgement import Judgement
from .page import page_of

__all__ = ["ReportPage", "write_page"]

_END: Final = "<!-- sha256 {} -->\n"
_LENGTH: Final = len(_END.format("0" * 64))
_HISTORY: Final = re.compile(rb'<meta name="history" content="([^"]*)">')


def write_page(part: Path, mask: GroupMask) -> Judgement:
    """Write the page of a mask to a file, with a digest at its end.

    Returns
    -------
    Judgement
        What it says.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    page = page_of(mask)
    content = page.html.encode("utf-8", "replace")  # a name may be no Unicode
    with part.open("wb") as file:
        file.write(content)
        file.write(_END.format(sha256(content).hexdigest()).encode())
    return page.judgement


class ReportPage:
    """The page of a mask as a product of a run (`badpix_selfcal.step.products`).

    Raises
    ------
    RuntimeError
        If bokeh is not installed.
    """

    kind: Final = PAGE

    def __init__(self) -> None:
        bokeh_scripts()

    def write(self, part: Path, mask: GroupMask, name: str) -> None:  # noqa: ARG002
        """Write it."""
        write_page(part, mask)

    def made(self, location: Location) -> str | None:
        """Return the HISTORY entry in a page; None if it is not whole or cannot be read.

        A page under a URL is always made again.
        """
        if not isinstance(location, Path):
            return None
        try:
            content = location.read_bytes()
        except OSError as error:
            log.info("%s: not kept: %s", location, error)
            return None
        content, end = content[:-_LENGTH], content[-_LENGTH:]
        found = _HISTORY.search(content[:10000])
        if found is None or end != _END.format(sha256(content).hexdigest()).encode():
            log.info("%s: not kept: it is not as it was written", location)
            return None
        return unescape(found[1].decode())
