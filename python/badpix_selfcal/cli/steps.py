"""The reports of `run`, `batch` and `apply`: the only module that reads the results of the step."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .._kernels import num_threads
from ..arrays.display import NAMES_OF_AXES, counted, cuts_of, files_of, flags_of
from ..parameters import Parameters
from .report import Report, finite, written

if TYPE_CHECKING:
    from ..step.result import Result, Results

__all__ = ["report_of_apply", "report_of_batch", "report_of_run"]

COPIES: Final = "<exposure>_badpix_selfcal.fits"
"""The names of the copies of a batch."""

ALONE: Final = "next      nothing was flagged: add exposures of the same detector (--background)"

NO_LEVEL: Final = (
    "next      nothing was flagged: no pedestal can be measured in the gap of the exposures"
)


def report_of_run(result: Result, given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.selfcal`."""
    products = (result, *result.others)
    lines = [line for each in products for line in _product_lines(each, given)]
    if all(each.mask is None for each in products):
        lines.append(NO_LEVEL if any(len(each.members) > 1 for each in products) else ALONE)
    else:
        copies = [each.science for each in products if each.mask and each.science]
        lines += [*_look(products, given), *_next(copies, products)]
    return Report(
        {"threads": _threads(given), "products": [_product_facts(each) for each in products]},
        "\n".join(lines),
        skipped=any(each.status == "SKIPPED" for each in products),
    )


def _threads(given: Mapping[str, Any]) -> int:
    return given.get("threads") or num_threads()


def _product_facts(result: Result) -> dict[str, Any]:
    found = result.bad_pixels
    facts: dict[str, Any] = {
        "product": result.name,
        "status": result.status,
        "members": _members(result),
        "unused": [{"path": path, "exptype": exptype} for path, exptype in result.unused.items()],
        "dispaxis": result.dispaxis,
        "science": result.science,
        "backgrounds": [*result.backgrounds],
        "mask": result.mask_file,
        "page": result.page,
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


def _members(result: Result) -> list[dict[str, Any]]:
    return [
        {"path": path, "pedestal": finite(result.pedestals.get(path))} for path in result.members
    ]


def _product_lines(result: Result, given: Mapping[str, Any]) -> list[str]:
    skipped = ", no pixel is flagged" if result.status == "SKIPPED" else ""
    lines = [f"{result.name}: {result.status}{skipped}"]
    for path in result.members:
        level = finite(result.pedestals.get(path))
        measured = "" if level is None else f"  pedestal {level:.6g}"
        lines.append(f"  member    {path}{measured}")
    lines += [f"  unused    {path} ({exptype})" for path, exptype in result.unused.items()]
    if result.bad_pixels is not None:
        kernel = given.get("kernel_size", Parameters.kernel_size)
        lines += [
            f"  dispaxis  {NAMES_OF_AXES[result.dispaxis]}, kernel {kernel}",
            f"  cuts      {cuts_of(result.bad_pixels)}",
            f"  flagged   {flags_of(result.bad_pixels)}",
        ]
    if result.crowded_rows:
        crowded = counted(len(result.crowded_rows), "row" if result.dispaxis == 1 else "column")
        treated = "left unflagged" if given.get("spare_crowded") else "flagged"
        lines.append(f"  crowded   {crowded}, {treated}")
    lines += written([result.science or "nothing", *result.backgrounds], "  ")
    named = {"mask": result.mask_file, "page": result.page, "verdict": _verdict(result)}
    return lines + [f"  {word:<8}  {what}" for word, what in named.items() if what]


def report_of_batch(result: Results, given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.batch`."""
    found = any(group.mask is not None for group in result)
    facts = {"threads": _threads(given)}
    return _pool(result, given, facts, "modes (EXP_TYPE)", found=found)


def report_of_apply(result: Results, given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.apply`."""
    facts = {"mask": given["mask"]}
    return _pool(result, given, facts, "detectors or modes (EXP_TYPE)", found=False)


def _pool(
    result: Results,
    given: Mapping[str, Any],
    facts: dict[str, Any],
    ignored: str,
    *,
    found: bool,
) -> Report:
    """Return the report of many exposures.

    `ignored` is what the ignored files differ in; `found`, whether masks were found.
    """
    facts |= {
        "groups": [_group_facts(group) for group in result],
        "statuses": result.statuses,
        "exposures": [
            {
                "exposure": each.exposure,
                "status": each.status,
                "output": each.output,
                "error": each.error or None,
            }
            for each in result.exposures
        ],
        "ignored": [*result.ignored],
        "failed": len(result.failed),
        "index": result.index,
    }
    lines = [*_table(result), *_pool_lines(result, given, ignored)]
    copies = [e.output for e in result.exposures if e.output and e.status in ("COMPLETE", "KEPT")]
    if result.failed:
        lines.append("next      correct what failed, then repeat it with --resume")
    elif copies:
        lines += [*(_look(result, given, result.index) if found else ()), *_next(copies, result)]
    elif result.statuses["SKIPPED"]:
        lines.append(ALONE)
    skipped = any(each.status == "SKIPPED" for each in result.exposures)
    return Report(facts, "\n".join(lines), tuple(_errors(result)), skipped=skipped)


def _errors(result: Results) -> list[str]:
    """Return the errors, each with the name of a file; that of a whole group once."""
    found = [(str(each.exposure), each.error) for each in result.failed]
    named = {error for path, error in found if error.startswith(path)}
    found += [(str(path), why) for path, why in result.unwritten.items()]
    texts = [
        error if error in named or error.startswith(path) else f"{path}: {error}"
        for path, error in found
    ]
    return [*dict.fromkeys(texts)]


def _group_facts(group: Result) -> dict[str, Any]:
    axis, mask, found = {"dispaxis": group.dispaxis}, group.mask, group.bad_pixels
    ends = {} if found is None else {"n_low": found.n_low, "n_high": found.n_high}
    size = {} if mask is None else {"pixels": mask.flags.size}
    crowded = {"crowded_rows": [*group.crowded_rows]}
    return {
        "group": group.name,
        "members": [
            each | {"left_out": path in group.left_out}
            for path, each in zip(group.members, _members(group), strict=True)
        ],
        "flagged": [axis | {"pixels": group.flagged}] if mask else [],
        "masks": [axis | size | ends | crowded] if found else [],
        "mask_files": [axis | {"path": group.mask_file}] if group.mask_file else [],
        "pages": [axis | {"path": group.page}] if group.page else [],
    }


def _table(result: Results) -> list[str]:
    """Return the table, in which every exposure read stands once."""
    rows = [["group", "exposures", *map(str.lower, result.statuses), "flagged pixels"]]
    counts = [(group.name, group.statuses, _flags(group)) for group in result]
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


def _flags(group: Result) -> str:
    """Return how many pixels are flagged; with a mask of the pipeline without the ends."""
    found = group.bad_pixels
    if found is not None:
        return f"{found.n_low} low + {found.n_high} high"
    return "-" if group.mask is None else str(group.flagged)


def _pool_lines(result: Results, given: Mapping[str, Any], ignored: str) -> list[str]:
    """Return what was not used, where the outputs are, and the verdicts."""
    lines = []
    left_out = sum(len(group.left_out) for group in result)
    if left_out:
        lines.append(f"left out  {counted(left_out, 'exposure')} without a pedestal")
    if result.ignored:
        lines.append(f"ignored   {counted(len(result.ignored), 'file')} of other {ignored}")
    kept = f" ({result.statuses['KEPT']} kept)" if result.statuses["KEPT"] else ""
    where = given.get("output_dir") or "the current directory"
    names = f": {COPIES}" if result.written else ""
    lines.append(f"written   {counted(len(result.written), 'file')} in {where}{kept}{names}")
    masks = [group.mask_file for group in result if group.mask_file]
    pages = [group.page for group in result if group.page]
    if masks:
        lines.append(f"masks     {files_of(masks)}")
    if pages:
        lines.append(f"pages     {result.index or files_of(pages)}")
    verdicts = ((group.name, _verdict(group)) for group in result)
    return lines + [f"verdict   {name}: {verdict}" for name, verdict in verdicts if verdict]


def _verdict(result: Result) -> str:
    """Return the verdict on the page of a result; empty without one."""
    if result.page is None:
        return ""
    from ..look.report import verdict_on

    return verdict_on(result.page) or ""


def _look(results: Iterable[Result], given: Mapping[str, Any], index: object = None) -> list[str]:
    """Return how to look at the flags: first the page, then figures."""
    crowded = sum(len(each.crowded_rows) for each in results)
    if crowded and not given.get("spare_crowded"):
        return [
            f"look      {counted(crowded, 'line')} crowded with flags: if light is flagged there, "
            "repeat it with --spare-crowded"
        ]
    masks = [each.mask_file for each in results if each.mask_file]
    pages = [index] if index else [each.page for each in results if each.page]
    if not masks and not pages:
        return ["look      --report shows the flags on a page; --save-mask keeps the mask to plot"]
    page = _typed(pages) if pages else f"badpix-selfcal report {_typed(masks)}"
    figures = [f"figures   badpix-selfcal plot {_typed(masks)}"] if masks else []
    return [f"look      {page}", *figures]


def _next(copies: Sequence[object], results: Iterable[Result]) -> list[str]:
    """Return how the pipeline goes on with the copies, unless a mask is rejected."""
    if any(_verdict(each).startswith("REJECT") for each in results):
        return ["next      do what the page says, and run again: these flags are not fit for use"]
    several = f"FILE, for each of the {counted(len(copies), 'file')}"
    return [f"next      strun calwebb_spec2 {_typed(copies) if len(copies) == 1 else several}"]


def _typed(paths: Sequence[object]) -> str:
    """Return files as they are typed in a shell."""
    return " ".join(shlex.quote(str(path)) for path in paths)
