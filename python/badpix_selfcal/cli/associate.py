"""``badpix-selfcal associate``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .options import Report, add_overwrite, add_pool_options, add_report_options, command
from .parser import Commands

if TYPE_CHECKING:
    from ..step.associate import GeneratedAssociation

__all__ = ["add"]

_ASSOCIATE = """\
Write an association for every science exposure. Its members are the exposure,
the backgrounds of its channel and band, and as selfcal members all exposures of
its detector, mode and subarray. 'badpix-selfcal run' and calwebb_spec2 read the
files, <exposure>_spec2_asn.json."""

_ASSOCIATE_EXAMPLES = """\
examples:
  badpix-selfcal associate . --dry-run
  badpix-selfcal associate . --output-dir associations
exit status: 0 done, 1 failed, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    associate = command(
        commands, "associate", "INPUT ...", _ASSOCIATE, _ASSOCIATE_EXAMPLES, _associate
    )
    add_pool_options(associate)
    associate.add_argument(
        "--output-dir",
        metavar="DIR",
        help="output folder or URL (default: beside each exposure)",
    )
    associate.add_argument(
        "--dry-run", action="store_true", help="list what would be written; write nothing"
    )
    add_overwrite(associate)
    add_report_options(associate)
    associate.set_defaults(written="some associations were written; --overwrite replaces them")


def _associate(given: argparse.Namespace) -> Report:
    from ..step.associate import associate

    made = associate(
        given.inputs,
        background=given.background,
        group_by=given.group_by,
        output_dir=given.output_dir,
        overwrite=given.overwrite,
        dry_run=given.dry_run,
    )
    facts = {
        "written": not given.dry_run,
        "associations": [_facts(each) for each in made],
    }
    return Report(facts, "\n".join(_text(each, given) for each in made))


def _facts(made: GeneratedAssociation) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "product": made.product,
        "group": made.group,
        "science": str(made.science),
        "backgrounds": [str(path) for path in made.backgrounds],
        "selfcal": [str(path) for path in made.selfcal],
        "existed": made.exists,
    }


def _text(made: GeneratedAssociation, given: argparse.Namespace) -> str:
    verb = "written"
    if given.dry_run:
        verb = "would write"
        if made.exists:
            verb = "would replace" if given.overwrite else "exists"
    return f"{verb:<{13 if given.dry_run else 7}}   {made.path}  ({made.group}: {made.counts})"
