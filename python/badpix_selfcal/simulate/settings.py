"""The physical numbers of a simulated exposure."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Final

PICTURES: Final = {
    "2 x 2": "##/##",
    "L": "#./##",
    "line of 3 along x": "###",
    "line of 3 along y": "#/#/#",
    "line of 5 along x": "#####",
    "line of 5 along y": "#/#/#/#/#",
    "line of 9 along x": "#########",
    "line of 9 along y": "#/#/#/#/#/#/#/#/#",
    "plus": ".#./###/.#.",
    "ring": "###/#.#/###",
    "3 x 3": "###/###/###",
    "disc of 5": ".###./#####/#####/#####/.###.",
    "disc of 7": "..###../.#####./#######/#######/#######/.#####./..###..",
}
"""Drawn shapes, by rows from the top."""

DRAWN: Final = (*PICTURES, "walk")
"""Names of the drawn shapes; a walk is a random one of 4 to 12 pixels."""

SHAPES: Final = (*DRAWN, "MRS", "H2RG")
"""Names of all shapes; the last ones are real."""


@dataclass(frozen=True)
class Settings:
    """The physical numbers of a simulated exposure, measured for MIRI or assumed.

    A pair of numbers is a range ``(low, high)`` unless noted.

    Raises
    ------
    ValueError
        If a number is negative or not finite, a range is not ascending, or a divisor is 0.
    """

    groups: int = 45
    """Groups in the ramp of an exposure, at least 2 (assumption)."""
    group_time: float = 2.775
    """Time between groups, s (MIRI FASTR1 readout)."""
    read_noise: float = 6.0
    """Read noise of one group, DN (MIRI)."""
    gain: float = 4.0
    """Electrons per DN (MIRI)."""
    poisson_excess: float = 1.2
    """Photon variance of a slope fitted to a ramp, relative to that between its end points."""
    source_rate: float = 5.0
    """Continuum of the point source at its centre, before slices blur it, DN/s (assumption)."""
    source_fwhm: float = 0.33
    """Width of the point source at 10 um, arcsec; it grows with the wavelength."""
    nebula_fraction: float = 0.02
    """Extended emission of the target in each pixel, relative to its point source (assumption)."""
    lines: int = 12
    """Emission lines in a channel."""
    line_contrast: tuple[float, float] = (0.5, 8.0)
    """Peak of a line, relative to the continuum; its logarithm is uniform (assumption)."""
    resolving_power: float = 3000.0
    """Wavelength divided by the width (FWHM) of a line: with the blur 2.3 pixels at 3000."""
    blur: float = 0.5
    """Standard deviation of the blur of optics and detector, pixels."""
    dither: tuple[float, float] = (0.9, 0.8)
    """Distance of the source from the centre, along and across slices, arcsec (assumption)."""
    thermal_scale: float = 1.0
    """Thermal background, relative to that in flight (JWST backgrounds tool)."""
    fringe_amplitude: float = 0.15
    """Relative amplitude of the uncorrected fringes."""
    fringe_spacing: float = 2.9
    """Their spacing in wavenumber, 1/cm."""
    second_fringe_amplitude: float = 0.05
    """The same for the fine fringes of channels 3 and 4 (assumption)."""
    second_fringe_spacing: float = 0.4
    """Their spacing, 1/cm."""
    pedestal_short: tuple[float, float] = (-0.016, 0.012)
    """Pedestal of an exposure of MIRIFUSHORT, DN/s."""
    pedestal_long: tuple[float, float] = (0.05, 0.09)
    """Pedestal of an exposure of MIRIFULONG, DN/s."""
    column_noise: float = 0.01
    """Standard deviation of the offsets of columns (MIRI), DN/s."""
    hot_normalisation: float = 3900.0
    """Number of hot pixels above 1 DN/s on a detector. The number above A is this divided by A (a
    fit to rates of 10 to 40 DN/s in flight)."""
    hot_range: tuple[float, float] = (0.5, 5000.0)
    """Faintest and brightest hot pixel, DN/s (assumption)."""
    hot_scatter: float = 0.03
    """Relative scatter of a hot pixel from exposure to exposure."""
    hot_groups: int = 0
    """Number of groups of hot pixels on a detector, besides the single ones."""
    hot_group_range: tuple[float, float] = (0.5, 200.0)
    """Faintest and brightest group, DN/s in each pixel; its logarithm is uniform (assumption)."""
    hot_group_scatter: float = 1.6
    """Factor by which the pixels of a group scatter (logarithmic; 1: all alike) (assumption)."""
    hot_group_shapes: tuple[str, ...] = SHAPES
    """Shapes of the groups, names of `SHAPES`; each is equally frequent."""
    new_hot: float = 0.05
    """Hot pixels and groups that are new in an epoch, relative to the first (assumption)."""
    halo_coupling: float = 0.031
    """Fraction of a hot pixel's rate that appears in each of its four neighbours."""
    halo_minimum: float = 0.1
    """Faintest halo that the truth map marks, DN/s (assumption: four times the read noise)."""
    low_pixels: int = 250
    """Number of pixels of low response on a detector."""
    low_response: tuple[float, float] = (0.0, 0.5)
    """Their response, relative to a good pixel (assumption)."""
    known_bad_fraction: float = 0.009
    """Fraction of the light-sensitive pixels that the data-quality plane marks as bad."""
    known_bad_clustered: float = 0.5
    """Fraction of those in clusters of 3 x 3 to 5 x 5 pixels (assumption)."""
    cosmic_ray_rate: float = 54.0
    """Hits on a detector, 1/s."""
    cosmic_ray_survival: float = 0.03
    """Fraction of the hits that jump detection misses."""
    cosmic_ray_range: tuple[float, float] = (0.5, 100.0)
    """Faintest and brightest missed hit, DN/s; the number above A falls as 1/A (assumption)."""
    shower_interval: float = 40.0
    """Mean time between cosmic-ray showers, s."""
    shower_fwhm: tuple[float, float] = (8.0, 40.0)
    """Width of a shower along each of its axes, pixels."""
    shower_rate: tuple[float, float] = (0.05, 0.3)
    """Peak of a shower, DN/s (assumption)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if problem := _problem(field.name, value):
                raise ValueError(f"Settings.{field.name} must {problem}, got {value}")

    @property
    def exposure_time(self) -> float:
        """Time over which the slope is measured, s."""
        return self.groups * self.group_time

    @property
    def slope_variance(self) -> float:
        """Variance of an unweighted fit of the slope from read noise alone, (DN/s)**2."""
        n = self.groups
        return 12 * self.read_noise**2 / (n * (n * n - 1)) / self.group_time**2


_SIGNED: Final = frozenset({"pedestal_short", "pedestal_long", "dither"})
_DIVISORS: Final = frozenset({
    "group_time", "gain", "source_fwhm", "resolving_power", "fringe_spacing", "hot_range",
    "second_fringe_spacing", "shower_interval", "line_contrast", "cosmic_ray_range",
    "shower_fwhm", "hot_group_range", "hot_group_scatter",
})  # fmt: skip


def _problem(name: str, value: Any) -> str:
    """Return what a setting must be if its value is impossible."""
    if name == "hot_group_shapes":
        return "" if value and {*value} <= {*SHAPES} else f"be one or more of {', '.join(SHAPES)}"
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(math.isfinite(number) for number in numbers):
        return "be finite"
    if name not in _SIGNED and min(numbers) < 0:
        return "not be negative"
    if name in _DIVISORS and min(numbers) == 0:
        return "be above 0"
    if name == "groups" and value < 2:
        return "be at least 2 for a slope"
    return "be (low, high)" if name != "dither" and numbers[0] > numbers[-1] else ""


LIGHT_ONLY: Final = Settings(
    read_noise=0.0,
    poisson_excess=0.0,
    pedestal_short=(0.0, 0.0),
    pedestal_long=(0.0, 0.0),
    column_noise=0.0,
    hot_normalisation=0.0,
    low_pixels=0,
    known_bad_fraction=0.0,
    cosmic_ray_rate=0.0,
    shower_rate=(0.0, 0.0),
)
"""The light of the scene alone: no bad pixels, cosmic rays, noise or offsets."""
