"""Writes the flagged pixels of a mask for other programs: ECSV tables and regions of DS9."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..files.location import AnyLocation, Location, locate, locations_of
from ..files.save import Write, save
from ..step.group_mask import GroupMask
from ..step.mask_file import pixels_of, read_mask
from .tables import pixel_table, table_writer

__all__ = ["export"]

COLOURS: Final = {b"low": "cyan", b"high": "red"}
"""The colours of the regions, which colour-blind readers can distinguish."""


def export(
    mask: AnyLocation,
    files: AnyLocation | Iterable[AnyLocation],
    *,
    overwrite: bool = False,
) -> tuple[Location, ...]:
    """Write the flagged pixels of a mask for other programs.

    Parameters
    ----------
    mask : path-like or RemoteFile
        A mask file of this package.
    files : path-like or RemoteFile, or iterable of these
        The files to write. ``.ecsv``: a table, which ``astropy.table.Table.read`` reads back
        exactly, with the parameters in its meta. ``.reg``: regions of DS9, one box for each pixel,
        cyan at the low end and red at the high end.
    overwrite : bool, optional
        Whether they may replace other files.

    Returns
    -------
    tuple of Path or RemoteFile
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
    The table counts pixels from 0, as NumPy does. DS9 counts from 1: the centre of the first pixel
    is (1, 1).
    """
    finals = locations_of(files)
    found, source = read_mask(mask), locate(mask)
    save({to: _writer(found, to) for to in finals}, [source], overwrite=overwrite)
    return finals


def _writer(mask: GroupMask, to: Location) -> Write:
    if to.suffix.lower() == ".ecsv":
        return table_writer(pixel_table, mask, to)
    if to.suffix.lower() != ".reg":
        raise ValueError(f"{to}: must end with .ecsv (a table) or .reg (regions of DS9)")

    def write(part: Path) -> None:
        part.write_text(_regions(mask), encoding="utf-8")

    return write


def _regions(mask: GroupMask) -> str:
    pixels = pixels_of(mask)
    lines = [
        "# Region file format: DS9 version 4.1",
        f"# {ascii(mask.name)[1:-1]}: low end {COLOURS[b'low']}, high end {COLOURS[b'high']}",
        "image",
    ]
    places = zip(pixels["x"].tolist(), pixels["y"].tolist(), pixels["end"].tolist(), strict=True)
    lines += [
        f"box({x + 1},{y + 1},1,1,0) # color={COLOURS[end]} tag={{{end.decode()}}}"
        for x, y, end in places
    ]
    return "\n".join(lines) + "\n"
