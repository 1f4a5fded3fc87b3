"""The cases of the accuracy benchmark: what is observed, how often and by which methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from .finders import OURS, PEERS, REFERENCE, SIGMA, SIGMA_ALONE, Finder
from .truth import Scene

__all__ = ["FULL", "GROUPS", "QUICK", "REPORTING", "TUNING", "Case"]

TUNING: Final = (1, 2, 3)
"""Seeds on which the steps and numbers of the rule were chosen. The settings of the other methods
were chosen on the first of them. (The neighbours across the dispersion of low pixels were chosen on
the seeds 101 to 110 too.)"""

REPORTING: Final = (41, 42, 43, 44, 45, 46)
"""Seeds that are reported. Nothing was chosen on them. (The smooth light of the clumpy nebula and
earlier forms of the rule were measured on the seeds 11 to 16, 21 to 26 and 31 to 36.)"""

MRS: Final = ("12A", "34C")
FAINT: Final = {"hot_range": (0.2, 5000.0)}
CLEAN: Final = {
    "hot_normalisation": 0.0,
    "low_pixels": 0,
    "cosmic_ray_rate": 0.0,
    "shower_rate": (0.0, 0.0),
}
# Lines with peaks of 2.5 to 40 DN/s that fill the slices, on a continuum of 0.1 DN/s.
LINES: Final = {"source_rate": 0.1, "line_contrast": (25.0, 400.0), "nebula_fraction": 1.0}
# Knots with peaks of lines of 0.5 to 160 DN/s.
KNOTS: Final = {"dither": (0.0, 0.0), "source_rate": 2.0, "line_contrast": (5.0, 80.0)}

GROUPS: Final = {
    "exposures": "Number of exposures",
    "faint": "Hot pixels from 0.2 DN/s on, in place of 0.5",
    "light": "Extended light",
    "clean": "Data without defects",
    "brightness": "Brightness of the source, 4 exposures",
    "fringes": "Amplitude of the fringes, 4 exposures",
    "error": "ERR wrong by a factor",
    "unequal": "Unequal exposures",
    "nirspec": "Undersampled point sources on NRS1, 4 exposures",
}
"""The groups of cases, with their titles."""


@dataclass(frozen=True)
class Case:
    """A scene, numbers of exposures and methods.

    Attributes
    ----------
    group : str
        A key of `GROUPS`.
    name : str
        What distinguishes this case in its group.
    scene : Scene
        What is observed.
    counts : tuple of int
        Numbers of exposures.
    methods : mapping of str to Finder
        The methods.
    error_scale : float
        What ERR is multiplied with before a method sees it.
    curves : bool
        Whether completeness by brightness and purity at all cuts are measured, too.
    """

    group: str
    name: str
    scene: Scene
    counts: tuple[int, ...] = (4,)
    methods: Mapping[str, Finder] = field(default_factory=lambda: OURS)
    error_scale: float = 1.0
    curves: bool = False


def _full() -> list[Case]:
    every = {**OURS, **PEERS}
    cut = {name: OURS[name] for name in (SIGMA, SIGMA_ALONE)}
    with_error = {SIGMA: OURS[SIGMA]}
    cases = []
    for band in MRS:
        base = Scene(band)
        cases += [
            Case("exposures", "", base, (1, 4), every, curves=True),
            Case("exposures", "", base, (2, 8)),
            Case("faint", "", base.with_settings(**FAINT), (1, 2, 4, 8), curves=True),
            *_light(base, every),
            Case("clean", "", base.with_settings(**CLEAN), (1, 2, 4, 8)),
            *(
                Case("brightness", f"{rate:g} DN/s", base.with_settings(source_rate=rate))
                for rate in (0.0, 1.0, 10.0, 30.0, 100.0, 300.0)
            ),
            *(
                Case("fringes", f"{size:g}", base.with_settings(fringe_amplitude=size))
                for size in (0.0, 0.05, 0.15, 0.3)
            ),
            *(
                Case("error", f"{scale:g}", base, (1, 2, 4, 8), with_error, error_scale=scale)
                for scale in (0.5, 1.0, 2.0)
            ),
            Case("unequal", "45, 20, 10, 45 groups", replace(base, groups=(45, 20, 10, 45))),
            Case("unequal", "noise of one added, 5 ERR", replace(base, spoiled=5.0), (8,)),
        ]
    point = replace(Scene("NRS1"), knots=8, shape=(1100, 2048)).with_settings(
        source_rate=20.0, blur=0.3
    )
    cases.append(Case("nirspec", "dithered", point, (4,), {REFERENCE: OURS[REFERENCE], **cut}))
    still = point.with_settings(dither=(0.0, 0.0))
    cases.append(Case("nirspec", "not dithered", still, (4,), {REFERENCE: OURS[REFERENCE], **cut}))
    return cases


def _light(base: Scene, every: Mapping[str, Finder]) -> list[Case]:
    nebula = replace(base, knots=60).with_settings(**KNOTS)
    narrow = base.with_settings(**LINES, resolving_power=3500.0)
    return [
        Case("light", "narrow lines", narrow, methods=every, curves=True),
        Case("light", "smooth lines", base.with_settings(**LINES, resolving_power=1500.0)),
        Case("light", "bright continuum", base.with_settings(nebula_fraction=1.0)),
        Case("light", "clumpy nebula", nebula.with_settings(nebula_fraction=0.01), methods=every,
             curves=True),
        Case("light", "knots alone", nebula.with_settings(nebula_fraction=0.0)),
    ]  # fmt: skip


def _quick() -> list[Case]:
    small = replace(Scene("12A"), shape=(256, 512))
    return [
        Case("exposures", "", small, (1, 4), curves=True),
        Case("clean", "", small.with_settings(**CLEAN)),
        Case("error", "2", small, methods={SIGMA: OURS[SIGMA]}, error_scale=2.0),
    ]


FULL: Final = _full()
"""All cases."""

QUICK: Final = _quick()
"""Cases that take seconds and need no other package."""
