"""The algorithm on NumPy arrays: exposures in memory -> pedestal -> minimum image -> bad pixels.

The kernels' public face. Any real dtype, byte order and strides are taken: float16 is computed
as float32, integers and long doubles as float64; exposures are read in either byte order without
a copy. Arguments are never modified. NaN always means
"no measurement" and is skipped. `badpix_selfcal.reference` does the same in plain NumPy, slowly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _kernels
from ._floats import FloatArray, as_floats, as_stored, bits_of
from .detectors import Dispaxis, Region
from .parameters import (
    EDGE,
    FLAGFRAC,
    KERNEL_SIZE,
    Edge,
    check_dispaxis,
    check_edge,
    check_flagfrac,
    check_kernel_size,
    check_whole,
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

Method: TypeAlias = Literal["auto", "heap", "network"]
"""The running medians to choose from; all give equal results."""

METHODS: Final[tuple[Method, ...]] = ("auto", "heap", "network")


@dataclass(frozen=True, eq=False)
class BadPixels:
    """The bad pixels of a minimum image.

    Attributes
    ----------
    mask : ndarray of bool, shape (rows, cols)
        True where a pixel is bad.
    residual : ndarray of float, shape (rows, cols)
        Minimum image less its running median, in the image's unit and precision.
    cut_low, cut_high : float
        Residuals strictly beyond these are flagged. NaN if no residual is finite.
    n_low, n_high : int
        Pixels flagged at each end.
    """

    mask: NDArray[np.bool_]
    residual: FloatArray
    cut_low: float
    cut_high: float
    n_low: int
    n_high: int

    @property
    def indices(self) -> tuple[NDArray[np.intp], ...]:
        """Rows and columns of the bad pixels, as `numpy.where` gives them."""
        return np.nonzero(self.mask)


def median_filter(
    image: ArrayLike,
    kernel_size: int | tuple[int, int],
    *,
    axis: int | None = None,
    edge: Edge = EDGE,
    method: Method = "auto",
) -> FloatArray:
    """Running median that skips NaN.

    Parameters
    ----------
    image : array_like of real numbers, shape (rows, cols) or (n,)
        What to filter.
    kernel_size : int or tuple of int
        Samples in the window along `axis`; without an axis, the side of a square window or
        (height, width). Odd, so that the window has a middle.
    axis : int or None, optional
        The axis along which a window of one line runs: 0 or 1 (negative values count from the
        last axis). None gives a 2-D window, or on a 1-D `image` the only axis.
    edge : {"zero", "shrink"}, optional
        Beyond the border, "zero" sees zeros that count as samples; "shrink" sees nothing.
    method : {"auto", "heap", "network"}, optional
        The kernel: the double heap, or selection networks, which large windows are too large for.
        The results are the same.

    Returns
    -------
    ndarray of float32 or float64, shape of `image`
        The medians, in the unit of `image`: float32 for float16 and float32, else float64. Of an
        even number of samples the two in the middle are averaged in this precision, without
        overflow. NaN where a window holds nothing but NaN.

    Raises
    ------
    TypeError
        If `image` is masked or not real, or a whole number is asked for and not given.
    ValueError
        If `image` is neither 1-D nor 2-D, or another argument has a value it may not take.

    Notes
    -----
    With ``edge="zero"`` this is ``stcal.outlier_detection.utils.medfilt``. The double heap takes
    O(log k) a sample (Hardle and Steiger 1995, Applied Statistics 44, 258).
    """
    samples = as_floats(image, "image", ndim=(1, 2))
    edge = check_edge(edge)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if samples.ndim == 1:
        _check_axis(axis, ndim=1)
        length = check_kernel_size(_single(kernel_size))
        return _kernels.median_along(samples.reshape(1, -1), 1, length, edge, method).ravel()
    if axis is None:
        height, width = _height_and_width(kernel_size)
        return _kernels.median_plane(samples, height, width, edge, method)
    length = check_kernel_size(_single(kernel_size))
    return _kernels.median_along(samples, _check_axis(axis, ndim=2), length, edge, method)


def pedestal(image: ArrayLike, gap: ArrayLike | Region) -> float:
    """Estimate the residual dark pedestal: the NaN-median over an unlit gap.

    Parameters
    ----------
    image : array_like of real numbers, shape (rows, cols)
        One exposure.
    gap : array_like of bool, shape (rows, cols), or tuple of int
        The unlit pixels, or the rectangle ``(y0, y1, x0, x1)``, half-open, that holds them. A
        rectangle is clipped to the image, as slicing does.

    Returns
    -------
    float
        The median in the unit of `image` and rounded to its precision; NaN if the gap holds no
        valid sample.

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
    return _kernels.pedestal_in_region(bits_of(samples), _as_region(mask))


def minimum_image(
    images: Iterable[ArrayLike], pedestals: Iterable[float] | None = None
) -> FloatArray:
    """Combine exposures into their pixelwise NaN-minimum.

    Parameters
    ----------
    images : iterable of array_like of real numbers, each of shape (rows, cols)
        The exposures; consumed one at a time, so that a generator keeps one in memory.
    pedestals : iterable of float, optional
        What to subtract from each exposure, in that exposure's own precision. None: nothing.

    Returns
    -------
    ndarray of float32 or float64, shape (rows, cols)
        The minimum of each pixel's valid samples; NaN where there is none. float32 if all
        exposures are float32 or float16, else float64.

    Raises
    ------
    TypeError
        If an exposure is masked or not real.
    ValueError
        If there is no exposure, one is not 2-D or differs in shape from the first, `pedestals`
        is not as long as `images`, or a pedestal is not finite (it would make the exposure
        vanish: leave that exposure out instead).
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
        """Fold in one exposure, less its pedestal.

        Parameters
        ----------
        image : array_like of real numbers, shape (rows, cols)
            The exposure; only read.
        pedestal : float, optional
            What to subtract from it, in its own precision.

        Raises
        ------
        TypeError
            If `image` is masked or not real.
        ValueError
            If `image` is not 2-D or differs in shape from the first, or `pedestal` is not finite.
        """
        number = self.count
        samples = as_stored(image, f"images[{number}]")
        if not np.isfinite(samples.dtype.type(pedestal)):
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
        else:  # a single-precision exposure among doubles keeps its own precision until here
            self.image = np.fmin(self.image, samples - np.float32(pedestal))
        self.count += 1


def percentiles(image: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Percentiles of the samples that are not NaN.

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
    kernel_size: int = KERNEL_SIZE,
    dispaxis: Dispaxis = None,
    flagfrac_lower: float = FLAGFRAC,
    flagfrac_upper: float = FLAGFRAC,
    edge: Edge = EDGE,
) -> BadPixels:
    """Find the pixels of a minimum image that stand out of its running median.

    Parameters
    ----------
    minimum : array_like of real numbers, shape (rows, cols)
        The minimum image (see `minimum_image`).
    kernel_size : int, optional
        Samples in the running median's window; odd.
    dispaxis : {1, 2, None}, optional
        The dispersion axis, along which the window runs: 1 along x (image axis 1), 2 along y
        (image axis 0). None: a square window.
    flagfrac_lower, flagfrac_upper : float, optional
        Fraction of the pixels to flag at each end, 0 to 0.5.
    edge : {"zero", "shrink"}, optional
        What the window sees beyond the border (see `median_filter`). "zero" is the reference's
        rule; it draws a third of the flags of a flat image to its border. "shrink" does not.

    Returns
    -------
    BadPixels
        The mask, the residual (float32 or float64, as `median_filter` gives it), the cuts and
        the counts.

    Raises
    ------
    TypeError
        If `minimum` is masked or not real, or an argument has the wrong type.
    ValueError
        If `minimum` is not 2-D, or an argument has a value it may not take.

    Notes
    -----
    On finite data ``find_bad_pixels(...).indices`` equals
    ``jwst.badpix_selfcal.badpix_selfcal.badpix_selfcal(...)`` exactly. Where residuals are
    infinite, the cuts come from the finite ones and every infinite residual is flagged; there
    the reference can lose the whole end. (An infinite sample whose running median is infinite too
    has no residual and is not flagged.)
    """
    samples = as_floats(minimum, "minimum", ndim=(2,))
    axis = {1: 1, 2: 0, None: None}[check_dispaxis(dispaxis)]
    return BadPixels(
        *_kernels.find_bad_pixels(
            samples,
            check_kernel_size(kernel_size),
            axis,
            check_flagfrac(flagfrac_lower, "flagfrac_lower"),
            check_flagfrac(flagfrac_upper, "flagfrac_upper"),
            check_edge(edge),
        )
    )


def _single(kernel_size: int | tuple[int, ...]) -> int:
    if not isinstance(kernel_size, tuple):
        return kernel_size
    if len(kernel_size) == 1:
        return kernel_size[0]
    raise ValueError(f"kernel_size must be one whole number along one axis, got {kernel_size!r}")


def _height_and_width(kernel_size: int | tuple[int, ...]) -> tuple[int, int]:
    sides = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    if len(sides) != 2:
        raise ValueError(f"kernel_size must be a whole number or two, got {kernel_size!r}")
    return check_kernel_size(sides[0]), check_kernel_size(sides[1])


def _check_axis(axis: int | None, ndim: int) -> int:
    number = 0 if axis is None else check_whole(axis, "axis")
    if not -ndim <= number < ndim:
        raise ValueError(f"axis must be 0{' or 1' * (ndim - 1)} or None, got {axis}")
    return number % ndim


def _as_region(bounds: NDArray[np.generic]) -> Region:
    if bounds.dtype.kind not in "iu":
        raise TypeError(
            f"gap must be a boolean mask or four whole numbers (y0, y1, x0, x1), got {bounds!r}"
        )
    if bounds.shape != (4,):
        raise ValueError(f"gap must be (y0, y1, x0, x1), got shape {bounds.shape}")
    y0, y1, x0, x1 = (int(bound) for bound in bounds.tolist())
    if not (0 <= y0 <= y1 and 0 <= x0 <= x1):
        raise ValueError(f"gap must have 0 <= y0 <= y1 and 0 <= x0 <= x1, got {(y0, y1, x0, x1)}")
    return y0, y1, x0, x1


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
