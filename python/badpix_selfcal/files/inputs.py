"""What users give as inputs: files, patterns and folders, here or at URLs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..errors import ExposureError
from .paths import AnyLocation, Location, RemoteFile, locate, no_such
from .remote import RemoteError, matching

__all__ = ["expanded"]

RATES: Final = ("*_rate.fits", "*_rate.fits.gz")
"""The files that a folder stands for: the pipeline's first stage writes them."""


def expanded(inputs: Iterable[AnyLocation]) -> list[tuple[Location, bool]]:
    """Return the files that locations, patterns and folders stand for.

    Each has with it whether it was found in a folder.

    Raises
    ------
    ExposureError
        If a folder or a pattern stands for no file.
    """
    files: list[tuple[Location, bool]] = []
    for path in map(locate, inputs):
        if not isinstance(path, Path):
            files += _expanded_remote(path)
        elif path.is_dir():
            rates = [found for pattern in RATES for found in path.glob(pattern)]
            if not rates:
                raise ExposureError(
                    f"{path}: this folder holds no {RATES[0]}; name the exposures one by one"
                )
            files += [(rate, True) for rate in sorted(rates)]
        elif not path.exists() and glob.has_magic(str(path)):
            matches = sorted(glob.glob(str(path)))  # noqa: PTH207 - patterns may be absolute
            if not matches:
                raise ExposureError(f"{path}: no file matches this pattern")
            files += [(Path(match), False) for match in matches]
        elif not os.path.lexists(path):  # that of a link to nowhere fails on its own
            raise ExposureError(no_such(path))
        else:
            files.append((path, False))
    return files


def _expanded_remote(given: RemoteFile) -> list[tuple[Location, bool]]:
    url = given.url
    is_folder = url.endswith("/")
    if not (is_folder or "*" in url):  # ? is no wildcard here: it begins a query
        return [(given, False)]
    try:
        patterns = [url + rates for rates in RATES] if is_folder else [url]
        found = [each for pattern in patterns for each in matching(RemoteFile(pattern))]
    except RemoteError as error:
        raise ExposureError(f"{given}: {error}") from error
    if not found:
        what = f"this folder holds no {RATES[0]}" if is_folder else "no file matches this pattern"
        raise ExposureError(f"{given}: {what}")
    return [(each, is_folder) for each in found]
