"""The compiled kernels, called by the modules of the package.

Arrays must be native, aligned and C-contiguous. `badpix_selfcal.arrays` has the public functions.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Floats: TypeAlias = NDArray[np.float32 | np.float64]
# Samples in the other byte order are passed as unsigned integers, which hold their bits.
_Stored: TypeAlias = NDArray[np.float32 | np.float64 | np.uint32 | np.uint64]

__all__ = [
    "MOST_THREADS",
    "__version__",
    "add_errors",
    "available_instructions",
    "default_threads",
    "find_bad_pixels",
    "find_significant_pixels",
    "fold_minimum",
    "instructions",
    "median_filter",
    "median_kernel",
    "num_threads",
    "pedestal_in_mask",
    "pedestal_in_region",
    "percentiles",
    "set_instructions",
    "set_num_threads",
    "sharp_groups",
]

MOST_THREADS: int
__version__: str

def available_instructions() -> list[str]: ...
def instructions() -> str: ...
def set_instructions(name: str | None) -> None: ...
def default_threads() -> int: ...
def num_threads() -> int: ...
def set_num_threads(threads: int | None) -> None: ...
def median_filter(
    images: _Floats,
    out: _Floats,
    rows: tuple[int, int],
    cols: tuple[int, int],
    edge: str,
    fill: float,
    min_count: int,
    method: str,
    deviation: bool = False,
) -> None: ...
def median_kernel(height: int, width: int, rows: int, cols: int, method: str = "auto") -> str: ...
def pedestal_in_region(image: _Stored, gap: tuple[int, int, int, int]) -> float: ...
def pedestal_in_mask(image: _Stored, gap: NDArray[np.bool_]) -> float: ...
def fold_minimum(
    minimum: _Floats,
    exposure: _Stored,
    pedestal: float,
    is_first: bool = False,
) -> None: ...
def percentiles(image: _Floats, q: NDArray[np.float64]) -> NDArray[np.float64]: ...
def add_errors(
    total: NDArray[np.float64],
    count: NDArray[np.uint32],
    exposures: list[_Stored],
) -> None: ...
def find_bad_pixels(
    minimum: _Floats,
    kernel_size: int,
    axis: int | None,
    flagfrac_lower: float,
    flagfrac_upper: float,
    edge: str,
) -> tuple[NDArray[np.bool_], _Floats, float, float, int, int]: ...
def find_significant_pixels(
    minimum: _Floats,
    error: _Floats | None,
    kernel_size: int,
    axis: int | None,
    sigma_lower: float,
    sigma_upper: float,
    spread: float,
    blunt: float,
    blur: tuple[float, float, float],
    edge: str,
) -> tuple[NDArray[np.bool_], _Floats, int, int, _Floats, _Floats, float | None]: ...
def sharp_groups(
    residual: _Floats,
    noise: _Floats,
    smooth: _Floats,
    missing: NDArray[np.bool_],
    level: float,
    axis: int | None,
    blur: tuple[float, float, float],
) -> NDArray[np.uint32]: ...
