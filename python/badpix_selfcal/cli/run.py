"""``badpix-selfcal run``."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

from .._kernels import num_threads
from ..arrays.summary import NAMES_OF_AXES, counted, cuts_of, flags_of
from ..files.location import locate
from ..log import log
from .advice import after_run
from .options import Report, add_report_options, add_step_options, command, step_options
from .parser import Commands
from .progress import Bar

if TYPE_CHECKING:
    from ..step.selfcal import SelfcalResult

__all__ = ["add"]

_RUN = """\
Flag the bad pixels of one association or exposure. An exposure needs others to
compare with: --selfcal, --background. Writes <product>_badpix_selfcal.fits with
DO_NOT_USE and OTHER_BAD_PIXEL in DQ, NaN in SCI, ERR and VAR_*. Inputs may be
URLs (extra "cloud"); they never change."""

_RUN_EXAMPLES = """\
examples:
  badpix-selfcal run *_00001_*_asn.json --cut sigma --output-dir flagged
  badpix-selfcal run *1001_*_00001_*_rate.fits --background '*2001_*_rate.fits'
exit status: 0 done, 1 failed, 2 wrong usage, 3 skipped (nothing was flagged)"""


AFTER: Final = 1.0
"""The time after which the progress is shown, s."""


def add(commands: Commands) -> None:
    """Add the command."""
    run = command(commands, "run", "INPUT", _RUN, _RUN_EXAMPLES, _run)
    run.add_argument(
        "input", metavar="INPUT", type=locate, help="an association (JSON, YAML) or an exposure"
    )
    for role, plural in (("selfcal", "selfcal exposures"), ("background", "backgrounds")):
        run.add_argument(
            f"--{role}",
            metavar="FILE",
            action="append",
            default=[],
            help=f"more {plural}: a file or pattern; repeatable",
        )
    add_step_options(run)
    add_report_options(run)


def _run(given: argparse.Namespace) -> Report:
    from ..step.selfcal import selfcal

    threads = given.threads or num_threads()  # raises before anything is written
    log.info("%d threads compute", threads)
    with Bar(_terminal(given), what="files read or written", after=AFTER) as bar:
        result = selfcal(
            given.input,
            selfcal=given.selfcal,
            background=given.background,
            progress=bar.show,
            **step_options(given),
        )
    products = (result, *result.others)
    verdicts = [_verdict(each) for each in products]
    texts = [_text(each, given, word) for each, word in zip(products, verdicts, strict=True)]
    return Report(
        {"threads": threads, "products": [_facts(each) for each in products]},
        "\n".join([*texts, *after_run(result, [*filter(None, verdicts)])]),
        skipped=any(each.status == "SKIPPED" for each in products),
    )


def _terminal(given: argparse.Namespace) -> TextIO | None:
    """Return where the progress is shown; a quick run prints nothing elsewhere."""
    stream = sys.stderr
    is_shown = stream is not None and stream.isatty() and not (given.quiet or given.json)
    return stream if is_shown else None


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
        "mask": None if result.mask is None else str(result.mask),
        "page": None if result.page is None else str(result.page),
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


def _text(result: SelfcalResult, given: argparse.Namespace, verdict: str | None) -> str:
    skipped = result.status == "SKIPPED"
    lines = [f"{result.product}: {result.status}" + ", no pixel is flagged" * skipped]
    for path in result.members:
        level = _number(result.pedestals.get(path))
        measured = "" if level is None else f"  pedestal {level:.6g}"
        lines.append(f"  member    {path}{measured}")
    lines += [f"  unused    {path} ({exptype})" for path, exptype in result.unused.items()]
    found = result.bad_pixels
    if found is not None:
        lines += [
            f"  dispaxis  {NAMES_OF_AXES[result.dispaxis]}, kernel {given.kernel_size}",
            f"  cuts      {cuts_of(found)}",
            f"  flagged   {flags_of(found)}",
        ]
    if result.crowded_rows:
        crowded = counted(len(result.crowded_rows), "row" if result.dispaxis == 1 else "column")
        treated = "left unflagged" if given.spare_crowded else "flagged"
        lines.append(f"  crowded   {crowded}, {treated}")
    written = [result.science or "nothing", *result.backgrounds]
    lines += [f"  written   {path}" for path in written]
    if result.mask is not None:
        lines.append(f"  mask      {result.mask}")
    if result.page is not None:
        lines.append(f"  page      {result.page}")
    if verdict:
        lines.append(f"  verdict   {verdict}")
    return "\n".join(lines)


def _verdict(result: SelfcalResult) -> str | None:
    """Return the verdict on the page of a product; None without a page."""
    if result.page is None:
        return None
    from ..look.index import verdict_on

    return verdict_on(result.page)
