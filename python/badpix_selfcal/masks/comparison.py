"""The result of a comparison: the pixels that both files flag, or only one, and the differences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..arrays.summary import block, counted
from .flags import FileFlags
from .planes import PlaneDifference

__all__ = ["Comparison", "Counts"]


@dataclass(frozen=True)
class Counts:
    """How many pixels are flagged, and at which end.

    Attributes
    ----------
    number : int
        All of them.
    low, high : int or None
        Those flagged at the low and at the high end; None where that is not known.
    """

    number: int
    low: int | None = None
    high: int | None = None

    def __str__(self) -> str:
        ends = "" if self.low is None else f" ({self.low} low + {self.high} high)"
        return f"{self.number}{ends}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two files differ.

    Attributes
    ----------
    a, b : FileFlags
        The files and their flags, without those of `before`.
    planes : tuple of PlaneDifference
        Each extension of the files, if they are of the same kind; else empty.
    """

    a: FileFlags
    b: FileFlags
    planes: tuple[PlaneDifference, ...]

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
        return {
            "a": _counts(self.a.flags, self.a),
            "b": _counts(self.b.flags, self.b),
            "both": _counts(self.both, self.b if self.a.low is None else self.a),
            "only_a": _counts(self.only_a, self.a),
            "only_b": _counts(self.only_b, self.b),
        }

    @cached_property
    def other_end(self) -> int | None:
        """How many pixels are flagged at different ends; None where the ends are not known."""
        if self.a.low is None or self.b.low is None:
            return None
        return int(np.count_nonzero(self.both & (self.a.low != self.b.low)))

    @cached_property
    def jaccard(self) -> float:
        """The pixels in both over those in any of them, 0 to 1; 1 if no pixel is flagged."""
        either = int(np.count_nonzero(self.a.flags | self.b.flags))
        return self.counts["both"].number / either if either else 1.0

    @cached_property
    def same_flags(self) -> bool:
        """Whether both files flag the same pixels."""
        return bool(np.array_equal(self.a.flags, self.b.flags))

    @property
    def is_equal(self) -> bool:
        """Whether both files flag the same pixels and all their extensions are equal."""
        return self.same_flags and all(plane.is_equal for plane in self.planes)

    def __repr__(self) -> str:
        counts, a, b = self.counts, self.a, self.b
        elsewhere = self.other_end or 0
        lines = {
            "A": f"{counts['a']} flagged in the {a.kind} {a.path}",
            "B": f"{counts['b']} flagged in the {b.kind} {b.path}",
            "both": f"{counts['both']}",
            "only A": f"{counts['only_a']}",
            "only B": f"{counts['only_b']}",
            "Jaccard": f"{self.jaccard:.6g}",
            "ends": f"{counted(elsewhere, 'pixel')} flagged at different ends" * bool(elsewhere),
            "equal": ", ".join(plane.name for plane in self.planes if plane.is_equal),
        }
        alike: dict[str, list[str]] = {}
        for plane in self.planes:
            if not plane.is_equal:
                alike.setdefault(str(plane), []).append(plane.name)
        differing = (f"  differ    {', '.join(names)}: {how}" for how, names in alike.items())
        return "\n".join([block(_verdict(self), lines), *differing])


def _verdict(found: Comparison) -> str:
    """Return in a few words whether and how two files differ."""
    only_a, only_b = (found.counts[name].number for name in ("only_a", "only_b"))
    if only_a or only_b:
        return f"A and B differ: {counted(only_a, 'pixel')} flagged only in A, {only_b} only in B"
    if found.is_equal:
        return "A and B are equal" if found.planes else "A and B flag the same pixels"
    differing = ", ".join(plane.name for plane in found.planes if not plane.is_equal)
    return f"A and B flag the same pixels, but differ in {differing}"


def _counts(pixels: NDArray[np.bool_], by: FileFlags) -> Counts:
    number = int(np.count_nonzero(pixels))
    if by.low is None or by.high is None:
        return Counts(number)
    low, high = (int(np.count_nonzero(pixels & end)) for end in (by.low, by.high))
    return Counts(number, low, high)
