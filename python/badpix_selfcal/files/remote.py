"""Files given by URL (``s3://``, ``https://``): read by ranges, or downloaded whole.

Of an exposure that only serves the minimum image, only the headers up to that of SCI and the
samples of SCI are read. An exposure that will be copied is downloaded to a temporary file. All
requests go through fsspec (extra ``cloud``). It is imported when the first URL is read, and is
configured by its own files and variables, such as ``FSSPEC_S3_ANON=true`` for a public bucket.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from ..messages import extra
from .location import Location, RemoteFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = [
    "Downloaded",
    "Ranges",
    "RemoteError",
    "matching",
    "read_text",
    "request",
    "version_of",
]

HEAD: Final = 17 * 2880
"""Bytes fetched at a time while headers are read: usually the primary header and that of SCI."""

PAUSES: Final = (0.4, 1.6, 6.4)
"""Seconds before each further try of a request that failed."""

_PUBLIC: Final = (
    "; give credentials as for any tool of AWS, or set FSSPEC_S3_ANON=true for a public bucket"
)

_Result = TypeVar("_Result")


class RemoteError(OSError):
    """A request for a remote file failed. The caller adds the URL to the message."""


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
    content: bytes = request(location.url, lambda system, path: system.cat_file(path))
    return content.decode(encoding)


class Downloaded:
    """A local copy of a remote file, which exists as long as this object.

    It is used like a `pathlib.Path`; `str` returns the URL.

    Parameters
    ----------
    remote : RemoteFile
        The file; kept as an attribute.

    Raises
    ------
    RemoteError
        If it cannot be fetched.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.remote = remote
        handle, name = tempfile.mkstemp(prefix="badpix-selfcal-", suffix=".part")
        os.close(handle)
        self._path = Path(name)
        remove = weakref.finalize(self, _remove, self._path, os.getpid())
        try:
            request(remote.url, lambda system, path: system.get_file(path, name))
        except BaseException:
            remove()  # at once: the error's traceback keeps this object alive
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


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:  # a forked child inherits this object, but does not own the file
        with suppress(OSError):
            path.unlink()


class Ranges:
    """A remote file of which only ranges are read.

    Parameters
    ----------
    remote : RemoteFile
        The file; kept as an attribute.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.remote = remote

    def __str__(self) -> str:
        return str(self.remote)

    def open(self) -> io.BufferedReader:
        """Open it for reading from front to back, `HEAD` bytes at a time."""
        return io.BufferedReader(_RangeReader(self.remote.url), HEAD)

    def read(self, start: int, length: int) -> bytes:
        """Return a range of the file.

        Raises
        ------
        RemoteError
            If it cannot be read, or the file ends within it.
        """
        content = _range(self.remote.url, start, length)
        if len(content) != length:
            raise RemoteError(f"is cut short: ends {length - len(content)} bytes within SCI")
        return content


class _RangeReader(io.RawIOBase):
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

    def __init__(self, url: str) -> None:
        self._url = url
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            raise io.UnsupportedOperation("the end is not known")
        self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        content = _range(self._url, self._at, len(view))
        view[: len(content)] = content
        self._at += len(content)
        return len(content)


def _range(url: str, start: int, length: int) -> bytes:
    """Return the bytes of a range, fewer if the file ends within it."""
    end = start + length
    content: bytes = request(url, lambda system, path: system.cat_file(path, start=start, end=end))
    if len(content) > length:
        raise RemoteError("the server ignores ranges and sends the whole file")
    return content


def request(url: str, action: Callable[[Any, str], _Result], verb: str = "fetched") -> _Result:
    """Make a request; repeat it after a failure that may be temporary.

    Parameters
    ----------
    url : str
        The file.
    action : callable
        Makes the request; called with the URL's fsspec filesystem and the path there.
    verb : str, optional
        The participle for the error message: the file cannot be "fetched".

    Returns
    -------
    object
        The result of `action`.

    Raises
    ------
    RemoteError
        If the request fails for any reason. The caller adds the URL to the message.
    """
    with _as_remote_error(url, verb):
        import fsspec

        # Looked up every time: fsspec keeps its connections, and makes new ones after a fork.
        system, path = fsspec.core.url_to_fs(url)
        for pause in PAUSES:
            try:
                return action(system, path)
            except Exception as error:
                if not _is_retryable(error):
                    raise
                time.sleep(pause)
        return action(system, path)


def _is_retryable(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int) and status:
        return status >= 500 or status == 429
    transport = type(error).__module__.startswith("aiohttp")
    return transport or isinstance(error, (ConnectionError, TimeoutError))


@contextmanager
def _as_remote_error(url: str, verb: str) -> Iterator[None]:
    reading = verb == "fetched"
    try:
        yield
    except ImportError as error:
        raise RemoteError(
            f"this URL needs packages that are not installed ({error}): {extra('cloud')}"
        ) from error
    except Exception as error:  # every protocol has errors of its own
        if reading and isinstance(error, FileNotFoundError):
            raise RemoteError("no such file") from None
        refused = isinstance(error, PermissionError) or "Credentials" in type(error).__name__
        hint = _PUBLIC if refused and reading and url.startswith("s3") else ""
        reason = str(error) or type(error).__name__
        raise RemoteError(f"cannot be {verb}: {reason}{hint}") from error
