"""The reports of the commands that do not run the step."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..arrays.display import counted
from .report import Report, finite, written

if TYPE_CHECKING:
    from ..files.paths import Location
    from ..look.report import ReportResult
    from ..masks.compare import Comparison
    from ..masks.history import MaskHistory
    from ..simulate import Simulation
    from ..step.associate import GeneratedAssociation
    from ..testing.verification import Verification

__all__ = [
    "report_of_associate",
    "report_of_compare",
    "report_of_export",
    "report_of_history",
    "report_of_plot",
    "report_of_report",
    "report_of_simulate",
    "report_of_verify",
]


def report_of_associate(made: Sequence[GeneratedAssociation], given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.associate`."""
    dry = bool(given.get("dry_run"))
    facts = [
        {
            "path": each.path,
            "product": each.product,
            "group": each.group,
            "science": each.science,
            "backgrounds": [*each.backgrounds],
            "selfcal": [*each.selfcal],
            "existed": each.exists,
        }
        for each in made
    ]
    existing = "would replace" if given.get("overwrite") else "exists"
    lines = []
    for each in made:
        verb = f"{existing if each.exists else 'would write':<13}" if dry else "written"
        lines.append(f"{verb}   {each.path}  ({each.group}: {each.counts})")
    return Report({"written": not dry, "associations": facts}, "\n".join(lines))


def report_of_simulate(made: Simulation, _: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.simulate.simulate`."""
    facts: dict[str, Any] = {
        name: [*getattr(made, name)] for name in ("associations", "science", "background")
    }
    return Report(facts | {"truth": made.truth}, "\n".join(written(made.files)))


def report_of_export(files: Sequence[Location], _: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.export`."""
    return Report({"files": [*files]}, "\n".join(written(files)))


def report_of_plot(files: Sequence[Location], _: Mapping[str, Any]) -> Report:
    """Return the report of the function that saves figures."""
    return Report({"figures": [*files]}, "\n".join(written(files)))


def report_of_report(made: ReportResult, _: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.report`: verdicts, and what speaks against a mask."""
    facts, lines = [], []
    for each in made.groups:
        said = each.judgement
        facts.append(
            {
                "name": each.name,
                "page": each.page,
                "verdict": each.verdict,
                "reasons": {reason.name: reason.verdict for reason in said.reasons},
                "numbers": dict(said.numbers),
            }
        )
        lines.append(f"{each.name}: {each.verdict}. {said.meaning}")
        for reason in said.reasons:
            if reason.verdict != "TRUST":
                what = f"{reason.limit.label}: {reason.value:.4g} {reason.limit.unit}".rstrip()
                lines.append(f"  {reason.verdict:<8}  {what}")
                lines += [f"{'':12}{line}" for line in textwrap.wrap(reason.limit.advice, 76)]
        lines += written([each.page], "  ")
    if made.index is not None:
        lines.append(f"list of all: {made.index}")
    return Report({"groups": facts, "index": made.index}, "\n".join(lines))


def report_of_compare(found: Comparison, given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.compare`."""
    counts = {name: asdict(each) for name, each in found.counts.items()}
    facts = {
        "equal": found.is_equal,
        "same_flags": found.same_flags,
        **{
            name: {"path": side.title, "kind": kind, "flagged": counts.pop(name)}
            for name, side, kind in zip("ab", (found.a, found.b), found.kinds, strict=True)
        },
        **counts,
        "jaccard": found.jaccard,
        "other_end": found.other_end,
        "planes": [
            {"equal": plane.is_equal, **asdict(plane), "largest": finite(plane.largest)}
            for plane in found.planes
        ],
    }
    lines = [str(found), *written([given.get("picture")], "  ")]
    return Report(facts, "\n".join(lines), differs=not found.is_equal)


def report_of_history(found: MaskHistory, given: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.history`."""
    files = {name: given.get(name) for name in ("table", "picture", "persistent_mask")}
    facts = {
        "detector": found.detector,
        "subarray": found.subarray,
        "shape": [*found.shape],
        "masks": [asdict(epoch) | {"path": epoch.path} for epoch in found.epochs],
        "at_least": found.at_least,
        "in_any": int(found.x.size),
        "persistent": int(found.persistent.sum()),
        "come_and_go": int(found.comes_and_goes.sum()),
        "groups": {
            "in_any": len(found.groups),
            "come_and_go": int(found.changing_groups.sum()),
            **{
                name: [group | {"residual": finite(group["residual"])} for group in groups]
                for name, groups in found.named_groups.items()
            },
        },
    }
    return Report(facts | files, "\n".join([str(found), *written(files.values(), "  ")]))


def report_of_verify(found: Verification, _: Mapping[str, Any]) -> Report:
    """Return the report of `badpix_selfcal.testing.verify`: a verdict with versions."""
    facts = {
        "holds": not found.failed,
        "against": found.against,
        "examples": found.examples,
        "seed": found.seed,
        "versions": found.versions,
        "kernels": found.kernels,
        "checks": [
            {
                "check": each.check,
                "instructions": each.instructions,
                "seconds": round(each.seconds, 3),
                "failure": each.failure,
            }
            for each in found.tried
        ],
    }
    total, failed = counted(len(found.tried), "check"), len(found.failed)
    holds = f"{failed} of {total} FAILED" if failed else f"all of {total} hold"
    lines = [
        f"verified against {found.against}: {holds}",
        *(f"  FAILED    {each.check}, with {each.instructions}" for each in found.failed),
        f"  examples  {found.examples} of each property, seed {found.seed}",
        *(f"  kernel    {name}: {kernel}" for name, kernel in found.kernels.items()),
        *(f"  version   {name} {version}" for name, version in found.versions.items()),
        f"  took      {math.fsum(each.seconds for each in found.tried):.0f} s",
    ]
    return Report(facts, "\n".join(lines), tuple(each.failure for each in found.failed))
