"""Mask files: JWST MASK reference files, those of this package with further extensions."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..arrays.checks import check_dispaxis
from ..arrays.crowded import ranges_of, rows_in
from ..arrays.summary import counted
from ..errors import ExposureError, MaskError
from ..files.content import opened_whole
from ..files.location import AnyLocation, Location, locate
from ..files.missing import no_such
from ..instrument import BAD, DETECTORS, DO_NOT_USE, OTHER_BAD_PIXEL
from ..parameters import Parameters
from .mask import Card, Mask, Member, Role

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.table import Table

__all__ = ["ABOUT", "KEYWORDS", "mask_in", "mask_of_result", "read", "write_part"]

ABOUT: Final = (
    *("TELESCOP", "INSTRUME", "DETECTOR", "EXP_TYPE", "CHANNEL", "BAND", "FILTER", "GRATING"),
    *("SUBARRAY", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2", "FASTAXIS", "SLOWAXIS"),
    *("READPATT", "DATE-OBS", "TIME-OBS"),
)
"""The cards of an exposure that describe its detector, mode and epoch."""

MASK_ENDING: Final = "_mask.fits"
"""How the name of a mask file ends."""

READOUT: Final = {"NRS1": (2, 1), "NRS2": (-2, -1)}
"""FASTAXIS and SLOWAXIS of the detectors where they are not 1 and 2."""

KEYWORDS: Final = {
    "cut": "BPXCUT",
    "kernel_size": "BPXKERN",
    "flagfrac_lower": "BPXFLOW",
    "flagfrac_upper": "BPXFHIGH",
    "sigma_lower": "BPXSLOW",
    "sigma_upper": "BPXSHIGH",
    "grow": "BPXGROW",
    "dispaxis": "BPXDISP",
    "edge": "BPXEDGE",
    "force_single": "BPXALONE",
    "spare_crowded": "BPXSPARE",
    "save_flagged_bkg": "BPXBKG",
    "save_mask": "BPXSAVE",
    "report": "BPXREPT",
    "copy_skipped": "BPXCOPY",
    "force": "BPXFORCE",
}
"""The keywords of the parameters."""

COMMENTS: Final = {
    **{keyword: f"parameter {name}" for name, keyword in KEYWORDS.items()},
    "BPXVERS": "version of badpix_selfcal",
    "BPXMADE": "UTC date the mask was found",
    "BPXNAME": "product or group",
    "BPXABOUT": "cards of the first exposure",
    "BPXAXIS": "dispersion axis, 0 if unknown",
    "BPXLOW": "flagged below",
    "BPXHIGH": "flagged above",
    "BPXNLOW": "pixels flagged below",
    "BPXNHIGH": "pixels flagged above",
    "BPXCROWD": "crowded rows, counted from 0",
    "BPXSCALE": "ERR times this is the noise",
    "NEXTEND": "number of extensions",
    "DATE": "UTC date file created",
    "FILENAME": "name of the file",
    "DATAMODL": "type of data model",
    "REFTYPE": "reference file type",
    "PEDIGREE": "the pedigree of the reference file",
    "DESCRIP": "description of the reference file",
    "AUTHOR": "author of the reference file",
    "USEAFTER": "use after date of the reference file",
}
"""The comments of the cards. No exposure gives a mask one of these cards."""

MEMBERS: Final = {
    "exposure": "path or URL",
    "role": "science, background or selfcal",
    "has_gap": "whether a pedestal is measured",
    "pedestal": "subtracted; NaN: none",
    "problem": "why it was not used",
    "output": "its flagged copy",
    "later": "later steps that it has passed",
    "same_as": "an earlier one with the same SCI",
    "constant": "whether SCI holds one value only",
}
"""The columns of the table of exposures, and what they hold."""

DQ_DEF: Final = np.array(
    [
        (0, DO_NOT_USE, "DO_NOT_USE", "Bad pixel, not to be used"),
        (30, OTHER_BAD_PIXEL, "OTHER_BAD_PIXEL", "Found by self-calibration"),
    ],
    [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")],
)
"""The table that defines the bits of DQ."""

_IDENTITY: Final = " members="
"""Stands before the identity of the exposures in HISTORY."""

_PLAIN: Final = re.compile(r"1?[LBIJKED]|[1-9]\d*A")
"""The formats of columns with one number or one text in each row."""

_IN_UNIT: Final = ("value", "residual", "pedestal", "MINIMUM", "RESIDUAL", "NOISE")
"""The columns and images in the unit of SCI."""

_AGAIN: Final = "write it again"


def write_part(part: Path, mask: Mask, name: str) -> None:
    """Write a mask to a file that does not exist yet, and later gets a name.

    Raises
    ------
    OSError
        If it cannot be written.
    ValueError
        If it has no images, or a card cannot hold its value.
    """
    from astropy.io import fits

    found = mask.bad_pixels
    if found is None or mask.minimum is None or mask.parameters is None:
        raise ValueError(f"{mask.title}: holds flags only, which cannot be written; copy its file")
    unit = str(mask.about.get("BUNIT", ""))
    primary = fits.PrimaryHDU()
    for keyword, value in {**_reference_cards(mask, name), **_cards(mask)}.items():
        primary.header.append(_card(keyword, value, COMMENTS.get(keyword, "")), end=True)
    for line in textwrap.wrap(mask.origin, 72, break_on_hyphens=False):
        primary.header.add_history(line)
    hdus = fits.HDUList([primary])
    hdus.append(fits.ImageHDU(np.where(found.mask, np.uint32(BAD), np.uint32(0)), name="DQ"))
    hdus.append(fits.BinTableHDU(DQ_DEF, name="DQ_DEF", uint=True))
    hdus += [_table("PIXELS", mask.pixels(), unit), _table("MEMBERS", _members(mask), unit)]
    for image_name, image in (
        ("MINIMUM", mask.minimum),
        ("RESIDUAL", found.residual),
        ("SIGNIFICANCE", found.significance),
        ("NOISE", found.noise),
        ("KNOWN", mask.dq),
    ):
        if image is not None:
            hdus.append(fits.ImageHDU(image, name=image_name))
            if unit and image_name in _IN_UNIT:
                hdus[-1].header["BUNIT"] = unit
    primary.header["NEXTEND"] = (len(hdus) - 1, COMMENTS["NEXTEND"])
    whole = BytesIO()
    hdus.writeto(whole, output_verify="exception")
    part.write_bytes(whole.getbuffer())  # the error of a full disk is the system's, not astropy's


def read(location: Location) -> Mask:
    """Read a mask: see `Mask.read`."""
    try:
        with opened_whole(location) as (_, hdus):
            return mask_in(hdus, location)
    except ExposureError as error:
        raise MaskError(str(error)) from error


def mask_in(hdus: fits.HDUList, location: Location) -> Mask:
    """Return the mask that an open file holds.

    Raises
    ------
    MaskError
        If it holds none, or its parts do not agree.
    """
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
    except KeyError as error:
        raise MaskError(
            f"{location}: is damaged, or of another version: it has no {error.args[0]}; {_AGAIN}"
        ) from error
    except (ValueError, TypeError) as error:
        raise MaskError(f"{location}: is damaged: {error}; {_AGAIN}") from error


def mask_of_result(result: AnyLocation) -> Location:
    """Find the mask file of a result.

    Parameters
    ----------
    result : path-like
        A mask file, or a flagged copy with its mask file in the same folder.

    Returns
    -------
    path or URL
        The mask file.

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
        with opened_whole(path) as (_, hdus):
            outputs = _columns(hdus, "MEMBERS", ["output"])["output"].tolist()
    except (KeyError, ValueError):  # another file of this name
        return None
    return {_unescaped(output).rpartition("/")[2] for output in outputs}


# Writing


def _reference_cards(mask: Mask, name: str) -> dict[str, Card]:
    """Return the cards of a JWST MASK reference file.

    Those of the exposures come first; what they lack is that of a full frame.
    """
    rows, columns = mask.flags.shape
    known = DETECTORS.get(mask.detector)
    fast, slow = READOUT.get(mask.detector, (1, 2))
    date = str(mask.about.get("DATE-OBS", "")).strip()
    described: dict[str, Card] = {
        "TELESCOP": "JWST",
        "INSTRUME": "ANY" if known is None else known.instrument,
        "DETECTOR": "ANY",
        "EXP_TYPE": "ANY",
        "SUBARRAY": "FULL",
        "SUBSTRT1": 1,
        "SUBSTRT2": 1,
        "SUBSIZE1": columns,
        "SUBSIZE2": rows,
        "FASTAXIS": fast,
        "SLOWAXIS": slow,
        **{key: value for key, value in mask.about.items() if key != "BUNIT"},
    }
    if both := sorted(described.keys() & COMMENTS.keys()):
        raise ValueError(f"about holds {', '.join(both)}, which every mask file has")
    return described | {
        "DATE": mask.made,
        "FILENAME": "".join(c if c.isascii() and c.isprintable() else "?" for c in name),
        "DATAMODL": "MaskModel",
        "REFTYPE": "MASK",
        "PEDIGREE": f"INFLIGHT {date} {date}" if date else "INFLIGHT",
        "DESCRIP": f"Bad pixels by self-calibration of {counted(len(mask.used), 'exposure')}",
        "AUTHOR": f"badpix_selfcal {mask.version}",
        "USEAFTER": f"{date}T00:00:00" if date else mask.made,
    }


def _cards(mask: Mask) -> dict[str, Card]:
    """Return the cards from which the mask is read again."""
    found = cast("BadPixels", mask.bad_pixels)
    cards: dict[str, Card] = {
        "BPXVERS": mask.version,
        "BPXMADE": mask.made,
        "BPXNAME": _escaped(mask.name),
        "BPXABOUT": " ".join(mask.about),
        "BPXAXIS": mask.dispaxis or 0,
        "BPXLOW": float(found.cut_low),
        "BPXHIGH": float(found.cut_high),
        "BPXNLOW": int(found.n_low),
        "BPXNHIGH": int(found.n_high),
        "BPXCROWD": ranges_of(mask.crowded),
    }
    if found.error_scale is not None:
        cards["BPXSCALE"] = float(found.error_scale)
    values = {keyword: getattr(mask.parameters, name) for name, keyword in KEYWORDS.items()}
    return cards | {key: "none" if value is None else value for key, value in values.items()}


def _card(keyword: str, value: Card, comment: str) -> fits.Card:
    """Return a card that holds its value exactly: astropy cuts long numbers short."""
    from astropy.io import fits

    if isinstance(value, float) and math.isfinite(value):
        return fits.Card.fromstring(f"{keyword:8}= {repr(value).upper():>20} / {comment}")
    text = repr(value) if isinstance(value, float) else value
    has_room = len(str(text).replace("'", "''")) + len(comment) < 65
    return fits.Card(keyword, text, comment if has_room else "")


def _members(mask: Mask) -> Table:
    """Return the table of the exposures."""
    from astropy.table import Column, Table

    every = mask.members
    levels = [np.nan if member.pedestal is None else member.pedestal for member in every]
    columns = (
        _texts(member.exposure for member in every),
        _texts(member.role for member in every),
        np.array([member.pedestal is not None for member in every], np.bool_),
        np.array(levels, np.float64),
        _texts(member.problem for member in every),
        _texts(member.output for member in every),
        _texts(member.later for member in every),
        _texts(member.same_as for member in every),
        np.array([member.is_constant for member in every], np.bool_),
    )
    table = Table()
    for (name, about), column in zip(MEMBERS.items(), columns, strict=True):
        table[name] = Column(column, description=about)
    return table


def _table(name: str, table: Table, unit: str) -> fits.BinTableHDU:
    """Return a table; a unit is written as the exposures spell it."""
    from astropy.io import fits

    hdu = fits.BinTableHDU(table.as_array(), name=name, uint=True)
    for number, column in enumerate(table.itercols(), start=1):
        hdu.header.comments[f"TTYPE{number}"] = column.description
        if column.name in ("x", "y"):
            hdu.columns[column.name].unit = "pixel"
        elif unit and column.name in _IN_UNIT:
            hdu.columns[column.name].unit = unit
    return hdu


def _texts(values: Iterable[object]) -> NDArray[np.str_]:
    return np.array([_escaped("" if value is None else str(value)) for value in values], np.str_)


def _escaped(text: str) -> str:
    r"""Return text in characters that FITS keeps: others, also a space at an end, as ``\u0020``."""
    escaped = json.dumps(text)[1:-1].replace("&", r"\u0026").replace("\x7f", r"\u007f")
    inner = escaped.strip(" ")
    before = len(escaped) - len(escaped.lstrip(" ")) if inner else 0
    after = len(escaped) - len(inner) - before
    return before * r"\u0020" + inner + after * r"\u0020"


def _unescaped(text: str) -> str:
    return str(json.loads(f'"{text}"'))


# Reading


def _reference(hdus: fits.HDUList, cards: Mapping[str, Card], location: Location) -> Mask:
    """Return the flags of a reference file of other origin."""
    reftype = str(cards.get("REFTYPE", "")).strip().upper()
    if reftype != "MASK":
        found = f"REFTYPE is {reftype}" if reftype else "it has no REFTYPE"
        raise MaskError(
            f"{location}: is no mask ({found}); give a file that was written with `save_mask`, or "
            "a JWST MASK reference file"
        )
    image = np.asarray(hdus["DQ"].data if "DQ" in hdus else None)
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
    flags = _image(hdus, "DQ", "u")
    shape = flags.shape
    if len(shape) != 2:
        raise ValueError(f"DQ has shape {shape}")
    if not set(np.unique(flags).tolist()) <= {0, BAD}:
        raise ValueError("DQ holds other bits than those of this package")
    unit = str(hdus["MINIMUM"].header.get("BUNIT", "")) if "MINIMUM" in hdus else ""
    has = {name: name in hdus for name in ("SIGNIFICANCE", "NOISE", "KNOWN")}
    found = BadPixels(
        mask=flags != 0,
        residual=_image(hdus, "RESIDUAL", "f", shape),
        cut_low=float(cards["BPXLOW"]),
        cut_high=float(cards["BPXHIGH"]),
        n_low=int(cards["BPXNLOW"]),
        n_high=int(cards["BPXNHIGH"]),
        significance=_image(hdus, "SIGNIFICANCE", "f", shape) if has["SIGNIFICANCE"] else None,
        noise=_image(hdus, "NOISE", "f", shape) if has["NOISE"] else None,
        error_scale=float(cards["BPXSCALE"]) if "BPXSCALE" in cards else None,
    )
    mask = Mask(
        name=_unescaped(str(cards["BPXNAME"])),
        dispaxis=check_dispaxis(cards["BPXAXIS"] or None),
        parameters=_parameters(cards),
        minimum=_image(hdus, "MINIMUM", "f", shape),
        bad_pixels=found,
        dq=_image(hdus, "KNOWN", "u", shape) if has["KNOWN"] else None,
        crowded=_rows(str(cards["BPXCROWD"]), max(shape)),
        members=_members_in(hdus),
        about={
            key: unit if key == "BUNIT" else cards[key] for key in str(cards["BPXABOUT"]).split()
        },
        version=str(cards["BPXVERS"]),
        made=str(cards["BPXMADE"]),
        identity=history.partition(_IDENTITY)[2],
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


def _image(
    hdus: fits.HDUList, name: str, kind: str, shape: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """Return an image of a kind and shape, apart from the file."""
    from astropy.io import fits

    if name not in hdus or not isinstance(hdus[name], fits.ImageHDU) or hdus[name].data is None:
        raise KeyError(name)
    image = np.asarray(hdus[name].data)
    if image.dtype.kind != kind:
        raise ValueError(f"{name} holds {image.dtype.name} samples")
    if shape not in (None, image.shape):
        raise ValueError(f"{name} has shape {image.shape}, DQ has {shape}")
    return np.array(image, image.dtype.newbyteorder("="))


def _columns(hdus: fits.HDUList, table: str, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return columns of a table, by name in any case, apart from the file.

    Raises
    ------
    KeyError
        If the table or a column is absent.
    ValueError
        If a column has several values in a row, none, or a number that is stored elsewhere: then
        few bytes of a file could stand for any number of values.
    """
    from astropy.io import fits

    if table not in hdus or not isinstance(hdus[table], fits.BinTableHDU):
        raise KeyError(table)
    stored = {column.name.lower(): column for column in hdus[table].columns}
    found = {}
    for name in names:
        column = stored.get(name.lower())
        if column is None:
            raise KeyError(name)
        if not _PLAIN.fullmatch(str(column.format)) or column.dim:
            raise ValueError(f"{name} in {table} has the format {column.format}")
        values = np.asarray(hdus[table].data[column.name])
        is_text = values.dtype.kind == "U"
        found[name] = (
            np.char.rstrip(values) if is_text else values.astype(values.dtype.newbyteorder("="))
        )
    return found


def _parameters(cards: Mapping[str, Card]) -> Parameters:
    values = {name: cards[keyword] for name, keyword in KEYWORDS.items()}
    given: dict[str, Any] = {
        name: None if value == "none" else value for name, value in values.items()
    }
    return Parameters(**given)


def _rows(ranges: str, number: int) -> tuple[int, ...]:
    """Return the rows that a card lists, which are fewer than a number."""
    limits = [int(each) for each in re.findall(r"\d+", ranges)]
    if limits != sorted(set(limits)) or (limits and limits[-1] >= number):
        raise ValueError(f"BPXCROWD lists rows out of order, or beyond the image: {ranges[:40]}")
    return rows_in(ranges)


def _members_in(hdus: fits.HDUList) -> tuple[Member, ...]:
    columns = {name: each.tolist() for name, each in _columns(hdus, "MEMBERS", MEMBERS).items()}
    members = []
    for row in zip(*columns.values(), strict=True):
        value = dict(zip(columns, row, strict=True))
        text = {name: _unescaped(each) for name, each in value.items() if isinstance(each, str)}
        if text["role"] not in ("science", "background", "selfcal"):
            raise ValueError(f"MEMBERS holds the role {text['role']!r}")
        member = Member(
            exposure=locate(text["exposure"]),
            role=cast("Role", text["role"]),
            pedestal=value["pedestal"] if value["has_gap"] else None,
            problem=text["problem"],
            output=locate(text["output"]) if text["output"] else None,
            later=text["later"],
            same_as=locate(text["same_as"]) if text["same_as"] else None,
            is_constant=bool(value["constant"]),
        )
        members.append(member)
    return tuple(members)
