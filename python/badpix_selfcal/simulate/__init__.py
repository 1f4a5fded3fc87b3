"""Realistic exposures with known bad pixels, in files that the step and the pipeline can read.

`simulate` writes the files that an observer has before self-calibration, and the truth: which
pixels are hot, have a low response, are halos of hot pixels, or are hit by a cosmic ray. `slices`,
`scene`, `groups` and `defects` have the content of the exposures, `files` their form.
It imports arrays, files and instrument only, so that `look` can take MIRI's slices from it.

For NIRSpec the scene is an assumption, and noise and defects have MIRI's numbers. The files serve
to test software, not to judge the instrument.
"""

from __future__ import annotations

from .defects import COSMIC_RAY, HALO, HOT, LOW
from .files import Simulation, simulate
from .settings import LIGHT_ONLY, Settings

__all__ = [
    "COSMIC_RAY",
    "HALO",
    "HOT",
    "LIGHT_ONLY",
    "LOW",
    "Settings",
    "Simulation",
    "simulate",
]
