"""Cuts through single pixels in every exposure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..arrays.floats import FloatArray, as_stored
from ..errors import ExposureError
from ..files import exposure as exposure_file
from ..step.group_mask import GroupMask, MaskMember
from ..views.cuts import SAMPLES, places_of

__all__ = ["MOST_SAMPLES", "Strips", "strips_of"]

MOST_SAMPLES: Final = 6_000_000
"""Samples of all exposures that a page holds: 0.7 bytes each, more or less."""


@dataclass(frozen=True, eq=False)
class Strips:
    """The cuts of some pixels in each exposure.

    Attributes
    ----------
    pixels : ndarray of int, shape (pixels,)
        The pixels, as flat indices.
    names : tuple of str
        The exposures, in the order of `values`.
    values : ndarray of float32, shape (exposures, pixels, samples)
        SCI minus its pedestal: first along the dispersion, then across it. NaN outside the image.
    problems : dict of str to str
        The exposures that are not shown, and why.
    """

    pixels: NDArray[np.intp]
    names: tuple[str, ...]
    values: NDArray[np.float32]
    problems: dict[str, str]


def strips_of(mask: GroupMask, pixels: NDArray[np.intp]) -> Strips:
    """Read the exposures of a mask again, and cut them at some pixels.

    An exposure that cannot be read, or is not that which the mask was found from, is not shown.

    Parameters
    ----------
    mask : GroupMask
        The mask.
    pixels : ndarray of int
        The pixels, the most important first; the last ones are left out if the page would become
        too large.
    """
    used = mask.used
    pixels = pixels[: MOST_SAMPLES // (SAMPLES * max(len(used), 1))]
    shape = mask.minimum.shape
    places, inside = places_of(pixels, shape, mask.dispaxis)
    names, values, problems = [], [], {}
    for member in used:
        try:
            image = _image(member, shape)
            _require_same(image, mask.minimum, member)
        except (ExposureError, OSError, ImportError) as error:
            problems[member.exposure.name] = str(error)
            continue
        cut = image.ravel()[places]
        cut[~inside] = np.nan
        names.append(member.exposure.name)
        values.append(cut)
    stacked = np.stack(values) if values else np.empty((0, *places.shape), np.float32)
    return Strips(pixels, tuple(names), stacked, problems)


def _image(member: MaskMember, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return SCI minus its pedestal."""
    samples = exposure_file.read(member.exposure, whole=False).science_image()
    if samples.shape != shape:
        raise ExposureError(f"{member.exposure}: SCI has shape {samples.shape}, the mask {shape}")
    image = as_stored(samples, "SCI")
    level = member.pedestal or 0.0
    return np.subtract(image, image.dtype.type(level), dtype=np.float32, casting="unsafe")


def _require_same(image: NDArray[np.float32], minimum: FloatArray, member: MaskMember) -> None:
    """Refuse an exposure that is less than the minimum image somewhere: it has been changed."""
    with np.errstate(invalid="ignore"):
        rounding = np.float32(1e-6) * (abs(minimum) + np.float32(abs(member.pedestal or 0.0)))
        if np.any(image < minimum - rounding) or np.any(np.isnan(minimum) & ~np.isnan(image)):
            raise ExposureError(f"{member.exposure}: has changed since the mask was found")
