"""From the exposures of one detector to its bad pixels: what every way of running has in common."""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np

from .._floats import FloatArray, as_stored
from ..arrays import BadPixels, RunningMinimum, find_bad_pixels, pedestal
from ..detectors import DISPAXIS_OF_EXP_TYPE, Dispaxis, Region
from ..errors import ExposureError, SelfcalWarning
from ..files.exposure import Exposure
from ..files.remote import Location
from ..parameters import AskedDispaxis, Parameters, check_dispaxis

__all__ = ["PREFETCHED", "MinimumImage", "dispaxis_of", "find", "warn"]

PREFETCHED = 8
"""Exposures whose SCI the system reads ahead: enough for any disk, little even of large frames."""


class WithAxis(Protocol):
    """An exposure, as far as its dispersion axis goes: an `Exposure` or a `Member` of a pool."""

    @property
    def path(self) -> Location:
        """The file."""

    @property
    def exp_type(self) -> str:
        """EXP_TYPE, in capitals."""

    @property
    def dispaxis(self) -> object:
        """The DISPAXIS card of SCI; None where absent."""


class MinimumImage:
    """The minimum image of exposures less their pedestals, one folded in after the other.

    The order does not matter, and parts may be made apart and merged.

    Parameters
    ----------
    gap : tuple of int or None
        Where each exposure's pedestal is measured (`badpix_selfcal.detectors.gap_of`); None: no
        pedestal is subtracted.

    Attributes
    ----------
    pedestals : dict of Path or RemoteFile to float
        What was subtracted from each exposure, in the unit of its SCI; NaN for one that was left
        out. Empty without a gap.
    used : list of Path or RemoteFile
        The exposures folded in, without those left out.
    """

    def __init__(self, gap: Region | None) -> None:
        self.gap = gap
        self.pedestals: dict[Location, float] = {}
        self.used: list[Location] = []
        self._running = RunningMinimum()

    @property
    def image(self) -> FloatArray | None:
        """The minimum image; None before the first exposure."""
        return self._running.image

    def fold(self, exposure: Exposure) -> bool:
        """Fold in one exposure.

        Parameters
        ----------
        exposure : Exposure
            Its SCI is read here, and not kept.

        Returns
        -------
        bool
            Whether it was used: not if its pedestal cannot be measured.

        Raises
        ------
        ExposureError
            If its samples cannot be read.
        """
        image = as_stored(exposure.science_image(), "SCI")
        level = 0.0
        if self.gap is not None:
            level = self.pedestals[exposure.path] = pedestal(image, self.gap)
        if not np.isfinite(level):
            self.pedestals[exposure.path] = np.nan
            return False
        self._running.fold(image, level)
        self.used.append(exposure.path)
        return True

    def merge(self, other: MinimumImage) -> None:
        """Fold in the exposures of another minimum image with the same gap."""
        if other.image is not None:
            self._running.fold(other.image)
        self.pedestals |= other.pedestals
        self.used += other.used

    def warn_left_out(self, path: Location) -> None:
        """Warn that an exposure was not used."""
        warn(
            f"{path}: left out: no pedestal can be measured in the gap {self.gap} "
            "between the channels, which holds no valid sample or too many infinities"
        )


def find(minimum: FloatArray, dispaxis: Dispaxis, parameters: Parameters) -> BadPixels:
    """Find the bad pixels of a minimum image; see `badpix_selfcal.find_bad_pixels`."""
    return find_bad_pixels(
        minimum,
        kernel_size=parameters.kernel_size,
        dispaxis=dispaxis,
        flagfrac_lower=parameters.flagfrac_lower,
        flagfrac_upper=parameters.flagfrac_upper,
        edge=parameters.edge,
    )


def dispaxis_of(science: WithAxis, asked: AskedDispaxis) -> Dispaxis:
    """Return the dispersion axis of an exposure.

    Parameters
    ----------
    science : Exposure or Member
        The exposure.
    asked : {"auto", 1, 2, None}
        What the user asked for; "auto": what its header tells.

    Returns
    -------
    {1, 2, None}
        Along x, along y, or not known, which is warned of.

    Raises
    ------
    ExposureError
        If the header tells of another axis.
    """
    if asked != "auto":
        return asked
    if science.dispaxis is not None:
        try:
            return check_dispaxis(science.dispaxis)
        except ValueError as error:
            raise ExposureError(f"{science.path}: DISPAXIS: {error}") from None
    if science.exp_type in DISPAXIS_OF_EXP_TYPE:
        return DISPAXIS_OF_EXP_TYPE[science.exp_type]
    warn(
        f"{science.path}: neither DISPAXIS nor EXP_TYPE tells the dispersion axis; the running "
        "median's window is a square. Give dispaxis if you know it"
    )
    return None


def warn(message: str) -> None:
    """Warn the user of the step."""
    warnings.warn(message, SelfcalWarning, stacklevel=3)
