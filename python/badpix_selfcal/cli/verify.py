"""``badpix-selfcal verify``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..arrays.checks import AGAINST, THOROUGH, VERIFY_EXAMPLES, check_examples
from ..arrays.summary import counted
from .options import Report, add_report_options, checked, command, whole
from .parser import Commands
from .progress import Bar

if TYPE_CHECKING:
    from ..testing.verification import Verification

__all__ = ["add"]

_VERIFY = """\
Prove this installation on this machine. Compares the kernels, with each
instruction set that the machine has, and whole runs with plain NumPy or with
jwst, on examples that hypothesis draws (extra "testing"). Prints a verdict with
versions, to be archived."""

_VERIFY_EXAMPLES = """\
examples:
  badpix-selfcal verify --examples 5
exit status: 0 all holds, 1 something does not, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    verify = command(commands, "verify", "", _VERIFY, _VERIFY_EXAMPLES, _verify)
    verify.add_argument(
        "--against",
        metavar="WHAT",
        choices=AGAINST,
        default=AGAINST[0],
        help="reference (plain NumPy) or jwst (must be installed) (default: %(default)s)",
    )
    number = verify.add_mutually_exclusive_group()
    number.add_argument(
        "--examples",
        metavar="N",
        type=checked(whole, check_examples),
        default=VERIFY_EXAMPLES,
        help="examples of each property (default: %(default)s)",
    )
    number.add_argument(
        "--thorough", action="store_true", help=f"draw {THOROUGH} examples of each property"
    )
    verify.add_argument(
        "--seed", metavar="N", type=whole, help="of the examples (default: the same each time)"
    )
    add_report_options(verify)


def _verify(given: argparse.Namespace) -> Report:
    try:
        from ..testing.verification import verify

        with Bar(sys.stderr, what="checks") as bar:
            found = verify(
                given.against,
                examples=given.examples,
                thorough=given.thorough,
                seed=given.seed,
                progress=None if given.quiet else bar.show,
            )
    except ImportError as error:  # hypothesis or jwst is not installed
        raise RuntimeError(str(error)) from error
    return Report(_facts(found), _text(found), tuple(each.failure for each in found.failed))


def _facts(found: Verification) -> dict[str, Any]:
    return {
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


def _text(found: Verification) -> str:
    total, failed = counted(len(found.tried), "check"), len(found.failed)
    holds = f"{failed} of {total} FAILED" if failed else f"all of {total} hold"
    lines = [f"verified against {found.against}: {holds}"]
    lines += [f"  FAILED    {each.check}, with {each.instructions}" for each in found.failed]
    lines.append(f"  examples  {found.examples} of each property, seed {found.seed}")
    lines += [f"  kernel    {name}: {kernel}" for name, kernel in found.kernels.items()]
    lines += [f"  version   {name} {version}" for name, version in found.versions.items()]
    seconds = sum(each.seconds for each in found.tried)
    lines.append(f"  took      {seconds:.0f} s")
    return "\n".join(lines)
