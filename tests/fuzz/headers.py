"""The scanner of headers: whatever it accepts, astropy reads in the same way.

An input is a list of cards, one a line. A line of "%" and a digit stands for so many blocks of
data. If the first byte is "G", the file is gzipped; after "R" follows the file as it is.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files import exposure
from badpix_selfcal.files.input_file import InputFile
from badpix_selfcal.files.plain_headers import scan

from ..attacks.test_fits import CARDS, VALUES
from ..exposures import sky, write
from ..test_plain_headers import ODD
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


def result_of(path: Path) -> object:
    """Return what reading and copying a file leads to, or the error."""
    copy = FOLDER / "copy.fits"
    copy.unlink(missing_ok=True)
    try:
        found = exposure.read(path)
        names = ("detector", "exp_type", "dispaxis", "shape", "planes")
        facts = [getattr(found, name) for name in names]
        image = found.science_image()
        facts += [image.dtype.str, image.tobytes(), found.history, found.problem]
        mask = None if found.problem else np.ones(found.shape, dtype=bool)
        found.write_copy(copy, mask, NEW_CARDS, "flagged")
    except ExposureError as error:
        assert str(error).startswith(f"{path}: "), error  # noqa: PT017 - or it is read
        return str(error)
    return [*facts, copy.read_bytes()]


def is_same(ours: object, theirs: object, path: Path) -> bool:
    """Return whether two results are equal, but for cards that only astropy repairs in a copy."""
    if not (isinstance(ours, list) and isinstance(theirs, list)):
        return ours == theirs
    with InputFile(path).open() as file:
        before = {*_cards(file.read())}
    pairs = zip(_cards(ours[-1]), _cards(theirs[-1]), strict=True)
    return ours[:-1] == theirs[:-1] and all(a == b or a in before for a, b in pairs)


def _cards(content: bytes) -> list[bytes]:
    return [content[at : at + CARD] for at in range(0, len(content), CARD)]


def attempt(data: bytes) -> str:
    path = FOLDER / "in.fits"
    path.write_bytes(file_of(data))
    ours = result_of(path)
    if scan(InputFile(path)) is None:
        return "refused" if isinstance(ours, str) else "left to astropy"
    with mock.patch.object(exposure, "scan", return_value=None):
        theirs = result_of(path)
    assert is_same(ours, theirs, path), f"{str(ours)[:300]} is not {str(theirs)[:300]}"
    return "accepted, then refused as by astropy" if isinstance(ours, str) else "as by astropy"


TARGET = Target(_seeds(), [*VALUES, *CARDS, *ODD, b"\n", b"%1\n", b"END\n"], attempt)
