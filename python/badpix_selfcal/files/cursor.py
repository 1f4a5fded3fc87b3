"""A place in a file, which moves on as bytes are read: what unbuffered readers have in common."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Cursor"]


class Cursor(io.RawIOBase):
    """A reader at a place. Derived classes have `_fill` and, if the end is known, `_end`."""

    def __init__(self) -> None:
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place, in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place, in bytes from the start, the place or the end; return it."""
        if whence == os.SEEK_END:
            start = self._end()
        else:
            start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read bytes into a buffer; return how many there are."""
        count = self._fill(memoryview(buffer).cast("B"))
        self._at += count
        return count

    def _fill(self, view: memoryview) -> int:
        """Read bytes from the place on; return how many there are."""
        raise NotImplementedError

    def _end(self) -> int:
        """Return the place behind the last byte."""
        raise io.UnsupportedOperation("the end is not known")
