"""The data-quality bits that the step sets, and the planes in which it writes NaN.

Bit values are those of JWST's data-quality table (``stdatamodels.jwst.datamodels.dqflags``).
"""

from __future__ import annotations

from typing import Final

__all__ = ["BAD", "DO_NOT_USE", "NAN_PLANES", "NON_SCIENCE", "OTHER_BAD_PIXEL", "REFERENCE_PIXEL"]

DO_NOT_USE: Final = 1 << 0
NON_SCIENCE: Final = 1 << 9
OTHER_BAD_PIXEL: Final = 1 << 30
REFERENCE_PIXEL: Final = 1 << 31

BAD: Final = DO_NOT_USE | OTHER_BAD_PIXEL
"""What a pixel found bad by self-calibration gets in DQ."""

NAN_PLANES: Final = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT")
"""The extensions whose flagged pixels become NaN, where they exist."""
