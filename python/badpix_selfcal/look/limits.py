"""The limits of the numbers that a verdict follows from, and what to do beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["LIMITS", "MOST_FACTOR", "Limit", "Verdict"]

Verdict: TypeAlias = Literal["TRUST", "LOOK", "REJECT"]
"""What to do with a mask."""

MOST_FACTOR: Final = 2.0
"""The noise of SCI over ERR, or its inverse, beyond which ERR does not describe the data."""


@dataclass(frozen=True)
class Limit:
    """The limits of a number.

    Attributes
    ----------
    label : str
        What the number is.
    unit : str
        Its unit.
    look, reject : float or None
        Beyond them the verdict is LOOK, or REJECT. None: no limit.
    advice : str
        What to do beyond them.
    is_lower : bool
        Whether the number must not be less (else: more).
    """

    label: str
    unit: str
    look: float | None
    reject: float | None
    advice: str
    is_lower: bool = False

    def verdict(self, value: float | None) -> Verdict:
        """Return the verdict on a value; no value is none against the mask."""
        if value is None:
            return "TRUST"
        for word, limit in (("REJECT", self.reject), ("LOOK", self.look)):
            if limit is not None and (value < limit if self.is_lower else value > limit):
                return word  # type: ignore[return-value]
        return "TRUST"


LIMITS: Final[dict[str, Limit]] = {
    "share_high": Limit(
        "flagged at the high end", "%", 2.0, 5.0,
        "Hot pixels are about 1 % of a detector; more may be light of the target. Look at the "
        "mask: raise the upper cut if flags follow the light.",
    ),
    "share_low": Limit(
        "flagged at the low end", "%", 0.5, 2.0,
        "Few pixels are too dark. Look at the mask: lower the lower cut if flags lie beside "
        "bright light.",
    ),
    "spikes_left": Limit(
        "spikes left, of spikes and flags together", "%", 10.0, 60.0,
        "Many pixels stand out like hot pixels but are not flagged: they become spikes in a cube. "
        "Lower the upper cut, use the sigma cut, or flag a larger fraction.",
    ),
    "sharp_left": Limit(
        "groups left above 20 times the noise, with sharp edges", "", 0, None,
        "Pixels, alone or in groups, are far brighter than their surroundings and end more sharply "
        "than light can, but are not flagged: see what is left, in the gallery. Use the sigma cut, "
        "or lower the upper cut; flags in spared rows are left on purpose.",
    ),
    "noise_flags": Limit(
        "flags that noise alone explains", "%", 20.0, 60.0,
        "The cut lies within the noise (see the histogram): good pixels are flagged. Use the sigma "
        "cut, or smaller fractions.",
    ),
    "scatter_drop": Limit(
        "drop of the residual's scatter by flagging", "%", 5.0, 20.0,
        "Flags take away noise, not outliers. Raise the cuts.",
    ),
    "clusters": Limit(
        "flags in runs along the dispersion", "%", 15.0, 40.0,
        "Hot pixels are scattered; runs are light that stays in place, and look like absorption "
        "in a spectrum. Look at the mask, and consider to spare crowded rows.",
    ),
    "crowded_flags": Limit(
        "flags in crowded rows", "%", 0.0, 50.0,
        "A trace or the edge of a slit is flagged along its length. Look at the mask there; "
        "sparing crowded rows leaves them unflagged.",
    ),
    "region_ratio": Limit(
        "fullest region over the emptiest", "", 4.0, 20.0,
        "One part of the detector has many more flags. Look there for light, or for an exposure "
        "that differs.",
    ),
    "slice_ratio": Limit(
        "fullest slice over the median one", "", 5.0, None,
        "One slice has many more flags. Look at its spectrum before and after.",
    ),
    "known": Limit(
        "flags that DQ had before", "%", 50.0, None,
        "The exposures seem to be flagged already: the mask adds little.",
    ),
    "exposures": Limit(
        "different exposures that the mask was found from", "", 3, 2,
        "Fewer than three exposures cannot tell a bad pixel from light or from a cosmic ray. Add "
        "exposures.",
        is_lower=True,
    ),
    "unused": Limit(
        "exposures left out or failed", "", 0, None,
        "See the table of exposures for the reason.",
    ),
    "copies": Limit(
        "copies of another exposure", "", 0, None,
        "The minimum of copies is one exposure. Leave them out: see the table of exposures.",
    ),
    "constant": Limit(
        "constant images, of exposures and minimum", "", None, 0,
        "An image of one value shows no bad pixel, and hides those of other exposures. Leave the "
        "exposure out: see the table of exposures.",
    ),
    "later": Limit(
        "exposures that have passed later steps", "", 0, None,
        "Flat field, calibration and the like change bad pixels and light; S_BPXSLF: known flags "
        "are missing. Use the rates: see the table of exposures.",
    ),
    "odd_pedestals": Limit(
        "pedestals that stand out", "", 0, None,
        "See the table of exposures: a stray pedestal shifts an exposure, so that it decides the "
        "minimum everywhere or nowhere.",
    ),
    "error_factor": Limit(
        "noise of the data over ERR, or its inverse", "", MOST_FACTOR, None,
        "ERR does not describe the data; the noise was scaled to the data.",
    ),
    "no_errors": Limit(
        "sigma cut without a usable ERR", "", 0, None,
        "The noise follows from the scatter of the data alone. Use exposures with a valid ERR.",
    ),
}  # fmt: skip
"""The numbers that decide, and their limits."""
