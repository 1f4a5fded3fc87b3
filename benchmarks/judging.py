"""What the flags of a method are worth, measured on the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from badpix_selfcal.simulate.settings import SHAPES

from .finders import Scores
from .truth import Mask, Observed

__all__ = [
    "BRIGHTNESS",
    "GROUP_MEASURES",
    "LEVELS",
    "MEASURES",
    "Curves",
    "curves",
    "judge",
]

BRIGHTNESS: Final = (1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 10, 13, 17, 25, 50, 100, 1000)
"""Limits of the classes of brightness of hot pixels, in sigma."""

LEVELS: Final = (0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98)
"""Completeness at which purities are compared."""

LEAST: Final = 20
"""Fewest hot pixels in a class of brightness."""

GROUP_BRIGHTNESS: Final = (5, 7, 10, 20, 50, 100, 200, np.inf)
"""Limits of the classes of brightness of the pixels of groups, in sigma."""

MEASURES: Final = {
    "completeness": "share of the hot pixels above 5 sigma that are flagged as too bright",
    "single": "the same, of hot pixels without a hot one above 1.5 sigma among their eight "
    "neighbours",
    "groups": "the same, of the pixels of groups",
    "left": "number of pixels with hot light, their own or of hot neighbours, above 20 times the "
    "noise without this light, that are not flagged as too bright",
    "neighbours": "share of the pixels lit by hot neighbours above 3 sigma, not hot themselves (up "
    "to 1.5 sigma), that are flagged as too bright",
    "wrong": "flags, of a million pixels, on pixels that are neither hot nor lit by hot neighbours "
    "from 1.5 sigma on, have no low response and were not hit by a cosmic ray in every exposure",
    "purity": "share of the flags of too bright pixels that are right: the pixel is hot or lit by "
    "hot neighbours above 3 sigma, or has a low response",
    "purity_rays": "the same, with pixels hit by a cosmic ray in all exposures counted as right",
    "purity_warm": "the same, with hot pixels of 1.5 to 3 sigma counted as right",
    "warm": "share of the flags that are hot pixels of 1.5 to 5 sigma",
    "high": "number of flags of too bright pixels",
    "low": "number of flags of too faint pixels",
    "purity_low": "share of the flags of too faint pixels that have a low response",
    "lines": "pixels of emission lines that are flagged, %",
    "cores": "pixels of the cores of point sources that are flagged, %",
    "flagged": "pixels that are flagged, %",
    "factor": "factor by which the sigma cut multiplies ERR",
}
"""The measures, in words. NaN: nothing to measure."""

_CLASSES: Final = {
    f"sigma {least:g} to {most:g}" if np.isfinite(most) else f"sigma above {least:g}": (least, most)
    for least, most in pairwise(GROUP_BRIGHTNESS)
}

GROUP_MEASURES: Final = (*(f"shape {name}" for name in SHAPES), *_CLASSES)
"""Further measures of exposures with groups: `groups` by shape and by brightness of the pixel."""


@dataclass(frozen=True)
class Curves:
    """How a method does at all brightnesses and cuts.

    Attributes
    ----------
    by_brightness : list of float
        Completeness between the limits of `BRIGHTNESS`; NaN for fewer than `LEAST` hot pixels.
    purities, lines : list of float
        Purity, and pixels of emission lines flagged (%), with the cut that reaches each of `LEVELS`
        of completeness; NaN where no cut does.
    """

    by_brightness: list[float]
    purities: list[float]
    lines: list[float]


@dataclass(frozen=True)
class _Truth:
    """Masks of the pixels, without those that DQ marks before flagging."""

    counted: Mask
    targets: Mask
    single: Mask
    hot_light: Mask
    lit: Mask
    good: Mask
    right: Mask
    rays: Mask
    warm: Mask
    faint: Mask
    lines: Mask
    cores: Mask
    sigma: NDArray[np.float32]


def judge(observed: Observed, scores: Scores) -> dict[str, float]:
    """Measure the flags of a method.

    Parameters
    ----------
    observed : Observed
        The exposures and their truth.
    scores : Scores
        The scores and cuts of the method.

    Returns
    -------
    dict of str to float
        A value for each of `MEASURES`, and of `GROUP_MEASURES` if there are groups.
    """
    truth = _truth(observed)
    high, low = scores.flagged_high() & truth.counted, scores.flagged_low() & truth.counted
    either = high | low
    return {
        "completeness": _share(high, truth.targets),
        "single": _share(high, truth.single),
        "groups": _share(high, truth.targets & (observed.group > 0)),
        "left": float(np.count_nonzero(truth.hot_light & ~high)),
        "neighbours": _share(high, truth.lit),
        "wrong": 1e6 * np.count_nonzero(either & truth.good) / np.count_nonzero(truth.counted),
        "purity": _share(truth.right, high),
        "purity_rays": _share(truth.right | truth.rays, high),
        "purity_warm": _share(truth.right | truth.warm, high),
        "warm": _share(truth.warm | truth.faint, high),
        "high": float(np.count_nonzero(high)),
        "low": float(np.count_nonzero(low)),
        "purity_low": _share(observed.low, low),
        "lines": 100 * _share(either, truth.lines),
        "cores": 100 * _share(either, truth.cores),
        "flagged": 100 * _share(either, truth.counted),
        "factor": np.nan if scores.factor is None else scores.factor,
        **(_by_group(observed, truth, high) if len(observed.shapes) > 1 else {}),
    }


def _by_group(observed: Observed, truth: _Truth, high: Mask) -> dict[str, float]:
    """Return the share of the pixels of groups that are flagged, by shape and by brightness."""
    flat = np.flatnonzero(truth.targets & (observed.group > 0))
    shape = np.array(observed.shapes)[observed.group.flat[flat]]
    sigma, found = truth.sigma.flat[flat], high.flat[flat]
    return {
        **{f"shape {name}": _share(found, shape == name) for name in SHAPES},
        **{
            name: _share(found, (sigma >= least) & (sigma < most))
            for name, (least, most) in _CLASSES.items()
        },
    }


def curves(observed: Observed, scores: Scores) -> Curves:
    """Measure a method at its own cut by brightness, and at all cuts of the high end.

    Parameters
    ----------
    observed : Observed
        The exposures and their truth.
    scores : Scores
        The scores and cuts of the method.
    """
    truth = _truth(observed)
    high = scores.flagged_high() & truth.counted
    hot = [
        truth.counted & (truth.sigma >= least) & (truth.sigma < most)
        for least, most in pairwise(BRIGHTNESS)
    ]
    cuts = _cuts(scores, truth.counted & truth.targets, LEVELS)
    purities, lines = [], []
    for cut in cuts:
        flagged = truth.counted & (scores.values >= cut)  # none if the cut is NaN
        purities.append(_share(truth.right, flagged))
        lines.append(100 * _share(flagged, truth.lines) if np.isfinite(cut) else np.nan)
    shares = [_share(high, each) if np.count_nonzero(each) >= LEAST else np.nan for each in hot]
    return Curves(shares, purities, lines)


def _cuts(scores: Scores, targets: Mask, levels: Sequence[float]) -> list[float]:
    """Return the cuts that reach these levels of completeness; NaN where none above 0 does."""
    reached = np.nan_to_num(scores.values[targets], nan=-np.inf)
    ordered = np.sort(reached)[::-1]
    cuts = []
    for level in levels:
        cut = float(ordered[min(int(np.ceil(level * ordered.size)), ordered.size) - 1])
        cuts.append(cut if cut > 0 else np.nan)
    return cuts


def _truth(observed: Observed) -> _Truth:
    counted = ~observed.known & np.isfinite(observed.minimum)
    noise = np.where(counted, observed.noise, np.inf)
    sigma, lit = observed.defect / noise, observed.halo / noise
    right = (sigma > 3) | (lit > 3) | observed.low
    ordinary = counted & ~right & (observed.defect == 0) & ~observed.cosmic
    return _Truth(
        counted=counted,
        targets=counted & (sigma > 5),
        single=counted & (sigma > 5) & ~_beside(sigma > 1.5),
        hot_light=counted & (observed.defect + observed.halo > 20 * observed.beneath),
        lit=counted & (lit > 3) & (sigma <= 1.5),
        good=counted & (sigma < 1.5) & (lit < 1.5) & ~observed.low & ~observed.cosmic,
        right=right,
        rays=observed.cosmic,
        warm=(sigma > 1.5) & ~right,
        faint=(sigma > 3) & (sigma <= 5),
        lines=ordinary & (observed.line > 5 * observed.noise),
        cores=ordinary & observed.core,
        sigma=sigma.astype(np.float32),
    )


def _beside(hot: Mask) -> Mask:
    """Return which pixels have one of these among their eight neighbours."""
    padded = np.pad(hot, 1).astype(np.int8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - hot > 0)


def _share(part: Mask, whole: Mask) -> float:
    """Return which share of `whole` is in `part`; NaN if `whole` is empty."""
    count = np.count_nonzero(whole)
    return np.count_nonzero(part & whole) / count if count else float("nan")
