"""Masks and their files: written, read back, refused, and found beside a copy."""

from __future__ import annotations

import gc
import gzip
import operator
import os
import re
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import instrument
from badpix_selfcal.files.paths import RemoteFile
from badpix_selfcal.masks.mask import Member, mask_of_result
from badpix_selfcal.parameters import Parameters

from .exposures import largest_file
from .fits_exposures import in_time
from .flagged_files import mask_file
from .masks import ABOUT, assert_same_masks, group_mask, masks


@given(masks())
def test_a_mask_is_read_as_it_was_written(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("mask") / "x_mask.fits"
    assert mask.write(path) == path
    assert_same_masks(bps.Mask.read(path), mask)


@pytest.mark.parametrize(
    ("cut", "shape"), [("fraction", (64, 80)), ("sigma", (64, 80)), ("sigma", (1024, 1032))]
)
def test_the_table_of_pixels(tmp_path, cut, shape):
    mask = group_mask(cut=cut, shape=shape)
    mask.write(tmp_path / "x.fits")
    found = mask.bad_pixels
    with fits.open(tmp_path / "x.fits") as hdus:
        names = [hdu.name for hdu in hdus]
        pixels = hdus["PIXELS"].data
        assert hdus["DQ"].data.dtype == np.uint32
        np.testing.assert_array_equal(hdus["DQ"].data, np.where(found.mask, instrument.BAD, 0))
        assert hdus["MINIMUM"].header["BUNIT"] == "DN/s"
        assert hdus["PIXELS"].columns["residual"].unit == "DN/s"
        assert "counted from 0" in hdus["PIXELS"].header.comments["TTYPE1"]
        primary = hdus[0].header
    further = ["SIGNIFICANCE", "NOISE", "KNOWN"] if cut == "sigma" else ["KNOWN"]
    common = ["PRIMARY", "DQ", "DQ_DEF", "PIXELS", "MEMBERS", "MINIMUM", "RESIDUAL"]
    assert names == common + further
    assert len(pixels) == found.n_low + found.n_high > 0
    np.testing.assert_array_equal((pixels["y"], pixels["x"]), found.indices)
    np.testing.assert_array_equal(pixels["residual"], found.residual[found.mask])
    np.testing.assert_array_equal(pixels["value"], mask.minimum[found.mask])
    assert np.count_nonzero(pixels["end"] == "low") == found.n_low
    assert set(pixels["reason"]) == {"significance" if cut == "sigma" else "residual"}
    expected = found.significance[found.mask] if cut == "sigma" else np.nan
    np.testing.assert_array_equal(pixels["significance"], expected)
    assert (primary["REFTYPE"], primary["PEDIGREE"]) == ("MASK", "INFLIGHT 2023-05-06 2023-05-06")


@pytest.mark.parametrize(
    ("detector", "instrument", "axes"),
    [
        ("MIRIFULONG", "MIRI", (1, 2)),
        ("NRS1", "NIRSPEC", (2, 1)),
        ("nrs2 ", "NIRSPEC", (-2, -1)),
        ("", "ANY", (1, 2)),
    ],
)
def test_cards_that_exposures_lack_are_those_of_a_full_frame(tmp_path, detector, instrument, axes):
    mask = group_mask(about={"BUNIT": "DN/s", **({"DETECTOR": detector} if detector else {})})
    mask.write(tmp_path / "n?me.fits")
    cards = dict(fits.getheader(tmp_path / "n?me.fits"))
    expected = {
        **{"TELESCOP": "JWST", "INSTRUME": instrument, "DETECTOR": detector.strip() or "ANY"},
        **{"EXP_TYPE": "ANY", "SUBARRAY": "FULL", "FASTAXIS": axes[0], "SLOWAXIS": axes[1]},
        **{"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 50, "SUBSIZE2": 40, "NEXTEND": 7},
        **{"DATE": mask.made, "FILENAME": "n?me.fits", "DATAMODL": "MaskModel"},
        **{"REFTYPE": "MASK", "PEDIGREE": "INFLIGHT", "USEAFTER": mask.made},
        "AUTHOR": f"badpix_selfcal {bps.__version__}",
        "DESCRIP": "Bad pixels by self-calibration of 2 exposures",
    }
    assert cards | expected == cards


def test_the_reasons_of_infinite_residuals():
    image = np.ones((20, 20), np.float32)
    image[3, 4], image[5, 6], image[8, 8] = np.inf, -np.inf, 9
    asked = Parameters(flagfrac_upper=1 / 400, flagfrac_lower=0, edge="shrink")
    known = np.full(image.shape, 7, np.uint32)
    pixels = group_mask(image, parameters=asked, dq=known).pixels()
    assert pixels["x", "end", "reason", "known"].as_array().tolist() == [
        (4, "high", "infinite", 7),
        (6, "low", "infinite", 7),
        (8, "high", "residual", 7),
    ]


def test_a_mask_shows_what_it_is():
    assert repr(group_mask(cut="sigma")).splitlines() == [
        "Mask MIRIFULONG 34: 40 x 50 pixels",
        "  members   3 exposures, 1 not used",
        "  cuts      significance below -12 or above 4.5",
        "  flagged   0 low + 7 high = 7 pixels in 6 groups (0.351 %)",
        f"  made      2026-11-27T15:13:37 by version {bps.__version__}",
    ]


@pytest.mark.parametrize("name", [" ", "   ", " a  b ", "&", "\x7f", '"\\', "é "])
def test_names_that_fits_does_not_keep_are_read_as_they_were_written(tmp_path, name):
    mask = group_mask(name=name, about={})
    content = mask.write(tmp_path / "x.fits").read_bytes()
    (tmp_path / "x.fits.gz").write_bytes(gzip.compress(content))
    for each in ("x.fits", "x.fits.gz"):
        assert_same_masks(bps.Mask.read(tmp_path / each), mask)
    assert "BUNIT" not in fits.getheader(tmp_path / "x.fits", "MINIMUM")


def test_a_file_that_exists_is_kept(tmp_path):
    path = tmp_path / "x.fits"
    path.write_text("theirs")
    with pytest.raises(FileExistsError, match="exists already; set `overwrite` to replace it"):
        group_mask().write(path)
    assert path.read_text() == "theirs"
    group_mask().write(path, overwrite=True)
    assert_same_masks(bps.Mask.read(path), group_mask())


def test_nothing_is_left_when_a_mask_cannot_be_written(tmp_path):
    mask = group_mask()
    with pytest.raises(ValueError, match="about holds DATE, which every mask file has"):
        replace(mask, about={**mask.about, "DATE": "x"}).write(tmp_path / "x.fits")
    if os.name == "posix":
        with largest_file(20_000), pytest.raises(OSError, match="File too large"):
            mask.write(tmp_path / "x_mask.fits")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(os.name != "posix", reason="limits of the size of files are those of POSIX")
def test_the_error_of_a_mask_that_cannot_be_written_can_be_collected(tmp_path, monkeypatch):
    def write():
        with largest_file(20_000), pytest.raises(OSError, match="File too large") as kept:
            group_mask().write(tmp_path / "x_mask.fits")
        kept.kept = kept  # so that only the collector frees the error

    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    write()
    gc.collect()
    assert unraisable == []


def test_a_mask_goes_to_a_url(bucket):
    mask = group_mask()
    url = f"{bucket.url}/deep/x_mask.fits"
    assert mask.write(url) == RemoteFile(url)
    assert_same_masks(bps.Mask.read(url), mask)
    with pytest.raises(FileExistsError, match="exists already"):
        mask.write(url)
    with pytest.raises(ValueError, match="outputs cannot be written to https:// URLs"):
        mask.write("https://host/x_mask.fits")


# Files that are refused


def refusal(path, by=bps.Mask.read):
    with pytest.raises(bps.MaskError) as caught:
        by(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "x_mask.fits"
    group_mask().write(path)
    return path


def rewritten(path, change):
    """Change the extensions of a mask file."""
    with fits.open(path) as opened:
        hdus = fits.HDUList([hdu.copy() for hdu in opened])
    change(hdus)
    hdus[0].header["NEXTEND"] = len(hdus) - 1
    hdus.writeto(path, overwrite=True)
    return path


def test_what_is_no_mask_file(tmp_path, written):
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 3)), name="DQ")]
    fits.HDUList(hdus).writeto(tmp_path / "other.fits")
    (tmp_path / "text.txt").write_text("no FITS")
    for name, said in {
        "absent": "no such file",
        "": "is not a file",
        "text.txt": "is not a FITS file",
        "other.fits": "is no mask (it has no REFTYPE); give a file that was",
        "y_mask.fits": f"did you mean {written}?",
    }.items():
        assert said in refusal(tmp_path / name)


def test_a_mask_cut_short_is_refused_at_every_length(written):
    content = written.read_bytes()
    for length in [*range(0, len(content), 4000), *range(0, len(content), 2880)]:
        written.write_bytes(content[:length])
        refusal(written)


def value(name, place, new):
    return lambda hdus: operator.setitem(hdus[name].data, place, new)


def minimum(shape, kind):
    image = fits.ImageHDU(np.ones(shape, kind), name="MINIMUM")
    return lambda hdus: operator.setitem(hdus, 5, image)


def table(number, name, column):
    bare = fits.BinTableHDU.from_columns([column], name=name)
    return lambda hdus: operator.setitem(hdus, number, bare)


def card(name, new):
    return lambda hdus: hdus[0].header.set(name, new)


def member(name, form, values):
    """Give a column of the table of exposures another type."""

    def change(hdus):
        columns = {each.name: (each.format, hdus[4].data[each.name]) for each in hdus[4].columns}
        columns[name] = form, values
        made = [fits.Column(key, *each[:1], array=each[1]) for key, each in columns.items()]
        hdus[4] = fits.BinTableHDU.from_columns(made, name="MEMBERS")

    return change


def emptied(hdus):
    for number in (1, 5, 6, 7):
        hdus[number].data = np.zeros((0, 50), hdus[number].data.dtype)


CHANGES = {
    "it has no DQ": lambda hdus: hdus.pop(1),
    "it has no PIXELS": lambda hdus: hdus.pop(3),
    "it has no MINIMUM": lambda hdus: hdus.pop(5),
    "it has no BPXKERN": lambda hdus: hdus[0].header.remove("BPXKERN"),
    "or of another version: it has no x": lambda hdus: hdus["PIXELS"].columns.change_name("x", "z"),
    "MINIMUM has shape (2, 3), DQ has (40, 50)": minimum((2, 3), "f4"),
    "MINIMUM holds int16 samples": minimum((40, 50), "i2"),
    "kernel_size must be": card("BPXKERN", 4),
    "could not convert string to float": card("BPXLOW", "abc"),
    "BPXHIGH is 1e+300, which is not a number of float32": card("BPXHIGH", 1e300),
    "pedestal in MEMBERS is -1e+300, which": member("pedestal", "D", [-1e300] * 3),
    "pedestal in MEMBERS has the format 8A": member("pedestal", "8A", ["text"] * 3),
    "exposure in MEMBERS has the format J": member("exposure", "J", [1] * 3),
    "constant in MEMBERS has the format 8A": member("constant", "8A", ["text"] * 3),
    "MEMBERS holds a path with NUL": value("MEMBERS", "exposure", r"a\x00b"),
    "surrogates not allowed": value("MEMBERS", "exposure", r"\ud800"),
    "http://[::1: a URL with :: is refused": value("MEMBERS", "output", "http://[::1"),
    "DQ has shape (0, 50), DQ has (0, 50)": emptied,
    "MEMBERS holds the role 'other'": value("MEMBERS", "role", "other"),
    "do not count the pixels": value("DQ", (0, 0), instrument.BAD),
    "DQ holds other bits": value("DQ", (0, 0), 4),
    "residual in PIXELS does not agree": value("PIXELS", "residual", 7),
    "end in PIXELS does not agree": value("PIXELS", "end", "no"),
}


@pytest.mark.parametrize("problem", CHANGES)
def test_a_mask_whose_parts_do_not_agree_is_refused(written, problem):
    rewritten(written, CHANGES[problem])
    said = refusal(written)
    assert problem in said
    assert said.endswith("; write it again")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_mask_is_read_or_refused_by_name(written, data):
    """Cards and bytes at any place are overwritten."""
    content = written.read_bytes()
    damaged = bytearray(content)
    starts = [match.start() for match in re.finditer(rb"XTENSION|SIMPLE  ", content)]
    for _ in range(data.draw(st.integers(1, 3))):
        card = data.draw(st.sampled_from(starts)) + 80 * data.draw(st.integers(0, 40))
        at = card + data.draw(st.integers(0, 79))
        damaged[at] = data.draw(st.sampled_from(b"0123456789 'TFENaxyz-=.&/\x00\xff\n"))
    try:
        written.write_bytes(damaged)
        mask = bps.Mask.read(written)
        assert mask.minimum.shape == mask.bad_pixels.mask.shape
    except bps.MaskError as error:
        assert str(error).startswith(f"{written}: ")  # noqa: PT017 - it may be read, too
    finally:
        written.write_bytes(content)


FAR = np.array([[1, 2], [3]], dtype=object)


@pytest.mark.parametrize(
    ("problem", "change"),
    [
        (
            "exposure in MEMBERS has the format 0A",
            table(4, "MEMBERS", fits.Column("exposure", "0A")),
        ),
        ("x in PIXELS has the format P?J", table(3, "PIXELS", fits.Column("x", "PJ()", array=FAR))),
        ("MEMBERS holds more than 16777216 char", member("problem", "6000000A", ["", "", "x"])),
        *(
            ("BPXCROWD lists rows", card("BPXCROWD", rows))
            for rows in ("0-99999999999", "0-60000000", "600", "1" * 20, "0-9, 3-9", "5-1")
        ),
    ],
)
def test_few_bytes_that_stand_for_many_values_are_refused_soon(written, problem, change):
    assert re.search(problem, refusal(rewritten(written, change)))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            b"TFIELDS =                    9",
            b"TFIELDS =           9999999999",
            "has TFIELDS = 9999999999; a table of FITS has at most 999 columns",
        ),
        (b"background", b"\xffackground", "role in MEMBERS holds characters beyond ASCII"),
        (
            b"NEXTEND =                    7",
            b"NEXTEND =                1E400",
            "is damaged: cannot convert float infinity to integer",
        ),
        (
            b"GCOUNT  =                    1",
            b"GCOUNT  =                   -1",
            "the header of extension 7 is damaged: it gives no size of the data",
        ),
        (
            b"NAXIS2  =                    3",
            b"NAXIS2  =           1000000000",
            "is cut short: extension 4 (MEMBERS) ends beyond",
        ),
    ],
)
def test_bytes_that_no_table_holds_are_refused(written, old, new, problem):
    head, found, tail = written.read_bytes().rpartition(old)
    assert found
    written.write_bytes(head + new + tail)
    assert problem in refusal(written)


def bomb(path, side, kind):
    """Write a small gzip of a mask whose DQ is very large."""
    header = fits.ImageHDU(np.zeros((1, 1), kind), name="DQ").header
    header["NAXIS1"] = header["NAXIS2"] = side
    head = fits.PrimaryHDU()
    head.header["REFTYPE"] = "MASK"
    zeros, size = gzip.compress(bytes(1 << 24), 1), side**2 * np.dtype(kind).itemsize
    text = (head.header.tostring() + header.tostring()).encode()
    path.write_bytes(gzip.compress(text) + zeros * -(-size >> 24))


@pytest.mark.parametrize(
    ("side", "kind", "problem"),
    [
        (16384, np.uint32, "unpacks to more than 201326592 bytes"),
        (16384, np.uint8, "unpacks to more than 201326592 bytes"),
        (5000, np.uint32, "DQ has the shape (5000, 5000), more than 16777216 samples"),
    ],
)
def test_sizes_are_compared_before_samples_are_read(tmp_path, side, kind, problem):
    bomb(tmp_path / "x_mask.fits.gz", side, kind)
    assert (tmp_path / "x_mask.fits.gz").stat().st_size < 5_000_000
    tracemalloc.start()
    try:
        assert refusal(tmp_path / "x_mask.fits.gz").endswith(problem)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


# Reference files of the pipeline


def reference(path, image, definitions=((1, "DO_NOT_USE"),), **cards):
    """Write a MASK reference file of any detector, with the bits that its DQ_DEF defines."""
    cards = {"DETECTOR": "NRS1", "SUBARRAY": "GENERIC", **cards}
    return mask_file(path, image, dict(definitions), **cards)


@pytest.mark.parametrize(
    ("definitions", "bits"),
    [
        (((1, "DO_NOT_USE"), (2, "DEAD")), 1),
        (((1, "DEAD"), (32, " do_not_use ")), 32),
        (((2, "DO_NOT_USE"), (4, "DEAD"), (8, "DO_NOT_USE")), 10),
        (((1 << 31, "DO_NOT_USE"),), 1 << 31),
        ((), 1),
    ],
)
@pytest.mark.parametrize("kind", [np.uint32, np.uint8, np.int32])
def test_do_not_use_is_what_dq_def_says(tmp_path, definitions, bits, kind):
    image = np.random.default_rng(1).integers(0, 64, (20, 30)).astype(kind)
    if bits <= np.iinfo(kind).max:
        image[3, 4] = bits
    mask = bps.Mask.read(reference(tmp_path / "ref.fits", image, definitions))
    np.testing.assert_array_equal(mask.flags, (image.astype(np.int64) & bits) != 0)
    assert (mask.name, mask.detector, mask.subarray) == ("ref.fits", "NRS1", None)
    assert mask.origin == ""
    assert (mask.minimum, mask.bad_pixels, mask.parameters, mask.members) == (None, None, None, ())
    assert len(mask.pixels()) == mask.regions().count("box") == mask.flags.sum()
    assert repr(mask).startswith("Mask ref.fits: 20 x 30 pixels\n  detector  NRS1\n")
    with pytest.raises(ValueError, match=r"ref\.fits: holds flags only, which cannot be written"):
        mask.write(tmp_path / "copy.fits")
    assert not (tmp_path / "copy.fits").exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"REFTYPE": "DARK"}, r"is no mask \(REFTYPE is DARK\); give a file that"),
        ({"definitions": ((2, "DEAD"),)}, "DQ_DEF does not define DO_NOT_USE; it defines DEAD"),
        ({"definitions": tuple((n, f"B{n}") for n in range(33))}, "DQ_DEF defines 33 bits; DQ has"),
        ({"image": np.zeros((2, 20, 30), np.uint32)}, "no DQ extension with a 2-D image"),
        ({"image": np.zeros((20, 30), np.float32)}, "no DQ extension with a 2-D image"),
    ],
)
def test_what_is_no_reference_mask_is_refused(tmp_path, change, problem):
    how = {"image": np.zeros((20, 30), np.uint32), **change}
    assert re.search(problem, refusal(reference(tmp_path / "ref.fits", **how)))


@pytest.mark.parametrize(
    ("form", "values"),
    [
        *(("E", [1.0]), ("2J", [[1, 2]]), ("PJ()", [[1]])),
        *(("J", [0]), ("J", [-1]), ("K", [1 << 32]), ("K", [(1 << 32) + 1])),
    ],
)
def test_a_table_of_bits_that_does_not_say_it(tmp_path, form, values):
    path = reference(tmp_path / "ref.fits", np.zeros((3, 4), np.uint32), ())
    names = fits.Column("NAME", "10A", array=["DO_NOT_USE"])
    columns = [fits.Column("VALUE", form, array=values), names]
    bits = fits.BinTableHDU.from_columns(columns, name="DQ_DEF")
    fits.append(path, bits.data, bits.header)
    assert "its table DQ_DEF does not define DO_NOT_USE; it defines no bit" in refusal(path)


# Which exposures a mask fits


def exposure_of(detector="NRS1", subarray="", shape=(20, 30)):
    return SimpleNamespace(path="e.fits", detector=detector, subarray=subarray, shape=shape)


@pytest.mark.parametrize("value", ["ANY", "N/A", "GENERIC", "any "])
def test_values_that_fit_every_exposure(tmp_path, value):
    cards = dict.fromkeys(("DETECTOR", "EXP_TYPE", "SUBARRAY"), value)
    image = np.zeros((20, 30), np.uint32)
    mask = bps.Mask.read(reference(tmp_path / "ref.fits", image, **cards))
    assert mask.refusal(exposure_of(subarray="SUB1(9,1)")) == ""
    full = bps.Mask.read(reference(tmp_path / "ref.fits", image, **{**cards, "SUBARRAY": ""}))
    assert full.refusal(exposure_of()) == ""
    said = full.refusal(exposure_of(subarray="SUB1"))
    assert said.startswith("e.fits: has the subarray SUB1, the mask ")
    assert said.endswith("ref.fits has FULL; give a mask of the same subarray")


def test_a_mask_says_why_it_does_not_fit():
    mask = group_mask(about={**ABOUT, "SUBSTRT1": 9, "SUBARRAY": "sub64"})
    fitting = {"detector": "MIRIFULONG", "subarray": "SUB64(9,1)", "shape": (40, 50)}
    assert mask.refusal(exposure_of(**fitting)) == ""
    for change, said in (
        ({"detector": "NRS1"}, "e.fits: was taken with NRS1, the mask MIRIFULONG 34 is of MIRIFUL"),
        ({"subarray": ""}, "e.fits: has the subarray FULL, the mask MIRIFULONG 34 has SUB64(9,1);"),
        ({"shape": (4, 5)}, "e.fits: has shape (4, 5), the mask MIRIFULONG 34 has (40, 50); gi"),
    ):
        assert mask.refusal(exposure_of(**{**fitting, **change})).startswith(said)


def test_the_history_of_copies_depends_on_the_flags_only(written):
    mask = bps.Mask.read(written)
    head, digest = mask.history.split(" digest=")
    assert head == f"badpix_selfcal {bps.__version__} COMPLETE: mask=x_mask.fits"
    assert replace(mask, made="", members=()).history == mask.history
    other = replace(mask, source=None, name="é b\n")
    assert other.history == f"badpix_selfcal {bps.__version__} COMPLETE: mask=?_b digest={digest}"
    flags = mask.bad_pixels.mask ^ True
    assert digest not in replace(mask, bad_pixels=replace(mask.bad_pixels, mask=flags)).history


# The mask of a result


@pytest.fixture
def copy(tmp_path):
    path = tmp_path / "Größe & Maß_badpix_selfcal.fits"
    path.touch()
    return path


def listing(path, *outputs):
    """Write a mask that lists flagged copies."""
    members = [Member(Path("x_rate.fits"), "science", None, "", Path(each)) for each in outputs]
    return group_mask(members=tuple(members)).write(path)


def not_found(path):
    return refusal(path, by=mask_of_result).removeprefix(f"{path}: ")


def test_a_copy_has_the_mask_that_lists_it(tmp_path, copy, monkeypatch):
    fits.PrimaryHDU().writeto(tmp_path / "1_mask.fits")
    column = fits.Column("X", "J", array=[1])
    fits.BinTableHDU.from_columns([column], name="MEMBERS").writeto(tmp_path / "2_mask.fits")
    listing(tmp_path / "3_mask.fits", "other.fits")
    said = not_found(copy)
    assert said.startswith("no mask beside it (*_mask.fits) lists it as a flagged copy; name its")
    assert said.endswith("with `save_mask` (keeps the mask) or `report` (writes the page)")
    mask = listing(tmp_path / "b_mask.fits", "x.fits", f"/elsewhere/{copy.name}")
    monkeypatch.chdir(tmp_path)
    assert mask_of_result(copy) == mask_of_result(mask) == mask
    assert mask_of_result(copy.name) == Path("b_mask.fits")
    listing(tmp_path / "c_mask.fits", copy)
    said = "several masks list it: b_mask.fits, c_mask.fits; name one of them instead"
    assert not_found(copy) == said
    assert mask_of_result(mask.rename("hot.fits")) == Path("hot.fits")


@pytest.mark.skipif(os.name != "posix", reason="has no FIFO")
def test_what_cannot_be_read_beside_a_copy_is_skipped_by_name(tmp_path, copy, written):
    mask = listing(tmp_path / "b_mask.fits", copy)
    os.mkfifo(tmp_path / "0_mask.fits")
    (tmp_path / "1_mask.fits").write_text("junk")
    (tmp_path / "2_mask.fits").symlink_to("/dev/zero")
    bomb(tmp_path / "3_mask.fits", 16384, np.uint32)
    (tmp_path / "4_mask.fits").write_bytes(written.read_bytes()[:9000])
    with fits.open(written) as hdus:
        member("output", "J", [1] * 3)(hdus)
        hdus.writeto(tmp_path / "5_mask.fits")
    with in_time(), pytest.warns(bps.SelfcalWarning) as caught:
        assert mask_of_result(copy) == mask
    whys = ["is not a file", "is not a FITS file, nor one compressed by gzip", "is not a file"]
    whys += ["unpacks to more than 201326592 bytes", "is cut short", "output in MEMBERS has the fo"]
    for number, (warning, why) in enumerate(zip(caught, whys, strict=True)):
        said = f"{tmp_path}/{number}_mask.fits: skipped, it may be the mask of the copy: {why}"
        assert str(warning.message).startswith(said)


def test_what_is_no_result(tmp_path):
    assert not_found(tmp_path) == "is a folder; name its masks (*_mask.fits)"
    assert not_found(tmp_path / "x_mask.fits") == "no such file or folder"
    for name in ("a_mask.fits", "a_mask.fits.gz"):
        assert mask_of_result(f"s3://bucket/{name}") == RemoteFile(f"s3://bucket/{name}")
    expected = "is not a mask (*_mask.fits); give the URL of its mask"
    assert not_found("s3://bucket/a.fits") == expected


# What `docs/reference/mask-file.md` and `docs/how-to/masks.md` say

DOCS = Path(__file__).resolve().parents[1] / "docs"
FORMAT = (DOCS / "reference" / "mask-file.md").read_text(encoding="utf-8")
TABLES = {
    head.strip("| ").split(" | ")[0]: re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE)
    for head, rows in re.findall(r"(^\|.*\n)\|---\|---\|\n((?:\|.*\n)+)", FORMAT, re.MULTILINE)
}


def test_the_page_has_all_extensions_columns_and_cards(tmp_path):
    mask = group_mask(cut="sigma")
    found = replace(mask.bad_pixels, error_scale=1.5)
    path = replace(mask, bad_pixels=found).write(tmp_path / "x_mask.fits")
    with fits.open(path) as hdus:
        assert [f"`{hdu.name}`" for hdu in hdus[1:]] == TABLES["name"]
        for table in ("PIXELS", "MEMBERS"):
            names = {f"`{name}`" for name in hdus[table].columns.names}
            assert names == {*TABLES[f"column of `{table}`"]}
        cards = {card for card in hdus[0].header if card.startswith("BPX")}
    listed = set(re.findall(r"BPX\w+", " ".join(TABLES["card"])))
    assert cards == listed | {each.keyword for each in Parameters.by_name().values()}
