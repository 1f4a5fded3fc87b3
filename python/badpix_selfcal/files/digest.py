"""A digest of what follows the primary header of a copy, to notice data that a disk has lost.

After a power failure a file may have its full size and hold zeros, in whole blocks of the disk. The
digest is the sum of one 64-bit word in each 256 bytes, so that it costs little while a copy is
written: 0.2 to 1 ms for 21 MB, whose copy takes 11 to 20 ms on two machines; the sum of all words
took 0.8 ms of the 11. It finds lost blocks; it is no protection against intent, and may miss a
changed byte.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Final

import numpy as np

from .fits_bytes import CHUNK
from .input_file import InputFile

__all__ = ["UNKNOWN", "Summed", "digest_of", "recorded"]

GROUP: Final = 256
"""Bytes of which one word is summed: a few of each block of any disk."""

_WORD: Final = 8
_MOST: Final = 1 << 64
_ENTRY: Final = re.compile(r"(.*) data=([0-9a-f]{16})")

UNKNOWN: Final = "data=" + "0" * 16
"""Stands in the HISTORY entry of a copy until its digest is known."""


class _Sum:
    """The sum of the first word of each group of some bytes, which come in pieces."""

    def __init__(self) -> None:
        self._sum = 0
        self._rest = b""

    def add(self, content: bytes | memoryview) -> None:
        """Add a piece."""
        view = memoryview(content).cast("B")
        if self._rest:
            missing = GROUP - len(self._rest)
            self._rest += bytes(view[:missing])
            view = view[missing:]
            if len(self._rest) < GROUP:
                return
            self._add_rest()
        count = len(view) // GROUP
        words = np.frombuffer(view, "<u8", count * GROUP // _WORD)
        self._sum += int(words[:: GROUP // _WORD].sum(dtype=np.uint64))
        self._rest = bytes(view[count * GROUP :])

    def _add_rest(self) -> None:
        self._sum += int.from_bytes(self._rest[:_WORD], "little")

    def digest(self) -> str:
        """Return the sum in hexadecimal digits; it ends here."""
        self._add_rest()
        return f"{self._sum % _MOST:016x}"


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


def digest_of(file: InputFile, start: int) -> str:
    """Return the digest of a file's bytes from a place to its end."""
    summed = _Sum()
    buffer = memoryview(bytearray(CHUNK))
    while count := file.read_into(buffer, start):
        summed.add(buffer[:count])
        start += count
    return summed.digest()


def recorded(history: str) -> tuple[str, str]:
    """Return a HISTORY without the digest at its end, and the digest; empty if there is none."""
    found = _ENTRY.fullmatch(history)
    return (found[1], found[2]) if found else (history, "")
