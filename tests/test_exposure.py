"""Exposure files: what is read, and errors that name what cannot be read or flagged."""

from __future__ import annotations

import datetime
import gzip
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given
from hypothesis import strategies as st

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files.exposure import Exposure, read
from badpix_selfcal.instrument import NAN_PLANES

from .fits_exposures import (
    BLOCK,
    MASK,
    SHAPE,
    Whole,
    appending,
    as_they_are,
    copy_of,
    double,
    dq_first,
    extensions,
    flag,
    holding,
    image,
    in_time,
    lower_case,
    only_needed,
    primary_image,
    refusal,
    replacing,
    samples,
    signed_dq,
    table,
    with_card,
    without,
    write,
)

DAY = datetime.date(2024, 6, 30)

# What is read


@pytest.mark.parametrize(
    ("cards", "facts"),
    [
        ({}, {"detector": "MIRIFULONG", "exp_type": "MIR_MRS", "dispaxis": 2, "shape": SHAPE}),
        ({}, {"problem": "", "stem": "jw1", "unit": ""}),
        ({"DETECTOR": None, "EXP_TYPE": ""}, {"detector": "", "exp_type": ""}),
        ({"SUBARRAY": "FULL"}, {"subarray": ""}),
        ({"SUBARRAY": "sub64", "SUBSTRT1": 9}, {"subarray": "SUB64(9,1)"}),
        ({"SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 5}, {"subarray": "(1,5)"}),
        ({"FILTER": "F170LP", "GRATING": "G235H"}, {"band": "F170LP/G235H"}),
        ({"BAND": "long", "FILTER": "X"}, {"band": "LONG"}),
        ({"BKGDTARG": True}, {"is_background": True}),
        ({"BKGDTARG": "t", "IS_IMPRT": "F"}, {"is_background": True, "is_imprint": False}),
        ({"BKGDTARG": 1, "IS_IMPRT": 0}, {"is_background": True, "is_imprint": False}),
        ({"BKGDTARG": "F"}, {"is_background": False}),
        ({"BKGDTARG": True, "IS_IMPRT": True}, {"is_background": False, "is_imprint": True}),
        ({"IS_IMPRT": "T"}, {"is_background": False, "is_imprint": True}),
        ({"SUBARRAY": "N/A"}, {"subarray": ""}),
        ({"DATE-OBS": "2024-06-30"}, {"date": DAY}),
        ({"DATE-OBS": "2024-06-30T23:59:59.999", "EXPSTART": 1.5}, {"date": DAY}),
        ({"DATE-OBS": "unknown", "DATE-BEG": "2024-06-30T00:00:01.5"}, {"date": DAY}),
        ({"EXPSTART": 60491.999}, {"date": DAY}),
        ({"DATE-OBS": "2024-13-01", "EXPSTART": 1e300}, {"date": None}),
        ({"S_BPXSLF": "COMPLETE"}, {"is_flagged": True, "status": "COMPLETE"}),
        ({"S_BPXSLF": "SKIPPED"}, {"is_flagged": False, "status": "SKIPPED"}),
        ({"S_FLAT": "COMPLETE", "S_PHOTOM": "COMPLETE"}, {"later_steps": ("S_FLAT", "S_PHOTOM")}),
        ({"S_CLNFNS": "COMPLETE", "S_FLAT": "SKIPPED"}, {"later_steps": ()}),
        ({"HISTORY": "made"}, {"history": ("made",)}),
        ({"EXP_TYPE": 5}, {"exp_type": "5"}),
    ],
)
def test_what_the_headers_say(tmp_path, cards, facts):
    path = write(tmp_path / "jw1_rate.fits", lambda hdus: hdus[0].header.update(cards))
    exposure = read(str(path))
    assert {name: getattr(exposure, name) for name in facts} == facts
    assert (exposure.path, set(exposure.planes)) == (path, {"DQ", *NAN_PLANES})


@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
@pytest.mark.parametrize(
    "change", [as_they_are, only_needed, dq_first, primary_image, double, lower_case, signed_dq]
)
def test_planes_are_read_from_where_they_lie(tmp_path, change, ending):
    path = write(tmp_path / f"in.{ending}", change)
    exposure = read(path)
    with fits.open(path) as hdus:
        assert exposure.science().tobytes() == hdus["SCI"].data.tobytes()
        assert exposure.science().dtype == hdus["SCI"].data.dtype
        if "ERR" in hdus:
            assert exposure.error().tobytes() == hdus["ERR"].data.tobytes()
    assert (exposure.error() is None) == (change is only_needed)
    np.testing.assert_array_equal(exposure.dq(), samples("u4", 2))


def test_exposures_are_small_and_travel(tmp_path):
    exposure = read(write(tmp_path / "in.fits", appending(image("HUGE"))))
    sent = pickle.dumps(exposure)
    assert len(sent) < 5000
    assert pickle.loads(sent) == exposure


def test_no_other_plane_is_read(tmp_path):
    path = write(tmp_path / "in.fits", appending(image("HUGE")))
    with fits.open(path) as hdus:
        place = hdus["HUGE"].fileinfo()
    content = path.read_bytes()
    huge = content[place["hdrLoc"] :].replace(b"%20d" % 9, b"%20d" % 2**14)
    path.write_bytes(content[: place["hdrLoc"]] + huge.replace(b"%20d" % 6, b"%20d" % 2**14))
    os.truncate(path, place["datLoc"] + 4 * 2**28 + BLOCK)
    tracemalloc.start()
    try:
        assert read(path).science().shape == SHAPE
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def scaled(hdus: fits.HDUList) -> None:
    holding("SCI", np.arange(54.0, dtype=">f4").reshape(SHAPE))(hdus)
    hdus["SCI"].scale("int16", bscale=0.25, bzero=3)


def blank(hdus: fits.HDUList) -> None:
    holding("SCI", np.arange(54, dtype="i2").reshape(SHAPE))(hdus)
    hdus["SCI"].header["BLANK"] = 3


@pytest.mark.parametrize(
    "change", [scaled, blank, *(holding("SCI", samples(kind, 1)) for kind in ("u1", "i8", "u2"))]
)
@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
def test_integer_sci_is_read_but_not_flagged(tmp_path, change, ending):
    path = write(tmp_path / f"in.{ending}", change)
    with fits.open(path, memmap=False) as hdus:
        np.testing.assert_array_equal(read(path).science(), hdus["SCI"].data)
    assert "SCI must hold floating-point samples" in refusal(path, flag)


def test_the_image_named_sci_is_read_among_others_of_that_name(tmp_path):
    def change(hdus: fits.HDUList) -> None:
        hdus[0].header["EXTNAME"] = "SCI"
        hdus.insert(1, table("SCI"))

    assert (
        read(write(tmp_path / "in.fits", change)).science().tobytes() == samples(">f4", 3).tobytes()
    )


# What is read, but cannot be flagged


def plane(name: str, kind: str, shape: tuple[int, ...] = SHAPE) -> object:
    return holding(name, np.ones(shape, kind))


def compressed(name: str, kind: str) -> object:
    data = np.zeros((64, 64) if name == "SCI" else SHAPE, kind)
    return replacing(name, fits.CompImageHDU(data, name=name, compression_type="GZIP_1"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *((plane("DQ", kind), "DQ must hold 32-bit int") for kind in ("u1", "u2", "f4", "i8")),
        *((plane(name, "i4"), f"{name} must hold floating-point") for name in NAN_PLANES[1:]),
        *((plane("DQ", "i4", each), f"DQ has shape {each}, SCI has {SHAPE}")
          for each in ((9, 6), (54,), (1, 6, 9))),
        *((plane(each, "f4", (6, 8)), f"{each} has shape (6, 8)") for each in NAN_PLANES[1:]),
        (without("DQ"), "has no DQ extension"),
        (replacing("DQ", table("DQ")), "has no DQ extension"),
        *((compressed(each, "i4" if each == "DQ" else "f4"),
           f"{each} is tile-compressed; uncompress the file first (funpack)")
          for each in ("ERR", "DQ", "VAR_FLAT")),
    ],
)  # fmt: skip
def test_an_exposure_with_a_wrong_plane_is_read_but_not_flagged(tmp_path, change, said):
    path = write(tmp_path / "in.fits", change)
    assert said in refusal(path, flag)
    assert said in refusal(path, lambda path: copy_of(path, MASK))
    assert not (tmp_path / "copy.fits").exists()
    assert read(path).science().tobytes() == samples(">f4", 3).tobytes()
    if "compressed" not in said:
        assert extensions(copy_of(path, None))[1:] == extensions(path)[1:]
    if "ERR is tile" in said:
        assert said in refusal(path, lambda path: read(path).error())


@pytest.mark.parametrize(
    ("card", "said"), [("BSCALE", "is scaled (BSCALE"), ("BZERO", "is scaled (BSCALE = 1")]
)
@pytest.mark.parametrize("name", NAN_PLANES)
def test_scaled_floats_are_not_flagged(tmp_path, name, card, said):
    path = write(tmp_path / "in.fits", lambda hdus: hdus[name].header.update(FACTOR=1))
    with_card(path, name, "FACTOR", b"%-8s= %20.1f" % (card.encode(), 2))
    assert f"{name} {said}" in refusal(path, flag)


# What is refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("SCI"), "has no SCI extension"),
        (replacing("SCI", table("SCI")), "has no SCI extension"),
        (plane("SCI", "f4", (2, 6, 9)), "got shape (2, 6, 9); take the rate image (_rate)"),
        (plane("SCI", "f4", (2, 2, 6, 9)), "SCI must be 2-D"),
        (plane("SCI", "f4", (9,)), "SCI must be 2-D, got shape (9,)"),
        (replacing("SCI", fits.ImageHDU(name="SCI")), "SCI must be 2-D, got shape ()"),
        (plane("SCI", "f4", (0, 9)), "SCI is empty"),
        (plane("SCI", "f4", (6, 0)), "SCI is empty"),
        (compressed("SCI", "f4"), "SCI is tile-compressed; uncompress the file first (funpack)"),
        (appending(image("SCI")), "has 2 SCI extensions"),
        (appending(fits.ImageHDU(np.ones(SHAPE), name="SCI", ver=2)), "has 2 SCI extensions"),
        (appending(fits.CompImageHDU(np.ones((64, 64)), name="SCI")), "has 2 SCI extensions"),
        (appending(image("DQ", "u4")), "has 2 DQ extensions"),
        (lambda hdus: hdus.insert(1, image("ERR")), "has 2 ERR extensions"),
    ],
)
def test_an_exposure_without_exactly_one_2d_sci_is_refused(tmp_path, change, said):
    assert said in refusal(write(tmp_path / "in.fits", change))


@pytest.mark.parametrize("name", ["gone.fits", "nowhere/gone.fits", "file/gone.fits", "a\0b.fits"])
def test_a_missing_exposure_is_refused(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    assert "no such file or folder" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [b"", b"S", b"\x1f\x8b", b"text\n", b"SIMPLE  =", b"\0" * BLOCK, b" " * BLOCK,
     b"XTENSION= 'IMAGE   '".ljust(BLOCK), gzip.compress(b"", mtime=0),
     gzip.compress(b"text", mtime=0), b"\x89HDF\r\n\x1a\n" + b"\0" * BLOCK],
)  # fmt: skip
@pytest.mark.parametrize("name", ["in.fits", "in.fits.gz"])
def test_what_is_not_fits_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    refusal(tmp_path / name)


# Damaged files; see also the attacks


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    return Whole(write(tmp_path_factory.mktemp("exposure") / "whole.fits"))


def outcome(path: Path) -> Exposure | str:
    try:
        with in_time():
            return read(path)
    except ExposureError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - neither outcome is a failure
        return str(error)


@given(data=st.data())
def test_a_file_cut_anywhere_is_refused_unless_only_padding_is_gone(whole, data):
    start, _, _, end = data.draw(st.sampled_from(whole.places))
    cut = data.draw(st.integers(start, end - 1) | st.integers(start, start + 9))
    path = whole.path.with_name("cut.fits")
    path.write_bytes(whole.content[:cut])
    # A file does not show whether whole extensions are missing at its end.
    proper = any(end <= cut <= padded for _, _, end, padded in whole.places[1:])
    found = outcome(path)
    assert isinstance(found, Exposure) == proper
    if isinstance(found, Exposure):
        assert found.science().tobytes() == samples(">f4", 3).tobytes()
    if cut >= whole.places[-1][2]:
        copy = copy_of(path, MASK).read_bytes()
        assert copy == copy_of(whole.path, MASK).read_bytes()[: len(copy)]


@given(fraction=st.floats(0, 1, exclude_max=True), flip=st.integers(0, 255))
@example(fraction=0.0, flip=0)
def test_a_damaged_gzipped_file_is_refused_unless_its_content_is_whole(whole, fraction, flip):
    content = bytearray(gzip.compress(whole.content, mtime=0))
    path = whole.path.with_name("cut.fits.gz")
    path.write_bytes(content[: int(fraction * len(content))])
    refusal(path)
    content[20 + int(fraction * (len(content) - 20))] ^= flip
    path.write_bytes(content)
    if isinstance(outcome(path), Exposure):
        assert gzip.decompress(content) == whole.content


@given(tail=st.binary(min_size=1, max_size=20), repeat=st.sampled_from([1, 200, 1000]))
@example(tail=b" ", repeat=BLOCK)
@example(tail=b"\0", repeat=BLOCK)
@example(tail=b"\x80", repeat=BLOCK)
@example(tail=b"END", repeat=1000)
@example(tail=b"XTENSION= 'IMAGE   '", repeat=200)
def test_bytes_behind_the_end_do_no_harm(whole, tail, repeat):
    path = whole.path.with_name("longer.fits")
    path.write_bytes(whole.content + tail * repeat)
    if isinstance(outcome(path), Exposure):
        copy, usual = (copy_of(each, MASK).read_bytes() for each in (path, whole.path))
        assert copy == usual + tail * repeat


@pytest.mark.parametrize("size", [-2000, -3000, -9000, -(10**9)])
@pytest.mark.parametrize("name", ["SCI", "ERR"])
def test_an_extension_of_negative_size_is_refused(tmp_path, name, size):
    """Astropy would find an extension that ends where it begins without end."""
    path = write(tmp_path / "in.fits")
    refusal(with_card(path, name, "PCOUNT", b"PCOUNT  = %20d" % size))


def test_headers_that_take_long_to_read_are_refused_in_time(tmp_path, whole):
    path = tmp_path / "many.fits"
    header = whole.content[whole.places[7][0] : whole.places[7][1]].replace(b"  6 ", b"  0 ")
    path.write_bytes(whole.content + header.replace(b"  9 ", b"  0 ") * 2000)
    assert "has more than 1000 extensions" in refusal(path)
    axes = [b"NAXIS%-3d= (" % number for number in range(1, 1000)]
    cards = [b"XTENSION= 'IMAGE   '", b"BITPIX  = 8", b"NAXIS   = 999", *axes, *[b"A"] * 30_000]
    long = b"".join(card.ljust(80) for card in [*cards, b"END"])
    path.write_bytes(whole.content + long.ljust(-(-len(long) // BLOCK) * BLOCK))
    refusal(path)
