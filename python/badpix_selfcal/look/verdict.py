"""The verdict on a mask, and the numbers that it follows from.

Each number has a limit beyond which the verdict is `LOOK`, and most have one beyond which it is
`REJECT`. The verdict is the worst of them.
"""

from __future__ import annotations

import math
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import OF_CUT, BadPixels
from ..arrays.checks import FloatArray
from ..arrays.display import percent
from ..arrays.images import NOISIER
from ..instrument import DO_NOT_USE, IMAGE_AXIS
from ..masks.mask import Mask, Member
from ..parameters import Parameters
from .left import block_scatter, left_by, per_pixel, scatter
from .shown import Parts, images_of, regions_of, slices_of

Verdict: TypeAlias = Literal["TRUST", "LOOK", "REJECT"]
"""What to do with a mask."""


@dataclass(frozen=True)
class Limit:
    """What a number is, and what to do beyond its limits: those of LOOK and of REJECT (or None).

    `lower`: whether the number must not be less (else: more).
    """

    label: str
    advice: str
    unit: str = ""
    look: float | None = None
    reject: float | None = None
    lower: bool = False

    def verdict(self, value: float | None) -> Verdict:
        """Return the verdict on a value; no value is none against the mask."""
        if value is None:
            return "TRUST"
        for word, limit in (("REJECT", self.reject), ("LOOK", self.look)):
            if limit is not None and (value < limit if self.lower else value > limit):
                return word  # type: ignore[return-value]
        return "TRUST"


LIMITS: Final = {
    name: Limit(**about)
    for name, about in tomllib.loads(
        Path(__file__).with_name("limits.toml").read_text(encoding="utf-8")
    ).items()
}
"""The numbers that decide, and their limits, in the order of a page."""

MEANING: Final[dict[Verdict, str]] = {
    "TRUST": "Nothing speaks against these flags. Use the flagged copies.",
    "LOOK": "Something is unusual. Look at the pictures named below before you use the flags.",
    "REJECT": "These flags damage good data, miss most bad pixels, or have no good basis. Run "
    "again, with the command below.",
}
"""The verdicts, from the best to the worst."""

CHANGES: Final[dict[str, tuple[str, float]]] = {
    **dict.fromkeys(("share_high", "noise_flags", "scatter_drop"), ("sigma_upper", 1.5)),
    **dict.fromkeys(("clusters", "crowded_flags"), ("spare_crowded", True)),
    "share_low": ("sigma_lower", 1.5),
    "spikes_left": ("sigma_upper", 2 / 3),
    "region_ratio": ("sigma_upper", 1.5),
}
"""What to change of the sigma cut for a number that leads to REJECT, and by which factor."""

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
    """One number, its limits, and the verdict on it."""

    name: str
    value: float | None
    limit: Limit
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.limit.label}: {self.value:.4g} {self.limit.unit}".rstrip()


@dataclass(frozen=True)
class Judgement:
    """The verdict on a mask: a reason for each of `LIMITS`, and all numbers, as JSON can hold.

    `command` is that which finds better flags; empty unless the verdict is REJECT.
    """

    reasons: tuple[Reason, ...]
    numbers: Mapping[str, Any]
    command: str = ""

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

    @property
    def why(self) -> str:
        """How many of the known numbers are good; then what is not, the worst first."""
        checked = [each for each in self.reasons if each.value is not None]
        against = sorted(self.against, key=lambda each: each.verdict, reverse=True)
        passed = f"{len(checked) - len(against)} of {len(checked)} checks passed"
        left = self.numbers["spikes_left"]
        good = [] if left is None else [f"{left:g} % spikes left"]
        return "; ".join([passed, *(map(str, against) if against else good)])


def judge(mask: Mask) -> Judgement:
    """Judge the mask of a group."""
    (_, found), used, parameters = images_of(mask), mask.used, mask.parameters
    sensitive = ~np.isnan(found.residual)
    sigmas, counts = block_scatter(found.residual)
    spikes = _spikes(found, sigmas)
    numbers = _of_pixels(found, sensitive) | {
        "noise_flags": _noise_flags(found, sigmas, counts),
        "spikes": spikes,
        "spikes_left": percent(spikes, spikes + int(np.count_nonzero(found.mask))),
    }
    numbers |= _of_parts("region", regions_of(mask), sensitive, found, min)
    numbers |= _of_parts("slice", slices_of(mask), sensitive, found, np.median)
    numbers |= _of_lines(mask, numbers["flagged"])
    if mask.dq is not None:
        numbers["already_known"] = int(np.count_nonzero(mask.dq[found.mask] & DO_NOT_USE))
        numbers["known"] = percent(numbers["already_known"], numbers["flagged"])
    numbers |= _of_exposures(used, numbers["scatter_before"] or 0.0)
    scale = found.error_scale  # of ERR; None or 0 without a valid one
    factor = finite_or_none(max(scale, 1 / scale)) if scale is not None and scale > 0 else None
    needs_errors = parameters is not None and parameters.needs_errors
    left = left_by(mask, sigmas, numbers["exposures"])
    numbers |= {
        "unused": sum(bool(each.problem) and not each.noise > NOISIER for each in mask.members),
        "error_factor": factor,
        "no_errors": int(needs_errors and factor is None),
        "sharp_left": len(left),
        "sharp_left_pixels": sum(group["pixels"] for group in left),
        "sharp_left_spared": sum(group["spared"] for group in left),
        "sharp_left_at": left[:MOST_LISTED],
    }
    # What a mask of several runs leaves is in some of them only, on purpose.
    judged = numbers if mask.identity else numbers | {"sharp_left": None}
    values = ((name, judged.get(name), limit) for name, limit in LIMITS.items())
    reasons = (Reason(name, value, limit, limit.verdict(value)) for name, value, limit in values)
    judgement = Judgement(tuple(reasons), numbers)
    rejected = [each.name for each in judgement.against if each.verdict == "REJECT"]
    command = _command(mask, numbers["exposures"], rejected) if rejected else ""
    return replace(judgement, command=command)


def _command(mask: Mask, exposures: int, rejected: Sequence[str]) -> str:
    """Return the command to run again: with the sigma cut, or with another one.

    Exposures that were not used or are constant are left out. If too few are left, the whole folder
    of the first one is used. A parameter that is to change towards its default becomes that.
    """
    how, members = mask.parameters, [each for each in mask.used if not each.is_constant]
    if how is None or not members:
        return ""
    usual = Parameters(cut=how.cut).for_exposures(max(exposures, 1))
    how = replace(how.for_exposures(max(exposures, 1)), force_single=False)
    options = {
        name: getattr(how, name)
        for name in Parameters.by_name()
        if name not in OF_CUT["fraction"] and getattr(how, name) != getattr(usual, name)
    }
    options |= {"cut": "sigma", "report": True, "overwrite": True}
    for name in reversed(rejected if how.cut == "sigma" else ()):  # the first one has the last word
        parameter, factor = CHANGES.get(name, ("report", True))
        before, default = (getattr(each, parameter) for each in (how, usual))
        if factor is True:
            options[parameter] = True
        elif (before - default) * (factor - 1.0) < 0.0:
            options.pop(parameter, None)
        else:
            options[parameter] = float(f"{before * factor:.3g}")
    if output := next((each.output for each in mask.members if each.output is not None), None):
        options["output_dir"] = output.parent
    first, *others = sorted(members, key=lambda each: each.role != "science")
    is_one = not any(each.role == "science" for each in others)
    words: list[object] = ["run" if is_one else "batch", first.exposure]
    if not others or "exposures" in rejected:
        words = ["batch", first.exposure.parent]
    for each in others:
        option = "--background" if each.role == "background" else "--selfcal"
        words += [option, each.exposure] if is_one else [each.exposure]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [value])]
    return shlex.join(["badpix-selfcal", *map(str, words)])


def finite_or_none(value: float | None) -> float | None:
    """Return a value that JSON can hold: None if it is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def _of_pixels(found: BadPixels, sensitive: NDArray[np.bool_]) -> dict[str, Any]:
    """Return counts of pixels, the cuts, and the scatter of the residual without and with flags."""
    pixels = {"sensitive": sensitive, "low": found.low, "high": found.high, "flagged": found.mask}
    counts = {name: int(np.count_nonzero(each)) for name, each in pixels.items()}
    before, after = (
        each[np.isfinite(each)]
        for each in (found.residual[sensitive], found.residual[sensitive & ~found.mask])
    )
    scatters = scatter(before), scatter(after)
    values = {
        "cut_low": found.cut_low,
        "cut_high": found.cut_high,
        "scatter_before": scatters[0],
        "scatter_after": scatters[1],
        "deviation_before": before.std(dtype=np.float64) if before.size else None,
        "deviation_after": after.std(dtype=np.float64) if after.size else None,
        "error_scale": found.error_scale,
    }
    return {
        "pixels": found.mask.size,
        **counts,
        "groups": len(found.groups),
        **{name: finite_or_none(value) for name, value in values.items()},
        "share": found.share,
        "share_high": percent(counts["high"], counts["sensitive"]),
        "share_low": percent(counts["low"], counts["sensitive"]),
        "scatter_drop": finite_or_none(percent(scatters[0] - scatters[1], scatters[0])),
    }


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
    return percent(min(expected, flagged), flagged)


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
    name: str,
    parts: Parts,
    sensitive: NDArray[np.bool_],
    found: BadPixels,
    usual: Callable[..., Any],
) -> dict[str, Any]:
    """Return the counts of each part of the detector, and the ratio of their shares of flags."""
    counts = [parts.counts(pixels) for pixels in (sensitive, found.low, found.high)]
    parts_by_name, shares = {}, []
    for part, all_, low, high in zip(parts.names, *counts, strict=True):
        share = percent(low + high, all_)
        parts_by_name[part] = {"sensitive": all_, "low": low, "high": high, "share": share}
        if all_ >= LEAST_PART:  # with one flag more in each: small numbers vary by chance
            shares.append((low + high + 1) / all_)
    ratio = max(shares) / float(usual(shares)) if len(shares) > 1 else None
    return {f"{name}s": parts_by_name, f"{name}_ratio": ratio}


def _of_lines(mask: Mask, flagged: int) -> dict[str, Any]:
    """Return the numbers on runs of flags along the dispersion, and on crowded rows."""
    lines = mask.flags.T if IMAGE_AXIS[mask.dispaxis] == 0 else mask.flags
    steps = np.diff(np.pad(lines, ((0, 0), (1, 1))).ravel().view(np.int8))
    lengths = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    in_crowded = sum(int(lines[row].sum()) for row in mask.crowded if row < len(lines))
    return {
        "crowded_rows": [*mask.crowded],
        "crowded_flags": percent(in_crowded, flagged),
        "clusters": percent(int(lengths[lengths >= RUN].sum()), flagged),
        "longest_run": int(lengths.max(initial=0)),
    }


def _of_exposures(used: Sequence[Member], residual: float) -> dict[str, Any]:
    """Return how many exposures are different, and which add nothing or should not be used."""
    copies = {str(each.exposure): str(each.same_as) for each in used if each.same_as is not None}
    constant = [str(each.exposure) for each in used if each.is_constant]
    constant += ["minimum image"] * (not residual > 0)
    later = {str(each.exposure): each.later for each in used if each.later}
    odd = _odd_pedestals(used, residual)
    kinds = {"copies": copies, "constant": constant, "later": later, "odd_pedestals": odd}
    numbers: dict[str, Any] = {"exposures": len(used) - len(copies)}
    for name, found in kinds.items():
        numbers |= {name: len(found), f"{name}_of": found}
    return numbers


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
