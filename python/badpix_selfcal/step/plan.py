"""Plans: which exposures to combine, which to flag, and where to write the copies.

`badpix_selfcal.step.selfcal` makes a plan for each product of an association.
`badpix_selfcal.step.batch` makes a plan for each group of a pool. `badpix_selfcal.step.execute`
carries out both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import BadPixels, find_bad_pixels
from ..errors import ExposureError
from ..files import exposure as exposure_file
from ..files.digest import recorded
from ..files.exposure import Cards
from ..files.location import Location, RemoteFile
from ..files.outputs import Outputs, of_output, usual_remedy
from ..instrument import Dispaxis, Region, gap_of
from ..log import log
from ..parameters import Parameters
from .given_mask import GivenMask
from .group_mask import Role
from .member import Member, identity_of
from .minimum import MinimumImage
from .provenance import Status, cards, copied_member, history, without_member
from .reader import Reader

__all__ = ["Copy", "Job", "Made", "Mask", "Plan", "Seen", "made_of", "masks_of"]

Mask: TypeAlias = NDArray[np.bool_]

Seen: TypeAlias = tuple[int, ...] | None
"""What was found in the place of a copy: device, inode, size and time of a file, or nothing."""


@dataclass(frozen=True)
class Copy:
    """One flagged copy to be written.

    Attributes
    ----------
    member : Member
        The exposure.
    directory : Path or RemoteFile
        The folder of the copy, or the URL of one.
    name : str
        The name of the copy.
    dispaxis : {1, 2, None}
        The dispersion axis along which its bad pixels are found.
    is_background : bool
        Whether the exposure is a background of the plan.
    """

    member: Member
    directory: Location
    name: str
    dispaxis: Dispaxis
    is_background: bool

    @property
    def output(self) -> Location:
        """The location of the copy."""
        return self.directory / self.name


@dataclass(frozen=True)
class Plan:
    """The exposures of one mask and the copies to flag with it.

    Attributes
    ----------
    name : str
        The name of the product or of the group.
    detector : str
        The detector. Its gap is used for all members.
    members : tuple of Member
        The exposures to combine, each once.
    companions : frozenset of Path or RemoteFile
        Members that the science exposures are combined with. If none of them can be used, the plan
        is skipped, unless `force_single` is set.
    copies : tuple of Copy
        The copies: of science exposures and, with `save_flagged_bkg`, of backgrounds.
    parameters : Parameters
        The step's parameters.
    stem : str
        The start of the names of further outputs.
    roles : mapping of Path or RemoteFile to {"science", "background", "selfcal"}
        What the members are; "science" unless it is said.
    kept : frozenset of Copy
        The copies that an earlier run has written and that are kept.
    done : frozenset of str
        The names of the further outputs that are kept.
    given : GivenMask or None
        The mask to flag with. None: it is found from the members.
    origin : mapping of str to (str, str)
        Cards for all copies.
    failed : dict of Path or RemoteFile to str
        The exposures that cannot be flagged, and why.
    """

    name: str
    detector: str
    members: tuple[Member, ...]
    companions: frozenset[Location]
    copies: tuple[Copy, ...]
    parameters: Parameters
    stem: str
    roles: Mapping[Location, Role] = field(default_factory=dict)
    kept: frozenset[Copy] = frozenset()
    done: frozenset[str] = frozenset()
    given: GivenMask | None = None
    origin: Cards = field(default_factory=dict)
    failed: Mapping[Location, str] = field(default_factory=dict)

    @property
    def gap(self) -> Region | None:
        """Where the pedestals are measured."""
        return gap_of(self.detector)

    @property
    def missing(self) -> tuple[Copy, ...]:
        """The copies to write."""
        return tuple(copy for copy in self.copies if copy not in self.kept)

    @property
    def axes(self) -> tuple[Dispaxis, ...]:
        """The dispersion axes along which bad pixels are found."""
        return tuple(dict.fromkeys(copy.dispaxis for copy in self.copies))

    @property
    def needs_errors(self) -> bool:
        """Whether the ERR of the members is read."""
        return self.parameters.needs_errors

    def is_skipped(self, used: Collection[Location], failed: Collection[Location] = ()) -> bool:
        """Return whether too few exposures can be used.

        Parameters
        ----------
        used : collection of Path or RemoteFile
            The exposures that can be used.
        failed : collection of Path or RemoteFile, optional
            The exposures that cannot be read. If they leave only one member, it is alone.
        """
        if self.parameters.force_single:
            return not used
        alone = failed and len(self.members) - len(failed) < 2
        return bool(alone) or self.companions.isdisjoint(used)

    def identity(self, unused: Collection[Location] = (), copies: Collection[Location] = ()) -> str:
        """Return a text that identifies the members, unused ones and copies; empty if not known."""
        if not all(member.identity for member in self.members):
            return ""
        lost, same = (
            sorted(member.identity for member in self.members if member.path in paths)
            for paths in (unused, copies)
        )
        words = [*map(without_member, lost), *map(copied_member, same)]
        return " ".join([identity_of(self.members), *words])

    def history(self, copy: Copy, status: Status, identity: str, n_exposures: int) -> str:
        """Return the HISTORY entry of a copy: how and from what it is made.

        Parameters
        ----------
        copy : Copy
            The copy.
        status : {"COMPLETE", "SKIPPED"}
            Whether a mask is applied.
        identity : str
            The identity of the members (`identity`).
        n_exposures : int
            How many different ones of them are combined.
        """
        if self.given is not None:
            known = copy.member.identity
            return f"{self.given.history} input={known}" if known else self.given.history
        if status == "COMPLETE":
            entry = history(self.parameters.for_exposures(n_exposures), status, copy.dispaxis)
        else:
            entry = history(self.parameters, status, None)
        if not (identity and copy.member.identity):
            return entry
        return f"{entry} input={copy.member.identity} members={identity}"

    def history_of_mask(self, dispaxis: Dispaxis, identity: str, n_exposures: int) -> str:
        """Return the HISTORY entry of a mask, as `history` does that of a copy."""
        entry = history(self.parameters.for_exposures(n_exposures), "COMPLETE", dispaxis)
        return f"{entry} members={identity}" if identity else entry


@dataclass(frozen=True)
class Job:
    """One copy to write, in any thread or process.

    Attributes
    ----------
    copy : Copy
        The copy.
    status : {"COMPLETE", "SKIPPED"}
        Whether a mask is applied.
    origin : mapping of str to (str, str)
        Cards that name the association.
    history : str
        How and from what it is made.
    overwrite : bool
        Whether to replace an existing file. The exposure itself is never replaced.
    part : Path or None
        The file to write, if the copy is published later together with others. None: the copy is
        published at once.
    no_sync : bool
        Whether not to wait until the disk has the copy.
    remedy : str
        What the user can do if the copy exists, said as the process says it that plans the job.
    """

    copy: Copy
    status: Status
    origin: Cards
    history: str
    overwrite: bool
    part: Path | None = None
    no_sync: bool = False
    remedy: str = field(default_factory=usual_remedy)

    def write(self, mask: Mask | None, reader: Reader) -> None:
        """Write the copy.

        Parameters
        ----------
        mask : ndarray of bool, shape (rows, cols), or None
            The pixels to flag.
        reader : Reader
            Reads the exposure. It does not keep the exposure afterwards.

        Raises
        ------
        ExposureError
            If the exposure cannot be read or flagged.
        OSError
            If the copy cannot be written.
        """
        if self.part is not None:
            self._write_to(self.part, mask, reader)
            return
        with self._outputs() as outputs:
            final = outputs.claim(self.copy.name)
            self._write_to(outputs.part(final), mask, reader)
            outputs.publish()

    def seen(self) -> Seen:
        """Return what is in the place of the copy now; nothing if that is a URL."""
        output = self.copy.output
        if not isinstance(output, Path):
            return None
        try:
            about = output.lstat()
        except FileNotFoundError:
            return None
        return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns

    def adopt(self, part: Path, seen: Seen) -> None:
        """Give a file that another process has written the name of the copy.

        Parameters
        ----------
        part : Path
            The file, in the folder of the copy.
        seen : Seen
            What was in the place of the copy before. Only that may be replaced.

        Raises
        ------
        OSError
            If the copy cannot have its name, or another file has appeared there.
        """
        with self._outputs() as outputs:
            final = outputs.claim(self.copy.name)
            if self.seen() != seen:
                raise FileExistsError(f"{final} appeared during the run; nothing was replaced")
            part.replace(outputs.part(final))
            outputs.publish()

    def _outputs(self) -> Outputs:
        copy = self.copy
        return Outputs(
            copy.directory,
            [copy.member.path],
            overwrite=self.overwrite,
            remedy=self.remedy,
            no_sync=self.no_sync,
            sweep=False,  # once in a run is enough
        )

    def _write_to(self, part: Path, mask: Mask | None, reader: Reader) -> None:
        # A separate function: errors inside fsspec keep the frames of the callers alive for a
        # while. The frame of this function would keep the downloaded exposure.
        member, path = self.copy.member, self.copy.member.path
        try:
            entries = {**self.origin, **cards(self.copy.name, self.status)}
            exposure = reader.read(path)
            member.refuse_change(exposure)
            exposure.write_copy(part, mask, entries, self.history)
        except OSError as error:
            if error.filename not in (None, str(part)):
                raise
            raise of_output(error, self.copy.output) from error
        finally:
            reader.forget(path)


class Made(NamedTuple):
    """How an output was made.

    Attributes
    ----------
    status : object
        The value of its card S_BPXSLF.
    history : str
        All its HISTORY, on one line, without the digest at its end.
    """

    status: object
    history: str

    def is_by(self, history: str, status: Status = "COMPLETE") -> bool:
        """Return whether it was made with a status and, last, a HISTORY entry."""
        return self.status == status and self.history.endswith(history)


def made_of(output: Location) -> Made | None:
    """Return how an output was made; None if it is not whole or cannot be read.

    All data of a local one are compared with their digest. An object store has not lost any.
    """
    try:
        copy = exposure_file.read(output, whole=False)
        history, digest = recorded(" ".join(copy.history))
        if not digest or isinstance(output, RemoteFile) or copy.digest() == digest:
            return Made(copy.primary_value("S_BPXSLF"), history)
        log.info("%s: not kept: its data are not those that were written", output)
    except ExposureError as error:
        log.info("%s: not kept: %s", output, error)
    return None


def masks_of(minimum: MinimumImage, plan: Plan) -> dict[Dispaxis, BadPixels]:
    """Find the bad pixels of a plan, for each dispersion axis of its copies.

    Parameters
    ----------
    minimum : MinimumImage
        The minimum image of all its exposures.
    plan : Plan
        The plan.

    Returns
    -------
    dict of {1, 2, None} to BadPixels
        Empty if no exposure could be used.
    """
    if minimum.image is None:
        return {}
    by, image, error = plan.parameters, minimum.image, minimum.error
    return {
        axis: find_bad_pixels(
            image,
            dispaxis=axis,
            cut=by.cut,
            kernel_size=by.kernel_size,
            flagfrac_lower=by.flagfrac_lower,
            flagfrac_upper=by.flagfrac_upper,
            error=error,
            n_exposures=minimum.n_exposures,
            sigma_lower=by.sigma_lower,
            sigma_upper=by.sigma_upper,
            grow=by.grow,
            detector=plan.detector,
            edge=by.edge,
        )
        for axis in plan.axes
    }
