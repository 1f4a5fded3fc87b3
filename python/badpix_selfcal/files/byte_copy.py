"""A file's bytes, read from front to back and copied to another file.

Measured on ext4: reading a plane, patching it in memory and writing it takes a third of the time
of a copy by the operating system followed by patches through a memory map, because nearly every
page has flagged pixels. Long stretches of an unflagged copy are copied by the operating system. It
shares the data between both files where the file system can, and a network file system copies on
its server. A flagged copy is summed while it is written (`badpix_selfcal.files.digest`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ExposureError
from .digest import Summed
from .fits_bytes import CHUNK
from .input_file import CHANGED, InputFile, reading

__all__ = ["Source"]

PIECE: Final = 1 << 20
"""Bytes of samples patched at a time: small enough for the processor's cache."""


class Source:
    """A file that is read from front to back.

    Parameters
    ----------
    file : InputFile
        The file. A compressed one is unpacked.
    at : int
        The place to begin at.
    """

    def __init__(self, file: InputFile, at: int) -> None:
        self._input = file
        self._file = file.open()
        self._at = 0
        self._seek(at)

    def read(self, count: int) -> bytes:
        """Read `count` bytes; raise ExposureError if the file ends before."""
        with reading(self._input):
            content = self._file.read(count)
        self._advance(count, len(content))
        return content

    def pieces(self, dtype: np.dtype[Any], count: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Read samples a piece at a time.

        Yields
        ------
        tuple
            The number of the first sample, and the samples. The samples may be modified. Reading
            the next piece overwrites them.
        """
        step = PIECE // dtype.itemsize
        buffer = bytearray(min(step, count) * dtype.itemsize)
        for start in range(0, count, step):
            wanted = memoryview(buffer)[: min(step, count - start) * dtype.itemsize]
            with reading(self._input):
                found = self._file.readinto(wanted)
            self._advance(len(wanted), found)
            yield start, np.frombuffer(wanted, dtype)

    def copy(self, target: BinaryIO | Summed, end: int) -> None:
        """Copy the bytes up to a place; raise ExposureError if the file ends before."""
        by_system = not self._input.is_compressed and end - self._at >= CHUNK
        if by_system and not isinstance(target, Summed):
            self._copy_by_system(target, end)
        while self._at < end:
            target.write(self.read(min(CHUNK, end - self._at)))

    def require_end(self) -> None:
        """Check that no byte is left."""
        with reading(self._input):
            rest = self._file.read(1)
        self._advance(0, len(rest))

    def _copy_by_system(self, target: BinaryIO, end: int) -> None:
        if sys.platform != "linux":
            return
        target.flush()
        source, copy, at = self._input.descriptor, target.fileno(), self._at
        try:
            while at < end and (count := os.copy_file_range(source, copy, end - at, at)):
                at += count
        except OSError:
            pass  # perhaps not supported here; the read and write that follow report other errors
        self._seek(at)

    def _seek(self, at: int) -> None:
        """Move to a later place."""
        with reading(self._input):
            self._file.seek(at)
        self._at = at

    def _advance(self, wanted: int, found: int) -> None:
        if found != wanted:
            raise ExposureError(f"{self._input}: {CHANGED}")
        self._at += found
