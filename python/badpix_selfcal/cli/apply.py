"""``badpix-selfcal apply``."""

from __future__ import annotations

import argparse
import sys

from ..files.location import locate
from .options import (
    LEFT,
    Report,
    add_output_dir,
    add_report_options,
    add_worker_options,
    add_writing_options,
    command,
)
from .parser import Commands
from .pool_report import NAMES, report_of
from .progress import Bar

__all__ = ["add"]

_APPLY = f"""\
Flag exposures with an existing mask. MASK is a file of --save-mask, or any JWST
MASK reference file (its DO_NOT_USE). Writes {NAMES}.
All exposures given are flagged, backgrounds too; those of another detector,
subarray or shape fail, the others go on. Inputs may be URLs (extra "cloud")."""

_APPLY_EXAMPLES = """\
examples:
  badpix-selfcal batch . --output-dir flagged_all --save-mask
  badpix-selfcal apply flagged_all/*_mask.fits *_rate.fits --output-dir again
exit status: 0 done, 1 failed (some or all), 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    apply = command(commands, "apply", "MASK INPUT ...", _APPLY, _APPLY_EXAMPLES, _apply)
    apply.add_argument("mask", metavar="MASK", type=locate, help="a mask file")
    apply.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="an exposure, a pattern, or a folder (its exposures of the mask's detector)",
    )
    add_output_dir(apply)
    add_worker_options(apply, "the CPUs")
    apply.add_argument(
        "--force", action="store_true", help="use exposures that are flagged already"
    )
    add_writing_options(apply)
    add_report_options(apply)
    apply.set_defaults(stopped=LEFT, written=LEFT)


def _apply(given: argparse.Namespace) -> Report:
    from ..step.apply import apply

    with Bar(sys.stderr) as bar:
        result = apply(
            given.mask,
            given.inputs,
            output_dir=given.output_dir,
            resume=given.resume,
            workers=given.workers,
            scheduler=given.scheduler,
            force=given.force,
            overwrite=given.overwrite,
            no_sync=given.no_sync,
            progress=None if given.quiet else bar.show,
        )
    facts = {"mask": str(given.mask)}
    ignored = "detectors or modes (EXP_TYPE)"
    return report_of(result, given.output_dir, facts, ignored, finds=False)
