"""An input file on this machine, read through one descriptor from its first byte to its last.

A file that another program replaces stays readable as it was, and one that is changed in place is
noticed. Samples are read into memory instead of mapped: the system kills a process that uses the
mapped pages of a file that was cut short since.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import threading
import traceback
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from ..errors import ExposureError, is_of_machine
from .cursor import Cursor
from .location import Location
from .remote import CHANGED, Downloaded, Ranges
from .requests import RemoteError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["CHANGED", "InputFile", "Stored", "reading", "stamp_of"]

Stored: TypeAlias = Path | Downloaded
"""A file on this machine."""

BUFFER: Final = 8 * 2880
"""Bytes read at a time from front to back: most headers are shorter."""

_GZIP: Final = b"\x1f\x8b"
_KEYWORD: Final = re.compile(r"'([A-Z0-9_-]+)'")
_READ_ONLY: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_seeking = threading.Lock()


class InputFile:
    """A file on this machine that is open for reading as long as this object exists.

    Any number of threads may read it at any places.

    Parameters
    ----------
    path : Path or Downloaded
        The file; kept as an attribute.

    Attributes
    ----------
    size : int
        Its bytes when it was opened.
    is_compressed : bool
        Whether it is compressed by gzip; its name does not matter.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Stored) -> None:
        self.path = path
        self.descriptor = os.open(path, _READ_ONLY)
        weakref.finalize(self, os.close, self.descriptor)
        self._about = os.fstat(self.descriptor)
        self.size = self._about.st_size
        start = bytearray(len(_GZIP))
        self.is_compressed = self.read_into(start, 0) == len(start) and start == _GZIP

    def __str__(self) -> str:
        return str(self.path)

    @property
    def location(self) -> Location:
        """The file, or the remote file that it is a copy of."""
        return self.path if isinstance(self.path, Path) else self.path.remote

    @property
    def stamp(self) -> str:
        """What `stamp_of` returned when it was opened; empty for a copy of a remote file."""
        return stamp_of(self._about) if isinstance(self.path, Path) else ""

    def open(self) -> io.BufferedReader:
        """Return a reader from front to back; a gzipped file is unpacked."""
        stored = cast("io.BufferedReader", io.BufferedReader(_Reader(self), BUFFER))
        if not self.is_compressed:
            return stored
        return cast("io.BufferedReader", gzip.GzipFile(fileobj=stored, mode="rb"))

    def read_into(self, buffer: WriteableBuffer, at: int) -> int:
        """Read stored bytes from a place; return how many there are, fewer at the end."""
        view, found = memoryview(buffer).cast("B"), 0
        while found < len(view):
            count = _read_at(self.descriptor, view[found:], at + found)
            if count == 0:
                break
            found += count
        return found

    def prefetch(self, start: int, length: int) -> None:
        """Ask the system to read a part in the background, where it can."""
        if sys.platform == "linux":
            with suppress(OSError):
                os.posix_fadvise(self.descriptor, start, length, os.POSIX_FADV_WILLNEED)

    def require_unchanged(self) -> None:
        """Raise an ExposureError if the file was changed or replaced since it was opened."""
        with reading(self):
            now, named = os.fstat(self.descriptor), self.path.stat()
        opened = self._about
        if not stamp_of(opened) == stamp_of(now) == stamp_of(named) or not os.path.samestat(
            opened, named
        ):
            raise ExposureError(f"{self}: {CHANGED}")


def stamp_of(about: os.stat_result) -> str:
    """Return a text that differs between versions of a file: its size and modification time.

    The number of the file (inode) is no part of it: some network file systems change it.
    """
    return f"{about.st_size}:{about.st_mtime_ns}"


@contextmanager
def reading(path: Location | Stored | InputFile | Ranges) -> Iterator[None]:
    """Turn the errors of reading a file into one that names the file.

    Errors that a file cannot cause, such as MemoryError, a full disk or a fault of this package,
    stay as they are.
    """
    try:
        yield
    except ExposureError:
        raise
    except RemoteError as error:
        raise ExposureError(f"{path}: {error}") from error
    except Exception as error:
        if not _is_by_file(error):
            raise
        raise ExposureError(f"{path}: {_problem(error)}") from error


class _Reader(Cursor):
    """A reader of the stored bytes."""

    def __init__(self, file: InputFile) -> None:
        super().__init__()
        self._file = file

    def _fill(self, view: memoryview) -> int:
        return self._file.read_into(view, self._at)

    def _end(self) -> int:
        return self._file.size


def _read_at(descriptor: int, view: memoryview, at: int) -> int:
    if sys.platform != "win32":
        return os.preadv(descriptor, [view], at)
    with _seeking:
        os.lseek(descriptor, at, os.SEEK_SET)
        content = os.read(descriptor, len(view))
    view[: len(content)] = content
    return len(content)


def _is_by_file(error: Exception) -> bool:
    """Return whether a damaged or unreadable file causes an error."""
    if isinstance(error, OSError):
        return not is_of_machine(error)
    if isinstance(error, (EOFError, zlib.error)):
        return True
    # A damaged header makes astropy raise many types.
    return not isinstance(error, MemoryError) and _raised_by(error) == "astropy"


def _raised_by(error: Exception) -> str:
    """Return which of two packages raises an error, or calls what raises it."""
    ours = __package__.split(".")[0]
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    packages = [str(frame.f_globals.get("__name__")).split(".")[0] for frame in frames]
    return next((each for each in reversed(packages) if each in ("astropy", ours)), "")


def _problem(error: Exception) -> str:
    """Return what is wrong with a file, in words."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):
        keyword = _KEYWORD.search(text)
        what = f"a header has no card {keyword[1]}" if keyword else f"a header lacks {text}"
    elif isinstance(error, (OSError, EOFError, ValueError, zlib.error)) and " " in text:
        what = text
    else:  # astropy computes with a value of the wrong type
        what = f"a header is damaged ({type(error).__name__}{text and f': {text}'})"
    return f"cannot be read as FITS: {what}"
