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
    from .runs.associate import GeneratedAssociation, associate
    from .runs.batch import BatchResult, batch
    from .runs.selfcal import SelfcalResult, selfcal
    from .threads import share_threads

__all__ = [
    "AssociationError",
    "BadPixels",
    "BatchResult",
    "ExposureError",
    "GeneratedAssociation",
    "SelfcalResult",
    "SelfcalWarning",
    "__version__",
    "associate",
    "batch",
    "find_bad_pixels",
    "median_filter",
    "minimum_image",
    "num_threads",
    "pedestal",
    "percentiles",
    "selfcal",
    "set_num_threads",
    "share_threads",
]


_HOMES = {
    "BatchResult": "runs.batch",
    "GeneratedAssociation": "runs.associate",
    "SelfcalResult": "runs.selfcal",
    "associate": "runs.associate",
    "batch": "runs.batch",
    "selfcal": "runs.selfcal",
    "share_threads": "threads",
}
"""The modules that what is not in `arrays` comes from."""


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: array work needs no files, help needs no arrays."""
    from importlib import import_module

    if name in __all__:
        home = import_module(f".{_HOMES.get(name, 'arrays')}", __name__)
        value = globals()[name] = getattr(home, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
