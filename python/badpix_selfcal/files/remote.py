"""Requests for remote files, all through fsspec (extra ``cloud``, imported when first needed).

fsspec is configured by its own files and variables, such as ``FSSPEC_S3_ANON=true`` for a public
bucket. Here are only the limits: how long a request may take, and how often it is repeated.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, TypeVar

from ..errors import is_of_machine
from .paths import RemoteFile, without_secrets

__all__ = [
    "CHANGED",
    "MOST",
    "About",
    "RemoteError",
    "about",
    "download",
    "matching",
    "ahead",
    "names_in",
    "read_range",
    "remove",
    "timeout",
    "upload",
]

VARIABLE: Final = "BADPIX_SELFCAL_TIMEOUT"
"""The environment variable that sets `timeout`."""

MOST: Final = 1 << 30
"""The largest file that is downloaded or unpacked, bytes: ten full frames of NIRSpec."""

CHANGED: Final = "was changed while it was read; run again when it is complete"

_PAUSES: Final = (0.4, 1.6)
"""Seconds before each further try of a request that failed."""

_TRANSPORT: Final = frozenset(
    {
        *("ClientConnectionError", "ClientPayloadError", "ConnectionError", "TimeoutError"),
        *("HTTPClientError", "IncompleteReadError", "ResponseStreamingError"),
    }
)
"""Errors that a further try may not meet: of Python, aiohttp and botocore."""

_PUBLIC: Final = (
    "; give credentials as for any tool of AWS, or set FSSPEC_S3_ANON=true for a public bucket"
)

_Result = TypeVar("_Result")


class RemoteError(OSError):
    """A request for a remote file failed. The caller adds the file to the message."""


@dataclass(frozen=True)
class About:
    """What a server says about a file.

    Attributes
    ----------
    size : int or None
        Its bytes.
    has_ranges : bool
        Whether parts of it can be read.
    tag : str
        Differs between versions of the file: its ETag or time; empty if the server is silent.
    conditions : mapping of str to str
        The headers of HTTP that make a server refuse another version.
    """

    size: int | None
    has_ranges: bool
    tag: str
    conditions: Mapping[str, str]

    @property
    def version(self) -> str:
        """Size and tag."""
        return f"{self.size}:{self.tag}"


def timeout() -> float:
    """Return the time to wait for a connection, or for the next part of an answer, s.

    Raises
    ------
    ValueError
        If the environment variable has another value than a positive number.
    """
    given = os.environ.get(VARIABLE) or "30"
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{VARIABLE} must be a positive number of seconds, got {given!r}")
    return seconds


def about(remote: RemoteFile) -> About:
    """Ask for size and version of a file.

    Raises
    ------
    RemoteError
        If there is no such file, or no answer.
    """
    found = _request(remote, lambda system, path: system.info(path))
    tag = str(found.get("ETag") or "")
    times = (
        found.get(each) for each in ("Last-Modified", "LastModified", "mtime", "last_modified")
    )
    modified = str(next(filter(None, times), ""))
    size = found.get("size")
    conditions = {}
    if _is_web(remote):
        strong = tag and not tag.startswith("W/")
        conditions = {"If-Match": tag} if strong else {"If-Unmodified-Since": modified}
    return About(
        size,
        size is not None and found.get("partial") is not False,
        tag or modified,
        {name: value for name, value in conditions.items() if value},
    )


def read_range(remote: RemoteFile, start: int, length: int, known: About) -> bytes:
    """Return a part of a file.

    Raises
    ------
    RemoteError
        If it cannot be read, or the file is another version than that which is known.
    """

    def fetch(system: Any, path: str) -> bytes:
        content: bytes = system.cat_file(
            path, start=start, end=start + length, **_headers(remote, known)
        )
        return content

    content = _request(remote, fetch)
    if len(content) == known.size:  # some servers ignore ranges
        content = content[start : start + length]
    if len(content) != length:
        raise RemoteError(f"the server sent {len(content)} bytes of a range of {length}")
    return content


def ahead(remote: RemoteFile, known: About, buffer: int) -> Callable[[int, int], bytes]:
    """Return what reads a file by ranges, each time `buffer` bytes more than it is asked for."""
    from fsspec.caching import ReadAheadCache

    def fetch(start: int, end: int) -> bytes:
        return read_range(remote, start, end - start, known)

    cache = ReadAheadCache(buffer, fetch, known.size)
    return lambda at, count: bytes(cache._fetch(at, at + count))  # noqa: SLF001


def download(remote: RemoteFile, most: int = MOST, known: About | None = None) -> BinaryIO:
    """Return a copy of a file, without a name on this machine, which ends when it is closed.

    Raises
    ------
    RemoteError
        If it cannot be fetched, is too large, or is another version than that which is known.
    """
    if known is not None and known.size is not None and known.size > most:
        raise RemoteError(f"is larger than {most} bytes")
    descriptor, name = tempfile.mkstemp(prefix="badpix-selfcal-")
    try:

        def fetch(system: Any, path: str) -> None:
            headers = _headers(remote, known)
            system.get_file(path, name, callback=_at_most(most), **headers)

        _request(remote, fetch)
        return open(name, "rb")  # noqa: PTH123
    finally:
        os.close(descriptor)
        Path(name).unlink()


def upload(part: Path, remote: RemoteFile) -> None:
    """Write a file of this machine to an object store, which shows it when it is complete."""
    _request(remote, lambda system, path: system.put_file(str(part), path), "written")


def remove(remote: RemoteFile) -> None:
    """Remove an object."""
    _request(remote, lambda system, path: system.rm_file(path), "removed")


def names_in(folder: RemoteFile) -> set[str]:
    """Return the names of the files in a folder; none if there is no such folder.

    Raises
    ------
    RemoteError
        If the store does not answer, or there is no such bucket.
    """

    def names(system: Any, path: str) -> set[str]:
        system.invalidate_cache(path)  # fsspec would answer from an older listing
        try:
            found: Iterable[dict[str, Any]] = system.ls(path, detail=True)
        except FileNotFoundError as error:
            response = getattr(error.__cause__, "response", None) or {}
            if response.get("Error", {}).get("Code") == "NoSuchBucket":
                raise OSError("there is no such bucket") from None
            return set()
        return {PurePosixPath(each["name"]).name for each in found if each["type"] == "file"}

    return _request(folder, names, "listed")


def matching(pattern: RemoteFile) -> list[RemoteFile]:
    """Return the files that match a URL with wildcards.

    Raises
    ------
    RemoteError
        If the server cannot list files.
    """

    def match(system: Any, path: str) -> list[str]:
        system.invalidate_cache()
        return [system.unstrip_protocol(found) for found in system.glob(path)]

    return [RemoteFile(url) for url in sorted(_request(pattern, match, "listed"))]


def _is_web(remote: RemoteFile) -> bool:
    return remote.url.lower().startswith(("http://", "https://"))


def _headers(remote: RemoteFile, known: About | None) -> dict[str, dict[str, str]]:
    if not _is_web(remote):
        return {}
    conditions = {} if known is None else known.conditions
    return {"headers": {"Accept-Encoding": "identity", **conditions}}


def _at_most(most: int) -> Any:
    """Return what fsspec calls while it downloads."""
    from fsspec.callbacks import Callback

    class Limit(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            if self.value > most:
                raise RemoteError(f"is larger than {most} bytes")

    return Limit()


def _request(
    remote: RemoteFile, action: Callable[[Any, str], _Result], verb: str = "fetched"
) -> _Result:
    """Call ``action(filesystem, path)``, and again after a failure that may be temporary."""
    begin, seconds = time.monotonic(), timeout()
    for pause in (*_PAUSES, None):
        try:
            return action(*_opened(remote.url, seconds))
        except (RemoteError, MemoryError):
            raise
        except Exception as error:  # every protocol has errors of its own
            cause = _cause_of(error)
            is_late = time.monotonic() - begin > 1.9 * seconds
            if pause is None or is_late or not _is_temporary(cause):
                raise _remote_error(remote, cause, verb) from None
        time.sleep(pause)
    raise AssertionError


def _opened(url: str, seconds: float) -> tuple[Any, str]:
    """Return the filesystem of a URL and the path there.

    Looked up every time: fsspec keeps its connections, and makes new ones after a fork.
    """
    import fsspec

    options: dict[str, dict[str, Any]] = {}
    for protocol in {each.partition("://")[0] for each in url.split("::")}:
        given = fsspec.config.conf.get(protocol, {})
        if protocol in ("http", "https"):
            from aiohttp import ClientTimeout

            limit = ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
            options[protocol] = {
                "client_kwargs": {"timeout": limit, **given.get("client_kwargs", {})}
            }
        elif protocol in ("s3", "s3a"):
            limits: dict[str, Any] = {"connect_timeout": seconds, "read_timeout": seconds}
            limits["retries"] = {"max_attempts": 0}
            options[protocol] = {"config_kwargs": {**limits, **given.get("config_kwargs", {})}}
    system, path = fsspec.core.url_to_fs(url, **options)
    if hasattr(system, "retries"):
        system.retries = 1  # `_request` repeats it
    return system, path


def _cause_of(error: Exception) -> BaseException:
    """Return why a file was not found: fsspec says so whatever happens to a request for it."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or cause is None:
        return error
    is_other = getattr(cause, "status", 404) not in (404, 410)
    kinds = {kind.__name__ for kind in type(cause).__mro__}
    return cause if is_other or not kinds.isdisjoint(_TRANSPORT) else error


def _is_temporary(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int) and status:
        return status >= 500 or status == 429
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return "ClientSSLError" not in kinds and not kinds.isdisjoint(_TRANSPORT)


def _remote_error(remote: RemoteFile, error: BaseException, verb: str) -> Exception:
    """Return the error of a request, in words."""
    if isinstance(error, ImportError):
        return RemoteError(
            f"this URL needs packages that are not installed ({error}): "
            'pip install ".[cloud]" in the clone of badpix-selfcal'
        )
    if isinstance(error, OSError) and is_of_machine(error):
        return error
    is_read = verb == "fetched"
    if isinstance(error, FileNotFoundError) and is_read:
        return RemoteError("no such file")
    status = getattr(error, "status", None)
    if status == 412:
        return RemoteError(CHANGED)
    if status:
        reason = f"{status} {getattr(error, 'message', '')}".strip()
    else:
        reason = without_secrets(str(error)) or type(error).__name__
    refused = isinstance(error, PermissionError) or "Credentials" in type(error).__name__
    hint = _PUBLIC if refused and is_read and remote.url.startswith("s3") else ""
    return RemoteError(f"cannot be {verb}: {reason}{hint}")
