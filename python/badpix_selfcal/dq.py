"""The data-quality bits that the step sets, and the extensions in which it writes NaN.

Bit values are those of JWST's data-quality table (``stdatamodels.jwst.datamodels.dqflags``).
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BAD",
    "DO_NOT_USE",
    "NAMES",
    "NAN_PLANES",
    "NON_SCIENCE",
    "OTHER_BAD_PIXEL",
    "REFERENCE_PIXEL",
    "names_of",
]

DO_NOT_USE: Final = 1 << 0
NON_SCIENCE: Final = 1 << 9
OTHER_BAD_PIXEL: Final = 1 << 30
REFERENCE_PIXEL: Final = 1 << 31

BAD: Final = DO_NOT_USE | OTHER_BAD_PIXEL
"""The bits that self-calibration sets in DQ for a bad pixel."""

NAN_PLANES: Final = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT")
"""The extensions in which flagged pixels become NaN; some may be absent."""

NAMES: Final = (
    "DO_NOT_USE", "SATURATED", "JUMP_DET", "DROPOUT", "OUTLIER", "PERSISTENCE", "AD_FLOOR",
    "CHARGELOSS", "RESERVED", "NON_SCIENCE", "DEAD", "HOT", "WARM", "LOW_QE", "RC",
    "TELEGRAPH", "NONLINEAR", "BAD_REF_PIXEL", "NO_FLAT_FIELD", "NO_GAIN_VALUE", "NO_LIN_CORR",
    "NO_SAT_CHECK", "UNRELIABLE_BIAS", "UNRELIABLE_DARK", "UNRELIABLE_SLOPE", "UNRELIABLE_FLAT",
    "OPEN", "ADJ_OPEN", "FLUX_ESTIMATED", "MSA_FAILED_OPEN", "OTHER_BAD_PIXEL", "REFERENCE_PIXEL",
)  # fmt: skip
"""The names of the bits, from the lowest to the highest."""


def names_of(bits: int) -> str:
    """Return the bits of a value by their names, or numbers: ``DO_NOT_USE, bit 33``."""
    numbers = (number for number in range(bits.bit_length()) if bits >> number & 1)
    known = dict(enumerate(NAMES))
    return ", ".join(known.get(number, f"bit {number}") for number in numbers)
