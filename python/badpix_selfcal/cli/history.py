"""``badpix-selfcal history``."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .options import Report, add_overwrite, add_picture, add_report_options, checked, command, whole
from .parser import Commands

if TYPE_CHECKING:
    from ..masks.history import FoundGroup, MaskHistory

__all__ = ["add"]

_HISTORY = """\
Follow the bad pixels of a detector through its masks. Says how many are new,
gone or flagged again in each, which persist, and which come and go: pixels, and
groups of pixels that touch. The masks are put in the order of the dates of
their exposures."""

_HISTORY_EXAMPLES = """\
examples:
  badpix-selfcal run *_00001_*_asn.json --output-dir masks --save-mask
  badpix-selfcal run *_00002_*_asn.json --output-dir masks --save-mask
  badpix-selfcal history masks/*_mask.fits --table pixels.ecsv
exit status: 0 done, 1 failed, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    history = command(commands, "history", "MASK ...", _HISTORY, _HISTORY_EXAMPLES, _history)
    history.add_argument(
        "masks", metavar="MASK", nargs="+", help="mask files of one detector; patterns too"
    )
    history.add_argument(
        "--at-least",
        metavar="N",
        type=checked(whole, _positive),
        help="a persistent pixel is flagged in at least N masks (default: all)",
    )
    history.add_argument("--table", metavar="FILE", help="a table of the pixels to write: .ecsv")
    add_picture(history, "counts and map")
    history.add_argument(
        "--persistent-mask", metavar="FILE", help="a mask of the persistent pixels to write"
    )
    add_overwrite(history)
    add_report_options(history)


def _positive(number: int) -> int:
    if number < 1:
        raise ValueError(f"the value must be at least 1, got {number}")
    return number


def _history(given: argparse.Namespace) -> Report:
    from ..look.pictures import history

    files = {
        "table": given.table,
        "picture": given.picture,
        "persistent_mask": given.persistent_mask,
    }
    found = history(given.masks, at_least=given.at_least, overwrite=given.overwrite, **files)
    written = [f"  written   {path}" for path in files.values() if path is not None]
    return Report(_facts(found) | files, "\n".join([str(found), *written]))


def _named(group: FoundGroup) -> dict[str, Any]:
    known = math.isfinite(group.residual)
    return asdict(group) | {"residual": group.residual if known else None}


def _facts(found: MaskHistory) -> dict[str, Any]:
    """Return the report as values that JSON can hold."""
    return {
        "detector": found.detector,
        "subarray": found.subarray,
        "shape": [*found.shape],
        "masks": [asdict(epoch) | {"path": str(epoch.path)} for epoch in found.epochs],
        "at_least": found.at_least,
        "in_any": int(found.x.size),
        "persistent": int(found.persistent.sum()),
        "come_and_go": int(found.comes_and_goes.sum()),
        "groups": {
            "in_any": len(found.groups),
            "come_and_go": int(found.changing_groups.sum()),
            **{
                name: [_named(group) for group in found.named(which)]
                for name, which in (
                    ("new", found.new_groups),
                    ("gone", found.gone_groups),
                    ("persistent", found.persistent_groups),
                )
            },
        },
    }
