"""Self-calibration of bad pixels in JWST integral-field exposures."""

from __future__ import annotations

from importlib import import_module

from ._kernels import __version__, num_threads, set_num_threads

TYPE_CHECKING = False
"""As in `typing`, whose import takes longer than all the rest here. As long as this module is
imported, an interrupt of the command ends in a traceback."""

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


_MODULES = {
    "AssociationError": "errors",
    "ExposureError": "errors",
    "MaskError": "errors",
    "SelfcalWarning": "errors",
    "Comparison": "masks.compare",
    "GeneratedAssociation": "step.associate",
    "Mask": "masks.mask",
    "ReportResult": "look.report",
    "MaskHistory": "masks.history",
    "Result": "step.result",
    "Results": "step.result",
    "apply": "step.apply",
    "associate": "step.associate",
    "batch": "step.batch",
    "compare": "look.pictures",
    "export": "masks.export",
    "history": "look.pictures",
    "report": "look.report",
    "selfcal": "step.selfcal",
    "share_threads": "threads",
}
"""The modules of the names that are not in `arrays`."""


_SUBMODULES = (
    "arrays",
    "bottleneck",
    "instrument",
    "jwst",
    "look",
    "ndimage",
    "simulate",
    "stcal",
    "testing",
)
"""The modules for users. `dir` lists them, and they are imported on first use."""


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that each program loads only what it needs."""
    if name in __all__:
        module = import_module(f".{_MODULES.get(name, 'arrays')}", __name__)
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
