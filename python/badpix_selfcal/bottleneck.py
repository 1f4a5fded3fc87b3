"""`move_median` of `bottleneck`, with equal results, far faster on many or long lines.

>>> from badpix_selfcal.bottleneck import move_median
>>> move_median([1.0, 2.0, 9.0, 3.0], window=2)
array([nan, 1.5, 5.5, 6. ])

bottleneck is not needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays.checks import as_floats, check_axes, check_whole
from .arrays.medians import check_window, filtered

__all__ = ["move_median"]


def move_median(
    a: ArrayLike, window: int, min_count: int | None = None, axis: int = -1
) -> NDArray[Any]:
    """Compute the running median of the last samples along an axis, which skips NaN.

    The results equal those of ``bottleneck.move_median`` to the last bit, but for the sign of a
    zero.

    Parameters
    ----------
    a : array_like of real numbers
        The samples.
    window : int
        Samples in the window, which ends at its pixel: from 1 to the length of the axis.
    min_count : int or None, optional
        The least number of samples in a window that are not NaN. With fewer, the median is NaN.
        None: `window`.
    axis : int, optional
        The axis.

    Returns
    -------
    ndarray of floats, shape of `a`
        The medians: of the type of `a`, if it has floats, else float64. At the start of the axis, a
        window has fewer samples.

    Raises
    ------
    TypeError
        If `a` is not real, or a number is not whole.
    ValueError
        If `a` has no dimension, or another argument has an invalid value.

    Notes
    -----
    It differs from bottleneck so: the mean of two samples does not overflow; longdouble is computed
    in double precision. `badpix_selfcal.median_filter` has other windows and rules for the ends.
    """
    given = np.asarray(a)
    as_is = given.dtype.kind == "f"
    samples = as_floats(a if given.dtype.kind != "b" else given.view(np.uint8), "a", ndim=None)
    if samples.ndim == 0:
        raise ValueError("a must have at least one dimension, got a single number")
    (along,) = check_axes(samples.ndim, axis, "axis")
    length, most = check_whole(window, "window"), samples.shape[along]
    if not 1 <= length <= most:
        raise ValueError(f"window must be from 1 to the {most} samples of the axis, got {window}")
    least = length if min_count is None else check_whole(min_count, "min_count")
    if not 1 <= least <= length:
        raise ValueError(f"min_count must be from 1 to window ({length}), got {min_count}")
    trailing = check_window(samples.ndim, length, along, (length - 1) // 2)
    medians = filtered(samples, trailing, "shrink", min_count=least)
    return medians.astype(given.dtype, copy=False) if as_is else medians
