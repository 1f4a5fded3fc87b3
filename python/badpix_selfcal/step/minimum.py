"""The minimum image of a group's exposures, computed from one exposure after the other."""

from __future__ import annotations

import hashlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import nullcontext, suppress
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeanError, RunningMinimum, pedestal
from ..arrays.checks import FloatArray, as_stored
from ..arrays.images import NOISIER, has_zeros, least_noise, noise_of, unmeasured
from ..errors import ExposureError, log
from ..files.exposure import Exposure, Free, Samples
from ..files.paths import Location
from ..instrument import Region, within

APART: Final = 31
"""Every so many rows and columns hold a sample that shows whether an image is constant."""

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


class Measured(NamedTuple):
    """One exposure: SCI, its pedestal (0 without a gap; not finite if it cannot be measured), ERR
    if it is needed, a digest of SCI, and whether all finite samples of SCI are equal; its noise,
    and whether zeros stand for measurements that are missing.
    """

    image: FloatArray
    level: float
    errors: FloatArray | None
    digest: bytes
    is_constant: bool
    noise: float
    has_zeros: bool


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
    zeros : those in which zeros stand for measurements that are missing.
    """

    def __init__(self, gap: Region | None) -> None:
        self.gap = gap
        self.pedestals: dict[Location, float] = {}
        self.used: list[Location] = []
        self.failed: dict[Location, Exception] = {}
        self.constant: list[Location] = []
        self.zeros: list[Location] = []
        self._noise: dict[Location, float] = {}
        self._least: dict[bytes, float] = {}
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
    def noise(self) -> dict[Location, float]:
        """The noise of exposures with a pedestal and ERR, relative to the least (`least_noise`)."""
        least = least_noise(self._least.values())
        return {path: noise / least for path, noise in self._noise.items() if least == least}

    @property
    def n_exposures(self) -> int:
        """How many different exposures are combined."""
        return len(self.used) - len(self.copies)

    def fold(self, path: Location, found: Measured) -> None:
        """Fold in one exposure, unless its pedestal is not finite, or it is too noisy and has ERR.

        Raises an ExposureError if its shape differs from that of the others.
        """
        image, level, errors, digest, is_constant, noise, has_zeros = found
        if self.gap is not None:
            self.pedestals[path] = level if np.isfinite(level) else np.nan
        if not np.isfinite(level):
            log.debug("%s: left out, no pedestal", path)
            return
        if self.image is not None and image.shape != self.image.shape:
            raise ExposureError(
                f"{path}: SCI has shape {image.shape}, that of the others {self.image.shape}"
            )
        if np.isfinite(noise):
            self._noise[path] = noise
            self._compare({digest: noise})
        if errors is not None and noise > NOISIER * least_noise(self._least.values()):
            log.debug("%s: left out, noise %.6g", path, noise)
            return
        self._running.fold(image, level)
        if errors is not None:
            self._errors = self._errors or MeanError(image.shape)
            self._errors.add(errors)
        self.used.append(path)
        self._digests[path] = digest
        self.constant += [path] * is_constant
        self.zeros += [path] * has_zeros
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
        self.zeros += other.zeros
        self._noise |= other._noise
        self._compare(other._least)
        self._digests |= other._digests

    def replaced(self, by: Minimum) -> Minimum:
        """Return the minimum image of some of these exposures, with what is known of all."""
        by.pedestals, by.failed = self.pedestals | by.pedestals, self.failed | by.failed
        by._noise, by._least = self._noise, self._least
        return by

    def _compare(self, noises: Mapping[bytes, float]) -> None:
        """Keep the two least noises of different exposures, by their digests."""
        known = (self._least | dict(noises)).items()
        self._least = dict(sorted(known, key=lambda each: each[1])[:2])


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
    stored = exposure.error() if with_errors else exposure.some_errors()
    errors = None if stored is None else as_stored(stored, "ERR")
    noise = np.nan if errors is None else noise_of(errors)
    lost = None
    if has_zeros(image):
        with nullcontext() if with_errors else suppress(ExposureError):  # read for a warning only
            lost = _unmeasured(exposure, image, errors if with_errors else exposure.error())
    if with_errors and lost is not None:
        image = np.where(lost, image.dtype.type(np.nan), image)
    level = 0.0 if gap is None else pedestal(image, within(gap, image.shape))
    is_constant, digest = _is_constant(image), _digest(image)
    kept = errors if with_errors else None
    return Measured(image, level, kept, digest, is_constant, noise, lost is not None)


def _unmeasured(
    exposure: Exposure, image: FloatArray, errors: Samples | None
) -> NDArray[np.bool_] | None:
    """Return the pixels whose zeros are no measurements; None if there are none."""
    dq = exposure.dq()
    if errors is None or dq is None or dq.shape != image.shape:
        return None
    lost = unmeasured(image, errors, dq)
    return lost if lost.any() else None


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
