"""Self-calibration of bad pixels in JWST integral-field exposures."""

from ._kernels import __version__, num_threads, set_num_threads
from .arrays import (
    BadPixels,
    find_bad_pixels,
    median_filter,
    minimum_image,
    pedestal,
    percentiles,
)
from .errors import AssociationError, ExposureError, SelfcalWarning
from .selfcal import SelfcalResult, selfcal

__all__ = [
    "AssociationError",
    "BadPixels",
    "ExposureError",
    "SelfcalResult",
    "SelfcalWarning",
    "__version__",
    "find_bad_pixels",
    "median_filter",
    "minimum_image",
    "num_threads",
    "pedestal",
    "percentiles",
    "selfcal",
    "set_num_threads",
]
