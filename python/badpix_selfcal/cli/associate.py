"""``badpix-selfcal associate``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .._kernels import __version__
from .options import Commands, Report, add_pool_options, command

if TYPE_CHECKING:
    from ..runs.associate import GeneratedAssociation

__all__ = ["add"]

_ASSOCIATE = """\
Write an association for every science exposure. Its members are the exposure, the backgrounds of
the same channel and band, and as selfcal members all exposures of the same detector, mode and
subarray.

INPUT is an exposure or a folder. A folder stands for its *_rate.fits of MIRI MRS and of NIRSpec's
integral-field unit, microshutters and fixed slits. The outputs are <exposure>_spec2_asn.json.
'badpix-selfcal run' and calwebb_spec2 read them."""

_ASSOCIATE_EXAMPLES = """\
examples:
  badpix-selfcal associate data
  badpix-selfcal associate data --dry-run
  badpix-selfcal associate data --background 'sky/*_rate.fits' --output-dir associations

exit status: 0 done, 1 failed, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    associate = command(commands, "associate", _ASSOCIATE, _ASSOCIATE_EXAMPLES, _associate)
    add_pool_options(associate)
    associate.add_argument(
        "--output-dir",
        metavar="DIR",
        help="a folder or URL (s3://bucket/prefix) to write to (default: beside each science "
        "exposure)",
    )
    associate.add_argument(
        "--dry-run", action="store_true", help="list what would be written, and write nothing"
    )
    associate.add_argument("--overwrite", action="store_true", help="replace existing files")


def _associate(given: argparse.Namespace) -> Report:
    from ..runs.associate import associate

    made = associate(
        given.inputs,
        background=given.background,
        group_by=given.group_by,
        output_dir=given.output_dir,
        overwrite=given.overwrite,
        dry_run=given.dry_run,
    )
    facts = {
        "version": __version__,
        "written": not given.dry_run,
        "associations": [_facts(each) for each in made],
    }
    verb = "would write" if given.dry_run else "written"
    return Report(facts, "\n".join(_text(each, verb) for each in made))


def _facts(made: GeneratedAssociation) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "product": made.product,
        "group": made.group,
        "science": str(made.science),
        "backgrounds": [str(path) for path in made.backgrounds],
        "selfcal": [str(path) for path in made.selfcal],
    }


def _text(made: GeneratedAssociation, verb: str) -> str:
    counts = f"{len(made.backgrounds)} background, {len(made.selfcal)} selfcal"
    return f"{verb}   {made.path}  ({made.group}: 1 science, {counts})"
