"""Requests to servers: how long one may take, when it is repeated, and what ends it.

All requests go through fsspec (extra ``cloud``). It is imported when the first URL is read, and is
configured by its own files and variables, such as ``FSSPEC_S3_ANON=true`` for a public bucket.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from .._interrupts import awaited, begun, paused
from ..errors import is_of_machine
from ..messages import extra

__all__ = ["GRACE", "RangeError", "RemoteError", "Version", "longest", "request", "timeout"]

VARIABLE: Final = "BADPIX_SELFCAL_TIMEOUT"
"""The environment variable that sets `timeout`."""

TIMEOUT: Final = 30.0
"""Its default, s."""

FACTOR: Final = 3.0
"""`longest` in time-outs."""

PAUSES: Final = (0.4, 1.6, 6.4)
"""Seconds before each further try of a request that failed."""

GRACE: Final = 1.5
"""Seconds that an upload has to end after an interrupt: only its answer says whether it counts."""

_TRANSPORT: Final = frozenset(
    {
        "ClientConnectionError",
        "ClientPayloadError",
        "HTTPClientError",
        "IncompleteReadError",
        "ResponseParserError",
        "ResponseStreamingError",
    }
)
"""Errors of aiohttp and botocore that a further try may not meet."""

_PUBLIC: Final = (
    "; give credentials as for any tool of AWS, or set FSSPEC_S3_ANON=true for a public bucket"
)

_Result = TypeVar("_Result")

Action: TypeAlias = Callable[[Any, str], _Result]
"""Makes a request; called with the URL's fsspec filesystem and the path there."""

Stream: TypeAlias = Callable[[Any, str], Coroutine[Any, Any, _Result] | None]
"""Returns a coroutine that makes a request and limits its own time; None if there is none."""


class RemoteError(OSError):
    """A request for a remote file failed. The caller adds the URL to the message."""


class RangeError(RemoteError):
    """The server answers otherwise than with the range asked for; it may send the whole file."""


@dataclass(frozen=True)
class Version:
    """What a server says about the version of a file; each is empty or None where it is silent."""

    tag: str = ""
    modified: str = ""
    size: int | None = None

    def differs(self, later: Version) -> bool:
        """Return whether another answer was made from another version of the file."""
        if all(tag and not tag.startswith("W/") for tag in (self.tag, later.tag)):
            return self.tag != later.tag
        facts = ((self.tag, later.tag), (self.modified, later.modified), (self.size, later.size))
        return any(one and other and one != other for one, other in facts)


def timeout() -> float:
    """Return the time to wait for a connection, an answer, or the next part of it, s.

    Raises
    ------
    ValueError
        If the environment variable has another value than a positive number.
    """
    given = os.environ.get(VARIABLE) or TIMEOUT
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{VARIABLE} must be a positive number of seconds, got {given!r}")
    return seconds


def longest() -> float:
    """Return the time after which a failed request is not repeated, s."""
    return FACTOR * timeout()


def request(
    url: str,
    action: Action[_Result],
    verb: str = "fetched",
    *,
    stream: Stream[_Result] | None = None,
    limit: float | None = None,
    grace: float = 0.0,
) -> _Result:
    """Make a request; repeat it after a failure that may be temporary.

    Parameters
    ----------
    url : str
        The file.
    action : callable
        Makes the request.
    verb : str, optional
        The participle for the error message: the file cannot be "fetched".
    stream : callable, optional
        Makes the request in place of `action`, if it can; it is cancelled at an interrupt.
    limit : float, optional
        The longest time for one call of `action`, s. Default: `longest`.
    grace : float, optional
        The time that `action` has to end after an interrupt, s.

    Returns
    -------
    object
        The result of `action` or `stream`.

    Raises
    ------
    RemoteError
        If the request fails for any reason but those below. The caller adds the URL to the message.
    MemoryError, OSError
        If the machine has no more memory, space or open files; see
        `badpix_selfcal.errors.is_of_machine`.
    """
    with _as_remote_error(url, verb):
        from asyncio import run_coroutine_threadsafe

        import fsspec

        # Looked up every time: fsspec keeps its connections, and makes new ones after a fork.
        system, path = fsspec.core.url_to_fs(url)
        end = time.monotonic() + longest()

        def attempt() -> _Result:
            coroutine = None if stream is None else stream(system, path)
            if coroutine is not None:
                return awaited(run_coroutine_threadsafe(coroutine, system.loop))
            call = begun(lambda: action(system, path))
            return awaited(call, longest() if limit is None else limit, grace=grace)

        for pause in PAUSES:
            try:
                return attempt()
            except Exception as error:
                if not _is_retryable(error) or time.monotonic() + pause > end:
                    raise
                paused(pause)
        return attempt()


def _is_retryable(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int) and status:
        return status >= 500 or status == 429
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "ClientSSLError" in kinds:
        return False
    return not kinds.isdisjoint(_TRANSPORT) or isinstance(error, (ConnectionError, TimeoutError))


@contextmanager
def _as_remote_error(url: str, verb: str) -> Iterator[None]:
    reading = verb == "fetched"
    try:
        yield
    except (RemoteError, MemoryError):
        raise
    except ImportError as error:
        raise RemoteError(
            f"this URL needs packages that are not installed ({error}): {extra('cloud')}"
        ) from error
    except Exception as error:  # every protocol has errors of its own
        if isinstance(error, OSError) and is_of_machine(error):
            raise
        if reading and isinstance(error, FileNotFoundError):
            raise RemoteError("no such file") from None
        refused = isinstance(error, PermissionError) or "Credentials" in type(error).__name__
        hint = _PUBLIC if refused and reading and url.startswith("s3") else ""
        reason = str(error) or type(error).__name__
        raise RemoteError(f"cannot be {verb}: {reason}{hint}") from error
