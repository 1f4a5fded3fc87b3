"""``badpix-selfcal compare``."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .options import Report, add_overwrite, add_picture, add_report_options, command
from .parser import Commands

if TYPE_CHECKING:
    from ..masks.compare import Comparison, Difference

__all__ = ["add"]

_COMPARE = """\
Compare two results of one exposure, or two masks. Says which pixels are flagged
in both, only in A, only in B, and which extensions differ. A result is a
flagged copy of this package or of the pipeline, a mask any JWST MASK file; one
of each will do. In a result, pixels with DO_NOT_USE and OTHER_BAD_PIXEL in DQ
count as flagged; in a mask, those with DO_NOT_USE. NaN equals NaN; headers are
not compared."""

_COMPARE_EXAMPLES = """\
examples:
  badpix-selfcal run *_00001_*_asn.json --output-dir run
  badpix-selfcal batch . --output-dir batch
  badpix-selfcal compare run/*_00001_*_selfcal.fits batch/*_00001_*_selfcal.fits
exit status: 0 equal, 4 they differ, 1 failed, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    compare = command(commands, "compare", "A B", _COMPARE, _COMPARE_EXAMPLES, _compare)
    compare.add_argument("a", metavar="A", help="a flagged copy or a mask")
    compare.add_argument("b", metavar="B", help="another one of the same detector")
    compare.add_argument(
        "--before",
        metavar="FILE",
        help="the exposure before flagging: pixels flagged in it are left out",
    )
    add_picture(compare, "a map")
    add_overwrite(compare)
    add_report_options(compare)


def _compare(given: argparse.Namespace) -> Report:
    from ..look.pictures import compare

    found = compare(
        given.a,
        given.b,
        before=given.before,
        picture=given.picture,
        overwrite=given.overwrite,
    )
    written = f"\n  written   {given.picture}" if given.picture else ""
    return Report(_facts(found), f"{found}{written}", differs=not found.is_equal)


def _facts(found: Comparison) -> dict[str, Any]:
    """Return the report as values that JSON can hold."""
    counts = {name: asdict(each) for name, each in found.counts.items()}
    sides = {"a": found.a, "b": found.b}
    return {
        "equal": found.is_equal,
        "same_flags": found.same_flags,
        **{
            name: {"path": str(side.path), "kind": side.kind, "flagged": counts.pop(name)}
            for name, side in sides.items()
        },
        **counts,
        "jaccard": found.jaccard,
        "other_end": found.other_end,
        "planes": [_facts_of_plane(plane) for plane in found.planes],
    }


def _facts_of_plane(plane: Difference) -> dict[str, Any]:
    largest = plane.largest if math.isfinite(plane.largest) else None
    return {"equal": plane.is_equal, **asdict(plane), "largest": largest}
