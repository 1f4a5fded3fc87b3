"""The scripts of bokeh, which a page contains.

The figures are made in the browser, by bokeh's own scripts. Only these are taken from the package
bokeh: its import, and figures made in Python, would take longer than all the rest of a report.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ..messages import extra

__all__ = ["bokeh_scripts"]

_SCRIPTS: Final = ("bokeh.min.js", "bokeh-api.min.js")


@cache
def bokeh_scripts() -> tuple[str, ...]:
    """Return the scripts.

    Raises
    ------
    RuntimeError
        If bokeh is not installed, or has no such scripts.
    """
    found = find_spec("bokeh")
    if found is None or found.origin is None:
        raise RuntimeError(f"a report needs bokeh, which is not installed: {extra('report')}")
    folder = Path(found.origin).parent / "server" / "static" / "js"
    try:
        return tuple((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    except OSError as error:
        raise RuntimeError(
            f"a report needs the scripts of bokeh ({error}): {extra('report')}"
        ) from error
