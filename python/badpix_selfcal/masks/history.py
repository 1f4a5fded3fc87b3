"""Follows the bad pixels of one detector through masks of several epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..arrays.bad_pixels import BadPixels
from ..arrays.checks import check_whole
from ..arrays.display import counted
from ..arrays.groups import Groups, groups_of
from ..errors import MaskError, warn
from ..files.outputs import Write
from ..files.paths import AnyLocation, Location, expanded, file_key, is_folder, locate, locations_of
from .compare import frame_of, require_same_pixels
from .export import write_table
from .mask import Columns, Mask, Member, table_of
from .mask_file import write_part

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["Epoch", "EpochCounts", "FoundGroup", "MaskHistory", "files_of", "history", "merged"]

MOST_NAMED: Final = 5
"""Groups of each kind that a report names; the table has all."""


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
    path : path or URL
        The mask file.
    date : str
        When its first exposure was taken, in UTC: ``2023-05-06T01:02:03``, or only the day; if that
        is not known, when the mask was made.
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
        return _comes_and_goes(self.flagged)

    @cached_property
    def flagged_groups(self) -> NDArray[np.bool_]:
        """In which masks each group is flagged: any of its pixels is, shape (groups, masks)."""
        return _of_groups(self.groups, self.flagged)

    @property
    def persistent_groups(self) -> NDArray[np.bool_]:
        """Which groups are flagged in at least `at_least` masks, shape (groups,)."""
        return np.asarray(np.count_nonzero(self.flagged_groups, axis=1) >= self.at_least)

    @property
    def changing_groups(self) -> NDArray[np.bool_]:
        """Which groups are flagged again after a mask in which they are not, shape (groups,)."""
        return _comes_and_goes(self.flagged_groups)

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
        ends = np.where(_low_only(self.flagged, self.is_low)[at], "low", "high")
        columns = (self.x[at], self.y[at], self.groups.size[numbers], ends, self.residual[at])
        return [FoundGroup(*values) for values in zip(*(c.tolist() for c in columns), strict=True)]

    @property
    def counts(self) -> NDArray[np.int64]:
        """In how many masks each pixel of the image is flagged, shape (rows, cols)."""
        image = np.zeros(self.shape, np.int64)
        image[self.y, self.x] = self.number
        return image

    def table(self) -> Table:
        """Return an astropy table of the pixels, with the masks in which each is flagged."""
        dates = np.array([epoch.date for epoch in self.epochs])
        first = dates[np.argmax(self.flagged, axis=1)]
        last = dates[::-1][np.argmax(self.flagged[:, ::-1], axis=1)]
        low, high = np.any(self.is_low, axis=1), np.any(self.flagged & ~self.is_low, axis=1)
        end = np.where(low & high, "both", np.where(low, "low", "high"))
        digits = ["".join(row) for row in np.where(self.flagged, "1", "0")]
        columns: Columns = {
            "x": (self.x, "pixel", "column of the image, counted from 0"),
            "y": (self.y, "pixel", "row of the image, counted from 0"),
            "number": (self.number, "", "in how many masks the pixel is flagged"),
            "epochs": (np.array(digits, np.str_), "", "1 for each mask that flags it, by date"),
            "first": (first, "", "date of the first mask in which it is flagged"),
            "last": (last, "", "date of the last one"),
            "persistent": (self.persistent, "", f"flagged in at least {self.at_least} masks"),
            "comes_and_goes": (self.comes_and_goes, "", "flagged again after a mask without it"),
            "end": (end, "", "low, high or both"),
            "residual": (self.residual, self.unit, "farthest from 0"),
            "significance": (self.significance, "", "farthest from 0; NaN: fraction cut"),
            "group": (self.groups.number + 1, "", "group of pixels that touch, from 1"),
        }
        about = {
            "detector": self.detector,
            "subarray": self.subarray,
            "shape": [*self.shape],
            "at_least": self.at_least,
            "masks": [asdict(epoch) | {"path": str(epoch.path)} for epoch in self.epochs],
        }
        return table_of(columns, about)

    def persistent_mask(self) -> Mask:
        """Return a mask that flags the persistent pixels.

        Its images are those of the last mask, but each persistent pixel has the samples of the mask
        in which it stands out most. Its members are the exposures of all masks.

        Raises
        ------
        MaskError
            If a mask cannot be read again.
        ValueError
            If the masks were not found with the same cut: their samples cannot be compared.
        """
        flags, last = self.counts >= self.at_least, self.epochs[-1].path
        mask = Mask.read(last)
        members: dict[Location, Member] = {member.exposure: member for member in mask.members}
        for epoch in reversed(self.epochs[:-1]):
            other = Mask.read(epoch.path)
            cuts = [_bad_pixels_of(each).significance is None for each in (mask, other)]
            if cuts[0] != cuts[1]:
                raise ValueError(
                    f"{last}: was found with another cut than the masks before; make a mask of "
                    "persistent pixels from masks of one cut"
                )
            mask = _with_strongest(mask, other, flags)
            members = {member.exposure: member for member in other.members} | members
        found = replace(_bad_pixels_of(mask), mask=flags)
        n_low, n_high = (int(np.count_nonzero(end)) for end in (found.low, found.high))
        return replace(
            mask,
            bad_pixels=replace(found, n_low=n_low, n_high=n_high),
            crowded=(),
            members=tuple(members.values()),
            version=__version__,
            made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            identity="",
            source=None,
        )

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
                *_lines_of(self.epochs),
                f"  {in_any} flagged in any mask",
                f"  {persistent} persistent: in at least {self.at_least} of {masks}",
                f"  {changing} come and go: flagged again after a mask in which they are not",
                *_list("new in the last mask", self.named(self.new_groups), self.unit),
                *_list("gone from the last mask", self.named(self.gone_groups), self.unit),
                *_list("persistent", self.named(self.persistent_groups), self.unit),
            ]
        )


def history(
    masks: AnyLocation | Iterable[AnyLocation], *, at_least: int | None = None
) -> MaskHistory:
    """Follow the bad pixels of a detector: `badpix_selfcal.history` without its files."""
    paths = _paths(masks)
    number = len(paths) if at_least is None else check_whole(at_least, "at_least")
    if not 1 <= number <= len(paths):
        raise ValueError(
            f"`at_least` must be from 1 to the number of masks, {len(paths)}, got {number}"
        )
    return merged(map(Mask.read, paths), number)


def files_of(
    found: MaskHistory, table: AnyLocation | None, persistent_mask: AnyLocation | None
) -> dict[Location, Write]:
    """Return the files to write of a history, a table and a mask, and what writes each of them."""
    files: dict[Location, Write] = {}
    if table is not None:
        to = locate(table)
        if to.suffix.lower() != ".ecsv":
            raise ValueError(f"{to}: a table must end with .ecsv")
        files[to] = partial(write_table, found.table())
    if persistent_mask is not None:
        to = locate(persistent_mask)
        files[to] = partial(write_part, mask=found.persistent_mask(), name=to.name)
    return files


def _paths(masks: AnyLocation | Iterable[AnyLocation]) -> list[Location]:
    given = locations_of(masks)
    for path in given:
        if is_folder(path):
            raise MaskError(f"{path}: is a folder; name the masks in it, or give a pattern")
    paths = [path for path, _ in expanded(given)]
    seen = set()
    for path in paths:
        if file_key(path) in seen:
            raise ValueError(f"{path}: is given twice; give each mask once")
        seen.add(file_key(path))
    if len(paths) < 2:
        raise ValueError(f"a history needs at least two masks, got {len(paths)}")
    return paths


def merged(masks: Iterable[Mask], at_least: int) -> MaskHistory:
    """Return the history of masks of this package; their images are not kept."""
    read = sorted(map(_without_images, masks), key=lambda each: (each[0].date, each[0].made))
    frames = [frame_of(mask) for mask, _ in read]
    require_same_pixels(frames)
    _warn_of_parameters([mask for mask, _ in read])
    _, _, subarray, shape = frames[0]
    each_place = [np.ravel_multi_index((table["y"], table["x"]), shape) for _, table in read]
    places = np.unique(np.concatenate(each_place))
    flagged = np.zeros((places.size, len(read)), np.bool_)
    is_low = np.zeros_like(flagged)
    strongest = {name: np.full(places.size, np.nan) for name in ("residual", "significance")}
    for number, (place, (_, table)) in enumerate(zip(each_place, read, strict=True)):
        at = np.searchsorted(places, place)
        flagged[at, number], is_low[at, number] = True, table["end"] == "low"
        for name, values in strongest.items():
            here, new = values[at], np.asarray(table[name])
            values[at] = np.where(np.isnan(here) | (np.abs(new) > np.abs(here)), new, here)
    y, x = np.divmod(places, shape[1])
    low_only = _low_only(flagged, is_low)
    groups = groups_of(places, low_only, strongest["residual"], shape[1])
    flagged_groups = _of_groups(groups, flagged)
    low_groups = flagged_groups & low_only[groups.brightest, np.newaxis]
    counts = zip(_counts(flagged, is_low), _counts(flagged_groups, low_groups), strict=True)
    epochs = (
        Epoch(
            **pixels,
            path=frame[0],
            date=mask.date,
            is_observed=bool(mask.about.get("DATE-OBS")),
            groups=EpochCounts(**of_groups),
        )
        for frame, (mask, _), (pixels, of_groups) in zip(frames, read, counts, strict=True)
    )
    return MaskHistory(
        epochs=tuple(epochs),
        at_least=at_least,
        detector=next((detector for _, detector, *_ in frames if detector), ""),
        subarray=subarray,
        shape=shape,
        x=x,
        y=y,
        flagged=flagged,
        is_low=is_low,
        **strongest,
        groups=groups,
        unit=read[0][0].unit,
    )


def _without_images(mask: Mask) -> tuple[Mask, Table]:
    """Return a mask without its images, and the table of its pixels."""
    if mask.parameters is None:
        raise MaskError(
            f"{mask.title}: does not say how its pixels were found; give masks that were written "
            "with `save_mask`"
        )
    flags = np.broadcast_to(np.False_, mask.flags.shape)
    return replace(mask, flags=flags, minimum=None, bad_pixels=None, dq=None), mask.pixels()


def _counts(flagged: NDArray[np.bool_], is_low: NDArray[np.bool_]) -> Iterator[dict[str, int]]:
    """Yield the counts of each mask, from what is flagged in each."""
    seen = before = np.zeros(len(flagged), np.bool_)
    for number, (now, low) in enumerate(zip(flagged.T, is_low.T, strict=True)):
        counted_in = {"flagged": now, "low": low, "high": now & ~low}
        if number:
            counted_in |= {"new": now & ~seen, "returned": now & seen & ~before}
            counted_in["gone"] = before & ~now
        yield {name: int(np.count_nonzero(each)) for name, each in counted_in.items()}
        seen, before = seen | now, now


def _low_only(flagged: NDArray[np.bool_], is_low: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels are flagged at the low end only."""
    return np.asarray(~np.any(flagged & ~is_low, axis=1))


def _of_groups(groups: Groups, pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each group and mask whether it is so for one of its pixels at least."""
    if not len(groups):
        return pixels[:0]
    return np.asarray(np.logical_or.reduceat(pixels[groups.order], groups.first, axis=0))


def _comes_and_goes(flagged: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what is flagged again after a mask in which it is not."""
    starts = flagged[:, 1:] & ~flagged[:, :-1]
    return np.asarray(np.count_nonzero(starts, axis=1) + flagged[:, 0] > 1)


def _warn_of_parameters(masks: Sequence[Mask]) -> None:
    """Warn of the first mask that was found with other parameters than the first one."""
    words = [mask.origin.partition(": ")[2].partition(" members=")[0].split() for mask in masks]
    for mask, those in zip(masks, words, strict=True):
        if those != words[0]:
            one = ", ".join(word for word in those if word not in words[0])
            two = ", ".join(word for word in words[0] if word not in those)
            warn(
                f"{mask.title}: was found with {one}, {masks[0].title} with {two}: their counts "
                "cannot be compared"
            )
            return


def _bad_pixels_of(mask: Mask) -> BadPixels:
    assert mask.bad_pixels is not None  # `history` takes masks of this package only
    return mask.bad_pixels


def _with_strongest(made: Mask, mask: Mask, flags: NDArray[np.bool_]) -> Mask:
    """Take the samples of the flagged pixels that stand out more in another mask."""
    ours, theirs = _bad_pixels_of(made), _bad_pixels_of(mask)
    # A pixel that is not flagged counts less than one that is, whatever the cuts.
    strength = np.where(ours.mask, np.abs(ours.compared), -1.0)
    at = flags & theirs.mask & ~(strength >= np.abs(theirs.compared))

    def stronger(one: NDArray[Any] | None, two: NDArray[Any] | None) -> Any:
        return one if one is None or two is None else np.where(at, two, one)

    found = replace(
        ours,
        mask=ours.mask | at,
        residual=stronger(ours.residual, theirs.residual),
        significance=stronger(ours.significance, theirs.significance),
        noise=stronger(ours.noise, theirs.noise),
        cut_low=float(np.fmax(ours.cut_low, theirs.cut_low)),
        cut_high=float(np.fmin(ours.cut_high, theirs.cut_high)),
    )
    return replace(made, minimum=stronger(made.minimum, mask.minimum), bad_pixels=found)


def _lines_of(epochs: Sequence[Epoch]) -> list[str]:
    """Return the lines of a table of the epochs, numbers to the right."""
    names = ("flagged", "low", "high", "new", "returned", "gone")
    dates = [each.date if each.is_observed else f"{each.date}*" for each in epochs]
    width = max(map(len, ["date", *dates]))

    def line(date: str, what: str, cells: Iterable[object], path: object) -> str:
        return f"  {date:<{width}}  {what:<6}{''.join(f'{c!s:>9}' for c in cells)}  {path}".rstrip()

    def cells_of(counts: EpochCounts) -> list[object]:
        known = (getattr(counts, name) for name in names)
        return ["-" if count is None else count for count in known]

    lines = [line("date", "", names, "mask")]
    for date, each in zip(dates, epochs, strict=True):
        lines.append(line(date, "pixels", cells_of(each), each.path))
        lines.append(line("", "groups", cells_of(each.groups), ""))
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
    return [head, *lines, *[f"    and {more} more"] * bool(more)]
