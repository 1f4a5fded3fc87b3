"""Files given by URL (``s3://``, ``https://``): read by ranges, or downloaded whole.

Of an exposure that only serves the minimum image, only the headers up to that of SCI and the
samples of SCI are read. An exposure that will be copied is downloaded to a temporary file.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

from .cursor import Cursor
from .location import Location, RemoteFile
from .requests import RangeError, RemoteError, Version, request
from .scratch import Scratch

if TYPE_CHECKING:
    pass

__all__ = [
    "CHANGED",
    "NOT_FITS",
    "Downloaded",
    "Ranges",
    "matching",
    "read_text",
    "version_of",
]

HEAD: Final = 17 * 2880
"""Bytes fetched at a time while headers are read: usually the primary header and that of SCI."""

MOST_TEXT: Final = 1 << 24
"""The largest association that is downloaded, bytes."""

MOST: Final = 1 << 31
"""The largest exposure that is downloaded, bytes: twenty times a full frame of NIRSpec."""

CHANGED: Final = "was changed while it was read; run again when it is complete"

NOT_FITS: Final = "is not a FITS file, nor one compressed by gzip"

_STARTS: Final = (b"SIMPLE  =", b"\x1f\x8b")
_HOUR: Final = 3600.0


def matching(pattern: RemoteFile) -> list[RemoteFile]:
    """Return the files that match a URL with wildcards.

    Raises
    ------
    RemoteError
        If the server cannot list files.
    """

    def match(system: Any, path: str) -> list[str]:
        system.invalidate_cache()  # fsspec may have listed the folder before files were added
        return [system.unstrip_protocol(found) for found in system.glob(path)]

    return [RemoteFile(url) for url in sorted(request(pattern.url, match))]


def version_of(remote: RemoteFile) -> str:
    """Return a text that differs between versions of a file, if its server distinguishes them.

    Raises
    ------
    RemoteError
        If there is no such file.
    """
    about = request(remote.url, lambda system, path: system.info(path))
    return ":".join(str(about.get(fact, "")) for fact in ("size", "ETag", "Last-Modified"))


def read_text(location: Location, encoding: str = "utf-8") -> str:
    """Return the whole content of a text file.

    Raises
    ------
    OSError
        If it cannot be read.
    UnicodeError
        If it is not text in this encoding.
    """
    if isinstance(location, Path):
        return location.read_text(encoding)
    content = bytearray()

    def stream(system: Any, path: str) -> Any:
        from .bodies import whole_of

        content.clear()
        return whole_of(system, path, content.extend, MOST_TEXT)

    def fetch(system: Any, path: str) -> None:
        content[:] = system.cat_file(path)

    request(location.url, fetch, stream=stream)
    return content.decode(encoding)


class Downloaded:
    """A local copy of a remote exposure, which exists as long as this object.

    It is used like a `pathlib.Path`; `str` returns the URL.

    Parameters
    ----------
    remote : RemoteFile
        The file; kept as an attribute.

    Attributes
    ----------
    version : Version or None
        Its version, if its server distinguishes versions.

    Raises
    ------
    RemoteError
        If it cannot be fetched, or does not begin as a FITS file does.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.remote = remote
        self._scratch = Scratch()
        self._path = self._scratch.path / "exposure.part"
        try:
            self.version = _download(remote.url, self._path)
        except BaseException:
            self._scratch.remove()  # at once: the error's traceback keeps this object alive
            raise

    def __str__(self) -> str:
        return str(self.remote)

    def __fspath__(self) -> str:
        return str(self._path)

    def open(self, mode: Literal["rb"]) -> io.BufferedReader:
        """Open the copy."""
        return self._path.open(mode)

    def stat(self) -> os.stat_result:
        """Return the size and times of the copy."""
        return self._path.stat()


def _download(url: str, to: Path) -> Version | None:
    """Download a file; return its version."""

    def fetch(system: Any, path: str) -> Version | None:
        system.get_file(path, str(to))
        return None

    with to.open("wb") as file:

        def stream(system: Any, path: str) -> Any:
            from .bodies import whole_of

            file.seek(0)
            file.truncate()
            return whole_of(system, path, _FitsSink(file), MOST)

        version: Version | None = request(url, fetch, stream=stream, limit=_HOUR)
    return version


class _FitsSink:
    """Writes pieces of a file, and refuses what does not begin as an exposure."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._head = b""

    def __call__(self, piece: bytes) -> None:
        most = len(_STARTS[0])
        if len(self._head) < most:
            self._head += piece[:most]
            if not any(self._head.startswith(start[: len(self._head)]) for start in _STARTS):
                raise RemoteError(NOT_FITS)
        try:
            self._file.write(piece)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._file.name) from error


class Ranges:
    """A remote file of which only ranges are read, all from one version of it.

    Parameters
    ----------
    remote : RemoteFile
        The file; kept as an attribute.

    Attributes
    ----------
    version : Version or None
        Its version, once a range has been read, if its server distinguishes versions.
    failure : RemoteError or None
        The error of a request, unless its server only refuses ranges.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.remote = remote
        self.version: Version | None = None
        self.failure: RemoteError | None = None

    def __str__(self) -> str:
        return str(self.remote)

    def open(self) -> io.BufferedReader:
        """Open it for reading from front to back, `HEAD` bytes at a time."""
        return io.BufferedReader(_RangeReader(self), HEAD)

    def whole(self) -> Downloaded:
        """Download it, unless its server does not answer.

        Raises
        ------
        RemoteError
            If it cannot be fetched.
        """
        if self.failure is not None:
            raise self.failure
        return Downloaded(self.remote)

    def read(self, start: int, length: int) -> bytes:
        """Return a range of the file.

        Raises
        ------
        RemoteError
            If it cannot be read, or the file ends within it.
        """
        content = self.read_to(start, length)
        if len(content) != length:
            raise RemoteError(f"is cut short: ends {length - len(content)} bytes within SCI")
        return content

    def read_to(self, start: int, length: int) -> bytes:
        """Return a range of the file, fewer bytes if the file ends within it.

        Raises
        ------
        RemoteError
            If it cannot be read, or the file is another one than at first.
        """

        def fetch(system: Any, path: str) -> tuple[bytes, Version | None]:
            return system.cat_file(path, start=start, end=start + length), None

        def stream(system: Any, path: str) -> Any:
            from .bodies import part_of

            return part_of(system, path, start, length)

        answer: tuple[bytes, Version | None]
        try:
            answer = request(self.remote.url, fetch, stream=stream)
        except RangeError:
            raise
        except RemoteError as error:
            self.failure = error
            raise
        content, version = answer
        if len(content) > length:
            raise RangeError("the server ignores ranges")
        if version is not None and content:
            self.version = self.version or version
            if self.version.differs(version):
                self.failure = RemoteError(CHANGED)
                raise self.failure
        return content


class _RangeReader(Cursor):
    """The unbuffered file below `Ranges.open`.

    `fsspec.open` would ask for the size of each file first, one request more. Headers and SCI of 16
    exposures from a server that delays each answer by 100 ms (``python -m benchmarks.remote``):

    ==========================  ========  ======  ===========  ============
    reader                      requests  MB      s, 1 thread  s, 8 threads
    ==========================  ========  ======  ===========  ============
    this                        32        5.0     3.3          0.43
    readahead, first, or bytes  48        4.3-6   5.0          0.64
    none                        80        4.3     8.2          1.04
    background                  112       4.7     11.6         1.50
    readahead of 5 MiB          32        21.6    3.3          0.46
    ==========================  ========  ======  ===========  ============

    The last one is as fast, but keeps SCI of every exposure in memory once its headers are read.
    """

    def __init__(self, file: Ranges) -> None:
        super().__init__()
        self._file = file

    def _fill(self, view: memoryview) -> int:
        content = self._file.read_to(self._at, len(view))
        view[: len(content)] = content
        return len(content)
