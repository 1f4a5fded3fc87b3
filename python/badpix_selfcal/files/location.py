"""The location of a file: a path on this machine, or the URL of a remote file."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

__all__ = [
    "AnyLocation",
    "AnyPath",
    "Location",
    "RemoteFile",
    "absolute",
    "beside",
    "file_key",
    "is_folder",
    "locate",
    "locations_of",
    "output_directory",
    "refuse_file",
]

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://.+", re.DOTALL)
_LOCALHOST: Final = re.compile(r"^localhost/", re.IGNORECASE)
_READ_ONLY: Final = ("http", "https")
_SAME_PROTOCOL: Final = {"s3a": "s3", "s3n": "s3"}


@dataclass(frozen=True)
class RemoteFile:
    """A remote file or folder, with a few of the members of `pathlib.Path`.

    Attributes
    ----------
    url : str
        Its URL.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> RemoteFile:
        return RemoteFile(f"{self.url.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part of its path; if the URL names the file in a query (``?uri=``), of that."""
        split = urlsplit(self.url)
        path = PurePosixPath(split.path)
        return path.name if path.suffix or not split.query else PurePosixPath(split.query).name

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> RemoteFile:
        """Its folder."""
        return RemoteFile(self.url.rpartition("/")[0])

    def resolve(self) -> RemoteFile:
        """Return the file itself: a URL has no links to follow."""
        return self


Location: TypeAlias = Path | RemoteFile
"""The location of a file or folder. ``location / name`` is a file in a folder."""


AnyPath: TypeAlias = str | os.PathLike[str]
AnyLocation: TypeAlias = AnyPath | RemoteFile
"""A location as users give it: a path or a URL."""


def locate(given: AnyLocation) -> Location:
    """Return the location of a path or URL.

    A URL of this machine (``file://``, ``local://``) becomes a path, so that every name of a file
    is recognized. In ``file://``, ``%20`` is a space; without a slash the path is relative, as in
    fsspec.
    """
    url = given.url if isinstance(given, RemoteFile) else given
    if not isinstance(url, str) or not _URL.fullmatch(url):
        return Path(url)
    protocol, _, path = url.partition("://")
    if protocol.lower() == "local":
        return Path(path)
    if protocol.lower() == "file":
        from urllib.request import url2pathname  # imports http.client; few users need it

        return Path(url2pathname(_LOCALHOST.sub("/", path)))
    return RemoteFile(url)


def locations_of(given: AnyLocation | Iterable[AnyLocation]) -> tuple[Location, ...]:
    """Return the locations of one path or URL, or of several."""
    if isinstance(given, (str, os.PathLike, RemoteFile)):
        return (locate(given),)
    return tuple(locate(each) for each in given)


def absolute(location: Location) -> Location:
    """Return a location that does not depend on the current directory."""
    return location.absolute() if isinstance(location, Path) else location


def file_key(location: Location) -> Hashable:
    """Return a value that is equal for all names of a file.

    The names of a file of this machine are its links. Those of a remote file are URLs that differ
    in the spelling of the protocol only. A file within an archive (``zip://a.fits::/x.zip``) has
    the key of the archive.
    """
    if isinstance(location, RemoteFile) and "::" in location.url:
        return file_key(locate(location.url.rpartition("::")[2]))
    if isinstance(location, Path):
        try:
            about = location.stat()
        except OSError:
            return location
        return about.st_dev, about.st_ino
    split = urlsplit(location.url)
    return _SAME_PROTOCOL.get(split.scheme, split.scheme), split.netloc, split.path


def is_folder(location: Location) -> bool:
    """Return whether a location is that of a folder; the URL of one ends with a slash."""
    return location.is_dir() if isinstance(location, Path) else location.url.endswith("/")


def output_directory(given: AnyLocation | None) -> Location:
    """Return the location of a folder for outputs.

    Parameters
    ----------
    given : path-like, RemoteFile or None
        A folder, or the URL of a prefix in an object store; None means the current directory.

    Returns
    -------
    Path or RemoteFile
        The folder; a URL without ``..`` and without a slash at its end.

    Raises
    ------
    ValueError
        If it is a URL that no file can be written to.
    NotADirectoryError
        If it is a file, or lies below one.
    FileNotFoundError
        If it is relative to a working folder that exists no longer.
    """
    directory = Path() if given is None else locate(given)
    if isinstance(directory, Path):
        _require_working_folder(directory)
        refuse_file(directory)
        return directory
    split = urlsplit(directory.url)
    if split.scheme in _READ_ONLY:
        raise ValueError(
            f"{directory}: outputs cannot be written to {split.scheme}:// URLs; give a folder or "
            "the URL of an object store (s3://bucket/prefix)"
        )
    if "?" in directory.url or "#" in directory.url:
        raise ValueError(f"{directory}: the URL of an output folder must not contain ? or #")
    # An object store does not resolve `a/../b`: there, dots are names.
    path = posixpath.normpath(split.path).lstrip("/") if split.path else ""
    return RemoteFile(f"{split.scheme}://{split.netloc}/{path}".rstrip("/"))


def _require_working_folder(directory: Path) -> None:
    try:
        directory.absolute()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{directory}: the working folder exists no longer; change to another one"
        ) from error


def refuse_file(directory: Path) -> None:
    """Refuse a folder for outputs that is a file, or lies below one."""
    for path in (directory, *directory.parents):
        if path.is_dir():
            return
        if path.exists():
            raise NotADirectoryError(f"{path}: is a file; give a folder for the outputs")


def beside(location: Location, name: str) -> Location:
    """Return the location of a member that an association lists by a URL or a relative path."""
    if _URL.fullmatch(name):
        found = locate(name)
        if isinstance(found, Path) and isinstance(location, Path):
            return location.parent / found  # an absolute path stays as it is
        return found
    if isinstance(location, Path):
        return location.parent / name
    split = urlsplit(location.url)
    # An object store does not resolve `a/../b`: there, dots are names.
    path = posixpath.normpath(posixpath.join(posixpath.dirname(split.path) or "/", name))
    return RemoteFile(urlunsplit((split.scheme, split.netloc, path, "", "")))
