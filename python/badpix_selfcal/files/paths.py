"""Where files are: paths on this machine, and the URLs of remote files.

A `RemoteFile` is no `upath.UPath`: the text of one shows passwords and signatures, and the name of
a signed one is a part of its signature.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from ..errors import ExposureError

_URL: Final = re.compile(r"([A-Za-z0-9]+::)*[A-Za-z][A-Za-z0-9+.-]+://.+", re.DOTALL)
_IN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://(?:[^\s'\"]|['\"](?=[\w%&=+]))+")
_SECRET: Final = re.compile(
    r"(?<=://)(?:[^/?#]*@|[^/?#:\[]*:(?!:|\d*(?:[/?#]|$)).*)|[?#].*", re.DOTALL
)
"""User and password, also of a URL that has ``#`` in the password; query and fragment."""

_NAMED: Final = re.compile(r"(?i)[^&;?#]+\.(fits?(\.gz)?|json|ya?ml)")
"""The name of a file in a query; nothing else there is shown."""

_STORES: Final = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss")
"""The protocols of object stores, which show an object when it is complete."""

_ENDING: Final = re.compile(r"(?i)(?<=.)(\.(fits?|fts))?(\.gz)?$")
_SUFFIX: Final = re.compile(
    "(?<=.)_(badpix_selfcal|assign_wcs|clean_flicker_noise|msa_flagging|rateints|rate|bsub|cal|crf)$"
)
"""The ends of exposures' names; some of those that the pipeline knows."""

_LINE: Final = 300
"""Characters of what a server or a library says that are shown."""

_MOST_NAMES: Final = 10_000
"""Names of a folder that are compared; a larger folder would take seconds."""


@dataclass(frozen=True)
class RemoteFile:
    """A remote file or folder, with a few of the members of `pathlib.Path`.

    Its text shows neither user and password nor query and fragment, which may be secret.

    Attributes
    ----------
    url : str
        Its URL, with everything.
    """

    url: str = field(repr=False)

    def __str__(self) -> str:
        shown = _SECRET.sub("", self.url)
        return shown if self.name in (shown.rpartition("/")[2], "") else f"{shown} ({self.name})"

    def __repr__(self) -> str:
        return f"RemoteFile({str(self)!r})"

    def __truediv__(self, name: str) -> RemoteFile:
        return RemoteFile(f"{self.url.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part of its path; if its query names the file (``uri=``), of that."""
        split = urlsplit(self.url)
        path = PurePosixPath(split.path)
        named = PurePosixPath(dict(parse_qsl(split.query)).get("uri", "")).name
        return named if not path.suffix and _NAMED.fullmatch(named) else path.name

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

AnyLocation: TypeAlias = str | os.PathLike[str] | RemoteFile
"""A location as users give it: a path or a URL."""


def without_secrets(text: str) -> str:
    """Return a text whose URLs show no user, password, query and fragment."""
    return _IN_TEXT.sub(lambda url: _SECRET.sub("", url[0]), text)


def line_of(text: str) -> str:
    """Return what a server or a library says, in a line of limited length, without secrets."""
    return shorten(without_secrets(text), _LINE, placeholder="...")


def locate(given: AnyLocation) -> Location:
    """Return the location of a path or URL; a ``file://`` URL becomes a path.

    Raises a ValueError if a URL is not valid, or a chain as of fsspec (``zip://a::https://b``).
    """
    url = given.url if isinstance(given, RemoteFile) else given
    if not isinstance(url, str) or not _URL.fullmatch(url):
        return Path(url)
    protocol, _, path = url.partition("://")
    if protocol.lower() == "file":
        return Path(unquote(path.removeprefix("localhost")))
    shown = _SECRET.sub("", url)
    if "::" in url:
        raise ValueError(f"{shown}: a URL with :: is refused; give the URL of one file")
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError(f"{shown}: is not a valid URL") from None
    return RemoteFile(url)


def locations_of(given: AnyLocation | Iterable[AnyLocation]) -> tuple[Location, ...]:
    """Return the locations of one path or URL, or of several."""
    if isinstance(given, (str, os.PathLike, RemoteFile)):
        return (locate(given),)
    return tuple(locate(each) for each in given)


def is_folder(location: Location) -> bool:
    """Return whether a location is that of a folder.

    The URL of one ends with a slash; in an object store its name has no ending.
    """
    if isinstance(location, Path):
        return location.is_dir()
    return location.url.endswith("/") or (is_in_store(location) and not location.suffix)


def is_in_store(remote: RemoteFile) -> bool:
    """Return whether a URL is that of an object store."""
    return urlsplit(remote.url).scheme in _STORES


def absolute(location: Location) -> Location:
    """Return a location that does not depend on the current directory."""
    return location.absolute() if isinstance(location, Path) else location


def file_key(location: Location) -> Hashable:
    """Return a value that is equal for all names of a file: links, URLs of other secrets."""
    if isinstance(location, RemoteFile):
        return server_of(location), urlsplit(location.url).path, location.name
    try:
        about = location.stat()
    except OSError:
        return location
    return about.st_dev, about.st_ino


def server_of(location: Location) -> str:
    """Return the protocol and the host of a URL; empty for a path."""
    if isinstance(location, Path):
        return ""
    split = urlsplit(location.url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}"


def secrets_of(remote: RemoteFile) -> list[str]:
    """Return what its text does not show: user and password, query, and fragment."""
    split = urlsplit(remote.url)
    user = split.netloc.rpartition("@")[0]
    parts = (f"{user}@", f"?{split.query}", f"#{split.fragment}")
    return [part for part in parts if len(part) > 1]


def stem_of(exposure: AnyLocation) -> str:
    """Return an exposure's name without its ending and its known suffix.

    The stem of ``jw01_00001_mirifulong_rate.fits`` is ``jw01_00001_mirifulong``.
    """
    return _SUFFIX.sub("", _ENDING.sub("", locate(exposure).name))


def beside(location: Location, name: str) -> Location:
    """Return the location of a member that an association lists by a URL or a relative path."""
    found = locate(name)
    if isinstance(location, Path) and isinstance(found, Path):
        return location.parent / found  # an absolute path stays as it is
    if isinstance(location, Path) or _URL.fullmatch(name):
        return found
    split = urlsplit(location.url)
    # An object store does not resolve `a/../b`: there, dots are names.
    path = posixpath.normpath(posixpath.join(posixpath.dirname(split.path) or "/", name))
    return locate(urlunsplit((split.scheme, split.netloc, path, "", "")))


def output_directory(given: AnyLocation | None) -> Location:
    """Return the location of a folder for outputs; None means the current directory.

    Raises
    ------
    ValueError
        If it is a URL that no file can be written to: it must be of an object store.
    NotADirectoryError
        If it is a file, or lies below one.
    """
    directory = Path() if given is None else locate(given)
    if isinstance(directory, Path):
        refuse_file(directory)
        return directory
    split = urlsplit(directory.url)
    if not is_in_store(directory):
        raise ValueError(
            f"{directory}: outputs cannot be written to {split.scheme}:// URLs; give a folder or "
            "the URL of an object store (s3://bucket/prefix)"
        )
    if "?" in directory.url or "#" in directory.url:
        raise ValueError(f"{directory}: the URL of an output folder must not contain ? or #")
    path = posixpath.normpath(split.path).lstrip("/") if split.path else ""
    return RemoteFile(f"{split.scheme}://{split.netloc}/{path}".rstrip("/"))


def refuse_file(directory: Path) -> None:
    """Refuse a folder for outputs that is a file, or lies below one."""
    for path in (directory, *directory.parents):
        if path.is_dir():
            return
        if path.exists():
            raise NotADirectoryError(f"{path}: is a file; give a folder for the outputs")


def require_file(path: Path) -> None:
    """Raise an ExposureError if a path is not that of a file."""
    if not path.is_file():
        raise ExposureError(f"{path}: is not a file" if path.exists() else no_such(path))


def no_such(path: Path) -> str:
    """Return the error message for a path that does not exist, with the near names beside it.

    If a folder on the way does not exist either, the near names are those of that folder.
    """
    absent = path
    while absent.parent != absent and not absent.parent.exists():
        absent = absent.parent
    try:
        with os.scandir(absent.parent) as entries:
            names = {entry.name for entry in islice(entries, _MOST_NAMES)}
    except OSError:  # not a folder, or not readable
        names = set()
    near = get_close_matches(absent.name, sorted(names - {absent.name}), n=3)
    hint = " or ".join(str(absent.with_name(name)) for name in near)
    return f"{path}: no such file or folder" + (f"; did you mean {hint}?" if hint else "")
