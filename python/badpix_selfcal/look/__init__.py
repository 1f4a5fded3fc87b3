"""What is to be seen of a mask: figures (extra ``plot``), and pages with a verdict (``report``).

`limits`, `verdict` and `left` judge a mask, `shown` chooses what is shown of it, `figures` draws it,
`page` and `index` make pages; `report` and `plot` write files.

>>> import badpix_selfcal as bps
>>> bps.look.residual(result.bad_pixels)  # doctest: +SKIP
>>> bps.look.figure(mask)  # doctest: +SKIP
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from .figures import (
        columns,
        cut,
        dq,
        figure,
        gallery,
        histogram,
        mask,
        minimum,
        residual,
        rows,
        significance,
        slices,
        spectrum,
    )
    from .plot import save

__all__ = [
    "columns",
    "cut",
    "dq",
    "figure",
    "gallery",
    "histogram",
    "mask",
    "minimum",
    "residual",
    "rows",
    "save",
    "significance",
    "slices",
    "spectrum",
]


def __getattr__(name: str) -> Any:
    """Import a figure on first use: a verdict needs no matplotlib."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from . import figures
    except ImportError as error:
        raise ImportError(
            f'badpix_selfcal.look needs matplotlib ({error}): pip install ".[plot]" in the clone of '
            "badpix-selfcal"
        ) from error
    from .plot import save

    return save if name == "save" else getattr(figures, name)
