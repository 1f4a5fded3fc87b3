"""Self-calibration of bad pixels in JWST integral-field exposures."""

from __future__ import annotations

from importlib import import_module

from ._kernels import __version__, num_threads, set_num_threads

TYPE_CHECKING = False
"""As in `typing`, whose import takes longer than all the rest here."""

if TYPE_CHECKING:
    from typing import Any

    from .arrays import (
        BadPixels,
        find_bad_pixels,
        mad_filter,
        median_filter,
        minimum_image,
        pedestal,
        percentiles,
    )
    from .errors import AssociationError, ExposureError, MaskError, SelfcalWarning
    from .look.pictures import compare, history
    from .look.report import ReportResult, report
    from .masks.compare import Comparison
    from .masks.export import export
    from .masks.history import MaskHistory
    from .masks.mask import Mask
    from .step.apply import apply
    from .step.associate import GeneratedAssociation, associate
    from .step.batch import batch
    from .step.result import Result, Results
    from .step.selfcal import selfcal
    from .threads import share_threads

__all__ = [
    "AssociationError",
    "BadPixels",
    "Comparison",
    "ExposureError",
    "GeneratedAssociation",
    "Mask",
    "MaskError",
    "MaskHistory",
    "ReportResult",
    "Result",
    "Results",
    "SelfcalWarning",
    "__version__",
    "apply",
    "associate",
    "batch",
    "compare",
    "export",
    "find_bad_pixels",
    "history",
    "mad_filter",
    "median_filter",
    "minimum_image",
    "num_threads",
    "pedestal",
    "percentiles",
    "report",
    "selfcal",
    "set_num_threads",
    "share_threads",
]


_NAMES = {
    "errors": ("AssociationError", "ExposureError", "MaskError", "SelfcalWarning"),
    "look.pictures": ("compare", "history"),
    "look.report": ("ReportResult", "report"),
    "masks.compare": ("Comparison",),
    "masks.export": ("export",),
    "masks.history": ("MaskHistory",),
    "masks.mask": ("Mask",),
    "step.apply": ("apply",),
    "step.associate": ("GeneratedAssociation", "associate"),
    "step.batch": ("batch",),
    "step.result": ("Result", "Results"),
    "step.selfcal": ("selfcal",),
    "threads": ("share_threads",),
}
"""The public names by their modules; all others are in `arrays`."""

_SUBMODULES = (
    "arrays",
    "bottleneck",
    "instrument",
    "jwst",
    "look",
    "ndimage",
    "signal",
    "simulate",
    "stcal",
    "testing",
)
"""The modules for users. `dir` lists them, and they are imported on first use."""


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that each program loads only what it needs."""
    if name in __all__:
        home = next((module for module, names in _NAMES.items() if name in names), "arrays")
        module = import_module(f".{home}", __name__)
        value = globals()[name] = getattr(module, name)
        return value
    if name in _SUBMODULES:
        try:
            return import_module(f".{name}", __name__)
        except ImportError as error:  # an extra is not installed
            raise AttributeError(str(error)) from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES])
