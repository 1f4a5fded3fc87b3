"""Writes the flagged pixels of a mask for other programs: ECSV tables and regions of DS9."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..files.outputs import Write, save
from ..files.paths import AnyLocation, Location, locate, locations_of
from .mask import Mask

if TYPE_CHECKING:
    from astropy.table import Table


def export(
    mask: AnyLocation,
    files: AnyLocation | Iterable[AnyLocation],
    *,
    overwrite: bool = False,
) -> tuple[Location, ...]:
    """Write the flagged pixels of a mask for other programs.

    Parameters
    ----------
    mask : path-like
        A mask of this package, or any JWST MASK reference file.
    files : path-like, or iterable of these
        The files to write. ``.ecsv``: a table, which astropy reads back exactly, with the
        parameters in its meta. ``.reg``: regions of DS9, one box for each pixel.
    overwrite : bool, optional
        Whether they may replace other files.

    Returns
    -------
    tuple of paths or URLs
        The files.

    Raises
    ------
    MaskError
        If the mask cannot be read; a ValueError.
    ValueError
        If the ending of a file is neither ``.ecsv`` nor ``.reg``.
    FileExistsError
        If a file exists, without `overwrite`. Then no file is written.

    Notes
    -----
    `Mask.pixels` and `Mask.regions` return both. The table counts pixels from 0, as NumPy does. DS9
    counts from 1: the centre of the first pixel is (1, 1).
    """
    finals, found = locations_of(files), Mask.read(mask)
    writers: dict[Location, Write] = {}
    for to in finals:
        if to.suffix.lower() == ".ecsv":
            writers[to] = partial(write_table, found.pixels())
        elif to.suffix.lower() == ".reg":
            writers[to] = partial(_write_text, found.regions())
        else:
            raise ValueError(f"{to}: must end with .ecsv (a table) or .reg (regions of DS9)")
    return save(writers, [locate(mask)], overwrite=overwrite)


def write_table(table: Table, part: Path) -> None:
    """Write a table as ECSV, which astropy reads back with units and descriptions."""
    with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
        table.write(file, format="ascii.ecsv")


def _write_text(text: str, part: Path) -> None:
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
