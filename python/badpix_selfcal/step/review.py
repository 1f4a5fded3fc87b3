"""The review of a plan's masks: warnings about them, and crowded rows left unflagged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from ..arrays.bad_pixels import BadPixels
from ..arrays.crowded import crowded_rows, ranges_of, spared
from ..arrays.summary import counted
from ..errors import warn
from ..instrument import Dispaxis
from ..messages import argument
from .minimum import MinimumImage
from .plan import Plan
from .suitable import listed

__all__ = ["error_factor", "review_exposures", "reviewed"]

MOST_FACTOR: Final = 2.0
"""The noise of SCI over ERR, or its inverse, beyond which a run warns."""

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


def review_exposures(minimum: MinimumImage, plan: Plan) -> None:
    """Review the exposures of a minimum image.

    Warns
    -----
    SelfcalWarning
        If one is constant, or a copy of another.
    """
    if minimum.constant:
        warn(
            f"{listed(minimum.constant)}: SCI holds one value only, which hides all brighter "
            "pixels of the other exposures; leave it out"
        )
    if copies := minimum.copies:
        left = minimum.n_exposures
        warn(
            f"{listed(copies)}: SCI is that of another exposure of {plan.name} "
            f"({listed(dict.fromkeys(copies.values()))}), so that "
            f"{counted(left, 'different exposure')} {'is' if left == 1 else 'are'} left; leave "
            "copies out"
        )


def error_factor(scale: float | None) -> float | None:
    """Return how many times too large or too small ERR is.

    Parameters
    ----------
    scale : float or None
        The noise of the data over ERR (`BadPixels.error_scale`).

    Returns
    -------
    float or None
        At least 1. None without a valid ERR, or if the noise is no multiple of it.
    """
    if scale is None or not scale > 0:
        return None
    factor = max(scale, 1 / scale)
    return factor if math.isfinite(factor) else None


def _warn_of_errors(found: BadPixels, plan: Plan) -> None:
    scale, factor = found.error_scale, error_factor(found.error_scale)
    if scale is None:
        warn(f"{plan.name}: no exposure has a valid ERR; the noise follows from SCI")
    elif factor is None or factor > MOST_FACTOR:
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
