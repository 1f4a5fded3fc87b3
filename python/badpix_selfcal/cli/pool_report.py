"""The report of a pool of exposures: that of `batch` and of `apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..arrays.summary import counted, files_of
from .advice import after_pool
from .options import Report

if TYPE_CHECKING:
    from ..step.results import BatchResult, GroupResult

__all__ = ["NAMES", "report_of"]

NAMES: Final = "<exposure>_badpix_selfcal.fits"
"""The names of the copies."""


def report_of(
    result: BatchResult,
    directory: str | None,
    facts: dict[str, Any],
    ignored: str = "modes (EXP_TYPE)",
    *,
    finds: bool = True,
) -> Report:
    """Return the report of a result.

    Parameters
    ----------
    result : BatchResult
        The result.
    directory : str or None
        The output folder as the user has given it.
    facts : dict
        Further values that JSON can hold.
    ignored : str, optional
        What the files in folders differ in that are ignored.
    finds : bool, optional
        Whether the command finds masks, not only applies one.
    """
    return Report(
        {**facts, **_facts(result)},
        _text(result, directory, ignored, finds=finds),
        tuple(_errors(result)),
        skipped=any(each.status == "SKIPPED" for each in result.exposures),
    )


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
    errors += [
        why if why.startswith(str(path)) else f"{path}: {why}" for path, why in unwritten.items()
    ]
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
        "index": None if result.index is None else str(result.index),
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
        "flagged": [{"dispaxis": axis, "pixels": number} for axis, number in group.flagged.items()],
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
        "pages": [{"dispaxis": axis, "path": str(path)} for axis, path in group.pages.items()],
    }


def _text(result: BatchResult, directory: str | None, ignored: str, *, finds: bool) -> str:
    """Return the table, in which every exposure read stands once, and where the outputs are."""
    rows = [["group", "exposures", *map(str.lower, result.statuses), "flagged pixels"]]
    rows += [_row(group.name, group.statuses, _flags(group)) for group in result.groups]
    if result.unreadable:
        failed = dict.fromkeys(result.statuses, 0) | {"FAILED": len(result.unreadable)}
        rows.append(_row("unreadable", failed, "-"))
    lines = _aligned(rows)
    left_out = sum(len(group.left_out) for group in result.groups)
    if left_out:
        lines.append(f"left out  {counted(left_out, 'exposure')} without a pedestal")
    if result.ignored:
        lines.append(f"ignored   {counted(len(result.ignored), 'file')} of other {ignored}")
    lines.append(f"written   {_written(result, directory)}")
    masks = [path for group in result.groups for path in group.mask_files.values()]
    if masks:
        lines.append(f"masks     {files_of(masks)}")
    pages = [path for group in result.groups for path in group.pages.values()]
    verdicts: list[tuple[str, str]] = []
    if pages:
        lines.append(f"pages     {result.index or files_of(pages)}")
        verdicts = _verdicts(result)
        lines += [f"verdict   {name}: {verdict}" for name, verdict in verdicts]
    return "\n".join(
        [*lines, *after_pool(result, finds=finds, verdicts=[verdict for _, verdict in verdicts])]
    )


def _verdicts(result: BatchResult) -> list[tuple[str, str]]:
    """Return the groups and the verdicts on their pages; of several axes, which one it is."""
    from ..look.index import verdict_on

    found = []
    for group in result.groups:
        for axis, page in group.pages.items():
            which = f", dispersion axis {axis}" * (len(group.pages) > 1)
            if verdict := verdict_on(page):
                found.append((f"{group.name}{which}", verdict))
    return found


def _row(name: str, statuses: dict[str, int], flags: str) -> list[str]:
    return [name, str(sum(statuses.values())), *map(str, statuses.values()), flags]


def _flags(group: GroupResult) -> str:
    """Return how many pixels are flagged; with a mask of the pipeline without the ends."""
    texts = []
    for axis, number in group.flagged.items():
        found = group.masks.get(axis)
        texts.append(str(number) if found is None else f"{found.n_low} low + {found.n_high} high")
    return ", ".join(texts) or "-"


def _written(result: BatchResult, directory: str | None) -> str:
    """Return how many outputs there are, and where."""
    number, kept = len(result.written), result.statuses["KEPT"]
    where = "the current directory" if directory is None else directory
    names = f": {NAMES}" if number else ""
    return f"{counted(number, 'file')} in {where}{f' ({kept} kept)' if kept else ''}{names}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
