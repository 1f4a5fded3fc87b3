"""What changes from one mask to the next, in pixels and in groups of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays.groups import Groups

__all__ = ["EpochCounts", "changes_of", "comes_and_goes", "low_only", "of_groups"]


@dataclass(frozen=True, kw_only=True)
class EpochCounts:
    """What changed with one mask, in pixels or in groups.

    Attributes
    ----------
    flagged, low, high : int
        Those flagged, at the low end and at the high end.
    new : int or None
        Those flagged for the first time. None for the first mask.
    returned : int or None
        Those flagged again, but not in the mask before.
    gone : int or None
        Those flagged in the mask before, but not in this one.
    """

    flagged: int
    low: int
    high: int
    new: int | None = None
    returned: int | None = None
    gone: int | None = None


def low_only(flagged: NDArray[np.bool_], is_low: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels are flagged at the low end only."""
    return np.asarray(~np.any(flagged & ~is_low, axis=1))


def of_groups(groups: Groups, pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each group and mask whether it is so for one of its pixels at least."""
    if not len(groups):
        return pixels[:0]
    return np.asarray(np.logical_or.reduceat(pixels[groups.order], groups.first, axis=0))


def comes_and_goes(flagged: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what is flagged again after a mask in which it is not."""
    starts = flagged[:, 1:] & ~flagged[:, :-1]
    return np.asarray(np.count_nonzero(starts, axis=1) + flagged[:, 0] > 1)


def changes_of(
    flagged: NDArray[np.bool_], is_low: NDArray[np.bool_], groups: Groups
) -> list[tuple[EpochCounts, EpochCounts]]:
    """Return what changed with each mask, in pixels and in groups.

    Parameters
    ----------
    flagged, is_low : ndarray of bool, shape (pixels, masks)
        In which masks each pixel is flagged, and in which of them at the low end.
    groups : Groups
        The groups of the pixels.
    """
    flagged_groups = of_groups(groups, flagged)
    low_groups = flagged_groups & low_only(flagged, is_low)[groups.brightest, np.newaxis]
    return [
        (_counts(flagged, is_low, number), _counts(flagged_groups, low_groups, number))
        for number in range(flagged.shape[1])
    ]


def _counts(flagged: NDArray[np.bool_], is_low: NDArray[np.bool_], number: int) -> EpochCounts:
    """Return the counts of one mask, from what is flagged in each."""
    now, low = flagged[:, number], int(np.count_nonzero(is_low[:, number]))
    changes: dict[str, int] = {}
    if number:
        before, seen = flagged[:, number - 1], np.any(flagged[:, :number], axis=1)
        which = {"new": now & ~seen, "returned": now & seen & ~before, "gone": before & ~now}
        changes = {name: int(np.count_nonzero(each)) for name, each in which.items()}
    total = int(np.count_nonzero(now))
    return EpochCounts(flagged=total, low=low, high=total - low, **changes)
