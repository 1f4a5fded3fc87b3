"""The mask of one detector: its flags, what they were found from, and what it fits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._kernels import __version__
from ..arrays.bad_pixels import BadPixels
from ..arrays.checks import FloatArray
from ..arrays.display import block, counted, cuts_of, flags_of
from ..errors import ExposureError, MaskError
from ..files.fits_file import open_fits
from ..files.outputs import save
from ..files.paths import AnyLocation, Location, locate
from ..instrument import Dispaxis
from ..parameters import Parameters

if TYPE_CHECKING:
    from astropy.table import Table

    from ..files.exposure import Exposure

__all__ = ["Card", "Mask", "Member", "Role", "table_of"]

Card: TypeAlias = str | int | float | bool
"""The value of a header card."""

Role: TypeAlias = Literal["science", "background", "selfcal"]
"""What an exposure is in its group."""

Columns: TypeAlias = dict[str, tuple[NDArray[Any], str, str]]
"""The columns of a table by name: values, unit and description."""

ANY: Final = ("", "ANY", "N/A", "GENERIC")
"""Values of the cards of a reference file that fit every exposure."""


@dataclass(frozen=True)
class Member:
    """One exposure that a mask was found from, or could not be.

    Attributes
    ----------
    exposure : path or URL
        The exposure.
    role : {"science", "background", "selfcal"}
        What it is in its group.
    pedestal : float or None
        What was subtracted, in the unit of its SCI. None if the detector has no gap. NaN if it
        cannot be measured: then the exposure was left out.
    problem : str
        Why it was not used; empty if it was.
    output : path, URL or None
        Its flagged copy; None if there is none.
    later : str
        The card of a later step of the pipeline that it has passed (``S_FLAT = COMPLETE``), or "".
    same_as : path, URL or None
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


@dataclass(frozen=True, eq=False, kw_only=True)
class Mask:
    """The bad pixels of one detector: found from a group of exposures, or read from a file.

    A JWST MASK reference file of other origin is a mask without images: it has `name`, `flags`,
    `about` and `source` only.

    Attributes
    ----------
    name : str
        The product or the group; the name of its file, if it is no mask of this package.
    flags : ndarray of bool, shape (rows, cols)
        The pixels to flag: those of `bad_pixels`, if there are any.
    dispaxis : {1, 2, None}
        The dispersion axis along which the bad pixels were found.
    parameters : Parameters or None
        Those with which they were found.
    minimum : ndarray of float, shape (rows, cols), or None
        The minimum image, in the unit of SCI.
    bad_pixels : BadPixels or None
        Mask, residual, cuts and counts; with the sigma cut significance and noise too.
    dq : ndarray of uint32, shape (rows, cols), or None
        The DQ of the first exposure to be flagged, as it was before. None if it has no DQ.
    crowded : tuple of int
        The crowded rows (columns, if `dispaxis` is 2), counted from 0.
    members : tuple of Member
        The exposures.
    about : mapping of str to str, int, float or bool
        The header cards that describe detector and mode (DETECTOR, SUBARRAY, ...), from the first
        exposure to be flagged, and BUNIT of its SCI.
    version, made : str
        The version of this package that found the mask, and when (UTC: ``2026-11-27T15:13:37``).
    identity : str
        The versions of the exposures, as in the HISTORY of their copies; empty if unknown.
    source : path, URL or None
        The file that it was read from.
    """

    name: str
    flags: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), np.bool_))
    dispaxis: Dispaxis = None
    parameters: Parameters | None = None
    minimum: FloatArray | None = None
    bad_pixels: BadPixels | None = None
    dq: NDArray[np.uint32] | None = None
    crowded: tuple[int, ...] = ()
    members: tuple[Member, ...] = ()
    about: Mapping[str, Card] = field(default_factory=dict)
    version: str = ""
    made: str = ""
    identity: str = ""
    source: Location | None = None

    def __post_init__(self) -> None:
        if self.bad_pixels is not None:
            object.__setattr__(self, "flags", self.bad_pixels.mask)

    @classmethod
    def read(cls, path: AnyLocation) -> Mask:
        """Read a mask.

        Parameters
        ----------
        path : path-like
            A mask of this package, or any JWST MASK reference file: of the latter, the pixels count
            that have DO_NOT_USE according to its DQ_DEF. It may be compressed by gzip, or (extra
            ``cloud``) be at a URL.

        Returns
        -------
        Mask
            Equal to the one that was written.

        Raises
        ------
        MaskError
            If there is no such file, it is damaged, or it is no mask; a ValueError.
        """
        from .mask_file import mask_in

        location = locate(path)
        try:
            with open_fits(location) as hdus:
                return mask_in(hdus, location)
        except ExposureError as error:
            raise MaskError(str(error)) from error

    def write(self, path: AnyLocation, *, overwrite: bool = False) -> Location:
        """Write the mask as a JWST MASK reference file.

        Parameters
        ----------
        path : path-like
            The file, or (extra ``cloud``) its URL. Its folder is made if it does not exist.
        overwrite : bool, optional
            Replace an existing file.

        Returns
        -------
        path or URL
            The file.

        Raises
        ------
        FileExistsError
            If the file exists, without `overwrite`.
        OSError
            If it cannot be written.
        ValueError
            If it has no images, or a card of `about` cannot be written.
        """
        from .mask_file import write_part

        to = locate(path)
        save({to: lambda part: write_part(part, self, to.name)}, (), overwrite=overwrite)
        return to

    @property
    def used(self) -> list[Member]:
        """The exposures that it was found from."""
        return [member for member in self.members if not member.problem]

    @property
    def low(self) -> NDArray[np.bool_] | None:
        """The pixels flagged at the low end; None for a mask without images, which says no end."""
        return None if self.bad_pixels is None else self.bad_pixels.low

    @property
    def unit(self) -> str:
        """The unit of SCI; empty if it is not known."""
        return self._text("BUNIT")

    @property
    def date(self) -> str:
        """When its first exposure was taken, in UTC, or only the day; else when it was made."""
        return "T".join(filter(None, map(self._text, ("DATE-OBS", "TIME-OBS")))) or self.made

    @property
    def title(self) -> str:
        """What messages call it: its file, or its name if it is not read from a file."""
        return str(self.source or self.name)

    @property
    def detector(self) -> str:
        """The detector of the exposures that it fits; empty if any."""
        return self._unless_any("DETECTOR")

    @property
    def subarray(self) -> str | None:
        """Their subarray, and its corner unless (1,1): ``SUB64(9,1)``; "" if full, None if any."""
        name = self._text("SUBARRAY").upper()
        if name and name in ANY and self.about.keys() & {"REFTYPE", "DATAMODL"}:
            return None  # a reference file
        corner = ",".join(self._text(keyword) or "1" for keyword in ("SUBSTRT1", "SUBSTRT2"))
        return ("" if name == "FULL" else name) + ("" if corner == "1,1" else f"({corner})")

    @property
    def exp_type(self) -> str:
        """The mode that it was found in; empty if not known."""
        return self._unless_any("EXP_TYPE")

    def _text(self, keyword: str) -> str:
        return str(self.about.get(keyword, "")).strip()

    def _unless_any(self, keyword: str) -> str:
        value = self._text(keyword).upper()
        return "" if value in ANY else value

    @property
    def history(self) -> str:
        """The HISTORY entry of exposures that are flagged with it."""
        name = self.name if self.source is None else self.source.name
        word = "_".join("".join(c if c.isprintable() else " " for c in name).split())
        word = word.encode("ascii", "replace").decode()[:60]  # a line has 72
        content = str(self.flags.shape).encode() + np.packbits(self.flags).tobytes()
        digest = hashlib.blake2b(content, digest_size=8).hexdigest()
        return f"badpix_selfcal {__version__} COMPLETE: mask={word} digest={digest}"

    @property
    def origin(self) -> str:
        """The HISTORY entry of its own file and of pages that show it: how it was found.

        Empty if it is no mask of this package.
        """
        if self.parameters is None:
            return ""
        how = replace(self.parameters, dispaxis=self.dispaxis).as_text()
        members = f" members={self.identity}" if self.identity else ""
        return f"badpix_selfcal {self.version} COMPLETE: {how}{members}"

    def refusal(self, other: Exposure | Mask) -> str:
        """Return why an exposure, or another mask, has other pixels; empty if it has not."""
        detector, subarray = other.detector, other.subarray
        if isinstance(other, Mask):
            path, shape = other.title, other.flags.shape
            mine, wanted = self.title, "files of one"
            detector = detector or self.detector
            subarray = self.subarray if subarray is None else subarray
        else:
            path, shape = str(other.path), other.shape
            mine, wanted = f"the mask {self.title}", "a mask of the same"
        if self.detector not in ("", detector):
            what, differ = "detector", f"was taken with {detector}, {mine} is of {self.detector}"
        elif self.subarray not in (None, subarray):
            what, has = "subarray", self.subarray or "FULL"
            differ = f"has the subarray {subarray or 'FULL'}, {mine} has {has}"
        elif shape != self.flags.shape:
            what, differ = "shape", f"has shape {shape}, {mine} has {self.flags.shape}"
        else:
            return ""
        return f"{path}: {differ}; give {wanted} {what}"

    def pixels(self) -> Table:
        """Return the flagged pixels as a table, row by row of the image.

        Returns
        -------
        astropy.table.Table
            With units and descriptions: x and y, counted from 0; value (of the minimum image),
            residual, significance (NaN with the fraction cut), end (low or high), reason, known
            (the DQ before), and group. Its meta says what they were found with. Of a mask without
            images: x and y.
        """
        found, unit = self.bad_pixels, self.unit
        y, x = at = np.nonzero(self.flags)
        columns: Columns = {
            "x": (x.astype(np.int32), "pixel", "column of the image, counted from 0"),
            "y": (y.astype(np.int32), "pixel", "row of the image, counted from 0"),
        }
        cards = {key: value for key, value in self.about.items() if key != "BUNIT"}
        about: dict[str, Any] = {"name": self.name, "detector": cards}
        about["shape"] = [*self.flags.shape]
        if found is None or self.minimum is None or self.parameters is None:
            return table_of(columns, about)
        residual, compared = found.residual[at], found.compared[at]
        is_sigma = found.significance is not None
        reason = np.where(is_sigma, "significance", "residual")
        reason = np.where(np.isinf(compared), "infinite", reason)
        significance = compared if is_sigma else np.full_like(residual, np.nan)
        known = np.zeros(y.size, np.uint32) if self.dq is None else self.dq[at]
        group = (found.groups.number + 1).astype(np.int32)
        columns |= {
            "value": (self.minimum[at], unit, "of the minimum image"),
            "residual": (residual, unit, "minimum image minus its running median"),
            "significance": (significance, "", "in units of the noise; NaN: fraction cut"),
            "end": (np.where(found.low[at], "low", "high"), "", "low or high"),
            "reason": (reason, "", "residual, significance or infinite"),
            "known": (known, "", "DQ before"),
            "group": (group, "", "group of pixels that touch, the strongest is 1"),
        }
        about |= {name: getattr(found, name) for name in ("cut_low", "cut_high", "n_low", "n_high")}
        about |= {
            "dispaxis": self.dispaxis,
            "parameters": asdict(self.parameters),
            "n_groups": len(found.groups),
            "crowded": [*self.crowded],
            "exposures": [str(member.exposure) for member in self.used],
            "version": self.version,
            "made": self.made,
        }
        return table_of(columns, about)

    def regions(self) -> str:
        """Return the flagged pixels as regions of DS9, one box for each pixel.

        They are cyan at the low end, else red: colours that colour-blind readers can distinguish.
        DS9 counts from 1: the centre of the first pixel is (1, 1).
        """
        low = np.zeros_like(self.flags) if self.low is None else self.low
        lines = [
            "# Region file format: DS9 version 4.1",
            f"# {ascii(self.name)[1:-1]}: low end cyan, high end red",
            "image",
        ]
        for y, x in np.argwhere(self.flags).tolist():
            colour, tag = ("cyan", "low") if low[y, x] else ("red", "high")
            lines.append(f"box({x + 1},{y + 1},1,1,0) # color={colour} tag={{{tag}}}")
        return "\n".join(lines) + "\n"

    def __repr__(self) -> str:
        return block(*self._summary())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the facts, and a small picture of the mask."""
        from ..arrays.display import card

        return card(*self._summary(), {"mask": self.bad_pixels} if self.bad_pixels else {})

    def _summary(self) -> tuple[str, dict[str, str]]:
        rows, columns = self.flags.shape
        head, found = f"Mask {self.name}: {rows} x {columns} pixels", self.bad_pixels
        if found is None:
            flagged = counted(int(self.flags.sum()), "pixel")
            return head, {"detector": self.detector, "flagged": flagged, "file": self.title}
        unused = len(self.members) - len(self.used)
        members = counted(len(self.members), "exposure")
        return head, {
            "members": f"{members}, {unused} not used" if unused else members,
            "cuts": cuts_of(found),
            "flagged": flags_of(found),
            "made": f"{self.made} by version {self.version}",
        }


def table_of(columns: Columns, about: dict[str, Any]) -> Table:
    """Return an astropy table of columns, with `about` as its meta."""
    from astropy.table import Table

    values, units, texts = zip(*columns.values(), strict=True)
    known = [unit or None for unit in units]
    return Table(values, names=[*columns], units=known, descriptions=texts, meta=about)
