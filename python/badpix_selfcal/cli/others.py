"""The summaries of the commands that do not run the step."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..arrays.display import block, counted
from ..errors import visible
from .summary import Summary, facts_of, written

if TYPE_CHECKING:
    from ..files.paths import Location
    from ..look.report import ReportResult
    from ..masks.compare import Comparison
    from ..masks.history import MaskHistory
    from ..simulate import Simulation
    from ..step.associate import GeneratedAssociation
    from ..testing.verification import Verification


def summary_of_associate(made: Sequence[GeneratedAssociation], given: Mapping[str, Any]) -> Summary:
    """Return the summary of `badpix_selfcal.associate`."""
    is_dry = bool(given.get("dry_run"))
    names = "path product group science backgrounds selfcal imprints"
    facts = [facts_of(each, names, existed="exists") for each in made]
    existing = "would replace" if given.get("overwrite") else "exists"
    lines = []
    for each in made:
        verb = f"{existing if each.exists else 'would write':<13}" if is_dry else "written"
        lines.append(f"{verb}   {visible(each.path)}  ({visible(each.group)}: {each.counts})")
    return Summary({"written": not is_dry, "associations": facts}, "\n".join(lines))


def summary_of_simulate(made: Simulation, _: Mapping[str, Any]) -> Summary:
    """Return the summary of `badpix_selfcal.simulate.simulate`."""
    facts = facts_of(made, "associations science background truth")
    return Summary(facts, "\n".join(written(made.files)))


def summary_of_files(what: str, files: Sequence[Location], _: Mapping[str, Any]) -> Summary:
    """Return the summary of a function that returns the files that it has written."""
    return Summary({what: files}, "\n".join(written(files)))


def summary_of_report(made: ReportResult, _: Mapping[str, Any]) -> Summary:
    """Return the summary of `badpix_selfcal.report`: verdicts, and what speaks against a mask."""
    facts, lines = [], []
    for each in made.groups:
        said = each.judgement
        reasons = {reason.name: reason.verdict for reason in said.reasons}
        facts.append(
            facts_of(each, "name page verdict")
            | facts_of(said, "why")
            | {"command": said.command or None, "reasons": reasons, "numbers": dict(said.numbers)}
        )
        lines.append(f"{visible(each.name)}: {each.verdict}: {said.why}")
        lines.append(f"  {said.meaning}")
        for reason in said.against:
            lines.append(f"  {reason.verdict:<8}  {reason}")
            lines += [f"{'':12}{line}" for line in textwrap.wrap(reason.limit.advice, 76)]
        lines += [f"next      {visible(said.command)}"] if said.command else []
        lines += written([each.page])
    if made.index is not None:
        lines.append(f"list of all: {visible(made.index)}")
    return Summary({"groups": facts, "index": made.index}, "\n".join(lines))


def summary_of_compare(found: Comparison, given: Mapping[str, Any]) -> Summary:
    """Return the summary of `badpix_selfcal.compare`."""
    counts = dict(found.counts)
    facts = facts_of(found, "same_flags jaccard other_end", equal="is_equal") | {
        name: {"path": side.title, "kind": kind, "flagged": counts.pop(name)}
        for name, side, kind in zip("ab", (found.a, found.b), found.kinds, strict=True)
    }
    planes = [vars(each) | {"equal": each.is_equal} for each in found.planes]
    lines = [str(found), *written([given.get("picture")])]
    facts |= counts | {"planes": planes}
    return Summary(facts, "\n".join(lines), differs=not found.is_equal)


def summary_of_history(found: MaskHistory, given: Mapping[str, Any]) -> Summary:
    """Return the summary of `badpix_selfcal.history`."""
    files = {name: given.get(name) for name in ("table", "picture", "persistent_mask")}
    facts = _history(found) | {"others": [*map(_history, found.others)]}
    return Summary(facts | files, "\n".join([str(found), *written(files.values())]))


def _history(found: MaskHistory) -> dict[str, Any]:
    return facts_of(found, "detector subarray shape at_least", masks="epochs") | {
        "in_any": found.x.size,
        "persistent": int(found.persistent.sum()),
        "come_and_go": int(found.comes_and_goes.sum()),
        "groups": {
            "in_any": len(found.groups),
            "come_and_go": int(found.changing_groups.sum()),
            **found.named_groups,
        },
    }


def summary_of_verify(found: Verification, _: Mapping[str, Any]) -> Summary:
    """Return the summary of `badpix_selfcal.testing.verify`: a verdict with versions."""
    facts = facts_of(found, "against examples seed versions kernels changed", checks="tried")
    total, failed = counted(len(found.tried), "check"), len(found.failed)
    holds = f"{failed} of {total} FAILED" if failed else f"all of {total} hold"
    said = {
        "FAILED": "; ".join(f"{each.check}, with {each.instructions}" for each in found.failed),
        "examples": f"{found.examples} of each property, seed {found.seed}",
        "kernels": "; ".join(f"{name}: {kernel}" for name, kernel in found.kernels.items()),
        "changed": found.changed,
        "versions": ", ".join(f"{name} {version}" for name, version in found.versions.items()),
        "took": f"{math.fsum(each.seconds for each in found.tried):.0f} s",
    }
    text = block(f"verified against {found.against}: {holds}", said)
    errors = tuple(each.failure for each in found.failed)
    return Summary(facts | {"holds": not errors}, text, errors)
