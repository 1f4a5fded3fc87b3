"""The review of a plan's masks: warnings about them, and crowded rows left unflagged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from ..bad_pixels import BadPixels
from ..crowded import crowded_rows, ranges_of, spared
from ..detectors import Dispaxis
from ..errors import warn
from ..messages import argument
from .plan import Plan

__all__ = ["reviewed"]

LEAST_SCALE: Final = 0.5
MOST_SCALE: Final = 2.0
"""The noise of SCI in units of ERR, beyond which a run warns."""

LINES: Final[dict[Dispaxis, str]] = {1: "rows", 2: "columns"}
"""What lies along the dispersion."""


def reviewed(
    masks: Mapping[Dispaxis, BadPixels], plan: Plan
) -> tuple[dict[Dispaxis, BadPixels], dict[Dispaxis, tuple[int, ...]]]:
    """Review the masks of a plan.

    Parameters
    ----------
    masks : mapping of {1, 2, None} to BadPixels
        The bad pixels by dispersion axis.
    plan : Plan
        The plan.

    Returns
    -------
    masks : dict of {1, 2, None} to BadPixels
        The same; without the flags of crowded rows, if the plan spares them.
    crowded : dict of {1, 2, None} to tuple of int
        The crowded rows (columns, if the dispersion axis is 2), spared or not.

    Warns
    -----
    SelfcalWarning
        If rows are crowded, ERR is missing, or ERR does not describe the data.
    """
    found = dict(masks)
    crowded = {}
    for axis, mask in masks.items():
        if plan.needs_errors:
            _warn_of_errors(mask, plan)
        light_sensitive = ~np.isnan(mask.residual)
        crowded[axis] = crowded_rows(mask.mask, dispaxis=axis, sensitive=light_sensitive)
        if crowded[axis]:
            _warn_of_crowded(crowded[axis], axis, plan)
            if plan.parameters.spare_crowded:
                found[axis] = spared(mask, crowded[axis], axis)
    return found, crowded


def _warn_of_errors(found: BadPixels, plan: Plan) -> None:
    scale = found.error_scale
    if scale is None:
        warn(f"{plan.name}: no exposure has a valid ERR; the noise follows from SCI")
    elif not LEAST_SCALE <= scale <= MOST_SCALE:
        warn(
            f"{plan.name}: the noise of SCI is {scale:.3g} times the mean ERR; the scale of SCI "
            "is used"
        )


def _warn_of_crowded(rows: tuple[int, ...], axis: Dispaxis, plan: Plan) -> None:
    warn(
        f"{plan.name}: {len(rows)} {LINES[axis]} along the dispersion are crowded with flags "
        f"({ranges_of(rows)}, counted from 0), as if a trace or the edge of a slit were flagged; "
        + (
            "they are left unflagged"
            if plan.parameters.spare_crowded
            else f"{argument(spare_crowded=True)} leaves them unflagged"
        )
    )
