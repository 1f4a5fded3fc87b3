"""What changes from one mask to the next, in pixels and in groups of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..files.location import Location
from ..groups import Groups

if TYPE_CHECKING:
    from .epochs import EpochFlags

__all__ = ["Epoch", "EpochCounts", "comes_and_goes", "epochs_of", "low_only", "of_groups"]


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


@dataclass(frozen=True, kw_only=True)
class Epoch(EpochCounts):
    """What changed with one mask: the counts of `EpochCounts` in pixels, and those in groups.

    Attributes
    ----------
    path : Path or RemoteFile
        The mask file.
    date : str
        When its first exposure was taken, in UTC; if that is not known, when it was made.
    is_observed : bool
        Whether it is the date of an exposure.
    groups : EpochCounts
        The same counts of groups: one is flagged where any of its pixels is.
    """

    path: Location
    date: str
    is_observed: bool
    groups: EpochCounts


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


def epochs_of(
    each: Sequence[EpochFlags],
    flagged: NDArray[np.bool_],
    is_low: NDArray[np.bool_],
    groups: Groups,
) -> Iterator[Epoch]:
    """Return what changed with each mask.

    Parameters
    ----------
    each : sequence of EpochFlags
        The masks in the order of their dates.
    flagged, is_low : ndarray of bool, shape (pixels, masks)
        In which masks each pixel is flagged, and in which of them at the low end.
    groups : Groups
        The groups of the pixels.
    """
    flagged_groups = of_groups(groups, flagged)
    low_groups = low_only(flagged, is_low)[groups.brightest, np.newaxis]
    for number, mask in enumerate(each):
        yield Epoch(
            **vars(_counts(flagged, is_low, number)),
            path=mask.frame.path,
            date=mask.date,
            is_observed=mask.is_observed,
            groups=_counts(flagged_groups, flagged_groups & low_groups, number),
        )


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
