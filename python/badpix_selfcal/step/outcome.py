"""The outcome of a plan: its masks, what was written, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..arrays import BadPixels
from ..files.location import Location
from ..instrument import Dispaxis
from .plan import Copy, Mask, Plan
from .provenance import Status

__all__ = ["ExposureResult", "Outcome", "Products", "ResultStatus"]

Products: TypeAlias = dict[str, dict[Dispaxis, Location]]
"""Further outputs by kind (``mask.fits``) and dispersion axis."""

ResultStatus: TypeAlias = Literal["COMPLETE", "SKIPPED", "KEPT", "FAILED"]
"""KEPT: written by an earlier run, and still valid."""


@dataclass(frozen=True)
class ExposureResult:
    """The result for one exposure.

    Attributes
    ----------
    exposure : Path or RemoteFile
        The exposure.
    status : {"COMPLETE", "SKIPPED", "KEPT", "FAILED"}
        Flagged; not searched for bad pixels; written by an earlier run; or failed.
    output : Path, RemoteFile or None
        Its copy; None if there is none. The copy of a skipped exposure is unflagged.
    error : str
        Why it failed.
    """

    exposure: Location
    status: ResultStatus
    output: Location | None = None
    error: str = ""


class Outcome:
    """The result of a plan.

    Attributes
    ----------
    plan : Plan
        The plan.
    pedestals : dict of Path or RemoteFile to float
        The pedestal of each member; NaN if it was left out. Empty without a gap.
    masks : mapping of {1, 2, None} to BadPixels
        The bad pixels by dispersion axis; empty if the plan was skipped, or a mask was given that
        is not one of this package.
    flags : mapping of {1, 2, None} to ndarray of bool
        The pixels to flag; empty if the plan was skipped.
    crowded : mapping of {1, 2, None} to tuple of int
        The rows that are crowded with flags, by dispersion axis.
    errors : dict of Path or RemoteFile to str
        The exposures that failed, and why.
    written : list of Copy
        The copies written.
    products : dict of str to dict
        The further outputs by kind and dispersion axis, those that were kept too.
    unwritten : dict of Path or RemoteFile to str
        The further outputs that failed, and why.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pedestals: dict[Location, float] = {}
        self.masks: Mapping[Dispaxis, BadPixels] = {}
        self.flags: Mapping[Dispaxis, Mask] = {}
        self.crowded: Mapping[Dispaxis, tuple[int, ...]] = {}
        self.errors: dict[Location, str] = dict(plan.failed)
        self.written: list[Copy] = []
        self.products: Products = {}
        self.unwritten: dict[Location, str] = {}

    @property
    def status(self) -> Status:
        """COMPLETE: there is a mask. SKIPPED: bad pixels were not searched for."""
        return "COMPLETE" if self.flags else "SKIPPED"

    def add_product(self, kind: str, axis: Dispaxis, location: Location) -> None:
        """Record a further output."""
        self.products.setdefault(kind, {})[axis] = location

    def results(self) -> dict[Location, ExposureResult]:
        """Return the result of each exposure that was to be flagged or that failed."""
        found = {
            path: ExposureResult(path, "FAILED", error=error) for path, error in self.errors.items()
        }
        for copy in self.plan.missing:
            path = copy.member.path
            found.setdefault(path, ExposureResult(path, self.status))
        for copy in self.written:
            path = copy.member.path
            found[path] = ExposureResult(path, self.status, copy.output)
        return found
