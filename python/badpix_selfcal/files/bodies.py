"""The bodies of answers over HTTP and from S3, read up to what was asked and no further.

fsspec reads every body to its end, in any time. A server that ignores a range, sends an error page
in place of a file, or never ends would then be believed, or waited for. These functions check
each answer before its body is read. They are imported with the first request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from .requests import RangeError, RemoteError, Version, timeout

__all__ = ["Answer", "part_of", "whole_of"]

PIECE: Final = 1 << 18
"""Bytes read at a time."""

SLOWEST: Final = 1024
"""Bytes per second; a body that comes more slowly for the time of a time-out has stalled."""

_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


@dataclass(frozen=True)
class Answer:
    """An answer whose body has not been read.

    Attributes
    ----------
    version : Version
        The version of the file.
    length : int or None
        The bytes of the body; None if the server does not say.
    read : callable
        Returns the next bytes of the body, at most a given number; none at its end.
    """

    version: Version
    length: int | None
    read: Callable[[int], Awaitable[bytes]]

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body; raise TimeoutError if it stalls."""
        clock, seconds = asyncio.get_running_loop().time, timeout()
        least, got, end = SLOWEST * seconds, 0, clock() + seconds
        while True:
            try:
                async with asyncio.timeout_at(end):
                    piece = await self.read(PIECE)
            except TimeoutError:
                raise TimeoutError(f"the server stalled for {seconds:g} s") from None
            if not piece:
                return
            got += len(piece)
            if got >= least:
                got, end = 0, clock() + seconds
            yield piece


def part_of(
    system: Any, path: str, start: int, length: int
) -> Coroutine[Any, Any, tuple[bytes, Version]] | None:
    """Return a coroutine that reads a range; None for a filesystem of other servers.

    Its result is the content, less than asked if the file ends within the range, and the version
    of the file.

    Raises
    ------
    RangeError
        If the server answers with anything but this range.
    """
    opener, part = _opener(system), (start, start + length)
    return None if opener is None else _part_of(opener(system, path, part), length)


def whole_of(
    system: Any, path: str, take: Callable[[bytes], object], most: int
) -> Coroutine[Any, Any, Version] | None:
    """Return a coroutine that reads a whole file; None for a filesystem of other servers.

    Its result is the version of the file.

    Parameters
    ----------
    system : fsspec filesystem
        The filesystem.
    path : str
        The file.
    take : callable
        Called with each piece of the file. An error that it raises ends the reading.
    most : int
        The largest number of bytes that are accepted.

    Raises
    ------
    RemoteError
        If the file is larger.
    """
    opener = _opener(system)
    return None if opener is None else _whole_of(opener(system, path, None), take, most)


_Opened: TypeAlias = AbstractAsyncContextManager[Answer]
_Opener: TypeAlias = Callable[[Any, str, tuple[int, int] | None], _Opened]


async def _part_of(opened: _Opened, length: int) -> tuple[bytes, Version]:
    content = bytearray()
    async with opened as answer:
        async for piece in answer.pieces():
            content += piece
            if len(content) > (length if answer.length is None else answer.length):
                raise RangeError("the server sends more than the range it announces")
        if answer.length is not None and len(content) < answer.length:
            raise ConnectionError("the answer ended early")
    return bytes(content), answer.version


async def _whole_of(opened: _Opened, take: Callable[[bytes], object], most: int) -> Version:
    done = 0
    async with opened as answer:
        if answer.length is None or answer.length <= most:
            async for piece in answer.pieces():
                done += len(piece)
                if done > most:
                    break
                take(piece)
        if max(done, answer.length or 0) > most:
            raise RemoteError(f"is larger than {most >> 20} MiB, or never ends")
    return answer.version


def _opener(system: Any) -> _Opener | None:
    """Return the function that opens files of a filesystem."""
    protocols = [system.protocol] if isinstance(system.protocol, str) else system.protocol
    if "http" in protocols:
        return _web
    return _s3 if "s3" in protocols and hasattr(system, "_call_s3") else None


@asynccontextmanager
async def _web(system: Any, path: str, part: tuple[int, int] | None) -> AsyncIterator[Answer]:
    from aiohttp import ClientTimeout

    options = {"timeout": ClientTimeout(total=None), **system.kwargs}
    headers = {**options.pop("headers", {}), "Accept-Encoding": "identity", **_range_header(part)}
    session = await system.set_session()
    url = system.encode_url(path)
    response = await _answered(session.get(url, headers=headers, **options))
    try:
        if response.status == 404:
            raise FileNotFoundError(path)
        beyond = part is not None and response.status == 416
        if not beyond:
            response.raise_for_status()
        facts, content = response.headers, response.content
        size = None if "Content-Encoding" in facts else response.content_length
        place = facts.get("Content-Range", "") if response.status == 206 else ""
        version = (facts.get("ETag", ""), facts.get("Last-Modified", ""))
        yield _nothing() if beyond else _checked(part, place, size, version, content.read)
    finally:
        response.close()


@asynccontextmanager
async def _s3(system: Any, path: str, part: tuple[int, int] | None) -> AsyncIterator[Answer]:
    bucket, key, number = system.split_path(path)
    given = _range_header(part) | ({"VersionId": number} if number else {})
    try:
        found = await _answered(system._call_s3("get_object", Bucket=bucket, Key=key, **given))
    except Exception as error:
        if part is None or "InvalidRange" not in f"{error.__cause__} {error}":
            raise
        yield _nothing()
        return
    body = found["Body"]
    try:
        version = (str(found.get("ETag", "")), str(found.get("LastModified", "")))
        place, size = found.get("ContentRange", ""), found.get("ContentLength")
        yield _checked(part, place, size, version, body.read)
    finally:
        body.close()


async def _answered(call: Awaitable[Any]) -> Any:
    """Wait for the head of an answer."""
    seconds = timeout()
    try:
        return await asyncio.wait_for(call, seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def _range_header(part: tuple[int, int] | None) -> dict[str, str]:
    return {} if part is None else {"Range": f"bytes={part[0]}-{part[1] - 1}"}


def _checked(
    part: tuple[int, int] | None,
    place: str,
    length: int | None,
    version: tuple[str, str],
    read: Callable[[int], Awaitable[bytes]],
) -> Answer:
    """Return an answer if it is the one that was asked for.

    Parameters
    ----------
    part : tuple of int or None
        Start and end of the range that was asked for.
    place : str
        The header Content-Range of the answer.
    length : int or None
        Its Content-Length.
    version : tuple of str
        Its ETag and Last-Modified.
    read : callable
        Reads its body.
    """
    if part is None:
        return Answer(Version(*version, length), length, read)
    if not place:
        raise RangeError("the server ignores ranges")
    found = _RANGE.fullmatch(place)
    if found is None:
        raise RangeError(f"the server answers with an odd range: {place[:80]!r}")
    size = None if found[3] == "*" else int(found[3])
    start, end = int(found[1]), int(found[2]) + 1
    expected = part[1] if size is None else min(part[1], size)
    if (start, end) != (part[0], expected) or length not in (None, end - start):
        raise RangeError(f"the server answers with another range: {place!r}")
    return Answer(Version(*version, size), end - start, read)


def _nothing() -> Answer:
    """Return the answer for a range that begins beyond the end of the file."""

    async def read(_: int) -> bytes:
        return b""

    return Answer(Version(), 0, read)
