"""The checks on headers: whatever they accept, astropy reads in the same way.

An input is a list of cards, one a line. A line of "%" and a digit stands for so many blocks of
data. If the first byte is "G", the file is gzipped; after "R" follows the file as it is.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits

from badpix_selfcal.errors import ExposureError, silenced
from badpix_selfcal.files import exposure

from ..attacks.test_fits import CARDS, VALUES
from ..exposures import sky, write
from . import Target

CARD, BLOCK = 80, 2880
SHAPE = (24, 36)
NEW_CARDS = {"FILENAME": ("copy.fits", "name of the file"), "S_BPXSLF": ("COMPLETE", "status")}

_folder = tempfile.TemporaryDirectory(prefix="fuzz-headers-")
FOLDER = Path(_folder.name)


def file_of(data: bytes) -> bytes:
    """Return the file that an input stands for."""
    kind, body = data[:1], data[1:]
    if kind == b"R":
        return body
    content = bytearray()
    for line in body.split(b"\n"):
        if line[:1] == b"%" and line[1:2].isdigit():
            content += b"\1" * (BLOCK * int(line[1:2]))
            continue
        content += line[:CARD].ljust(CARD)
        if line.rstrip() == b"END":
            content += b" " * (-len(content) % BLOCK)
    content += b" " * (-len(content) % CARD)
    return gzip.compress(content, 1) if kind == b"G" else bytes(content)


def lines_of(content: bytes, kind: bytes = b"P") -> bytes:
    """Return the input that stands for a file."""
    lines: list[bytes] = []
    at = 0
    while at < len(content):
        while lines[-1:] != [b"END"]:
            lines.append(content[at : at + CARD].rstrip())
            at += CARD
        at += -at % BLOCK
        end = content.find(b"XTENSION=", at)
        end = len(content) if end < 0 else end
        if end > at:
            lines.append(b"%%%d" % ((end - at) // BLOCK))
        lines.append(b"")
        at = end
    return kind + b"\n".join(line for line in lines if line)


def _seeds() -> list[bytes]:
    path = FOLDER / "sound.fits"
    write(path, sky(1, SHAPE), detector="NRS1", exp_type="NRS_IFU")
    sound = path.read_bytes()
    write(FOLDER / "small.fits", sky(2, (3, 4)), planes=False)
    small = (FOLDER / "small.fits").read_bytes()
    return [
        lines_of(sound),
        lines_of(small),
        lines_of(small, b"G"),
        lines_of(small) + b"\nHISTORY one\nCOMMENT two",
        b"R" + small,
    ]


def attempt(data: bytes) -> str:
    path, copy = FOLDER / "in.fits", FOLDER / "copy.fits"
    path.write_bytes(file_of(data))
    try:
        found = exposure.read(path)
        science = found.science()
        mask = None if found.problem else np.ones(found.shape, dtype=bool)
        found.write_copy(copy, mask, NEW_CARDS, "flagged")
    except ExposureError as error:
        assert str(error).startswith(f"{path}: "), error  # noqa: PT017 - or it is read
        return "refused"
    try:
        theirs = _sci(path)
    except (OSError, KeyError, IndexError):  # what follows the extensions is no header
        return "left to us"
    assert theirs.tobytes() == science.tobytes()
    assert mask is None or np.isnan(_sci(copy)).all()
    return "copied" if mask is None else "flagged"


def _sci(path: Path) -> np.ndarray:
    """Return the samples of SCI as astropy reads them."""
    with silenced(), fits.open(path, memmap=False) as hdus:
        images = [hdu for hdu in hdus[1:] if isinstance(hdu, fits.ImageHDU)]
        return next(hdu.data for hdu in images if hdu.name == "SCI")


TARGET = Target(_seeds(), [*VALUES, *CARDS, b"\n", b"%1\n", b"END\n"], attempt)
