"""`medfilt` of ``stcal.outlier_detection.utils``, as it is there and far faster.

Every array and window that stcal's function takes gives the same array here, to the last bit and
in the same dtype; whatever it refuses is refused with an exception of the same type. stcal itself
is not needed.

>>> from badpix_selfcal.stcal import medfilt
>>> medfilt([[1.0, 9.0, 2.0, 3.0]], (1, 3))
array([[1., 2., 3., 2.]])
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from . import _kernels
from ._floats import FloatArray

__all__ = ["medfilt"]

SUMMED: Final = 600
"""Below as many samples in a window, NumPy doubles and halves a median even of odd count."""


def medfilt(arr: ArrayLike, kern_size: Sequence[int]) -> NDArray[Any]:
    """Running median that skips NaN and sees zeros beyond the border.

    Parameters
    ----------
    arr : array_like
        What to filter, of any number of dimensions but none. The mask of a masked array is not
        heeded.
    kern_size : sequence of int
        Samples in the window along every axis of `arr`.

    Returns
    -------
    ndarray
        The medians: in the precision of `arr` if that holds floating-point numbers, in float64
        for integers and booleans. NaN where a window holds nothing but NaN. Along an axis of `n`
        samples there are `n` medians of an odd window; of an even one there are ``n + 1``, one
        between all neighbours and one beyond either end.

    Raises
    ------
    TypeError
        If `kern_size` is not a sequence of whole numbers, or `arr` holds what has no median.
    ValueError
        If `kern_size` is not as long as `arr` has axes, a length in it is below 1, or one is
        longer than an axis and what is seen beyond it (an odd window on an axis of no samples).

    Notes
    -----
    The mean of the two samples in the middle is that of stcal: their sum, halved. It overflows to
    infinity where the sum does, which `badpix_selfcal.median_filter` avoids. In windows of less
    than 600 samples NumPy computes the single sample in the middle in this way as well, so that
    those above half the largest float come out infinite.

    The kernels serve real numbers of up to 64 bits and windows that are longer than 1 along at
    most two axes. All else is left to NumPy, as slow as in stcal.
    """
    lengths = _lengths(kern_size)
    samples = None if lengths is None else _samples(arr)
    if lengths is None or samples is None or not _is_fast(samples, lengths):
        return _by_numpy(arr, kern_size)
    medians = _by_kernels(samples, lengths)
    dtype = np.asarray(arr).dtype
    if dtype.kind == "f":
        medians = medians.astype(dtype.newbyteorder("="), copy=False)
    return _overflown(medians, math.prod(lengths), arr, kern_size)


def _lengths(kern_size: Sequence[int]) -> tuple[int, ...] | None:
    """Return the window's lengths; None unless they are plainly whole numbers."""
    if isinstance(kern_size, np.ndarray):
        plain = kern_size.ndim == 1 and kern_size.dtype.kind == "i"
    else:
        plain = isinstance(kern_size, (tuple, list)) and all(
            isinstance(length, (int, np.signedinteger)) for length in kern_size
        )
    return tuple(int(length) for length in kern_size) if plain else None


def _samples(arr: ArrayLike) -> FloatArray | None:
    """Return an array as the kernels take it; None if they cannot."""
    array = np.asarray(arr)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        return None
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    dtype = np.float32 if single else np.float64
    return np.require(array, dtype=dtype, requirements=["A"])


def _is_fast(samples: FloatArray, lengths: tuple[int, ...]) -> bool:
    return (
        0 < samples.ndim == len(lengths)
        and samples.size > 0
        and all(0 < length < 1 << 31 for length in lengths)
        and sum(length > 1 for length in lengths) <= 2
    )


def _by_kernels(samples: FloatArray, lengths: tuple[int, ...]) -> FloatArray:
    """Filter planes of the (at most two) axes along which the window is longer than 1."""
    if samples.ndim == 1:
        return _plane(samples.reshape(1, -1), (1, lengths[0])).ravel()
    if samples.ndim == 2:
        return _plane(samples, (lengths[0], lengths[1]))
    # The longest two lengths last, in the order of their axes.
    order = sorted(range(samples.ndim), key=lambda axis: lengths[axis] > 1)
    planes = samples.transpose(order)
    window = (lengths[order[-2]], lengths[order[-1]])
    medians = np.array([_plane(planes[place], window) for place in np.ndindex(planes.shape[:-2])])
    medians = medians.reshape(*planes.shape[:-2], *medians.shape[1:])
    return np.ascontiguousarray(medians.transpose(np.argsort(order)))


def _plane(image: FloatArray, window: tuple[int, int]) -> FloatArray:
    height, width = window
    if height % 2 == 0 or width % 2 == 0:
        # A window of an even length is also put around the first sample beyond the end.
        image = np.ascontiguousarray(np.pad(image, [(0, 1 - length % 2) for length in window]))
        return _kernels.median_reaching(image, _reach(height), _reach(width), "zero")
    return _kernels.median_plane(np.ascontiguousarray(image), height, width, "zero")


def _reach(length: int) -> tuple[int, int]:
    return length // 2, (length - 1) // 2


def _overflown(
    medians: FloatArray, count: int, arr: ArrayLike, kern_size: Sequence[int]
) -> NDArray[Any]:
    """Let the medians overflow that do in stcal."""
    with np.errstate(over="ignore"):
        if count < SUMMED:
            medians += medians
            medians *= medians.dtype.type(0.5)
            return medians
        # NumPy sums half precision in single, where nothing overflows; else it sums two samples
        # but not one, and how many there were is not known here.
        if medians.dtype.itemsize > 2 and np.isinf(medians + medians).any():
            return _by_numpy(arr, kern_size)
    return medians


def _by_numpy(arr: ArrayLike, kern_size: Sequence[int]) -> NDArray[Any]:
    """Filter anything that has a median, or raise what stcal would."""
    padded = np.pad(np.asarray(arr), [[length // 2] for length in kern_size])
    window = np.array(kern_size, dtype=np.intp)
    if window.shape != (padded.ndim,):
        raise ValueError(f"kern_size must have {padded.ndim} lengths, got {kern_size!r}")
    if window.min() < 1:
        raise ValueError(f"kern_size must be 1 or more along every axis, got {kern_size!r}")
    windows = sliding_window_view(padded, tuple(window))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        medians = np.nanmedian(windows, axis=tuple(range(-padded.ndim, 0)))
    return np.ascontiguousarray(medians)
