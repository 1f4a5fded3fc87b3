"""What the sigma cut must reach, as means over the seeds.

Goals that compare methods or cases, and the low end, are in `accuracy_tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

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
        A key of `judging.MEASURES` or of `judging.GROUP_MEASURES`.
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
    return (*_of_both("12A"), *_of_both("34C"), *_of_groups(), *_of_one_band())


def _of_both(band: str) -> list[Goal]:
    four, narrow, one, alone = {
        "12A": (0.985, 0.955, 0.97, 0.93),
        "34C": (0.935, 0.91, 0.88, 0.81),
    }[band]
    single_four, single_one = {"12A": (0.997, 0.98), "34C": (0.965, 0.905)}[band]
    beside, wrong = {"12A": (0.926, 110.0), "34C": (0.938, 125.0)}[band]
    bright: Any = {"group": "brightness", "name": "100 DN/s"}
    lines = {"lines of 2.3 pixels": 0.01, "lines of 1.7 pixels": 0.05, "narrow lines": 0.12}
    return [
        Goal("completeness, 4 exposures", band, "completeness", four),
        Goal("purity, 4 exposures", band, "purity", 0.985),
        Goal("completeness, narrow lines", band, "completeness", narrow, group="light",
             name="narrow lines"),
        Goal("clean data flagged, %", band, "flagged", 0.005, at_most=True, group="clean"),
        Goal("completeness, 1 exposure", band, "completeness", one, count=1),
        Goal("purity, 1 exposure, cosmic rays wrong", band, "purity", 0.96, count=1),
        Goal("purity, 1 exposure, cosmic rays right", band, "purity_rays", 0.99, count=1),
        *(Goal(f"completeness without ERR, exposures: {count}", band, "completeness", alone,
               count=count, method=SIGMA_ALONE) for count in (1, 2, 4, 8)),
        *(Goal(f"purity without ERR, exposures: {count}", band, "purity", 0.96, count=count,
               method=SIGMA_ALONE) for count in (1, 2, 4, 8)),
        Goal("single hot pixels from 0.2 DN/s on, 4 exposures", band, "single", single_four,
             group="faint"),
        Goal("single hot pixels from 0.2 DN/s on, 1 exposure", band, "single", single_one,
             group="faint", count=1),
        Goal("wrong flags of a million, 4 exposures", band, "wrong", 50, at_most=True,
             group="faint"),
        Goal("wrong flags of a million, clean data", band, "wrong", 50, at_most=True,
             group="clean"),
        *(Goal(f"line pixels flagged, {name}, %", band, "lines", limit, at_most=True,
               group="light", name=name) for name, limit in lines.items()),
        Goal("completeness beside a source of 100 DN/s", band, "completeness", beside, **bright),
        Goal("wrong flags of a million beside a source of 100 DN/s", band, "wrong", wrong,
             at_most=True, **bright),
    ]  # fmt: skip


def _of_groups() -> list[Goal]:
    goals = []
    for band in ("12A", "34C"):
        for name in ("equal", "scattered"):
            goals += [
                Goal(f"pixels of groups, disc of 7, {name}", band, "shape disc of 7", 0.85,
                     group="groups", name=name),
                Goal(f"pixels of real groups, 10 DN/s, {name}", band, "groups", 0.99,
                     group="groups", name=f"real groups, {name}"),
            ]  # fmt: skip
    goals += [
        Goal(f"new hot pixels of {name}, 50 sigma", "NRS1", "groups", 0.99, group="groups",
             name=f"new hot pixels of {name}")
        for name in ("NRCA1", "NRCA2", "NRCA3", "NRCA4")
    ]  # fmt: skip
    return goals


def _of_one_band() -> list[Goal]:
    text = "pixels above 20 sigma of hot light left"
    return [
        Goal(f"{text}, 4 exposures", "12A", "left", 2, at_most=True, group="faint"),
        Goal(f"{text}, lines of 2.3 pixels", "12A", "left", 60, at_most=True, group="light",
             name="lines of 2.3 pixels"),
        Goal(f"{text}, with groups", "12A", "left", 240, at_most=True, group="groups",
             name="scattered"),
        Goal("line pixels of a clumpy nebula flagged, %", "12A", "lines", 0.9, at_most=True,
             group="light", name="clumpy nebula"),
        Goal("completeness in a clumpy nebula", "12A", "completeness", 0.955, group="light",
             name="clumpy nebula"),
        *(Goal(f"core pixels of sources flagged, {name}, %", "NRS1", "cores", 0.5, at_most=True,
               group="nirspec", name=name) for name in ("dithered", "not dithered")),
        Goal("line pixels flagged, dithered, %", "NRS1", "lines", 0.05, at_most=True,
             group="nirspec", name="dithered"),
        Goal("line pixels flagged, not dithered, %", "NRS1", "lines", 0.1, at_most=True,
             group="nirspec", name="not dithered"),
    ]  # fmt: skip


GOALS: Final = _goals()
"""All goals for one measure of one case."""
