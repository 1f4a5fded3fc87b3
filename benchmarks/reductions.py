"""Reductions of images: percentiles and the minimum image."""

from __future__ import annotations

import functools
from functools import partial

import numpy as np

import badpix_selfcal as bps

from .images import Image, image, ours
from .sizes import Sizes
from .tables import Table
from .timing import ALL, Row, Way, in_turns

__all__ = ["measure"]

CUTS = (0.1, 99.9)
EXPOSURES = 5


def measure(sizes: Sizes) -> list[Table]:
    """Return the times of this package and NumPy."""
    samples = image(sizes.shape)
    return [
        Table("Both percentile cuts", [_cuts(samples, sizes)], base=ALL),
        Table("Minimum image", [_minimum(samples, sizes)], base=ALL),
    ]


def _cuts(samples: Image, sizes: Sizes) -> Row:
    ways = ours(partial(bps.percentiles, samples, CUTS))
    ways["numpy.nanpercentile"] = Way(partial(np.nanpercentile, samples, CUTS))
    return in_turns(f"percentiles {CUTS[0]} and {CUTS[1]}", ways, sizes)


def _minimum(samples: Image, sizes: Sizes) -> Row:
    exposures = [np.roll(samples, shift, axis=0) for shift in range(EXPOSURES)]
    ways = ours(partial(bps.minimum_image, exposures))
    ways["numpy.nanmin of the stack"] = Way(lambda: np.nanmin(np.asarray(exposures), axis=0))
    ways["numpy.fmin, one by one"] = Way(partial(functools.reduce, np.fmin, exposures))
    return in_turns(f"minimum of {EXPOSURES} exposures", ways, sizes)
