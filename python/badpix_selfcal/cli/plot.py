"""``badpix-selfcal plot``."""

from __future__ import annotations

import argparse

from ..look.plot import ALL, DPI, FIGURES, FORMATS
from .options import (
    Report,
    add_output_dir,
    add_overwrite,
    add_report_options,
    add_results,
    command,
    whole,
    written,
)
from .parser import Commands

__all__ = ["add"]

_PLOT = """\
Draw the mask of a run or batch. RESULT is a mask (--save-mask of 'run' and
'batch'), or a flagged copy with its mask beside it. Writes
<product>_badpix_selfcal_<figure>.png. Needs the extra "plot"."""

_PLOT_EXAMPLES = """\
examples:
  badpix-selfcal run *_00001_*_asn.json --save-mask
  badpix-selfcal plot *_mask.fits
  badpix-selfcal plot *_badpix_selfcal.fits --figure residual --format pdf
figures:
  page         the main figures on one page (default)
  minimum      the minimum image with its flags
  residual     the minimum image minus its running median
  significance how far each pixel stands out from the noise (sigma cut)
  mask         the flagged pixels, low and high in two colours
  dq           the pixels that were known to be bad, and the new flags
  histogram    what is cut, with the cuts
  rows         the flags of each row; columns: of each column; slices: of each
  spectrum     a band of the minimum image, with and without flagged pixels
  strongest    the pixels that stand out most; borderline: those near the cuts
  all          every figure that the mask has
exit status: 0 done, 1 failed, 2 wrong usage"""


def add(commands: Commands) -> None:
    """Add the command."""
    plot = command(commands, "plot", "RESULT ...", _PLOT, _PLOT_EXAMPLES, _plot)
    add_results(plot)
    plot.add_argument(
        "--figure",
        metavar="NAME",
        action="append",
        choices=(*FIGURES, ALL),
        default=[],
        help="what to draw, see below; repeatable",
    )
    plot.add_argument(
        "--format",
        metavar="KIND",
        choices=FORMATS,
        default=FORMATS[0],
        help="png, pdf or svg (default: %(default)s)",
    )
    plot.add_argument(
        "--dpi",
        metavar="N",
        type=whole,
        default=DPI,
        help="dots per inch (default: %(default)s)",
    )
    add_output_dir(plot)
    add_overwrite(plot)
    add_report_options(plot)


def _plot(given: argparse.Namespace) -> Report:
    from ..look.plot import save

    figures = save(
        given.results,
        figure=given.figure,
        format=given.format,
        dpi=given.dpi,
        output_dir=given.output_dir,
        overwrite=given.overwrite,
    )
    facts = {"figures": [str(path) for path in figures]}
    return Report(facts, written(figures))
