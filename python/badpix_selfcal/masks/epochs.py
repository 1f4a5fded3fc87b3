"""The flags of one detector over time: which pixels are new, gone, persistent, or come and go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files.location import Location
from ..runs.group_mask import GroupMask
from ..runs.mask_file import pixels_of
from ..summary import counted
from .frame import Frame

__all__ = ["Epoch", "EpochFlags", "MaskHistory", "flags_of_epoch", "merged"]


@dataclass(frozen=True, eq=False)
class EpochFlags:
    """The flags of one mask.

    Attributes
    ----------
    frame : Frame
        The mask file, and which pixels it describes.
    date : str
        When its first exposure was taken, in UTC: ``2023-05-06T01:02:03``, or only the day; if that
        is not known, when the mask was made.
    is_observed : bool
        Whether it is the date of an exposure.
    made : str
        When the mask was made, in UTC.
    place : ndarray of int, shape (n,)
        The flagged pixels in increasing order, counted along the rows of the image from 0.
    is_low : ndarray of bool, shape (n,)
        Whether each is flagged at the low end.
    residual : ndarray of float, shape (n,)
        The residual of each, in the unit of SCI.
    significance : ndarray of float, shape (n,)
        The significance of each; NaN with the fraction cut.
    how : str
        The parameters that the mask was found with.
    unit : str
        The unit of SCI.
    """

    frame: Frame
    date: str
    is_observed: bool
    made: str
    place: NDArray[np.int64]
    is_low: NDArray[np.bool_]
    residual: NDArray[np.floating[Any]]
    significance: NDArray[np.floating[Any]]
    how: str
    unit: str


@dataclass(frozen=True)
class Epoch:
    """What changed with one mask.

    Attributes
    ----------
    path : Path or RemoteFile
        The mask file.
    date : str
        When its first exposure was taken, in UTC; if that is not known, when it was made.
    is_observed : bool
        Whether it is the date of an exposure.
    flagged, low, high : int
        The flagged pixels, those at the low end and those at the high end.
    new : int or None
        The pixels that are flagged for the first time. None for the first mask.
    returned : int or None
        Those that are flagged again, but were not in the mask before.
    gone : int or None
        Those that were flagged in the mask before, but are not in this one.
    """

    path: Location
    date: str
    is_observed: bool
    flagged: int
    low: int
    high: int
    new: int | None = None
    returned: int | None = None
    gone: int | None = None


@dataclass(frozen=True, eq=False)
class MaskHistory:
    """The flags of one detector over time.

    Attributes
    ----------
    epochs : tuple of Epoch
        One for each mask, in the order of their dates.
    at_least : int
        In how many masks a persistent pixel is flagged at least.
    detector, subarray : str
        The detector, and which part of it was read; empty if unknown, and for the full frame.
    shape : tuple of int
        Rows and columns.
    x, y : ndarray of int, shape (n,)
        Columns and rows, from 0, of all pixels that are flagged in a mask.
    flagged : ndarray of bool, shape (n, masks)
        In which masks each of them is flagged.
    is_low : ndarray of bool, shape (n, masks)
        In which masks it is flagged at the low end.
    residual, significance : ndarray of float64, shape (n,)
        The residual and the significance of each that are farthest from 0. NaN if unknown.
    unit : str
        The unit of the residual.
    """

    epochs: tuple[Epoch, ...]
    at_least: int
    detector: str
    subarray: str
    shape: tuple[int, ...]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    flagged: NDArray[np.bool_]
    is_low: NDArray[np.bool_]
    residual: NDArray[np.float64]
    significance: NDArray[np.float64]
    unit: str

    @cached_property
    def number(self) -> NDArray[np.int64]:
        """In how many masks each pixel is flagged, shape (n,)."""
        return np.asarray(np.sum(self.flagged, axis=1, dtype=np.int64))

    @property
    def persistent(self) -> NDArray[np.bool_]:
        """Which pixels are flagged in at least `at_least` masks, shape (n,)."""
        return self.number >= self.at_least

    @property
    def comes_and_goes(self) -> NDArray[np.bool_]:
        """Which pixels are flagged again after a mask in which they are not, shape (n,)."""
        starts = self.flagged[:, 1:] & ~self.flagged[:, :-1]
        number = np.count_nonzero(starts, axis=1) + self.flagged[:, 0]
        return np.asarray(number > 1)

    @property
    def counts(self) -> NDArray[np.int64]:
        """In how many masks each pixel of the image is flagged, shape (rows, cols)."""
        image = np.zeros(self.shape, np.int64)
        image[self.y, self.x] = self.number
        return image

    def __repr__(self) -> str:
        what = " ".join(filter(None, (self.detector, self.subarray))) or "one detector"
        rows, columns = self.shape
        masks = len(self.epochs)
        persistent, changing = (
            int(np.count_nonzero(which)) for which in (self.persistent, self.comes_and_goes)
        )
        return "\n".join(
            [
                f"{counted(masks, 'mask')} of {what}, {rows} x {columns} pixels",
                *_table(self.epochs),
                f"  {counted(self.x.size, 'pixel')} flagged in any mask",
                f"  {persistent} persistent: in at least {self.at_least} of {masks}",
                f"  {changing} come and go: flagged again after a mask in which they are not",
            ]
        )


def _table(epochs: Sequence[Epoch]) -> list[str]:
    """Return the lines of a table of the epochs, numbers to the right."""
    head = ("date", "flagged", "low", "high", "new", "returned", "gone", "mask")
    rows: list[tuple[object, ...]] = [head]
    for each in epochs:
        date = each.date if each.is_observed else f"{each.date}*"
        counts = (each.flagged, each.low, each.high, each.new, each.returned, each.gone)
        rows.append((date, *("-" if count is None else count for count in counts), each.path))
    width = max(len(str(row[0])) for row in rows)
    lines = [
        f"  {row[0]!s:<{width}}" + "".join(f"{cell!s:>9}" for cell in row[1:-1]) + f"  {row[-1]}"
        for row in rows
    ]
    if not all(each.is_observed for each in epochs):
        lines.append("  *: the date of the exposures is not known; the mask was made then")
    return lines


def flags_of_epoch(mask: GroupMask, path: Location) -> EpochFlags:
    """Return the flags of a mask; its images are not kept."""
    pixels = pixels_of(mask)
    shape = mask.bad_pixels.mask.shape
    day, time = (str(mask.about.get(key, "")).strip() for key in ("DATE-OBS", "TIME-OBS"))
    return EpochFlags(
        frame=Frame.of(path, mask.about.get, shape),
        date=(f"{day}T{time}" if time else day) or mask.made,
        is_observed=bool(day),
        made=mask.made,
        place=np.ravel_multi_index((pixels["y"], pixels["x"]), shape).astype(np.int64),
        is_low=pixels["end"] == b"low",
        residual=pixels["residual"],
        significance=pixels["significance"],
        how=replace(mask.parameters, dispaxis=mask.dispaxis).as_text(),
        unit=mask.unit,
    )


def merged(each: Sequence[EpochFlags], at_least: int) -> MaskHistory:
    """Return the history of masks that are in the order of their dates."""
    places = np.unique(np.concatenate([mask.place for mask in each]))
    flagged = np.zeros((places.size, len(each)), np.bool_)
    is_low = np.zeros_like(flagged)
    residual, significance = (np.full(places.size, np.nan) for _ in range(2))
    for number, mask in enumerate(each):
        at = np.searchsorted(places, mask.place)
        flagged[at, number] = True
        is_low[at, number] = mask.is_low
        _keep_strongest(residual, at, mask.residual)
        _keep_strongest(significance, at, mask.significance)
    first = each[0]
    known = next((mask.frame.detector for mask in each if mask.frame.detector), "")
    y, x = np.divmod(places, first.frame.shape[1])
    return MaskHistory(
        epochs=tuple(_epochs(each, flagged, is_low)),
        at_least=at_least,
        detector=known,
        subarray=first.frame.subarray,
        shape=first.frame.shape,
        x=x,
        y=y,
        flagged=flagged,
        is_low=is_low,
        residual=residual,
        significance=significance,
        unit=first.unit,
    )


def _keep_strongest(
    values: NDArray[np.float64], at: NDArray[np.intp], new: NDArray[np.floating[Any]]
) -> None:
    """Replace values at some places by those that are farther from 0, or known at all."""
    here = values[at]
    values[at] = np.where(np.isnan(here) | (np.abs(new) > np.abs(here)), new, here)


def _epochs(
    each: Sequence[EpochFlags], flagged: NDArray[np.bool_], is_low: NDArray[np.bool_]
) -> Iterator[Epoch]:
    seen = np.zeros(flagged.shape[0], np.bool_)
    for number, mask in enumerate(each):
        now = flagged[:, number]
        low = int(np.count_nonzero(is_low[:, number]))
        changes: tuple[int | None, ...] = (None, None, None)
        if number:
            before = flagged[:, number - 1]
            groups = (now & ~seen, now & seen & ~before, before & ~now)
            changes = tuple(int(np.count_nonzero(group)) for group in groups)
        total = int(np.count_nonzero(now))
        yield Epoch(mask.frame.path, mask.date, mask.is_observed, total, low, total - low, *changes)
        seen |= now
