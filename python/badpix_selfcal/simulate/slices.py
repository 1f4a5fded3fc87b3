"""The slices of the integral-field units: place on the detector, wavelength, position on the sky.

For the MIRI MRS the polynomials below are least-squares fits to maps of the settings 12A and
34C. The maps are rebuilt from the public in-flight distortion solution (FLT-9) of the MIRI
coordinates package. The fits reproduce slice centres to 0.5 columns rms and wavelengths to 0.8 rows
rms. MIRIFUSHORT shows channels 1 and 2 in the band SHORT, MIRIFULONG channels 3 and 4 in the band
LONG.

For NIRSpec every number is an assumption, chosen to look plausible: 30 slices of 35 rows,
slightly tilted and curved, 0.1 arcsec wide, with the wavelengths of the grating G235H.

Directions are *along* the dispersion and *across* the slices. In a MIRI image these are the
directions of a column and of a row, in a NIRSpec image those of a row and of a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..instrument import Detector

Image: TypeAlias = NDArray[np.float32]
Coordinates: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """The slices of one channel on a detector, as polynomials.

    With ``t`` from -0.5 at the first slice across the detector to 0.5 at the last, ``u`` from -1
    to 1 along the detector, ``v`` = (across - middle)/256 px, and ``k`` the slice's number
    counted from the middle of the field.
    """

    number: int
    """The MRS channel, 1 to 4; 0 for NIRSpec, which has none."""
    slices: int
    order: tuple[int, int, int]
    """Number of the first slice across the detector, number of the second, and the step from a
    slice to the next but one: neighbours on the sky are interleaved in two sets."""
    slice_width: float
    """Extent of a slice on the sky, arcsec (MRS: Wells et al. 2015, PASP 127, 646)."""
    centre: tuple[float, ...]
    """Centre across the detector, px: coefficients of 1, t, t**2, u, u**2 and t u**2."""
    width: tuple[float, float]
    """Width across the detector, px: coefficients of 1 and t."""
    alpha: tuple[float, float, float]
    """Position along the slice on the sky, arcsec: coefficients of 1, d and t d, with d the
    distance from the slice's centre in px."""
    wavelength: tuple[float, ...]
    """Wavelength, um: coefficients of 1, u, u**2, v, v**2, u v and k."""
    thermal_rate: float
    """Thermal background at the channel's middle wavelength, DN/s."""


CHANNELS: Final[dict[str, tuple[Channel, ...]]] = {
    "MIRIFUSHORT": (
        Channel(
            number=1, slices=21, order=(11, 21, -1), slice_width=0.176,
            centre=(263.51, 459.91, -22.52, 0.32, -4.04, -0.96), width=(18.81, -1.44),
            alpha=(-0.008, 0.1913, 0.0145),
            wavelength=(5.35239, 0.44681, -0.02669, -0.00858, -0.01676, 0.01002, -0.00083),
            thermal_rate=0.006,
        ),
        Channel(
            number=2, slices=17, order=(1, 10, 1), slice_width=0.277,
            centre=(776.54, 446.84, -33.55, 1.57, -12.20, -1.90), width=(24.82, -4.10),
            alpha=(0.010, -0.1930, -0.0330),
            wavelength=(8.19038, 0.67805, -0.03701, 0.01113, -0.02726, 0.01840, -0.00334),
            thermal_rate=0.018,
        ),
    ),
    "MIRIFULONG": (
        Channel(
            number=4, slices=12, order=(12, 6, -1), slice_width=0.645,
            centre=(249.52, 409.02, -17.39, 0.14, -4.07, -1.18), width=(32.34, -2.50),
            alpha=(-0.204, 0.2722, 0.0213),
            wavelength=(26.56076, -2.32036, -0.13292, 0.03506, -0.08084, -0.05081, 0.01570),
            thermal_rate=2.6,
        ),
        Channel(
            number=3, slices=16, order=(16, 8, -1), slice_width=0.387,
            centre=(780.58, 463.59, -39.84, 0.40, -12.38, -1.82), width=(26.45, -4.23),
            alpha=(0.141, -0.2554, -0.0399),
            wavelength=(16.80545, -1.37618, -0.07625, -0.03577, -0.05984, -0.03628, -0.00677),
            thermal_rate=0.18,
        ),
    ),
    **{
        name: (
            Channel(
                number=0, slices=30, order=(1, 2, 2), slice_width=0.1,
                centre=(1023.5, 1798.0, 0.0, 3.0, -6.0, 2.0), width=(35.0, 0.0),
                alpha=(0.0, 0.1, 0.0),
                wavelength=(middle, 0.35, 0.0, 0.0, -0.0002, 0.0, 0.0002),
                thermal_rate=0.01,
            ),
        )
        for name, middle in (("NRS1", 2.05), ("NRS2", 2.83))
    },
}  # fmt: skip
"""The channels on each detector."""


@dataclass(frozen=True)
class Geometry:
    """The slices on a detector: maps of shape (rows, columns), 0 between slices."""

    channels: tuple[Channel, ...]
    slices: NDArray[np.int16]
    """100 * channel + slice number."""
    wavelength: Coordinates
    """Wavelength, um."""
    alpha: Image
    beta: Image
    """Position on the sky along and across the slices, arcsec."""

    def of_channel(self, channel: Channel) -> NDArray[np.bool_]:
        """Return a mask of the pixels that this channel illuminates."""
        return np.asarray((self.slices > 0) & (self.slices // 100 == channel.number))


def geometry(detector: Detector, y: Coordinates, x: Coordinates) -> Geometry:
    """Return the geometry of the pixels of some rows and columns of the full frame.

    `y` and `x` are one-dimensional and ascending; coordinates outside the frame are allowed.
    """
    dispersed_along_y = detector.dispaxis == 2
    along, across = (y, x) if dispersed_along_y else (x, y)
    length = detector.shape[0 if dispersed_along_y else 1]
    u = (along - (length - 1) / 2) / (length / 2)
    channels, shape = CHANNELS[detector.name], (along.size, across.size)
    maps = [np.zeros(shape, dtype) for dtype in ("i2", "f8", "f4", "f4")]
    for channel in channels:
        for position in range(channel.slices):
            _draw_slice(maps, channel, position, u[:, np.newaxis], across)
    return Geometry(channels, *(each if dispersed_along_y else each.T for each in maps))


def _draw_slice(
    maps: list[NDArray[Any]], channel: Channel, position: int, u: Coordinates, across: Coordinates
) -> None:
    """Draw one slice into the maps; `u` is a column vector, `across` a vector."""
    t = position / (channel.slices - 1) - 0.5
    c = channel.centre
    centre = (c[0] + c[1] * t + c[2] * t * t) + c[3] * u + (c[4] + c[5] * t) * u * u
    half = (channel.width[0] + channel.width[1] * t) / 2
    first, last = np.searchsorted(across, [centre.min() - half, centre.max() + half])
    region = (slice(None), slice(int(first), int(last)))
    x = across[region[1]]
    distance = x - centre
    lit = np.abs(distance) < half
    number = channel.order[position % 2] + channel.order[2] * (position // 2)
    k = number - (channel.slices + 1) / 2
    v = (x - c[0]) / 256
    w = channel.wavelength
    wavelength = w[0] + (w[1] + w[2] * u) * u + (w[3] + w[4] * v) * v + w[5] * u * v + w[6] * k
    alpha = channel.alpha[0] + (channel.alpha[1] + channel.alpha[2] * t) * distance
    slices, wavelengths, alphas, betas = (each[region] for each in maps)
    slices[lit] = 100 * channel.number + number
    wavelengths[lit] = wavelength[lit]
    alphas[lit] = alpha[lit]
    betas[lit] = k * channel.slice_width
