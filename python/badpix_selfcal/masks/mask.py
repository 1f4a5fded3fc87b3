"""The mask of one detector: its flags, what they were found from, what it fits, and its file.

Its file is a JWST MASK reference file, with further extensions.
"""

from __future__ import annotations

import hashlib
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from .._kernels import __version__
from ..arrays.bad_pixels import BadPixels, cuts_of, flags_of
from ..arrays.checks import FloatArray, check_dispaxis
from ..arrays.crowded import ranges_of, rows_in
from ..arrays.display import block, counted, linked
from ..errors import ExposureError, MaskError, warn
from ..files.fits_file import open_fits
from ..files.outputs import save
from ..files.paths import AnyLocation, Location, locate, no_such
from ..instrument import BAD, DETECTORS, DO_NOT_USE, FULL_FRAME, OTHER_BAD_PIXEL, Dispaxis
from ..parameters import Parameters

if TYPE_CHECKING:
    from astropy.table import Table

    from ..files.exposure import Exposure

Card: TypeAlias = str | int | float | bool
"""The value of a header card."""

Role: TypeAlias = Literal["science", "background", "selfcal", "imprint"]
"""What an exposure is in its group."""

Columns: TypeAlias = dict[str, tuple[NDArray[Any], str, str]]
"""The columns of a table by name: values, unit and description."""

ANY: Final = ("", "ANY", "N/A", "GENERIC")
"""Values of the cards of a reference file that fit every exposure."""

MOST_TEXT: Final = 1 << 24
"""Characters of the texts in a table: PIXELS of a million pixels, MEMBERS of 20 000 exposures."""

MASK_ENDING: Final = "_mask.fits"
"""How the name of a mask file ends."""

DQ_DEF: Final = np.array(
    [
        (0, DO_NOT_USE, "DO_NOT_USE", "Bad pixel, not to be used"),
        (30, OTHER_BAD_PIXEL, "OTHER_BAD_PIXEL", "Found by self-calibration"),
    ],
    [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")],
)
"""The table that defines the bits of DQ."""

_MOST_BITS: Final = 32
_TEXTS: Final = {
    "exposure": "path or URL",
    "role": "science, background, selfcal or imprint",
    "problem": "why it was not used",
    "output": "its flagged copy",
    "later": "later steps that it has passed",
    "same_as": "an earlier one with the same SCI",
}
"""The columns of texts about an exposure: fields of `Member`, and what they hold."""


@dataclass(frozen=True)
class Member:
    """One exposure that a mask was found from, or could not be.

    Attributes
    ----------
    exposure : path or URL
        The exposure.
    role : {"science", "background", "selfcal", "imprint"}
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
    noise : float
        Its median ERR, relative to the least of the exposures; NaN if that is not known. Where it
        is above 1.2 the exposure was not used.
    """

    exposure: Location
    role: Role
    pedestal: float | None
    problem: str = ""
    output: Location | None = None
    later: str = ""
    same_as: Location | None = None
    is_constant: bool = False
    noise: float = math.nan


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
    bits : mapping of str to int
        If none is flagged: how many pixels have each bit that DQ_DEF defines.
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
    bits: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.bad_pixels is not None:
            object.__setattr__(self, "flags", self.bad_pixels.mask)

    @classmethod
    def read(cls, path: AnyLocation, *, bits: str | Iterable[str] = "DO_NOT_USE") -> Mask:
        """Read a mask.

        Parameters
        ----------
        path : path-like
            A mask of this package, or any JWST MASK reference file. It may be compressed by gzip,
            or (extra ``cloud``) be at a URL.
        bits : str or iterable of str, optional
            The bits of DQ, named as in DQ_DEF, of which a pixel needs one to count as flagged:
            ``"HOT,WARM"`` or ``["HOT", "WARM"]``.

        Returns
        -------
        Mask
            Equal to the one that was written.

        Raises
        ------
        MaskError
            If there is no such file, it is damaged, or it is no mask, or its DQ_DEF does not define
            these bits; a ValueError.
        """
        location, names = locate(path), names_of_bits(bits)
        try:
            with open_fits(location) as hdus:
                return mask_in(hdus, location, names)
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
    def page(self) -> Path | None:
        """The page about it (`report`) in the folder of its file; None if there is none."""
        if not isinstance(self.source, Path):
            return None
        stem = re.sub(r"(_mask)?\.fits(\.gz)?$", "", self.source.name)
        page = self.source.with_name(f"{stem}_report.html")
        return page if page.is_file() else None

    def _repr_html_(self) -> str:
        return linked(self, self.page)

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
        return ("" if name in FULL_FRAME else name) + ("" if corner == "1,1" else f"({corner})")

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
        rows, columns = self.flags.shape
        head, found = f"Mask {self.name}: {rows} x {columns} pixels", self.bad_pixels
        if found is None:
            flagged = counted(int(self.flags.sum()), "pixel")
            lines = {"detector": self.detector, "flagged": flagged, "file": self.title}
            return block(head, lines)
        unused = len(self.members) - len(self.used)
        members = counted(len(self.members), "exposure")
        lines = {
            "members": f"{members}, {unused} not used" if unused else members,
            "cuts": cuts_of(found),
            "flagged": flags_of(found),
            "made": f"{self.made} by version {self.version}",
        }
        return block(head, lines)


def names_of_bits(bits: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of bits, which may stand in one text with commas between them."""
    words = [bits] if isinstance(bits, str) else [*bits] if isinstance(bits, Iterable) else []
    if not words or not all(isinstance(word, str) for word in words):
        raise TypeError(f"bits must be names of bits of DQ, got {bits!r}")
    return tuple(each.strip().upper() for word in words for each in word.split(","))


def table_of(columns: Columns, about: dict[str, Any]) -> Table:
    """Return an astropy table of columns, with `about` as its meta."""
    from astropy.table import Table

    values, units, texts = zip(*columns.values(), strict=True)
    known = [unit or None for unit in units]
    return Table(values, names=[*columns], units=known, descriptions=texts, meta=about)


def write_part(part: Path, mask: Mask, name: str) -> None:
    """Write a mask to a file that later gets a name; for errors see `Mask.write`."""
    found = mask.bad_pixels
    if found is None or mask.minimum is None or mask.parameters is None:
        raise ValueError(f"{mask.title}: holds flags only, which cannot be written; copy its file")
    primary = fits.PrimaryHDU()
    for keyword, (value, comment) in _cards(mask, found, name).items():
        primary.header.append(_card(keyword, value, comment), end=True)
    for line in textwrap.wrap(mask.origin, 72, break_on_hyphens=False):
        primary.header.add_history(line)
    hdus = fits.HDUList([primary])
    hdus.append(fits.ImageHDU(np.where(found.mask, np.uint32(BAD), np.uint32(0)), name="DQ"))
    hdus.append(fits.BinTableHDU(DQ_DEF, name="DQ_DEF", uint=True))
    for table_name, table in (("PIXELS", mask.pixels()), ("MEMBERS", _members(mask))):
        hdus.append(fits.BinTableHDU(table.as_array(), name=table_name, uint=True))
        for number, column in enumerate(table.itercols(), start=1):
            hdus[-1].header.comments[f"TTYPE{number}"] = column.description
            if column.unit is not None:  # that of SCI is written as the exposures spell it
                spelt = "pixel" if column.name in ("x", "y") else mask.unit
                hdus[-1].columns[column.name].unit = spelt
    images: dict[str, Any] = {"MINIMUM": mask.minimum, "RESIDUAL": found.residual}
    images |= {"SIGNIFICANCE": found.significance, "NOISE": found.noise, "KNOWN": mask.dq}
    for image_name, image in images.items():
        if image is not None:
            hdus.append(fits.ImageHDU(image, name=image_name))
            if mask.unit and image_name not in ("SIGNIFICANCE", "KNOWN"):
                hdus[-1].header["BUNIT"] = mask.unit
    primary.header["NEXTEND"] = len(hdus) - 1
    whole = BytesIO()
    hdus.writeto(whole, output_verify="exception")
    # The system's error of a full disk says more than astropy's. Its traceback would keep a view of
    # `getbuffer`, and Python's collection of both fails (python/cpython#111331; 3.12.1 crashes).
    part.write_bytes(whole.getvalue())


def mask_in(hdus: fits.HDUList, location: Location, bits: Sequence[str] = ("DO_NOT_USE",)) -> Mask:
    """Return the mask that an open file holds; for errors see `Mask.read`."""
    cards = {
        card.keyword: card.value
        for card in hdus[0].header.cards
        if isinstance(card.value, (str, int, float, bool))
    }
    if "BPXVERS" not in cards:
        return _reference(hdus, cards, location, bits)
    _values_of_bits(hdus, bits, location)
    history = " ".join(map(str, hdus[0].header.get("HISTORY", [])))
    try:
        return _checked(hdus, cards, history, location)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        why = f": {error}"
        if isinstance(error, KeyError):
            why = f", or of another version: it has no {error.args[0]}"
        raise MaskError(f"{location}: is damaged{why}; write it again") from error


def mask_of_result(result: AnyLocation) -> Location:
    """Return the mask file of a result: the file itself, or the one beside a copy that lists it.

    Raises
    ------
    MaskError
        If there is no mask file that lists the copy, or there are several.
    """
    path = locate(result)
    if not isinstance(path, Path):
        if path.name.removesuffix(".gz").endswith(MASK_ENDING):
            return path
        raise MaskError(f"{path}: is not a mask (*{MASK_ENDING}); give the URL of its mask")
    if path.is_dir():
        raise MaskError(f"{path}: is a folder; name its masks (*{MASK_ENDING})")
    if not path.exists():
        raise MaskError(no_such(path))
    if path.name.endswith(MASK_ENDING) or _copies_in(path) is not None:
        return path
    # Folders do not count: mask and copies may have been moved.
    beside = sorted(path.parent.glob(f"*{MASK_ENDING}"))
    found = [mask for mask in beside if path.name in (_copies_in(mask, is_beside=True) or ())]
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise MaskError(f"{path}: several masks list it: {names}; name one of them instead")
    if not found:
        raise MaskError(
            f"{path}: no mask beside it (*{MASK_ENDING}) lists it as a flagged copy; name its "
            "mask, or make it again with `save_mask` (keeps the mask) or `report` (writes the page)"
        )
    return found[0]


def _copies_in(path: Path, *, is_beside: bool = False) -> set[str] | None:
    """Return the names of the copies that a mask file lists; None if it is no mask file.

    A file `is_beside` a copy if the user has not named it: a warning does if it cannot be read.
    """
    try:
        with open_fits(path, "MEMBERS") as hdus:
            outputs = _columns(hdus, "MEMBERS", {"output": "U"})["output"]
        return {_unescaped(output).rpartition("/")[2] for output in outputs.tolist()}
    except KeyError:  # another file of this name
        return None
    except ValueError as error:
        if is_beside:
            why = str(error).removeprefix(f"{path}: ")
            warn(f"{path}: skipped, it may be the mask of the copy: {why}")
        return None


def _cards(mask: Mask, found: BadPixels, name: str) -> dict[str, tuple[Card, str]]:
    """Return the cards of a mask: those of any exposure, of any MASK file, and of this package."""
    rows, columns = mask.flags.shape
    known = DETECTORS.get(mask.detector)
    fast, slow = {"NRS1": (2, 1), "NRS2": (-2, -1)}.get(mask.detector, (1, 2))
    date = str(mask.about.get("DATE-OBS", "")).strip()
    frame: dict[str, Card] = {
        **{"TELESCOP": "JWST", "INSTRUME": "ANY" if known is None else known.instrument},
        **{"DETECTOR": "ANY", "EXP_TYPE": "ANY", "SUBARRAY": "FULL"},
        **{"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": columns, "SUBSIZE2": rows},
        **{"FASTAXIS": fast, "SLOWAXIS": slow},
        **{key: value for key, value in mask.about.items() if key != "BUNIT"},
    }
    file_name = "".join(c if c.isascii() and c.isprintable() else "?" for c in name)
    used = counted(len(mask.used), "exposure")
    cards: dict[str, tuple[Card, str]] = {
        "DATE": (mask.made, "UTC date file created"),
        "FILENAME": (file_name, "name of the file"),
        "DATAMODL": ("MaskModel", "type of data model"),
        "REFTYPE": ("MASK", "reference file type"),
        "PEDIGREE": (f"INFLIGHT {date} {mask.about.get('DATE-END', date)}".strip(), "pedigree"),
        "DESCRIP": (f"Bad pixels by self-calibration of {used}", "description"),
        "AUTHOR": (f"badpix_selfcal {mask.version}", "author"),
        "USEAFTER": (f"{date}T00:00:00" if date else mask.made, "use after date"),
        "BPXVERS": (mask.version, "version of badpix_selfcal"),
        "BPXMADE": (mask.made, "UTC date the mask was found"),
        "BPXNAME": (_escaped(mask.name), "product or group"),
        "BPXABOUT": (" ".join(mask.about), "cards of the first exposure"),
        "BPXAXIS": (mask.dispaxis or 0, "dispersion axis, 0 if unknown"),
        "BPXLOW": (float(found.cut_low), "flagged below"),
        "BPXHIGH": (float(found.cut_high), "flagged above"),
        "BPXNLOW": (int(found.n_low), "pixels flagged below"),
        "BPXNHIGH": (int(found.n_high), "pixels flagged above"),
        "BPXCROWD": (ranges_of(mask.crowded), "crowded rows, counted from 0"),
    }
    if found.error_scale is not None:
        cards["BPXSCALE"] = (float(found.error_scale), "ERR times this is the noise")
    for parameter, each in Parameters.by_name().items():
        value = getattr(mask.parameters, parameter)
        cards[each.keyword] = ("none" if value is None else value, f"parameter {parameter}")
    if both := sorted(frame.keys() & cards.keys()):
        raise ValueError(f"about holds {', '.join(both)}, which every mask file has")
    return {key: (value, "") for key, value in frame.items()} | cards


def _card(keyword: str, value: Card, comment: str) -> fits.Card:
    """Return a card that holds its value exactly: astropy cuts long numbers short."""
    if isinstance(value, float) and math.isfinite(value):
        return fits.Card.fromstring(f"{keyword:8}= {repr(value).upper():>20} / {comment}")
    text = repr(value) if isinstance(value, float) else value
    has_room = len(str(text).replace("'", "''")) + len(comment) < 65
    return fits.Card(keyword, text, comment if has_room else "")


def _members(mask: Mask) -> Table:
    """Return the table of the exposures."""
    members = mask.members
    columns: Columns = {}
    for name, description in _TEXTS.items():
        texts = [_escaped(str(getattr(member, name) or "")) for member in members]
        columns[name] = np.array(texts, np.str_), "", description
    levels = np.array([member.pedestal for member in members], np.float64)  # None becomes NaN
    has_gap = np.array([member.pedestal is not None for member in members], np.bool_)
    constant = np.array([member.is_constant for member in members], np.bool_)
    columns["pedestal"] = levels, mask.unit, "subtracted; NaN: none"
    noise = np.array([member.noise for member in members], np.float64)
    columns["noise"] = noise, "", "median ERR, relative to the least; NaN: unknown"
    columns["has_gap"] = has_gap, "", "whether a pedestal is measured"
    columns["constant"] = constant, "", "whether SCI holds one value only"
    return table_of(columns, {})


def _escaped(text: str) -> str:
    r"""Return text in characters that FITS keeps: others, also a space at an end, as ``\x20``."""
    escaped = text.encode("unicode_escape").decode().replace("&", r"\x26")
    return re.sub("^ +| +$", lambda spaces: r"\x20" * len(spaces[0]), escaped)


def _unescaped(text: str) -> str:
    found = text.encode("ascii").decode("unicode_escape")
    found.encode("utf-8", "surrogateescape")  # a ValueError for what is no text, nor such a path
    return found


def _values_of_bits(hdus: fits.HDUList, bits: Sequence[str], location: Location) -> dict[str, int]:
    """Return the values of all bits that DQ_DEF defines; refuse a file that lacks some of them."""
    values = {"DO_NOT_USE": DO_NOT_USE}
    if "DQ_DEF" in hdus:
        try:
            columns = _columns(hdus, "DQ_DEF", {"NAME": "U", "VALUE": "iu"})
            names = np.char.upper(np.char.strip(columns["NAME"])).tolist()
            values = dict.fromkeys(names, 0)
            for name, value in zip(names, columns["VALUE"].tolist(), strict=True):
                values[name] |= value
        except (KeyError, ValueError, TypeError):  # bits are no integers
            values = {}
        if len(values) > _MOST_BITS:
            raise MaskError(f"{location}: DQ_DEF defines {len(values)} bits; DQ has {_MOST_BITS}")
    defined = [each for each, value in values.items() if 0 < value < 1 << _MOST_BITS]
    for name in bits:
        if name not in defined:
            raise MaskError(
                f"{location}: its table DQ_DEF does not define {name}; it defines "
                f"{', '.join(defined)[:400] or 'no bit'}"
            )
    return values


def _reference(
    hdus: fits.HDUList, cards: Mapping[str, Card], location: Location, bits: Sequence[str]
) -> Mask:
    """Return the flags of a reference file of other origin: the pixels with one of some bits."""
    reftype = str(cards.get("REFTYPE", "")).strip().upper()
    if reftype != "MASK" and (reftype or cards.get("DATAMODL") != "MaskModel"):
        found = f"is no mask ({f'REFTYPE is {reftype}' if reftype else 'it has no REFTYPE'})"
        if cards.get("S_BPXSLF") == "COMPLETE":
            found = "is a flagged exposure, not its mask"
        raise MaskError(
            f"{location}: {found}; give a file that was written with `save_mask`, or a JWST MASK "
            "reference file"
        )
    image = np.asarray(hdus["DQ"].data if "DQ" in hdus and hdus["DQ"].is_image else None)
    if image.ndim != 2 or image.dtype.kind not in "iu" or not image.size:
        raise MaskError(f"{location}: has no DQ extension with a 2-D image of integers")
    pixels = image.astype(np.int64)
    values = _values_of_bits(hdus, bits, location)
    chosen = np.bitwise_or.reduce([values[name] for name in bits])
    flags, counts = (pixels & chosen) != 0, dict[str, int]()
    if not flags.any():
        counts = {name: int(np.count_nonzero(pixels & each)) for name, each in values.items()}
    return Mask(name=location.name, flags=flags, about=cards, source=location, bits=counts)


def _checked(
    hdus: fits.HDUList, cards: Mapping[str, Card], history: str, location: Location
) -> Mask:
    """Return a mask of this package, if its parts agree."""
    if len(hdus) - 1 < int(cards["NEXTEND"]):
        raise ValueError(f"{len(hdus) - 1} of {cards['NEXTEND']} extensions are left")
    names = ("DQ", "MINIMUM", "RESIDUAL", "SIGNIFICANCE", "NOISE", "KNOWN")
    shapes = {name: getattr(hdus[name], "shape", ()) for name in names if name in hdus}
    for name, shape in shapes.items():  # before any sample is read
        if shape != shapes["DQ"] or len(shape) != 2 or 0 in shape:
            raise ValueError(f"{name} has shape {shape}, DQ has {shapes['DQ']}")
    images = {name: _image(hdus, name) for name in shapes}
    flags = images["DQ"]
    if np.any((flags != 0) & (flags != BAD)):
        raise ValueError("DQ holds other bits than those of this package")
    minimum = images["MINIMUM"]
    cards = {**cards, "BUNIT": str(hdus["MINIMUM"].header.get("BUNIT", ""))}
    how = {name: cards[each.keyword] for name, each in Parameters.by_name().items()}
    found = BadPixels(
        mask=flags != 0,
        residual=images["RESIDUAL"],
        cut_low=_number(cards["BPXLOW"], "BPXLOW"),
        cut_high=_number(cards["BPXHIGH"], "BPXHIGH"),
        n_low=int(cards["BPXNLOW"]),
        n_high=int(cards["BPXNHIGH"]),
        significance=images.get("SIGNIFICANCE"),
        noise=images.get("NOISE"),
        error_scale=_number(cards["BPXSCALE"], "BPXSCALE") if "BPXSCALE" in cards else None,
    )
    mask = Mask(
        name=_unescaped(str(cards["BPXNAME"])),
        dispaxis=check_dispaxis(cards["BPXAXIS"] or None),
        parameters=Parameters.among({k: None if v == "none" else v for k, v in how.items()}),
        minimum=minimum,
        bad_pixels=found,
        dq=images.get("KNOWN"),
        crowded=_rows(str(cards["BPXCROWD"]), max(flags.shape)),
        members=_members_in(hdus),
        about={key: cards[key] for key in str(cards["BPXABOUT"]).split()},
        version=str(cards["BPXVERS"]),
        made=str(cards["BPXMADE"]),
        identity=history.partition(" members=")[2],
        source=location,
    )
    if found.n_low + found.n_high != np.count_nonzero(found.mask):
        raise ValueError("BPXNLOW and BPXNHIGH do not count the pixels flagged in DQ")
    pixels = mask.pixels()
    stored = _columns(hdus, "PIXELS", {name: pixels[name].dtype.kind for name in pixels.colnames})
    for name in pixels.colnames:
        if not np.array_equal(pixels[name], stored[name], equal_nan=pixels[name].dtype.kind == "f"):
            raise ValueError(f"{name} in PIXELS does not agree with the images")
    return mask


def _image(hdus: fits.HDUList, name: str) -> NDArray[Any]:
    """Return an image apart from the file."""
    image = np.asarray(hdus[name].data if hdus[name].is_image else None)
    if image.dtype.kind != ("u" if name in ("DQ", "KNOWN") else "f"):
        raise ValueError(f"{name} holds {image.dtype.name} samples")
    copy = np.array(image, image.dtype.newbyteorder("="))
    del hdus[name].data  # astropy keeps it
    return copy


def _number(value: Card, name: str) -> float:
    """Return the value of a card or table, which is infinite, NaN, or a number of float32."""
    number = float(value)
    if math.isfinite(number) and abs(number) > np.finfo(np.float32).max:
        raise ValueError(f"{name} is {number}, which is not a number of float32")
    return number


def _columns(hdus: fits.HDUList, table: str, kinds: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """Return columns of a table, by name in any case, apart from the file.

    `kinds` are their names and the kinds of dtype that each may have. Raises KeyError if the table
    or a column is absent. Raises ValueError if a column has another kind, or several values in a
    row, none, or a number that is stored elsewhere: then few bytes of a file could stand for any
    number of values. So could text, which takes four times its bytes in memory.
    """
    if table not in hdus or not isinstance(hdus[table], fits.BinTableHDU):
        raise KeyError(table)
    stored = {str(column.name).lower(): column for column in hdus[table].columns}
    found, length = {}, 0
    for name, kind in kinds.items():
        column = stored.get(name.lower())
        if column is None:
            raise KeyError(name)
        if not re.fullmatch(r"1?[LBIJKED]|[1-9]\d*A", str(column.format)) or column.dim:
            raise ValueError(f"{name} in {table} has the format {column.format}")
        if str(column.format).endswith("A"):
            length += int(column.format[:-1]) * hdus[table].header["NAXIS2"]
            if length > MOST_TEXT:
                raise ValueError(f"{table} holds more than {MOST_TEXT} characters")
        values = np.asarray(hdus[table].data[column.name])
        if values.dtype.kind == "S":
            raise ValueError(f"{name} in {table} holds characters beyond ASCII")
        if values.dtype.kind not in kind:
            raise ValueError(f"{name} in {table} has the format {column.format}")
        is_text, native = values.dtype.kind == "U", values.dtype.newbyteorder("=")
        found[name] = np.char.rstrip(values) if is_text else values.astype(native)
    return found


def _rows(ranges: str, number: int) -> tuple[int, ...]:
    """Return the rows that a card lists, which are fewer than a number."""
    limits = [int(each) for each in re.findall(r"\d+", ranges)]
    if limits != sorted(set(limits)) or (limits and limits[-1] >= number):
        raise ValueError(f"BPXCROWD lists rows out of order, or beyond the image: {ranges[:40]}")
    return rows_in(ranges)


def _members_in(hdus: fits.HDUList) -> tuple[Member, ...]:
    numbers = dict.fromkeys(("pedestal", "noise"), "f")
    kinds = {**dict.fromkeys(_TEXTS, "U"), **numbers, "has_gap": "b", "constant": "b"}
    stored = _columns(hdus, "MEMBERS", kinds)
    members = []
    for row in zip(*(stored[name].tolist() for name in kinds), strict=True):
        *texts, pedestal, noise, has_gap, constant = row
        exposure, role, problem, output, later, same_as = map(_unescaped, texts)
        if role not in get_args(Role):
            raise ValueError(f"MEMBERS holds the role {role!r}")
        if "\0" in exposure + output + same_as:
            raise ValueError("MEMBERS holds a path with NUL")
        member = Member(
            exposure=locate(exposure),
            role=cast("Role", role),
            pedestal=_number(pedestal, "pedestal in MEMBERS") if has_gap else None,
            problem=problem,
            output=locate(output) if output else None,
            later=later,
            same_as=locate(same_as) if same_as else None,
            is_constant=constant,
            noise=_number(noise, "noise in MEMBERS"),
        )
        members.append(member)
    return tuple(members)
