"""``badpix-selfcal run``."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any, Final

from .._kernels import __version__, num_threads
from ..files.location import locate
from ..log import log
from .options import Commands, Report, add_step_options, command, step_options

if TYPE_CHECKING:
    from ..runs.selfcal import SelfcalResult

__all__ = ["add"]

_RUN = """\
Find the bad pixels of the exposures of an association, and write flagged copies. Flagged pixels
have DO_NOT_USE and OTHER_BAD_PIXEL in DQ, and NaN in SCI, ERR and VAR_*.

INPUT is an association (JSON or YAML) or one science exposure (FITS). Inputs may be URLs
(s3://, https://), which need the extra "cloud". The outputs are <product>_badpix_selfcal.fits and,
with --save-flagged-bkg, <product>_badpix_selfcal_bkg_<i>.fits. Inputs are never modified."""

_RUN_EXAMPLES = """\
examples:
  badpix-selfcal run jw01234_spec2_asn.json --output-dir flagged
  badpix-selfcal run science_rate.fits --background bkg1_rate.fits --background bkg2_rate.fits
  badpix-selfcal run s3://bucket/jw01234_spec2_asn.json --output-dir s3://bucket/flagged
  badpix-selfcal run jw01234_spec2_asn.json --cut sigma --sigma-upper 5
  badpix-selfcal run science_rate.fits --force-single --kernel-size 9 --edge shrink

exit status: 0 done, 1 failed, 2 wrong usage, 3 skipped (nothing was flagged)"""


CUT_QUANTITY: Final = {"fraction": "residual", "sigma": "significance"}
"""What is compared with the cuts."""


def add(commands: Commands) -> None:
    """Add the command."""
    run = command(commands, "run", _RUN, _RUN_EXAMPLES, _run)
    run.add_argument("input", metavar="INPUT", type=locate, help="an association or an exposure")
    for role, use in (("selfcal", "only to find bad pixels"), ("background", "and flagged too")):
        run.add_argument(
            f"--{role}",
            metavar="FILE",
            type=locate,
            action="append",
            default=[],
            help=f"a further {role} exposure, used {use}; repeatable, appended to those of INPUT",
        )
    add_step_options(run)


def _run(given: argparse.Namespace) -> Report:
    from ..runs.selfcal import selfcal

    threads = num_threads()  # raises on a wrong setting, before anything is written
    log.info("%d threads compute", threads)
    result = selfcal(
        given.input, selfcal=given.selfcal, background=given.background, **step_options(given)
    )
    products = [_facts(each) for each in (result, *result.others)]
    return Report(
        {"version": __version__, "threads": threads, "products": products},
        "\n".join(_text(facts, given) for facts in products),
        skipped=any(facts["status"] == "SKIPPED" for facts in products),
    )


def _facts(result: SelfcalResult) -> dict[str, Any]:
    """Return the report of one product: values that JSON can hold."""
    found = result.bad_pixels
    facts: dict[str, Any] = {
        "product": result.product,
        "status": result.status,
        "members": [
            {"path": str(path), "pedestal": _number(result.pedestals.get(path))}
            for path in result.members
        ],
        "unused": [
            {"path": str(path), "exptype": exptype} for path, exptype in result.unused.items()
        ],
        "dispaxis": result.dispaxis,
        "science": None if result.science is None else str(result.science),
        "backgrounds": [str(path) for path in result.backgrounds],
    }
    if found is not None:
        facts |= {
            "pixels": found.mask.size,
            "cut_low": _number(found.cut_low),
            "cut_high": _number(found.cut_high),
            "n_low": found.n_low,
            "n_high": found.n_high,
            "error_scale": found.error_scale,
            "crowded_rows": [*result.crowded_rows],
        }
    return facts


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _text(facts: dict[str, Any], given: argparse.Namespace) -> str:
    skipped = facts["status"] == "SKIPPED"
    lines = [f"{facts['product']}: {facts['status']}" + ", no pixel is flagged" * skipped]
    for member in facts["members"]:
        level = member["pedestal"]
        measured = "" if level is None else f"  pedestal {level:.6g}"
        lines.append(f"  member    {member['path']}{measured}")
    lines += [f"  unused    {each['path']} ({each['exptype']})" for each in facts["unused"]]
    if not skipped:
        axis = {1: "1 (along x)", 2: "2 (along y)", None: "unknown (square window)"}
        flagged = facts["n_low"] + facts["n_high"]
        cuts = (_shown(facts["cut_low"]), _shown(facts["cut_high"]))
        lines += [
            f"  dispaxis  {axis[facts['dispaxis']]}, kernel {given.kernel_size}",
            f"  cuts      {CUT_QUANTITY[given.cut]} below {cuts[0]} or above {cuts[1]}",
            f"  flagged   {facts['n_low']} low + {facts['n_high']} high = {flagged} pixels "
            f"({100 * flagged / facts['pixels']:.3f} %)",
        ]
        if facts["crowded_rows"]:
            crowded = (
                f"{len(facts['crowded_rows'])} {'rows' if facts['dispaxis'] == 1 else 'columns'}"
            )
            treated = "left unflagged" if given.spare_crowded else "flagged"
            lines.append(f"  crowded   {crowded}, {treated}")
    written = [facts["science"] or "nothing", *facts["backgrounds"]]
    lines += [f"  written   {path}" for path in written]
    return "\n".join(lines)


def _shown(cut: float | None) -> str:
    return "none" if cut is None else f"{cut:.6g}"
