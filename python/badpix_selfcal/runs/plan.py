"""What is to be done for a group of exposures, in parts that serve any way of spreading the work.

`plan_of` tells which copies are to be made, `minimum_of` combines the exposures (or parts of them:
`finding.MinimumImage` can be merged), `masks_of` finds the bad pixels, `Job.read`, `Job.prepare`
and `Prepared.write` make one copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import BadPixels
from ..detectors import Dispaxis, Region, gap_of
from ..errors import ExposureError
from ..files import exposure as exposure_file
from ..files.exposure import Exposure
from ..files.outputs import Outputs
from ..files.remote import Location
from ..parameters import Parameters
from .minimum import PREFETCHED, MinimumImage, dispaxis_of, find
from .pool import Group, Member
from .provenance import Status, cards, history, name_of

__all__ = [
    "Job",
    "Mask",
    "Masks",
    "Output",
    "Plan",
    "Prepared",
    "identity_of",
    "masks_of",
    "minimum_of",
    "plan_of",
]

Mask: TypeAlias = NDArray[np.bool_]
Masks: TypeAlias = Mapping[Dispaxis, BadPixels]
"""The bad pixels of a group by dispersion axis; as a rule its exposures have one and the same."""


@dataclass(frozen=True)
class Output:
    """One flagged copy to be made.

    Attributes
    ----------
    member : Member
        The exposure.
    path : Path
        The copy.
    dispaxis : {1, 2, None}
        The exposure's dispersion axis.
    """

    member: Member
    path: Path
    dispaxis: Dispaxis

    def history(self, plan: Plan, status: Status, used: str) -> str:
        """Return the HISTORY entry that tells how and from what (`identity_of`) it was made."""
        dispaxis = self.dispaxis if status == "COMPLETE" else None
        told = history(plan.parameters, status, dispaxis)
        return f"{told} input={self.member.identity} members={used}"

    def is_current(self, plan: Plan) -> bool:
        """Return whether the copy is there, whole, and as it would be made now."""
        if not self.path.is_file():
            return False
        try:
            copy = exposure_file.read(self.path)
            status, told = copy.primary_value("S_BPXSLF"), " ".join(copy.history)
        except ExposureError:
            return False
        return status == "COMPLETE" and told.endswith(self.history(plan, "COMPLETE", plan.identity))


@dataclass(frozen=True)
class Job:
    """One copy to be made, in this process or elsewhere.

    Attributes
    ----------
    output : Output
        The copy.
    status : {"COMPLETE", "SKIPPED"}
        Whether a mask will be applied.
    history : str
        How and from what it is made.
    overwrite : bool
        Whether to replace an existing file. The exposure itself never is.
    """

    output: Output
    status: Status
    history: str
    overwrite: bool

    def read(self) -> Exposure:
        """Read the exposure's headers; if it is remote, fetch it.

        Raises
        ------
        ExposureError
            If the exposure cannot be read or flagged.
        """
        source = exposure_file.read(self.output.member.path)
        if self.status == "COMPLETE":
            source.require_flaggable()
        return source

    def prepare(self, source: Exposure) -> Prepared:
        """Make the headers of the copy.

        Raises
        ------
        ExposureError
            If the exposure's headers cannot be read.
        """
        header = source.new_primary(cards(self.output.path.name, self.status), self.history)
        return Prepared(self.output, source, header)


@dataclass(frozen=True)
class Prepared:
    """One flagged copy about to be written."""

    output: Output
    source: Exposure
    header: bytes

    def write(self, mask: Mask | None, *, overwrite: bool) -> Path:
        """Write the copy whole or not at all; in any thread.

        Parameters
        ----------
        mask : ndarray of bool, shape (rows, cols), or None
            The pixels to flag.
        overwrite : bool
            Whether to replace an existing file. The exposure itself never is.

        Returns
        -------
        Path
            The copy.

        Raises
        ------
        ExposureError
            If the exposure cannot be read.
        OSError
            If the copy cannot be written.
        """
        folder, inputs = self.output.path.parent, [self.source.path]
        with Outputs(folder, inputs, overwrite=overwrite) as outputs:
            final = outputs.claim(self.output.path.name)
            self.source.write_under(self.header, outputs.part(final), mask)
            outputs.publish()
        return final


@dataclass(frozen=True)
class Plan:
    """What is to be done for one group.

    Attributes
    ----------
    group : Group
        The exposures.
    parameters : Parameters
        The step's parameters.
    outputs : tuple of Output
        The copies to be made: of science exposures, and of backgrounds if they are asked for.
    failed : dict of Path or RemoteFile to str
        The exposures that cannot be flagged, and why.
    """

    group: Group
    parameters: Parameters
    outputs: tuple[Output, ...]
    failed: dict[Location, str]

    @property
    def gap(self) -> Region | None:
        """Where the exposures' pedestals are measured."""
        return gap_of(self.group.members[0].detector)

    @cached_property
    def identity(self) -> str:
        """What tells the exposures of the group from any others."""
        return identity_of(self.group.members)

    def is_skipped(self, failed: Iterable[Location] = ()) -> bool:
        """Return whether too few exposures are left, as the step does of a lone exposure."""
        left = len(self.group.members) - len([*failed])
        return left < 2 and not self.parameters.force_single


def plan_of(group: Group, parameters: Parameters, directory: Path) -> Plan:
    """Plan the outputs of a group.

    Parameters
    ----------
    group : Group
        The exposures.
    parameters : Parameters
        The step's parameters.
    directory : Path
        Where the outputs go.

    Returns
    -------
    Plan
        What is to be done. If the exposures differ in shape, all fail.
    """
    first = group.members[0]
    outputs: list[Output] = []
    failed: dict[Location, str] = {}
    odd = next((member for member in group.members if member.shape != first.shape), None)
    for member in group.members:
        if member.is_background and not parameters.save_flagged_bkg:
            continue
        if odd is not None:
            failed[member.path] = (
                f"{odd.path}: SCI has shape {odd.shape}, that of {first.path} of the same group "
                f"({group.name}) has {first.shape}; the group is left alone"
            )
            continue
        try:
            dispaxis = dispaxis_of(member, parameters.dispaxis)
        except ExposureError as error:
            failed[member.path] = str(error)
        else:
            outputs.append(Output(member, directory / name_of(member.stem), dispaxis))
    return Plan(group, parameters, tuple(outputs), failed)


def minimum_of(
    paths: Iterable[Location], gap: Region | None
) -> tuple[MinimumImage, dict[Location, str]]:
    """Combine exposures of a group, one after the other.

    Parameters
    ----------
    paths : iterable of Path or RemoteFile
        The exposures.
    gap : tuple of int or None
        That of their detector.

    Returns
    -------
    minimum : MinimumImage
        The minimum image and the pedestals.
    failed : dict of Path or RemoteFile to str
        The exposures that could not be read, and why; the others are combined.
    """
    minimum = MinimumImage(gap)
    failed: dict[Location, str] = {}
    for path, exposure in _read_ahead(paths):
        try:
            if isinstance(exposure, Exception):
                raise exposure
            minimum.fold(exposure)
        except (ValueError, OSError) as error:
            failed[path] = str(error)
    return minimum, failed


def masks_of(minimum: MinimumImage, plan: Plan) -> dict[Dispaxis, BadPixels]:
    """Find the bad pixels of a group.

    Parameters
    ----------
    minimum : MinimumImage
        That of the group, in full.
    plan : Plan
        The group.

    Returns
    -------
    dict of {1, 2, None} to BadPixels
        By the dispersion axis of the outputs; empty if no exposure could be used.
    """
    if minimum.image is None:
        return {}
    axes = dict.fromkeys(output.dispaxis for output in plan.outputs)
    return {axis: find(minimum.image, axis, plan.parameters) for axis in axes}


def identity_of(members: Iterable[Member]) -> str:
    """Return what tells these exposures from any others, whatever their order."""
    every = sorted(member.identity for member in members)
    digest = hashlib.blake2b(" ".join(every).encode(), digest_size=8).hexdigest()
    return f"{len(every)}:{digest}"


def _read_ahead(paths: Iterable[Location]) -> Iterator[tuple[Location, Exposure | Exception]]:
    """Yield exposures whose headers are read, while the system reads what comes next."""
    coming: list[tuple[Location, Exposure | Exception]] = []
    for path in paths:
        try:
            exposure = exposure_file.read(path, whole=False)
            exposure.prefetch()
            coming.append((path, exposure))
        except ExposureError as error:
            coming.append((path, error))
        if len(coming) > PREFETCHED:
            yield coming.pop(0)
    yield from coming
