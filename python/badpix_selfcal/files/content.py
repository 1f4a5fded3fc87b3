"""A FITS file opened as a whole by astropy, and all that it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .fits_bytes import length_of, opened, refuse_truncated, require_fits
from .input_file import InputFile, reading
from .location import AnyLocation, Location, RemoteFile, locate
from .missing import require_file
from .remote import Ranges

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Content", "opened_whole", "read_content"]


@dataclass(frozen=True, eq=False)
class Content:
    """What a FITS file holds.

    Attributes
    ----------
    path : Path or RemoteFile
        The file.
    header : Header
        The primary header.
    images : dict of str to ndarray
        The images by name. A second extension of a name is ``NAME,2``.
    tables : dict of str to bytes
        The tables by name, in the same way, and what else is no image: data as they are stored.
    decoded : dict of str to dict of str to ndarray
        The columns of those that were asked for.
    """

    path: Location
    header: fits.Header
    images: dict[str, NDArray[Any]]
    tables: dict[str, bytes]
    decoded: dict[str, dict[str, NDArray[Any]]]


def read_content(path: AnyLocation, decode: Collection[str] = ()) -> Content:
    """Read a FITS file, which may be compressed by gzip, from its begin to its end.

    Parameters
    ----------
    path : path-like or RemoteFile
        The file.
    decode : collection of str, optional
        The tables whose columns are needed.

    Raises
    ------
    ExposureError
        If there is no such file, it cannot be read, or it is not FITS or cut short.
    """
    location = locate(path)
    with opened_whole(location) as (file, hdus):
        content = _content(location, file, hdus, decode)
    file.require_unchanged()
    return content


@contextmanager
def opened_whole(location: Location) -> Iterator[tuple[InputFile, fits.HDUList]]:
    """Open a FITS file; a remote one is downloaded.

    Yields
    ------
    InputFile, HDUList
        The file and its extensions, none of them cut short.

    Raises
    ------
    ExposureError
        If there is no such file, it is not FITS or cut short, or it cannot be read.
    """
    with reading(location):
        if isinstance(location, RemoteFile):
            file = InputFile(Ranges(location).whole())
        else:
            require_file(location)
            file = InputFile(location)
        length = length_of(file)  # first: it finds damage in a compressed file
        require_fits(file)
        with opened(file, length) as hdus:
            refuse_truncated(file, length, hdus)
            yield file, hdus


def _content(
    location: Location, file: InputFile, hdus: fits.HDUList, decode: Collection[str]
) -> Content:
    from astropy.io import fits

    content = Content(location, hdus[0].header.copy(), {}, {}, {})
    seen: Counter[str] = Counter()
    for number, hdu in enumerate(hdus):
        name = hdu.name.upper() or f"EXTENSION {number}"
        seen[name] += 1
        key = name if seen[name] == 1 else f"{name},{seen[name]}"
        if isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)):
            if hdu.data is not None:
                content.images[key] = hdu.data
            continue
        with file.open() as stored:
            stored.seek(hdu.fileinfo()["datLoc"])
            content.tables[key] = stored.read(hdu.size)
        if key in decode and isinstance(hdu, fits.BinTableHDU):
            names = hdu.columns.names
            content.decoded[key] = {name: np.array(hdu.data[name]) for name in names}
    return content
