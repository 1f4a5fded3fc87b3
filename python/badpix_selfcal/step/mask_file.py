"""Mask files: a `GroupMask` as a JWST MASK reference file with further extensions, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..arrays.checks import check_dispaxis
from ..arrays.crowded import ranges_of, rows_in
from ..errors import MaskError
from ..files import mask_file
from ..files.location import AnyLocation, Location, locate, output_directory
from ..files.mask_file import Card, MaskContent, Table
from ..files.outputs import Outputs
from ..instrument import BAD
from ..messages import argument
from ..parameters import Parameters
from .group_mask import GroupMask, MaskMember, Role
from .mask_cards import COMMENTS, KEYWORDS, columns_in, reference_cards
from .provenance import history

__all__ = [
    "history_of",
    "mask_in",
    "pixels_of",
    "read_mask",
    "unescaped",
    "write_mask",
    "write_part",
]

_MEMBERS: Final = " members="
"""Stands before the identity of the exposures in HISTORY."""

_AGAIN: Final = "write it again"


def write_mask(mask: GroupMask, path: AnyLocation, *, overwrite: bool = False) -> Location:
    """Write a mask as a JWST MASK reference file.

    Parameters
    ----------
    mask : GroupMask
        The mask.
    path : path-like
        The file, or (extra ``cloud``) its URL. Its folder is made if it does not exist.
    overwrite : bool, optional
        Replace an existing file.

    Returns
    -------
    Path or RemoteFile
        The file.

    Raises
    ------
    FileExistsError
        If the file exists, without `overwrite`.
    OSError
        If it cannot be written.
    ValueError
        If a card of `about` cannot be written.
    """
    to = locate(path)
    with Outputs(output_directory(to.parent), overwrite=overwrite) as outputs:
        final = outputs.claim(to.name)
        write_part(outputs.part(final), mask, to.name)
        outputs.publish()
    return final


def write_part(part: Path, mask: GroupMask, name: str) -> None:
    """Write a mask to a file that does not exist yet, and later gets a name.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    unit = str(mask.about.get("BUNIT", ""))
    mask_file.write(part, _content(mask, name, unit), COMMENTS, columns_in(unit))


def history_of(mask: GroupMask) -> str:
    """Return the HISTORY entry of what is made of a mask."""
    entry = history(mask.parameters, "COMPLETE", mask.dispaxis, mask.version)
    return entry + (f"{_MEMBERS}{mask.identity}" if mask.identity else "")


def read_mask(path: AnyLocation) -> GroupMask:
    """Read a mask that ``save_mask=True`` or `write_mask` has written.

    Parameters
    ----------
    path : path-like
        The file, which may be compressed by gzip, or (extra ``cloud``) its URL.

    Returns
    -------
    GroupMask
        The mask, equal to the one that was written.

    Raises
    ------
    MaskError
        If there is no such file, it is damaged, changed, or no mask of this package; a ValueError.
    """
    location = locate(path)
    return mask_in(mask_file.read(location), location)


def mask_in(content: MaskContent, location: Location) -> GroupMask:
    """Return the mask that a file holds.

    Raises
    ------
    MaskError
        If it holds none, or its parts do not agree.
    """
    if "BPXVERS" not in content.cards:
        raise MaskError(
            f"{location}: is no mask that this package has written; write one with "
            f"{argument(save_mask=True)}"
        )
    if not content.is_whole:
        raise MaskError(
            f"{location}: was changed or damaged since it was written: its data do not have the "
            f"digest in its HISTORY; {_AGAIN}"
        )
    try:
        mask = _mask(content)
        _compare(content, mask)
    except KeyError as error:
        raise MaskError(
            f"{location}: is damaged, or of another version: it has no {error.args[0]}; {_AGAIN}"
        ) from error
    except (ValueError, TypeError) as error:
        raise MaskError(f"{location}: is damaged: {error}; {_AGAIN}") from error
    return mask


def pixels_of(mask: GroupMask) -> Table:
    """Return the table of flagged pixels, row by row of the image.

    Parameters
    ----------
    mask : GroupMask
        The mask.

    Returns
    -------
    mapping of str to ndarray
        x and y, counted from 0; value (of the minimum image), residual, significance (NaN with the
        fraction cut), end (low or high), reason, and known: the DQ before.
    """
    found = mask.bad_pixels
    y, x = found.indices
    residual, values = found.residual[y, x], found.compared[y, x]
    has_significance = found.significance is not None
    reason = b"significance" if has_significance else b"residual"
    return {
        "x": x.astype(np.int32),
        "y": y.astype(np.int32),
        "value": mask.minimum[y, x],
        "residual": residual,
        "significance": values if has_significance else np.full_like(residual, np.nan),
        "end": np.where(found.low[y, x], b"low", b"high").astype("S4"),
        "reason": np.where(np.isinf(values), b"infinite", reason).astype("S12"),
        "known": np.zeros(y.size, np.uint32) if mask.dq is None else mask.dq[y, x],
    }


def _content(mask: GroupMask, name: str, unit: str) -> MaskContent:
    found = mask.bad_pixels
    images: dict[str, NDArray[Any] | None] = {
        "DQ": np.where(found.mask, np.uint32(BAD), np.uint32(0)),
        "MINIMUM": mask.minimum,
        "RESIDUAL": found.residual,
        "SIGNIFICANCE": found.significance,
        "NOISE": found.noise,
        "KNOWN": mask.dq,
    }
    return MaskContent(
        cards={**reference_cards(mask, name), **_cards(mask)},
        history=history_of(mask),
        images={name: image for name, image in images.items() if image is not None},
        tables={"PIXELS": pixels_of(mask), "MEMBERS": _members(mask)},
        units=dict.fromkeys(("MINIMUM", "RESIDUAL", "NOISE"), unit) if unit else {},
    )


def _cards(mask: GroupMask) -> dict[str, Card]:
    """Return the cards from which the mask is rebuilt."""
    found = mask.bad_pixels
    cards: dict[str, Card] = {
        "BPXVERS": mask.version,
        "BPXMADE": mask.made,
        "BPXNAME": _escaped(mask.name),
        "BPXABOUT": " ".join(mask.about),
        "BPXAXIS": 0 if mask.dispaxis is None else mask.dispaxis,
        "BPXLOW": float(found.cut_low),
        "BPXHIGH": float(found.cut_high),
        "BPXNLOW": int(found.n_low),
        "BPXNHIGH": int(found.n_high),
        "BPXCROWD": ranges_of(mask.crowded),
    }
    if found.error_scale is not None:
        cards["BPXSCALE"] = float(found.error_scale)
    for parameter, keyword in KEYWORDS.items():
        value = getattr(mask.parameters, parameter)
        cards[keyword] = "none" if value is None else value
    return cards


def _mask(content: MaskContent) -> GroupMask:
    cards, images = content.cards, content.images
    about = str(cards["BPXABOUT"]).split()
    unit = content.units.get("MINIMUM", "")
    flags = _image(images, "DQ", "u")
    scale = cards.get("BPXSCALE")
    found = BadPixels(
        mask=(flags & np.uint32(BAD)) != 0,
        residual=_image(images, "RESIDUAL", "f"),
        cut_low=float(cards["BPXLOW"]),
        cut_high=float(cards["BPXHIGH"]),
        n_low=int(cards["BPXNLOW"]),
        n_high=int(cards["BPXNHIGH"]),
        significance=_image(images, "SIGNIFICANCE", "f") if "SIGNIFICANCE" in images else None,
        noise=_image(images, "NOISE", "f") if "NOISE" in images else None,
        error_scale=None if scale is None else float(scale),
    )
    return GroupMask(
        name=unescaped(str(cards["BPXNAME"])),
        dispaxis=check_dispaxis(cards["BPXAXIS"] or None),
        parameters=_parameters(cards),
        minimum=_image(images, "MINIMUM", "f"),
        bad_pixels=found,
        dq=_image(images, "KNOWN", "u") if "KNOWN" in images else None,
        crowded=rows_in(str(cards["BPXCROWD"])),
        members=_members_in(content.tables["MEMBERS"]),
        about={key: unit if key == "BUNIT" else cards[key] for key in about},
        version=str(cards["BPXVERS"]),
        made=str(cards["BPXMADE"]),
        identity=content.history.partition(_MEMBERS)[2],
    )


def _parameters(cards: Mapping[str, Card]) -> Parameters:
    values = {name: cards[keyword] for name, keyword in KEYWORDS.items()}
    given: dict[str, Any] = {
        name: None if value == "none" else value for name, value in values.items()
    }
    return Parameters(**given)


def _image(images: Mapping[str, NDArray[Any]], name: str, kind: str) -> NDArray[Any]:
    """Return an image, which must be of the same shape as DQ."""
    image, shape = images[name], images["DQ"].shape
    if image.dtype.kind != kind:
        raise ValueError(f"{name} holds {image.dtype} samples")
    if len(shape) != 2 or image.shape != shape:
        raise ValueError(f"{name} has shape {image.shape}, DQ has {shape}")
    return image


def _compare(content: MaskContent, mask: GroupMask) -> None:
    """Refuse a file whose parts do not agree."""
    found = mask.bad_pixels
    if not set(np.unique(content.images["DQ"]).tolist()) <= {0, BAD}:
        raise ValueError("DQ holds other bits than those of this package")
    if found.n_low + found.n_high != np.count_nonzero(found.mask):
        raise ValueError("BPXNLOW and BPXNHIGH do not count the pixels flagged in DQ")
    stored, expected = content.tables["PIXELS"], pixels_of(mask)
    for name, column in expected.items():
        if not _is_equal(column, stored[name]):
            raise ValueError(f"{name} in PIXELS does not agree with the images")


def _is_equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype.kind == "S":
        return bool(np.array_equal(one, other.astype("S")))
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _members(mask: GroupMask) -> Table:
    each = mask.members
    levels = [np.nan if member.pedestal is None else member.pedestal for member in each]
    return {
        "exposure": _texts(str(member.exposure) for member in each),
        "role": _texts(member.role for member in each),
        "has_gap": np.array([member.pedestal is not None for member in each], np.bool_),
        "pedestal": np.array(levels, np.float64),
        "problem": _texts(member.problem for member in each),
        "output": _texts("" if member.output is None else str(member.output) for member in each),
        "later": _texts(member.later for member in each),
        "same_as": _texts("" if member.same_as is None else str(member.same_as) for member in each),
        "constant": np.array([member.is_constant for member in each], np.bool_),
    }


def _members_in(table: Table) -> tuple[MaskMember, ...]:
    columns = {name: column.tolist() for name, column in table.items()}
    texts = {
        name: [unescaped(text) for text in columns[name]]
        for name in ("exposure", "role", "problem", "output", "later", "same_as")
    }
    return tuple(
        MaskMember(
            exposure=locate(exposure),
            role=_role(role),
            pedestal=level if has_gap else None,
            problem=problem,
            output=locate(output) if output else None,
            later=later,
            same_as=locate(same_as) if same_as else None,
            is_constant=is_constant,
        )
        for exposure, role, has_gap, level, problem, output, later, same_as, is_constant in zip(
            texts["exposure"],
            texts["role"],
            columns["has_gap"],
            columns["pedestal"],
            texts["problem"],
            texts["output"],
            texts["later"],
            texts["same_as"],
            columns["constant"],
            strict=True,
        )
    )


def _role(text: str) -> Role:
    if text not in ("science", "background", "selfcal"):
        raise ValueError(f"MEMBERS holds the role {text!r}")
    return cast("Role", text)


def _texts(texts: Any) -> NDArray[np.bytes_]:
    """Return a column of texts, at least one character wide."""
    escaped = [_escaped(text).encode("ascii") for text in texts]
    return np.array(escaped, f"S{max(1, *map(len, escaped), 1)}")


def _escaped(text: str) -> str:
    r"""Return text in characters that FITS keeps: others, also a space at an end, as ``\u0020``."""
    escaped = json.dumps(text)[1:-1].replace("&", r"\u0026").replace("\x7f", r"\u007f")
    inner = escaped.strip(" ")
    if not inner:
        return r"\u0020" * len(escaped)
    before, _, after = escaped.partition(inner)
    return len(before) * r"\u0020" + inner + len(after) * r"\u0020"


def unescaped(text: str) -> str:
    """Return the text that a column of texts holds."""
    return str(json.loads(f'"{text}"'))
