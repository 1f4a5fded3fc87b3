"""The verdict on a mask, and the numbers that it follows from.

Each number has a limit beyond which the verdict is `LOOK`, and most have one beyond which it is
`REJECT`. The verdict is the worst of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..arrays.floats import FloatArray
from ..instrument import DO_NOT_USE, IMAGE_AXIS, Dispaxis
from ..step.group_mask import GroupMask, MaskMember
from ..step.review import error_factor
from ..views.regions import regions_of, slices_of
from .left import left_by
from .limits import LIMITS, Limit, Verdict
from .scatter import beyond, block_scatter, deviation, scatter, spikes

__all__ = ["Judgement", "Reason", "judge"]

MEANING: Final[dict[Verdict, str]] = {
    "TRUST": "Nothing speaks against these flags. Use the flagged copies.",
    "LOOK": "Something is unusual. Look at the pictures named below before you use the flags.",
    "REJECT": "These flags damage good data, miss most bad pixels, or have no good basis. Do what "
    "is said below, and run again.",
}

ORDER: Final[tuple[Verdict, ...]] = ("TRUST", "LOOK", "REJECT")

RUN: Final = 5
"""Flagged neighbours along the dispersion that count as a cluster."""

OUTSTANDING: Final = 5.0
"""Times the scatter of the other pedestals, and times that of the residual, beyond which a pedestal
stands out."""

LEAST_REGION: Final = 1000
"""Light-sensitive pixels of the smallest region or slice that is compared with others."""


@dataclass(frozen=True)
class Reason:
    """One number, and the verdict on it."""

    name: str
    value: float | None
    verdict: Verdict

    @property
    def limit(self) -> Limit:
        """Its limits."""
        return LIMITS[self.name]


@dataclass(frozen=True)
class Judgement:
    """The verdict on a mask.

    Attributes
    ----------
    reasons : tuple of Reason
        One for each of `LIMITS`, in their order.
    numbers : mapping of str to object
        All numbers, as values that JSON can hold.
    """

    reasons: tuple[Reason, ...]
    numbers: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all reasons."""
        return max((each.verdict for each in self.reasons), key=ORDER.index)

    @property
    def meaning(self) -> str:
        """The verdict in a sentence."""
        return MEANING[self.verdict]


def judge(mask: GroupMask) -> Judgement:
    """Judge the mask of a group."""
    found = mask.bad_pixels
    sensitive = ~np.isnan(found.residual)
    low, high = found.low, found.high
    count = int(np.count_nonzero(sensitive))
    flagged = int(np.count_nonzero(found.mask))
    unflagged = found.residual[sensitive & ~found.mask]
    before, after = scatter(found.residual[sensitive]), scatter(unflagged)
    sigmas, counts = block_scatter(found.residual)
    left = spikes(found.residual, found.mask, sigmas)
    numbers: dict[str, Any] = {
        "pixels": found.mask.size,
        "sensitive": count,
        "low": int(np.count_nonzero(low)),
        "high": int(np.count_nonzero(high)),
        "flagged": flagged,
        "groups": len(found.groups),
        "cut_low": number(found.cut_low),
        "cut_high": number(found.cut_high),
        "scatter_before": number(before),
        "scatter_after": number(after),
        "deviation_before": number(deviation(found.residual[sensitive])),
        "deviation_after": number(deviation(unflagged)),
        "spikes": left,
        "error_scale": number(found.error_scale),
        "regions": _by_region(mask, sensitive, low, high),
        "slices": _by_slice(mask, sensitive, low, high),
        "crowded_rows": [*mask.crowded],
    }
    numbers["share_high"] = _percent(numbers["high"], count)
    numbers["share_low"] = _percent(numbers["low"], count)
    numbers["spikes_left"] = _percent(left, left + flagged)
    numbers["noise_flags"] = _noise_flags(found, sigmas, counts, flagged)
    numbers["scatter_drop"] = _percent(before - after, before)
    numbers["clusters"] = _percent(_in_runs(found.mask, mask.dispaxis), flagged)
    numbers["longest_run"] = _longest_run(found.mask, mask.dispaxis)
    numbers["crowded_flags"] = _percent(_in_rows(found.mask, mask.crowded, mask.dispaxis), flagged)
    numbers["region_ratio"] = _ratio(numbers["regions"], to="least")
    numbers["slice_ratio"] = _ratio(numbers["slices"], to="median")
    if mask.dq is not None:
        numbers["already_known"] = int(np.count_nonzero(mask.dq[found.mask] & DO_NOT_USE))
        numbers["known"] = _percent(numbers["already_known"], flagged)
    used = mask.used
    numbers |= _doubtful(used)
    if not before > 0:
        numbers["constant"] += 1
        numbers["constant_of"].append("minimum image")
    numbers["unused"] = len(mask.members) - len(used)
    odd = odd_pedestals(used, before)
    numbers["odd_pedestals"] = len(odd)
    numbers["odd_pedestals_of"] = odd
    numbers["error_factor"] = error_factor(found.error_scale)
    has_no_errors = mask.parameters.needs_errors and numbers["error_factor"] is None
    numbers["no_errors"] = int(has_no_errors)
    remains = left_by(mask, sigmas, numbers["exposures"])
    numbers["sharp_left"] = len(remains.peaks)
    numbers["sharp_left_pixels"] = int(remains.sizes.sum())
    numbers["sharp_left_spared"] = int(np.count_nonzero(remains.spared))
    numbers["sharp_left_at"] = remains.places(found.mask.shape[1])
    reasons = (
        Reason(name, numbers.get(name), limit.verdict(numbers.get(name)))
        for name, limit in LIMITS.items()
    )
    return Judgement(tuple(reasons), numbers)


def number(value: float | None) -> float | None:
    """Return a value that JSON can hold: None if it is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def _doubtful(used: list[MaskMember]) -> dict[str, Any]:
    """Return how many exposures are different, and which add nothing or should not be used."""
    copies = {str(each.exposure): str(each.same_as) for each in used if each.same_as is not None}
    constant = [str(each.exposure) for each in used if each.is_constant]
    later = {str(each.exposure): each.later for each in used if each.later}
    return {
        "exposures": len(used) - len(copies),
        "copies": len(copies),
        "copies_of": copies,
        "constant": len(constant),
        "constant_of": constant,
        "later": len(later),
        "later_of": later,
    }


def odd_pedestals(members: list[MaskMember], residual: float) -> list[str]:
    """Return the exposures whose pedestals stand out from those of the others.

    By more than the scatter of these, and that of the residual, explains.
    """
    levels = {str(each.exposure): each.pedestal for each in members if each.pedestal is not None}
    odd = []
    for name, level in levels.items():
        others = np.array([value for other, value in levels.items() if other != name])
        if others.size < 2:
            continue
        usual = float(np.median(others))
        spread = max(scatter(others), residual)
        if abs(level - usual) > OUTSTANDING * spread:
            odd.append(name)
    return odd


def _percent(part: float, whole: float) -> float | None:
    return number(100 * part / whole) if whole else None


def _noise_flags(
    found: BadPixels, sigmas: FloatArray, counts: NDArray[np.intp], flagged: int
) -> float | None:
    """Return the percentage of flags that normal noise beyond the cuts explains."""
    if not flagged:
        return None
    if found.significance is not None:
        sigmas, counts = np.ones(1, np.float32), np.array([counts.sum()])
    expected = sum(beyond(cut, sigmas, counts) for cut in (found.cut_low, found.cut_high))
    return min(100 * expected / flagged, 100.0)


def _by_region(
    mask: GroupMask,
    sensitive: NDArray[np.bool_],
    low: NDArray[np.bool_],
    high: NDArray[np.bool_],
) -> dict[str, dict[str, Any]]:
    return {
        name: _counts(*(int(np.count_nonzero(each[where])) for each in (sensitive, low, high)))
        for name, where in regions_of(mask).items()
    }


def _by_slice(
    mask: GroupMask,
    sensitive: NDArray[np.bool_],
    low: NDArray[np.bool_],
    high: NDArray[np.bool_],
) -> dict[str, dict[str, Any]]:
    slices = slices_of(mask)
    per = (
        np.bincount(slices.number[each], minlength=len(slices.names) + 1)[1:]
        for each in (sensitive, low, high)
    )
    return {
        name: _counts(*(int(value) for value in values))
        for name, *values in zip(slices.names, *per, strict=True)
    }


def _counts(sensitive: int, low: int, high: int) -> dict[str, Any]:
    return {
        "sensitive": sensitive,
        "low": low,
        "high": high,
        "share": _percent(low + high, sensitive),
    }


def _ratio(parts: dict[str, dict[str, Any]], *, to: Literal["least", "median"]) -> float | None:
    """Return the greatest share of flags over the least or the median one.

    One flag is added to each part, so that small numbers do not stand out by chance.
    """
    shares: list[float] = [
        (each["low"] + each["high"] + 1) / each["sensitive"]
        for each in parts.values()
        if each["sensitive"] >= LEAST_REGION
    ]
    if len(shares) < 2:
        return None
    return max(shares) / (min(shares) if to == "least" else float(np.median(shares)))


def _run_lengths(mask: NDArray[np.bool_], dispaxis: Dispaxis) -> NDArray[np.intp]:
    """Return the lengths of the runs of flags along the dispersion."""
    axis = IMAGE_AXIS[dispaxis]
    lines = mask.T if axis == 0 else mask
    padded = np.pad(lines, ((0, 0), (1, 1))).ravel().view(np.int8)
    steps = np.diff(padded)
    return np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)


def _in_runs(mask: NDArray[np.bool_], dispaxis: Dispaxis) -> int:
    lengths = _run_lengths(mask, dispaxis)
    return int(lengths[lengths >= RUN].sum())


def _longest_run(mask: NDArray[np.bool_], dispaxis: Dispaxis) -> int:
    return int(_run_lengths(mask, dispaxis).max(initial=0))


def _in_rows(mask: NDArray[np.bool_], rows: tuple[int, ...], dispaxis: Dispaxis) -> int:
    lines = mask.T if dispaxis == 2 else mask
    return sum(int(np.count_nonzero(lines[row])) for row in rows if row < len(lines))
