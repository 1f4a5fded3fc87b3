"""Exposure files: what is read, and errors that name what cannot be read or flagged."""

from __future__ import annotations

import gzip
import os
import pickle
import tracemalloc

import numpy as np
import pytest
from astropy.io import fits

from badpix_selfcal.files.exposure import read
from badpix_selfcal.instrument import NAN_PLANES

from .fits_exposures import (
    BLOCK,
    MASK,
    SHAPE,
    appending,
    as_they_are,
    copy_of,
    double,
    dq_first,
    extensions,
    flag,
    holding,
    image,
    inserting,
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

# What is read


def test_an_exposure_has_its_detector_type_and_shape(tmp_path):
    exposure = read(str(write(tmp_path / "in.fits")))
    assert exposure.path == tmp_path / "in.fits"
    assert (exposure.detector, exposure.exp_type) == ("MIRIFULONG", "MIR_MRS")
    assert (exposure.dispaxis, exposure.shape) == (2, SHAPE)
    assert set(exposure.planes) == {"DQ", *NAN_PLANES}
    assert exposure.problem == ""


@pytest.mark.parametrize("keyword", ["DETECTOR", "EXP_TYPE"])
@pytest.mark.parametrize("value", [None, ""], ids=["undefined", "empty"])
def test_a_keyword_without_value_is_as_if_absent(tmp_path, keyword, value):
    def change(hdus: fits.HDUList) -> None:
        hdus[0].header[keyword] = value

    path = write(tmp_path / "in.fits", change)
    assert {"DETECTOR": read(path).detector, "EXP_TYPE": read(path).exp_type}[keyword] == ""


@pytest.mark.parametrize(
    ("cards", "facts"),
    [
        ({"SUBARRAY": "FULL"}, {"subarray": ""}),
        ({"SUBARRAY": "sub64", "SUBSTRT1": 9}, {"subarray": "SUB64(9,1)"}),
        ({"SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 5}, {"subarray": "(1,5)"}),
        ({"FILTER": "F170LP", "GRATING": "G235H"}, {"band": "F170LP/G235H"}),
        ({"BAND": "long", "FILTER": "X"}, {"band": "LONG"}),
        ({"BKGDTARG": True}, {"is_background": True}),
        ({"BKGDTARG": "T"}, {"is_background": False}),
        ({"S_BPXSLF": "COMPLETE"}, {"is_flagged": True, "status": "COMPLETE"}),
        ({"S_BPXSLF": "SKIPPED"}, {"is_flagged": False, "status": "SKIPPED"}),
        ({"S_FLAT": "COMPLETE", "S_PHOTOM": "COMPLETE"}, {"later_step": "S_FLAT"}),
        ({"S_CLNFNS": "COMPLETE", "S_FLAT": "SKIPPED"}, {"later_step": ""}),
        ({"HISTORY": "made"}, {"history": ("made",)}),
        ({"EXP_TYPE": 5}, {"exp_type": "5"}),
    ],
)
def test_what_the_headers_say(tmp_path, cards, facts):
    path = write(tmp_path / "jw1_rate.fits", lambda hdus: hdus[0].header.update(cards))
    exposure = read(path)
    assert {name: getattr(exposure, name) for name in facts} == facts
    assert (exposure.stem, exposure.unit) == ("jw1", "")


def test_other_planes_are_read_too(tmp_path):
    exposure = read(write(tmp_path / "in.fits"))
    assert exposure.error().tobytes() == samples(">f4", 3).tobytes()
    np.testing.assert_array_equal(exposure.dq(), samples("u4", 2))
    signed = read(write(tmp_path / "signed.fits", signed_dq))
    np.testing.assert_array_equal(signed.dq(), samples("u4", 2))
    bare = read(write(tmp_path / "bare.fits", only_needed))
    assert bare.error() is None
    assert read(write(tmp_path / "none.fits", without("DQ"))).dq() is None


def test_exposures_are_small_and_travel(tmp_path):
    exposure = read(write(tmp_path / "in.fits", appending(image("HUGE"))))
    sent = pickle.dumps(exposure)
    assert len(sent) < 5000
    assert pickle.loads(sent) == exposure


@pytest.mark.parametrize(
    "change", [as_they_are, only_needed, dq_first, primary_image, double, lower_case]
)
def test_sci_is_read_from_where_it_lies(tmp_path, change):
    path = write(tmp_path / "in.fits", change)
    science = read(path).science()
    with fits.open(path) as hdus:
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
        science = read(path).science()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert science.shape == SHAPE
    assert peak < 2**23


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "i8"])
def test_integer_sci_is_read_but_not_flagged(tmp_path, kind):
    data = samples(kind, 1)
    path = write(tmp_path / "in.fits", holding("SCI", data))
    np.testing.assert_array_equal(read(path).science(), data)
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
        np.testing.assert_array_equal(read(path).science(), hdus["SCI"].data)
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
        np.testing.assert_array_equal(read(path).science(), hdus["SCI"].data)


def test_the_image_named_sci_is_read_among_others_of_that_name(tmp_path):
    def change(hdus: fits.HDUList) -> None:
        hdus[0].header["EXTNAME"] = "SCI"
        hdus.insert(1, table("SCI"))

    path = write(tmp_path / "in.fits", change)
    zipped = tmp_path / "in.fits.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    for each in (path, zipped):
        assert read(each).dispaxis == 2
        assert read(each).science().tobytes() == samples(">f4", 3).tobytes()


# Compressed files


@pytest.mark.parametrize("change", [as_they_are, double, signed_dq, primary_image])
@pytest.mark.parametrize("name", ["in.fits.gz", "in.fits"])
def test_a_gzipped_exposure_equals_the_plain_one(tmp_path, change, name):
    (tmp_path / "zipped").mkdir()
    plain = write(tmp_path / "in.fits", change)
    zipped = tmp_path / "zipped" / name
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = read(plain).science(), read(zipped).science()
    assert one.dtype == other.dtype
    assert one.tobytes() == other.tobytes()
    assert copy_of(zipped, MASK).read_bytes() == copy_of(plain, MASK).read_bytes()
    assert copy_of(zipped, None).read_bytes() == copy_of(plain, None).read_bytes()


@pytest.mark.parametrize("name", ["ERR", "DQ", "VAR_FLAT"])
def test_tile_compressed_planes_are_not_flagged(tmp_path, name):
    data = np.arange(54, dtype="i4" if name == "DQ" else "f4").reshape(SHAPE)
    hdu = fits.CompImageHDU(data, name=name, compression_type="GZIP_1")
    path = write(tmp_path / "in.fits", replacing(name, hdu))
    assert read(path).science().tobytes() == samples(">f4", 3).tobytes()
    assert f"{name} is tile-compressed; uncompress the file first (funpack)" in refusal(path, flag)
    refusal(path, lambda path: copy_of(path, MASK))
    assert not (tmp_path / "copy.fits").exists()
    if name == "ERR":
        assert "ERR is tile-compressed" in refusal(path, lambda path: read(path).error())


def test_a_tile_compressed_sci_is_refused_with_the_remedy(tmp_path):
    hdu = fits.CompImageHDU(np.zeros((64, 64), "f4"), name="SCI")
    path = write(tmp_path / "in.fits", replacing("SCI", hdu))
    assert "SCI is tile-compressed; uncompress the file first (funpack)" in refusal(path)


# What cannot be flagged or read


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "f4", "f8", "i8", "u8"])
def test_dq_of_another_type_is_not_flagged(tmp_path, kind):
    path = write(tmp_path / "in.fits", holding("DQ", np.ones(SHAPE, kind)))
    assert read(path).science().shape == SHAPE
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
    assert read(path).science().shape == SHAPE
    assert extensions(copy_of(path, None))[1:] == extensions(path)[1:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("SCI"), "has no SCI extension"),
        (replacing("SCI", table("SCI")), "has no SCI extension"),
        (
            holding("SCI", np.ones((2, 6, 9), "f4")),
            "SCI must be 2-D, got shape (2, 6, 9); take the rate image (_rate)",
        ),
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
    assert "no such file or folder" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [b"", b"S", b"\x1f", b"\x1f\x8b", b"text\n", b'{"products": []}', b"SIMPLE  =", b"\0" * BLOCK,
     b" " * BLOCK, b"XTENSION= 'IMAGE   '".ljust(BLOCK), gzip.compress(b"", mtime=0),
     gzip.compress(b"text", mtime=0), b"\x89HDF\r\n\x1a\n" + b"\0" * BLOCK],
)  # fmt: skip
@pytest.mark.parametrize("name", ["in.fits", "in.fits.gz"])
def test_what_is_not_fits_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    refusal(tmp_path / name)
