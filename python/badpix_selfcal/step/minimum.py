"""The minimum image of a plan's exposures, computed from one exposure after the other."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._interrupts import result_of
from ..arrays import MeanError, RunningMinimum, pedestal
from ..arrays.floats import FloatArray, as_stored
from ..errors import ExposureError
from ..files.exposure import Samples
from ..files.location import Location
from ..instrument import Region, within
from ..log import log
from .reader import AHEAD, Reader, in_order

__all__ = ["Failed", "Measured", "MinimumImage", "combine"]

APART: Final = 31
"""Every so many rows and columns hold a sample that shows whether an image is constant."""

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
    digest : bytes
        A digest of SCI, by which copies of one exposure are noticed.
    is_constant : bool
        Whether all finite samples of SCI are equal, or there is none.
    """

    image: FloatArray
    level: float
    errors: FloatArray | None
    digest: bytes
    is_constant: bool


class MinimumImage:
    """The minimum image of exposures minus their pedestals, folded in one by one.

    The order does not matter. Minimum images can be computed separately and merged.

    Parameters
    ----------
    gap : tuple of int or None
        Where each exposure's pedestal is measured (`badpix_selfcal.instrument.gap_of`); None: no
        pedestal is subtracted.

    Attributes
    ----------
    pedestals : dict of Path or RemoteFile to float
        The pedestal of each exposure, in the unit of its SCI; NaN if the exposure was left out.
        Empty without a gap.
    used : list of Path or RemoteFile
        The exposures folded in, without those left out.
    digests : dict of Path or RemoteFile to bytes
        A digest of the SCI of each of them.
    constant : list of Path or RemoteFile
        Those whose SCI is constant.
    """

    def __init__(self, gap: Region | None) -> None:
        self.gap = gap
        self.pedestals: dict[Location, float] = {}
        self.used: list[Location] = []
        self.digests: dict[Location, bytes] = {}
        self.constant: list[Location] = []
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

    @property
    def copies(self) -> dict[Location, Location]:
        """The exposures with the SCI of an earlier one, and that one: they add nothing."""
        first: dict[bytes, Location] = {}
        origins = {path: first.setdefault(self.digests[path], path) for path in self.used}
        return {path: origin for path, origin in origins.items() if path != origin}

    @property
    def n_exposures(self) -> int:
        """How many different exposures are combined."""
        return len(self.used) - len(self.copies)

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
        stored = None if errors is None else as_stored(errors, "ERR")
        return Measured(image, level, stored, _digest(image), _is_constant(image))

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
        image, level, errors, digest, is_constant = measured
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
        self.digests[path] = digest
        self.constant += [path] * is_constant
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
        self.digests |= other.digests
        self.constant += other.constant


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


def _digest(image: FloatArray) -> bytes:
    """Return a digest of the sums of an image's rows and columns, its samples taken as integers.

    A digest of all samples takes tens of times as long.
    """
    words = image.view(f"u{image.itemsize}")
    digest = hashlib.blake2b(digest_size=16)
    for axis in (0, 1):
        digest.update(np.add.reduce(words, axis=axis, dtype=words.dtype))  # wraps around
    return digest.digest()


def _is_constant(image: FloatArray) -> bool:
    """Return whether all finite samples are equal, or there is none."""
    for part in (image[::APART, ::APART], image):  # as a rule a few samples are enough
        known = part[np.isfinite(part)]
        if known.size and known.min() != known.max():
            return False
    return True
