"""Reading of exposures: headers only once, samples ahead."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from typing import Final, TypeVar

from .._interrupts import submitted
from ..errors import ExposureError
from ..files import exposure as exposure_file
from ..files.exposure import Exposure, Samples
from ..files.input_file import CHANGED
from ..files.location import Location
from .buffers import Buffers

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

    Parameters
    ----------
    with_errors : bool, optional
        Whether `images` reads ERR too.
    stamps : mapping of Path or RemoteFile to str, optional
        `Exposure.stamp` of exposures whose headers were read before, elsewhere.
    """

    def __init__(
        self, *, with_errors: bool = False, stamps: Mapping[Location, str] | None = None
    ) -> None:
        self._last = "ERR" if with_errors else "SCI"
        self._stamps = dict(stamps or {})
        self._buffers = Buffers(AHEAD)
        self._kept: OrderedDict[Location, Exposure] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, location: Location, *, whole: bool = True) -> Exposure:
        """Return an exposure; see `badpix_selfcal.files.exposure.read`.

        Raises
        ------
        ExposureError
            If it cannot be read, or is another version than when its headers were first read.
        """
        with self._lock:
            found = self._kept.get(location)
            if found is not None and (found.is_whole or not whole):
                self._kept.move_to_end(location)
                return found
        found = exposure_file.read(location, whole=whole, last=self._last)
        stamp = found.stamp
        with self._lock:
            if stamp and stamp != self._stamps.setdefault(location, stamp):
                raise ExposureError(f"{location}: {CHANGED}")
            self._kept[location] = found
            while len(self._kept) > MOST_HELD:
                self._kept.popitem(last=False)
        return found

    def images(self, location: Location) -> tuple[Samples, Samples | None]:
        """Return the SCI samples of an exposure, and its ERR samples if they are wanted and exist.

        Raises
        ------
        ExposureError
            If the exposure cannot be read, or is changed meanwhile.
        """
        found, new = self.read(location, whole=False), self._buffers.new
        found.prefetch(dict.fromkeys(("SCI", self._last)))
        errors = found.error_image(new) if self._last == "ERR" else None
        science = found.science_image(new)
        found.require_unchanged()
        return science, errors

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
        waiting.append((item, submitted(executor, work, item)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()
