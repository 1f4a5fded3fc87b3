"""The number of threads of a run, and of each of several worker processes."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import SupportsIndex

from ._kernels import default_threads, num_threads, set_num_threads

VARIABLE = "BADPIX_SELFCAL_NUM_THREADS"


def share_threads(processes: SupportsIndex) -> None:
    """Set the number of threads to this process's share of the processors.

    A process does not know how many others its parent has started. So each calls this function, as
    in ``multiprocessing.Pool(8, initializer=badpix_selfcal.share_threads, initargs=(8,))``. If
    ``BADPIX_SELFCAL_NUM_THREADS`` is set, each process uses that number of threads.

    Parameters
    ----------
    processes : int
        The number of processes that share the processors, at least 1.

    Raises
    ------
    TypeError
        If `processes` is not a whole number.
    ValueError
        If `processes` is less than 1, or the variable is not a whole number from 1 to 1024.
    """
    try:
        count = operator.index(processes)
    except TypeError:
        raise TypeError(f"processes must be a whole number, got {processes!r}") from None
    if count < 1:
        raise ValueError(f"processes must be at least 1, got {count}")
    available = default_threads()
    set_num_threads(None if os.environ.get(VARIABLE) else max(1, available // count))


@contextmanager
def threads_set(threads: int | None) -> Iterator[None]:
    """Compute with 1 to 1024 threads while the context lasts; None: with the present number."""
    if threads is None:
        yield
        return
    before = None
    with suppress(ValueError):  # a wrong value of the variable is no error while it is not used
        before = num_threads()
        set_num_threads(None)
        before = None if num_threads() == before else before
    try:
        set_num_threads(threads)
        yield
    finally:
        set_num_threads(before)
