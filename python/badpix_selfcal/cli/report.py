"""``badpix-selfcal report``."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any, Final

from .options import Report, add_output_dir, add_overwrite, add_report_options, add_results, command
from .parser import Commands

if TYPE_CHECKING:
    from ..look.report import GroupReport

__all__ = ["add"]

INDENT: Final = " " * 12
"""What stands before a line of advice."""

WIDTH: Final = 76
"""Characters of advice in a line."""

_REPORT = """\
Write a page that shows whether flags can be trusted. It has a verdict with its
reasons, images, cuts of single pixels, spectra before and after. One HTML file
for each mask, <product>_badpix_selfcal_report.html, which needs no network;
several are listed in badpix_selfcal_report.html. Needs the extra "report".
docs/report.md describes the page."""

_REPORT_EXAMPLES = """\
examples:
  badpix-selfcal run *_00001_*_asn.json --save-mask
  badpix-selfcal report *_mask.fits
exit status: 0 done (whatever the verdict), 1 failed, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    report = command(commands, "report", "RESULT ...", _REPORT, _REPORT_EXAMPLES, _report)
    add_results(report)
    add_output_dir(report)
    add_overwrite(report)
    add_report_options(report)


def _report(given: argparse.Namespace) -> Report:
    from ..look.report import report

    made = report(given.results, output_dir=given.output_dir, overwrite=given.overwrite)
    index = None if made.index is None else str(made.index)
    lines = [_text(each) for each in made.groups]
    if index is not None:
        lines.append(f"list of all: {index}")
    return Report(
        {"groups": [_facts(each) for each in made.groups], "index": index}, "\n".join(lines)
    )


def _facts(made: GroupReport) -> dict[str, Any]:
    return {
        "name": made.name,
        "page": str(made.page),
        "verdict": made.verdict,
        "reasons": {each.name: each.verdict for each in made.judgement.reasons},
        "numbers": dict(made.judgement.numbers),
    }


def _text(made: GroupReport) -> str:
    """Return the verdict, what speaks against the mask with what to do, and where the page is."""
    lines = [f"{made.name}: {made.verdict}. {made.judgement.meaning}"]
    for each in made.judgement.reasons:
        if each.verdict != "TRUST":
            what = f"{each.limit.label}: {each.value:.4g} {each.limit.unit}"
            lines.append(f"  {each.verdict:<8}  {what.rstrip()}")
            lines += [INDENT + line for line in textwrap.wrap(each.limit.advice, WIDTH)]
    lines.append(f"  written   {made.page}")
    return "\n".join(lines)
