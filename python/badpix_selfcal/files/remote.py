"""Files given by URL (``s3://``, ``https://``): read in ranges, or fetched whole.

Of an exposure that only serves the minimum image, the headers up to SCI's and the samples of SCI
are asked for, and nothing else; what is to be copied is fetched whole into a temporary file. All
goes through fsspec (extra ``cloud``), which is imported when the first URL is read and configured
as fsspec is: by its files and variables, such as ``FSSPEC_S3_ANON=true`` for a public bucket.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = [
    "AnyLocation",
    "AnyPath",
    "Downloaded",
    "Location",
    "Ranges",
    "RemoteError",
    "RemoteFile",
    "beside",
    "each_of",
    "locate",
    "locations_of",
]

AHEAD: Final = 8
"""Images fetched before they are asked for, in all."""

HEAD: Final = 17 * 2880
"""Bytes asked for at a time while headers are read: the primary one and SCI's, most often."""

TRIES: Final = 4
"""Times that a request is made whose failure may pass."""

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://.+", re.DOTALL)
_PUBLIC: Final = (
    "; give credentials as for any tool of AWS, or set FSSPEC_S3_ANON=true for a public bucket"
)

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")


class RemoteError(OSError):
    """A remote file cannot be read; what it is called is left to tell to the caller."""


@dataclass(frozen=True)
class RemoteFile:
    """A file elsewhere, as far as it is used like a `pathlib.Path`.

    Attributes
    ----------
    url : str
        Where it is.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of its path or, where files are asked for by ``?uri=``, of the query."""
        split = urlsplit(self.url)
        path = PurePosixPath(split.path)
        return path.name if path.suffix or not split.query else PurePosixPath(split.query).name

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return PurePosixPath(self.name).suffix

    def resolve(self) -> RemoteFile:
        """Return the file itself: there are no links."""
        return self

    def matching(self) -> list[RemoteFile]:
        """Return the files of which this is a pattern.

        Raises
        ------
        RemoteError
            If its server cannot list files.
        """

        def match(system: Any, path: str) -> list[str]:
            return [system.unstrip_protocol(found) for found in system.glob(path)]

        return [RemoteFile(url) for url in sorted(_asked(self.url, match))]

    def version(self) -> str:
        """Return what tells the content from a later one, as far as its server does.

        Raises
        ------
        RemoteError
            If there is no such file.
        """
        about = _asked(self.url, lambda system, path: system.info(path))
        return ":".join(str(about.get(fact, "")) for fact in ("size", "ETag", "Last-Modified"))

    def read_text(self, encoding: str) -> str:
        """Return its whole content.

        Raises
        ------
        RemoteError
            If it cannot be read.
        """
        content: bytes = _asked(self.url, lambda system, path: system.cat_file(path))
        return content.decode(encoding)


Location: TypeAlias = Path | RemoteFile
"""Where an input lies."""


AnyPath: TypeAlias = str | os.PathLike[str]
AnyLocation: TypeAlias = AnyPath | RemoteFile
"""An input as it may be given: a path or a URL."""


def locate(given: AnyLocation) -> Location:
    """Return a path, or what stands for one if a URL is given."""
    if isinstance(given, RemoteFile):
        return given
    if isinstance(given, str) and _URL.fullmatch(given):
        return RemoteFile(given)
    return Path(given)


def locations_of(given: AnyLocation | Iterable[AnyLocation]) -> tuple[Location, ...]:
    """Return one location or several as several."""
    if isinstance(given, (str, os.PathLike, RemoteFile)):
        return (locate(given),)
    return tuple(locate(each) for each in given)


def each_of(
    work: Callable[[_Given], _Result], given: Sequence[_Given], locations: Iterable[Location]
) -> Iterable[_Result]:
    """Do something for each of several files: one after the other, or remote ones side by side.

    Parameters
    ----------
    work : callable
        What is to be done, in any thread; what it raises is raised here.
    given : sequence
        What it is called with.
    locations : iterable of Path or RemoteFile
        Where the files lie.
    """
    if not any(isinstance(location, RemoteFile) for location in locations):
        return map(work, given)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AHEAD) as threads:
        return [*threads.map(work, given)]


def beside(location: Location, name: str) -> Location:
    """Return the file that an association at a place means by a name: a path or a URL."""
    if _URL.fullmatch(name):
        return RemoteFile(name)
    if isinstance(location, Path):
        return location.parent / name
    split = urlsplit(location.url)
    # Made plain here, for an object store takes `a/../b` as it stands.
    path = posixpath.normpath(posixpath.join(posixpath.dirname(split.path) or "/", name))
    return RemoteFile(urlunsplit((split.scheme, split.netloc, path, "", "")))


class Downloaded:
    """A remote file's local copy, there as long as this object is.

    Used like a `pathlib.Path`, but called by its URL.

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
        import tempfile  # here: paths alone need it not

        self.remote = remote
        handle, name = tempfile.mkstemp(prefix="badpix-selfcal-", suffix=".part")
        os.close(handle)
        self._path = Path(name)
        remove = weakref.finalize(self, _remove, self._path, os.getpid())
        try:
            _asked(remote.url, lambda system, path: system.get_file(path, name))
        except BaseException:
            remove()  # now, for the error's traceback keeps this object
            raise

    def __str__(self) -> str:
        return str(self.remote)

    def __fspath__(self) -> str:
        return str(self._path)

    def open(self, mode: Literal["rb"]) -> io.BufferedReader:
        """Open the copy."""
        return self._path.open(mode)

    def stat(self) -> os.stat_result:
        """Tell of the copy."""
        return self._path.stat()


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:  # a forked child inherits this object, not the file
        with suppress(OSError):
            path.unlink()


class Ranges:
    """A remote file read where it is.

    Parameters
    ----------
    remote : RemoteFile
        The file; kept as an attribute.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.remote = remote
        self._coming: _Coming | None = None

    def __str__(self) -> str:
        return str(self.remote)

    def open(self) -> io.BufferedReader:
        """Open it for reading from front to back, a few blocks at a time."""
        return io.BufferedReader(_RangeReader(self.remote.url), HEAD)

    def read(self, start: int, length: int) -> bytes:
        """Return that many bytes, all of which must be there.

        Raises
        ------
        RemoteError
            If they cannot be read.
        """
        coming, self._coming = self._coming, None
        content = None if coming is None else coming.wait()
        if content is None:
            content = _range(self.remote.url, start, length)
        if len(content) != length:
            raise RemoteError(f"is cut short: ends {length - len(content)} bytes within SCI")
        return content

    def read_ahead(self, start: int, length: int) -> None:
        """Have what `read` will be asked for fetched meanwhile, unless much is under way."""
        if self._coming is None:
            self._coming = _Coming.begun(self.remote.url, start, length)


class _Coming:
    """Bytes fetched by a thread; at most `AHEAD` of them exist."""

    _free = threading.BoundedSemaphore(AHEAD)

    def __init__(self, url: str, start: int, length: int) -> None:
        self._content: bytes | None = None
        weakref.finalize(self, self._free.release)
        this = weakref.ref(self)  # what nobody waits for any more need not be kept

        def fetch() -> None:
            with suppress(RemoteError):  # comes again, and is told, when it is read
                content = _range(url, start, length)
                if (waiting := this()) is not None:
                    waiting._content = content

        self._thread = threading.Thread(target=fetch, daemon=True)
        self._thread.start()

    @classmethod
    def begun(cls, url: str, start: int, length: int) -> _Coming | None:
        """Begin to fetch, if there is room."""
        return cls(url, start, length) if cls._free.acquire(blocking=False) else None

    def wait(self) -> bytes | None:
        """Return the bytes; None if they could not be fetched."""
        self._thread.join()
        return self._content


class _RangeReader(io.RawIOBase):
    """The raw file below `Ranges.open`."""

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
    content: bytes = _asked(url, lambda system, path: system.cat_file(path, start=start, end=end))
    if len(content) > length:
        raise RemoteError("its server does not know ranges")
    return content


def _asked(url: str, request: Callable[[Any, str], _Result]) -> _Result:
    """Make a request, again where that may help; all that goes wrong becomes a `RemoteError`."""
    with _telling(url):
        import fsspec

        # Looked up every time: fsspec keeps its connections, and makes them anew after a fork.
        system, path = fsspec.core.url_to_fs(url)
        for tried in range(1, TRIES):
            try:
                return request(system, path)
            except Exception as error:
                if not _may_pass(error):
                    raise
                time.sleep(0.1 * 4**tried)
        return request(system, path)


def _may_pass(error: Exception) -> bool:
    """Tell whether an error of the transport may be gone when one tries again."""
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int) and status:
        return status >= 500 or status == 429
    transport = type(error).__module__.startswith("aiohttp")
    return transport or isinstance(error, (ConnectionError, TimeoutError))


@contextmanager
def _telling(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RemoteError("no such file") from None
    except ImportError as error:
        raise RemoteError(
            f"reading it needs packages that are not installed ({error}): pip install "
            '"badpix-selfcal[cloud]"'
        ) from error
    except Exception as error:  # every protocol has errors of its own
        refused = isinstance(error, PermissionError) or "Credentials" in type(error).__name__
        hint = _PUBLIC if refused and url.startswith("s3") else ""
        told = str(error) or type(error).__name__
        raise RemoteError(f"cannot be fetched: {told}{hint}") from error
