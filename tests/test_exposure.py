"""Exposure files: what is read, the flagged copies, and errors that name a damaged file."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import signal
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from badpix_selfcal.dq import BAD, NAN_PLANES, REFERENCE_PIXEL
from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files.exposure import Exposure, read

from .profiles import share

Mask = NDArray[np.bool_]
Change = Callable[[fits.HDUList], None]

SHAPE = (6, 9)
BLOCK = 2880
CARDS = {"FILENAME": ("copy.fits", "name of the file"), "S_BPXSLF": ("COMPLETE", "status")}


class Endless(BaseException):
    """Stops a test that would not end. It is not an Exception, so that no handler catches it."""


@contextmanager
def in_time() -> Iterator[None]:
    """Stop code that does not end, where signals allow it."""

    def stop(*_: object) -> None:
        raise Endless

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 10, 1)  # repeated: an error in a destructor is lost
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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


def exposure_hdus() -> fits.HDUList:
    """Return an exposure as the pipeline writes it, in small."""
    primary = fits.PrimaryHDU()
    primary.header.update(DETECTOR="mirifulong ", EXP_TYPE="MIR_MRS", FILENAME="in.fits")
    asdf = np.frombuffer(b"#ASDF 1.0.0\n" + bytes(range(256)), "u1")
    return fits.HDUList(
        [
            primary,
            image("SCI", DISPAXIS=2),
            image("ERR"),
            image("DQ", "u4"),
            image("VAR_POISSON"),
            image("VAR_RNOISE"),
            image("VAR_FLAT"),
            image("WAVELENGTH", ">f8"),
            table("GROUP"),
            fits.BinTableHDU.from_columns(
                [fits.Column("ASDF_METADATA", f"{asdf.size}B", array=asdf[None])], name="ASDF"
            ),
        ]
    )


def write(path: Path, change: Change | None = None, *, checksum: bool = False) -> Path:
    hdus = exposure_hdus()
    if change is not None:
        change(hdus)
    hdus.writeto(path, checksum=checksum, overwrite=True)
    return path


def replacing(name: str, hdu: fits.ImageHDU | fits.BinTableHDU | fits.CompImageHDU) -> Change:
    def change(hdus: fits.HDUList) -> None:
        hdus[hdus.index_of(name)] = hdu

    return change


def holding(name: str, data: np.ndarray) -> Change:
    return replacing(name, fits.ImageHDU(data, name=name))


def without(name: str) -> Change:
    return lambda hdus: hdus.pop(hdus.index_of(name))


def appending(*more: fits.ImageHDU | fits.BinTableHDU | fits.CompImageHDU) -> Change:
    return lambda hdus: hdus.extend(more)


def inserting(hdu: fits.ImageHDU | fits.BinTableHDU) -> Change:
    return lambda hdus: hdus.insert(1, hdu)


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
    read(path).require_flaggable()


# Copies and how they differ


def mask_of(*pixels: tuple[int, int]) -> Mask:
    mask = np.zeros(SHAPE, bool)
    for pixel in pixels:
        mask[pixel] = True
    return mask


MASK = mask_of((0, 0), (0, 1), (2, 3), (5, 8))


def copy_of(path: Path, mask: Mask | None, history: str = "flagged", **cards: str) -> Path:
    to = path.parent / "copy.fits"
    to.unlink(missing_ok=True)
    set_cards = {**CARDS, **{keyword: (value, "") for keyword, value in cards.items()}}
    read(path).write_copy(to, mask, set_cards, history)
    return to


def extensions(path: Path) -> list[tuple[str, bytes, bytes]]:
    """Return names, headers and padded data of the extensions, as stored."""
    content = path.read_bytes()
    with fits.open(path) as hdus:
        places = [(hdu.name, hdu.fileinfo()) for hdu in hdus]
    return [
        (
            name,
            content[place["hdrLoc"] : place["datLoc"]],
            content[place["datLoc"] : place["datLoc"] + place["datSpan"]],
        )
        for name, place in places
    ]


def patched(name: str, data: bytes, kind: str, mask: Mask) -> bytes:
    """Return stored samples with the flagged ones made bad."""
    size = mask.size * np.dtype(kind).itemsize
    plane = np.frombuffer(data[:size], kind).copy()
    if name.upper() == "DQ":
        plane[mask.ravel()] |= BAD
    else:
        plane[mask.ravel()] = np.nan
    return plane.tobytes() + data[size:]


def expected(path: Path, mask: Mask) -> list[tuple[str, bytes, bytes]]:
    """Return the extensions of a flagged copy of a file without checksums."""
    kinds = {-32: ">f4", -64: ">f8", 32: ">u4"}
    found = extensions(path)[1:]
    for number, (name, header, data) in enumerate(found):
        if name.upper() in ("DQ", *NAN_PLANES):
            bitpix = fits.Header.fromstring(header.decode())["BITPIX"]
            found[number] = (name, header, patched(name, data, kinds[bitpix], mask))
    return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What is read


def test_an_exposure_has_its_detector_type_and_shape(tmp_path):
    exposure = read(str(write(tmp_path / "in.fits")))
    assert exposure.path == tmp_path / "in.fits"
    assert (exposure.detector, exposure.exp_type) == ("MIRIFULONG", "MIR_MRS")
    assert (exposure.dispaxis, exposure.shape) == (2, SHAPE)
    assert set(exposure.planes) == {"DQ", *NAN_PLANES}
    assert exposure.require_flaggable() is None


@pytest.mark.parametrize("keyword", ["DETECTOR", "EXP_TYPE"])
@pytest.mark.parametrize("value", [None, ""], ids=["undefined", "empty"])
def test_a_keyword_without_value_is_as_if_absent(tmp_path, keyword, value):
    def change(hdus: fits.HDUList) -> None:
        hdus[0].header[keyword] = value

    path = write(tmp_path / "in.fits", change)
    assert {"DETECTOR": read(path).detector, "EXP_TYPE": read(path).exp_type}[keyword] == ""


def test_text_that_looks_like_a_card_is_none(tmp_path):
    def change(hdus: fits.HDUList) -> None:
        hdus[0].header.insert(4, ("COMMENT", "CHANNEL = '12'"))
        hdus[0].header.update(TITLE="CHANNEL = 3", CHANNEL="34", EMPTY=None)

    exposure = read(write(tmp_path / "in.fits", change))
    assert exposure.primary_value("CHANNEL") == "34"
    assert exposure.primary_value("EMPTY") is None
    assert exposure.primary_value("ABSENT") is None


def test_absent_keywords_are_empty(tmp_path):
    path = write(tmp_path / "in.fits", lambda hdus: hdus.__setitem__(0, fits.PrimaryHDU()))
    assert (read(path).detector, read(path).exp_type) == ("", "")


@pytest.mark.parametrize(
    "change", [as_they_are, only_needed, dq_first, primary_image, double, lower_case]
)
def test_sci_is_mapped_where_it_lies(tmp_path, change):
    path = write(tmp_path / "in.fits", change)
    science = read(path).science_image()
    assert isinstance(science, np.memmap)
    assert not science.flags.writeable
    assert science.nbytes == science.itemsize * 54
    with fits.open(path) as hdus:
        assert science.offset == hdus["SCI"].fileinfo()["datLoc"]
        assert science.dtype == hdus["SCI"].data.dtype
        assert science.tobytes() == hdus["SCI"].data.tobytes()


def test_no_other_plane_is_read(tmp_path):
    path = write(tmp_path / "in.fits", appending(image("HUGE")))
    with fits.open(path) as hdus:
        place = hdus["HUGE"].fileinfo()
    content = path.read_bytes()
    huge = content[place["hdrLoc"] :].replace(b"%20d" % 9, b"%20d" % 2**14)
    path.write_bytes(content[: place["hdrLoc"]] + huge.replace(b"%20d" % 6, b"%20d" % 2**14))
    start = place["datLoc"]
    os.truncate(path, start + 4 * 2**28 + BLOCK)
    tracemalloc.start()
    try:
        science = read(path).science_image()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert science.shape == SHAPE
    assert peak < 2**23


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "i8"])
def test_integer_sci_is_read_but_not_flagged(tmp_path, kind):
    data = samples(kind, 1)
    path = write(tmp_path / "in.fits", holding("SCI", data))
    np.testing.assert_array_equal(read(path).science_image(), data)
    assert "SCI must hold floating-point samples" in refusal(path, flag)


def scaled(hdus: fits.HDUList) -> None:
    holding("SCI", np.arange(54.0, dtype=">f4").reshape(SHAPE))(hdus)
    hdus["SCI"].scale("int16", bscale=0.25, bzero=3)


def unsigned(hdus: fits.HDUList) -> None:
    holding("SCI", samples("u2", 1))(hdus)


def blank(hdus: fits.HDUList) -> None:
    holding("SCI", np.arange(54, dtype="i2").reshape(SHAPE))(hdus)
    hdus["SCI"].header["BLANK"] = 3


@pytest.mark.parametrize("change", [scaled, unsigned, blank])
@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
def test_scaled_sci_is_read_but_not_flagged(tmp_path, change, ending):
    path = write(tmp_path / f"in.{ending}", change)
    with fits.open(path, memmap=False) as hdus:
        np.testing.assert_array_equal(read(path).science_image(), hdus["SCI"].data)
    assert "SCI must hold floating-point samples" in refusal(path, flag)


@pytest.mark.parametrize(("keyword", "value"), [("BSCALE", 2.0), ("BZERO", 1.0)])
@pytest.mark.parametrize("name", NAN_PLANES)
def test_scaled_floats_are_not_flagged(tmp_path, name, keyword, value):
    def change(hdus: fits.HDUList) -> None:
        holding("SCI", np.arange(54, dtype="f4").reshape(SHAPE))(hdus)
        hdus[name].header["FACTOR"] = value

    path = write(tmp_path / "in.fits", change)
    with_card(path, name, "FACTOR", b"%-8s= %20.1f" % (keyword.encode(), value))
    assert f"{name} is scaled ({'BSCALE' if keyword == 'BSCALE' else 'BSCALE = 1'}" in refusal(
        path, flag
    )
    with fits.open(path, memmap=False) as hdus:
        np.testing.assert_array_equal(read(path).science_image(), hdus["SCI"].data)


def test_unit_scaling_is_no_scaling(tmp_path):
    def change(hdus: fits.HDUList) -> None:
        hdus["SCI"].header.update(FACTOR=1.0, TERM=0.0)

    path = write(tmp_path / "in.fits", change)
    with_card(path, "SCI", "FACTOR", b"BSCALE  =                  1.0")
    with_card(path, "SCI", "TERM", b"BZERO   =                  0.0")
    assert isinstance(read(path).science_image(), np.memmap)
    copy = copy_of(path, MASK)
    assert extensions(copy)[1:] == expected(path, MASK)


def test_the_image_named_sci_is_read_among_others_of_that_name(tmp_path):
    def change(hdus: fits.HDUList) -> None:
        hdus[0].header["EXTNAME"] = "SCI"
        hdus.insert(1, table("SCI"))

    path = write(tmp_path / "in.fits", change)
    zipped = tmp_path / "in.fits.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    for each in (path, zipped):
        assert read(each).dispaxis == 2
        assert read(each).science_image().tobytes() == samples(">f4", 3).tobytes()


# Compressed files


@pytest.mark.parametrize("change", [as_they_are, double, signed_dq, primary_image])
@pytest.mark.parametrize("name", ["in.fits.gz", "in.fits"])
def test_a_gzipped_exposure_equals_the_plain_one(tmp_path, change, name):
    (tmp_path / "zipped").mkdir()
    plain = write(tmp_path / "in.fits", change)
    zipped = tmp_path / "zipped" / name
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = read(plain).science_image(), read(zipped).science_image()
    assert one.dtype == other.dtype
    assert one.tobytes() == other.tobytes()
    assert copy_of(zipped, MASK).read_bytes() == copy_of(plain, MASK).read_bytes()
    assert copy_of(zipped, None).read_bytes() == copy_of(plain, None).read_bytes()


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_other_compressions_are_refused_as_such(tmp_path, compress):
    path = tmp_path / "in.fits"
    path.write_bytes(compress(write(path).read_bytes()))
    assert "cut short" not in refusal(path)


def test_a_zip_archive_is_not_mapped_as_if_it_were_fits(tmp_path):
    plain = write(tmp_path / "in.fits")
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(plain, "in.fits")
    assert "cut short" not in refusal(path)


@pytest.mark.parametrize("name", ["SCI", "ERR", "DQ", "VAR_FLAT"])
def test_tile_compressed_planes_are_read_but_not_flagged(tmp_path, name):
    data = np.arange(54, dtype="i4" if name == "DQ" else "f4").reshape(SHAPE)
    hdu = fits.CompImageHDU(data, name=name, compression_type="GZIP_1")
    path = write(tmp_path / "in.fits", replacing(name, hdu))
    science = read(path).science_image()
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(science, hdus["SCI"].data)
    assert f"{name} is tile-compressed" in refusal(path, flag)
    refusal(path, lambda path: copy_of(path, MASK))
    assert not (tmp_path / "copy.fits").exists()


@pytest.mark.parametrize("name", ["EXTRA", "VAR_FLAT"])
def test_a_tile_compressed_image_at_the_end_is_not_cut_short(tmp_path, name):
    def change(hdus: fits.HDUList) -> None:
        without("VAR_FLAT")(hdus)
        hdus.append(fits.CompImageHDU(np.zeros((64, 64), "f4"), name=name))

    path = write(tmp_path / "in.fits", change)
    assert read(path).science_image().tobytes() == samples(">f4", 3).tobytes()
    if name == "EXTRA":
        assert extensions(copy_of(path, MASK))[1:] == expected(path, MASK)


# What cannot be flagged or read


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "f4", "f8", "i8", "u8"])
def test_dq_of_another_type_is_not_flagged(tmp_path, kind):
    path = write(tmp_path / "in.fits", holding("DQ", np.ones(SHAPE, kind)))
    assert read(path).science_image().shape == SHAPE
    assert "DQ must hold 32-bit integers" in refusal(path, flag)


@pytest.mark.parametrize("name", ["DQ", *NAN_PLANES[1:]])
@pytest.mark.parametrize("shape", [(9, 6), (54,), (1, 6, 9), (6, 8)], ids=str)
def test_a_plane_of_another_shape_is_not_flagged(tmp_path, name, shape):
    path = write(
        tmp_path / "in.fits", holding(name, np.ones(shape, "i4" if name == "DQ" else "f4"))
    )
    assert f"{name} has shape {shape}, SCI has {SHAPE}" in refusal(path, flag)


@pytest.mark.parametrize("name", NAN_PLANES)
@pytest.mark.parametrize("kind", ["i2", "i4", "u4"])
def test_a_plane_that_cannot_hold_nan_is_not_flagged(tmp_path, name, kind):
    path = write(tmp_path / "in.fits", holding(name, np.ones(SHAPE, kind)))
    assert f"{name} must hold floating-point samples" in refusal(path, flag)


@pytest.mark.parametrize(
    "change", [without("DQ"), replacing("DQ", table("DQ"))], ids=["none", "table"]
)
def test_without_dq_no_pixel_is_flagged(tmp_path, change):
    path = write(tmp_path / "in.fits", change)
    assert "has no DQ extension" in refusal(path, flag)
    assert read(path).science_image().shape == SHAPE
    assert extensions(copy_of(path, None))[1:] == extensions(path)[1:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("SCI"), "has no SCI extension"),
        (replacing("SCI", table("SCI")), "has no SCI extension"),
        (holding("SCI", np.ones((2, 6, 9), "f4")), "not integrations (_rateints)"),
        (holding("SCI", np.ones((1, 6, 9), "f4")), "SCI must be 2-D, got shape (1, 6, 9)"),
        (holding("SCI", np.ones((2, 2, 6, 9), "f4")), "SCI must be 2-D"),
        (holding("SCI", np.ones(9, "f4")), "SCI must be 2-D, got shape (9,)"),
        (replacing("SCI", fits.ImageHDU(name="SCI")), "SCI must be 2-D, got shape ()"),
        (holding("SCI", np.ones((0, 9), "f4")), "SCI is empty"),
        (holding("SCI", np.ones((6, 0), "f4")), "SCI is empty"),
        (appending(image("SCI")), "has 2 SCI extensions"),
        (appending(fits.ImageHDU(np.ones(SHAPE, "f4"), name="SCI", ver=2)), "has 2 SCI extensions"),
        (appending(image("DQ", "u4")), "has 2 DQ extensions"),
        (inserting(image("ERR")), "has 2 ERR extensions"),
        (appending(fits.CompImageHDU(np.ones((64, 64), "f4"), name="SCI")), "has 2 SCI extensions"),
    ],
)
def test_an_exposure_without_exactly_one_2d_sci_is_refused(tmp_path, change, said):
    assert said in refusal(write(tmp_path / "in.fits", change))


@pytest.mark.parametrize("name", ["gone.fits", "nowhere/gone.fits", "file/gone.fits", "a\0b.fits"])
def test_a_missing_exposure_is_refused(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    assert "no such exposure file" in refusal(tmp_path / name)


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    refusal(tmp_path / ("a" * 300))


def test_a_folder_is_refused(tmp_path):
    assert "is not a file" in refusal(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"S", b"\x1f", b"\x1f\x8b", b"text\n", b'{"products": []}', b"SIMPLE  =", b"\0" * BLOCK,
     b" " * BLOCK, b"XTENSION= 'IMAGE   '".ljust(BLOCK), gzip.compress(b""),
     gzip.compress(b"text"), b"\x89HDF\r\n\x1a\n" + b"\0" * BLOCK],
)  # fmt: skip
@pytest.mark.parametrize("name", ["in.fits", "in.fits.gz"])
def test_what_is_not_fits_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    refusal(tmp_path / name)


# Damaged files


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("exposure")


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


@pytest.fixture(scope="module")
def whole(folder) -> Whole:
    return Whole(write(folder / "whole.fits"))


def outcome(path: Path) -> Exposure | str:
    try:
        with in_time():
            return read(path)
    except ExposureError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - neither outcome is a failure
        return str(error)


@given(data=st.data())
def test_a_file_cut_anywhere_is_refused_unless_only_padding_is_gone(folder, whole, data):
    start, _, _, end = data.draw(st.sampled_from(whole.places))
    cut = data.draw(st.integers(start, end - 1) | st.integers(start, start + 9))
    path = folder / "cut.fits"
    path.write_bytes(whole.content[:cut])
    # A file does not show whether whole extensions are missing at its end.
    proper = any(end <= cut <= padded for _, _, end, padded in whole.places[1:])
    found = outcome(path)
    assert isinstance(found, Exposure) == proper
    if isinstance(found, Exposure):
        assert found.science_image().tobytes() == samples(">f4", 3).tobytes()
    if cut >= whole.places[-1][2]:
        copy = copy_of(path, MASK).read_bytes()
        assert copy == copy_of(whole.path, MASK).read_bytes()[: len(copy)]


@pytest.mark.parametrize("number", [2, 3, 6, 9])
@pytest.mark.parametrize("more", [1, 2, 7, 8, 9, 80, 81, BLOCK - 1, BLOCK, BLOCK + 1])
def test_a_file_cut_close_behind_the_start_of_an_extension_is_refused(folder, whole, number, more):
    path = folder / "cut.fits"
    path.write_bytes(whole.content[: whole.places[number][0] + more])
    assert "cut short" in refusal(path)


@pytest.mark.parametrize("missing", [1, 100, 2000])
def test_a_file_that_lacks_padding_is_copied(folder, whole, missing):
    assert whole.places[-1][3] - whole.places[-1][2] > 2000
    path = folder / "cut.fits"
    path.write_bytes(whole.content[:-missing])
    whole_copy = copy_of(whole.path, MASK).read_bytes()
    assert copy_of(path, MASK).read_bytes().ljust(len(whole_copy), b"\0") == whole_copy


@given(fraction=st.floats(0, 1, exclude_max=True))
@example(fraction=0.0)
def test_a_gzipped_file_cut_anywhere_is_refused(folder, whole, fraction):
    content = gzip.compress(whole.content, mtime=0)
    path = folder / "cut.fits.gz"
    path.write_bytes(content[: int(fraction * len(content))])
    refusal(path)


@pytest.mark.parametrize("missing", [1, 4, 8, 9, 100])
def test_a_gzipped_file_cut_close_to_its_end_is_refused(folder, whole, missing):
    path = folder / "cut.fits.gz"
    path.write_bytes(gzip.compress(whole.content)[:-missing])
    refusal(path)


@given(at=st.integers(20, 10**6), flip=st.integers(1, 255))
def test_a_damaged_gzipped_file_is_refused_unless_its_content_is_whole(folder, whole, at, flip):
    content = bytearray(gzip.compress(whole.content, mtime=0))
    content[at % (len(content) - 20) + 20] ^= flip
    path = folder / "damaged.fits.gz"
    path.write_bytes(content)
    if isinstance(outcome(path), Exposure):
        assert gzip.decompress(content) == whole.content


@given(tail=st.binary(min_size=1, max_size=20), repeat=st.sampled_from([1, 1, 200, 1000]))
@example(tail=b" ", repeat=BLOCK)
@example(tail=b"\0", repeat=BLOCK)
@example(tail=b"\x80", repeat=BLOCK)
@example(tail=b"END", repeat=1000)
@example(tail=b"XTENSION= 'IMAGE   '", repeat=200)
def test_bytes_behind_the_end_do_no_harm(folder, whole, tail, repeat):
    path = folder / "longer.fits"
    path.write_bytes(whole.content + tail * repeat)
    found = outcome(path)
    if isinstance(found, Exposure):
        assert found.science_image().tobytes() == samples(">f4", 3).tobytes()
        copy = copy_of(path, MASK).read_bytes()
        assert copy == copy_of(whole.path, MASK).read_bytes() + tail * repeat


@given(data=st.data())
def test_a_damaged_header_is_read_or_refused(folder, whole, data):
    path = folder / "damaged.fits"
    content = bytearray(whole.content)
    for _ in range(data.draw(st.integers(1, 3))):
        start, *_ = data.draw(st.sampled_from(whole.places))
        at = start + 80 * data.draw(st.integers(0, 12)) + data.draw(st.sampled_from(range(32)))
        content[at] = data.draw(st.sampled_from(b" '(=-&9AT\0\xff"))
    path.write_bytes(content)
    found = outcome(path)
    if isinstance(found, Exposure):
        for use in (found.science_image, lambda: copy_of(path, None), lambda: copy_of(path, MASK)):
            used_or_refused(path, use)


def used_or_refused(path: Path, use: Callable[[], object]) -> None:
    try:
        use()
    except ExposureError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - neither outcome is a failure


@pytest.mark.parametrize(
    ("extension", "keyword", "card"),
    [
        (0, "DETECTOR", b"DETECTOR= 'MIRI"),
        (0, "EXP_TYPE", b"EXP_TYPE= ((("),
        ("SCI", "DISPAXIS", b"DISPAXIS= 'a"),
        ("SCI", "EXTNAME", b"EXTNAME = 'SCI"),
        ("ERR", "EXTNAME", b"EXTNAME = 3 4"),
        ("SCI", "NAXIS1", b"NAXIS1  =                   -9"),
        ("SCI", "NAXIS1", b"NAXIS1  =                  9.0"),
        ("SCI", "NAXIS1", b"NAXIS1  = '9'"),
        ("SCI", "NAXIS2", b"NAXIS3  =                    6"),
        ("SCI", "NAXIS1", b"NAXIS1  = 99999999999999999999"),
        ("SCI", "BITPIX", b"BITPIX  =                    7"),
        ("ERR", "XTENSION", b"XTENSION= (IMAGE"),
        ("ASDF", "XTENSION", b"XTENSION= (BINTABL"),
        ("ERR", "NAXIS", b"NAXIS   = (2"),
        ("GROUP", "TFORM1", b"TFORM1  = 5"),
        (0, "FILENAME", b"CONTINUE= 5"),
    ],
)
def test_a_card_that_cannot_be_read_is_refused_or_ignored(tmp_path, extension, keyword, card):
    path = with_card(write(tmp_path / "in.fits"), extension, keyword, card)
    found = outcome(path)
    if isinstance(found, Exposure):
        used_or_refused(path, found.science_image)
        used_or_refused(path, lambda: copy_of(path, MASK))


@pytest.mark.parametrize("size", [-2000, -3000, -9000, -(10**9)])
@pytest.mark.parametrize("name", ["SCI", "ERR"])
def test_an_extension_of_negative_size_is_refused(tmp_path, name, size):
    """Astropy would find an extension that ends where it begins without end."""
    path = write(tmp_path / "in.fits")
    with_card(path, name, "PCOUNT", b"PCOUNT  = %20d" % size)
    assert isinstance(outcome(path), str)


def test_a_gzipped_file_is_checked_before_its_headers_are_read(tmp_path):
    """A damaged one may decompress to anything, such as a negative size."""
    path = write(tmp_path / "in.fits")
    with_card(path, "ERR", "PCOUNT", b"PCOUNT  =                -2000")
    zipped = tmp_path / "in.fits.gz"
    content = bytearray(gzip.compress(path.read_bytes()))
    content[-8] ^= 1
    zipped.write_bytes(content)
    assert "CRC" in refusal(zipped)


@pytest.mark.parametrize(
    "use",
    [
        lambda exposure, _: exposure.science_image(),
        lambda exposure, to: exposure.write_copy(to, MASK, CARDS, ""),
    ],
    ids=["science_image", "write_copy"],
)
@pytest.mark.parametrize("length", [0, 4000, 10_000])
def test_a_file_that_was_cut_since_it_was_read_is_refused(tmp_path, use, length):
    path = write(tmp_path / "in.fits", dq_first)
    exposure = read(path)
    os.truncate(path, length)
    refusal(path, lambda _: use(exposure, tmp_path / "copy.fits"))


# Flagged copies


@pytest.mark.parametrize(
    "change",
    [as_they_are, double, signed_dq, only_needed, dq_first, primary_image, lower_case,
     without("VAR_FLAT"), appending(table("EXTRA"), fits.ImageHDU(name="EMPTY"))],
)  # fmt: skip
@pytest.mark.parametrize("mask", [MASK, mask_of(), ~mask_of()], ids=["some", "none", "all"])
def test_a_copy_differs_in_the_flagged_samples_alone(tmp_path, change, mask):
    path = write(tmp_path / "in.fits", change)
    before = digest(path)
    assert extensions(copy_of(path, mask))[1:] == expected(path, mask)
    assert digest(path) == before


def test_an_unflagged_copy_differs_in_its_primary_header_alone(tmp_path):
    path = write(tmp_path / "in.fits", checksum=True)
    assert extensions(copy_of(path, None))[1:] == extensions(path)[1:]


@share(0.5)
@given(
    mask=st.lists(st.booleans(), min_size=54, max_size=54).map(
        lambda each: np.array(each).reshape(SHAPE)
    ),
    change=st.sampled_from([as_they_are, double, signed_dq, only_needed, dq_first]),
    cards=st.integers(0, 80),
    order=st.sampled_from("CF"),
)
def test_any_mask_and_any_header_length_give_the_same_copy(folder, mask, change, cards, order):
    def longer(hdus: fits.HDUList) -> None:
        change(hdus)
        hdus[0].header.update({f"KEY{i}": i for i in range(cards)})

    path = write(folder / "in.fits", longer)
    copy = copy_of(path, np.asarray(mask, order=order))
    assert extensions(copy)[1:] == expected(path, mask)
    assert [fits.getval(copy, f"KEY{i}") for i in range(cards)] == list(range(cards))


@pytest.mark.parametrize("change", [as_they_are, double, signed_dq])
def test_astropy_reads_the_flags_of_a_copy(tmp_path, change):
    path = write(tmp_path / "in.fits", change)
    with fits.open(path) as old, fits.open(copy_of(path, MASK)) as new:
        new.verify("exception")
        assert [hdu.name for hdu in new] == [hdu.name for hdu in old]
        for name in NAN_PLANES:
            assert new[name].data.dtype == old[name].data.dtype
            assert np.isnan(new[name].data[MASK]).all()
            assert new[name].data[~MASK].tobytes() == old[name].data[~MASK].tobytes()
        dq, before = new["DQ"].data.astype("u4"), old["DQ"].data.astype("u4")
        assert new["DQ"].data.dtype == old["DQ"].data.dtype
        np.testing.assert_array_equal(dq, np.where(MASK, before | BAD, before))
        assert dq[0, 0] == REFERENCE_PIXEL | BAD
        assert new["WAVELENGTH"].data.tobytes() == old["WAVELENGTH"].data.tobytes()
        np.testing.assert_array_equal(new["GROUP"].data, old["GROUP"].data)
        np.testing.assert_array_equal(new["ASDF"].data, old["ASDF"].data)


def test_a_refused_copy_is_not_begun(tmp_path):
    path = write(tmp_path / "in.fits", without("DQ"))
    refusal(path, lambda path: copy_of(path, MASK))
    assert not (tmp_path / "copy.fits").exists()


def test_a_copy_replaces_no_file(tmp_path):
    exposure = read(write(tmp_path / "in.fits"))
    (tmp_path / "copy.fits").write_text("old")
    for to in (tmp_path / "copy.fits", exposure.path):
        before = digest(to)
        with pytest.raises(FileExistsError):
            exposure.write_copy(to, MASK, CARDS, "")
        assert digest(to) == before


@pytest.mark.parametrize("shape", [(9, 6), (54,), (7, 9), (3, 9)], ids=str)
def test_a_mask_of_another_shape_is_refused(tmp_path, shape):
    path = write(tmp_path / "in.fits")
    with pytest.raises(ValueError, match="mask"):
        copy_of(path, np.ones(shape, bool))
    assert not (tmp_path / "copy.fits").exists()


def test_a_read_only_exposure_is_copied_to_a_writeable_file(tmp_path):
    path = write(tmp_path / "in.fits")
    path.chmod(0o400)
    copy = copy_of(path, MASK)
    assert extensions(copy)[1:] == expected(path, MASK)
    assert copy.stat().st_mode & 0o200
    assert path.stat().st_mode & 0o777 == 0o400


# Their primary headers


def test_cards_are_set_and_others_kept(tmp_path):
    def change(hdus: fits.HDUList) -> None:
        hdus[0].header.update(LONG="x" * 100, UNDEF=None, NUMBER=1.5)
        hdus[0].header["HIERARCH a long keyword"] = 3
        hdus[0].header["COMMENT"] = "said"
        hdus[0].header["HISTORY"] = "before"

    path = write(tmp_path / "in.fits", change)
    old, new = fits.getheader(path), fits.getheader(copy_of(path, MASK, "after"))
    assert (new["FILENAME"], new.comments["FILENAME"]) == CARDS["FILENAME"]
    assert (new["S_BPXSLF"], new.comments["S_BPXSLF"]) == CARDS["S_BPXSLF"]
    assert list(new["HISTORY"]) == ["before", "after"]
    for header in (old, new):
        for keyword in ("FILENAME", "S_BPXSLF", "HISTORY"):
            header.remove(keyword, ignore_missing=True, remove_all=True)
    assert [str(card) for card in new.cards] == [str(card) for card in old.cards]


@pytest.mark.parametrize("cards", range(20, 40))
def test_a_header_may_grow_by_a_block(tmp_path, cards):
    def longer(hdus: fits.HDUList) -> None:
        hdus[0].header.update({f"KEY{i}": i for i in range(cards)})

    path = write(tmp_path / "in.fits", longer)
    copy = copy_of(path, MASK, "x " * 200)
    assert extensions(copy)[1:] == expected(path, MASK)
    grown = copy.stat().st_size - path.stat().st_size
    # SIMPLE, BITPIX, NAXIS, EXTEND, DETECTOR, EXP_TYPE, FILENAME, END; S_BPXSLF and six HISTORY.
    assert grown == BLOCK * (-(-(cards + 15) // 36) - -(-(cards + 8) // 36))


def test_a_header_may_shrink_by_a_block(tmp_path):
    def longer(hdus: fits.HDUList) -> None:
        hdus[0].header["FILENAME"] = "x" * 5000

    path = write(tmp_path / "in.fits", longer)
    copy = copy_of(path, MASK)
    assert copy.stat().st_size < path.stat().st_size
    assert extensions(copy)[1:] == expected(path, MASK)


@share(0.5)
@given(
    name=st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="/\\:"))
    | st.text("a&'", max_size=200)
    | st.integers(50, 250).map("a".__mul__)
)
def test_a_file_name_of_any_length_is_read_back(whole, name):
    value = f"{name.strip()}.fits"
    copy = copy_of(whole.path, None, FILENAME=value)
    assert fits.getval(copy, "FILENAME") == value
    assert copy.stat().st_size % BLOCK == 0


@pytest.mark.parametrize("value", ["ü.fits", "a\nb", "a\tb"])
def test_a_card_that_fits_cannot_hold_is_refused_before_anything_is_written(tmp_path, value):
    path = write(tmp_path / "in.fits")
    refusal(path, lambda path: copy_of(path, MASK, FILENAME=value))
    assert not (tmp_path / "copy.fits").exists()


@pytest.mark.parametrize(
    "history",
    [
        "short",
        "badpix_selfcal 1.0 COMPLETE: kernel_size=15 flagfrac_lower=1e-05 flagfrac_upper=0.001 "
        "dispaxis=None edge=zero force_single=False",
        " ".join(["word"] * 100),
        " ".join(["a" * 72, "b" * 71, "c", "d" * 40]),
        f"{'a' * 66} self-calibration",
    ],
)
def test_history_wraps_at_words(tmp_path, history):
    lines = list(fits.getheader(copy_of(write(tmp_path / "in.fits"), None, history))["HISTORY"])
    assert " ".join(lines) == history
    assert max(map(len, lines)) <= 72


def test_an_empty_history_adds_nothing(tmp_path):
    assert "HISTORY" not in fits.getheader(copy_of(write(tmp_path / "in.fits"), None, ""))


# Checksums


def checked(path: Path) -> list[str]:
    """Return the extensions that have a checksum; a wrong one is a warning, an error here."""
    with fits.open(path, checksum=True) as hdus:
        return [hdu.name for hdu in hdus if {"CHECKSUM", "DATASUM"} & {*hdu.header}]


ALL_PLANES = ["SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"]


@pytest.mark.parametrize("change", [as_they_are, double, signed_dq])
def test_a_copy_has_no_wrong_checksums(tmp_path, change):
    path = write(tmp_path / "in.fits", change, checksum=True)
    assert checked(path) == ["PRIMARY", *ALL_PLANES, "WAVELENGTH", "GROUP", "ASDF"]
    assert checked(copy_of(path, MASK)) == ["WAVELENGTH", "GROUP", "ASDF"]
    assert checked(copy_of(path, None)) == [*ALL_PLANES, "WAVELENGTH", "GROUP", "ASDF"]


def test_the_sum_of_an_image_in_the_primary_stays_right(tmp_path):
    path = write(tmp_path / "in.fits", primary_image, checksum=True)
    assert "WAVELENGTH" in checked(copy_of(path, MASK))


def test_only_samples_and_checksum_cards_change(tmp_path):
    path = write(tmp_path / "in.fits", checksum=True)
    found, wanted = extensions(copy_of(path, MASK))[1:], expected(path, MASK)
    assert [(name, data) for name, _, data in found] == [(name, data) for name, _, data in wanted]
    for (name, new, _), (_, old, _) in zip(found, wanted, strict=True):
        before, after = cards_of(old), cards_of(new)
        changed = [card[:8] for card, now in zip(before, after, strict=True) if card != now]
        assert changed == ([b"CHECKSUM", b"DATASUM "] if name in ALL_PLANES else [])


def cards_of(header: bytes) -> list[bytes]:
    return [header[at : at + 80] for at in range(0, len(header), 80)]


def test_a_checksum_in_a_long_header_is_found(tmp_path):
    def longer(hdus: fits.HDUList) -> None:
        hdus["SCI"].header.update({f"KEY{i}": i for i in range(100)})

    path = write(tmp_path / "in.fits", longer, checksum=True)
    assert checked(copy_of(path, MASK)) == ["WAVELENGTH", "GROUP", "ASDF"]


def test_a_copy_of_a_copy_is_flagged_as_well(tmp_path):
    path = write(tmp_path / "in.fits", checksum=True)
    copy = copy_of(path, MASK).rename(tmp_path / "first.fits")
    other = mask_of((1, 1))
    again = copy_of(copy, other)
    assert extensions(again)[1:] == expected(copy, other)
    assert checked(again) == ["WAVELENGTH", "GROUP", "ASDF"]
