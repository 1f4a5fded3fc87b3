"""Compares two results of one exposure, two masks, or one of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays.display import block, counted
from ..errors import ExposureError
from ..files.fits_file import open_fits
from ..files.paths import AnyLocation, Location, locate
from ..instrument import BAD, names_of
from .mask import Mask, detector_in, subarray_in
from .mask_file import mask_in

__all__ = [
    "Comparison",
    "Counts",
    "Difference",
    "FileFlags",
    "Frame",
    "compare",
    "frame_of",
    "require_same_pixels",
]

ABOUT_THE_FILE: Final = ("ASDF", "MEMBERS")
"""The tables that say how a file was made, as its headers do: they are not compared."""

Frame: TypeAlias = tuple[Location, str, str, tuple[int, ...]]
"""The pixels that a file describes: its path, detector and subarray (empty if any), and shape."""

Plane: TypeAlias = NDArray[Any] | bytes
"""The samples of an image, or the bytes of a table as they are stored."""


@dataclass(frozen=True)
class Counts:
    """How many pixels are flagged: all, and those at the low and the high end, if it is known."""

    number: int
    low: int | None = None
    high: int | None = None

    def __str__(self) -> str:
        ends = "" if self.low is None else f" ({self.low} low + {self.high} high)"
        return f"{self.number}{ends}"


@dataclass(frozen=True, eq=False)
class FileFlags:
    """Which pixels a file flags.

    Attributes
    ----------
    frame : tuple
        The file, its detector and subarray (empty if any), and its shape.
    kind : {"exposure", "mask"}
        What it is: a file with SCI is an exposure.
    flags : ndarray of bool, shape (rows, cols)
        The flagged pixels. In an exposure those with both OTHER_BAD_PIXEL and DO_NOT_USE in DQ,
        which self-calibration sets; in a mask those with DO_NOT_USE.
    low : ndarray of bool, shape (rows, cols), or None
        Those at the low end; None where that is not known: only masks of this package say it.
    """

    frame: Frame
    kind: Literal["exposure", "mask"]
    flags: NDArray[np.bool_]
    low: NDArray[np.bool_] | None = None

    @property
    def path(self) -> Location:
        """The file."""
        return self.frame[0]

    def counts(self, pixels: NDArray[np.bool_]) -> Counts:
        """Return how many of some flagged pixels there are at each end."""
        number = int(np.count_nonzero(pixels))
        if self.low is None:
            return Counts(number)
        low = int(np.count_nonzero(pixels & self.low))
        return Counts(number, low, number - low)


@dataclass(frozen=True)
class Difference:
    """How an extension of file A differs from that of the same name in file B.

    Attributes
    ----------
    name : str
        The name of the extension; a second one of a name is ``NAME,2``.
    unit : {"sample", "byte"}
        What is compared: the samples of an image, or the bytes of a table.
    samples : int
        How many there are; 0 if they cannot be compared one by one.
    differing : int
        How many of them differ. NaN equals NaN; other samples are equal if all their bits are.
    invalid : int
        How many of these are NaN or infinite in A or in B.
    elsewhere : int
        How many of these are in pixels that both files flag, or neither: flags do not explain them.
    largest : float
        The largest difference between two finite samples; 0 if there is none.
    bits : int
        The bits in which two unsigned integers differ, such as those of DQ; 0 for other types.
    problem : str
        Why the samples cannot be compared, or what differs besides them; empty if nothing.
    """

    name: str
    unit: Literal["sample", "byte"] = "sample"
    samples: int = 0
    differing: int = 0
    invalid: int = 0
    elsewhere: int = 0
    largest: float = 0.0
    bits: int = 0
    problem: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether the extensions are equal."""
        return self.differing == 0 and not self.problem

    def __str__(self) -> str:
        if self.differing == 0:
            return self.problem or "equal"
        texts = [self.problem, f"{self.differing} of {counted(self.samples, self.unit)}"]
        if self.bits:
            texts.append(f"in {names_of(self.bits)}")
        elif self.differing > self.invalid and self.unit == "sample":
            texts.append(f"by at most {self.largest:.6g}")
        if self.invalid:
            texts.append(f"{self.invalid} NaN or infinite in one")
        if self.elsewhere and self.unit == "sample":
            texts.append(f"{self.elsewhere} where the flags are the same")
        return ", ".join(filter(None, texts))


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two files differ.

    Attributes
    ----------
    a, b : FileFlags
        The files and their flags, without those of `before`.
    planes : tuple of Difference
        Each extension of the files, if they are of the same kind; else empty.
    """

    a: FileFlags
    b: FileFlags
    planes: tuple[Difference, ...]

    @property
    def both(self) -> NDArray[np.bool_]:
        """The pixels that both files flag, shape (rows, cols)."""
        return self.a.flags & self.b.flags

    @property
    def only_a(self) -> NDArray[np.bool_]:
        """The pixels that only A flags, shape (rows, cols)."""
        return self.a.flags & ~self.b.flags

    @property
    def only_b(self) -> NDArray[np.bool_]:
        """The pixels that only B flags, shape (rows, cols)."""
        return self.b.flags & ~self.a.flags

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """The counts of ``a``, ``b``, ``both``, ``only_a`` and ``only_b``.

        The ends of the pixels in both are those that A says, or B if A does not.
        """
        a, b = self.a, self.b
        return {
            "a": a.counts(a.flags),
            "b": b.counts(b.flags),
            "both": (b if a.low is None else a).counts(self.both),
            "only_a": a.counts(self.only_a),
            "only_b": b.counts(self.only_b),
        }

    @property
    def other_end(self) -> int | None:
        """How many pixels are flagged at different ends; None where the ends are not known."""
        if self.a.low is None or self.b.low is None:
            return None
        return int(np.count_nonzero(self.both & (self.a.low != self.b.low)))

    @property
    def jaccard(self) -> float:
        """The pixels in both over those in any of them, 0 to 1; 1 if no pixel is flagged."""
        either = int(np.count_nonzero(self.a.flags | self.b.flags))
        return self.counts["both"].number / either if either else 1.0

    @property
    def same_flags(self) -> bool:
        """Whether both files flag the same pixels."""
        return bool(np.array_equal(self.a.flags, self.b.flags))

    @property
    def is_equal(self) -> bool:
        """Whether both files flag the same pixels and all their extensions are equal."""
        return self.same_flags and all(plane.is_equal for plane in self.planes)

    def __repr__(self) -> str:
        elsewhere = self.other_end or 0
        a, b, both, only_a, only_b = map(str, self.counts.values())
        lines = {
            "A": f"{a} flagged in the {self.a.kind} {self.a.path}",
            "B": f"{b} flagged in the {self.b.kind} {self.b.path}",
            "both": both,
            "only A": only_a,
            "only B": only_b,
            "Jaccard": f"{self.jaccard:.6g}",
            "ends": f"{counted(elsewhere, 'pixel')} flagged at different ends" * bool(elsewhere),
            "equal": ", ".join(plane.name for plane in self.planes if plane.is_equal),
        }
        alike: dict[str, list[str]] = {}
        for plane in self.planes:
            if not plane.is_equal:
                alike.setdefault(str(plane), []).append(plane.name)
        differing = (f"  differ    {', '.join(names)}: {how}" for how, names in alike.items())
        return "\n".join([block(self._verdict(), lines), *differing])

    def _verdict(self) -> str:
        only_a, only_b = (self.counts[name].number for name in ("only_a", "only_b"))
        if only_a or only_b:
            pixels = counted(only_a, "pixel")
            return f"A and B differ: {pixels} flagged only in A, {only_b} only in B"
        if self.is_equal:
            return "A and B are equal" if self.planes else "A and B flag the same pixels"
        differing = ", ".join(plane.name for plane in self.planes if not plane.is_equal)
        return f"A and B flag the same pixels, but differ in {differing}"


def compare(a: AnyLocation, b: AnyLocation, *, before: AnyLocation | None = None) -> Comparison:
    """Compare the flags, and the samples, of two files: `bps.compare` without picture."""
    (one, planes), (other, others) = _read(locate(a)), _read(locate(b))
    if before is not None:
        former, _ = _read(locate(before))
        if former.kind != "exposure":
            raise ExposureError(f"{former.path}: has no SCI extension; give the exposure (_rate)")
        require_same_pixels([one.frame, other.frame, former.frame])
        one, other = (replace(each, flags=each.flags & ~former.flags) for each in (one, other))
    require_same_pixels([one.frame, other.frame])
    if one.kind != other.kind:
        return Comparison(one, other, ())
    same_flags = one.flags == other.flags
    names = [name for name in planes | others if name.split(",")[0] not in ABOUT_THE_FILE]
    differences = (
        _difference(name, planes.get(name), others.get(name), same_flags) for name in names
    )
    return Comparison(one, other, tuple(differences))


def require_same_pixels(frames: Sequence[Frame]) -> None:
    """Refuse files whose pixels do not correspond.

    A file without DETECTOR goes with any detector.

    Raises
    ------
    ValueError
        If one differs from the first in detector, subarray or shape.
    """
    first, _, first_subarray, first_shape = frames[0]
    known, known_detector, *_ = next((frame for frame in frames if frame[1]), frames[0])
    for path, detector, subarray, shape in frames:
        if detector not in ("", known_detector):
            raise ValueError(
                f"{path}: is of {detector}, {known} is of {known_detector}; give files of one "
                "detector"
            )
        if subarray != first_subarray:
            raise ValueError(
                f"{path}: is of the subarray {subarray or 'FULL'}, {first} of "
                f"{first_subarray or 'FULL'}; give files of one subarray"
            )
        if shape != first_shape:
            raise ValueError(
                f"{path}: has shape {shape}, {first} has {first_shape}; give files of one shape"
            )


def frame_of(mask: Mask) -> Frame:
    """Return the pixels that a mask describes."""
    return mask.source or Path(mask.name), mask.detector, mask.subarray or "", mask.flags.shape


def _read(path: Location) -> tuple[FileFlags, dict[str, Plane]]:
    """Return the flags of a file, and its extensions."""
    with open_fits(path) as hdus:
        planes = _planes(hdus)
        quality, cards = planes.get("DQ"), hdus[0].header
        if not isinstance(quality, np.ndarray):
            raise ExposureError(f"{path}: has no DQ extension, so no pixel is flagged in it")
        if quality.ndim != 2:
            raise ExposureError(f"{path}: DQ must be 2-D, got shape {quality.shape}")
        if quality.dtype.kind not in "iu":
            raise ExposureError(f"{path}: DQ must hold integers, got {quality.dtype}")
        if "SCI" not in planes:
            mask = mask_in(hdus, path)
            low = None if mask.bad_pixels is None else mask.bad_pixels.low
            return FileFlags(frame_of(mask), "mask", mask.flags, low), planes
        frame = (path, detector_in(cards), subarray_in(cards), quality.shape)
        return FileFlags(frame, "exposure", quality.astype(np.int64) & BAD == BAD), planes


def _planes(hdus: Any) -> dict[str, Plane]:
    """Return the extensions of an open file by name; a second one of a name is ``NAME,2``."""
    planes: dict[str, Plane] = {}
    seen: Counter[str] = Counter()
    for number, hdu in enumerate(hdus):
        name = hdu.name.upper() or f"EXTENSION {number}"
        seen[name] += 1
        key = name if seen[name] == 1 else f"{name},{seen[name]}"
        if not hdu.is_image:
            place = hdu.fileinfo()
            place["file"].seek(place["datLoc"])
            planes[key] = place["file"].read(hdu.size)
        elif hdu.data is not None:
            planes[key] = np.array(hdu.data, hdu.data.dtype.newbyteorder("="))
    return planes


def _difference(
    name: str, a: Plane | None, b: Plane | None, same_flags: NDArray[np.bool_]
) -> Difference:
    if a is None or b is None:
        return Difference(name, problem=f"only in {'B' if a is None else 'A'}")
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return _of_images(name, a, b, same_flags)
    if not (isinstance(a, bytes) and isinstance(b, bytes)):
        return Difference(name, problem="an image in one, a table in the other")
    if len(a) != len(b):
        return Difference(name, problem=f"{len(a)} bytes in A, {len(b)} in B")
    differing = int(np.count_nonzero(np.frombuffer(a, np.uint8) != np.frombuffer(b, np.uint8)))
    return Difference(name, "byte", len(a), differing, elsewhere=differing)


def _of_images(
    name: str, a: NDArray[Any], b: NDArray[Any], same_flags: NDArray[np.bool_]
) -> Difference:
    if a.shape != b.shape:
        return Difference(name, problem=f"shape {a.shape} in A, {b.shape} in B")
    if a.dtype == b.dtype:
        words = np.dtype(f"u{a.dtype.itemsize}")
        differ = a.view(words) != b.view(words)
    else:
        differ = a != b
    differ &= ~(np.isnan(a) & np.isnan(b))
    one, other = a[differ], b[differ]
    finite = np.isfinite(one) & np.isfinite(other)
    with np.errstate(over="ignore"):  # then it is infinite
        apart = np.abs(one[finite].astype(np.float64) - other[finite].astype(np.float64))
    has_bits = a.dtype.kind == b.dtype.kind == "u"
    # Pixels are the last two axes; a cube has several samples in each.
    has_pixels = a.shape[-2:] == same_flags.shape
    return Difference(
        name,
        samples=a.size,
        differing=one.size,
        invalid=one.size - int(np.count_nonzero(finite)),
        elsewhere=int(np.count_nonzero(differ & same_flags)) if has_pixels else one.size,
        largest=float(apart.max(initial=0.0)),
        bits=int(np.bitwise_or.reduce(one ^ other)) if has_bits and one.size else 0,
        problem="" if a.dtype == b.dtype else f"{a.dtype} in A, {b.dtype} in B",
    )
