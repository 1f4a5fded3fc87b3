"""Small exposure files of every kind, and what their flagged copies must contain."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files.exposure import read
from badpix_selfcal.instrument import BAD, NAN_PLANES, REFERENCE_PIXEL

Mask = NDArray[np.bool_]
Change = Callable[[fits.HDUList], None]
Hdu = fits.ImageHDU | fits.BinTableHDU | fits.CompImageHDU

SHAPE = (6, 9)
BLOCK = 2880
CARDS = {"FILENAME": ("copy.fits", "name of the file"), "S_BPXSLF": ("COMPLETE", "status")}


class Endless(BaseException):
    """Stops a test that would not end. It is not an Exception, so that no handler catches it."""


@contextmanager
def in_time() -> Iterator[None]:
    """Stop code that does not end, where signals allow it.

    It has 10 s of the processor, and longer on the clock: a busy machine may pause.
    """

    def stop(*_: object) -> None:
        raise Endless

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    limits = {signal.SIGPROF: (signal.ITIMER_PROF, 10), signal.SIGALRM: (signal.ITIMER_REAL, 100)}
    before = {number: signal.signal(number, stop) for number in limits}
    for timer, seconds in limits.values():
        signal.setitimer(timer, seconds, 1)  # repeated: an error in a destructor is lost
    try:
        yield
    finally:
        for number, (timer, _) in limits.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


# Files to read


def samples(kind: str, seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return samples of all bit patterns, NaNs and infinities among them."""
    words = np.random.default_rng(seed).integers(0, 256, (*shape, np.dtype(kind).itemsize), "u1")
    found = np.ascontiguousarray(words).view(kind).reshape(shape)
    if kind == "u4":
        found[0, :2] = REFERENCE_PIXEL, REFERENCE_PIXEL | BAD
    return found


def image(name: str, kind: str = ">f4", **cards: object) -> fits.ImageHDU:
    hdu = fits.ImageHDU(samples(kind, len(name)), name=name)
    hdu.header.update(cards)
    return hdu


def table(name: str) -> fits.BinTableHDU:
    return fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])], name=name)


def write(path: Path, change: Change | None = None, *, checksum: bool = False) -> Path:
    """Write an exposure as the pipeline does, in small."""
    primary = fits.PrimaryHDU()
    primary.header.update(DETECTOR="mirifulong ", EXP_TYPE="MIR_MRS", FILENAME="in.fits")
    asdf = np.frombuffer(b"#ASDF 1.0.0\n" + bytes(range(256)), "u1")
    column = fits.Column("ASDF_METADATA", f"{asdf.size}B", array=asdf[None])
    hdus = fits.HDUList([primary, image("SCI", DISPAXIS=2), image("ERR"), image("DQ", "u4")])
    hdus += [image(name) for name in NAN_PLANES[2:]]
    hdus += [image("WAVELENGTH", ">f8"), table("GROUP")]
    hdus.append(fits.BinTableHDU.from_columns([column], name="ASDF"))
    if change is not None:
        change(hdus)
    hdus.writeto(path, checksum=checksum, overwrite=True)
    return path


def replacing(name: str, hdu: Hdu) -> Change:
    def change(hdus: fits.HDUList) -> None:
        hdus[hdus.index_of(name)] = hdu

    return change


def holding(name: str, data: np.ndarray) -> Change:
    return replacing(name, fits.ImageHDU(data, name=name))


def without(name: str) -> Change:
    return lambda hdus: hdus.pop(hdus.index_of(name))


def appending(*more: Hdu) -> Change:
    return lambda hdus: hdus.extend(more)


def signed_dq(hdus: fits.HDUList) -> None:
    """Store DQ without BZERO, its highest bit as the sign."""
    holding("DQ", hdus["DQ"].data.view("i4"))(hdus)


def double(hdus: fits.HDUList) -> None:
    for name in NAN_PLANES:
        hdus[name].data = samples(">f8", len(name))


def as_they_are(_: fits.HDUList) -> None:
    pass


def only_needed(hdus: fits.HDUList) -> None:
    for name in ("ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT", "WAVELENGTH", "GROUP", "ASDF"):
        without(name)(hdus)


def dq_first(hdus: fits.HDUList) -> None:
    hdus.insert(1, hdus.pop(hdus.index_of("DQ")))


def primary_image(hdus: fits.HDUList) -> None:
    hdus[0] = fits.PrimaryHDU(samples("u2", 1))
    hdus[0].header["EXTEND"] = True


def lower_case(hdus: fits.HDUList) -> None:
    for name in ("SCI", "DQ", "ERR"):
        hdus[name].header["EXTNAME"] = name.lower()


def with_card(path: Path, extension: str | int, keyword: str, card: bytes) -> Path:
    """Replace a card of a file, or the blank one behind END, by any bytes."""
    with fits.open(path) as hdus:
        start = hdus[extension].fileinfo()["hdrLoc"]
    content = bytearray(path.read_bytes())
    at = content.index(keyword.ljust(8).encode(), start)
    content[at : at + 80] = card.ljust(80)
    path.write_bytes(content)
    return path


def refusal(path: Path, attempt: Callable[[Path], object] = read) -> str:
    with pytest.raises(ExposureError) as caught, in_time():
        attempt(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def flag(path: Path) -> None:
    if problem := read(path).problem:
        raise ExposureError(problem)


# Copies and how they differ


def mask_of(*pixels: tuple[int, int]) -> Mask:
    mask = np.zeros(SHAPE, bool)
    for pixel in pixels:
        mask[pixel] = True
    return mask


MASK = mask_of((0, 0), (0, 1), (2, 3), (5, 8))


def copy_of(path: Path, mask: Mask | None, history: str = "flagged", **cards: str) -> Path:
    to = path.parent / "copy.fits"
    set_cards = {**CARDS, **{keyword: (value, "") for keyword, value in cards.items()}}
    read(path).write_copy(to, mask, set_cards, history)
    return to


def extensions(path: Path) -> list[tuple[str, bytes, bytes]]:
    """Return names, headers and padded data of the extensions, as stored."""
    content, found = path.read_bytes(), []
    with fits.open(path) as hdus:
        for hdu in hdus:
            start, data, span = (hdu.fileinfo()[key] for key in ("hdrLoc", "datLoc", "datSpan"))
            found.append((hdu.name, content[start:data], content[data : data + span]))
    return found


def expected(path: Path, mask: Mask) -> list[tuple[str, bytes, bytes]]:
    """Return the extensions of a flagged copy of a file without checksums."""
    kinds = {-32: ">f4", -64: ">f8", 32: ">u4"}
    found = extensions(path)[1:]
    for number, (name, header, data) in enumerate(found):
        if name.upper() in ("DQ", *NAN_PLANES):
            kind = kinds[fits.Header.fromstring(header.decode())["BITPIX"]]
            plane = np.frombuffer(data, kind, mask.size).copy()
            plane[mask.ravel()] = plane[mask.ravel()] | BAD if name.upper() == "DQ" else np.nan
            found[number] = (name, header, plane.tobytes() + data[plane.nbytes :])
    return found


class Whole:
    """A file without damage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = path.read_bytes()
        with fits.open(path) as hdus:
            each = [(hdu.fileinfo(), hdu.size) for hdu in hdus]
        # Of each extension: where its header and data begin, its data end, and its padding ends.
        self.places = [
            (at["hdrLoc"], at["datLoc"], at["datLoc"] + size, at["datLoc"] + at["datSpan"])
            for at, size in each
        ]
        assert self.places[-1][-1] == len(self.content)
