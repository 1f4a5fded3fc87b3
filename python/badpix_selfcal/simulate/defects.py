"""The effects of the detector: bad pixels, cosmic rays, pedestal and noise.

Everything is drawn for the full frame, in full-frame coordinates, and then cut to the requested
region. A region therefore shows the same defects as the full frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..instrument import DO_NOT_USE, REFERENCE_PIXEL, Detector
from .groups import HotPixels, Mask, Positions, draw_groups
from .scene import FWHM
from .settings import Settings
from .slices import Image

HOT: Final = 1 << 0
LOW: Final = 1 << 1
COSMIC_RAY: Final = 1 << 2
HALO: Final = 1 << 3

REFERENCE_WIDTH: Final = 4
"""Columns of reference pixels at the left and right (MIRI), pixels at every border (NIRSpec)."""

Truth: TypeAlias = NDArray[np.uint8]

_NEIGHBOURS: Final = np.array([[[-1], [0]], [[1], [0]], [[0], [-1]], [[0], [1]]])


@dataclass(frozen=True)
class Defects:
    """The defects that all exposures share: images of shape (rows, columns)."""

    hot: HotPixels
    response: Image
    """Response to light, relative to a good pixel."""
    reference: Mask
    known_bad: Mask
    """Reference pixels, and light-sensitive pixels that are known to be bad."""
    truth: Truth
    """`HOT`, `LOW` and `HALO` bits."""


@dataclass(frozen=True)
class Readout:
    """The planes of one exposure, each of shape (rows, columns)."""

    sci: Image
    err: Image
    """Rate and its standard error, DN/s."""
    var_poisson: Image
    var_rnoise: Image
    """Variance from photons and from read noise, (DN/s)**2."""
    dq: NDArray[np.uint32]
    truth: Truth
    """The `COSMIC_RAY` bit."""
    pedestal: float
    """The pedestal, DN/s."""


def fixed_defects(
    detector: Detector,
    shape: tuple[int, int],
    settings: Settings,
    rng: np.random.Generator,
    epoch: int = 1,
) -> Defects:
    """Draw the defects of a detector, and return those in its top-left region of this shape."""
    reference = np.ones(detector.shape, np.bool_)
    border = REFERENCE_WIDTH if detector.instrument == "NIRSPEC" else 0
    reference[border : reference.shape[0] - border, REFERENCE_WIDTH:-REFERENCE_WIDTH] = False
    n_hot = _number_of_hot(settings, rng)
    spots = _spots(~reference, n_hot + settings.low_pixels, rng)
    low = spots[:, n_hot:]
    hot = HotPixels.singles(spots[:, :n_hot], _power_law(settings.hot_range, n_hot, rng))
    response = np.ones(detector.shape, np.float32)
    response[tuple(low)] = rng.uniform(*settings.low_response, low.shape[1])
    known_bad = _known_bad(~reference, settings, rng)
    # Groups and later epochs are drawn last: without them the rest is the same.
    free = ~reference
    free[tuple(spots)] = False
    hot += draw_groups(free, settings.hot_groups, settings, rng)
    for _ in range(1, epoch):
        hot += _new_hot(free, settings, rng)
    truth = np.zeros(detector.shape, np.uint8)
    bright = settings.halo_coupling * hot.rate >= settings.halo_minimum
    for step in _NEIGHBOURS:
        _mark(truth, hot.pixels[:, bright] + step, HALO)
    _mark(truth, hot.pixels, HOT)
    _mark(truth, low, LOW)
    truth[reference] = 0
    region = np.s_[: shape[0], : shape[1]]
    return Defects(hot, response[region], reference[region], known_bad[region], truth[region])


def expose(
    light: Image,
    defects: Defects,
    detector: Detector,
    settings: Settings,
    rng: np.random.Generator,
) -> Readout:
    """Take one exposure of this light (DN/s) with the random stream of the exposure.

    The noise is Gaussian, with the variance of the true rate. The pipeline estimates it from the
    ramp; at these rates the difference is smaller than the error of that estimate.
    """
    rate = light * defects.response
    pedestal, columns = 0.0, np.zeros(detector.shape[1], np.float32)
    if detector.instrument == "MIRI":
        is_short = detector.name == "MIRIFUSHORT"
        limits = settings.pedestal_short if is_short else settings.pedestal_long
        pedestal = float(rng.uniform(*limits))
        columns += rng.normal(0, settings.column_noise, columns.size)
    _add_hot_pixels(rate, defects.hot, settings, rng)
    truth = np.zeros(rate.shape, np.uint8)
    _add_cosmic_rays(rate, truth, detector, settings, rng)
    _add_showers(rate, detector, settings, rng)
    rate += np.float32(pedestal)
    rate += columns[: rate.shape[1]]
    excess = settings.poisson_excess / (settings.gain * settings.exposure_time)
    var_poisson = np.float32(excess) * np.maximum(rate, 0)
    var_rnoise = np.full(rate.shape, settings.slope_variance, np.float32)
    err = np.sqrt(var_poisson + var_rnoise)
    # Noise is drawn last and for full rows, so that a region gets the noise of the full frame.
    noise = rng.standard_normal((rate.shape[0], detector.shape[1]), dtype=np.float32)
    rate += err * noise[:, : rate.shape[1]]
    dq = np.zeros(rate.shape, np.uint32)
    dq[defects.known_bad] = DO_NOT_USE
    dq[defects.reference] = DO_NOT_USE | REFERENCE_PIXEL
    for plane in (rate, err, var_poisson, var_rnoise):
        plane[defects.known_bad] = np.nan
        plane[defects.reference] = 0
    truth[defects.reference] = 0
    return Readout(rate, err, var_poisson, var_rnoise, dq, truth, pedestal)


def _number_of_hot(settings: Settings, rng: np.random.Generator, share: float = 1.0) -> int:
    """Draw the number of single hot pixels, or of a share of them."""
    low, high = settings.hot_range
    return int(rng.poisson(share * (settings.hot_normalisation * (1 / low - 1 / high))))


def _new_hot(free: Mask, settings: Settings, rng: np.random.Generator) -> HotPixels:
    """Draw the pixels and groups that become hot from one epoch to the next on free pixels."""
    count = _number_of_hot(settings, rng, settings.new_hot)
    pixels = _spots(free, count, rng)
    singles = HotPixels.singles(pixels, _power_law(settings.hot_range, count, rng))
    free[tuple(pixels)] = False
    return singles + draw_groups(free, round(settings.new_hot * settings.hot_groups), settings, rng)


def _spots(allowed: Mask, count: int, rng: np.random.Generator) -> Positions:
    """Draw `count` different allowed pixels."""
    flat = np.flatnonzero(allowed)
    if count > flat.size:
        raise ValueError(
            f"Settings require {count} hot and low pixels on {flat.size} light-sensitive ones: "
            "lower hot_normalisation or low_pixels, or raise hot_range[0]"
        )
    chosen = flat[rng.choice(flat.size, count, replace=False)]
    return np.stack(np.unravel_index(chosen, allowed.shape)).astype(np.int64)


def _power_law(
    limits: tuple[float, float], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw values between the limits; the number of values above A falls as 1/A."""
    return 1 / rng.uniform(1 / limits[1], 1 / limits[0], count)


def _known_bad(sensitive: Mask, settings: Settings, rng: np.random.Generator) -> Mask:
    """Draw single pixels and square clusters that are known to be bad."""
    area = settings.known_bad_fraction * np.count_nonzero(sensitive)
    sizes = np.array([3, 4, 5])
    clustered = settings.known_bad_clustered * area
    n_clusters = int(rng.poisson(clustered / np.mean(sizes**2)))
    n_singles = int(rng.poisson(area - clustered))
    flat = np.flatnonzero(sensitive)
    mask = np.zeros(sensitive.shape, np.bool_)
    mask.flat[rng.choice(flat, n_singles)] = True
    y, x = np.unravel_index(rng.choice(flat, n_clusters), mask.shape)
    for row, column, size in zip(y, x, rng.choice(sizes, n_clusters), strict=True):
        corner = max(row - size // 2, 0), max(column - size // 2, 0)
        mask[corner[0] : corner[0] + size, corner[1] : corner[1] + size] = True
    return mask & sensitive


def _add_hot_pixels(
    rate: Image, hot: HotPixels, settings: Settings, rng: np.random.Generator
) -> None:
    """Add the hot pixels, with this exposure's scatter, and their halos."""
    scatter = 1 + settings.hot_scatter * rng.standard_normal(hot.rate.size)
    bright = hot.rate * np.maximum(scatter, 0)
    _add(rate, hot.pixels, bright)
    for step in _NEIGHBOURS:
        _add(rate, hot.pixels + step, settings.halo_coupling * bright)


def _add_cosmic_rays(
    rate: Image, truth: Truth, detector: Detector, settings: Settings, rng: np.random.Generator
) -> None:
    """Add tracks of 1 to 4 pixels that jump detection misses."""
    hits = settings.cosmic_ray_rate * settings.exposure_time * settings.cosmic_ray_survival
    count = int(rng.poisson(hits))
    start = np.stack([rng.integers(0, size, count) for size in detector.shape])
    length, angle = rng.integers(1, 5, count), rng.uniform(0, 2 * np.pi, count)
    direction = np.stack([np.sin(angle), np.cos(angle)])
    direction /= np.abs(direction).max(axis=0)  # each step reaches a new pixel
    brightness = _power_law(settings.cosmic_ray_range, count, rng)
    for step in range(4):
        share = rng.uniform(0.5, 1, count)
        on = length > step
        pixels = (start + np.rint(step * direction).astype(np.int64))[:, on]
        _add(rate, pixels, (share * brightness)[on])
        _mark(truth, pixels, COSMIC_RAY)


def _add_showers(
    rate: Image, detector: Detector, settings: Settings, rng: np.random.Generator
) -> None:
    """Add cosmic-ray showers: faint elliptical blobs."""
    for _ in range(int(rng.poisson(settings.exposure_time / settings.shower_interval))):
        centre = rng.uniform(0, detector.shape)
        major, minor = rng.uniform(*settings.shower_fwhm, 2) / FWHM
        angle = rng.uniform(0, np.pi)
        peak = rng.uniform(*settings.shower_rate)
        reach = 4 * max(major, minor)
        low = np.maximum(centre - reach, 0).astype(int)
        high = np.minimum(centre + reach, rate.shape).astype(int)
        if np.any(low >= high):
            continue
        y, x = np.ogrid[low[0] : high[0], low[1] : high[1]]
        dy, dx = y - centre[0], x - centre[1]
        p = (dx * np.cos(angle) + dy * np.sin(angle)) / major
        q = (dy * np.cos(angle) - dx * np.sin(angle)) / minor
        rate[low[0] : high[0], low[1] : high[1]] += peak * np.exp(-0.5 * (p * p + q * q))


def _add(image: Image, pixels: Positions, values: NDArray[np.float64]) -> None:
    """Add values at pixels. A pixel may be listed again; pixels outside the image are ignored."""
    on = _inside(image, pixels)
    np.add.at(image, tuple(pixels[:, on]), values[on].astype(np.float32))


def _mark(truth: Truth, pixels: Positions, bit: int) -> None:
    """Set a bit at pixels; pixels outside the image are ignored."""
    truth[tuple(pixels[:, _inside(truth, pixels)])] |= np.uint8(bit)


def _inside(image: NDArray[Any], pixels: Positions) -> Mask:
    """Return which of these pixels, shape (2, n), lie in an image."""
    return np.asarray(np.all((pixels >= 0) & np.less(pixels.T, image.shape).T, axis=0))
