"""The headers read without astropy: the same exposure as with it, or left to it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files import exposure
from badpix_selfcal.files.exposure import Exposure, read
from badpix_selfcal.files.plain_headers import scan

from .test_exposure import (
    BLOCK,
    CARDS,
    FILES,
    MASK,
    as_they_are,
    double,
    dq_first,
    in_time,
    lower_case,
    only_needed,
    refusal,
    with_card,
    write,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("headers")


@pytest.fixture(scope="module")
def whole(folder) -> Path:
    return write(folder / "whole.fits")


def facts(found: Exposure) -> dict[str, object]:
    return {
        name: getattr(found, name)
        for name in ("detector", "exp_type", "dispaxis", "planes", "_primary_length",
                     "_file_length", "shape")
    }  # fmt: skip


def by_astropy(path: Path) -> Exposure:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exposure, "scan", lambda _: None)
        return read(path)


def copied(found: Exposure) -> bytes:
    to = found.path.with_name("copy.fits")
    to.unlink(missing_ok=True)
    found.write_copy(to, MASK, CARDS, "flagged")
    return to.read_bytes()


def copied_or_refused(found: Exposure) -> bytes | str:
    try:
        return copied(found)
    except ValueError as error:
        return str(error)


def assert_as_by_astropy(path: Path) -> None:
    """Assert that what is read without astropy, if anything is, is what astropy reads."""
    if scan(path) is None:
        return
    try:
        found = read(path)
    except ExposureError as error:
        assert str(error) == refusal(path, by_astropy)  # noqa: PT017 - neither is a failure
        return
    theirs = by_astropy(path)
    assert facts(found) == facts(theirs)
    assert copied_or_refused(found) == copied_or_refused(theirs)


def starts(content: bytes) -> list[int]:
    at = [0]
    while (start := content.find(b"XTENSION=", at[-1] + 1)) > 0:
        at.append(start)
    return at


ODD = [
    b"", b"END", b"COMMENT any", b"CONTINUE  'more'", b"HIERARCH DETECTOR = 'OTHER'",
    b"DETECTOR= 'OTHER   '", b"DETECTOR= 'A'", b"DETECTOR= T", b"DETECTOR= 5", b"DETECTOR=",
    b"DETECTOR= 'it''s'", b"DETECTOR= 'a&'", b"DETECTOR= 'A.B: 3'", b"DETECTOR= 'A' / said",
    b"DETECTOR= ' A'", b"DETECTOR  'A'", b"detector= 'A'", b"EXP_TYPE= 'MIR_MRS' /", b"EXP_TYPE",
    b"DISPAXIS=                    1", b"DISPAXIS= 1.0", b"DISPAXIS= T", b"DISPAXIS= -1 / x",
    b"BITPIX  =                  -64", b"BITPIX  =                   32", b"BITPIX  = 8.0",
    b"NAXIS   =                    0", b"NAXIS   =                    3", b"NAXIS1  = 6",
    b"NAXIS1  =                    9", b"NAXIS2  =                    3", b"NAXIS3  = 1",
    b"PCOUNT  =                    5", b"GCOUNT  =                    2", b"GROUPS  = T",
    b"EXTEND  =                    F", b"EXTEND  =                    T", b"SIMPLE  = F",
    b"XTENSION= 'IMAGE   '", b"XTENSION= 'BINTABLE'", b"XTENSION= 'OTHER'", b"ZIMAGE  = T",
    b"EXTNAME = 'SCI     '", b"EXTNAME = 'dq'", b"EXTNAME = 3", b"EXTNAME = ' ERR'",
    b"BSCALE  =                    1", b"BSCALE  = 2.0", b"BZERO   =           2147483648",
    b"BZERO   = 2147483648.0", b"BZERO   =                    0", b"BLANK   = 3", b"BLANK   = 'a'",
    b"NAXIS1  = 9 / \x80", b"NAXIS1  = 9 \t", b"\xff", b"A B     = 3",
]  # fmt: skip


@settings(FILES, max_examples=300)
@given(data=st.data())
def test_any_card_in_any_place_is_read_as_by_astropy(folder, whole, data):
    content = whole.read_bytes()
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(starts(content))) + 80 * data.draw(st.integers(0, 12))
        changed[at : at + 80] = data.draw(st.sampled_from(ODD)).ljust(80)
    path = folder / "odd.fits"
    path.write_bytes(changed)
    with in_time():
        assert_as_by_astropy(path)


@settings(FILES, max_examples=300)
@given(data=st.data())
def test_a_damaged_header_is_read_as_by_astropy(folder, whole, data):
    content = whole.read_bytes()
    changed = bytearray(content)
    at = data.draw(st.sampled_from(starts(content)))
    at += 80 * data.draw(st.integers(0, 12)) + data.draw(st.integers(0, 40))
    changed[at] = data.draw(st.sampled_from(b" '(=-&./019ATZ\0\xff"))
    path = folder / "damaged.fits"
    path.write_bytes(changed)
    with in_time():
        assert_as_by_astropy(path)


@FILES
@given(cut=st.integers(0, 20 * BLOCK), tail=st.sampled_from([b"", b" ", b"\0" * BLOCK]))
@example(cut=0, tail=b" " * BLOCK)
def test_what_is_not_whole_is_left_to_astropy(folder, whole, cut, tail):
    content = whole.read_bytes()
    left = content[: len(content) - cut]
    path = folder / "cut.fits"
    path.write_bytes(left + tail)
    headers = scan(path)
    assert headers is None or headers[-1].end == len(left + tail)
    assert_as_by_astropy(path)


def spoil_astropy(monkeypatch):
    def spoilt(*_, **__):
        raise AssertionError("astropy opened a plain file")

    monkeypatch.setattr(fits, "open", spoilt)


@pytest.mark.parametrize("change", [as_they_are, double, dq_first, lower_case, only_needed])
@pytest.mark.parametrize("packed", [False, True])
def test_exposures_of_the_pipeline_are_not_left_to_astropy(tmp_path, monkeypatch, change, packed):
    path = write(tmp_path / "in.fits", change, checksum=True)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert_as_by_astropy(path)
    spoil_astropy(monkeypatch)
    found = read(path)
    assert found.science_image().dtype == found.planes["SCI"].dtype
    copied(found)


def test_flight_exposures_are_not_left_to_astropy(flight_exposures, monkeypatch):
    for path in flight_exposures:
        assert facts(read(path)) == facts(by_astropy(path))
    spoil_astropy(monkeypatch)
    for path in flight_exposures:
        assert "SCI" in read(path).planes


@pytest.mark.parametrize("extension", [0, "SCI", "ERR", "GROUP"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("keyword", [b"NAXIS", b"naxis"])
@pytest.mark.parametrize("axes", [b"1000", b"2000000000"])
def test_more_axes_than_there_may_be_are_refused(tmp_path, extension, packed, keyword, axes):
    """Astropy went through all of them, for minutes, filling memory."""
    path = write(tmp_path / "in.fits")
    with_card(path, extension, "NAXIS", keyword.ljust(8) + b"= " + axes.rjust(20))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert f"has NAXIS = {axes.decode()}; FITS has at most 999" in refusal(path)
