"""The minimum image of a group's exposures, computed from one exposure after the other."""

from __future__ import annotations

import hashlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeanError, RunningMinimum, pedestal
from ..arrays.checks import FloatArray, as_stored
from ..errors import ExposureError, log
from ..files.exposure import Exposure, Free
from ..files.paths import Location
from ..instrument import Region, within

APART: Final = 31
"""Every so many rows and columns hold a sample that shows whether an image is constant."""

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


class Measured(NamedTuple):
    """One exposure: SCI, its pedestal (0 without a gap; not finite if it cannot be measured), ERR
    if it is needed, a digest of SCI, and whether all finite samples of SCI are equal.
    """

    image: FloatArray
    level: float
    errors: FloatArray | None
    digest: bytes
    is_constant: bool


class Minimum:
    """The minimum image of exposures minus their pedestals, folded in one by one.

    The order does not matter. Minimum images can be computed separately and merged.

    Attributes
    ----------
    gap : where the pedestals are measured (`badpix_selfcal.instrument.gap_of`); None: nowhere.
    pedestals : that of each exposure, in the unit of its SCI; NaN if the exposure was left out.
    used : the exposures folded in, without those left out.
    failed : the exposures that cannot be used, and why.
    constant : those whose SCI is constant.
    """

    def __init__(self, gap: Region | None) -> None:
        self.gap = gap
        self.pedestals: dict[Location, float] = {}
        self.used: list[Location] = []
        self.failed: dict[Location, Exception] = {}
        self.constant: list[Location] = []
        self._digests: dict[Location, bytes] = {}
        self._running = RunningMinimum()
        self._errors: MeanError | None = None

    def __sizeof__(self) -> int:
        """Return the size in memory. Dask needs it to avoid moves of large results."""
        image = 0 if self.image is None else self.image.nbytes
        return object.__sizeof__(self) + image + sys.getsizeof(self._errors)

    @property
    def image(self) -> FloatArray | None:
        """The minimum image; None before the first exposure."""
        return self._running.image

    @property
    def error(self) -> NDArray[np.float64] | None:
        """The mean ERR of the exposures; None if no sample of ERR is valid, or none was read."""
        return None if self._errors is None else self._errors.image()

    @property
    def left_out(self) -> list[Location]:
        """The exposures that were left out, for their pedestal cannot be measured."""
        return [path for path, level in self.pedestals.items() if level != level]

    @property
    def copies(self) -> dict[Location, Location]:
        """The exposures with the SCI of an earlier one, and that one: they add nothing."""
        first: dict[bytes, Location] = {}
        origins = {path: first.setdefault(self._digests[path], path) for path in self.used}
        return {path: origin for path, origin in origins.items() if path != origin}

    @property
    def n_exposures(self) -> int:
        """How many different exposures are combined."""
        return len(self.used) - len(self.copies)

    def fold(self, path: Location, found: Measured) -> None:
        """Fold in one exposure, unless its pedestal is not finite.

        Raises an ExposureError if its shape differs from that of the others.
        """
        image, level, errors, digest, is_constant = found
        if self.gap is not None:
            self.pedestals[path] = level if np.isfinite(level) else np.nan
        if not np.isfinite(level):
            log.debug("%s: left out, no pedestal", path)
            return
        if self.image is not None and image.shape != self.image.shape:
            raise ExposureError(
                f"{path}: SCI has shape {image.shape}, that of the others {self.image.shape}"
            )
        self._running.fold(image, level)
        if errors is not None:
            self._errors = self._errors or MeanError(image.shape)
            self._errors.add(errors)
        self.used.append(path)
        self._digests[path] = digest
        self.constant += [path] * is_constant
        log.debug("%s: combined, pedestal %.6g", path, level)

    def merge(self, other: Minimum) -> None:
        """Fold in the exposures of another minimum image with the same gap."""
        if other.image is not None:
            self._running.fold(other.image)
        if other._errors is not None:
            self._errors = self._errors or MeanError(other._errors.shape)
            self._errors.merge(other._errors)
        self.pedestals |= other.pedestals
        self.used += other.used
        self.failed |= other.failed
        self.constant += other.constant
        self._digests |= other._digests


def minimum_of(
    exposures: Iterable[Exposure],
    gap: Region | None,
    threads: Executor,
    *,
    with_errors: bool,
    ahead: int,
    done: Callable[[], None] = lambda: None,
) -> Minimum:
    """Combine exposures of one detector.

    Other threads read exposures, at most `ahead` of them before they are needed. This thread folds
    them in, and calls `done` after each. Memory does not grow with their number.
    """
    minimum, free = Minimum(gap), Free()

    def read(exposure: Exposure) -> Measured:
        return measured(exposure, gap, with_errors=with_errors, free=free)

    for exposure, future in in_order(threads, read, exposures, ahead):
        try:
            found = future.result()
            minimum.fold(exposure.path, found)
        except ExposureError as error:
            minimum.failed[exposure.path] = error
        else:
            # Memory that is used again is faster than new memory, and the peak does not grow. That
            # of ERR is kept for a while by the mean.
            if found.image.flags.writeable:
                free.append(found.image.ravel().view(np.uint8))
            del found
        done()
        del future  # which would keep the samples while the next exposure is read
    return minimum


def measured(
    exposure: Exposure, gap: Region | None, *, with_errors: bool, free: Free | None = None
) -> Measured:
    """Read an exposure and measure its pedestal; callable in any thread.

    Raises an ExposureError if it cannot be read, or was changed since its headers were read.
    """
    image = as_stored(exposure.science(free), "SCI")
    stored = exposure.error() if with_errors else None
    level = 0.0 if gap is None else pedestal(image, within(gap, image.shape))
    errors = None if stored is None else as_stored(stored, "ERR")
    return Measured(image, level, errors, _digest(image), _is_constant(image))


def in_order(
    threads: Executor, work: Callable[[_Item], _Found], items: Iterable[_Item], ahead: int
) -> Iterator[tuple[_Item, Future[_Found]]]:
    """Process items in other threads, at most `ahead` of them before they are needed.

    Yields each item with the future of its result, in the order of the items.
    """
    waiting: deque[tuple[_Item, Future[_Found]]] = deque()
    for item in items:
        waiting.append((item, threads.submit(work, item)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _digest(image: FloatArray) -> bytes:
    """Return a digest of the sums of rows and columns, the samples taken as integers.

    A digest of all samples takes tens of times as long.
    """
    words = image.view(f"u{image.itemsize}")
    digest = hashlib.blake2b(digest_size=16)
    for axis in (0, 1):
        digest.update(np.add.reduce(words, axis=axis, dtype=words.dtype))  # wraps around
    return digest.digest()


def _is_constant(image: FloatArray) -> bool:
    """Return whether all finite samples are equal, or there is none."""
    for part in (image[::APART, ::APART], image):  # as a rule a few samples are enough
        known = part[np.isfinite(part)]
        if known.size and known.min() != known.max():
            return False
    return True
