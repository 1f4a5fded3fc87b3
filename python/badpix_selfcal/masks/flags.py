"""The flags of a file: of a flagged copy, or of a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import instrument
from ..errors import ExposureError
from ..files.content import Content
from ..files.location import Location
from ..files.primary_header import value_in
from ..step.given_mask import bits_of
from .frame import Frame

__all__ = ["TABLES", "FileFlags", "FileKind", "flags_in"]

FileKind: TypeAlias = Literal["exposure", "mask"]
"""A file with SCI is an exposure, one with DQ only is a mask."""

TABLES: Final = ("DQ_DEF", "PIXELS")
"""The tables of a mask that say what its flags mean."""


@dataclass(frozen=True, eq=False)
class FileFlags:
    """Which pixels a file flags.

    Attributes
    ----------
    frame : Frame
        The file, and which pixels it describes.
    kind : {"exposure", "mask"}
        What it is.
    flags : ndarray of bool, shape (rows, cols)
        The flagged pixels. In an exposure those with both OTHER_BAD_PIXEL and DO_NOT_USE in DQ,
        which self-calibration sets; in a mask those with DO_NOT_USE.
    low, high : ndarray of bool, shape (rows, cols), or None
        The pixels flagged at either end; None where that is not known: only masks of this package
        say it.
    """

    frame: Frame
    kind: FileKind
    flags: NDArray[np.bool_]
    low: NDArray[np.bool_] | None = None
    high: NDArray[np.bool_] | None = None

    @property
    def path(self) -> Location:
        """The file."""
        return self.frame.path

    @cached_property
    def number(self) -> int:
        """How many pixels it flags."""
        return int(np.count_nonzero(self.flags))

    def without(self, known: NDArray[np.bool_]) -> FileFlags:
        """Return the flags without some pixels."""
        low, high = (None if end is None else end & ~known for end in (self.low, self.high))
        return replace(self, flags=self.flags & ~known, low=low, high=high)


def flags_in(content: Content) -> FileFlags:
    """Return the flags of a file that has been read.

    Raises
    ------
    ExposureError
        If it has no DQ, or its DQ is not an image of unsigned integers.
    """
    path, quality = content.path, content.images.get("DQ")
    if quality is None:
        raise ExposureError(f"{path}: has no DQ extension, so no pixel is flagged in it")
    if quality.ndim != 2:
        raise ExposureError(f"{path}: DQ must be 2-D, got shape {quality.shape}")
    if quality.dtype.kind not in "iu":
        raise ExposureError(f"{path}: DQ must hold integers, got {quality.dtype}")
    is_exposure = "SCI" in content.images
    frame = Frame.of(path, lambda name: value_in(path, content.header, name), quality.shape)
    bits = quality.astype(np.int64)
    if is_exposure:
        return FileFlags(frame, "exposure", bits & instrument.BAD == instrument.BAD)
    flags = bits & bits_of(content.decoded.get("DQ_DEF", {}), path) != 0
    return FileFlags(frame, "mask", flags, *_ends(content, flags))


def _ends(
    content: Content, flags: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | tuple[None, None]:
    """Return the pixels at either end, as PIXELS lists them, if it lists exactly those flagged."""
    columns = _columns(content, "PIXELS", {"x": "iu", "y": "iu", "end": "U"})
    if columns is None:
        return None, None
    x, y, ends = columns
    rows, cols = flags.shape
    if not np.all((y >= 0) & (y < rows) & (x >= 0) & (x < cols)):
        return None, None
    low, high = np.zeros_like(flags), np.zeros_like(flags)
    for name, image in (("low", low), ("high", high)):
        at = np.char.strip(ends) == name
        image[y[at], x[at]] = True
    return (low, high) if np.array_equal(low | high, flags) else (None, None)


def _columns(content: Content, table: str, kinds: Mapping[str, str]) -> list[NDArray[Any]] | None:
    """Return columns of a table; None if one is absent, or is not of the kind that it should be."""
    columns = {name.lower(): each for name, each in content.decoded.get(table, {}).items()}
    found = []
    for name, kind in kinds.items():
        column = columns.get(name.lower())
        if column is None or column.ndim != 1 or column.dtype.kind not in kind:
            return None
        found.append(column)
    return found
