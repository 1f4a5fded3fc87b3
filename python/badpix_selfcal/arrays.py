"""The algorithm on NumPy arrays: exposures in memory -> pedestal -> minimum image -> bad pixels.

This is the public interface of the kernels. Arrays may have any real dtype, byte order and
strides: float16 is computed as float32, integers and long doubles as float64. Exposures are read in
either byte order without a copy. Arguments are never modified. NaN always means "no measurement"
and is skipped. `badpix_selfcal.reference` does the same in plain NumPy, slowly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from logging import DEBUG

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _kernels
from ._arguments import (
    Method,
    check_axis,
    check_length,
    check_method,
    check_region,
    check_sides,
)
from ._floats import FloatArray, as_floats, as_stored, bits_of
from .detectors import IMAGE_AXIS, Dispaxis, Region
from .log import log
from .parameters import (
    Edge,
    Parameters,
    check_dispaxis,
    check_edge,
    check_flagfrac,
    check_kernel_size,
)

__all__ = [
    "BadPixels",
    "Method",
    "RunningMinimum",
    "find_bad_pixels",
    "median_filter",
    "minimum_image",
    "pedestal",
    "percentiles",
]


@dataclass(frozen=True, eq=False)
class BadPixels:
    """The bad pixels of a minimum image.

    Attributes
    ----------
    mask : ndarray of bool, shape (rows, cols)
        True where a pixel is bad.
    residual : ndarray of float, shape (rows, cols)
        The minimum image minus its running median, in the unit and precision of the image.
    cut_low, cut_high : float
        Residuals strictly below `cut_low` or above `cut_high` are flagged. NaN if no residual is
        finite.
    n_low, n_high : int
        The numbers of pixels flagged below `cut_low` and above `cut_high`.
    """

    mask: NDArray[np.bool_]
    residual: FloatArray
    cut_low: float
    cut_high: float
    n_low: int
    n_high: int

    @property
    def indices(self) -> tuple[NDArray[np.intp], ...]:
        """Rows and columns of the bad pixels, as `numpy.where` returns them."""
        return np.nonzero(self.mask)


def median_filter(
    image: ArrayLike,
    kernel_size: int | tuple[int, int],
    *,
    axis: int | None = None,
    edge: Edge = Parameters.edge,
    method: Method = "auto",
) -> FloatArray:
    """Compute a running median that skips NaN.

    Parameters
    ----------
    image : array_like of real numbers, shape (rows, cols) or (n,)
        The image, or one line.
    kernel_size : int or tuple of int
        Samples in the window along `axis`; without an axis, the side of a square window or
        (height, width). Odd, so that the window has a middle sample.
    axis : int or None, optional
        The axis of a 1-D window: 0 or 1 (negative values count from the last axis). None: a 2-D
        window, or the only axis of a 1-D `image`.
    edge : {"zero", "shrink"}, optional
        Samples beyond the border: "zero" counts them as zeros, "shrink" ignores them.
    method : {"auto", "heap", "network"}, optional
        The kernel: the double heap or selection networks. Windows too large for a network use the
        double heap. All methods have equal results.

    Returns
    -------
    ndarray of float32 or float64, shape of `image`
        The medians, in the unit of `image`: float32 for float16 and float32, else float64. The
        median of an even number of samples is the mean of the two in the middle, in this
        precision and without overflow. NaN where a window holds only NaN.

    Raises
    ------
    TypeError
        If `image` is masked or not real, or `kernel_size` or `axis` is not a whole number.
    ValueError
        If `image` is neither 1-D nor 2-D, or another argument has an invalid value.

    Notes
    -----
    With ``edge="zero"`` this is ``stcal.outlier_detection.utils.medfilt``. The double heap needs
    O(log k) operations per sample (Hardle and Steiger 1995, Applied Statistics 44, 258).
    """
    samples = as_floats(image, "image", ndim=(1, 2))
    edge = check_edge(edge)
    method = check_method(method)
    if samples.ndim == 1:
        check_axis(axis, ndim=1)
        length = check_length(kernel_size)
        return _kernels.median_along(samples.reshape(1, -1), 1, length, edge, method).ravel()
    if axis is None:
        height, width = check_sides(kernel_size)
        return _kernels.median_rectangle(samples, height, width, edge, method)
    length = check_length(kernel_size)
    return _kernels.median_along(samples, check_axis(axis, ndim=2), length, edge, method)


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

    Notes
    -----
    The gap regions of the MIRI detectors are in `badpix_selfcal.detectors`.
    """
    samples = as_stored(image, "image")
    mask = np.asarray(gap)
    if mask.dtype == bool:
        if mask.shape != samples.shape:
            raise ValueError(
                f"gap must have the image's shape {samples.shape} or be (y0, y1, x0, x1), "
                f"got a mask of shape {mask.shape}"
            )
        return _kernels.pedestal_in_mask(bits_of(samples), np.ascontiguousarray(mask))
    return _kernels.pedestal_in_region(bits_of(samples), check_region(mask))


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
    running = RunningMinimum()
    for image, level in _paired(images, pedestals):
        running.fold(image, level)
    if running.image is None:
        raise ValueError("images must hold at least one exposure, got none")
    return running.image


class RunningMinimum:
    """The minimum image of the exposures folded in so far; see `minimum_image`.

    Attributes
    ----------
    image : ndarray of float32 or float64, shape (rows, cols), or None
        The minimum image; None before the first exposure.
    count : int
        Exposures folded in.
    """

    def __init__(self) -> None:
        self.image: FloatArray | None = None
        self.count = 0

    def fold(self, image: ArrayLike, pedestal: float = 0.0) -> None:
        """Fold in one exposure minus its pedestal.

        Parameters
        ----------
        image : array_like of real numbers, shape (rows, cols)
            The exposure. It is not modified.
        pedestal : float, optional
            The level to subtract from it, in its own precision.

        Raises
        ------
        TypeError
            If `image` is masked or not real.
        ValueError
            If `image` is not 2-D or differs in shape from the first, or `pedestal` is not finite.
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
        if samples.dtype.itemsize > self.image.dtype.itemsize:
            self.image = self.image.astype(np.float64)
        if samples.dtype.itemsize == self.image.dtype.itemsize:
            is_first = number == 0
            _kernels.fold_minimum(self.image, bits_of(samples), float(pedestal), is_first)
        else:  # subtracts in single precision, the exposure's own
            self.image = np.fmin(self.image, samples - np.float32(pedestal))
        self.count += 1


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
    return _kernels.percentiles(samples.ravel(), percentages.ravel()).reshape(percentages.shape)


def find_bad_pixels(
    minimum: ArrayLike,
    *,
    dispaxis: Dispaxis,
    kernel_size: int = Parameters.kernel_size,
    flagfrac_lower: float = Parameters.flagfrac_lower,
    flagfrac_upper: float = Parameters.flagfrac_upper,
    edge: Edge = Parameters.edge,
) -> BadPixels:
    """Find the pixels of a minimum image that stand out from its running median.

    Parameters
    ----------
    minimum : array_like of real numbers, shape (rows, cols)
        The minimum image (see `minimum_image`).
    dispaxis : {1, 2, None}
        The dispersion axis, along which the window of the running median extends: 1 along x (image
        axis 1), 2 along y (image axis 0). None: a square window.
    kernel_size : int, optional
        Samples in the window of the running median, an odd number.
    flagfrac_lower, flagfrac_upper : float, optional
        Fraction of the pixels to flag at each end, 0 to 0.5.
    edge : {"zero", "shrink"}, optional
        Samples beyond the border (see `median_filter`). "zero" is the rule of the pipeline, but
        puts a third of the flags of a flat image near its border. "shrink" does not.

    Returns
    -------
    BadPixels
        The mask, the residual (float32 or float64, as in `median_filter`), the cuts and the
        counts.

    Raises
    ------
    TypeError
        If `minimum` is masked or not real, or an argument has the wrong type.
    ValueError
        If `minimum` is not 2-D, or another argument has an invalid value.

    Notes
    -----
    On finite data ``find_bad_pixels(...).indices`` equals
    ``jwst.badpix_selfcal.badpix_selfcal.badpix_selfcal(...)`` exactly. The cuts are computed from
    the finite residuals alone, and every infinite residual is flagged; with infinite residuals jwst
    may flag nothing at one end. (If a sample and its running median are both infinite, there is no
    residual, and the sample is not flagged.)
    """
    samples = as_floats(minimum, "minimum", ndim=(2,))
    axis = IMAGE_AXIS[check_dispaxis(dispaxis)]
    length = check_kernel_size(kernel_size)
    if log.isEnabledFor(DEBUG):
        height, width = 1 if axis == 1 else length, 1 if axis == 0 else length
        kernel = _kernels.median_kernel(height, width, *samples.shape)
        log.debug("running median over %d x %d samples: %s", height, width, kernel)
    return BadPixels(
        *_kernels.find_bad_pixels(
            samples,
            length,
            axis,
            check_flagfrac(flagfrac_lower, "flagfrac_lower"),
            check_flagfrac(flagfrac_upper, "flagfrac_upper"),
            check_edge(edge),
        )
    )


def _paired(
    images: Iterable[ArrayLike], pedestals: Iterable[float] | None
) -> Iterator[tuple[ArrayLike, float]]:
    if pedestals is None:
        for image in images:
            yield image, 0.0
        return
    levels = iter(pedestals)
    for number, image in enumerate(images):
        level = next(levels, None)
        if level is None:
            raise ValueError(f"pedestals must be as many as images, got only {number}")
        yield image, level
    if next(levels, None) is not None:
        raise ValueError("pedestals must be as many as images, got more")
