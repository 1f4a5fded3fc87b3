"""Traces of undersampled point sources, as NIRSpec sees them: the sigma cut spares their cores.

A toy of its own, simpler than `badpix_selfcal.simulate`: one tilted trace of a Gaussian integrated
over pixels, with a continuum and emission lines two pixels wide, on noise with hot pixels.
"""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.arrays.crowded import crowded_rows, spared

SHAPE = (96, 2048)
HOT = 0.0025
"""The share of hot pixels; that of all flags in a simulated detector of NIRSpec."""

_ERF = np.vectorize(erf)


def observed(seed, *, fwhm, brightness, tilt, dithered, exposures=3):
    """Return the minimum image, the mean error, the hot pixels and those within a source's width.

    Brightness is that of the continuum in units of the noise of a dark pixel.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    hot = np.where(rng.random(SHAPE) < HOT, np.minimum(5 / rng.random(SHAPE), 1000), 0)
    spectrum = 1 + sum(
        rng.uniform(1, 20) * np.exp(-0.5 * ((columns - rng.uniform(0, SHAPE[1])) / 0.95) ** 2)
        for _ in range(10)
    )
    first = SHAPE[0] / 2 + rng.random()
    images, errors, near = [], [], np.zeros(SHAPE, bool)
    for number in range(exposures):
        moved = 5.3 * number if dithered else rng.normal(0, 0.02)
        distance = rows - (first + moved + tilt * (columns / SHAPE[1] - 0.5))
        edges = [_ERF((distance + side) * 2.355 / (fwhm * sqrt(2))) for side in (-0.5, 0.5)]
        light = brightness * spectrum * (edges[1] - edges[0]) / 2
        errors.append(np.sqrt(1 + 0.05 * light))
        images.append((light + hot + errors[-1] * rng.normal(0, 1, SHAPE)).astype(np.float32))
        near |= np.abs(distance) <= fwhm
    return bps.minimum_image(images), np.mean(errors, axis=0), hot, near


@pytest.mark.parametrize("dithered", [False, True])
@pytest.mark.parametrize("tilt", [0, 6])
@pytest.mark.parametrize("brightness", [10, 300])
@pytest.mark.parametrize("fwhm", [0.8, 1.2, 2.0])
def test_the_sigma_cut_does_not_flag_the_cores(fwhm, brightness, tilt, dithered):
    how = {"fwhm": fwhm, "brightness": brightness, "tilt": tilt, "dithered": dithered}
    flagged, found = [], []
    for seed in (501, 502):
        minimum, error, hot, near = observed(seed, **how)
        mask = bps.find_bad_pixels(
            minimum, dispaxis=1, cut="sigma", error=error, n_exposures=3, detector="NRS1"
        ).mask
        flagged.append(mask[near & (hot == 0)].mean())
        found.append(mask[(hot > 5 * error) & ~near].mean())
        assert crowded_rows(mask, dispaxis=1) == ()
    assert np.mean(flagged) < 0.005
    assert np.mean(found) > 0.95


def test_a_bright_trace_that_does_not_move_is_crowded_by_the_fraction_cut_and_can_be_spared():
    minimum, _, hot, near = observed(503, fwhm=1.2, brightness=300, tilt=0, dithered=False)
    found = bps.find_bad_pixels(minimum, dispaxis=1)
    rows = crowded_rows(found.mask, dispaxis=1)
    core = near & (hot == 0)
    assert 1 <= len(rows) <= 5
    assert near[list(rows)].all(axis=1).any()
    assert found.mask[core].mean() > 0.04
    assert spared(found, rows, 1).mask[core].mean() < 0.005
    moved = observed(503, fwhm=1.2, brightness=300, tilt=0, dithered=True)[0]
    assert crowded_rows(bps.find_bad_pixels(moved, dispaxis=1).mask, dispaxis=1) == ()
