"""The minimum image of a plan's exposures, computed from one exposure after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._floats import FloatArray, as_stored
from .._interrupts import result_of
from ..arrays import MeanError, RunningMinimum, pedestal
from ..detectors import Region, within
from ..errors import ExposureError
from ..files.exposure import Samples
from ..files.location import Location
from ..log import log
from .reader import AHEAD, Reader, in_order

__all__ = ["Failed", "Measured", "MinimumImage", "combine"]

Failed: TypeAlias = dict[Location, Exception]
"""The exposures that cannot be used, and why."""


class Measured(NamedTuple):
    """One exposure on its way into a minimum image.

    Attributes
    ----------
    image : ndarray of float, shape (rows, cols)
        Its SCI.
    level : float
        Its pedestal, in the unit of SCI.
    errors : ndarray of float, shape (rows, cols), or None
        Its ERR, if it is asked for and exists.
    """

    image: FloatArray
    level: float
    errors: FloatArray | None


class MinimumImage:
    """The minimum image of exposures minus their pedestals, folded in one by one.

    The order does not matter. Minimum images can be computed separately and merged.

    Parameters
    ----------
    gap : tuple of int or None
        Where each exposure's pedestal is measured (`badpix_selfcal.detectors.gap_of`); None: no
        pedestal is subtracted.

    Attributes
    ----------
    pedestals : dict of Path or RemoteFile to float
        The pedestal of each exposure, in the unit of its SCI; NaN if the exposure was left out.
        Empty without a gap.
    used : list of Path or RemoteFile
        The exposures folded in, without those left out.
    """

    def __init__(self, gap: Region | None) -> None:
        self.gap = gap
        self.pedestals: dict[Location, float] = {}
        self.used: list[Location] = []
        self._running = RunningMinimum()
        self._errors: MeanError | None = None

    def __sizeof__(self) -> int:
        """Return the size in memory. Dask needs it to avoid moves of large results."""
        image = 0 if self.image is None else self.image.nbytes
        return object.__sizeof__(self) + image + sys.getsizeof(self._errors)

    @property
    def image(self) -> FloatArray | None:
        """The minimum image; None before the first exposure."""
        return self._running.image

    @property
    def error(self) -> NDArray[np.float64] | None:
        """The mean ERR of the exposures; None if no sample of ERR is valid, or none was read."""
        return None if self._errors is None else self._errors.image()

    def measure(self, samples: Samples, errors: Samples | None = None) -> Measured:
        """Return an exposure as `fold` takes it; callable in any thread.

        Parameters
        ----------
        samples : ndarray of real numbers, shape (rows, cols)
            The SCI of one exposure.
        errors : ndarray of real numbers, shape (rows, cols), or None, optional
            Its ERR.

        Returns
        -------
        Measured
            Both, and the pedestal in the unit of the samples: 0 without a gap, NaN or infinite if
            it cannot be measured.
        """
        image = as_stored(samples, "SCI")
        level = 0.0 if self.gap is None else pedestal(image, within(self.gap, image.shape))
        return Measured(image, level, None if errors is None else as_stored(errors, "ERR"))

    def fold(self, path: Location, measured: Measured) -> None:
        """Fold in one exposure, unless its pedestal is not finite.

        Parameters
        ----------
        path : Path or RemoteFile
            The exposure.
        measured : Measured
            Its images, which are not kept, and its pedestal.

        Raises
        ------
        ExposureError
            If its shape differs from that of the others.
        """
        image, level, errors = measured
        if self.gap is not None:
            self.pedestals[path] = level if np.isfinite(level) else np.nan
        if not np.isfinite(level):
            log.debug("%s: left out, no pedestal", path)
            return
        if self.image is not None and image.shape != self.image.shape:
            raise ExposureError(
                f"{path}: SCI has shape {image.shape}, that of the others {self.image.shape}"
            )
        self._running.fold(image, level)
        if errors is not None:
            self._errors = self._errors or MeanError(image.shape)
            self._errors.add(errors)
        self.used.append(path)
        log.debug("%s: combined, pedestal %.6g", path, level)

    def merge(self, other: MinimumImage) -> None:
        """Fold in the exposures of another minimum image with the same gap."""
        if other.image is not None:
            self._running.fold(other.image)
        if other._errors is not None:
            self._errors = self._errors or MeanError(other._errors.shape)
            self._errors.merge(other._errors)
        self.pedestals |= other.pedestals
        self.used += other.used


def combine(
    paths: Iterable[Location],
    gap: Region | None,
    reader: Reader,
    executor: Executor,
    ahead: int = AHEAD,
    done: Callable[[], None] = lambda: None,
) -> tuple[MinimumImage, Failed]:
    """Combine exposures of one detector.

    Other threads read exposures and measure pedestals. This thread folds the exposures in. Memory
    does not grow with their number.

    Parameters
    ----------
    paths : iterable of Path or RemoteFile
        The exposures.
    gap : tuple of int or None
        Where their pedestals are measured.
    reader : Reader
        Reads them.
    executor : Executor
        The threads that read.
    ahead : int, optional
        The largest number of images that are read ahead.
    done : callable, optional
        Called after each exposure, in this thread.

    Returns
    -------
    minimum : MinimumImage
        The minimum image and the pedestals.
    failed : dict of Path or RemoteFile to Exception
        The exposures that could not be read; the others are combined.
    """
    minimum, failed = MinimumImage(gap), Failed()

    def read(path: Location) -> Measured:
        return minimum.measure(*reader.images(path))

    for path, measured in in_order(executor, read, paths, ahead):
        try:
            minimum.fold(path, result_of(measured))
        except ExposureError as error:
            failed[path] = error
        done()
        del measured  # its samples would stay in memory while the next exposure is read
    return minimum, failed
