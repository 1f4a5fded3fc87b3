"""The results of `selfcal`, and of a batch: its groups, and all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from ..arrays import BadPixels
from ..arrays.notebook import card, table
from ..arrays.summary import block, counted, cuts_of, files_of, flags_of
from ..files.location import Location
from ..instrument import Dispaxis
from .outcome import ExposureResult, ResultStatus
from .provenance import Status

__all__ = ["BatchResult", "GroupResult", "SelfcalResult"]


@dataclass(frozen=True)
class SelfcalResult:
    """The result for one product.

    Attributes
    ----------
    product : str
        Its name.
    status : {"COMPLETE", "SKIPPED"}
        Whether bad pixels were searched for.
    science : Path, RemoteFile or None
        The science exposure's flagged copy. When skipped, None, or an unflagged copy with
        `copy_skipped`.
    backgrounds : tuple of Path or RemoteFile
        The backgrounds' flagged copies; empty without `save_flagged_bkg`.
    bad_pixels : BadPixels or None
        The bad pixels; None when skipped.
    pedestals : mapping of Path or RemoteFile to float
        The pedestal that was subtracted from each member, in the unit of its SCI; NaN if the member
        was left out. Empty for detectors without a gap, and when skipped.
    dispaxis : {1, 2, None}
        The dispersion axis, along which the running median was computed; None: a square window, or
        skipped.
    members : tuple of Path or RemoteFile
        The exposures of the product, each once.
    crowded_rows : tuple of int
        The rows (columns, if `dispaxis` is 2) that are crowded with flags, counted from 0. Their
        pixels are flagged too, unless `spare_crowded` is set.
    mask : Path, RemoteFile or None
        The file of the mask, with `save_mask`; None when skipped.
    page : Path, RemoteFile or None
        The page that shows the mask, with `report`; None when skipped.
    unused : mapping of Path or RemoteFile to str
        The members of the association that are not used, and their exposure types (imprint, ...).
    others : tuple of SelfcalResult
        The results for the association's further products.
    """

    product: str
    status: Status
    science: Location | None
    backgrounds: tuple[Location, ...]
    bad_pixels: BadPixels | None
    pedestals: Mapping[Location, float]
    dispaxis: Dispaxis
    members: tuple[Location, ...]
    crowded_rows: tuple[int, ...] = ()
    mask: Location | None = None
    page: Location | None = None
    unused: Mapping[Location, str] = field(default_factory=dict)
    others: tuple[SelfcalResult, ...] = ()

    def __repr__(self) -> str:
        return block(*self._summary())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the counts, and a small picture of the mask."""
        head, lines = self._summary()
        return card(head, lines, {} if self.bad_pixels is None else {"mask": self.bad_pixels})

    def _summary(self) -> tuple[str, dict[str, str]]:
        found, others = self.bad_pixels, ", ".join(each.product for each in self.others)
        written = [path for path in (self.science, *self.backgrounds) if path is not None]
        return f"SelfcalResult {self.product}: {self.status}", {
            "members": counted(len(self.members), "exposure"),
            "cuts": "" if found is None else cuts_of(found),
            "flagged": "" if found is None else flags_of(found),
            "written": files_of(written) or "nothing",
            "mask": "" if self.mask is None else str(self.mask),
            "page": "" if self.page is None else str(self.page),
            "others": others,
        }


@dataclass(frozen=True)
class GroupResult:
    """The result for one group.

    Attributes
    ----------
    name : str
        The detector and channel of its exposures; EXP_TYPE and subarray, unless they are those of
        an integral-field unit and the full frame; also the band, if they are grouped by band.
    members : tuple of Path or RemoteFile
        All its exposures.
    exposures : tuple of ExposureResult
        The results for those to be flagged, and for those that failed.
    pedestals : mapping of Path or RemoteFile to float
        As in `badpix_selfcal.SelfcalResult`. Empty if nothing had to be computed.
    masks : mapping of {1, 2, None} to BadPixels
        The bad pixels by dispersion axis, usually only one. Empty if nothing was computed.
    crowded_rows : mapping of {1, 2, None} to tuple of int
        As in `badpix_selfcal.SelfcalResult`, by dispersion axis.
    flagged : mapping of {1, 2, None} to int
        The numbers of pixels to flag by dispersion axis; also with a mask that is not one of this
        package, for which `masks` is empty.
    mask_files : mapping of {1, 2, None} to Path or RemoteFile
        The files of the masks by dispersion axis, with `save_mask`; those that were kept too.
    pages : mapping of {1, 2, None} to Path or RemoteFile
        The pages that show the masks, with `report`, in the same way.
    unwritten : mapping of Path or RemoteFile to str
        The files of masks, and their pages, that could not be written, and why.
    """

    name: str
    members: tuple[Location, ...]
    exposures: tuple[ExposureResult, ...]
    pedestals: Mapping[Location, float]
    masks: Mapping[Dispaxis, BadPixels]
    crowded_rows: Mapping[Dispaxis, tuple[int, ...]]
    flagged: Mapping[Dispaxis, int] = field(default_factory=dict)
    mask_files: Mapping[Dispaxis, Location] = field(default_factory=dict)
    pages: Mapping[Dispaxis, Location] = field(default_factory=dict)
    unwritten: Mapping[Location, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return block(*self._summary())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the counts, and a small picture of each mask."""
        head, lines = self._summary()
        pictures = {f"mask, dispersion axis {axis}": each for axis, each in self.masks.items()}
        return card(head, lines, pictures)

    def _summary(self) -> tuple[str, dict[str, str]]:
        return f"GroupResult {self.name}: {counted(len(self.members), 'exposure')}", {
            "status": _tally_of(self.statuses),
            "cuts": ", ".join(cuts_of(found) for found in self.masks.values()),
            "flagged": ", ".join(flags_of(found) for found in self.masks.values()),
            "masks": files_of([*self.mask_files.values()]),
            "pages": files_of([*self.pages.values()]),
        }

    @property
    def statuses(self) -> dict[str, int]:
        """The number of exposures of each status. BACKGROUND: used, and not flagged itself."""
        return _statuses_of(self.exposures, len(self.members) - len(self.exposures))

    @property
    def left_out(self) -> tuple[Location, ...]:
        """The exposures not used because their pedestal cannot be measured."""
        return tuple(path for path, level in self.pedestals.items() if level != level)


@dataclass(frozen=True)
class BatchResult:
    """The result for many exposures.

    Attributes
    ----------
    groups : tuple of GroupResult
        The exposures that share a mask.
    unreadable : tuple of ExposureResult
        Exposures that cannot be read, and so belong to no group.
    ignored : tuple of Path or RemoteFile
        Files in the folders whose EXP_TYPE is that of another mode; with `badpix_selfcal.apply`
        those of other detectors too.
    index : Path or None
        The page that lists the pages of the groups, with `report`, if there are several.
    """

    groups: tuple[GroupResult, ...]
    unreadable: tuple[ExposureResult, ...]
    ignored: tuple[Location, ...]
    index: Location | None = None

    def __repr__(self) -> str:
        return block(*self._summary())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the counts, and the groups in a table."""
        rows = [
            (
                group.name,
                _tally_of(group.statuses),
                ", ".join(flags_of(found) for found in group.masks.values()) or "-",
            )
            for group in self.groups
        ]
        head, lines = self._summary()
        return card(head, lines, {}) + table(("group", "status", "flagged"), rows)

    def _summary(self) -> tuple[str, dict[str, str]]:
        return f"BatchResult of {counted(sum(self.statuses.values()), 'exposure')}", {
            "status": _tally_of(self.statuses),
            "groups": ", ".join(group.name for group in self.groups),
            "failed": _first(each.error for each in self.failed),
            "written": files_of(self.written),
        }

    @property
    def exposures(self) -> tuple[ExposureResult, ...]:
        """The results for all exposures."""
        return (*(each for group in self.groups for each in group.exposures), *self.unreadable)

    @property
    def statuses(self) -> dict[str, int]:
        """The number of exposures of each status, as in `GroupResult`."""
        used = sum(len(group.members) - len(group.exposures) for group in self.groups)
        return _statuses_of(self.exposures, used)

    @property
    def written(self) -> tuple[Location, ...]:
        """The outputs that this call has written."""
        return tuple(
            each.output
            for each in self.exposures
            if each.output is not None and each.status != "KEPT"
        )

    @property
    def failed(self) -> tuple[ExposureResult, ...]:
        """The exposures that failed."""
        return tuple(each for each in self.exposures if each.status == "FAILED")


def _statuses_of(exposures: Iterable[ExposureResult], used: int) -> dict[str, int]:
    """Return the number of exposures of each status, and of those used and not flagged."""
    counts = Counter[str](each.status for each in exposures)
    return {**{status: counts[status] for status in get_args(ResultStatus)}, "BACKGROUND": used}


def _first(errors: Iterable[str]) -> str:
    """Return the first error, and how many others there are."""
    first, *others = [*dict.fromkeys(errors)] or [""]
    return f"{first} (and {counted(len(others), 'other error')})" if others else first


def _tally_of(counts: Mapping[str, int]) -> str:
    """Return the number of exposures of each status that occurs."""
    return ", ".join(f"{number} {status}" for status, number in counts.items() if number)
