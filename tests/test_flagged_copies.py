"""Flagged copies of exposure files: their samples, primary headers and checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from badpix_selfcal.instrument import BAD, NAN_PLANES, REFERENCE_PIXEL

from .fits_exposures import (
    BLOCK,
    CARDS,
    MASK,
    SHAPE,
    Whole,
    appending,
    as_they_are,
    copy_of,
    digest,
    double,
    dq_first,
    expected,
    extensions,
    lower_case,
    mask_of,
    only_needed,
    primary_image,
    refusal,
    signed_dq,
    table,
    without,
    write,
)
from .profiles import share


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("copies")


@pytest.fixture(scope="module")
def whole(folder) -> Whole:
    return Whole(write(folder / "whole.fits"))


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
    before, after = new["HISTORY"]
    assert before == "before"
    assert after == "after"
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


def test_a_copy_of_a_copy_is_flagged_as_well(tmp_path):
    path = write(tmp_path / "in.fits", checksum=True)
    copy = copy_of(path, MASK).rename(tmp_path / "first.fits")
    other = mask_of((1, 1))
    again = copy_of(copy, other)
    assert extensions(again)[1:] == expected(copy, other)
    assert checked(again) == ["WAVELENGTH", "GROUP", "ASDF"]
