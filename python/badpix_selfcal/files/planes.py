"""The planes of an exposure file: their places, and the forms that can be patched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import instrument
from ..errors import ExposureError
from .input_file import InputFile
from .remote import Ranges

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Plane", "flag", "images_of", "plane_of", "require_image", "stored_as"]

_SAMPLES: Final[dict[object, str]] = {-32: ">f4", -64: ">f8", 32: ">u4"}
_UNSIGNED: Final = 2.0**31


@dataclass(frozen=True)
class Plane:
    """The place of an image extension in the file.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    header, data : int
        Offsets in the file, bytes: of the extension's header and of its samples.
    dtype : dtype or None
        The type of the stored samples; None for a form that cannot be patched in place.
    problem : str
        Why `dtype` is None.
    """

    shape: tuple[int, ...]
    header: int
    data: int
    dtype: np.dtype[Any] | None
    problem: str = ""

    @property
    def size(self) -> int:
        """Bytes of the samples; 0 without a dtype."""
        return math.prod(self.shape) * (0 if self.dtype is None else self.dtype.itemsize)


def images_of(hdus: fits.HDUList, name: str) -> list[fits.ImageHDU | fits.CompImageHDU]:
    """Return the image extensions of a name; FITS ignores the case of names."""
    from astropy.io import fits

    images = (hdu for hdu in hdus[1:] if isinstance(hdu, (fits.ImageHDU, fits.CompImageHDU)))
    return [hdu for hdu in images if hdu.name.upper() == name]


_KINDS: Final = {
    "uncal": "a raw ramp",
    "ramp": "a ramp",
    "rateints": "a cube of integrations",
    "calints": "a cube of integrations",
    "s3d": "a spectral cube",
    "x1d": "a spectrum",
    "mask": "a mask",
}
"""What the pipeline's products are that are no images, by their suffix."""

_OF_AXES: Final = {
    3: "a cube of integrations (_rateints) or a spectral cube (_s3d)",
    4: "a ramp (_uncal, _ramp)",
}
"""The same by the number of axes."""


def plane_of(name: str, hdu: fits.ImageHDU | fits.CompImageHDU) -> Plane:
    """Return the place of an image that astropy has found."""
    from astropy.io import fits

    place = hdu.fileinfo()
    dtype, problem = None, ""
    if isinstance(hdu, fits.CompImageHDU):
        problem = "is tile-compressed; uncompress the file first (funpack)"
    else:
        dtype, problem = stored_as(name, hdu.header, hdu._orig_bitpix)
    return Plane(tuple(hdu.shape), place["hdrLoc"], place["datLoc"], dtype, problem)


def stored_as(
    name: str, header: fits.Header | Mapping[str, object], bitpix: object
) -> tuple[np.dtype[Any] | None, str]:
    """Return the dtype of a plane's stored samples, or None and why it cannot be patched."""
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    if name == "DQ":
        if bitpix != 32 or scale != 1 or zero not in (0, _UNSIGNED):
            return None, f"must hold 32-bit integers, got BITPIX = {bitpix}, BZERO = {zero}"
    elif bitpix not in (-32, -64):
        return None, f"must hold floating-point samples, got BITPIX = {bitpix}"
    elif scale != 1 or zero != 0:
        return None, f"is scaled (BSCALE = {scale}, BZERO = {zero}); store the samples unscaled"
    return np.dtype(_SAMPLES[bitpix]), ""


def flag(name: str, samples: NDArray[Any], flagged: NDArray[np.intp]) -> None:
    """Mark pixels as bad in a piece of a plane, as it is stored."""
    if name == "DQ":
        # DQ is stored as signed integers with an offset of 2**31. The offset only inverts the
        # highest bit, so the bits set here have their usual places.
        samples[flagged] |= instrument.BAD
    else:
        samples[flagged] = np.nan


def require_image(path: InputFile | Ranges, planes: Mapping[str, Plane]) -> None:
    """Refuse a file without a 2-D SCI image."""
    if "SCI" not in planes:
        raise ExposureError(f"{path}: has no SCI extension{_hint(path, 0)}")
    shape = planes["SCI"].shape
    if len(shape) != 2:
        hint = _hint(path, len(shape))
        raise ExposureError(f"{path}: SCI must be 2-D, got shape {shape}{hint}")
    if min(shape) < 1:
        raise ExposureError(f"{path}: SCI is empty, its shape is {shape}")


def _hint(path: InputFile | Ranges, ndim: int) -> str:
    """Return what a file without an image is, by its name or its number of axes."""
    name = str(path).lower().removesuffix(".gz").removesuffix(".fits")
    kind = name.rpartition("_")[2]
    if kind in _KINDS:
        return f"; _{kind} is {_KINDS[kind]}: take the rate image (_rate)"
    return f"; it may be {_OF_AXES[ndim]}: take the rate image (_rate)" if ndim in _OF_AXES else ""
