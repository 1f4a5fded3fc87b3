"""Follows the bad pixels of one detector through masks of several epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..arrays.checks import check_whole
from ..arrays.display import counted
from ..arrays.groups import Groups, groups_of
from ..errors import MaskError, visible, warn
from ..files.inputs import expanded
from ..files.outputs import Write
from ..files.paths import AnyLocation, Location, file_key, is_folder, locate, locations_of
from .export import write_table
from .mask import Columns, Mask, table_of, write_part

if TYPE_CHECKING:
    from astropy.table import Table

MOST_NAMED: Final = 5
"""Groups of each kind that a summary names; the table has all."""

COUNTS: Final = ("flagged", "low", "high", "new", "returned", "gone")

Counts: TypeAlias = dict[str, int | None]
"""The number of pixels or groups for each of `COUNTS`."""

Kept: TypeAlias = "tuple[Mask, Table]"
"""A mask without its images, and the table of its pixels."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What changed with one mask, in pixels and in groups.

    Attributes
    ----------
    path : path or URL
        The mask file.
    date : str
        When its first exposure was taken, in UTC: ``2023-05-06T01:02:03``, or only the day; if that
        is not known, when the mask was made.
    is_observed : bool
        Whether it is the date of an exposure.
    pixels, groups : dict of str to int or None
        Counts of pixels, and of groups: one is flagged where any of its pixels is. By name: those
        `flagged`, at the `low` and at the `high` end; `new`: for the first time; `returned`: again,
        but not in the mask before; `gone`: in the mask before, but not in this one. The last three
        are None for the first mask.
    """

    path: Location
    date: str
    is_observed: bool
    pixels: Counts
    groups: Counts


@dataclass(frozen=True, eq=False, kw_only=True)
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
    flagged, is_low : ndarray of bool, shape (n, masks)
        In which masks each of them is flagged, and flagged at the low end.
    residual, significance : ndarray of float64, shape (n,)
        The residual and the significance of each that are farthest from 0. NaN if unknown.
    groups : Groups
        The groups of the pixels that touch, whether they are flagged in the same mask or not. A
        pixel that is flagged at both ends counts at the high end.
    unit : str
        The unit of the residual.
    others : tuple of MaskHistory
        The histories of the other detectors, subarrays and shapes among the masks.
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
    others: tuple[MaskHistory, ...] = ()

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
    def changing_groups(self) -> NDArray[np.bool_]:
        """Which groups are flagged again after a mask in which they are not, shape (groups,)."""
        return _comes_and_goes(self.flagged_groups)

    @cached_property
    def named_groups(self) -> dict[str, list[dict[str, Any]]]:
        """The groups that are ``new`` in the last mask, ``gone`` from it, and ``persistent``.

        The strongest come first. Each has `x` and `y` of its brightest pixel (at the low end: its
        darkest), from 0, and the `residual` of it, in the mask where it is farthest from 0; the
        number of its `pixels` in all masks together; and its `end`, low or high.
        """
        flagged, at = self.flagged_groups, self.groups.brightest
        ends = np.where(_low_only(self.flagged, self.is_low)[at], "low", "high")
        columns: dict[str, NDArray[Any]] = {"x": self.x[at], "y": self.y[at]}
        columns |= {"pixels": self.groups.size, "end": ends, "residual": self.residual[at]}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        groups = [dict(zip(columns, row, strict=True)) for row in rows]
        chosen = {
            "new": flagged[:, -1] & ~np.any(flagged[:, :-1], axis=1),
            "gone": flagged[:, -2] & ~flagged[:, -1],
            "persistent": np.sum(flagged, axis=1) >= self.at_least,
        }
        return {name: [*compress(groups, which)] for name, which in chosen.items()}

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
        end = np.select([low & high, low], ["both", "low"], "high")
        digits = np.array(["".join(row) for row in np.where(self.flagged, "1", "0")], np.str_)
        columns: Columns = {
            "x": (self.x, "pixel", "column of the image, counted from 0"),
            "y": (self.y, "pixel", "row of the image, counted from 0"),
            "number": (self.number, "", "in how many masks the pixel is flagged"),
            "epochs": (digits, "", "1 for each mask that flags it, by date"),
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
        in which it stands out most. Its members are the exposures of all masks, from the date of
        the first mask (DATE-OBS) to that of the last (DATE-END).

        Raises
        ------
        MaskError
            If a mask cannot be read again.
        ValueError
            If the masks were not found with the same cut: their samples cannot be compared.
        """
        last, *before = (epoch.path for epoch in reversed(self.epochs))
        flags, mask = self.counts >= self.at_least, Mask.read(last)
        found = mask.bad_pixels
        assert found is not None  # `history` takes masks of this package only
        # A pixel that is not flagged counts less than one that is, whatever the cuts.
        strength = np.where(found.mask, np.abs(found.compared), -1.0)
        members = {member.exposure: member for member in mask.members}
        cut_low, cut_high = found.cut_low, found.cut_high
        for path in before:
            other = Mask.read(path)
            theirs = other.bad_pixels
            assert theirs is not None
            if (found.significance is None) != (theirs.significance is None):
                raise ValueError(
                    f"{last}: was found with another cut than the masks before; make a mask of "
                    "persistent pixels from masks of one cut"
                )
            at = flags & theirs.mask & ~(strength >= np.abs(theirs.compared))
            strength[at] = np.abs(theirs.compared[at])
            for ours, new in (
                (mask.minimum, other.minimum),
                (found.residual, theirs.residual),
                (found.significance, theirs.significance),
                (found.noise, theirs.noise),
            ):
                if ours is not None and new is not None:
                    ours[at] = new[at]
            cut_low = float(np.fmax(cut_low, theirs.cut_low))
            cut_high = float(np.fmin(cut_high, theirs.cut_high))
            members = {member.exposure: member for member in other.members} | members
        found = replace(found, mask=flags, cut_low=cut_low, cut_high=cut_high)
        about = dict(mask.about)
        if "DATE-OBS" in about:
            about["DATE-END"] = about["DATE-OBS"]
        about |= {key: other.about[key] for key in ("DATE-OBS", "TIME-OBS") if key in other.about}
        return replace(
            mask,
            name=f"{self.of_what} persistent",
            about=about,
            bad_pixels=replace(found, n_low=int(found.low.sum()), n_high=int(found.high.sum())),
            crowded=(),
            members=tuple(members.values()),
            version=__version__,
            made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            identity="",
            source=None,
        )

    @property
    def of_what(self) -> str:
        """The detector and the subarray."""
        return " ".join(filter(None, (self.detector, self.subarray))) or "one detector"

    def __repr__(self) -> str:
        rows, columns = self.shape
        masks = len(self.epochs)
        in_any, persistent, changing = (
            f"  {counted(int(pixels), 'pixel')} and {counted(int(groups), 'group')}"
            for pixels, groups in (
                (self.number.size, len(self.groups)),
                (self.persistent.sum(), len(self.named_groups["persistent"])),
                (self.comes_and_goes.sum(), self.changing_groups.sum()),
            )
        )
        lines = [
            f"{counted(masks, 'mask')} of {self.of_what}, {rows} x {columns} pixels",
            *_lines_of(self.epochs),
            f"{in_any} flagged in any mask",
            f"{persistent} persistent: in at least {self.at_least} of {masks}",
            f"{changing} come and go: flagged again after a mask in which they are not",
        ]
        of_what = {"new": " in the last mask", "gone": " from the last mask", "persistent": ""}
        for kind, groups in self.named_groups.items():
            if groups:
                what = kind + of_what[kind]
                lines.append(f"  {counted(len(groups), 'group')} {what}, the strongest first:")
            for each in groups[:MOST_NAMED]:
                pixels = counted(each["pixels"], "pixel")
                group = f"{pixels}, {each['end']}, residual {each['residual']:.4g} {self.unit}"
                lines.append(f"    column {each['x']}, row {each['y']}: {group}".rstrip())
            if len(groups) > MOST_NAMED:
                lines.append(f"    and {len(groups) - MOST_NAMED} more")
        return "\n".join([*map(visible, lines), *map(repr, self.others)])


def history(
    masks: AnyLocation | Iterable[AnyLocation], *, at_least: int | None = None
) -> MaskHistory:
    """Follow the bad pixels of detectors: `badpix_selfcal.history` without its files."""
    given = locations_of(masks)
    for path in filter(is_folder, given):
        raise MaskError(f"{path}: is a folder; name the masks in it, or give a pattern")
    paths = [path for path, _ in expanded(given)]
    keys = [*map(file_key, paths)]
    for number, path in enumerate(paths):
        if keys[number] in keys[:number]:
            raise ValueError(f"{path}: is given twice; give each mask once")
    if len(paths) < 2:
        raise ValueError(f"a history needs at least two masks, got {len(paths)}")
    groups: list[list[Kept]] = []
    for each in map(kept, map(Mask.read, paths)):
        alike = [group for group in groups if not group[0][0].refusal(each[0])]
        if alike:
            alike[0].append(each)
        else:
            groups.append([each])
    if len(groups) == len(paths):
        raise MaskError(
            f"{', '.join(map(str, paths[:9]))}: each is the only mask of its detector, subarray "
            "and shape; a history needs two that have the same"
        )
    followed = []
    for group in groups:
        if len(group) == 1:
            title = group[0][0].title
            warn(f"{title}: is the only mask of its detector, subarray and shape; it is left out")
            continue
        number = len(group) if at_least is None else at_least
        followed.append(merged(group, check_whole(number, "at_least", 1, most=len(group))))
    return replace(followed[0], others=tuple(followed[1:]))


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


def kept(mask: Mask) -> Kept:
    """Return a mask of this package without its images, and the table of its pixels."""
    if mask.parameters is None:
        raise MaskError(
            f"{mask.title}: does not say how its pixels were found; give masks that were "
            "written with `save_mask`"
        )
    flags = np.broadcast_to(np.False_, mask.flags.shape)
    return replace(mask, flags=flags, minimum=None, bad_pixels=None, dq=None), mask.pixels()


def merged(read: Iterable[Kept], at_least: int) -> MaskHistory:
    """Return the history of masks of one detector, subarray and shape."""
    by_date = sorted(read, key=lambda each: (each[0].date, each[0].made))
    masks, tables = zip(*by_date, strict=True)
    _warn_of_parameters(masks)
    shape = masks[0].flags.shape
    each_place = [np.ravel_multi_index((table["y"], table["x"]), shape) for table in tables]
    places = np.unique(np.concatenate(each_place))
    flagged, is_low = np.zeros((2, places.size, len(masks)), np.bool_)
    strongest = {name: np.full(places.size, np.nan) for name in ("residual", "significance")}
    for number, (place, table) in enumerate(zip(each_place, tables, strict=True)):
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
    epochs = [
        Epoch(
            path=mask.source or Path(mask.name),
            date=mask.date,
            is_observed=bool(mask.about.get("DATE-OBS")),
            pixels=pixels,
            groups=of_groups,
        )
        for mask, pixels, of_groups in zip(
            masks, _counts(flagged, is_low), _counts(flagged_groups, low_groups), strict=True
        )
    ]
    return MaskHistory(
        epochs=tuple(epochs),
        at_least=at_least,
        detector=next((mask.detector for mask in masks if mask.detector), ""),
        subarray=masks[0].subarray or "",
        shape=shape,
        x=x,
        y=y,
        flagged=flagged,
        is_low=is_low,
        residual=strongest["residual"],
        significance=strongest["significance"],
        groups=groups,
        unit=masks[0].unit,
    )


def _counts(flagged: NDArray[np.bool_], is_low: NDArray[np.bool_]) -> Iterator[Counts]:
    """Yield the counts of each mask, from what is flagged in each."""
    seen = before = np.zeros(len(flagged), np.bool_)
    for number, (now, low) in enumerate(zip(flagged.T, is_low.T, strict=True)):
        new, returned, gone = now & ~seen, now & seen & ~before, before & ~now
        counts = map(int, map(np.count_nonzero, (now, low, now & ~low, new, returned, gone)))
        yield dict(zip(COUNTS, counts, strict=True)) | ({} if number else dict.fromkeys(COUNTS[3:]))
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


def _lines_of(epochs: Sequence[Epoch]) -> list[str]:
    """Return the lines of a table of the epochs, numbers to the right."""
    dates = [each.date if each.is_observed else f"{each.date}*" for each in epochs]
    width = max(map(len, ["date", *dates]))

    def line(date: str, what: str, cells: Iterable[object], path: object = "") -> str:
        texts = ("-" if cell is None else str(cell) for cell in cells)
        return f"  {date:<{width}}  {what:<6}{''.join(map('{:>9}'.format, texts))}  {path}".rstrip()

    lines = [line("date", "", COUNTS, "mask")]
    for date, each in zip(dates, epochs, strict=True):
        lines.append(line(date, "pixels", each.pixels.values(), each.path))
        lines.append(line("", "groups", each.groups.values()))
    if not all(each.is_observed for each in epochs):
        lines.append("  *: the date of the exposures is not known; the mask was made then")
    return lines
