"""``badpix-selfcal batch``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from .._kernels import __version__, num_threads
from ..checks import check_workers
from ..log import log
from .options import (
    Commands,
    Report,
    add_pool_options,
    add_step_options,
    checked,
    command,
    step_options,
)
from .progress import Bar
from .terminal import say

if TYPE_CHECKING:
    from ..runs.batch import BatchResult, GroupResult

__all__ = ["add"]

_BATCH = """\
Find one mask for each detector and flag all its exposures. To find the mask, each exposure is read
once. The flags are those of 'run' on each of the associations that 'associate' writes.

INPUT is an exposure or a folder. A folder stands for its *_rate.fits of MIRI MRS and of NIRSpec's
integral-field unit, microshutters and fixed slits. Exposures of different modes or subarrays share
no mask. Both may be URLs (the URL of a folder ends with a slash), which need the extra "cloud". The
outputs are <exposure>_badpix_selfcal.fits. A failed exposure is reported; the others continue.
Inputs are never modified."""

_BATCH_EXAMPLES = """\
examples:
  badpix-selfcal batch data --output-dir flagged
  badpix-selfcal batch data --output-dir flagged --resume
  badpix-selfcal batch s3://bucket/data/ --output-dir s3://bucket/flagged
  badpix-selfcal batch data --output-dir flagged --scheduler tcp://node1:8786
  badpix-selfcal batch data/*_rate.fits --background 'sky/*_rate.fits' --group-by band

exit status: 0 done, 1 failed (some or all exposures), 2 wrong usage, 3 skipped (some or all)"""

_STATUSES = ("COMPLETE", "SKIPPED", "KEPT", "FAILED")


def add(commands: Commands) -> None:
    """Add the command."""
    batch = command(commands, "batch", _BATCH, _BATCH_EXAMPLES, _batch)
    add_pool_options(batch)
    batch.add_argument(
        "--resume",
        action="store_true",
        help="keep the outputs of a former run that are complete and were made from the same "
        "exposures; make the others again (if made with other parameters: only with --overwrite)",
    )
    batch.add_argument(
        "--workers",
        metavar="N",
        type=checked(int, check_workers),
        help="threads that read and write files (default: one more than the threads that compute; "
        "with URLs at least 16)",
    )
    batch.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="address of the scheduler of a Dask cluster, whose workers then do the work and must "
        'see the files under the same names; needs the extra "dask"',
    )
    add_step_options(batch)
    batch.set_defaults(stopped="finished outputs are complete; --resume continues from there")


def _batch(given: argparse.Namespace) -> Report:
    from ..runs.batch import batch

    threads = num_threads()  # raises on a wrong setting, before anything is written
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
    for text in _errors(result):
        say(f"badpix-selfcal: error: {text}", sys.stderr)
    facts = {"version": __version__, "threads": threads, **_facts(result)}
    skipped = any(each.status == "SKIPPED" for each in result.exposures)
    return Report(facts, _text(result), failed=bool(result.failed), skipped=skipped)


def _errors(result: BatchResult) -> list[str]:
    """Return the errors, each with the name of an exposure; that of a whole group once."""
    names: dict[str, list[str]] = {}
    for each in result.failed:
        names.setdefault(each.error, []).append(str(each.exposure))
    errors: list[str] = []
    for error, failed in names.items():
        named = any(map(error.startswith, failed))
        errors += [error] if named else [f"{name}: {error}" for name in failed]
    return errors


def _facts(result: BatchResult) -> dict[str, Any]:
    return {
        "groups": [_group_facts(group) for group in result.groups],
        "exposures": [
            {
                "exposure": str(each.exposure),
                "status": each.status,
                "output": None if each.output is None else str(each.output),
                "error": each.error or None,
            }
            for each in result.exposures
        ],
        "passed_over": [str(path) for path in result.passed_over],
        "failed": len(result.failed),
    }


def _group_facts(group: GroupResult) -> dict[str, Any]:
    left_out = {str(path) for path in group.left_out}
    return {
        "group": group.name,
        "members": [
            {
                "path": str(path),
                "pedestal": None if str(path) in left_out else group.pedestals.get(path),
                "left_out": str(path) in left_out,
            }
            for path in group.members
        ],
        "masks": [
            {
                "dispaxis": axis,
                "pixels": found.mask.size,
                "n_low": found.n_low,
                "n_high": found.n_high,
                "crowded_rows": [*group.crowded_rows[axis]],
            }
            for axis, found in group.masks.items()
        ],
    }


def _text(result: BatchResult) -> str:
    head = ["group", "exposures", "left out", "flagged pixels"]
    rows = [[*head, *(status.lower() for status in _STATUSES)]]
    for group in result.groups:
        masks = (f"{each.n_low} low + {each.n_high} high" for each in group.masks.values())
        about = [group.name, str(len(group.members)), str(len(group.left_out))]
        counts = Counter[str](each.status for each in group.exposures)
        rows.append([*about, ", ".join(masks) or "-", *(str(counts[each]) for each in _STATUSES)])
    if result.unreadable:
        number = str(len(result.unreadable))
        rows.append(["unreadable", number, *"-----", number])
    lines = _aligned(rows)
    if result.passed_over:
        lines.append(f"passed over: {len(result.passed_over)} of other modes (EXP_TYPE)")
    return "\n".join(lines)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
