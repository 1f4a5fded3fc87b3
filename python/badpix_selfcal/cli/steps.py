"""The summaries of `run`, `batch` and `apply`: no other module reads the results of the step."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .._kernels import num_threads
from ..arrays.display import counted
from ..errors import visible
from .summary import Summary, facts_of

if TYPE_CHECKING:
    from ..step.result import ExposureResult, Result, Results

ALONE: Final = "nothing was flagged: add exposures of the same detector (--background)"
NO_SCIENCE: Final = "nothing was flagged: no exposure is a science exposure (--background)"
NO_LEVEL: Final = "nothing was flagged: no pedestal can be measured in the gap of the exposures"
FAILED: Final = "correct what failed, then repeat it with --resume"
REJECTED: Final = "these flags are not fit for use: the page says why"
UNSEEN: Final = "--report shows the flags on a page; --save-mask keeps the mask to plot"


def summary_of_run(result: Result, given: Mapping[str, Any]) -> Summary:
    """Return the summary of `badpix_selfcal.selfcal`."""
    products = (result, *result.others)
    facts = _threads(given) | {"products": [_product(each) for each in products]}
    exposures = [each for product in products for each in product.exposures]
    return _summary(result, products, exposures, facts, given)


def summary_of_pool(results: Results, given: Mapping[str, Any]) -> Summary:
    """Return the summary of `badpix_selfcal.batch` and `badpix_selfcal.apply`."""
    facts: dict[str, Any] = {"mask": given["mask"]} if "mask" in given else _threads(given)
    facts |= facts_of(results, "statuses ignored index") | {"failed": len(results.failed)}
    facts["groups"] = [_group(group) for group in results]
    facts["exposures"] = [
        facts_of(each, "exposure status output") | {"error": each.error or None}
        for each in results.exposures
    ]
    return _summary(results, results.groups, results.exposures, facts, given)


def _threads(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"threads": given.get("threads") or num_threads()}


def _product(result: Result) -> dict[str, Any]:
    """Return the facts of a product of `run`."""
    names = "status dispaxis science backgrounds imprints page"
    facts = facts_of(result, names, product="name", mask="mask_file") | _verdict(result)
    facts["members"] = _members(result)
    facts["unused"] = [{"path": path, "exptype": what} for path, what in result.unused.items()]
    if result.bad_pixels is not None:
        facts |= facts_of(result.bad_pixels, "cut_low cut_high n_low n_high error_scale")
        facts |= {"pixels": result.bad_pixels.mask.size, "crowded_rows": result.crowded_rows}
    return facts


def _members(result: Result) -> list[dict[str, Any]]:
    """Return each exposure, and whether it has served to find the bad pixels."""
    unused = {*result.left_out, *result.noisy}
    return [
        {"path": path, "pedestal": result.pedestals.get(path), "noise": result.noise.get(path)}
        | {"left_out": path in unused}
        for path in result.members
    ]


def _group(group: Result) -> dict[str, Any]:
    """Return the facts of a group."""
    axis, found = {"dispaxis": group.dispaxis}, group.bad_pixels
    ends = {} if found is None else facts_of(found, "n_low n_high") | {"pixels": found.mask.size}
    return {
        "group": group.name,
        "members": _members(group),
        "imprints": group.imprints,
        "flagged": [axis | {"pixels": group.flagged}] if group.mask else [],
        "masks": [axis | ends | {"crowded_rows": group.crowded_rows}] if ends else [],
        "mask_files": [axis | {"path": group.mask_file}] if group.mask_file else [],
        "pages": [axis | {"path": group.page}] if group.page else [],
    } | _verdict(group)


def _summary(
    result: Result | Results,
    groups: Sequence[Result],
    exposures: Sequence[ExposureResult],
    facts: dict[str, Any],
    given: Mapping[str, Any],
) -> Summary:
    """Return the summary of some groups: what a terminal shows of them, and what to do next."""
    verdicts = {group.name: _verdict(group) for group in groups}
    lines = [
        f"verdict   {visible(name)}: {said['verdict']}: {said['why']}"
        for name, said in verdicts.items()
        if said["verdict"]
    ]
    rejected = [said for said in verdicts.values() if said["verdict"] == "REJECT"]
    again = [visible(said["command"] or REJECTED) for said in rejected]
    flagged = [each for each in exposures if each.status in ("COMPLETE", "KEPT")]
    copies = [each.output for each in flagged if each.role == "science" and each.output]
    failed = [each for each in exposures if each.status == "FAILED"]
    skipped = any(each.status == "SKIPPED" for each in exposures)
    skipped |= all(group.status == "SKIPPED" for group in groups)
    if failed:  # if all have, there is nothing to resume
        lines += [f"next      {FAILED}"] if len(failed) < len(exposures) else []
    elif copies:
        if "mask" not in given and any(group.mask for group in groups):
            lines += _look(groups, given, getattr(result, "index", None))
        several = f"FILE, for each of the {counted(len(copies), 'file')}"
        command = f"strun calwebb_spec2 {_typed(copies) if len(copies) == 1 else several}"
        if any(each.role == "background" for each in flagged):
            others = (path.parent for group in groups for path in group.imprints)
            folders = _typed([*dict.fromkeys([copies[0].parent, *others])])
            command = f"badpix-selfcal associate {folders} --flagged"
        lines += [f"next      {each}" for each in again or [command]]
    elif skipped:
        is_alone = all(len(group.members) < 2 for group in groups)
        reason = ALONE if is_alone else NO_LEVEL
        lines.append(f"next      {reason if exposures else NO_SCIENCE}")
    text = "\n".join([repr(result), *lines])
    return Summary(facts, text, _errors(groups, exposures), skipped=skipped)


def _errors(groups: Sequence[Result], exposures: Sequence[ExposureResult]) -> tuple[str, ...]:
    """Return the errors, each with the name of a file; that of a whole group once."""
    found = [(str(each.exposure), each.error) for each in exposures if each.status == "FAILED"]
    named = {error for path, error in found if error.startswith(path)}
    found += [(str(path), why) for group in groups for path, why in group.unwritten.items()]
    texts = (
        error if error in named or error.startswith(path) else f"{path}: {error}"
        for path, error in found
    )
    return tuple(dict.fromkeys(texts))


def _verdict(result: Result) -> dict[str, str | None]:
    """Return the verdict on the page of a result, why, and the command to run if it is REJECT.

    They are None without a page on this machine.
    """
    found: dict[str, Any] = {}
    if result.page is not None:
        from ..look.report import facts_in

        found = facts_in(result.page) or {}
    return {name: found.get(name) for name in ("verdict", "why", "command")}


def _look(groups: Sequence[Result], given: Mapping[str, Any], index: object) -> list[str]:
    """Return how to look at the flags: first the page, then figures."""
    crowded = sum(len(each.crowded_rows) for each in groups)
    if crowded and not given.get("spare_crowded"):
        return [
            f"look      {counted(crowded, 'line')} crowded with flags: if light is flagged there, "
            "repeat it with --spare-crowded"
        ]
    masks = [each.mask_file for each in groups if each.mask_file]
    pages = [index] if index else [each.page for each in groups if each.page]
    report = f"badpix-selfcal report {_typed(masks)}" if masks else UNSEEN
    figures = [f"figures   badpix-selfcal plot {_typed(masks)}"] if masks else []
    return [f"look      {_typed(pages) or report}", *figures]


def _typed(paths: Sequence[object]) -> str:
    """Return files as they are typed in a shell."""
    return visible(" ".join(shlex.quote(str(path)) for path in paths))
