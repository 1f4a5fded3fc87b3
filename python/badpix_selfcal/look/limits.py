"""The limits of the numbers that a verdict follows from; the step warns by one of them, too."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

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
