"""Tables of pixels: ECSV, which astropy reads back with units and descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from ..files.location import Location
from ..files.save import Write
from ..step.group_mask import GroupMask
from ..step.mask_cards import columns_in
from ..step.mask_file import pixels_of
from .epochs import MaskHistory

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["history_table", "pixel_table", "table_writer"]

_Shown = TypeVar("_Shown")

GROUP: Final = ("", "number of the group of pixels that touch, from 1, the strongest first")
"""Unit and meaning of the column of groups."""


def table_writer(make: Callable[[_Shown], Table], shown: _Shown, to: Location) -> Write:
    """Return what writes a table.

    Raises
    ------
    ValueError
        If its name does not end with ``.ecsv``.
    """
    if to.suffix.lower() != ".ecsv":
        raise ValueError(f"{to}: a table must end with .ecsv")

    def write(part: Path) -> None:
        make(shown).write(part, format="ascii.ecsv")

    return write


def pixel_table(mask: GroupMask) -> Table:
    """Return the flagged pixels of a mask, and in its meta what they were found with."""
    unit, found = mask.unit, mask.bad_pixels
    columns = {name: _texts(column) for name, column in pixels_of(mask).items()}
    columns["group"] = found.groups.number + 1
    about = {
        "name": mask.name,
        "detector": {key: value for key, value in mask.about.items() if key != "BUNIT"},
        "shape": [*found.mask.shape],
        "dispaxis": mask.dispaxis,
        "parameters": asdict(mask.parameters),
        "cut_low": found.cut_low,
        "cut_high": found.cut_high,
        "n_low": found.n_low,
        "n_high": found.n_high,
        "n_groups": len(found.groups),
        "crowded": [*mask.crowded],
        "exposures": [str(member.exposure) for member in mask.used],
        "version": mask.version,
        "made": mask.made,
    }
    return _table(columns, {**columns_in(unit)["PIXELS"], "group": GROUP}, about)


def history_table(found: MaskHistory) -> Table:
    """Return the pixels that are flagged in any mask, with the masks in which they are."""
    dates = np.array([epoch.date for epoch in found.epochs])
    last = len(dates) - 1 - np.argmax(found.flagged[:, ::-1], axis=1)
    low, high = (np.any(which, axis=1) for which in (found.is_low, found.flagged & ~found.is_low))
    columns = {
        "x": found.x,
        "y": found.y,
        "number": found.number,
        "epochs": _words_of(found),
        "first": dates[np.argmax(found.flagged, axis=1)],
        "last": dates[last],
        "persistent": found.persistent,
        "comes_and_goes": found.comes_and_goes,
        "end": np.where(low & high, "both", np.where(low, "low", "high")),
        "residual": found.residual,
        "significance": found.significance,
        "group": found.groups.number + 1,
    }
    described = {
        "x": ("pixel", "column of the image, counted from 0"),
        "y": ("pixel", "row of the image, counted from 0"),
        "number": ("", "in how many masks the pixel is flagged"),
        "epochs": ("", "1 for each mask in which it is flagged, else 0, by date"),
        "first": ("", "date of the first mask in which it is flagged"),
        "last": ("", "date of the last one"),
        "persistent": ("", f"flagged in at least {found.at_least} masks"),
        "comes_and_goes": ("", "flagged again after a mask in which it is not"),
        "end": ("", "low, high or both"),
        "residual": (found.unit, "farthest from 0, minimum image minus its running median"),
        "significance": ("", "farthest from 0, in units of the noise; NaN: fraction cut"),
        "group": GROUP,
    }
    about = {
        "detector": found.detector,
        "subarray": found.subarray,
        "shape": [*found.shape],
        "at_least": found.at_least,
        "masks": [asdict(epoch) | {"path": str(epoch.path)} for epoch in found.epochs],
    }
    return _table(columns, described, about)


def _words_of(found: MaskHistory) -> Any:
    """Return for each pixel a word of a digit for each mask."""
    digits = np.where(found.flagged, "1", "0")
    return np.array(["".join(row) for row in digits], f"U{digits.shape[1]}")


def _table(
    columns: Mapping[str, Any], described: Mapping[str, tuple[str, str]], about: dict[str, Any]
) -> Table:
    from astropy.table import Column, Table
    from astropy.units import Unit

    table = Table(meta=about)
    for name, values in columns.items():
        unit, description = described[name]
        known = Unit(unit, parse_strict="silent") if unit else None
        table[name] = Column(values, unit=known, description=description)
    return table


def _texts(column: Any) -> Any:
    """Return a column with text in place of bytes."""
    return column.astype(str) if column.dtype.kind == "S" else column
