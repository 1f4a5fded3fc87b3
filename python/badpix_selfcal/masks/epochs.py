"""The flags of one detector over time: which pixels are new, gone, persistent, or come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.groups import Groups, groups_of
from ..arrays.summary import counted
from ..files.location import Location
from ..step.group_mask import GroupMask
from ..step.mask_file import pixels_of
from .changes import EpochCounts, changes_of, comes_and_goes, low_only, of_groups
from .frame import Frame

__all__ = ["Epoch", "EpochFlags", "FoundGroup", "MaskHistory", "flags_of_epoch", "merged"]

MOST_NAMED: Final = 5
"""Groups of each kind that a report names; the table has all."""


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


@dataclass(frozen=True)
class FoundGroup:
    """One group of pixels that touch.

    Attributes
    ----------
    x, y : int
        Column and row of its brightest pixel (at the low end: its darkest one), from 0.
    pixels : int
        How many pixels it has, in all masks together.
    end : str
        ``low`` or ``high``.
    residual : float
        The residual of the brightest pixel, in the mask where it is farthest from 0.
    """

    x: int
    y: int
    pixels: int
    end: str
    residual: float


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
    groups : Groups
        The groups of the pixels that touch, whether they are flagged in the same mask or not. A
        pixel that is flagged at both ends counts at the high end.
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
    groups: Groups
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
        return comes_and_goes(self.flagged)

    @cached_property
    def flagged_groups(self) -> NDArray[np.bool_]:
        """In which masks each group is flagged: any of its pixels is, shape (groups, masks)."""
        return of_groups(self.groups, self.flagged)

    @property
    def persistent_groups(self) -> NDArray[np.bool_]:
        """Which groups are flagged in at least `at_least` masks, shape (groups,)."""
        number = np.count_nonzero(self.flagged_groups, axis=1)
        return np.asarray(number >= self.at_least)

    @property
    def changing_groups(self) -> NDArray[np.bool_]:
        """Which groups are flagged again after a mask in which they are not, shape (groups,)."""
        return comes_and_goes(self.flagged_groups)

    @property
    def new_groups(self) -> NDArray[np.bool_]:
        """Which groups are flagged in the last mask only, shape (groups,)."""
        *before, last = self.flagged_groups.T
        return np.asarray(last & ~np.any(before, axis=0))

    @property
    def gone_groups(self) -> NDArray[np.bool_]:
        """Which groups are flagged in the mask before the last one, but not in the last."""
        before, last = self.flagged_groups[:, -2:].T
        return np.asarray(before & ~last)

    def named(self, which: NDArray[np.bool_]) -> list[FoundGroup]:
        """Return some groups, the strongest first.

        Parameters
        ----------
        which : ndarray of bool, shape (groups,)
            Such as `persistent_groups`, `new_groups` or `gone_groups`.
        """
        numbers = np.flatnonzero(which)
        at = self.groups.brightest[numbers]
        ends = np.where(low_only(self.flagged, self.is_low)[at], "low", "high")
        columns = (self.x[at], self.y[at], self.groups.size[numbers], ends, self.residual[at])
        return [FoundGroup(*values) for values in zip(*(c.tolist() for c in columns), strict=True)]

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
        in_any, persistent, changing = (
            f"{counted(int(np.count_nonzero(pixels)), 'pixel')} and "
            f"{counted(int(np.count_nonzero(groups)), 'group')}"
            for pixels, groups in (
                (self.number, self.groups.size),
                (self.persistent, self.persistent_groups),
                (self.comes_and_goes, self.changing_groups),
            )
        )
        return "\n".join(
            [
                f"{counted(masks, 'mask')} of {what}, {rows} x {columns} pixels",
                *_table(self.epochs),
                f"  {in_any} flagged in any mask",
                f"  {persistent} persistent: in at least {self.at_least} of {masks}",
                f"  {changing} come and go: flagged again after a mask in which they are not",
                *_list("new in the last mask", self.named(self.new_groups), self.unit),
                *_list("gone from the last mask", self.named(self.gone_groups), self.unit),
                *_list("persistent", self.named(self.persistent_groups), self.unit),
            ]
        )


def _table(epochs: Sequence[Epoch]) -> list[str]:
    """Return the lines of a table of the epochs, numbers to the right."""
    names = ("flagged", "low", "high", "new", "returned", "gone")
    rows: list[tuple[object, ...]] = [("date", "", *names, "mask")]
    for each in epochs:
        date = each.date if each.is_observed else f"{each.date}*"
        for what, counts, begin, end in (
            ("pixels", each, date, each.path),
            ("groups", each.groups, "", ""),
        ):
            known = (getattr(counts, name) for name in names)
            cells = ("-" if count is None else count for count in known)
            rows.append((begin, what, *cells, end))
    width = max(len(str(row[0])) for row in rows)
    lines = [
        f"  {row[0]!s:<{width}}  {row[1]!s:<6}"
        + "".join(f"{cell!s:>9}" for cell in row[2:-1])
        + f"  {row[-1]}".rstrip()
        for row in rows
    ]
    if not all(each.is_observed for each in epochs):
        lines.append("  *: the date of the exposures is not known; the mask was made then")
    return lines


def _list(what: str, groups: Sequence[FoundGroup], unit: str) -> list[str]:
    """Return lines that name groups, each by its brightest pixel."""
    if not groups:
        return []
    lines = [
        f"    column {each.x}, row {each.y}: {counted(each.pixels, 'pixel')}, {each.end}, "
        f"residual {each.residual:.4g} {unit}".rstrip()
        for each in groups[:MOST_NAMED]
    ]
    more = len(groups) - len(lines)
    head = f"  {counted(len(groups), 'group')} {what}, the strongest first:"
    return [head, *lines, *([f"    and {more} more"] if more else [])]


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
    columns = first.frame.shape[1]
    y, x = np.divmod(places, columns)
    groups = groups_of(places, low_only(flagged, is_low), residual, columns)
    changes = zip(each, changes_of(flagged, is_low, groups), strict=True)
    return MaskHistory(
        epochs=tuple(_epoch(mask, *counts) for mask, counts in changes),
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
        groups=groups,
        unit=first.unit,
    )


def _epoch(mask: EpochFlags, pixels: EpochCounts, groups: EpochCounts) -> Epoch:
    return Epoch(
        **vars(pixels),
        path=mask.frame.path,
        date=mask.date,
        is_observed=mask.is_observed,
        groups=groups,
    )


def _keep_strongest(
    values: NDArray[np.float64], at: NDArray[np.intp], new: NDArray[np.floating[Any]]
) -> None:
    """Replace values at some places by those that are farther from 0, or known at all."""
    here = values[at]
    values[at] = np.where(np.isnan(here) | (np.abs(new) > np.abs(here)), new, here)
