"""``badpix-selfcal verify``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from ..summary import counted
from .options import Report, add_report_options, command, whole
from .parser import Commands
from .progress import Bar

if TYPE_CHECKING:
    from ..testing.verdict import Verdict

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

DEFAULT: Final = 40
"""As in `badpix_selfcal.testing`, which is imported late."""


def add(commands: Commands) -> None:
    """Add the command."""
    verify = command(commands, "verify", "", _VERIFY, _VERIFY_EXAMPLES, _verify)
    verify.add_argument(
        "--against",
        metavar="WHAT",
        choices=("reference", "jwst"),
        default="reference",
        help="reference (plain NumPy) or jwst (must be installed) (default: %(default)s)",
    )
    number = verify.add_mutually_exclusive_group()
    number.add_argument(
        "--examples",
        metavar="N",
        type=whole,
        default=DEFAULT,
        help="examples of each property (default: %(default)s)",
    )
    number.add_argument(
        "--thorough", action="store_true", help="draw 2000 examples of each property"
    )
    verify.add_argument(
        "--seed", metavar="N", type=whole, help="of the examples (default: the same each time)"
    )
    add_report_options(verify)


def _verify(given: argparse.Namespace) -> Report:
    try:
        from ..testing.verdict import verify
    except ImportError as error:
        raise RuntimeError(str(error)) from error
    with Bar(sys.stderr, what="checks") as bar:
        verdict = verify(
            given.against,
            examples=given.examples,
            thorough=given.thorough,
            seed=given.seed,
            progress=None if given.quiet else bar.show,
        )
    return Report(_facts(verdict), _text(verdict), tuple(each.failure for each in verdict.failed))


def _facts(verdict: Verdict) -> dict[str, Any]:
    return {
        "holds": not verdict.failed,
        "against": verdict.against,
        "examples": verdict.examples,
        "seed": verdict.seed,
        "versions": verdict.versions,
        "kernels": verdict.kernels,
        "checks": [
            {
                "check": each.check,
                "instructions": each.instructions,
                "seconds": round(each.seconds, 3),
                "failure": each.failure,
            }
            for each in verdict.tried
        ],
    }


def _text(verdict: Verdict) -> str:
    total, failed = counted(len(verdict.tried), "check"), len(verdict.failed)
    holds = f"{failed} of {total} FAILED" if failed else f"all of {total} hold"
    lines = [f"verified against {verdict.against}: {holds}"]
    lines += [f"  FAILED    {each.check}, with {each.instructions}" for each in verdict.failed]
    lines.append(f"  examples  {verdict.examples} of each property, seed {verdict.seed}")
    lines += [f"  kernel    {name}: {kernel}" for name, kernel in verdict.kernels.items()]
    lines += [f"  version   {name} {version}" for name, version in verdict.versions.items()]
    seconds = sum(each.seconds for each in verdict.tried)
    lines.append(f"  took      {seconds:.0f} s")
    return "\n".join(lines)
