"""Windows of the running median on arrays: their axes, their places, and the stack of images.

The kernels filter stacks of images. An array is viewed as one: a window of one line moves along the
rows or the columns of the images, a rectangle over both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from .. import _kernels
from .arguments import Method
from .checks import check_whole
from .floats import FloatArray

__all__ = [
    "BORDERS",
    "Border",
    "Whole",
    "Window",
    "check_axes",
    "check_border",
    "check_fill",
    "check_window",
    "filtered",
]

Border: TypeAlias = Literal["zero", "constant", "shrink", "nearest", "reflect", "mirror", "wrap"]
"""What a window contains beyond the ends of an axis; the last four as in `scipy.ndimage`."""

BORDERS: Final[tuple[Border, ...]] = (
    "zero",
    "constant",
    "shrink",
    "nearest",
    "reflect",
    "mirror",
    "wrap",
)

FARTHEST: Final = 1 << 61
"""Samples to one side of a window: more than any array has."""

Whole: TypeAlias = int | tuple[int, ...]
"""A number for all axes of a window, or one for each."""


@dataclass(frozen=True)
class Window:
    """A window over one axis or two.

    Attributes
    ----------
    axes : tuple of int
        The axes, in ascending order.
    reaches : tuple of tuple of int
        For each axis the samples in the window before and after the one that it belongs to.
    """

    axes: tuple[int, ...]
    reaches: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Samples in the window."""
        return math.prod(before + after + 1 for before, after in self.reaches)


def check_border(edge: str) -> Border:
    """Return the name of a rule for the ends of an axis.

    Raises
    ------
    ValueError
        If there is no such rule.
    """
    for known in BORDERS:
        if isinstance(edge, str) and edge == known:
            return known
    raise ValueError(f"edge must be one of {', '.join(BORDERS)}, got {edge!r}")


def check_fill(fill: float | None, edge: Border) -> float:
    """Return the value beyond the ends of an axis, NaN if the edge has none.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is given for another edge than "constant", or not given for this one.
    """
    if (fill is None) == (edge == "constant"):
        what = "needs fill, the value beyond the border" if fill is None else "has no fill"
        raise ValueError(f"edge={edge!r} {what}")
    try:
        return math.nan if fill is None else float(fill)
    except (TypeError, ValueError):
        raise TypeError(f"fill must be a number, got {fill!r}") from None


def check_window(ndim: int, kernel_size: Whole, axis: Whole | None, origin: Whole) -> Window:
    """Return the window of an array.

    Parameters
    ----------
    ndim : int
        The number of axes of the array.
    kernel_size : int or tuple of int
        Samples in the window, for each of its axes.
    axis : int, tuple of int or None
        Its axes; None: the last two, or the only one.
    origin : int or tuple of int
        Its shift, for each of its axes.

    Raises
    ------
    TypeError
        If an argument is not a whole number.
    ValueError
        If the array has no such axis, or there is no such window.
    """
    axes = _axes(ndim, axis)
    if len(axes) == 1 and isinstance(kernel_size, tuple) and len(kernel_size) != 1:
        raise ValueError(f"kernel_size must be one whole number along one axis, got {kernel_size}")
    lengths = _for_each(axes, kernel_size, "kernel_size")
    origins = _for_each(axes, origin, "origin")
    reaches = map(_reach, lengths, origins)
    ordered = sorted(zip(axes, reaches, strict=True))
    return Window(tuple(each for each, _ in ordered), tuple(reach for _, reach in ordered))


def check_axes(ndim: int, axes: Sequence[int], name: str, or_none: str = "") -> tuple[int, ...]:
    """Return axes of an array, counted from its first one.

    Parameters
    ----------
    ndim : int
        The number of axes of the array.
    axes : sequence of int
        The axes; negative ones count from the last.
    name : str
        Of the argument, for errors.
    or_none : str, optional
        What else it may be, for errors.

    Raises
    ------
    TypeError
        If one is not a whole number.
    ValueError
        If the array has no such axis.
    """
    found = tuple(check_whole(axis, name) for axis in axes)
    for axis in found:
        if not -ndim <= axis < ndim:
            raise ValueError(f"{name} must be from {-ndim} to {ndim - 1}{or_none}, got {axis}")
    return tuple(axis % ndim for axis in found)


def _axes(ndim: int, axis: Whole | None) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(max(0, ndim - 2), ndim))
    found = check_axes(ndim, axis if isinstance(axis, tuple) else (axis,), "axis", " or None")
    if not 1 <= len(set(found)) == len(found) <= 2:
        raise ValueError(f"axis must be one axis or two different ones, got {axis}")
    return found


def _for_each(axes: tuple[int, ...], given: Whole, name: str) -> tuple[int, ...]:
    values = given if isinstance(given, tuple) else (given,) * len(axes)
    if len(values) != len(axes):
        raise ValueError(f"{name} must be one whole number or {len(axes)}, got {given!r}")
    return tuple(check_whole(value, name) for value in values)


def _reach(length: int, origin: int) -> tuple[int, int]:
    if length < 1:
        raise ValueError(f"kernel_size must be 1 or more, got {length}")
    before = length // 2 + origin
    if not 0 <= before < length:
        least, most = -(length // 2), (length - 1) // 2
        raise ValueError(
            f"origin of a window of {length} must be from {least} to {most}, got {origin}"
        )
    return min(before, FARTHEST), min(length - 1 - before, FARTHEST)


def filtered(
    samples: FloatArray,
    window: Window,
    edge: Border,
    fill: float,
    min_count: int = 1,
    method: Method = "auto",
    out: FloatArray | None = None,
    *,
    deviation: bool = False,
) -> FloatArray:
    """Filter an array, whose samples are native, aligned and C-contiguous.

    Parameters
    ----------
    samples : ndarray of float32 or float64
        The samples.
    window : Window
        The window.
    edge, fill, min_count, method
        As in `badpix_selfcal.median_filter`, checked.
    out : ndarray or None, optional
        Where to write, if possible without a copy. It has the shape and dtype of `samples`.
    deviation : bool, optional
        Whether to compute the deviations from the running median.

    Returns
    -------
    ndarray
        The medians: `out`, if it is given.
    """
    axes = window.axes
    rows, cols = window.reaches if len(axes) == 2 else (window.reaches[0], (0, 0))
    last = tuple(range(samples.ndim - len(axes), samples.ndim))
    if len(axes) == 2 and axes != last:
        moved = np.ascontiguousarray(np.moveaxis(samples, axes, last))
    else:
        moved = samples
    if len(axes) == 2:
        stack = (-1, *moved.shape[-2:])
    elif axes == last:
        stack, rows, cols = (1, -1, moved.shape[-1]), (0, 0), rows
    else:
        stack = (
            math.prod(moved.shape[: axes[0]]),
            moved.shape[axes[0]],
            math.prod(moved.shape[axes[0] + 1 :]),
        )
    is_direct = out is not None and moved is samples and out.flags.carray
    target = out if out is not None and is_direct else np.empty(moved.shape, moved.dtype)
    if samples.size:
        _kernels.median_filter(
            moved.reshape(stack),
            target.reshape(stack),
            rows,
            cols,
            edge,
            fill,
            min_count,
            method,
            deviation,
        )
    medians = target if moved is samples else np.moveaxis(target, last, axes)
    if out is None:
        return np.ascontiguousarray(medians)
    if not is_direct:
        out[...] = medians
    return out
