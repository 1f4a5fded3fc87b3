"""The cases of the accuracy benchmark: what is observed, how often and by which methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from badpix_selfcal.simulate.settings import DRAWN, Settings

from .finders import OURS, PEERS, SIGMA, Finder
from .truth import Scene

__all__ = ["FULL", "GROUPS", "QUICK", "REPORTING", "SCATTERS", "TUNING", "Case"]

TUNING: Final = (1, 2, 3)
"""Seeds on which the steps and numbers of the rule were chosen. The settings of the other methods
were chosen on the first of them. (The neighbours across the dispersion of low pixels were chosen on
the seeds 101 to 110 too.)"""

REPORTING: Final = (71, 72, 73, 74, 75, 76)
"""Seeds that are reported. Nothing may be chosen on them, neither numbers of the rule nor scenes.
(The smooth light of the clumpy nebula was set on the seeds 11 to 16 and 21 to 26; earlier forms of
the rule were measured on these and on 31 to 36, 41 to 46, 51, 61 and 62.)"""

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
# The same with peaks of 0.5 to 8 DN/s, by resolving power.
WIDTHS: Final = {"lines of 2.3 pixels": 3000.0, "lines of 1.7 pixels": 4500.0}
FAINTER: Final = {**LINES, **FAINT, "line_contrast": (5.0, 80.0)}
# Knots with peaks of lines of 0.5 to 160 DN/s.
KNOTS: Final = {"dither": (0.0, 0.0), "source_rate": 2.0, "line_contrast": (5.0, 80.0)}
# Groups of drawn shapes; within a group all pixels are equally bright, or scatter by this factor.
DRAWN_GROUPS: Final = {"hot_groups": 360, "hot_group_shapes": DRAWN}
SCATTERS: Final = {"equal": 1.0, "scattered": 1.6}
# Noise alone: the same for each pixel, whatever it shows.
PLAIN: Final = Settings(
    poisson_excess=0.0, thermal_scale=0.0, source_rate=0.0, hot_normalisation=0.0, low_pixels=0,
    known_bad_fraction=0.0, cosmic_ray_rate=0.0, shower_rate=(0.0, 0.0), hot_group_scatter=1.0,
    halo_coupling=0.01,
)  # fmt: skip

GROUPS: Final = {
    "exposures": "Number of exposures",
    "faint": "Hot pixels from 0.2 DN/s on, in place of 0.5",
    "light": "Extended light",
    "clean": "Data without defects",
    "brightness": "Brightness of the source, 4 exposures",
    "fringes": "Amplitude of the fringes, 4 exposures",
    "error": "ERR wrong by a factor",
    "unequal": "Unequal exposures",
    "groups": "Groups of hot pixels, 4 exposures",
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
    with_error = {SIGMA: OURS[SIGMA]}
    cases: list[Case] = []
    for band in MRS:
        base = Scene(band)
        cases += [
            Case("exposures", "", base, (1, 4), every, curves=True),
            Case("exposures", "", base, (2, 8)),
            Case("faint", "", base.with_settings(**FAINT), (1, 2, 4, 8), curves=True),
            *_light(base, every),
            *_groups(base, every),
            Case("clean", "", base.with_settings(**CLEAN), (1, 2, 4, 8)),
            *(
                Case("brightness", f"{rate:g} DN/s", base.with_settings(source_rate=rate))
                for rate in (0.0, 1.0, 10.0, 30.0, 100.0, 300.0)
            ),
            Case(
                "brightness",
                "300 DN/s, not dithered",
                base.with_settings(source_rate=300.0, dither=(0.0, 0.0)),
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
    return cases + _h2rg() + _nirspec()


def _light(base: Scene, every: Mapping[str, Finder]) -> list[Case]:
    nebula = replace(base, knots=60).with_settings(**KNOTS)
    narrow = base.with_settings(**LINES, resolving_power=3500.0)
    return [
        Case("light", "narrow lines", narrow, methods=every, curves=True),
        Case("light", "smooth lines", base.with_settings(**LINES, resolving_power=1500.0)),
        Case("light", "bright continuum", base.with_settings(nebula_fraction=1.0)),
        Case("light", "clumpy nebula", nebula.with_settings(nebula_fraction=0.01), methods=every,
             curves=True),
        *(
            Case("light", name, base.with_settings(**FAINTER, resolving_power=power))
            for name, power in WIDTHS.items()
        ),
        Case("light", "bright lines of 1.7 pixels",
             base.with_settings(**LINES, **FAINT, resolving_power=4500.0)),
        Case("light", "knots alone", nebula.with_settings(nebula_fraction=0.0)),
    ]  # fmt: skip


def _groups(base: Scene, every: Mapping[str, Finder]) -> list[Case]:
    faint = base.with_settings(**FAINT)
    cases = []
    for name, scatter in SCATTERS.items():
        drawn = faint.with_settings(**DRAWN_GROUPS, hot_group_scatter=scatter)
        real = faint.with_settings(hot_group_scatter=scatter)
        real = replace(real, real=("MRS", f"{base.detector.name}_HOT", 10.0))
        cases += [
            Case("groups", name, drawn, methods=every if scatter > 1 else OURS),
            Case("groups", f"real groups, {name}", real),
        ]
    return cases


def _h2rg() -> list[Case]:
    """Return the real new hot pixels of four detectors, at 50 sigma."""
    rate = 50 * PLAIN.slope_variance**0.5
    return [
        Case("groups", f"new hot pixels of {name}",
             Scene("NRS1", PLAIN, real=("H2RG", name, rate)))
        for name in ("NRCA1", "NRCA2", "NRCA3", "NRCA4")
    ]  # fmt: skip


def _nirspec() -> list[Case]:
    dithered = replace(Scene("NRS1"), knots=8, shape=(1100, 2048)).with_settings(
        source_rate=20.0, blur=0.3, halo_coupling=0.01
    )
    still = dithered.with_settings(dither=(0.0, 0.0))
    # Twice the number: about half of the detector is read out.
    changes = {**DRAWN_GROUPS, "hot_groups": 720}
    return [
        Case("nirspec", "dithered", dithered),
        Case("nirspec", "not dithered", still),
        Case("nirspec", "groups, dithered", dithered.with_settings(**changes)),
        Case("nirspec", "groups, not dithered", still.with_settings(**changes)),
    ]


def _quick() -> list[Case]:
    small = replace(Scene("12A"), shape=(256, 512))
    return [
        Case("exposures", "", small, (1, 4), curves=True),
        Case("clean", "", small.with_settings(**CLEAN)),
        Case("groups", "scattered", small.with_settings(**FAINT, **DRAWN_GROUPS)),
        Case("error", "2", small, methods={SIGMA: OURS[SIGMA]}, error_scale=2.0),
    ]


FULL: Final = _full()
"""All cases."""

QUICK: Final = _quick()
"""Cases that take seconds and need no other package."""
