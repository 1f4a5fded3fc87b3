"""The limits of the numbers that a verdict follows from: `limits.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

__all__ = ["LIMITS", "Limit", "Verdict"]

Verdict: TypeAlias = Literal["TRUST", "LOOK", "REJECT"]
"""What to do with a mask."""


@dataclass(frozen=True)
class Limit:
    """The limits of a number.

    Attributes
    ----------
    label : str
        What the number is.
    advice : str
        What to do beyond its limits.
    unit : str
        Its unit.
    look, reject : float or None
        Beyond them the verdict is LOOK, or REJECT. None: no limit.
    lower : bool
        Whether the number must not be less (else: more).
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


def _read() -> dict[str, Limit]:
    text = Path(__file__).with_name("limits.toml").read_text(encoding="utf-8")
    return {name: Limit(**about) for name, about in tomllib.loads(text).items()}


LIMITS: Final = _read()
"""The numbers that decide, and their limits, in the order of a page."""
