"""Realistic exposures with known bad pixels, in files that the step and the pipeline can read.

`simulate` writes the files that an observer has before self-calibration: dithered science exposures
of a target, exposures of an empty field, and an association for each science exposure. It also
writes the truth: which pixels are hot, have a low response, are halos of hot pixels, or are hit by
a cosmic ray. In `slices`, `scene`, `groups` and `defects` is the content of the exposures, in
`files` their form; the numbers are fields of `Settings`.

It imports arrays, files and instrument only, so that `look` can take the slices of MIRI from it.

For NIRSpec the scene is an assumption, and noise and defects have MIRI's numbers. The files serve
to test software, not to judge the instrument.
"""

from __future__ import annotations

from .defects import COSMIC_RAY, HALO, HOT, LOW
from .files import MINIMUM_SIZE, Simulation, simulate
from .settings import LIGHT_ONLY, Settings

__all__ = [
    "COSMIC_RAY",
    "HALO",
    "HOT",
    "LIGHT_ONLY",
    "LOW",
    "MINIMUM_SIZE",
    "Settings",
    "Simulation",
    "simulate",
]
