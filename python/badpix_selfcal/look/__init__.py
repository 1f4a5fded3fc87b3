"""What is to be seen of a mask: figures (extra ``plot``), and pages with a verdict (``report``).

`limits`, `verdict` and `left` judge a mask, `shown` chooses what is shown, `figures` draws it,
`page` and `index` make pages; `report`, `plot` and `pictures` write files.

>>> import badpix_selfcal as bps
>>> bps.look.residual(result.bad_pixels)  # doctest: +SKIP
>>> bps.look.figure(mask)  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from .figures import *  # noqa: F403
    from .plot import save  # noqa: F401

__all__ = [
    *("minimum", "residual", "significance", "mask", "dq"),
    *("histogram", "rows", "columns", "slices"),
    *("cut", "spectrum", "gallery", "figure", "save"),
]


def __getattr__(name: str) -> Any:
    """Import a figure on first use: a verdict needs no matplotlib."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    plot = import_module(".plot", __name__)
    if name == "save":
        return plot.save
    try:
        return getattr(import_module(".figures", __name__), name)
    except ImportError as error:
        message = f"badpix_selfcal.look needs matplotlib ({error}): {plot.NEEDED}"
        raise ImportError(message) from error
