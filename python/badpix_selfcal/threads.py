"""How many threads a process takes that works beside others of its kind."""

from __future__ import annotations

import os
from typing import SupportsIndex

from ._kernels import num_threads, set_num_threads

__all__ = ["share_threads"]

VARIABLE = "BADPIX_SELFCAL_NUM_THREADS"


def share_threads(processes: SupportsIndex) -> None:
    """Compute with this process's share of the processors.

    A process cannot know how many others its parent has started. It is to be told, as by
    ``multiprocessing.Pool(8, initializer=badpix_selfcal.share_threads, initargs=(8,))``.
    Where ``BADPIX_SELFCAL_NUM_THREADS`` is set, it governs.

    Parameters
    ----------
    processes : int
        The processes that share them, at least 1.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is less than 1, or the variable is set to what is not a number of threads.
    """
    from .parameters import check_whole

    count = check_whole(processes, "processes")
    if count < 1:
        raise ValueError(f"processes must be at least 1, got {count}")
    set_num_threads(None)
    if not os.environ.get(VARIABLE):
        set_num_threads(max(1, num_threads() // count))
