"""Pedestal, minimum image, mean error, noise and percentiles of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._kernels import add_errors, fold_minimum, pedestal_in_mask, pedestal_in_region
from .._kernels import percentiles as percentiles_of
from ..errors import warn
from ..instrument import DO_NOT_USE, REFERENCE_PIXEL, Region, within
from .checks import FloatArray, as_floats, as_stored, kernel_view, refuse_masked

NOISIER: Final = 1.2
"""By how much the noise of an exposure may exceed the least, for the minimum image of the sigma
cut: where both are combined, three more exposures with 1.1 times the noise of three add nothing."""

BORDER: Final = 4
"""Rows and columns at each end that are reference pixels, on detectors that have them."""

ROWS: Final = 32
"""Rows of ERR, at least, whose median is the noise of an exposure."""


def pedestal(image: ArrayLike, gap: ArrayLike | Region) -> float:
    """Estimate the residual dark pedestal: the NaN-median over an unlit gap.

    Parameters
    ----------
    image : array_like of real numbers, shape (rows, cols)
        One exposure.
    gap : array_like of bool, shape (rows, cols), or tuple of int
        The unlit pixels, or the half-open rectangle ``(y0, y1, x0, x1)`` that holds them. A
        rectangle is clipped to the image, as in slicing.

    Returns
    -------
    float
        The median in the unit of `image`, rounded to the precision of `image`. NaN if the gap
        holds no valid sample.

    Raises
    ------
    TypeError
        If `image` is masked or not real, or `gap` is neither boolean nor whole numbers.
    ValueError
        If `image` is not 2-D, or `gap` has another shape, a negative bound or an end before its
        start.

    Warns
    -----
    SelfcalWarning
        If less than half of the rectangle lies inside the image.

    Notes
    -----
    The gap regions of the MIRI detectors are in `badpix_selfcal.instrument`.
    """
    samples = as_stored(image, "image")
    refuse_masked(gap, "gap")
    mask = np.asarray(gap)
    if mask.dtype == bool:
        if mask.shape != samples.shape:
            raise ValueError(
                f"gap must have the image's shape {samples.shape} or be (y0, y1, x0, x1), "
                f"got a mask of shape {mask.shape}"
            )
        return pedestal_in_mask(kernel_view(samples), np.ascontiguousarray(mask))
    region = _region(mask)
    whole, inside = (
        (y1 - y0) * (x1 - x0) for y0, y1, x0, x1 in (region, within(region, samples.shape))
    )
    if inside < whole / 2:
        part = f"only {100 * inside / whole:.2g} %" if inside else "nothing"
        warn(
            f"gap {region}: {part} of it lies inside the image of shape {samples.shape}; it is "
            "(y0, y1, x0, x1)"
        )
    return pedestal_in_region(kernel_view(samples), region)


def _region(gap: NDArray[Any]) -> Region:
    """Return the bounds of a rectangle, checked."""
    if gap.dtype.kind not in "iu":
        raise TypeError(
            f"gap must be a boolean mask or four whole numbers (y0, y1, x0, x1), got {gap!r}"
        )
    if gap.shape != (4,):
        raise ValueError(f"gap must be (y0, y1, x0, x1), got shape {gap.shape}")
    y0, y1, x0, x1 = (int(bound) for bound in gap.tolist())
    if not (0 <= y0 <= y1 and 0 <= x0 <= x1):
        raise ValueError(f"gap must have 0 <= y0 <= y1 and 0 <= x0 <= x1, got {(y0, y1, x0, x1)}")
    return y0, y1, x0, x1


def minimum_image(
    images: Iterable[ArrayLike], pedestals: Iterable[float] | None = None
) -> FloatArray:
    """Combine exposures into their pixelwise NaN-minimum.

    Parameters
    ----------
    images : iterable of array_like of real numbers, each of shape (rows, cols)
        The exposures. They are read one at a time: with a generator, memory holds only one.
    pedestals : iterable of float, optional
        The level to subtract from each exposure, in the precision of that exposure. None: nothing
        is subtracted.

    Returns
    -------
    ndarray of float32 or float64, shape (rows, cols)
        The minimum of the valid samples of each pixel; NaN where there is none. float32 if all
        exposures are float32 or float16, else float64.

    Raises
    ------
    TypeError
        If an exposure is masked or not real.
    ValueError
        If there is no exposure, one is not 2-D or differs in shape from the first, `pedestals`
        and `images` differ in length, or a pedestal is not finite (leave out that exposure).
    """
    running, absent = RunningMinimum(), object()
    levels = iter(repeat(0.0) if pedestals is None else pedestals)
    for image in images:
        level: Any = next(levels, absent)
        if level is absent:
            raise ValueError(f"pedestals must be as many as images, got only {running.count}")
        running.fold(image, level)
    if pedestals is not None and next(levels, absent) is not absent:
        raise ValueError("pedestals must be as many as images, got more")
    if running.image is None:
        raise ValueError("images must hold at least one exposure, got none")
    return running.image


class RunningMinimum:
    """The minimum `image` of the `count` exposures folded in so far; None before the first."""

    def __init__(self) -> None:
        self.image: FloatArray | None = None
        self.count = 0

    def fold(self, image: ArrayLike, pedestal: float = 0.0) -> None:
        """Fold in one exposure minus its pedestal, which must be finite.

        The exposure is not modified. The pedestal is subtracted in its precision.
        """
        number = self.count
        samples = as_stored(image, f"images[{number}]")
        with np.errstate(over="ignore"):  # a level beyond single precision becomes infinite
            level = samples.dtype.type(pedestal)
        if not np.isfinite(level):
            raise ValueError(
                f"pedestals[{number}] must be finite, got {pedestal}; leave that exposure out"
            )
        if self.image is None:
            self.image = np.empty(samples.shape, samples.dtype.newbyteorder("="))
        if samples.shape != self.image.shape:
            raise ValueError(
                f"images[{number}] has shape {samples.shape}, images[0] has {self.image.shape}; "
                "all must have the same"
            )
        if samples.dtype.itemsize < self.image.dtype.itemsize:
            # Subtracts in single precision, the exposure's own.
            self.image = np.fmin(self.image, samples - np.float32(pedestal))
        else:
            self.image = self.image.astype(samples.dtype.newbyteorder("="), copy=False)
            is_first = number == 0
            fold_minimum(self.image, kernel_view(samples), float(pedestal), is_first)
        self.count += 1


class MeanError:
    """The mean ERR of the exposures added so far, for the sigma cut of `find_bad_pixels`.

    A sample is valid if it is positive and finite. The order does not matter: sums of float32
    samples that differ by less than a factor of a million are exact for up to 500 exposures, others
    to double precision. Sums can be computed separately and merged. `shape` is that of an exposure.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._sum: NDArray[np.float64] = np.zeros(shape)
        self._count: NDArray[np.uint32] = np.zeros(shape, np.uint32)

    def __sizeof__(self) -> int:
        """Return the size in memory."""
        return object.__sizeof__(self) + self._sum.nbytes + self._count.nbytes

    def add(self, errors: ArrayLike) -> None:
        """Add the ERR of one exposure, in either byte order."""
        samples = as_stored(errors, "errors")
        if samples.shape != self.shape:
            raise ValueError(f"errors has shape {samples.shape}, the others have {self.shape}")
        add_errors(self._sum, self._count, [kernel_view(samples)])

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


def noise_of(errors: FloatArray) -> float:
    """Return the noise of an exposure: the median of the valid samples in some rows of its ERR.

    It is NaN if none is positive and finite.
    """
    samples = errors[:: max(1, len(errors) // ROWS)]
    valid = samples[(samples > 0) & (samples < np.inf)]
    return float(np.median(valid)) if valid.size else np.nan


def least_noise(noises: Iterable[float]) -> float:
    """Return the noise to compare those of different exposures with; NaN of fewer than two.

    It is the least, or the second, if no other is near the least: two exposures always remain.
    """
    known = sorted(noise for noise in noises if np.isfinite(noise))
    if len(known) < 2:
        return np.nan
    return known[0] if known[1] <= NOISIER * known[0] else known[1]


def too_noisy(noise: Mapping[Any, float]) -> dict[Any, float]:
    """Return those of some exposures, by their noise relative to the least, that are too noisy."""
    return {key: times for key, times in noise.items() if times > NOISIER}


def has_zeros(image: FloatArray) -> bool:
    """Return whether a sample is 0 that is not on the border, where the reference pixels are."""
    inner = image[BORDER:-BORDER, BORDER:-BORDER].view(f"i{image.itemsize}")
    return bool(np.count_nonzero(inner) < inner.size)


def unmeasured(image: FloatArray, errors: NDArray[Any], dq: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels have no measurement, but zeros, as earlier pipelines have written them.

    SCI and ERR are 0, and DQ has DO_NOT_USE. Reference pixels do not count.
    """
    bits = dq & np.uint32(DO_NOT_USE | REFERENCE_PIXEL)
    return np.asarray((bits == DO_NOT_USE) & (image == 0) & (errors == 0))


def percentiles(image: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Compute percentiles of the samples that are not NaN.

    Parameters
    ----------
    image : array_like of real numbers, any shape
        The samples.
    q : array_like of float
        Percentages from 0 to 100.

    Returns
    -------
    ndarray of float64, shape of `q`
        The percentiles in the unit of `image`; NaN if every sample is NaN.

    Raises
    ------
    TypeError
        If `image` or `q` is masked or not real.
    ValueError
        If a percentage lies outside 0 to 100.

    Notes
    -----
    Equal to ``numpy.nanpercentile(image, q, method="linear")`` to the last bit, for an array `q`
    of float64.
    """
    samples = as_floats(image, "image", ndim=None)
    percentages = as_floats(q, "q", ndim=None).astype(np.float64)
    if not np.all((percentages >= 0.0) & (percentages <= 100.0)):
        raise ValueError(f"q must be from 0 to 100, got {q!r}")
    return percentiles_of(samples.ravel(), percentages.ravel()).reshape(percentages.shape)
