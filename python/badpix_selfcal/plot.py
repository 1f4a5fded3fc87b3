"""Figures of masks (extra ``plot``): each function draws one, in new or in given Axes.

>>> import badpix_selfcal as bps
>>> bps.plot.residual(result.bad_pixels)  # doctest: +SKIP
>>> bps.plot.figure(mask)  # doctest: +SKIP

A function takes a `GroupMask` or, where that is enough, a `BadPixels`. With ``ax=None`` it makes a
figure, which a notebook shows. The state of matplotlib (pyplot, backend, rcParams) never changes.
Rows and columns are counted from 0; row 0 is at the bottom.
"""

from __future__ import annotations

from .messages import extra

try:
    import matplotlib  # noqa: F401 - the figures import its parts
except ImportError as error:
    raise ImportError(f"badpix_selfcal.plot needs matplotlib ({error}): {extra('plot')}") from error

from .figures.counts import columns, histogram, rows
from .figures.cuts import cut, spectrum
from .figures.gallery import gallery
from .figures.images import dq, mask, minimum, residual, significance
from .figures.page import figure
from .figures.save import save

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
    "spectrum",
]
