"""Compares two results of one exposure, two masks, or one of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays.display import block, counted, linked
from ..errors import ExposureError, visible
from ..files.fits_file import open_fits
from ..files.paths import AnyLocation, Location, locate
from ..instrument import BAD, names_of
from .mask import Mask, mask_in

ABOUT_THE_FILE: Final = ("ASDF", "MEMBERS")
"""The tables that say how a file was made, as its headers do: they are not compared."""

Kind: TypeAlias = Literal["exposure", "mask"]
"""What a file is: one with SCI is an exposure."""

Planes: TypeAlias = dict[str, NDArray[Any]]
"""Extensions by name: the samples of an image, or the bytes of a table (of dtype V1)."""


@dataclass(frozen=True)
class Counts:
    """How many pixels are flagged: all, and those at the low and the high end, if it is known."""

    number: int
    low: int | None = None
    high: int | None = None

    def __str__(self) -> str:
        ends = "" if self.low is None else f" ({self.low} low + {self.high} high)"
        return f"{self.number}{ends}"


@dataclass(frozen=True)
class Difference:
    """How an extension of file A differs from that of the same name in file B.

    Attributes
    ----------
    name : str
        The name of the extension; a second one of a name is ``NAME,2``.
    unit : {"sample", "byte"}
        What is compared: the samples of an image, or the bytes of a table.
    samples, differing : int
        How many there are (0 if they cannot be compared one by one), and how many differ. NaN
        equals NaN; other samples are equal if all their bits are.
    invalid, elsewhere : int
        How many of these are NaN or infinite in A or in B; and how many are in pixels that both
        files flag, or neither: flags do not explain them.
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
    a, b : Mask
        The flags of the files, without those of `before`. In an exposure, pixels with both
        OTHER_BAD_PIXEL and DO_NOT_USE in DQ are flagged, which self-calibration sets.
    kinds : tuple of {"exposure", "mask"}
        What A and B are.
    planes : tuple of Difference
        Each extension of the files, if they are of the same kind; else empty.
    picture : path, URL or None
        The picture that was drawn of it.
    """

    a: Mask
    b: Mask
    kinds: tuple[Kind, Kind]
    planes: tuple[Difference, ...]
    picture: Location | None = None

    def _repr_html_(self) -> str:
        return linked(self, self.picture, self.a.page, self.b.page)

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
            "a": _counts(a.flags, a),
            "b": _counts(b.flags, b),
            "both": _counts(self.both, b if a.bad_pixels is None else a),
            "only_a": _counts(self.only_a, a),
            "only_b": _counts(self.only_b, b),
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
        a, b, both, only_a, only_b = map(str, self.counts.values())
        elsewhere = self.other_end or 0
        lines = {
            "A": f"{a} flagged in the {self.kinds[0]} {self.a.title}",
            "B": f"{b} flagged in the {self.kinds[1]} {self.b.title}",
            "both": both,
            "only A": only_a,
            "only B": only_b,
            "Jaccard": f"{self.jaccard:.6g}",
            "ends": f"{counted(elsewhere, 'pixel')} flagged at different ends" * bool(elsewhere),
            "equal": ", ".join(plane.name for plane in self.planes if plane.is_equal),
        }
        alike: dict[str, list[str]] = {}
        for plane in (each for each in self.planes if not each.is_equal):
            alike.setdefault(str(plane), []).append(plane.name)
        differing = [f"  differ    {', '.join(names)}: {how}" for how, names in alike.items()]
        n_a, n_b = (self.counts[name].number for name in ("only_a", "only_b"))
        if n_a or n_b:
            head = f"A and B differ: {counted(n_a, 'pixel')} flagged only in A, {n_b} only in B"
        elif self.is_equal:
            head = "A and B are equal" if self.planes else "A and B flag the same pixels"
        else:
            names = ", ".join(plane.name for plane in self.planes if not plane.is_equal)
            head = f"A and B flag the same pixels, but differ in {names}"
        return "\n".join([block(head, lines), *map(visible, differing)])


def compare(a: AnyLocation, b: AnyLocation, *, before: AnyLocation | None = None) -> Comparison:
    """Compare the flags, and the samples, of two files: `bps.compare` without picture."""
    (one, kind, planes), (other, other_kind, others) = _read(locate(a)), _read(locate(b))
    if before is not None:
        former, former_kind, _ = _read(locate(before))
        if former_kind != "exposure":
            raise ExposureError(f"{former.source}: has no SCI extension; give the exposure (_rate)")
        require_same_pixels([one, other, former])
        one, other = _without(one, former.flags), _without(other, former.flags)
    require_same_pixels([one, other])
    names: list[str] = []
    if kind == other_kind:
        names = [name for name in planes | others if name.split(",")[0] not in ABOUT_THE_FILE]
    same_flags = one.flags == other.flags
    found = (_difference(each, planes.get(each), others.get(each), same_flags) for each in names)
    return Comparison(one, other, (kind, other_kind), tuple(found))


def require_same_pixels(masks: Sequence[Mask]) -> None:
    """Raise a ValueError if the detectors, subarrays or shapes of masks differ."""
    for one, other in combinations(masks, 2):
        if problem := one.refusal(other):
            raise ValueError(problem)


def _counts(pixels: NDArray[np.bool_], mask: Mask) -> Counts:
    """Count pixels that a mask flags, at each end if it says them."""
    number = int(np.count_nonzero(pixels))
    if mask.low is None:
        return Counts(number)
    low = int(np.count_nonzero(pixels & mask.low))
    return Counts(number, low, number - low)


def _without(mask: Mask, pixels: NDArray[np.bool_]) -> Mask:
    flags, found = mask.flags & ~pixels, mask.bad_pixels
    return replace(mask, flags=flags, bad_pixels=found and replace(found, mask=flags))


def _read(path: Location) -> tuple[Mask, Kind, Planes]:
    """Return the flags of a file, what it is, and its extensions."""
    with open_fits(path) as hdus:
        planes = _planes(hdus)
        if "SCI" not in planes and "DQ" in planes:
            return mask_in(hdus, path), "mask", planes
        quality = planes.get("DQ", np.empty(0))
        if quality.ndim != 2 or quality.dtype.kind not in "iu":
            raise ExposureError(
                f"{path}: has no DQ extension with a 2-D image of integers, so no pixel is flagged "
                "in it"
            )
        keywords = ("DETECTOR", "SUBARRAY", "SUBSTRT1", "SUBSTRT2")
        about = {keyword: str(hdus[0].header.get(keyword, "")) for keyword in keywords}
        flags = quality.astype(np.int64) & BAD == BAD
        return Mask(name=path.name, flags=flags, about=about, source=path), "exposure", planes


def _planes(hdus: Any) -> Planes:
    """Return the extensions of an open file by name; a second one of a name is ``NAME,2``."""
    planes: Planes = {}
    names: list[str] = []
    for number, hdu in enumerate(hdus):
        names.append(hdu.name.upper() or f"EXTENSION {number}")
        count = names.count(names[-1])
        key = names[-1] if count == 1 else f"{names[-1]},{count}"
        if not hdu.is_image:
            place = hdu.fileinfo()
            place["file"].seek(place["datLoc"])
            planes[key] = np.frombuffer(place["file"].read(hdu.size), "V1")
        elif hdu.data is not None:
            planes[key] = np.array(hdu.data, hdu.data.dtype.newbyteorder("="))
    return planes


def _difference(
    name: str, a: NDArray[Any] | None, b: NDArray[Any] | None, same_flags: NDArray[np.bool_]
) -> Difference:
    if a is None or b is None:
        return Difference(name, problem=f"only in {'B' if a is None else 'A'}")
    is_table = a.dtype.kind == "V"
    if is_table != (b.dtype.kind == "V"):
        return Difference(name, problem="an image in one, a table in the other")
    if a.shape != b.shape:
        sizes = f"{a.size} bytes in A, {b.size} in B"
        shapes = f"shape {a.shape} in A, {b.shape} in B"
        return Difference(name, problem=sizes if is_table else shapes)
    is_same_type = a.dtype == b.dtype
    words = f"u{a.dtype.itemsize}"
    differ = a.view(words) != b.view(words) if is_same_type else a != b
    if is_table:
        differing = int(np.count_nonzero(differ))
        return Difference(name, "byte", a.size, differing, elsewhere=differing)
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
        problem="" if is_same_type else f"{a.dtype} in A, {b.dtype} in B",
    )
