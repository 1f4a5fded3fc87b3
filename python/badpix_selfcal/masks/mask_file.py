"""Mask files: JWST MASK reference files, those of this package with further extensions."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..arrays.checks import check_dispaxis
from ..arrays.crowded import ranges_of, rows_in
from ..arrays.display import counted
from ..errors import MaskError
from ..files.fits_file import open_fits
from ..files.paths import AnyLocation, Location, locate, no_such
from ..instrument import BAD, DETECTORS, DO_NOT_USE, OTHER_BAD_PIXEL
from ..parameters import Parameters
from .mask import Card, Columns, Mask, Member, Role, table_of

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["mask_in", "mask_of_result", "write_part"]

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

_TEXTS: Final = {
    "exposure": "path or URL",
    "role": "science, background or selfcal",
    "problem": "why it was not used",
    "output": "its flagged copy",
    "later": "later steps that it has passed",
    "same_as": "an earlier one with the same SCI",
}
"""The columns of texts about an exposure: fields of `Member`, and what they hold."""


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
    part.write_bytes(whole.getbuffer())  # the error of a full disk is the system's, not astropy's


def mask_in(hdus: fits.HDUList, location: Location) -> Mask:
    """Return the mask that an open file holds; for errors see `Mask.read`."""
    cards = {
        card.keyword: card.value
        for card in hdus[0].header.cards
        if isinstance(card.value, (str, int, float, bool))
    }
    if "BPXVERS" not in cards:
        return _reference(hdus, cards, location)
    history = " ".join(map(str, hdus[0].header.get("HISTORY", [])))
    try:
        return _checked(hdus, cards, history, location)
    except (KeyError, ValueError, TypeError) as error:
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
    found = [mask for mask in beside if path.name in (_copies_in(mask) or ())]
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise MaskError(f"{path}: several masks list it: {names}; name one of them instead")
    if not found:
        raise MaskError(
            f"{path}: no mask beside it (*{MASK_ENDING}) lists it as a flagged copy; name its "
            "mask, or make it again with `save_mask` (keeps the mask) or `report` (writes the page)"
        )
    return found[0]


def _copies_in(path: Path) -> set[str] | None:
    """Return the names of the copies that a mask file lists; None if it is no mask file."""
    try:
        with open_fits(path) as hdus:
            outputs = _columns(hdus, "MEMBERS", ["output"])["output"].tolist()
    except (KeyError, ValueError):  # another file of this name
        return None
    return {_unescaped(output).rpartition("/")[2] for output in outputs}


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
        "PEDIGREE": (f"INFLIGHT {date} {date}".strip(), "pedigree"),
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
    columns["has_gap"] = has_gap, "", "whether a pedestal is measured"
    columns["constant"] = constant, "", "whether SCI holds one value only"
    return table_of(columns, {})


def _escaped(text: str) -> str:
    r"""Return text in characters that FITS keeps: others, also a space at an end, as ``\x20``."""
    escaped = text.encode("unicode_escape").decode().replace("&", r"\x26")
    return re.sub("^ +| +$", lambda spaces: r"\x20" * len(spaces[0]), escaped)


def _unescaped(text: str) -> str:
    return text.encode("ascii").decode("unicode_escape")


def _reference(hdus: fits.HDUList, cards: Mapping[str, Card], location: Location) -> Mask:
    """Return the flags of a reference file of other origin."""
    reftype = str(cards.get("REFTYPE", "")).strip().upper()
    if reftype != "MASK" and (reftype or cards.get("DATAMODL") != "MaskModel"):
        found = f"REFTYPE is {reftype}" if reftype else "it has no REFTYPE"
        raise MaskError(
            f"{location}: is no mask ({found}); give a file that was written with `save_mask`, or "
            "a JWST MASK reference file"
        )
    image = np.asarray(hdus["DQ"].data if "DQ" in hdus and hdus["DQ"].is_image else None)
    if image.ndim != 2 or image.dtype.kind not in "iu":
        raise MaskError(f"{location}: has no DQ extension with a 2-D image of integers")
    bits = DO_NOT_USE
    if "DQ_DEF" in hdus:
        try:
            columns = _columns(hdus, "DQ_DEF", ["NAME", "VALUE"])
            meant = np.char.upper(np.char.strip(columns["NAME"])) == "DO_NOT_USE"
            bits = int(np.bitwise_or.reduce(columns["VALUE"][meant]))
        except (KeyError, ValueError, TypeError):  # bits are no integers
            bits = 0
        if bits == 0:
            raise MaskError(f"{location}: its table DQ_DEF does not say which pixels DO_NOT_USE")
    flags = (image.astype(np.int64) & bits) != 0
    return Mask(name=location.name, flags=flags, about=cards, source=location)


def _checked(
    hdus: fits.HDUList, cards: Mapping[str, Card], history: str, location: Location
) -> Mask:
    """Return a mask of this package, if its parts agree."""
    if len(hdus) - 1 < int(cards["NEXTEND"]):
        raise ValueError(f"{len(hdus) - 1} of {cards['NEXTEND']} extensions are left")
    names = ("DQ", "MINIMUM", "RESIDUAL", "SIGNIFICANCE", "NOISE", "KNOWN")
    images = {name: _image(hdus, name) for name in names if name in hdus}
    flags = images["DQ"]
    for name, image in images.items():
        if image.ndim != 2 or image.shape != flags.shape:
            raise ValueError(f"{name} has shape {image.shape}, DQ has {flags.shape}")
    if np.any((flags != 0) & (flags != BAD)):
        raise ValueError("DQ holds other bits than those of this package")
    minimum = images["MINIMUM"]
    cards = {**cards, "BUNIT": str(hdus["MINIMUM"].header.get("BUNIT", ""))}
    how = {name: cards[each.keyword] for name, each in Parameters.by_name().items()}
    found = BadPixels(
        mask=flags != 0,
        residual=images["RESIDUAL"],
        cut_low=float(cards["BPXLOW"]),
        cut_high=float(cards["BPXHIGH"]),
        n_low=int(cards["BPXNLOW"]),
        n_high=int(cards["BPXNHIGH"]),
        significance=images.get("SIGNIFICANCE"),
        noise=images.get("NOISE"),
        error_scale=float(cards["BPXSCALE"]) if "BPXSCALE" in cards else None,
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
    stored = _columns(hdus, "PIXELS", pixels.colnames)
    for name in pixels.colnames:
        if not np.array_equal(pixels[name], stored[name], equal_nan=pixels[name].dtype.kind == "f"):
            raise ValueError(f"{name} in PIXELS does not agree with the images")
    return mask


def _image(hdus: fits.HDUList, name: str) -> NDArray[Any]:
    """Return an image apart from the file."""
    image = np.asarray(hdus[name].data if hdus[name].is_image else None)
    if image.dtype.kind != ("u" if name in ("DQ", "KNOWN") else "f"):
        raise ValueError(f"{name} holds {image.dtype.name} samples")
    return np.array(image, image.dtype.newbyteorder("="))


def _columns(hdus: fits.HDUList, table: str, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return columns of a table, by name in any case, apart from the file.

    Raises KeyError if the table or a column is absent. Raises ValueError if a column has several
    values in a row, none, or a number that is stored elsewhere: then few bytes of a file could
    stand for any number of values.
    """
    if table not in hdus or not isinstance(hdus[table], fits.BinTableHDU):
        raise KeyError(table)
    stored = {str(column.name).lower(): column for column in hdus[table].columns}
    found = {}
    for name in names:
        column = stored.get(name.lower())
        if column is None:
            raise KeyError(name)
        if not re.fullmatch(r"1?[LBIJKED]|[1-9]\d*A", str(column.format)) or column.dim:
            raise ValueError(f"{name} in {table} has the format {column.format}")
        values = np.asarray(hdus[table].data[column.name])
        if values.dtype.kind == "S":
            raise ValueError(f"{name} in {table} holds characters beyond ASCII")
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
    names = (*_TEXTS, "pedestal", "has_gap", "constant")
    stored = _columns(hdus, "MEMBERS", names)
    members = []
    for row in zip(*(stored[name].tolist() for name in names), strict=True):
        *texts, pedestal, has_gap, constant = row
        exposure, role, problem, output, later, same_as = map(_unescaped, texts)
        if role not in get_args(Role):
            raise ValueError(f"MEMBERS holds the role {role!r}")
        member = Member(
            exposure=locate(exposure),
            role=cast("Role", role),
            pedestal=pedestal if has_gap else None,
            problem=problem,
            output=locate(output) if output else None,
            later=later,
            same_as=locate(same_as) if same_as else None,
            is_constant=constant,
        )
        members.append(member)
    return tuple(members)
