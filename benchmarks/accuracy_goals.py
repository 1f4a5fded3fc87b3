"""What the sigma cut must reach, as means over the seeds.

Goals that compare methods or cases, and the low end, are in `accuracy_tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .finders import SIGMA, SIGMA_ALONE

__all__ = ["GOALS", "Goal"]


@dataclass(frozen=True)
class Goal:
    """A limit for one measure of one method in one case.

    Attributes
    ----------
    text : str
        The goal in words.
    band : str
        The band.
    measure : str
        A key of `judging.MEASURES`.
    limit : float
        The limit.
    at_most : bool
        Whether it is an upper limit.
    group, name : str
        The case.
    count : int
        Number of exposures.
    method : str
        The method.
    """

    text: str
    band: str
    measure: str
    limit: float
    at_most: bool = False
    group: str = "exposures"
    name: str = ""
    count: int = 4
    method: str = SIGMA

    def is_met(self, value: float) -> bool:
        """Return whether this value reaches the goal."""
        return value <= self.limit if self.at_most else value >= self.limit


def _goals() -> tuple[Goal, ...]:
    goals = []
    least = {"12A": (0.985, 0.955, 0.97, 0.93), "34C": (0.935, 0.91, 0.88, 0.81)}
    for band, (four, narrow, one, alone) in least.items():
        goals += [
            Goal("completeness, 4 exposures", band, "completeness", four),
            Goal("purity, 4 exposures", band, "purity", 0.985),
            Goal("completeness, narrow lines", band, "completeness", narrow, group="light",
                 name="narrow lines"),
            Goal("line pixels flagged, %", band, "lines", 0.1, at_most=True, group="light",
                 name="narrow lines"),
            Goal("clean data flagged, %", band, "flagged", 0.005, at_most=True, group="clean"),
            Goal("completeness, 1 exposure", band, "completeness", one, count=1),
            Goal("purity, 1 exposure, cosmic rays wrong", band, "purity", 0.96, count=1),
            Goal("purity, 1 exposure, cosmic rays right", band, "purity_rays", 0.99, count=1),
            *(Goal(f"completeness without ERR, exposures: {count}", band, "completeness", alone,
                   count=count, method=SIGMA_ALONE) for count in (1, 2, 4, 8)),
            *(Goal(f"purity without ERR, exposures: {count}", band, "purity", 0.96, count=count,
                   method=SIGMA_ALONE) for count in (1, 2, 4, 8)),
        ]  # fmt: skip
    goals += [
        Goal("line pixels of a clumpy nebula flagged, %", "12A", "lines", 1.0, at_most=True,
             group="light", name="clumpy nebula"),
        Goal("completeness in a clumpy nebula", "12A", "completeness", 0.955, group="light",
             name="clumpy nebula"),
        *(Goal(f"core pixels of sources flagged, {name}, %", "NRS1", "cores", 0.5, at_most=True,
               group="nirspec", name=name) for name in ("dithered", "not dithered")),
    ]  # fmt: skip
    return tuple(goals)


GOALS: Final = _goals()
"""All goals for one measure of one case."""
