"""The verdict on a mask, and the numbers that it follows from.

Each number has a limit beyond which the verdict is `LOOK`, and most have one beyond which it is
`REJECT`. The verdict is the worst of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..arrays.checks import FloatArray
from ..instrument import DO_NOT_USE, IMAGE_AXIS
from ..masks.mask import Mask, Member
from .left import block_scatter, left_by, per_pixel, scatter
from .limits import LIMITS, Limit, Verdict
from .shown import Parts, images_of, regions_of, slices_of

MEANING: Final[dict[Verdict, str]] = {
    "TRUST": "Nothing speaks against these flags. Use the flagged copies.",
    "LOOK": "Something is unusual. Look at the pictures named below before you use the flags.",
    "REJECT": "These flags damage good data, miss most bad pixels, or have no good basis. Do what "
    "is said below, and run again.",
}
"""The verdicts, from the best to the worst."""

RUN: Final = 5
"""Flagged neighbours along the dispersion that count as a cluster."""

OUTSTANDING: Final = 5.0
"""Times the scatter of the other pedestals, and times that of the residual, beyond which a pedestal
stands out."""

LEAST_PART: Final = 1000
"""Light-sensitive pixels of the smallest region or slice that is compared with others."""

MOST_LISTED: Final = 200
"""Groups that a page lists and marks."""

SPIKE: Final = 10.0
"""Times the scatter of its block by which a spike exceeds its four neighbours."""


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
    """The verdict on a mask: a reason for each of `LIMITS`, and all numbers, as JSON can hold."""

    reasons: tuple[Reason, ...]
    numbers: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all reasons."""
        return max((each.verdict for each in self.reasons), key=[*MEANING].index)

    @property
    def meaning(self) -> str:
        """The verdict in a sentence."""
        return MEANING[self.verdict]

    @property
    def against(self) -> list[Reason]:
        """The reasons that speak against the mask."""
        return [each for each in self.reasons if each.verdict != "TRUST"]


def judge(mask: Mask) -> Judgement:
    """Judge the mask of a group."""
    (_, found), used, parameters = images_of(mask), mask.used, mask.parameters
    sensitive = ~np.isnan(found.residual)
    sigmas, counts = block_scatter(found.residual)
    spikes = _spikes(found, sigmas)
    numbers = _of_pixels(found, sensitive) | {
        "noise_flags": _noise_flags(found, sigmas, counts),
        "spikes": spikes,
        "spikes_left": _percent(spikes, spikes + int(np.count_nonzero(found.mask))),
    }
    for name, parts, usual in (
        ("region", regions_of(mask), min),
        ("slice", slices_of(mask), np.median),
    ):
        numbers[f"{name}s"] = of_parts = _of_parts(parts, sensitive, found)
        numbers[f"{name}_ratio"] = _ratio([*of_parts.values()], usual)
    numbers |= _of_lines(mask, numbers["flagged"])
    if mask.dq is not None:
        numbers["already_known"] = int(np.count_nonzero(mask.dq[found.mask] & DO_NOT_USE))
        numbers["known"] = _percent(numbers["already_known"], numbers["flagged"])
    numbers |= _of_exposures(used, numbers["scatter_before"] or 0.0)
    factor = _error_factor(found.error_scale)
    needs_errors = parameters is not None and parameters.needs_errors
    left = left_by(mask, sigmas, numbers["exposures"])
    numbers |= {
        "unused": len(mask.members) - len(used),
        "error_factor": factor,
        "no_errors": int(needs_errors and factor is None),
        "sharp_left": len(left),
        "sharp_left_pixels": sum(group["pixels"] for group in left),
        "sharp_left_spared": sum(group["spared"] for group in left),
        "sharp_left_at": left[:MOST_LISTED],
    }
    values = ((name, numbers.get(name), limit) for name, limit in LIMITS.items())
    reasons = (Reason(name, value, limit.verdict(value)) for name, value, limit in values)
    return Judgement(tuple(reasons), numbers)


def finite_or_none(value: float | None) -> float | None:
    """Return a value that JSON can hold: None if it is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def _error_factor(scale: float | None) -> float | None:
    """Return how many times too large or too small ERR is, at least 1; None without a valid ERR."""
    return finite_or_none(max(scale, 1 / scale)) if scale is not None and scale > 0 else None


def _percent(part: float, whole: float) -> float | None:
    return finite_or_none(100 * part / whole) if whole else None


def _of_pixels(found: BadPixels, sensitive: NDArray[np.bool_]) -> dict[str, Any]:
    """Return counts of pixels, the cuts, and the scatter of the residual without and with flags."""
    pixels = {"sensitive": sensitive, "low": found.low, "high": found.high, "flagged": found.mask}
    counts = {name: int(np.count_nonzero(each)) for name, each in pixels.items()}
    before, after = found.residual[sensitive], found.residual[sensitive & ~found.mask]
    scatters = scatter(before), scatter(after)
    values = {
        "cut_low": found.cut_low,
        "cut_high": found.cut_high,
        "scatter_before": scatters[0],
        "scatter_after": scatters[1],
        "deviation_before": _deviation(before),
        "deviation_after": _deviation(after),
        "error_scale": found.error_scale,
    }
    return {
        "pixels": found.mask.size,
        **counts,
        "groups": len(found.groups),
        **{name: finite_or_none(value) for name, value in values.items()},
        "share_high": _percent(counts["high"], counts["sensitive"]),
        "share_low": _percent(counts["low"], counts["sensitive"]),
        "scatter_drop": _percent(scatters[0] - scatters[1], scatters[0]),
    }


def _deviation(values: FloatArray) -> float:
    """Return the standard deviation of finite values."""
    values = values[np.isfinite(values)]
    return float(values.std(dtype=np.float64)) if values.size else math.nan


def _noise_flags(found: BadPixels, sigmas: FloatArray, counts: NDArray[np.intp]) -> float | None:
    """Return the percentage of flags that normal noise beyond the cuts explains."""
    flagged = int(np.count_nonzero(found.mask))
    if found.significance is not None:
        sigmas, counts = np.ones(1, np.float32), np.array([counts.sum()])
    cuts = [abs(cut) for cut in (found.cut_low, found.cut_high) if math.isfinite(cut)]
    expected = sum(
        count * math.erfc(cut / sigma / math.sqrt(2)) / 2
        for sigma, count in zip(sigmas.ravel().tolist(), counts.ravel().tolist(), strict=True)
        if sigma > 0
        for cut in cuts
    )
    return min(100 * expected / flagged, 100.0) if flagged else None


def _spikes(found: BadPixels, sigmas: FloatArray) -> int:
    """Return how many pixels without a flag stand out as hot pixels do, from four neighbours."""
    residual = found.residual
    with np.errstate(invalid="ignore", over="ignore"):
        limit = np.float32(SPIKE) * per_pixel(sigmas, residual.shape)[1:-1, 1:-1]
        inner, spikes = residual[1:-1, 1:-1] - limit, ~found.mask[1:-1, 1:-1]
        for beside in (
            residual[:-2, 1:-1], residual[2:, 1:-1], residual[1:-1, :-2], residual[1:-1, 2:]
        ):  # fmt: skip
            spikes &= inner > beside
    return int(np.count_nonzero(spikes))


def _of_parts(
    parts: Parts, sensitive: NDArray[np.bool_], found: BadPixels
) -> dict[str, dict[str, Any]]:
    """Return the counts of each part of the detector."""
    counts = (parts.counts(pixels) for pixels in (sensitive, found.low, found.high))
    return {
        name: {"sensitive": all_, "low": low, "high": high, "share": _percent(low + high, all_)}
        for name, all_, low, high in zip(parts.names, *counts, strict=True)
    }


def _ratio(parts: Sequence[Mapping[str, Any]], usual: Callable[[list[float]], Any]) -> float | None:
    """Return the greatest share of flags over the usual one."""
    shares: list[float] = [  # with one flag more in each: small numbers vary by chance
        (each["low"] + each["high"] + 1) / each["sensitive"]
        for each in parts
        if each["sensitive"] >= LEAST_PART
    ]
    return max(shares) / float(usual(shares)) if len(shares) > 1 else None


def _of_lines(mask: Mask, flagged: int) -> dict[str, Any]:
    """Return the numbers on runs of flags along the dispersion, and on crowded rows."""
    lines = mask.flags.T if IMAGE_AXIS[mask.dispaxis] == 0 else mask.flags
    steps = np.diff(np.pad(lines, ((0, 0), (1, 1))).ravel().view(np.int8))
    lengths = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    in_crowded = sum(int(lines[row].sum()) for row in mask.crowded if row < len(lines))
    return {
        "crowded_rows": [*mask.crowded],
        "crowded_flags": _percent(in_crowded, flagged),
        "clusters": _percent(int(lengths[lengths >= RUN].sum()), flagged),
        "longest_run": int(lengths.max(initial=0)),
    }


def _of_exposures(used: Sequence[Member], residual: float) -> dict[str, Any]:
    """Return how many exposures are different, and which add nothing or should not be used."""
    copies = {str(each.exposure): str(each.same_as) for each in used if each.same_as is not None}
    constant = [str(each.exposure) for each in used if each.is_constant]
    constant += ["minimum image"] * (not residual > 0)
    later = {str(each.exposure): each.later for each in used if each.later}
    odd = _odd_pedestals(used, residual)
    return {
        "exposures": len(used) - len(copies),
        "copies": len(copies),
        "copies_of": copies,
        "constant": len(constant),
        "constant_of": constant,
        "later": len(later),
        "later_of": later,
        "odd_pedestals": len(odd),
        "odd_pedestals_of": odd,
    }


def _odd_pedestals(members: Sequence[Member], residual: float) -> list[str]:
    """Return exposures whose pedestals are farther from others than their scatter explains."""
    known = [each for each in members if each.pedestal is not None]
    levels = np.array([each.pedestal for each in known])
    odd = []
    for number, member in enumerate(known if len(known) > 2 else ()):
        others = np.delete(levels, number)
        spread = max(scatter(others), residual)
        if abs(levels[number] - float(np.median(others))) > OUTSTANDING * spread:
            odd.append(str(member.exposure))
    return odd
