"""What is known of each integral-field detector: its size, its unlit gap, its dispersion axis.

Gap regions are those of ``jwst`` 3.0.0 (``badpix_selfcal_step``); the dispersion axes are what
its ``assign_wcs`` writes to the DISPAXIS keyword of either instrument's exposures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["DETECTORS", "DISPAXIS_OF_EXP_TYPE", "Detector", "Dispaxis", "Region", "gap_of"]

Region: TypeAlias = tuple[int, int, int, int]
"""A half-open rectangle of an image: ``(y0, y1, x0, x1)``."""

Dispaxis: TypeAlias = Literal[1, 2] | None
"""JWST's dispersion axis: 1 along x (image axis 1), 2 along y (image axis 0), None unknown."""

DISPAXIS_OF_EXP_TYPE: Final[dict[str, Dispaxis]] = {"MIR_MRS": 2, "NRS_IFU": 1}


@dataclass(frozen=True)
class Detector:
    """One detector of JWST's integral-field instruments.

    Parameters
    ----------
    name : str
        The DETECTOR keyword.
    instrument : str
        The INSTRUME keyword.
    exp_type : str
        The EXP_TYPE of its integral-field exposures.
    shape : tuple of int
        Rows and columns of a full-frame image.
    gap : tuple of int or None
        The unlit region ``(y0, y1, x0, x1)``, half-open, in which the pedestal is measured;
        None for a detector without one.
    """

    name: str
    instrument: str
    exp_type: str
    shape: tuple[int, int]
    gap: Region | None

    @property
    def dispaxis(self) -> Dispaxis:
        """The dispersion axis of this detector's exposures."""
        return DISPAXIS_OF_EXP_TYPE[self.exp_type]


DETECTORS: Final[dict[str, Detector]] = {
    detector.name: detector
    for detector in (
        Detector("MIRIFULONG", "MIRI", "MIR_MRS", (1024, 1032), (50, 974, 474, 507)),
        Detector("MIRIFUSHORT", "MIRI", "MIR_MRS", (1024, 1032), (50, 974, 503, 516)),
        Detector("NRS1", "NIRSPEC", "NRS_IFU", (2048, 2048), None),
        Detector("NRS2", "NIRSPEC", "NRS_IFU", (2048, 2048), None),
    )
}
"""The detectors the step is made for, by their DETECTOR keyword."""


def gap_of(detector: str) -> Region | None:
    """Return the unlit gap in which this detector's pedestal is measured.

    Parameters
    ----------
    detector : str
        The DETECTOR keyword, in any case.

    Returns
    -------
    tuple of int or None
        ``(y0, y1, x0, x1)``, half-open; None where no pedestal is subtracted, which includes
        every detector not listed in `DETECTORS`.
    """
    known = DETECTORS.get(detector.strip().upper())
    return None if known is None else known.gap
