"""The instruments: every fact once. Detectors, gaps, dispersion axes, blur and the bits of DQ.

Gap regions are those of ``jwst`` 3.0.0 (``badpix_selfcal_step``). The dispersion axes are the
values of the DISPAXIS keyword that its ``assign_wcs`` writes for each instrument. Bit values are
those of JWST's data-quality table (``stdatamodels.jwst.datamodels.dqflags``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

Region: TypeAlias = tuple[int, int, int, int]
"""A half-open rectangle of an image: ``(y0, y1, x0, x1)``."""

Dispaxis: TypeAlias = Literal[1, 2] | None
"""JWST's dispersion axis: 1 along x (image axis 1), 2 along y (image axis 0), None unknown."""

IMAGE_AXIS: Final[dict[Dispaxis, int | None]] = {1: 1, 2: 0, None: None}
"""The axis of an image array along which light is dispersed, by JWST's dispersion axis."""

DISPAXIS_OF_EXP_TYPE: Final[dict[str, Dispaxis]] = {
    "MIR_MRS": 2,
    "NRS_IFU": 1,
    "NRS_MSASPEC": 1,
    "NRS_FIXEDSLIT": 1,
}
"""The dispersion axis of each mode that is self-calibrated, by its EXP_TYPE.

MIRI MRS, and NIRSpec's integral-field unit, microshutters and fixed slits.
"""


NODS_OF_EXP_TYPE: Final[dict[str, tuple[str, ...]]] = {
    "MIR_MRS": ("2-POINT", "4-POINT"),
    "NRS_IFU": ("2-POINT-NOD", "4-POINT-NOD"),
}
"""The dither patterns (PATTTYPE) whose exposures can be backgrounds of each other, by EXP_TYPE.

Those of NIRSpec are the ones for which ``jwst`` makes such associations; it makes none for MIRI.
"""


class Blur(NamedTuple):
    """How far charge and light spread on a detector.

    `coupling` is the part of a pixel's signal that appears in each of its four neighbours, `along`
    and `across` the standard deviation of the narrowest light along the dispersion and across it,
    in pixels.
    """

    coupling: float
    along: float
    across: float


MIRI_BLUR: Final = Blur(0.03, 0.65, 0.65)
"""MIRI MRS: every line is wider than 1.6 pixels (FWHM), and so is every point source."""

NIRSPEC_BLUR: Final = Blur(0.01, 0.65, 0.4)
"""NIRSpec: its slices undersample the point-spread function."""


@dataclass(frozen=True)
class Detector:
    """One detector of an instrument with an integral-field unit.

    `name`, `instrument` and `exp_type` (of its integral-field exposures) are the keywords DETECTOR,
    INSTRUME and EXP_TYPE; `shape` holds the rows and columns of a full-frame image. In the `gap`
    ``(y0, y1, x0, x1)``, half-open and unlit, the pedestal is measured; None: there is no gap.
    """

    name: str
    instrument: str
    exp_type: str
    shape: tuple[int, int]
    gap: Region | None
    blur: Blur

    @property
    def dispaxis(self) -> Dispaxis:
        """The dispersion axis of this detector's exposures."""
        return DISPAXIS_OF_EXP_TYPE[self.exp_type]


DETECTORS: Final[dict[str, Detector]] = {
    detector.name: detector
    for detector in (
        Detector("MIRIFULONG", "MIRI", "MIR_MRS", (1024, 1032), (50, 974, 474, 507), MIRI_BLUR),
        Detector("MIRIFUSHORT", "MIRI", "MIR_MRS", (1024, 1032), (50, 974, 503, 516), MIRI_BLUR),
        Detector("NRS1", "NIRSPEC", "NRS_IFU", (2048, 2048), None, NIRSPEC_BLUR),
        Detector("NRS2", "NIRSPEC", "NRS_IFU", (2048, 2048), None, NIRSPEC_BLUR),
    )
}
"""The supported detectors, by their DETECTOR keyword."""


def within(region: Region, shape: tuple[int, ...]) -> Region:
    """Return the part of a region that lies inside an image of a shape; it may be empty."""
    y0, y1, x0, x1 = region
    rows, cols = shape
    return min(y0, rows), min(y1, rows), min(x0, cols), min(x1, cols)


def gap_of(detector: str) -> Region | None:
    """Return the unlit gap in which the pedestal of a detector is measured.

    `detector` is the DETECTOR keyword, in any case. None if the detector has no gap or is not in
    `DETECTORS`: no pedestal is subtracted.
    """
    known = DETECTORS.get(detector.strip().upper())
    return None if known is None else known.gap


def blur_of(detector: str | None) -> Blur:
    """Return how far charge and light spread on a detector, named as in `gap_of`.

    On None and on detectors that are not in `DETECTORS`: as on MIRI's.
    """
    known = DETECTORS.get((detector or "").strip().upper())
    return MIRI_BLUR if known is None else known.blur


DO_NOT_USE: Final = 1 << 0
NON_SCIENCE: Final = 1 << 9
OTHER_BAD_PIXEL: Final = 1 << 30
REFERENCE_PIXEL: Final = 1 << 31

BAD: Final = DO_NOT_USE | OTHER_BAD_PIXEL
"""The bits that self-calibration sets in DQ for a bad pixel."""

FULL_FRAME: Final = ("FULL", "N/A")
"""Values of SUBARRAY that mean the whole detector."""

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
