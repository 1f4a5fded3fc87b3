"""The mask of one group of exposures, with all that it was found from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..arrays.floats import FloatArray
from ..arrays.summary import block, counted, cuts_of, flags_of
from ..files.location import Location
from ..files.mask_file import Card
from ..instrument import Dispaxis
from ..parameters import Parameters

__all__ = ["Card", "GroupMask", "MaskMember", "Role"]

Role: TypeAlias = Literal["science", "background", "selfcal"]
"""What an exposure is in its group."""


@dataclass(frozen=True)
class MaskMember:
    """One exposure that a mask was found from, or could not be.

    Attributes
    ----------
    exposure : Path or RemoteFile
        The exposure.
    role : {"science", "background", "selfcal"}
        What it is in its group.
    pedestal : float or None
        The pedestal that was subtracted, in the unit of its SCI; None if the detector has no gap.
        NaN if it cannot be measured: then the exposure was left out.
    problem : str
        Why it was not used; empty if it was.
    output : Path, RemoteFile or None
        Its flagged copy; None if there is none.
    later : str
        What says that it has passed later steps of the pipeline (``S_FLAT = COMPLETE``); empty if
        nothing.
    same_as : Path, RemoteFile or None
        The earlier exposure with the same SCI; None if there is none.
    is_constant : bool
        Whether all finite samples of its SCI are equal.
    """

    exposure: Location
    role: Role
    pedestal: float | None
    problem: str = ""
    output: Location | None = None
    later: str = ""
    same_as: Location | None = None
    is_constant: bool = False


@dataclass(frozen=True, eq=False)
class GroupMask:
    """The mask of one group (a product, or the exposures of a detector), and what shows it.

    Attributes
    ----------
    name : str
        The product or the group.
    dispaxis : {1, 2, None}
        The dispersion axis along which the bad pixels were found.
    parameters : Parameters
        The parameters they were found with.
    minimum : ndarray of float, shape (rows, cols)
        The minimum image, in the unit of SCI.
    bad_pixels : BadPixels
        Mask, residual, cuts and counts; with the sigma cut significance and noise too.
    dq : ndarray of uint32, shape (rows, cols), or None
        The DQ of the first exposure to be flagged, as it was before. None if it has no DQ.
    crowded : tuple of int
        The crowded rows (columns, if `dispaxis` is 2), counted from 0.
    members : tuple of MaskMember
        The exposures.
    about : mapping of str to str, int, float or bool
        The header cards that describe detector and mode (TELESCOP, INSTRUME, DETECTOR, EXP_TYPE,
        CHANNEL, BAND, SUBARRAY, SUBSTRT1, ...), from the first exposure to be flagged, and BUNIT of
        its SCI.
    version : str
        The version of this package that found the mask.
    made : str
        When, in UTC: ``2026-11-27T15:13:37``.
    identity : str
        What tells the versions of the exposures apart, as in the HISTORY of their copies; empty if
        it is not known.
    """

    name: str
    dispaxis: Dispaxis
    parameters: Parameters
    minimum: FloatArray
    bad_pixels: BadPixels
    dq: NDArray[np.uint32] | None
    crowded: tuple[int, ...]
    members: tuple[MaskMember, ...]
    about: Mapping[str, Card]
    version: str
    made: str
    identity: str = ""

    @property
    def used(self) -> list[MaskMember]:
        """The exposures that it was found from."""
        return [member for member in self.members if not member.problem]

    @property
    def unit(self) -> str:
        """The unit of SCI; empty if it is not known."""
        return str(self.about.get("BUNIT", "")).strip()

    def __repr__(self) -> str:
        rows, columns = self.bad_pixels.mask.shape
        unused = len(self.members) - len(self.used)
        return block(
            f"GroupMask {self.name}: {rows} x {columns} pixels",
            {
                "members": counted(len(self.members), "exposure")
                + (f", {unused} not used" if unused else ""),
                "cuts": cuts_of(self.bad_pixels),
                "flagged": flags_of(self.bad_pixels),
                "made": f"{self.made} by version {self.version}",
            },
        )
