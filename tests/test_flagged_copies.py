"""Flagged copies of exposure files: their samples, primary headers and checksums."""

from __future__ import annotations

import gzip
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
    appending,
    as_they_are,
    copy_of,
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


@pytest.mark.parametrize(
    "change",
    [as_they_are, double, signed_dq, only_needed, dq_first, primary_image, lower_case,
     without("VAR_FLAT"), appending(table("EXTRA"), fits.ImageHDU(name="EMPTY"))],
)  # fmt: skip
@pytest.mark.parametrize("mask", [MASK, mask_of(), ~mask_of()], ids=["some", "none", "all"])
def test_a_copy_differs_in_the_flagged_samples_alone(tmp_path, change, mask):
    path = write(tmp_path / "in.fits", change)
    path.chmod(0o400)
    before = path.read_bytes()
    copy = copy_of(path, mask)
    assert extensions(copy)[1:] == expected(path, mask)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (before, 0o400)
    assert copy.stat().st_mode & 0o200
    zipped = tmp_path / "in.fits.gz"
    zipped.write_bytes(gzip.compress(before))
    for each in (mask, None):
        assert copy_of(zipped, each).read_bytes() == copy_of(path, each).read_bytes()


@share(0.5)
@given(
    mask=st.lists(st.booleans(), min_size=54, max_size=54),
    change=st.sampled_from([as_they_are, double, signed_dq, only_needed, dq_first]),
    cards=st.integers(0, 80),
    words=st.integers(1, 200),
    order=st.sampled_from("CF"),
)
def test_any_mask_and_any_header_length_give_the_same_copy(
    folder, mask, change, cards, words, order
):
    def longer(hdus: fits.HDUList) -> None:
        change(hdus)
        hdus[0].header.update({f"KEY{i}": i for i in range(cards)})

    path = write(folder / "in.fits", longer)
    mask = np.array(mask).reshape(SHAPE)
    copy = copy_of(path, np.asarray(mask, order=order), "x " * words)
    assert extensions(copy)[1:] == expected(path, mask)
    assert [fits.getval(copy, f"KEY{i}") for i in range(cards)] == list(range(cards))
    # SIMPLE, BITPIX, NAXIS, EXTEND, DETECTOR, EXP_TYPE, FILENAME, END; S_BPXSLF and HISTORY.
    before, after = cards + 8, cards + 9 + -(-words // 36)
    grown = copy.stat().st_size - path.stat().st_size
    assert grown == BLOCK * (-(-after // 36) - -(-before // 36))


@pytest.mark.parametrize("change", [as_they_are, double, signed_dq])
def test_astropy_reads_the_flags_of_a_copy(tmp_path, change):
    path = write(tmp_path / "in.fits", change)
    with fits.open(path) as old, fits.open(copy_of(path, MASK)) as new:
        new.verify("exception")
        for name in NAN_PLANES:
            assert np.isnan(new[name].data[MASK]).all()
            assert new[name].data[~MASK].tobytes() == old[name].data[~MASK].tobytes()
        dq, before = new["DQ"].data.astype("u4"), old["DQ"].data.astype("u4")
        np.testing.assert_array_equal(dq, np.where(MASK, before | BAD, before))
        assert dq[0, 0] == REFERENCE_PIXEL | BAD


@pytest.mark.parametrize("shape", [(9, 6), (54,), (7, 9), (3, 9)], ids=str)
def test_a_mask_of_another_shape_is_refused(tmp_path, shape):
    path = write(tmp_path / "in.fits")
    with pytest.raises(ValueError, match="mask"):
        copy_of(path, np.ones(shape, bool))
    assert not (tmp_path / "copy.fits").exists()


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
    assert [*new["HISTORY"]] == ["before", "after"]
    for header in (old, new):
        for keyword in ("FILENAME", "S_BPXSLF", "HISTORY"):
            header.remove(keyword, ignore_missing=True, remove_all=True)
    assert [str(card) for card in new.cards] == [str(card) for card in old.cards]


@share(0.5)
@given(
    name=st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="/\\:"))
    | st.text("a&'", max_size=200)
    | st.integers(50, 250).map("a".__mul__)
)
def test_a_file_name_of_any_length_is_read_back(folder, name):
    value = f"{name.strip()}.fits"
    copy = copy_of(write(folder / "whole.fits"), None, FILENAME=value)
    assert fits.getval(copy, "FILENAME") == value
    assert copy.stat().st_size % BLOCK == 0


@pytest.mark.parametrize("value", ["ü.fits", "a\nb", "a\tb"])
def test_a_card_that_fits_cannot_hold_is_refused_before_anything_is_written(tmp_path, value):
    path = write(tmp_path / "in.fits")
    refusal(path, lambda path: copy_of(path, MASK, FILENAME=value))
    assert not (tmp_path / "copy.fits").exists()


@given(lengths=st.lists(st.integers(1, 72), min_size=1))
def test_history_wraps_at_words(folder, lengths):
    history = " ".join("a" * length for length in lengths)
    lines = [*fits.getheader(copy_of(write(folder / "in.fits"), None, history))["HISTORY"]]
    assert " ".join(lines) == history
    assert max(map(len, lines)) <= 72


# Checksums


def checked(path: Path) -> list[str]:
    """Return the extensions that have a checksum; a wrong one is a warning, an error here."""
    with fits.open(path, checksum=True) as hdus:
        return [hdu.name for hdu in hdus if {"CHECKSUM", "DATASUM"} & {*hdu.header}]


def cards_of(header: bytes) -> list[bytes]:
    return [header[at : at + 80] for at in range(0, len(header), 80)]


@pytest.mark.parametrize("change", [as_they_are, double, signed_dq])
def test_a_copy_has_no_wrong_checksums_and_otherwise_the_same_headers(tmp_path, change):
    path = write(tmp_path / "in.fits", change, checksum=True)
    planes, others = ["DQ", *NAN_PLANES], ["WAVELENGTH", "GROUP", "ASDF"]
    assert {*checked(path)} == {"PRIMARY", *planes, *others}
    assert {*checked(copy_of(path, None))} == {*planes, *others}
    assert extensions(copy_of(path, None))[1:] == extensions(path)[1:]
    copy = copy_of(path, MASK)
    assert checked(copy) == others
    pairs = zip(extensions(copy)[1:], expected(path, MASK), strict=True)
    for (name, new, data), (_, old, wanted) in pairs:
        assert data == wanted
        cards = zip(cards_of(old), cards_of(new), strict=True)
        changed = [card[:8] for card, now in cards if card != now]
        assert changed == ([b"CHECKSUM", b"DATASUM "] if name in planes else [])
    first = copy.rename(tmp_path / "first.fits")
    again = copy_of(first, mask_of((1, 1)))
    assert extensions(again)[1:] == expected(first, mask_of((1, 1)))
