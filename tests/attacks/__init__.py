"""Attacks: many hostile inputs and events, against which every promise must hold.

A quick draw of each runs with the other tests; ``make attack`` runs thousands of cases.
"""

from __future__ import annotations

import math
import os
from typing import Final

THOROUGH: Final = 100
"""The value of BADPIX_SELFCAL_ATTACK at which every attack has its thorough number of cases."""


def cases(quick: int, thorough: int) -> int:
    """Return how many cases an attack has.

    The environment variable BADPIX_SELFCAL_ATTACK scales it: 1, the default, is `quick`, 100 is
    `thorough`, and more is more.
    """
    level = float(os.environ.get("BADPIX_SELFCAL_ATTACK", "1"))
    return quick if level <= 1 else max(quick, math.ceil(thorough * level / THOROUGH))


def report(attack: str, counts: dict[str, int]) -> None:
    """Print how the cases of an attack ended."""
    print(f"\n{attack}: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
