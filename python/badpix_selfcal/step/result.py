"""What `selfcal`, `batch` and `apply` return: the result of one group, and of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from ..arrays.bad_pixels import cuts_of, flags_of
from ..arrays.display import block, counted, linked
from ..arrays.images import too_noisy
from ..errors import visible

if TYPE_CHECKING:
    from ..arrays import BadPixels
    from ..files.paths import Location
    from ..instrument import Dispaxis
    from ..masks.mask import Mask, Role

Status: TypeAlias = Literal["COMPLETE", "SKIPPED", "KEPT", "FAILED"]
"""COMPLETE: flagged. SKIPPED: not searched for bad pixels. KEPT: written by an earlier run, and
still valid."""

USED_ONLY: Final = ("BACKGROUND", "SELFCAL", "IMPRINT")
"""What else the tally counts: exposures that only serve to find bad pixels."""

ONLY_FOR_MINIMUM: Final = ", used for the minimum image only"


@dataclass(frozen=True)
class ExposureResult:
    """The result for one exposure that was to be flagged, or that failed.

    Attributes
    ----------
    exposure : the exposure.
    status : "COMPLETE", "SKIPPED", "KEPT" or "FAILED" (`Status`).
    output : its copy; None if there is none. The copy of a skipped exposure is unflagged.
    error, role : why it failed, and what it is in its group.
    """

    exposure: Location
    status: Status
    output: Location | None = None
    error: str = ""
    role: Role = "science"


@dataclass(frozen=True, eq=False)
class Result:
    """The result for one group: a product of an association, or the exposures that share a mask.

    Attributes
    ----------
    name : the product or the group.
    status : "COMPLETE", "SKIPPED" or, if all outputs were kept, "KEPT".
    members : its exposures, each once.
    exposures : the results for those to be flagged, and for those that failed.
    mask : the bad pixels, and all that they were found from. None unless COMPLETE.
    pedestals : what was subtracted from each member, in the unit of its SCI; NaN if the member was
        left out. Empty for detectors without a gap, and if nothing was computed.
    noise : the median ERR of each member that has one, relative to the least; with the sigma cut.
        Those above 1.2 do not serve the minimum image.
    mask_file, page : the file of the mask (`save_mask`) and its page (`report`); also kept ones.
    unwritten : the mask file or page that could not be written, and why.
    unused : the members of the association that are not used, and their types (dark, ...).
    roles : what each member is: science, background, selfcal or imprint.
    others : the results for the association's further products.
    """

    name: str
    status: Status
    members: tuple[Location, ...]
    exposures: tuple[ExposureResult, ...]
    mask: Mask | None = None
    pedestals: Mapping[Location, float] = field(default_factory=dict)
    noise: Mapping[Location, float] = field(default_factory=dict)
    mask_file: Location | None = None
    page: Location | None = None
    unwritten: Mapping[Location, str] = field(default_factory=dict)
    unused: Mapping[Location, str] = field(default_factory=dict)
    roles: Mapping[Location, Role] = field(default_factory=dict)
    others: tuple[Result, ...] = ()

    @property
    def imprints(self) -> tuple[Location, ...]:
        """The imprint exposures among the members, which are never flagged."""
        return tuple(path for path in self.members if self.roles.get(path) == "imprint")

    @property
    def bad_pixels(self) -> BadPixels | None:
        """The bad pixels; None without a mask, or if the mask is not one of this package."""
        return None if self.mask is None else self.mask.bad_pixels

    @property
    def dispaxis(self) -> Dispaxis:
        """The dispersion axis: that of the running median. None: a square window, or no mask."""
        return None if self.mask is None else self.mask.dispaxis

    @property
    def crowded_rows(self) -> tuple[int, ...]:
        """The rows (columns, if `dispaxis` is 2) crowded with flags, from 0; also if spared."""
        return () if self.mask is None else self.mask.crowded

    @property
    def flagged(self) -> int:
        """The number of pixels to flag."""
        return 0 if self.mask is None else int(self.mask.flags.sum())

    @property
    def science(self) -> Location | None:
        """The first science exposure's copy; None if there is none."""
        return next(iter(self._outputs("science")), None)

    @property
    def backgrounds(self) -> tuple[Location, ...]:
        """The copies of the backgrounds; empty without `save_flagged_bkg`."""
        return self._outputs("background")

    @property
    def written(self) -> tuple[Location, ...]:
        """The copies that this call has written."""
        return tuple(
            each.output for each in self.exposures if each.output and each.status != "KEPT"
        )

    @property
    def failed(self) -> tuple[ExposureResult, ...]:
        """The exposures that failed."""
        return tuple(each for each in self.exposures if each.status == "FAILED")

    @property
    def left_out(self) -> tuple[Location, ...]:
        """The exposures not used because their pedestal cannot be measured."""
        return tuple(path for path, level in self.pedestals.items() if level != level)

    @property
    def noisy(self) -> tuple[Location, ...]:
        """The exposures not used to find bad pixels, for their noise; they are flagged, too."""
        return tuple(too_noisy(self.noise))

    @property
    def statuses(self) -> dict[str, int]:
        """The number of exposures of each status.

        BACKGROUND, SELFCAL, IMPRINT: members of these roles that are not flagged themselves.
        """
        counts = Counter[str](each.status for each in self.exposures)
        used_only = {*self.members} - {each.exposure for each in self.exposures}
        counts.update(self.roles[path].upper() for path in used_only)
        return {status: counts[status] for status in (*get_args(Status), *USED_ONLY)}

    def _repr_html_(self) -> str:
        return linked(self, self.page, *(each.page for each in self.others))

    def __repr__(self) -> str:
        found, copies = self.bad_pixels, [each.output for each in self.exposures if each.output]
        members = counted(len(self.members), "exposure")
        lines = {
            "status": _tally_of(self.statuses),
            "cuts": "" if found is None else cuts_of(found),
            "flagged": _flags_of(self),
            "crowded": _count_of(self.crowded_rows, "row" if self.dispaxis == 1 else "column"),
            "left out": _count_of(self.left_out, "exposure"),
            "noisy": _count_of(self.noisy, "exposure", ", only flagged"),
            "imprints": _count_of(self.imprints, "exposure", ONLY_FOR_MINIMUM),
            "unused": ", ".join(f"{path} ({what})" for path, what in self.unused.items()),
            "failed": _first(each.error for each in self.failed),
            "copies": _files_of(copies) or "none",
            "mask": "" if self.mask_file is None else str(self.mask_file),
            "page": "" if self.page is None else str(self.page),
        }
        text = block(f"Result {self.name}: {self.status}, {members}", lines)
        return "\n".join([text, *map(repr, self.others)])

    def _outputs(self, role: str) -> tuple[Location, ...]:
        return tuple(each.output for each in self.exposures if each.output and each.role == role)


@dataclass(frozen=True, eq=False)
class Results:
    """The results for many exposures: those of their groups, over which it iterates.

    Attributes
    ----------
    groups : those whose exposures share a mask.
    unreadable : exposures that cannot be read, and so belong to no group.
    ignored : files in the folders of other modes (EXP_TYPE); with `badpix_selfcal.apply` those of
        other detectors too.
    index : the page that lists the pages of the groups (`report`), if there are several.
    """

    groups: tuple[Result, ...]
    unreadable: tuple[ExposureResult, ...] = ()
    ignored: tuple[Location, ...] = ()
    index: Location | None = None

    def __getitem__(self, at: int) -> Result:
        return self.groups[at]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def exposures(self) -> tuple[ExposureResult, ...]:
        """The results for all exposures."""
        return (*(each for group in self.groups for each in group.exposures), *self.unreadable)

    @property
    def statuses(self) -> dict[str, int]:
        """The number of exposures of each status, as in `Result`."""
        total = Counter({"FAILED": len(self.unreadable)})
        for group in self.groups:
            total.update(group.statuses)
        return {status: total[status] for status in (*get_args(Status), *USED_ONLY)}

    @property
    def written(self) -> tuple[Location, ...]:
        """The copies that this call has written."""
        return tuple(path for group in self.groups for path in group.written)

    @property
    def failed(self) -> tuple[ExposureResult, ...]:
        """The exposures that failed."""
        return tuple(each for each in self.exposures if each.status == "FAILED")

    @property
    def unwritten(self) -> dict[Location, str]:
        """The mask files and pages that could not be written, and why."""
        return {path: why for group in self.groups for path, why in group.unwritten.items()}

    def _repr_html_(self) -> str:
        return linked(self, self.index, *(each.page for each in self))

    def __repr__(self) -> str:
        imprints = [path for each in self for path in each.imprints]
        noisy = [path for each in self for path in each.noisy]
        lines = {
            "status": _tally_of(self.statuses),
            "failed": _first(each.error for each in self.failed),
            "left out": _count_of([path for each in self for path in each.left_out], "exposure"),
            "noisy": _count_of(noisy, "exposure", ", only flagged"),
            "imprints": _count_of(imprints, "exposure", ONLY_FOR_MINIMUM),
            "ignored": _count_of(self.ignored, "file", " of other modes or detectors"),
            "written": _files_of(self.written),
            "masks": _files_of([each.mask_file for each in self if each.mask_file]),
            "pages": _files_of([each.page for each in self if each.page]),
        }
        text = block(f"Results of {counted(sum(self.statuses.values()), 'exposure')}", lines)
        rows = [(each.name, _tally_of(each.statuses), _flags_of(each) or "-") for each in self]
        rows = [("group", "exposures", "flagged"), *rows] if rows else []
        first, second = (max((len(row[at]) for row in rows), default=0) for at in (0, 1))
        table = (f"  {name:<{first}}  {tally:<{second}}  {flags}" for name, tally, flags in rows)
        return "\n".join([text, *map(visible, table)])


def _flags_of(result: Result) -> str:
    """Return how many pixels are flagged; empty without a mask, or if every exposure failed."""
    failed = 0 < len(result.exposures) == len(result.failed)
    if result.mask is None or (failed and result.mask_file is None):
        return ""
    found = result.bad_pixels
    return counted(result.flagged, "pixel") if found is None else flags_of(found)


def _count_of(what: Sequence[object], name: str, which: str = "") -> str:
    """Return how many there are; empty if there are none."""
    return counted(len(what), name) + which if what else ""


def _first(errors: Iterable[str]) -> str:
    """Return the first error, and how many others there are."""
    first, *others = [*dict.fromkeys(errors)] or [""]
    return f"{first} (and {counted(len(others), 'other error')})" if others else first


def _tally_of(counts: Mapping[str, int]) -> str:
    """Return the number of exposures of each status that occurs."""
    return ", ".join(f"{number} {status}" for status, number in counts.items() if number)


def _files_of(paths: Sequence[Location]) -> str:
    """Return one file, or the number of files and their folder."""
    if len(paths) < 2:
        return str(paths[0]) if paths else ""
    folders = {str(path.parent) for path in paths}
    where = folders.pop() if len(folders) == 1 else counted(len(folders), "folder")
    return f"{counted(len(paths), 'file')} in {where}"
