"""What is to be seen of a mask: figures (extra ``plot``), and pages with a verdict (``report``).

`verdict` and `left` judge a mask, `shown` chooses what is shown, `figures` draws it,
`page` and `layers` make a page; `report`, `plot` and `pictures` write files.

>>> import badpix_selfcal as bps
>>> bps.look.residual(result.bad_pixels)  # doctest: +SKIP
>>> bps.look.figure(mask)  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from .figures import *  # noqa: F403
    from .plot import save  # noqa: F401

__all__ = [
    *("minimum", "residual", "significance", "mask", "dq"),
    *("histogram", "rows", "columns", "slices"),
    *("profile", "spectrum", "gallery", "figure", "save"),
]


def __getattr__(name: str) -> Any:
    """Import a figure on first use: a verdict needs no matplotlib."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("plot", "matplotlib")
    return getattr(import_module(".plot" if name == "save" else ".figures", __name__), name)


def require(extra: str, *packages: str) -> None:
    """Refuse work for which packages of an extra are missing.

    Raises
    ------
    RuntimeError
        If one is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            what = "a page needs" if extra == "report" else "figures need"
            raise RuntimeError(
                f'{what} {package}, which is not installed: pip install "badpix-selfcal[{extra}]"'
            )
