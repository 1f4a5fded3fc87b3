"""Reading of exposures: headers only once, samples ahead."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Final, TypeVar

from ..files import exposure as exposure_file
from ..files.exposure import Exposure, Samples
from ..files.location import Location

__all__ = ["AHEAD", "MOST_HELD", "Reader", "in_order"]

AHEAD: Final = 8
"""The largest number of images that are read ahead: enough for slow servers, with little memory."""

MOST_HELD: Final = 32
"""Exposures whose headers (and downloads) a reader keeps."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Reader:
    """Reads exposures in any thread and keeps the headers of the last ones.

    Planning, combining and copying use the same exposures. If there are few, each is scanned only
    once, and each remote one downloaded only once. If there are many, memory and disk space stay
    small.
    """

    def __init__(self, *, with_errors: bool = False) -> None:
        self._last = "ERR" if with_errors else "SCI"
        self._kept: OrderedDict[Location, Exposure] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, location: Location, *, whole: bool = True) -> Exposure:
        """Return an exposure; see `badpix_selfcal.files.exposure.read`."""
        with self._lock:
            found = self._kept.get(location)
            if found is not None and (found.is_whole or not whole):
                self._kept.move_to_end(location)
                return found
        found = exposure_file.read(location, whole=whole, last=self._last)
        with self._lock:
            self._kept[location] = found
            while len(self._kept) > MOST_HELD:
                self._kept.popitem(last=False)
        return found

    def images(self, location: Location) -> tuple[Samples, Samples | None]:
        """Return the SCI samples of an exposure, and its ERR samples if they are wanted and exist.

        Samples of a plain local file are mapped, and the system reads them in the background.
        Others are in memory.

        Raises
        ------
        ExposureError
            If the exposure cannot be read.
        """
        found = self.read(location, whole=False)
        found.prefetch(dict.fromkeys(("SCI", self._last)))
        errors = found.error_image() if self._last == "ERR" else None
        return found.science_image(), errors

    def forget(self, location: Location) -> None:
        """Drop an exposure that is not needed again, and its download."""
        with self._lock:
            self._kept.pop(location, None)


def in_order(
    executor: Executor,
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    ahead: int = AHEAD,
) -> Iterator[tuple[_Item, Future[_Result]]]:
    """Process items in other threads, at most `ahead` of them before they are needed.

    Yields
    ------
    tuple
        Each item with the future of its result, in the order of the items.
    """
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    for item in items:
        waiting.append((item, executor.submit(work, item)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()
