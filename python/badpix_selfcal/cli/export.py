"""``badpix-selfcal export``."""

from __future__ import annotations

import argparse

from .options import Report, add_overwrite, add_report_options, command, written
from .parser import Commands

__all__ = ["add"]

_EXPORT = """\
Write the pixels of a mask for other programs. The ending of a file says how: as
a table (.ecsv), which astropy reads, or as regions of DS9 (.reg). The table
counts pixels from 0, DS9 from 1."""

_EXPORT_EXAMPLES = """\
examples:
  badpix-selfcal run *_00001_*_asn.json --cut sigma --output-dir run --save-mask
  badpix-selfcal export run/*_mask.fits pixels.ecsv pixels.reg
exit status: 0 done, 1 failed, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    export = command(commands, "export", "MASK FILE ...", _EXPORT, _EXPORT_EXAMPLES, _export)
    export.add_argument("mask", metavar="MASK", help="a mask file of this package")
    export.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="a file to write, which ends with .ecsv or .reg",
    )
    add_overwrite(export)
    add_report_options(export)


def _export(given: argparse.Namespace) -> Report:
    from ..masks.export import export

    files = [str(path) for path in export(given.mask, given.files, overwrite=given.overwrite)]
    return Report({"files": files}, written(files))
