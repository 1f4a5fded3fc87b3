"""A digest of what follows the primary header of a copy, to notice data that a disk has lost.

After a power failure a file may have its full size and hold zeros. The digest is the sum of all
64-bit words, which costs little while a copy is written: its bytes are in the processor's cache. It
finds lost and damaged bytes; it is no protection against intent.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from .fits_bytes import CHUNK

__all__ = ["UNKNOWN", "Summed", "digest_of", "recorded"]

_WORD: Final = 8
_MOST: Final = 1 << 64
_ENTRY: Final = re.compile(r"(.*) data=([0-9a-f]{16})")

UNKNOWN: Final = "data=" + "0" * 16
"""Stands in the HISTORY entry of a copy until its digest is known."""


class _Sum:
    """The sum of the little-endian words of some bytes, which come in pieces of any length."""

    def __init__(self) -> None:
        self._sum = 0
        self._rest = b""

    def add(self, content: bytes | memoryview) -> None:
        """Add a piece."""
        view = memoryview(content).cast("B")
        if self._rest:
            missing = _WORD - len(self._rest)
            self._rest += bytes(view[:missing])
            view = view[missing:]
            if len(self._rest) < _WORD:
                return
            self._sum += int.from_bytes(self._rest, "little")
        count = len(view) // _WORD
        self._sum += int(np.frombuffer(view, "<u8", count).sum(dtype=np.uint64))
        self._rest = bytes(view[count * _WORD :])

    def digest(self) -> str:
        """Return the sum in hexadecimal digits."""
        return f"{(self._sum + int.from_bytes(self._rest, 'little')) % _MOST:016x}"


class Summed:
    """A file that is written and summed.

    Parameters
    ----------
    file : binary file
        The file, whose primary header is written.
    header : bytes
        That header, with `UNKNOWN` in it.
    """

    def __init__(self, file: BinaryIO, header: bytes) -> None:
        self._file = file
        self._header = header
        self._sum = _Sum()

    def write(self, content: bytes | memoryview) -> int:
        """Write bytes."""
        self._sum.add(content)
        return self._file.write(content)

    def finish(self) -> None:
        """Write the digest into the header."""
        before, _, after = self._header.rpartition(UNKNOWN.encode())
        self._file.seek(0)
        self._file.write(before + f"data={self._sum.digest()}".encode() + after)


def digest_of(path: Path, start: int) -> str:
    """Return the digest of a file's bytes from a place to its end."""
    summed = _Sum()
    buffer = memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while count := file.readinto(buffer):
            summed.add(buffer[:count])
    return summed.digest()


def recorded(history: str) -> tuple[str, str]:
    """Return a HISTORY without the digest at its end, and the digest; empty if there is none."""
    found = _ENTRY.fullmatch(history)
    return (found[1], found[2]) if found else (history, "")
