"""The light on the detector: thermal background, a point source with lines, fringes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from .settings import Settings
from .slices import Channel, Coordinates, Geometry, Image

FWHM: Final = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian of unit standard deviation."""

# Thermal background of the observatory in MJy/sr, from the JWST backgrounds tool.
_THERMAL_WAVELENGTH: Final = np.array([5.5, 10.0, 15.0, 20.0, 24.0, 28.0])
_THERMAL_LOG: Final = np.log([0.25, 3.4, 23.0, 167.0, 628.0, 1829.0])


@dataclass(frozen=True)
class Sky:
    """The light of one scene in front of the detector.

    Its images have a margin of one pixel on every side, and are without fringes. Those that the
    methods `background` and `extended` return have fringes and no margin.
    """

    geometry: Geometry
    thermal: Image
    """Rate of the thermal background, DN/s."""
    spectrum: Image
    """Rate that a point source centred on the pixel would have, DN/s."""
    fringes: Image
    """Factor of the fringes."""
    settings: Settings

    def background(self) -> Image:
        """Return the rate of an exposure off the target, DN/s, shape (rows, columns)."""
        return self.extended(np.float32(0))

    def target(self, position: tuple[float, float]) -> Image:
        """Return the rate of an exposure, DN/s, with the source at alpha and beta (arcsec)."""
        return self.extended(self.profile(position) + np.float32(self.settings.nebula_fraction))

    def extended(self, extent: Image | np.float32) -> Image:
        """Return the rate of an exposure of any target with this spectrum, DN/s.

        `extent` is the target's brightness relative to the centre of the point source, with margin.
        """
        rate = self.thermal + self.spectrum * extent
        return _blurred(rate * self.fringes, self.settings.blur)

    def profile(self, position: tuple[float, float]) -> Image:
        """Return a point source at alpha and beta (arcsec), margin included; 1 without slices."""
        seen = self.geometry
        profile = np.zeros(seen.slices.shape, np.float32)
        for channel in seen.channels:
            lit = seen.of_channel(channel)
            along = (seen.wavelength[lit] / 10 * self.settings.source_fwhm / FWHM) ** 2
            # A slice collects light over its whole width, which blurs the source across slices.
            across = along + channel.slice_width**2 / 12
            distance = (seen.alpha[lit] - position[0]) ** 2 / along
            distance += (seen.beta[lit] - position[1]) ** 2 / across
            profile[lit] = np.sqrt(along / across) * np.exp(-0.5 * distance)
        return profile


def scene_on(seen: Geometry, settings: Settings, rng: np.random.Generator) -> Sky:
    """Return the light of the scene on a geometry, which has a margin of one pixel on every side.

    The emission lines and the phases of the fringes are drawn: the same for a region of any size.
    """
    thermal, spectrum = (np.zeros(seen.slices.shape, np.float32) for _ in range(2))
    fringes = np.ones(seen.slices.shape, np.float32)
    for channel in seen.channels:
        lit = seen.of_channel(channel)
        wavelength = seen.wavelength[lit]
        thermal[lit] = settings.thermal_scale * _thermal(channel, wavelength)
        spectrum[lit] = settings.source_rate * _spectrum(channel, wavelength, settings, rng)
        phases = rng.uniform(0, 2 * np.pi, (2, channel.slices + 1))
        if channel.number:
            number = seen.slices[lit] % 100
            fringes[lit] = _fringes(channel, wavelength, phases[:, number], settings)
    return Sky(seen, thermal, spectrum, fringes, settings)


def pointing(dither: int, settings: Settings) -> tuple[float, float]:
    """Return alpha and beta of the source in a dither (from 0), arcsec: corners of a rectangle.

    After each round it shrinks by a tenth of its first size; after five rounds it starts again.
    """
    along, across = ((1, 1), (-1, -1), (1, -1), (-1, 1))[dither % 4]
    scale = 1 - 0.1 * (dither // 4 % 5)
    return scale * along * settings.dither[0], scale * across * settings.dither[1]


def _thermal(channel: Channel, wavelength: Coordinates) -> Coordinates:
    """Return the thermal background, DN/s: the spectrum of the tool at the channel's rate."""
    middle = _log_thermal(np.array([channel.wavelength[0]]))
    return channel.thermal_rate * np.exp(_log_thermal(wavelength) - middle)


def _log_thermal(wavelength: Coordinates) -> Coordinates:
    """Interpolate the logarithm of MJy/sr; beyond the table, continue with its end slopes."""
    inside = np.interp(wavelength, _THERMAL_WAVELENGTH, _THERMAL_LOG)
    slopes = np.diff(_THERMAL_LOG) / np.diff(_THERMAL_WAVELENGTH)
    below = np.minimum(wavelength - _THERMAL_WAVELENGTH[0], 0)
    above = np.maximum(wavelength - _THERMAL_WAVELENGTH[-1], 0)
    return np.asarray(inside + slopes[0] * below + slopes[-1] * above)


def _spectrum(
    channel: Channel, wavelength: Coordinates, settings: Settings, rng: np.random.Generator
) -> Coordinates:
    """Return the spectrum of the source at these wavelengths (um), for a continuum of 1."""
    middle, reach = channel.wavelength[0], abs(channel.wavelength[1])
    centres = rng.uniform(middle - reach, middle + reach, settings.lines)
    low, high = np.log(settings.line_contrast)
    peaks = np.exp(rng.uniform(low, high, settings.lines))
    result = np.ones_like(wavelength)
    for centre, peak in zip(centres, peaks, strict=True):
        sigma = centre / settings.resolving_power / FWHM
        result += peak * np.exp(-0.5 * ((wavelength - centre) / sigma) ** 2)
    return result


def _fringes(
    channel: Channel, wavelength: Coordinates, phases: Coordinates, settings: Settings
) -> Coordinates:
    """Return the factor of the fringes of an MRS channel, periodic in wavenumber."""
    cycles = 2 * np.pi * 1e4 / wavelength  # 2 pi times the wavenumber in 1/cm
    factor = 1 + settings.fringe_amplitude * np.cos(cycles / settings.fringe_spacing + phases[0])
    if channel.number >= 3:
        fine = np.cos(cycles / settings.second_fringe_spacing + phases[1])
        factor += settings.second_fringe_amplitude * fine
    return np.asarray(factor)


def _blurred(image: Image, sigma: float) -> Image:
    """Blur with three Gaussian taps along each axis, and remove the margin."""
    wing = math.exp(-0.5 / sigma**2) if sigma > 0 else 0.0
    outer, inner = np.float32(wing / (1 + 2 * wing)), np.float32(1 / (1 + 2 * wing))
    rows = inner * image[1:-1] + outer * (image[:-2] + image[2:])
    blurred = inner * rows[:, 1:-1] + outer * (rows[:, :-2] + rows[:, 2:])
    return blurred.astype(np.float32, copy=False)
