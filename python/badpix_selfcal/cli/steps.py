"""The reports of `run`, `batch` and `apply`: the only module that reads the results of the step."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from .._kernels import num_threads
from ..arrays.summary import NAMES_OF_AXES, counted, cuts_of, files_of, flags_of
from ..parameters import Parameters
from .report import Report, finite, text_of, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..files.location import Location
    from ..step.results import BatchResult, GroupResult, SelfcalResult

__all__ = ["report_of_apply", "report_of_batch", "report_of_run"]

COPIES: Final = "<exposure>_badpix_selfcal.fits"
"""The names of the copies of a batch."""

ALONE: Final = "nothing was flagged: add exposures of the same detector (--background)"


def report_of_run(result: SelfcalResult, given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.selfcal`."""
    products = (result, *result.others)
    verdicts = [_verdict(each.page) for each in products]
    lines = [
        line
        for each, verdict in zip(products, verdicts, strict=True)
        for line in _product_lines(each, verdict, given)
    ]
    found = [each for each in products if each.bad_pixels is not None]
    if found:
        lines += _look(
            [each.mask for each in found if each.mask is not None],
            [each.page for each in found if each.page is not None],
            sum(len(each.crowded_rows) for each in found),
            given,
        )
        lines += _next([each.science for each in found if each.science is not None], verdicts)
    else:
        levels = [level for each in products for level in each.pedestals.values()]
        without = any(level != level for level in levels)
        gap = "nothing was flagged: no pedestal can be measured in the gap of the exposures"
        lines.append(f"next      {gap if without else ALONE}")
    return Report(
        {"threads": _threads(given), "products": [_product_facts(each) for each in products]},
        "\n".join(lines),
        skipped=any(each.status == "SKIPPED" for each in products),
    )


def _threads(given: Mapping[str, Any]) -> int:
    return given.get("threads") or num_threads()


def _product_facts(result: SelfcalResult) -> dict[str, Any]:
    found = result.bad_pixels
    facts: dict[str, Any] = {
        "product": result.product,
        "status": result.status,
        "members": [
            {"path": str(path), "pedestal": finite(result.pedestals.get(path))}
            for path in result.members
        ],
        "unused": [
            {"path": str(path), "exptype": exptype} for path, exptype in result.unused.items()
        ],
        "dispaxis": result.dispaxis,
        "science": text_of(result.science),
        "backgrounds": [str(path) for path in result.backgrounds],
        "mask": text_of(result.mask),
        "page": text_of(result.page),
    }
    if found is not None:
        facts |= {
            "pixels": found.mask.size,
            "cut_low": finite(found.cut_low),
            "cut_high": finite(found.cut_high),
            "n_low": found.n_low,
            "n_high": found.n_high,
            "error_scale": found.error_scale,
            "crowded_rows": [*result.crowded_rows],
        }
    return facts


def _product_lines(result: SelfcalResult, verdict: str, given: Mapping[str, Any]) -> list[str]:
    skipped = ", no pixel is flagged" if result.status == "SKIPPED" else ""
    lines = [f"{result.product}: {result.status}{skipped}"]
    for path in result.members:
        level = finite(result.pedestals.get(path))
        measured = "" if level is None else f"  pedestal {level:.6g}"
        lines.append(f"  member    {path}{measured}")
    lines += [f"  unused    {path} ({exptype})" for path, exptype in result.unused.items()]
    found = result.bad_pixels
    if found is not None:
        kernel = given.get("kernel_size", Parameters.kernel_size)
        lines += [
            f"  dispaxis  {NAMES_OF_AXES[result.dispaxis]}, kernel {kernel}",
            f"  cuts      {cuts_of(found)}",
            f"  flagged   {flags_of(found)}",
        ]
    if result.crowded_rows:
        crowded = counted(len(result.crowded_rows), "row" if result.dispaxis == 1 else "column")
        treated = "left unflagged" if given.get("spare_crowded") else "flagged"
        lines.append(f"  crowded   {crowded}, {treated}")
    lines += written([result.science or "nothing", *result.backgrounds], "  ")
    for word, what in (("mask", result.mask), ("page", result.page), ("verdict", verdict)):
        if what:
            lines.append(f"  {word:<8}  {what}")
    return lines


def report_of_batch(result: BatchResult, given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.batch`."""
    facts = {"threads": _threads(given)}
    return _pool(
        result, given, facts, "modes (EXP_TYPE)", found=any(g.masks for g in result.groups)
    )


def report_of_apply(result: BatchResult, given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.apply`."""
    facts = {"mask": str(given["mask"])}
    return _pool(result, given, facts, "detectors or modes (EXP_TYPE)", found=False)


def _pool(
    result: BatchResult,
    given: Mapping[str, Any],
    facts: dict[str, Any],
    ignored: str,
    *,
    found: bool,
) -> Report:
    """Return the report of many exposures; `ignored` is what ignored files differ in."""
    return Report(
        {
            **facts,
            "groups": [_group_facts(group) for group in result.groups],
            "statuses": result.statuses,
            "exposures": [
                {
                    "exposure": str(each.exposure),
                    "status": each.status,
                    "output": text_of(each.output),
                    "error": each.error or None,
                }
                for each in result.exposures
            ],
            "ignored": [str(path) for path in result.ignored],
            "failed": len(result.failed),
            "index": text_of(result.index),
        },
        "\n".join(_pool_lines(result, given, ignored, found=found)),
        tuple(_errors(result)),
        skipped=any(each.status == "SKIPPED" for each in result.exposures),
    )


def _errors(result: BatchResult) -> list[str]:
    """Return the errors, each with the name of a file; that of a whole group once."""
    found = [(each.exposure, each.error) for each in result.failed]
    named = {error for path, error in found if error.startswith(str(path))}
    found += [each for group in result.groups for each in group.unwritten.items()]
    texts = [
        error if error in named or error.startswith(str(path)) else f"{path}: {error}"
        for path, error in found
    ]
    return [*dict.fromkeys(texts)]


def _group_facts(group: GroupResult) -> dict[str, Any]:
    return {
        "group": group.name,
        "members": [
            {
                "path": str(path),
                "pedestal": finite(group.pedestals.get(path)),
                "left_out": path in group.left_out,
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


def _pool_lines(
    result: BatchResult, given: Mapping[str, Any], ignored: str, *, found: bool
) -> list[str]:
    """Return the table, in which every exposure read stands once, and where the outputs are."""
    lines = _table(result)
    left_out = sum(len(group.left_out) for group in result.groups)
    if left_out:
        lines.append(f"left out  {counted(left_out, 'exposure')} without a pedestal")
    if result.ignored:
        lines.append(f"ignored   {counted(len(result.ignored), 'file')} of other {ignored}")
    kept = f" ({result.statuses['KEPT']} kept)" if result.statuses["KEPT"] else ""
    where = given.get("output_dir") or "the current directory"
    names = f": {COPIES}" if result.written else ""
    lines.append(f"written   {counted(len(result.written), 'file')} in {where}{kept}{names}")
    masks = [path for group in result.groups for path in group.mask_files.values()]
    pages = [path for group in result.groups for path in group.pages.values()]
    if masks:
        lines.append(f"masks     {files_of(masks)}")
    if pages:
        lines.append(f"pages     {result.index or files_of(pages)}")
    named = [(group.name, path) for group in result.groups for path in group.pages.values()]
    verdicts = [(name, verdict) for name, page in named if (verdict := _verdict(page))]
    lines += [f"verdict   {name}: {verdict}" for name, verdict in verdicts]
    if result.failed:
        return [*lines, "next      correct what failed, then repeat it with --resume"]
    copies = [e.output for e in result.exposures if e.output and e.status in ("COMPLETE", "KEPT")]
    if not copies:
        return [*lines, f"next      {ALONE}"] if result.statuses["SKIPPED"] else lines
    if found:
        crowded = sum(len(rows) for group in result.groups for rows in group.crowded_rows.values())
        lines += _look(masks, [result.index] if result.index else pages, crowded, given)
    return [*lines, *_next(copies, [verdict for _, verdict in verdicts])]


def _table(result: BatchResult) -> list[str]:
    rows = [["group", "exposures", *map(str.lower, result.statuses), "flagged pixels"]]
    counts = [(group.name, group.statuses, _flags(group)) for group in result.groups]
    if result.unreadable:
        failed = dict.fromkeys(result.statuses, 0) | {"FAILED": len(result.unreadable)}
        counts.append(("unreadable", failed, "-"))
    for name, statuses, flags in counts:
        rows.append([name, str(sum(statuses.values())), *map(str, statuses.values()), flags])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _flags(group: GroupResult) -> str:
    """Return how many pixels are flagged; with a mask of the pipeline without the ends."""
    texts = []
    for axis, number in group.flagged.items():
        found = group.masks.get(axis)
        texts.append(str(number) if found is None else f"{found.n_low} low + {found.n_high} high")
    return ", ".join(texts) or "-"


def _verdict(page: Location | None) -> str:
    """Return the verdict on a page; empty without one."""
    if page is None:
        return ""
    from ..reports.index import verdict_on

    return verdict_on(page) or ""


def _look(
    masks: Sequence[object], pages: Sequence[object], crowded: int, given: Mapping[str, Any]
) -> list[str]:
    """Return how to look at the flags: first the page, then figures."""
    if crowded and not given.get("spare_crowded"):
        return [
            f"look      {counted(crowded, 'line')} crowded with flags: if light is flagged there, "
            "repeat it with --spare-crowded"
        ]
    if not masks and not pages:
        return ["look      --report shows the flags on a page; --save-mask keeps the mask to plot"]
    page = _typed(pages) if pages else f"badpix-selfcal report {_typed(masks)}"
    figures = [f"figures   badpix-selfcal plot {_typed(masks)}"] if masks else []
    return [f"look      {page}", *figures]


def _next(copies: Sequence[object], verdicts: Sequence[str]) -> list[str]:
    """Return how the pipeline goes on with the copies, unless a mask is rejected."""
    if any(verdict.startswith("REJECT") for verdict in verdicts):
        return ["next      do what the page says, and run again: these flags are not fit for use"]
    several = f"FILE, for each of the {counted(len(copies), 'file')}"
    return [f"next      strun calwebb_spec2 {_typed(copies) if len(copies) == 1 else several}"]


def _typed(paths: Sequence[object]) -> str:
    """Return files as they are typed in a shell."""
    return " ".join(shlex.quote(str(path)) for path in paths)
