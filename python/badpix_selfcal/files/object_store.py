"""Outputs in an object store (``s3://bucket/prefix``): written to local files, then uploaded.

An object store shows an object when its upload is complete, and never a part of it. Only protocols
that work this way are accepted: S3, and others whose fsspec filesystem is asynchronous and can
upload, copy and remove. `Outputs` uses `ObjectStore` for a URL and `Folder` for a path.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar

from .location import RemoteFile
from .requests import GRACE, RemoteError, longest, request
from .scratch import Scratch

__all__ = ["ObjectStore"]

_NEEDED: Final = (("_put_file",), ("_cp_file",), ("_rm_file", "_rm"))

SLOWEST: Final = 1 << 13
"""Bytes per second; an upload that takes longer is given up."""

_Result = TypeVar("_Result")


class ObjectStore:
    """The outputs under a URL, with the same methods as `Folder`.

    Parameters
    ----------
    directory : RemoteFile
        The URL that the outputs' names are appended to.
    """

    def __init__(self, directory: RemoteFile) -> None:
        self._directory = directory
        self._scratch: Scratch | None = None

    def open(self) -> None:
        """Refuse a protocol that cannot write.

        Raises
        ------
        ValueError
            If no output can be written to such a URL.
        OSError
            If packages for this protocol are missing.
        """
        if not self._request("", lambda system, _: _can_write(system), "opened"):
            protocol = self._directory.url.partition("://")[0].lower()
            raise ValueError(
                f"{self._directory}: outputs cannot be written to {protocol}:// "
                "URLs; give a folder or the URL of an object store (s3://bucket/prefix)"
            )

    def close(self) -> None:
        """Remove the local files."""
        if self._scratch is not None:
            self._scratch.remove()

    def location(self, name: str) -> RemoteFile:
        """Return the URL of an output."""
        return self._directory / name

    def present(self, names: Collection[str]) -> set[str]:
        """Return which of these names exist.

        Raises
        ------
        OSError
            If the store does not answer, or there is no such bucket.
        """
        if len(names) > 1:  # one listing in place of many requests
            return {*names} & self._request("", _names_in, "listed")
        return {name for name in names if self._request(name, _is_there, "looked up")}

    def part(self, name: str) -> Path:
        """Return the local file to write an output to."""
        if self._scratch is None:
            self._scratch = Scratch()
        return self._scratch.path / name

    def put(self, part: Path, name: str) -> None:
        """Upload a file, and replace an existing object.

        Raises
        ------
        OSError
            If it cannot be uploaded. An existing object is then unchanged.
        """
        self._upload(part, name, lambda system, path: system.put_file(str(part), path))

    def put_new(self, part: Path, name: str) -> None:
        """Upload a file, unless an object has this name.

        The store itself refuses to replace one (``If-None-Match``). A store without conditional
        writes may replace an object that appeared after the last call of `present`.

        Raises
        ------
        FileExistsError
            If an object has this name.
        OSError
            If it cannot be uploaded.
        """

        def create(system: Any, path: str) -> bool:
            try:
                system.put_file(str(part), path, mode="create")
            except Exception as error:
                if _is_refusal_to_replace(error):
                    # An earlier try may have written it, although its answer was lost.
                    return bool(system.cat_file(path) == part.read_bytes())
                if getattr(error, "errno", None) != errno.ENOSYS:
                    raise
                system.put_file(str(part), path)  # the store has no conditional writes
            return True

        if not self._upload(part, name, create):
            raise FileExistsError(
                f"{self.location(name)} appeared during the run; nothing was replaced"
            )

    def settle(self) -> None:
        """Do nothing: a store has kept an object when it says so."""

    def keep(self, name: str) -> str:
        """Copy an object within the store; return the copy's name."""
        kept = f".{name[:100]}.{os.urandom(8).hex()}.part"
        self._copy(name, kept)
        return kept

    def restore(self, kept: str, name: str) -> None:
        """Put a kept copy back under its name."""
        self._copy(kept, name)
        self.remove(kept)

    def remove(self, name: str) -> None:
        """Remove an object if it exists."""
        self._request(name, _remove, "removed")

    def _copy(self, name: str, copy: str) -> None:
        target = str(self.location(copy))
        self._request(
            name,
            lambda system, path: system.cp_file(path, system._strip_protocol(target)),
            f"copied to {target}",
            grace=GRACE,
        )

    def _upload(self, part: Path, name: str, action: Callable[[Any, str], _Result]) -> _Result:
        if not part.is_file():
            raise FileNotFoundError(f"{self.location(name)}: cannot be uploaded: was not written")
        limit = longest() + part.stat().st_size / SLOWEST
        return self._request(name, action, "written", limit=limit, grace=GRACE)

    def _request(
        self,
        name: str,
        action: Callable[[Any, str], _Result],
        verb: str,
        *,
        limit: float | None = None,
        grace: float = 0.0,
    ) -> _Result:
        location = self.location(name) if name else self._directory
        try:
            return request(location.url, action, verb, limit=limit, grace=grace)
        except RemoteError as error:
            raise RemoteError(f"{location}: {error}") from error


def _can_write(system: Any) -> bool:
    """Return whether a filesystem can upload, copy and remove whole objects."""
    from fsspec.asyn import AsyncFileSystem

    def has(method: str) -> bool:
        return getattr(type(system), method, None) is not getattr(AsyncFileSystem, method, None)

    return isinstance(system, AsyncFileSystem) and all(any(map(has, each)) for each in _NEEDED)


def _is_there(system: Any, path: str) -> bool:
    system.invalidate_cache(path)  # fsspec would answer from an older listing
    try:
        return bool(system.info(path)["type"] == "file")
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":
            raise
        return False


def _names_in(system: Any, path: str) -> set[str]:
    system.invalidate_cache(path)
    try:
        found = system.ls(path, detail=True)
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":
            raise
        return set()
    return {PurePosixPath(each["name"]).name for each in found if each["type"] == "file"}


def _remove(system: Any, path: str) -> None:
    with suppress(FileNotFoundError):
        system.rm_file(path)


def _is_refusal_to_replace(error: Exception) -> bool:
    """Return whether a conditional write failed because the object exists."""
    # If a store does not name the failed condition, s3fs raises an ordinary OSError.
    return isinstance(error, FileExistsError) or _code(error) in ("PreconditionFailed", "412")


def _code(error: Exception) -> str:
    """Return the store's error code; empty if s3fs does not pass it on."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
