"""What a person does next, in a few lines at the end of a report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..arrays.summary import counted
from ..instrument import IMAGE_AXIS, Dispaxis
from ..messages import PROGRAM, option

if TYPE_CHECKING:
    from ..arrays import BadPixels
    from ..files.location import Location
    from ..step.results import BatchResult, SelfcalResult

__all__ = ["after_pool", "after_run"]

PIPELINE: Final = "strun calwebb_spec2"
"""The next step of the pipeline."""

MORE: Final = (
    f"next      nothing was flagged: add exposures of the same detector ({option('background')})"
)


NO_PEDESTAL: Final = (
    "next      nothing was flagged: no pedestal can be measured in the gap of the exposures"
)

AGAIN: Final = "next      do what the page says, and run again: these flags are not fit for use"


def after_run(result: SelfcalResult, verdicts: Sequence[str] = ()) -> list[str]:
    """Return what to do after a run: lines, of which each begins with a word.

    Parameters
    ----------
    result : SelfcalResult
        The result.
    verdicts : sequence of str, optional
        The verdicts on its masks, as the pages give them.
    """
    products = [each for each in (result, *result.others) if each.bad_pixels is not None]
    if not products:
        levels = [level for each in (result, *result.others) for level in each.pedestals.values()]
        return [NO_PEDESTAL if any(level != level for level in levels) else MORE]
    crowded = sum(
        _crowded(each.bad_pixels, each.dispaxis, each.crowded_rows)
        for each in products
        if each.bad_pixels is not None
    )
    masks = [each.mask for each in products if each.mask is not None]
    pages = [each.page for each in products if each.page is not None]
    copies = [each.science for each in products if each.science is not None]
    return [*_look(masks, pages, crowded), *_next(copies, verdicts)]


def after_pool(result: BatchResult, *, finds: bool, verdicts: Sequence[str] = ()) -> list[str]:
    """Return what to do after a batch.

    Parameters
    ----------
    result : BatchResult
        The result.
    finds : bool
        Whether masks were found, not only one applied that existed already.
    verdicts : sequence of str, optional
        The verdicts on its masks, as the pages give them.
    """
    if result.failed:
        return [f"next      correct what failed, then repeat it with {option('resume')}"]
    copies = [each.output for each in result.exposures if each.status in ("COMPLETE", "KEPT")]
    if not copies:
        return [MORE] if result.statuses["SKIPPED"] else []
    crowded = sum(
        _crowded(found, axis, group.crowded_rows.get(axis, ()))
        for group in result.groups
        for axis, found in group.masks.items()
    )
    masks = [path for group in result.groups for path in group.mask_files.values()]
    pages = [path for group in result.groups for path in group.pages.values()]
    pages = pages if result.index is None else [result.index]
    found = finds and any(group.masks for group in result.groups)
    look = _look(masks, pages, crowded) if found else []
    return [*look, *_next([path for path in copies if path is not None], verdicts)]


def _look(masks: Sequence[Location], pages: Sequence[Location], crowded: int) -> list[str]:
    """Return how to look at the flags: first the page, then figures."""
    if crowded:
        return [
            f"look      {counted(crowded, 'line')} crowded with flags: if light is flagged there, "
            f"repeat it with {option('spare_crowded')}"
        ]
    if not masks and not pages:
        return [
            f"look      {option('report')} shows the flags on a page; {option('save_mask')} keeps "
            "the mask to plot"
        ]
    page = _files(pages) if pages else f"{PROGRAM} report {_files(masks)}"
    figures = [f"figures   {PROGRAM} plot {_files(masks)}"] if masks else []
    return [f"look      {page}", *figures]


def _next(copies: Sequence[Location], verdicts: Sequence[str]) -> list[str]:
    """Return how the pipeline goes on with the copies, unless a mask is rejected."""
    if any(verdict.startswith("REJECT") for verdict in verdicts):
        return [AGAIN]
    if not copies:
        return []
    if len(copies) == 1:
        return [f"next      {PIPELINE} {_files(copies)}"]
    return [f"next      {PIPELINE} FILE, for each of the {counted(len(copies), 'file')}"]


def _files(paths: Sequence[Location]) -> str:
    """Return files as they are typed in a shell."""
    return " ".join(shlex.quote(str(path)) for path in paths)


def _crowded(found: BadPixels, dispaxis: Dispaxis, rows: tuple[int, ...]) -> int:
    """Return how many of the crowded lines are flagged, not spared."""
    axis = IMAGE_AXIS[dispaxis]
    if axis is None or not rows:
        return 0
    return sum(bool(found.mask.take(row, axis=1 - axis).any()) for row in rows)
