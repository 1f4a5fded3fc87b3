"""A file's bytes, read from front to back and copied to another file.

Measured on ext4: to read a plane, patch it in memory and write it takes a third of the time of
the kernel's own copy followed by patches through a memory map, for the flagged pixels lie on nearly
every page. Long stretches without patches are left to the kernel, which shares blocks between
files where the file system can and copies on the server of a network file system.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ExposureError
from .fits_bytes import CHUNK, Stored, is_compressed, open_bytes, reading

if TYPE_CHECKING:
    from io import BufferedReader

__all__ = ["Source", "source_of"]


@contextmanager
def source_of(path: Stored, at: int) -> Iterator[Source]:
    """Open a file, unpacked if it is compressed, at a place."""
    with reading(path):
        plain, file = not is_compressed(path), open_bytes(path)
    with file:
        source = Source(path, file, plain=plain)
        source.seek(at)
        yield source


class Source:
    """A file that is read from front to back.

    Parameters
    ----------
    path : Path or Downloaded
        What to call it in errors.
    file : binary file
        Its bytes, unpacked.
    plain : bool
        Whether they are stored as such.
    """

    def __init__(self, path: Stored, file: BufferedReader, *, plain: bool) -> None:
        self._path = path
        self._file = file
        self._plain = plain
        self._at = 0
        self._buffer = bytearray()

    def seek(self, at: int) -> None:
        """Go on to a place further behind."""
        with reading(self._path):
            self._file.seek(at)
        self._at = at

    def read(self, count: int) -> bytes:
        """Read that many bytes, all of which must be there."""
        with reading(self._path):
            content = self._file.read(count)
        self._read(count, len(content))
        return content

    def read_samples(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """Read that many samples into a buffer that the next call uses again."""
        size = count * dtype.itemsize
        if len(self._buffer) != size:
            self._buffer = bytearray(size)
        with reading(self._path):
            found = self._file.readinto(self._buffer)
        self._read(size, found)
        return np.frombuffer(self._buffer, dtype)

    def copy(self, target: BinaryIO, end: int) -> None:
        """Copy the bytes up to a place, all of which must be there."""
        if self._plain and end - self._at >= CHUNK:
            self._copy_in_kernel(target, end)
        while self._at < end:
            target.write(self.read(min(CHUNK, end - self._at)))

    def require_end(self) -> None:
        """Check that no byte is left."""
        with reading(self._path):
            rest = self._file.read(1)
        self._read(0, len(rest))

    def _copy_in_kernel(self, target: BinaryIO, end: int) -> None:
        if sys.platform != "linux":
            return
        target.flush()
        source, copy, at = self._file.fileno(), target.fileno(), self._at
        try:
            while at < end and (count := os.copy_file_range(source, copy, end - at, at)):
                at += count
        except OSError:
            pass  # not here, or not between these: reading and writing tells what is wrong
        self.seek(at)

    def _read(self, wanted: int, found: int) -> None:
        if found != wanted:
            raise ExposureError(f"{self._path}: was changed after its headers were read")
        self._at += found
