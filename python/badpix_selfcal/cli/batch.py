"""``badpix-selfcal batch``."""

from __future__ import annotations

import argparse
import sys

from .._kernels import num_threads
from ..log import log
from .options import (
    LEFT,
    Report,
    add_pool_options,
    add_report_options,
    add_step_options,
    add_worker_options,
    command,
    step_options,
)
from .parser import Commands
from .pool_report import NAMES, report_of
from .progress import Bar

__all__ = ["add"]

_BATCH = f"""\
Flag all exposures of a folder with one mask for each detector. Writes
{NAMES}, with the flags of 'run' on the associations of
'associate'. A failed one stops no other. Inputs may be URLs (extra "cloud")."""

_BATCH_EXAMPLES = """\
examples:
  badpix-selfcal batch . --output-dir flagged_all
  badpix-selfcal batch . --output-dir flagged_all --resume
exit status: 0 done, 1 failed, 2 wrong usage, 3 skipped (1 and 3: some or all)"""


def add(commands: Commands) -> None:
    """Add the command."""
    batch = command(commands, "batch", "INPUT ...", _BATCH, _BATCH_EXAMPLES, _batch)
    add_pool_options(batch)
    add_worker_options(batch)
    add_step_options(batch)
    add_report_options(batch)
    batch.set_defaults(stopped=LEFT, written=LEFT)


def _batch(given: argparse.Namespace) -> Report:
    from ..step.batch import batch

    threads = given.threads or num_threads()  # raises before anything is written
    log.info("%d threads compute", threads)
    with Bar(sys.stderr) as bar:
        result = batch(
            given.inputs,
            background=given.background,
            group_by=given.group_by,
            resume=given.resume,
            workers=given.workers,
            scheduler=given.scheduler,
            progress=None if given.quiet else bar.show,
            **step_options(given),
        )
    return report_of(result, given.output_dir, {"threads": threads})
