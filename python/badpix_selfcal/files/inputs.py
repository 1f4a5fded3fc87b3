"""What users give as inputs: files, patterns and folders, here or at URLs; and their versions."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ..errors import ExposureError, warn
from .paths import AnyLocation, Location, RemoteFile, is_folder, is_in_store, locate, no_such
from .remote import RemoteError, about, matching

ENDINGS: Final = (".json", ".yaml", ".yml")
"""Those of the names of associations."""

_RATE: Final = re.compile(r"[^.].*_rate\.fits(\.gz)?", re.DOTALL)
"""The files that a folder stands for: the pipeline's first stage writes them."""

_RATE_OR_COPY: Final = re.compile(
    r"[^.].*_(rate|badpix_selfcal(_bkg_[0-9]+)?)\.fits(\.gz)?", re.DOTALL
)
"""The same, and their flagged copies."""

_KIND: Final = re.compile(r"[^.].*?(_[a-z0-9]+)?\.fits(\.gz)?", re.DOTALL)

_REMEDIES: Final = {
    "_uncal": " (calwebb_detector1 makes rates of them)",
    "_ramp": " (calwebb_detector1 makes rates of them)",
    "_cal": " (made of rates: give those)",
    "_selfcal": " (flagged already)",
}
"""What the files of a folder without rates are, by the end of their names."""

_ANY_DEPTH: Final = re.compile(r"(?:^|(?<=/))\*\*/")

_UNPACKERS: Final = {".bz2": "bunzip2", ".fz": "funpack", ".xz": "unxz", ".zip": "unzip"}
"""What unpacks files that are compressed in other ways than by gzip."""


def version_of(location: Location) -> str:
    """Return a text that differs between versions of a file: its size, and time or ETag.

    Raises an OSError if there is no such file.
    """
    if isinstance(location, RemoteFile):
        return about(location).version
    status = location.stat()  # without the number of the file: some network disks change it
    return f"{status.st_size}:{status.st_mtime_ns}"


def what_takes(location: Location) -> str:
    """Return what a file is that is not FITS, by its name, and what takes it; empty if unknown."""
    suffix = location.suffix.lower()
    if suffix in ENDINGS:
        return "is an association; give it to `run`, which takes one at a time"
    if suffix in _UNPACKERS:
        return f"is compressed by another program than gzip; unpack it ({_UNPACKERS[suffix]})"
    return ""


def is_pattern(location: Location) -> bool:
    """Return whether a location stands for all files that match it."""
    if isinstance(location, RemoteFile):
        return "*" in location.url  # ? is no wildcard here: it begins a query
    return not os.path.lexists(location) and glob.has_magic(str(location))


def expanded(
    inputs: Iterable[AnyLocation], *, flagged: bool = False
) -> list[tuple[Location, bool]]:
    """Return the files that locations, patterns and folders stand for.

    Each has with it whether it was found in a folder: that stands for the rates in it and in its
    sub-folders, and if `flagged` for flagged copies. Raises an ExposureError if one stands for no
    file.
    """
    form = _RATE_OR_COPY if flagged else _RATE
    files: list[tuple[Location, bool]] = []
    for given in map(locate, inputs):
        is_several = is_pattern(given)
        if isinstance(given, Path) and not (is_several or os.path.lexists(given)):
            raise ExposureError(no_such(given))
        found: list[tuple[Location, bool]] = []
        for each in _matching(given, given) if is_several else [given]:
            if is_folder(each):
                found += [(file, True) for file in _rates_in(each, form)]
            else:
                found.append((each, False))
        if not found:
            why = "no file matches this pattern" if is_several else _without_rates(given)
            raise ExposureError(f"{given}: {why}")
        files += found
    return files


def _rates_in(folder: Location, form: re.Pattern[str]) -> list[Location]:
    """Return the files of a form in a folder and in its sub-folders; HTTP does not list those."""
    if isinstance(folder, Path):
        files = [each for _, there in _folders_in(folder) for each in there]
        return [each for each in files if form.fullmatch(each.name)]
    names = "*_rate.fits*" if form is _RATE else "*.fits*"
    pattern = folder / (f"**/{names}" if is_in_store(folder) else names)
    return [each for each in _matching(pattern, folder) if form.fullmatch(each.name)]


def _without_rates(folder: Location) -> str:
    """Return what a folder has that has no rates."""
    if isinstance(folder, RemoteFile):
        return "this folder holds no *_rate.fits; name the exposures one by one"
    none = "there is no *_rate.fits in this folder and its sub-folders"
    found = (_KIND.fullmatch(each.name) for _, there in _folders_in(folder) for each in there)
    kinds = Counter(each[1] or "" for each in found if each)
    has = (f"{kinds[kind]} *{kind}.fits{_REMEDIES.get(kind, '')}" for kind in sorted(kinds))
    return f"{none}, but {', '.join(has)}; name the exposures, or give a pattern" if kinds else none


def _folders_in(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yield a folder and its sub-folders, with the files in each.

    Hidden ones are left out, and links to folders, which may form loops.
    """

    def skipped(error: OSError) -> None:
        warn(f"{error.filename}: cannot be read ({error.strerror}); no exposure in it is used")

    for each, folders, names in os.walk(folder, onerror=skipped):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(each), [Path(each, name) for name in sorted(names)]


def _matching(pattern: Location, given: Location) -> list[Location]:
    """Return what matches a pattern, in which ``**`` is any number of sub-folders."""
    if isinstance(pattern, Path):
        return [*map(Path, sorted({*_globbed(str(pattern))}))]
    try:
        return [*matching(pattern)]
    except RemoteError as error:
        raise ExposureError(f"{given}: {error}") from error


def _globbed(pattern: str) -> Iterator[str]:
    above, *below = _ANY_DEPTH.split(pattern, maxsplit=1)
    if not below:
        yield from glob.glob(pattern)  # noqa: PTH207
        return
    for top in glob.glob(above) if above else ["."]:  # noqa: PTH207
        for folder, _ in _folders_in(Path(top)):
            yield from _globbed(f"{glob.escape(str(folder))}/{below[0]}")
