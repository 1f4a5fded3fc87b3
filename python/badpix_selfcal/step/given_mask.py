"""A mask that exists already: the pixels to flag, and the exposures that it fits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..errors import MaskError
from ..files import mask_file
from ..files.location import AnyLocation, Location, locate
from ..files.mask_file import Card, MaskContent, Table
from ..instrument import DO_NOT_USE
from ..messages import argument
from .group_mask import GroupMask
from .mask_file import mask_in
from .member import Member, subarray_of
from .provenance import ascii_of, by_mask, file_part

__all__ = ["ANY", "GivenMask", "bits_of", "given_mask"]

ANY: Final = ("", "ANY", "N/A", "GENERIC")
"""Values of the cards of a reference file that fit every exposure. Without SUBARRAY it is of the
full frame."""


@dataclass(frozen=True, eq=False)
class GivenMask:
    """A mask that exposures are flagged with.

    Attributes
    ----------
    group : str
        The group that it was found from; the name of its file, if it is no mask of this package.
    name : str
        What messages call it: its file, or its group if it is not read from a file.
    flags : ndarray of bool, shape (rows, cols)
        The pixels to flag.
    detector : str
        The detector of the exposures that it fits; empty if any.
    subarray : str or None
        Their subarray, as in `badpix_selfcal.step.member.Member`; None if any.
    exp_type : str
        The mode that it was found in; empty if not known.
    history : str
        The HISTORY entry of copies that are flagged with it.
    mask : GroupMask or None
        All that it was found from; None for a reference file of the pipeline.
    location : Path, RemoteFile or None
        Its file.
    """

    group: str
    name: str
    flags: NDArray[np.bool_]
    detector: str
    subarray: str | None
    exp_type: str
    history: str
    mask: GroupMask | None
    location: Location | None

    def refusal(self, member: Member) -> str:
        """Return why it does not fit an exposure; empty if it does."""
        if self.detector not in ("", member.detector):
            return (
                f"{member.path}: was taken with {member.detector}, the mask {self.name} is of "
                f"{self.detector}; give a mask of {member.detector}"
            )
        if self.subarray not in (None, member.subarray):
            return (
                f"{member.path}: has the subarray {member.subarray or 'FULL'}, the mask "
                f"{self.name} has {self.subarray or 'FULL'}; give a mask of the same subarray"
            )
        if member.shape != self.flags.shape:
            return (
                f"{member.path}: SCI has shape {member.shape}, the mask {self.name} has "
                f"{self.flags.shape}; give a mask of the same shape"
            )
        return ""


def given_mask(given: AnyLocation | GroupMask) -> GivenMask:
    """Read a mask, or take one that is read.

    Parameters
    ----------
    given : path-like or GroupMask
        A mask of this package, or any JWST MASK reference file. Of the latter, the pixels count
        that have DO_NOT_USE according to its DQ_DEF.

    Raises
    ------
    MaskError
        If the file cannot be read, or is neither.
    """
    if isinstance(given, GroupMask):
        return _of_group(given, None)
    location = locate(given)
    content = mask_file.read(location)
    if "BPXVERS" in content.cards:
        return _of_group(mask_in(content, location), location)
    return _of_reference(content, location)


def _of_group(mask: GroupMask, location: Location | None) -> GivenMask:
    name = mask.name if location is None else str(location)
    word = file_part(mask.name) if location is None else location.name
    return _made(name, word, mask.bad_pixels.mask, mask.about, mask, location)


def _of_reference(content: MaskContent, location: Location) -> GivenMask:
    reftype = str(content.cards.get("REFTYPE", "")).strip().upper()
    if reftype != "MASK":
        found = f"REFTYPE is {reftype}" if reftype else "it has no REFTYPE"
        raise MaskError(
            f"{location}: is no mask ({found}); give a file that was written with "
            f"{argument(save_mask=True)}, or a JWST MASK reference file"
        )
    image = content.images.get("DQ")
    if image is None or image.ndim != 2 or image.dtype.kind not in "iu":
        raise MaskError(f"{location}: has no DQ extension with a 2-D image of integers")
    flags = (image.astype(np.int64) & bits_of(content.tables.get("DQ_DEF", {}), location)) != 0
    return _made(str(location), location.name, flags, content.cards, None, location)


def bits_of(definitions: Table, location: Location) -> int:
    """Return the bits of DQ that mean DO_NOT_USE in a mask, by the columns of its DQ_DEF.

    Raises
    ------
    MaskError
        If the table does not say it.
    """
    if not {"NAME", "VALUE"} <= definitions.keys():
        return DO_NOT_USE
    names, values = definitions["NAME"].astype(str), definitions["VALUE"]
    meant = np.char.upper(np.char.strip(names)) == "DO_NOT_USE"
    if meant.ndim != 1 or values.ndim != 1 or values.dtype.kind not in "iu" or not meant.any():
        raise MaskError(f"{location}: its table DQ_DEF does not say which pixels DO_NOT_USE")
    return int(np.bitwise_or.reduce(values[meant].astype(np.int64)))


def _made(
    name: str,
    word: str,
    flags: NDArray[np.bool_],
    cards: Mapping[str, Card],
    mask: GroupMask | None,
    location: Location | None,
) -> GivenMask:
    detector, exp_type = (_capitals(cards, keyword) for keyword in ("DETECTOR", "EXP_TYPE"))
    corner = (_capitals(cards, "SUBSTRT1"), _capitals(cards, "SUBSTRT2"))
    subarray = _capitals(cards, "SUBARRAY")
    is_any = mask is None and subarray in ANY and subarray != ""
    return GivenMask(
        group=word if mask is None else mask.name,
        name=name,
        flags=flags,
        detector="" if detector in ANY else detector,
        subarray=None if is_any else subarray_of(subarray, corner),
        exp_type="" if exp_type in ANY else exp_type,
        history=by_mask(__version__, ascii_of(word), _digest(flags)),
        mask=mask,
        location=location,
    )


def _capitals(cards: Mapping[str, Card], keyword: str) -> str:
    return str(cards.get(keyword, "")).strip().upper()


def _digest(flags: NDArray[np.bool_]) -> str:
    """Return a digest of flags and their shape."""
    content = str(flags.shape).encode() + np.packbits(flags).tobytes()
    return hashlib.blake2b(content, digest_size=8).hexdigest()
