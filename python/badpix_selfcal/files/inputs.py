"""What users give as inputs: files, patterns and folders, here or at URLs; and their versions."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..errors import ExposureError
from .paths import AnyLocation, Location, RemoteFile, is_folder, locate, no_such
from .remote import RemoteError, about, matching

_RATES: Final = ("*_rate.fits", "*_rate.fits.gz")
"""The files that a folder stands for: the pipeline's first stage writes them."""

_COPIES: Final = ("*_badpix_selfcal.fits", "*_badpix_selfcal_bkg_*.fits")
"""The flagged copies of exposures; `run` writes the latter, for one product each."""


def version_of(location: Location) -> str:
    """Return a text that differs between versions of a file: its size, and time or ETag.

    Raises an OSError if there is no such file.
    """
    if isinstance(location, RemoteFile):
        return about(location).version
    status = location.stat()  # without the number of the file: some network disks change it
    return f"{status.st_size}:{status.st_mtime_ns}"


def expanded(
    inputs: Iterable[AnyLocation], *, flagged: bool = False
) -> list[tuple[Location, bool]]:
    """Return the files that locations, patterns and folders stand for.

    Each has with it whether it was found in a folder. `flagged`: a folder stands for its flagged
    copies too. Raises an ExposureError if one stands for no file.
    """
    names = (*_RATES, *_COPIES) if flagged else _RATES
    files: list[tuple[Location, bool]] = []
    for given in map(locate, inputs):
        if isinstance(given, RemoteFile):
            in_folder = is_folder(given)
            is_pattern = "*" in given.url  # ? is no wildcard here: it begins a query
        else:
            in_folder = given.is_dir()
            is_pattern = not os.path.lexists(given) and glob.has_magic(str(given))
            if not (in_folder or is_pattern or os.path.lexists(given)):
                raise ExposureError(no_such(given))
        patterns = [given / name for name in names] if in_folder else [given]
        found = [given]
        if in_folder or is_pattern:
            found = [each for pattern in patterns for each in _matching(pattern, given)]
        if not found and in_folder:
            raise ExposureError(
                f"{given}: this folder holds no {_RATES[0]}; name the exposures one by one"
            )
        if not found:
            raise ExposureError(f"{given}: no file matches this pattern")
        files += [(each, in_folder) for each in found]
    return files


def _matching(pattern: Location, given: Location) -> list[Location]:
    if isinstance(pattern, Path):
        folder = glob.escape(str(pattern.parent)) if pattern != given else str(pattern.parent)
        return [Path(each) for each in sorted(glob.glob(f"{folder}/{pattern.name}"))]  # noqa: PTH207
    try:
        return [*matching(pattern)]
    except RemoteError as error:
        raise ExposureError(f"{given}: {error}") from error
