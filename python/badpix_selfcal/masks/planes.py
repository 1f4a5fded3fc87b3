"""In which samples two images, or two tables, differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays.summary import counted
from ..files.content import Content
from ..instrument import names_of

__all__ = ["PlaneDifference", "compare_planes"]

ABOUT_THE_FILE: Final = ("ASDF", "MEMBERS")
"""The tables that say how a file was made, as its headers do: they are not compared."""


@dataclass(frozen=True)
class PlaneDifference:
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


def compare_planes(
    a: Content, b: Content, same_flags: NDArray[np.bool_]
) -> tuple[PlaneDifference, ...]:
    """Compare all extensions of two files, in the order of the first.

    Parameters
    ----------
    a, b : Content
        The files.
    same_flags : ndarray of bool, shape (rows, cols)
        The pixels that both files flag, or neither.
    """

    def image(name: str) -> PlaneDifference:
        return _of_images(name, a.images[name], b.images[name], same_flags)

    def table(name: str) -> PlaneDifference:
        return _of_bytes(name, a.tables[name], b.tables[name])

    return (
        *_in_both(a.images, b.images, image),
        *_in_both(a.tables, b.tables, table),
    )


def _in_both(
    a: Mapping[str, Any], b: Mapping[str, Any], compare: Callable[[str], PlaneDifference]
) -> list[PlaneDifference]:
    names = [name for name in {**a, **b} if name.split(",")[0] not in ABOUT_THE_FILE]
    return [
        compare(name)
        if name in a and name in b
        else PlaneDifference(name, problem=f"only in {'A' if name in a else 'B'}")
        for name in names
    ]


def _of_images(
    name: str, a: NDArray[Any], b: NDArray[Any], same_flags: NDArray[np.bool_]
) -> PlaneDifference:
    if a.shape != b.shape:
        return PlaneDifference(name, problem=f"shape {a.shape} in A, {b.shape} in B")
    a, b = (each.astype(each.dtype.newbyteorder("="), copy=False) for each in (a, b))
    problem = "" if a.dtype == b.dtype else f"{a.dtype} in A, {b.dtype} in B"
    differ = ~_equal(a, b)
    one, other = a[differ], b[differ]
    finite = np.isfinite(one) & np.isfinite(other)
    # Pixels are the last two axes; a cube has several samples in each.
    has_pixels = a.shape[-2:] == same_flags.shape
    return PlaneDifference(
        name,
        samples=a.size,
        differing=one.size,
        invalid=one.size - int(np.count_nonzero(finite)),
        elsewhere=int(np.count_nonzero(differ & same_flags)) if has_pixels else one.size,
        largest=_largest(one[finite], other[finite]),
        bits=_bits(one, other),
        problem=problem,
    )


def _equal(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    both_nan = np.isnan(a) & np.isnan(b)
    if a.dtype == b.dtype:
        words = np.dtype(f"u{a.dtype.itemsize}")
        a, b = (np.ascontiguousarray(each).view(words) for each in (a, b))
    return np.asarray((a == b) | both_nan)


def _largest(a: NDArray[Any], b: NDArray[Any]) -> float:
    with np.errstate(over="ignore"):  # then it is infinite
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return float(apart.max(initial=0.0))


def _bits(a: NDArray[Any], b: NDArray[Any]) -> int:
    if a.dtype.kind != "u" or b.dtype.kind != "u":
        return 0
    return int(np.bitwise_or.reduce(a ^ b)) if a.size else 0


def _of_bytes(name: str, a: bytes, b: bytes) -> PlaneDifference:
    if len(a) != len(b):
        return PlaneDifference(name, problem=f"{len(a)} bytes in A, {len(b)} in B")
    one, other = (np.frombuffer(each, np.uint8) for each in (a, b))
    differing = int(np.count_nonzero(one != other))
    return PlaneDifference(name, "byte", len(a), differing, elsewhere=differing)
