"""Self-calibration of bad pixels in JWST integral-field exposures."""

from typing import TYPE_CHECKING, Any

from ._kernels import __version__, num_threads, set_num_threads
from .errors import AssociationError, ExposureError, SelfcalWarning

if TYPE_CHECKING:
    from .arrays import (
        BadPixels,
        find_bad_pixels,
        median_filter,
        minimum_image,
        pedestal,
        percentiles,
    )
    from .step import SelfcalResult, selfcal

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


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: array work needs no files, help needs no arrays."""
    from importlib import import_module

    if name in __all__:
        home = "step" if name in ("SelfcalResult", "selfcal") else "arrays"
        value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
