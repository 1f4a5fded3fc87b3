"""Comparisons of results and masks against plain set logic, and the pipeline's own files."""

from __future__ import annotations

import gzip
import re
import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.instrument import BAD

from .exposures import observation
from .flagged_files import PIXELS, SHAPE, exposure, image_of, mask_file, pixels_of, saved_mask
from .test_step_parity import _association, _run_reference


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pairs")


# Flags


@given(PIXELS, PIXELS, PIXELS, PIXELS)
def test_the_flags_are_compared_as_sets(folder, one, two, other, before):
    a = exposure(folder / "a.fits", one, other=other - one)
    b = exposure(folder / "b.fits", two, other=other - two)
    found = bps.compare(a, b)
    sets = {"a": one, "b": two, "both": one & two, "only_a": one - two, "only_b": two - one}
    numbers = {name: counts.number for name, counts in found.counts.items()}
    assert numbers == {name: len(pixels) for name, pixels in sets.items()}
    assert found.jaccard == (len(one & two) / len(one | two) if one | two else 1.0)
    assert found.same_flags == (one == two)
    for name in ("both", "only_a", "only_b"):
        assert pixels_of(getattr(found, name)) == sets[name]
    found = bps.compare(a, b, before=exposure(folder / "before.fits", before))
    for name in ("both", "only_a", "only_b"):
        assert pixels_of(getattr(found, name)) == sets[name] - before


def mask_of(path, ends):
    """Write a mask in which pixels are flagged at either end."""
    sets = ({pixel for pixel, end in ends.items() if end == which} for which in ("low", "high"))
    return saved_mask(path, *sets)


ENDS = st.dictionaries(
    st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1)),
    st.sampled_from(["low", "high"]),
)


@given(ENDS, ENDS)
def test_the_ends_of_masks_are_counted(folder, one, two):
    a = mask_of(folder / "a.fits", one)
    b = mask_of(folder / "b.fits", two)
    found = bps.compare(a, b)
    sets = {"a": one.keys(), "b": two.keys(), "both": one.keys() & two.keys()}
    sets |= {"only_a": one.keys() - two.keys(), "only_b": two.keys() - one.keys()}
    for name, pixels in sets.items():
        words = [(two | one)[pixel] if name != "b" else two[pixel] for pixel in pixels]
        counts = found.counts[name]
        assert (counts.low, counts.high) == (words.count("low"), words.count("high"))
        assert counts.number == len(words)
    assert found.other_end == sum(one[pixel] != two[pixel] for pixel in one.keys() & two.keys())
    assert found.is_equal == (one == two)


@given(ENDS, PIXELS)
def test_a_mask_and_an_exposure_are_compared_by_their_flags(folder, one, two):
    a = mask_of(folder / "a.fits", one)
    b = exposure(folder / "b.fits", two)
    for found in (bps.compare(a, b), bps.compare(b, a)):
        assert found.planes == ()
        assert found.other_end is None
        assert found.is_equal == ({*one} == two)
        words = [one[pixel] for pixel in one.keys() & two]
        assert found.counts["both"].low == words.count("low")


def test_a_mask_of_the_pipeline_is_read(tmp_path):
    models = pytest.importorskip("jwst.datamodels", reason="jwst is not installed")
    quality = image_of({(1, 2), (6, 10)}).astype(np.uint32)
    kinds = [("BIT", "u4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
    names = np.array([(0, 1, "DO_NOT_USE", "Bad pixel. Do not use.")], kinds)
    model = models.MaskModel(dq=quality, dq_def=names)
    model.meta.instrument.detector = "MIRIFULONG"
    model.meta.subarray.name = "GENERIC"
    model.save(tmp_path / "mask.fits")
    b = exposure(tmp_path / "b.fits", {(1, 2), (6, 10)})
    found = bps.compare(tmp_path / "mask.fits", b)
    assert found.kinds == ("mask", "exposure")
    assert found.is_equal


# Planes

SAMPLES = st.one_of(st.floats(width=32), st.sampled_from([np.nan, 0.0, -0.0, np.inf]), st.just(2.5))


@given(
    st.lists(st.tuples(SAMPLES, SAMPLES), min_size=77, max_size=77), st.booleans(), PIXELS, PIXELS
)
def test_samples_are_compared_one_by_one(folder, pairs, is_double, one, two):
    kind = ">f8" if is_double else ">f4"
    images = [np.array(each, kind).reshape(SHAPE) for each in zip(*pairs, strict=True)]
    paths = []
    for name, image, pixels in zip("ab", images, (one, two), strict=True):
        paths.append(exposure(folder / f"{name}.fits", pixels))
        fits.append(paths[-1], image, fits.Header({"EXTNAME": "MORE"}))
    found = bps.compare(*paths)
    more = {plane.name: plane for plane in found.planes}["MORE"]
    differing = [
        (number, a, b)
        for number, (a, b) in enumerate(zip(*(image.ravel() for image in images), strict=True))
        if a.tobytes() != b.tobytes() and not (np.isnan(a) and np.isnan(b))
    ]
    finite = [(a, b) for _, a, b in differing if np.isfinite(a) and np.isfinite(b)]
    same = [divmod(at, SHAPE[1]) for at, _, _ in differing]
    assert more.samples == 77
    assert more.differing == len(differing)
    assert more.invalid == len(differing) - len(finite)
    assert more.elsewhere == sum((pixel in one) == (pixel in two) for pixel in same)
    with np.errstate(over="ignore"):
        assert more.largest == max((abs(float(a) - float(b)) for a, b in finite), default=0)
    assert more.is_equal == (not differing)
    assert found.is_equal == all(plane.is_equal for plane in found.planes)


def test_extensions_are_compared_and_their_differences_named(here):
    a, b = exposure(here / "a.fits"), exposure(here / "b.fits", {(1, 1)})
    with fits.open(b, mode="update") as hdus:
        hdus["SCI"].data[0, 0] += 2
        hdus["DQ"].data[0, 1] = 1 << 5
        hdus.append(fits.ImageHDU(np.zeros(3), name="ONE"))
    for path, zero, kind, text in ((a, 0.0, "f4", "one"), (b, -0.0, "f8", "two")):
        with fits.open(path, mode="append") as hdus:
            hdus.append(fits.ImageHDU(np.full((2, 3), zero), name="ZERO"))
            hdus.append(fits.ImageHDU(np.ones((2, 3), kind), name="TYPE"))
            hdus.append(fits.ImageHDU(np.ones((2, 3 + (path == b))), name="SHAPE"))
            hdus.append(fits.ImageHDU(np.ones((2, 2, 2)), name="SHAPE"))
            for name in ("ASDF", "MEMBERS", "GROUP", "SAME"):
                values = ["same" if name == "SAME" else text]
                column = fits.Column("text", "9A", array=values)
                hdus.append(fits.BinTableHDU.from_columns([column], name=name))
    found = bps.compare(a, b)
    assert str(found).startswith("A and B differ: 0 pixels flagged only in A, 1 only in B\n  A    ")
    assert {plane.name: str(plane) for plane in found.planes} == {
        "SCI": "2 of 77 samples, by at most 2, 1 NaN or infinite in one, 1 where the flags are the "
        "same",
        "DQ": "2 of 77 samples, in DO_NOT_USE, JUMP_DET, PERSISTENCE, OTHER_BAD_PIXEL, 1 where the "
        "flags are the same",
        "ONE": "only in B",
        "ZERO": "6 of 6 samples, by at most 0, 6 where the flags are the same",
        "TYPE": "float32 in A, float64 in B",
        "SHAPE": "shape (2, 3) in A, (2, 4) in B",
        "SHAPE,2": "equal",
        "GROUP": "3 of 9 bytes",
        "SAME": "equal",
    }
    assert "  differ    GROUP: 3 of 9 bytes" in str(found)


# Damaged files

CHANGES = st.lists(
    st.tuples(st.integers(0, 10**6), st.one_of(st.integers(0, 255), st.sampled_from(b"019'= -TF"))),
    min_size=1,
    max_size=10,
)


@given(st.sampled_from(["exposure", "mask", "ours"]), CHANGES, st.booleans())
def test_a_damaged_file_is_compared_or_named(folder, kind, changes, is_cut):
    ends = {(0, 0): "low", (1, 1): "high"}
    whole = folder / f"{kind}.fits"
    {
        "exposure": lambda: exposure(whole, ends),
        "mask": lambda: mask_file(whole, BAD * image_of(ends), {1: "DO_NOT_USE"}),
        "ours": lambda: mask_of(whole, ends),
    }[kind]()
    content = bytearray(whole.read_bytes())
    for at, byte in changes:
        content[at % len(content)] = byte
    damaged = folder / "damaged.fits"
    damaged.write_bytes(content[: changes[0][0]] if is_cut else content)
    for pair in ((whole, damaged), (damaged, whole)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = bps.compare(*pair)
            except ValueError as error:
                assert str(damaged) in str(error)  # noqa: PT017 - not every damage is an error
            else:
                assert found.a.source in pair


# The pipeline's own step


def test_it_is_equal_to_the_pipelines_result(tmp_path):
    pytest.importorskip("jwst", reason="jwst is not installed")
    association = _association(tmp_path, "MIRIFUSHORT", (96, 640))
    ours = bps.selfcal(association, output_dir=tmp_path / "ours", save_flagged_bkg=True)
    theirs = _run_reference(association, tmp_path / "theirs")
    for a, b in zip([ours.science, *ours.backgrounds], theirs, strict=True):
        found = bps.compare(a, b)
        assert found.is_equal
        assert str(found).startswith("A and B are equal\n")
        assert found.counts["both"].number == ours.bad_pixels.mask.sum() > 100
        assert {plane.name for plane in found.planes} >= {"SCI", "ERR", "DQ", "VAR_RNOISE"}
    others = _run_reference(association, tmp_path / "others", flagfrac_upper=0.002)
    found = bps.compare(ours.science, others[0])
    assert not found.is_equal
    assert found.counts["only_a"].number == 0
    assert found.counts["only_b"].number > 50


def test_urls_and_compressed_files_are_read(here, web):
    a = exposure(web.folder / "a.fits", {(1, 1)})
    (here / "a.fits.gz").write_bytes(gzip.compress(a.read_bytes()))
    found = bps.compare(f"{web.url}/a.fits", here / "a.fits.gz")
    assert found.is_equal
    assert found.counts["both"].number == 1


def test_results_with_other_parameters_differ_only_where_flags_do(tmp_path):
    association = observation(tmp_path)
    one = bps.selfcal(association, output_dir=tmp_path / "one")
    two = bps.selfcal(association, output_dir=tmp_path / "two", kernel_size=31)
    found = bps.compare(one.science, two.science)
    np.testing.assert_array_equal(found.only_a, one.bad_pixels.mask & ~two.bad_pixels.mask)
    assert found.only_a.any()
    assert found.only_b.any()
    assert [plane.elsewhere for plane in found.planes] == [0] * 5
    former = bps.compare(tmp_path / "sci0_rate.fits", one.science)
    assert former.counts["only_b"].number == one.bad_pixels.mask.sum()
    assert [plane.largest for plane in former.planes if plane.name != "DQ"] == [0.0] * 4


def refusal(*files, **how):
    with pytest.raises(ValueError, match="fits: ") as caught:
        bps.compare(*files, **how)
    assert isinstance(caught.value, (bps.ExposureError, bps.MaskError)) or "; give files" in str(
        caught.value
    )
    return str(caught.value)


def test_bad_files_are_named(here):
    a = exposure(here / "a_rate.fits", {(1, 1)})
    (here / "text.fits").write_text("no FITS")
    (here / "cut.fits").write_bytes(a.read_bytes()[:-2880])
    (here / "folder.fits").mkdir()
    fits.PrimaryHDU(np.zeros(SHAPE)).writeto(here / "none.fits")
    mask_file(here / "cube.fits", np.zeros((2, *SHAPE), np.uint32))
    mask_file(here / "float.fits", np.zeros(SHAPE))
    for name, words in {
        "b_rate.fits": "b_rate.fits: no such file or folder; did you mean a_rate.fits?",
        "text.fits": "text.fits: is not a FITS file",
        "cut.fits": "cut.fits: .*cut short",
        "folder.fits": "folder.fits: is not a file",
        "none.fits": "none.fits: has no DQ extension",
        "cube.fits": "cube.fits: has no DQ extension with a 2-D image of integers",
        "float.fits": "float.fits: has no DQ extension with a 2-D image of integers",
    }.items():
        assert re.match(words, refusal("a_rate.fits", name)), name
        assert re.match(words, refusal(name, "a_rate.fits")), name


def test_files_of_different_pixels_are_refused(here):
    exposure(here / "a.fits")
    exposure(here / "short.fits", DETECTOR="MIRIFUSHORT")
    exposure(here / "part.fits", SUBARRAY="SUB64", SUBSTRT1=9)
    mask_file(here / "small.fits", np.zeros((3, 4), "u1"))
    mask_file(here / "any.fits", np.zeros(SHAPE, "u1"), DETECTOR="ANY", SUBARRAY="GENERIC")
    for name, words in {
        "short.fits": "was taken with MIRIFUSHORT, a.fits is of MIRIFULONG; give files of one "
        "detector",
        "part.fits": "has the subarray SUB64(9,1), a.fits has FULL; give files of one subarray",
        "small.fits": "has shape (3, 4), a.fits has (7, 11); give files of one shape",
    }.items():
        assert refusal("a.fits", name) == f"{name}: {words}"
    assert refusal("a.fits", "a.fits", before="short.fits").startswith("short.fits: was")
    assert refusal("any.fits", "a.fits", before="short.fits").startswith("short.fits: was")
    assert refusal("a.fits", "a.fits", before="any.fits") == (
        "any.fits: has no SCI extension; give the exposure (_rate)"
    )
    assert bps.compare("a.fits", "any.fits").is_equal
