"""``badpix-selfcal batch``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from .._kernels import num_threads
from ..checks import check_workers
from ..log import log
from ..summary import counted, files_of
from .options import (
    Report,
    add_pool_options,
    add_report_options,
    add_step_options,
    checked,
    command,
    step_options,
    whole,
)
from .parser import Commands
from .progress import Bar

if TYPE_CHECKING:
    from ..runs.batch import BatchResult, GroupResult

__all__ = ["add"]

_NAMES = "<exposure>_badpix_selfcal.fits"

_BATCH = f"""\
Flag all exposures of a folder with one mask for each detector. Writes
{_NAMES}. The flags are those of 'run' on the associations
of 'associate'. A failed exposure is reported, the others go on. Inputs may be
URLs (extra "cloud"); they never change."""

_BATCH_EXAMPLES = """\
examples:
  badpix-selfcal batch . --output-dir flagged_all
  badpix-selfcal batch . --output-dir flagged_all --resume
exit status: 0 done, 1 failed, 2 wrong usage, 3 skipped (1 and 3: some or all)"""


def add(commands: Commands) -> None:
    """Add the command."""
    batch = command(commands, "batch", "INPUT ...", _BATCH, _BATCH_EXAMPLES, _batch)
    add_pool_options(batch)
    batch.add_argument(
        "--resume",
        action="store_true",
        help="keep the outputs that are done; write the others",
    )
    batch.add_argument(
        "--workers",
        metavar="N",
        type=checked(whole, check_workers),
        help="threads for files (default: one more than --threads)",
    )
    batch.add_argument(
        "--scheduler",
        metavar="URL",
        help='a Dask cluster that does the work (extra "dask")',
    )
    add_step_options(batch)
    add_report_options(batch)
    left = "finished outputs are complete; --resume continues from there"
    batch.set_defaults(stopped=left, written=left)


def _batch(given: argparse.Namespace) -> Report:
    from ..runs.batch import batch

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
    skipped = any(each.status == "SKIPPED" for each in result.exposures)
    facts = {"threads": threads, **_facts(result)}
    return Report(facts, _text(result, given), tuple(_errors(result)), skipped)


def _errors(result: BatchResult) -> list[str]:
    """Return the errors, each with the name of an exposure; that of a whole group once."""
    names: dict[str, list[str]] = {}
    for each in result.failed:
        names.setdefault(each.error, []).append(str(each.exposure))
    errors: list[str] = []
    for error, failed in names.items():
        named = any(map(error.startswith, failed))
        errors += [error] if named else [f"{name}: {error}" for name in failed]
    unwritten = {path: why for group in result.groups for path, why in group.unwritten.items()}
    errors += [f"{path}: mask not written: {why}" for path, why in unwritten.items()]
    return errors


def _facts(result: BatchResult) -> dict[str, Any]:
    return {
        "groups": [_group_facts(group) for group in result.groups],
        "statuses": result.statuses,
        "exposures": [
            {
                "exposure": str(each.exposure),
                "status": each.status,
                "output": None if each.output is None else str(each.output),
                "error": each.error or None,
            }
            for each in result.exposures
        ],
        "ignored": [str(path) for path in result.ignored],
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
        "mask_files": [
            {"dispaxis": axis, "path": str(path)} for axis, path in group.mask_files.items()
        ],
    }


def _text(result: BatchResult, given: argparse.Namespace) -> str:
    """Return the table, in which every exposure read stands once, and where the outputs are."""
    rows = [["group", "exposures", *map(str.lower, result.statuses), "flagged pixels"]]
    for group in result.groups:
        flags = ", ".join(f"{each.n_low} low + {each.n_high} high" for each in group.masks.values())
        rows.append(_row(group.name, group.statuses, flags or "-"))
    if result.unreadable:
        failed = dict.fromkeys(result.statuses, 0) | {"FAILED": len(result.unreadable)}
        rows.append(_row("unreadable", failed, "-"))
    lines = _aligned(rows)
    left_out = sum(len(group.left_out) for group in result.groups)
    if left_out:
        lines.append(f"left out  {counted(left_out, 'exposure')} without a pedestal")
    if result.ignored:
        lines.append(f"ignored   {_ignored(len(result.ignored))}")
    lines.append(f"written   {_written(result, given.output_dir)}")
    masks = [path for group in result.groups for path in group.mask_files.values()]
    if masks:
        lines.append(f"masks     {files_of(masks)}")
    return "\n".join(lines)


def _row(name: str, statuses: dict[str, int], flags: str) -> list[str]:
    return [name, str(sum(statuses.values())), *map(str, statuses.values()), flags]


def _ignored(number: int) -> str:
    return f"{counted(number, 'file')} of other modes (EXP_TYPE)"


def _written(result: BatchResult, directory: str | None) -> str:
    """Return how many outputs there are, and where."""
    number, kept = len(result.written), result.statuses["KEPT"]
    where = "the current directory" if directory is None else directory
    names = f": {_NAMES}" if number else ""
    return f"{counted(number, 'file')} in {where}{f' ({kept} kept)' if kept else ''}{names}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
