"""NumPy in, NumPy out: pedestal, minimum image, medians, percentiles and bad pixels.

This is the public interface of the kernels. Arrays may have any real dtype, byte order and
strides: float16 is computed as float32, integers and long doubles as float64. Exposures are read in
either byte order without a copy. Arguments are never modified. NaN always means "no measurement"
and is skipped. `badpix_selfcal.arrays.reference` does the same in plain NumPy, slowly;
`badpix_selfcal.arrays.dask` does it on Dask arrays.
"""

from .bad_pixels import BadPixels, find_bad_pixels
from .images import MeanError, RunningMinimum, minimum_image, pedestal, percentiles
from .medians import mad_filter, median_filter

__all__ = [
    "BadPixels",
    "MeanError",
    "RunningMinimum",
    "find_bad_pixels",
    "mad_filter",
    "median_filter",
    "minimum_image",
    "pedestal",
    "percentiles",
]
