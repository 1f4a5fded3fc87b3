"""Property tests for any implementation: suites of checks, and strategies (extra ``testing``).

>>> from badpix_selfcal.testing import median_filter_checks, run
>>> from stcal.outlier_detection.utils import medfilt
>>> run(median_filter_checks(lambda image, window, edge: medfilt(image, window), edges=["zero"]))

Each suite compares a function with an oracle in plain NumPy. A check that fails names the smallest
example, as a call in Python, what was expected, and what came.

All suites take `function`, the implementation, which must not modify its arguments; `oracle`, what
it must be equal to, bit for bit but for the signs of zeros (default: the function of
`badpix_selfcal.arrays.reference`, which sorts all samples); and `infinities`, whether samples may
be infinite, or so large that their sum is.
"""

from __future__ import annotations

try:
    import hypothesis as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'badpix_selfcal.testing needs hypothesis ({error}): pip install "badpix-selfcal[testing]"'
    ) from error

from .check import Check, CheckFailed, assert_same, run
from .step import Observation, observations, step_checks
from .strategies import (
    dispaxes,
    flagfracs,
    images,
    kernel_sizes,
    laid_out,
    large_images,
    windows,
)
from .suites import (
    find_bad_pixels_checks,
    median_filter_checks,
    minimum_image_checks,
    pedestal_checks,
    percentiles_checks,
)
from .verification import verify

__all__ = [
    "Check",
    "CheckFailed",
    "Observation",
    "assert_same",
    "dispaxes",
    "find_bad_pixels_checks",
    "flagfracs",
    "images",
    "kernel_sizes",
    "laid_out",
    "large_images",
    "median_filter_checks",
    "minimum_image_checks",
    "observations",
    "pedestal_checks",
    "percentiles_checks",
    "run",
    "step_checks",
    "verify",
    "windows",
]
