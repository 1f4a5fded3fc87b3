"""A mask file as FITS: the extensions of a JWST MASK reference file, and further ones.

The first extension is DQ, as the pipeline expects. What the cards, images and tables mean is known
to `badpix_selfcal.step.mask_file`. The digest at the end of HISTORY is that of all that follows the
primary header, as in a flagged copy.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ExposureError, MaskError
from .content import opened_whole
from .digest import UNKNOWN, digest_of, recorded
from .input_file import InputFile
from .location import Location

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Card", "MaskContent", "Table", "read", "write"]

Card: TypeAlias = str | int | float | bool
"""The value of a header card."""

Table: TypeAlias = Mapping[str, NDArray[Any]]
"""The columns of a table by name."""

_WIDTH: Final = 72
_ROOM: Final = 65
"""Characters of a card for value and comment."""

_UNSIGNED: Final = 2**31

FLAGS: Final = {
    "BIT": np.array([0, 30], np.int32),
    "VALUE": np.array([1, 1 << 30], np.uint32),
    "NAME": np.array(["DO_NOT_USE", "OTHER_BAD_PIXEL"], "S40"),
    "DESCRIPTION": np.array(["Bad pixel, not to be used", "Found by self-calibration"], "S80"),
}
"""The table DQ_DEF: what the bits of DQ mean."""


@dataclass(frozen=True, eq=False)
class MaskContent:
    """What a mask file holds.

    Attributes
    ----------
    cards : mapping of str to (str, int, float or bool)
        Cards of the primary header. NaN and infinities are stored as text.
    history : str
        The last HISTORY entry.
    images : mapping of str to ndarray
        The image extensions by name: float32, float64 or uint32; DQ first.
    tables : mapping of str to mapping of str to ndarray
        The tables by name, with their columns.
    units : mapping of str to str
        BUNIT of the images that have one.
    is_whole : bool
        Whether the data are those that were written. True if there is no digest of them.
    has_digest : bool
        Whether there is one.
    """

    cards: Mapping[str, Card]
    history: str
    images: Mapping[str, NDArray[Any]]
    tables: Mapping[str, Table]
    units: Mapping[str, str]
    is_whole: bool = True
    has_digest: bool = True


def write(
    part: Path,
    content: MaskContent,
    comments: Mapping[str, str],
    columns: Mapping[str, Mapping[str, tuple[str, str]]],
) -> None:
    """Write a mask file.

    Parameters
    ----------
    part : Path
        A file that does not exist yet.
    content : MaskContent
        What it holds; the table DQ_DEF is added.
    comments : mapping of str to str
        Comments of cards.
    columns : mapping of str to mapping of str to (str, str)
        Unit and meaning of the columns of each table.

    Raises
    ------
    OSError
        If it cannot be written.
    ValueError
        If a card cannot hold its value.
    """
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    for keyword, value in content.cards.items():
        primary.header.append(_card(keyword, value, comments.get(keyword, "")), end=True)
    entry = f"{content.history} {UNKNOWN}"
    for line in textwrap.wrap(entry, _WIDTH, break_on_hyphens=False):
        primary.header.add_history(line)
    images = [
        fits.ImageHDU(image, _header({"BUNIT": content.units.get(name, "")}), name=name)
        for name, image in content.images.items()
    ]
    tables = [
        _table(name, table, columns.get(name, {}))
        for name, table in {"DQ_DEF": FLAGS, **content.tables}.items()
    ]
    hdus = fits.HDUList([primary, images[0], tables[0], *tables[1:], *images[1:]])
    whole = BytesIO()
    hdus.writeto(whole, output_verify="exception")
    part.write_bytes(whole.getbuffer())  # the error of a full disk is the system's, not astropy's
    header = primary.header.tostring(padding=True).encode("ascii")
    before, _, after = header.rpartition(UNKNOWN.encode())
    digest = digest_of(InputFile(part), len(header))
    with part.open("r+b") as file:
        file.write(before + f"data={digest}".encode() + after)


def read(location: Location) -> MaskContent:
    """Read a mask file.

    Parameters
    ----------
    location : Path or RemoteFile
        A FITS file, which may be compressed by gzip.

    Returns
    -------
    MaskContent
        All its images and tables.

    Raises
    ------
    MaskError
        If there is no such file, or it is not FITS, damaged or cut short.
    """
    try:
        return _read(location)
    except ExposureError as error:
        raise MaskError(str(error)) from error


def _read(location: Location) -> MaskContent:
    from astropy.io import fits

    with opened_whole(location) as (file, hdus):
        primary = hdus[0].header
        history, digest = recorded(" ".join(map(str, primary.get("HISTORY", []))))
        images: dict[str, NDArray[Any]] = {}
        tables: dict[str, Table] = {}
        for hdu in hdus[1:]:
            if isinstance(hdu, fits.ImageHDU) and hdu.data is not None:
                images.setdefault(hdu.name.upper(), _native(hdu.data))
            elif isinstance(hdu, fits.BinTableHDU):
                names = hdu.columns.names
                columns = {name: _native(hdu.data[name]) for name in names}
                tables.setdefault(hdu.name.upper(), columns)
        units = {hdu.name.upper(): str(hdu.header.get("BUNIT", "")) for hdu in hdus[1:]}
        cards = {
            card.keyword: card.value
            for card in primary.cards
            if isinstance(card.value, (str, int, float, bool)) and card.keyword
        }
        is_checked = bool(digest) and not file.is_compressed
        is_whole = not is_checked or digest_of(file, hdus[0].fileinfo()["datLoc"]) == digest
    return MaskContent(
        cards=cards,
        history=history,
        images=images,
        tables=tables,
        units={name: unit for name, unit in units.items() if unit},
        is_whole=is_whole,
        has_digest=bool(digest),
    )


def _native(column: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the byte order of this machine, apart from the file."""
    return np.array(column, np.asarray(column).dtype.newbyteorder("="))


def _header(cards: Mapping[str, str]) -> fits.Header:
    from astropy.io import fits

    return fits.Header({keyword: value for keyword, value in cards.items() if value})


def _card(keyword: str, value: Card, comment: str) -> fits.Card:
    """Return a card that holds its value exactly: astropy cuts long numbers short."""
    from astropy.io import fits

    if not isinstance(value, float):
        has_room = len(str(value).replace("'", "''")) + len(comment) < _ROOM
        return fits.Card(keyword, value, comment if has_room else "")
    text = repr(float(value))
    if not math.isfinite(value):
        return fits.Card(keyword, text, comment)
    return fits.Card.fromstring(f"{keyword:8}= {text.upper():>20} / {comment}")


def _table(name: str, table: Table, about: Mapping[str, tuple[str, str]]) -> fits.BinTableHDU:
    from astropy.io import fits

    columns = [_column(key, column, about.get(key, ("", ""))[0]) for key, column in table.items()]
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    for number, key in enumerate(table, start=1):
        hdu.header.comments[f"TTYPE{number}"] = about.get(key, ("", ""))[1]
    return hdu


def _column(name: str, column: NDArray[Any], unit: str) -> fits.Column:
    from astropy.io import fits

    kind = column.dtype.kind
    if kind == "S":
        form = f"{max(column.dtype.itemsize, 1)}A"
    else:
        form = {"f4": "E", "f8": "D", "i4": "J", "u4": "J", "b1": "L"}[column.dtype.str[1:]]
    zero = {"bzero": _UNSIGNED} if kind == "u" else {}
    return fits.Column(name, form, unit=unit or None, array=column, **zero)
