"""Requests for remote files, all through fsspec (extra ``cloud``, imported when first needed).

fsspec is configured by its own files and variables, such as ``FSSPEC_S3_ANON=true`` for a public
bucket. Here are only the limits: how long a request may take, and how often it is repeated.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import unquote, urlsplit

from ..errors import is_of_machine
from .paths import RemoteFile, line_of, secrets_of

VARIABLE: Final = "BADPIX_SELFCAL_TIMEOUT"
"""The environment variable that sets the time-out."""

LONGEST: Final = 20
"""A whole answer takes at most so many times the time-out: ten minutes."""

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
"""Errors of Python, aiohttp and botocore that a further try may not meet."""

_answered: dict[str, float] = {}
_silent: dict[str, float] = {}
"""When servers answered last, and when one did not in time: it is not asked again for a while."""

_Result = TypeVar("_Result")


class RemoteError(OSError):
    """A request for a remote file failed. The caller adds the file to the message."""


@dataclass(frozen=True)
class About:
    """What a server says about a file.

    Attributes
    ----------
    version : str
        Its size, and its ETag or time if the server tells them.
    size : int or None
        Its bytes; None if parts of it cannot be read.
    conditions : mapping of str to str
        The headers of HTTP that make a server refuse another version; empty if there are none.
    """

    version: str
    size: int | None
    conditions: Mapping[str, str]


def about(remote: RemoteFile) -> About:
    """Ask for size and version of a file; raise a RemoteError if there is none, or no answer."""
    found = _request(remote, lambda system, path: system.info(path))
    size, tag = found.get("size"), str(found.get("ETag") or "")
    times = ("Last-Modified", "LastModified", "mtime", "last_modified")
    modified = str(next(filter(None, map(found.get, times)), ""))
    conditions = {}
    if remote.url.startswith("http"):
        strong = tag and not tag.startswith("W/")
        name, value = ("If-Match", tag) if strong else ("If-Unmodified-Since", modified)
        conditions = {"Accept-Encoding": "identity", name: value} if value else {}
    return About(
        f"{size}:{tag or modified}", None if found.get("partial") is False else size, conditions
    )


def ahead(remote: RemoteFile, known: About, more: int) -> Callable[[int, int], bytes]:
    """Return what reads parts of a file; each request fetches `more` bytes than are asked for.

    Raises, when it is called, a RemoteError if a part cannot be read, or the server refuses it
    because the file is another version than that which is known.
    """
    from fsspec.caching import ReadAheadCache

    def fetch(start: int, end: int) -> bytes:
        content: bytes = _request(
            remote,
            lambda system, path: system.cat_file(path, start=start, end=end, **_headers(known)),
        )
        if len(content) == known.size:  # some servers ignore ranges
            content = content[start:end]
        if len(content) != end - start:
            raise RemoteError(f"the server sent {len(content)} bytes of a range of {end - start}")
        return content

    cache = ReadAheadCache(more, fetch, known.size)
    return lambda at, count: bytes(cache._fetch(at, at + count))


def download(remote: RemoteFile, most: int = MOST, known: About | None = None) -> BinaryIO:
    """Return a copy of a file, without a name on this machine, which ends when it is closed.

    Raises a RemoteError if it cannot be fetched, is too large, or is another version than `known`.
    """
    descriptor, name = tempfile.mkstemp(prefix="badpix-selfcal-")
    try:
        how = {"callback": _at_most(most), **_headers(known)}
        _request(remote, lambda system, path: system.get_file(path, name, **how))
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

    Raises a RemoteError if the store does not answer, or there is no such bucket.
    """

    def names(system: Any, path: str) -> set[str]:
        system.invalidate_cache(path)  # fsspec would answer from an older listing
        try:
            found = system.ls(path, detail=True)
        except FileNotFoundError as error:
            response = getattr(error.__cause__, "response", None) or {}
            if response.get("Error", {}).get("Code") == "NoSuchBucket":
                raise OSError("there is no such bucket") from None
            return set()
        return {PurePosixPath(each["name"]).name for each in found if each["type"] == "file"}

    return _request(folder, names, "listed")


def matching(pattern: RemoteFile) -> list[RemoteFile]:
    """Return the files that match a URL; raise a RemoteError if the server cannot list files."""

    def match(system: Any, path: str) -> list[str]:
        system.invalidate_cache()
        return [system.unstrip_protocol(found) for found in system.glob(path)]

    return [RemoteFile(url) for url in sorted(_request(pattern, match, "listed"))]


def _headers(known: About | None) -> dict[str, Mapping[str, str]]:
    return {"headers": known.conditions} if known is not None and known.conditions else {}


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
    host, begin, seconds = urlsplit(remote.url).netloc, time.monotonic(), _timeout()
    if host in _silent and begin - _silent[host] < seconds:
        raise RemoteError(f"cannot be {verb}: the server has just not answered another request")
    for pause in (*_PAUSES, None):
        try:
            found = action(*_opened(remote.url, seconds))
        except (RemoteError, MemoryError):
            raise
        except Exception as error:  # every protocol has errors of its own
            cause = _cause_of(error)
            is_late = time.monotonic() - begin > 1.9 * seconds
            if pause is None or is_late or not _is_temporary(cause):
                if is_late and _is_temporary(cause) and _answered.get(host, 0.0) < begin:
                    _silent[host] = time.monotonic()
                raise _remote_error(cause, verb, remote) from None
            time.sleep(pause)
        else:
            _answered[host] = time.monotonic()
            return found
    raise AssertionError


def _timeout() -> float:
    """Return the time to wait for a connection, or for the next part of an answer, s."""
    given = os.environ.get(VARIABLE) or "30"
    with suppress(ValueError):
        if 0 < (seconds := float(given)) < float("inf"):
            return seconds
    raise ValueError(f"{VARIABLE} must be a positive number of seconds, got {given!r}")


def _opened(url: str, seconds: float) -> tuple[Any, str]:
    """Return the filesystem of a URL and the path there.

    Looked up every time: fsspec keeps its connections, and makes new ones after a fork.
    """
    import fsspec

    name, limits, protocol = "", dict[str, Any](), url.partition("://")[0]
    if protocol in ("http", "https"):
        from aiohttp import ClientTimeout

        limit = ClientTimeout(seconds * LONGEST, sock_connect=seconds, sock_read=seconds)
        name, limits = "client_kwargs", {"timeout": limit}
    elif protocol in ("s3", "s3a"):
        name, limits = "config_kwargs", {"connect_timeout": seconds, "read_timeout": seconds}
        limits["retries"] = {"max_attempts": 0}  # `_request` repeats it
    given = fsspec.config.conf.get(protocol, {}).get(name, {})
    options = {name: {**limits, **given}} if limits else {}
    system, path = fsspec.core.url_to_fs(url, **options)
    if hasattr(system, "retries"):
        system.retries = 1
    return system, path


def _cause_of(error: Exception) -> BaseException:
    """Return why a file was not found: fsspec says so whatever happens to a request for it."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or cause is None:
        return error
    is_other = getattr(cause, "status", 404) not in (404, 410)
    return cause if is_other or _is_temporary(cause) else error


def _is_temporary(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    is_read = type(error.__cause__).__name__ != "HttpProcessingError"  # the answer, as HTTP
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int) and status and is_read:
        return status >= 500 or status == 429
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return "ClientSSLError" not in kinds and not (is_read and kinds.isdisjoint(_TRANSPORT))


def _remote_error(error: BaseException, verb: str, remote: RemoteFile) -> Exception:
    """Return the error of a request, in a line without secrets."""
    if isinstance(error, ImportError):
        return RemoteError(
            f"this URL needs packages that are not installed ({error}): "
            'pip install "badpix-selfcal[cloud]"'
        )
    if isinstance(error, OSError) and is_of_machine(error):
        return error
    status = getattr(error, "status", None)
    if status == 412:
        return RemoteError(CHANGED)
    reason, hint = str(error) or type(error).__name__, ""
    if verb == "fetched" and isinstance(error, FileNotFoundError):
        return RemoteError("no such file")
    if status:
        reason = f"{status} {getattr(error, 'message', '')}".strip()
    elif isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        hint = "; give credentials as for any tool of AWS"
        hint += ", or set FSSPEC_S3_ANON=true for a public bucket" * (verb == "fetched")
    for secret in secrets_of(remote):
        reason = reason.replace(secret, "").replace(unquote(secret), "")
    return RemoteError(f"cannot be {verb}: {line_of(reason)}{hint}")
