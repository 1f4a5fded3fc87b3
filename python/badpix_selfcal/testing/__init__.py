"""Property tests for any implementation: strategies, and suites of checks (extra ``testing``).

>>> from badpix_selfcal.testing import check_median_filter
>>> from stcal.outlier_detection.utils import medfilt
>>> check_median_filter(lambda image, window, edge: medfilt(image, window), edges=["zero"])

Each suite compares a function with an oracle in plain NumPy and with itself: negated, scaled,
transposed, padded, in tiles, in other memory. A check that fails names the smallest example, what
was expected, what came, and a line of Python that repeats it.
"""

from __future__ import annotations

try:
    import hypothesis as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"badpix_selfcal.testing needs hypothesis ({error}): "
        'install it with pip install ".[testing]" in the clone'
    ) from error

from .check import EXAMPLES, THOROUGH, Check, CheckFailed, assert_same
from .observation import Observation, observations
from .step import check_step, step_checks
from .strategies import (
    dispaxes,
    errors_of,
    flagfracs,
    gap_masks,
    gap_regions,
    images,
    kernel_sizes,
    laid_out,
    large_images,
    layouts,
    parameters,
    shapes,
    windows,
)
from .suites import (
    check_find_bad_pixels,
    check_median_filter,
    check_minimum_image,
    check_pedestal,
    check_percentiles,
    find_bad_pixels_checks,
    median_filter_checks,
    minimum_image_checks,
    pedestal_checks,
    percentiles_checks,
)
from .verification import Verification, verify

__all__ = [
    "EXAMPLES",
    "THOROUGH",
    "Check",
    "CheckFailed",
    "Observation",
    "Verification",
    "assert_same",
    "check_find_bad_pixels",
    "check_median_filter",
    "check_minimum_image",
    "check_pedestal",
    "check_percentiles",
    "check_step",
    "dispaxes",
    "errors_of",
    "find_bad_pixels_checks",
    "flagfracs",
    "gap_masks",
    "gap_regions",
    "images",
    "kernel_sizes",
    "laid_out",
    "large_images",
    "layouts",
    "median_filter_checks",
    "minimum_image_checks",
    "observations",
    "parameters",
    "pedestal_checks",
    "percentiles_checks",
    "shapes",
    "step_checks",
    "verify",
    "windows",
]
