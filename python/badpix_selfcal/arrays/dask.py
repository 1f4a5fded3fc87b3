"""Running medians of Dask arrays, which may be larger than memory (extra ``dask``)."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .checks import Method
from .medians import Border, Whole, check_window
from .medians import median_filter as filter_array

if TYPE_CHECKING:
    from dask.array import Array

__all__ = ["median_filter"]


def median_filter(
    image: Array,
    kernel_size: Whole,
    *,
    axis: Whole | None = None,
    edge: Border = "zero",
    fill: float | None = None,
    min_count: int = 1,
    origin: Whole = 0,
    method: Method = "auto",
) -> Array:
    """Compute `badpix_selfcal.median_filter` of the whole array, chunk by chunk.

    Each chunk borrows the samples of its neighbours that its windows reach.

    Parameters
    ----------
    image : dask.array.Array
        The samples.
    kernel_size, axis, edge, fill, min_count, origin, method
        As of `badpix_selfcal.median_filter`. Chunks that are shorter than a side of the window are
        joined.

    Returns
    -------
    dask.array.Array of float32 or float64, shape of `image`
        The medians, not computed yet.

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError
        If `image` is no Dask array, or as `badpix_selfcal.median_filter`.
    ValueError
        If the length of a chunk is not known, or as `badpix_selfcal.median_filter`.

    Examples
    --------
    >>> import dask.array as da
    >>> from badpix_selfcal.arrays.dask import median_filter
    >>> cube = da.random.normal(size=(300, 64, 64), chunks=(100, 32, 32))
    >>> median_filter(cube, 25, axis=0, edge="nearest").compute().shape
    (300, 64, 64)
    """
    try:
        import dask.array as da
    except ImportError as error:
        raise ImportError(
            f'Dask arrays need Dask ({error}): pip install "badpix-selfcal[dask]"'
        ) from error
    if not isinstance(image, da.Array):
        raise TypeError(f"image must be a Dask array, got a {type(image).__name__}")
    if any(math.isnan(length) for length in image.shape):
        raise ValueError(
            "image has chunks of unknown length; call image.compute_chunk_sizes() first"
        )
    how: dict[str, Any] = {"edge": edge, "fill": fill, "min_count": min_count, "method": method}
    how |= {"kernel_size": kernel_size, "axis": axis, "origin": origin}
    filter_chunk: Any = partial(filter_array, **how)
    meta = filter_chunk(np.empty((0,) * image.ndim, image.dtype))  # refuses wrong arguments
    window = check_window(image.ndim, kernel_size, axis, origin)
    depth = dict(zip(window.axes, map(max, window.reaches), strict=True))
    whole = [along for along, reach in depth.items() if reach >= image.shape[along]]
    depth |= dict.fromkeys(whole, 0)
    # Beyond the ends of the whole array, the kernel applies the edge to the first and last chunks.
    border = dict.fromkeys(depth, "periodic" if edge == "wrap" else "none")
    return da.map_overlap(
        filter_chunk,
        image.rechunk(dict.fromkeys(whole, -1)),
        depth=depth,
        boundary=border,
        dtype=meta.dtype,
        meta=meta,
    )
