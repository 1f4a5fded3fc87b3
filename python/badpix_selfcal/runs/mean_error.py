"""The mean error of exposures, for the sigma cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import _kernels
from .._floats import FloatArray, bits_of

__all__ = ["MeanError"]


class MeanError:
    """The mean of the valid ERR samples of exposures, added one by one.

    A sample is valid if it is positive and finite. The order does not matter: sums of float32
    samples that differ by less than a factor of a million are exact for up to 500 exposures, others
    to double precision. Sums can be computed separately and merged.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of an exposure.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._sum: NDArray[np.float64] = np.zeros(shape)
        self._count: NDArray[np.uint32] = np.zeros(shape, np.uint32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of an exposure."""
        return self._sum.shape

    def __sizeof__(self) -> int:
        """Return the size in memory."""
        return object.__sizeof__(self) + self._sum.nbytes + self._count.nbytes

    def add(self, errors: FloatArray) -> None:
        """Add the ERR of one exposure, in either byte order."""
        _kernels.add_errors(self._sum, self._count, bits_of(errors))

    def merge(self, other: MeanError) -> None:
        """Add the exposures of another mean."""
        self._sum += other._sum
        self._count += other._count

    def image(self) -> NDArray[np.float64] | None:
        """Return the mean, NaN where no sample is valid; None if none is valid at all."""
        if not self._count.any():
            return None
        with np.errstate(invalid="ignore"):
            return self._sum / self._count
