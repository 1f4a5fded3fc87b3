"""The results of a batch: its groups, and all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from ..arrays import BadPixels
from ..detectors import Dispaxis
from ..files.location import Location
from ..notebook import card, table
from ..summary import block, counted, cuts_of, files_of, flags_of
from .execute import ExposureResult, ResultStatus

__all__ = ["BatchResult", "GroupResult"]


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
    """

    name: str
    members: tuple[Location, ...]
    exposures: tuple[ExposureResult, ...]
    pedestals: Mapping[Location, float]
    masks: Mapping[Dispaxis, BadPixels]
    crowded_rows: Mapping[Dispaxis, tuple[int, ...]]

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
        Files in the folders whose EXP_TYPE is that of another mode.
    """

    groups: tuple[GroupResult, ...]
    unreadable: tuple[ExposureResult, ...]
    ignored: tuple[Location, ...]

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
