"""Damaged exposure files: read right, or refused with an error that names the file."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files.exposure import Exposure, read

from .fits_exposures import (
    BLOCK,
    MASK,
    Whole,
    copy_of,
    in_time,
    refusal,
    samples,
    with_card,
    write,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("exposure")


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
        assert found.science().tobytes() == samples(">f4", 3).tobytes()
    if cut >= whole.places[-1][2]:
        copy = copy_of(path, MASK).read_bytes()
        assert copy == copy_of(whole.path, MASK).read_bytes()[: len(copy)]


@given(fraction=st.floats(0, 1, exclude_max=True))
@example(fraction=0.0)
def test_a_gzipped_file_cut_anywhere_is_refused(folder, whole, fraction):
    content = gzip.compress(whole.content, mtime=0)
    path = folder / "cut.fits.gz"
    path.write_bytes(content[: int(fraction * len(content))])
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
        assert found.science().tobytes() == samples(">f4", 3).tobytes()
        copy, usual = (copy_of(each, MASK).read_bytes() for each in (path, whole.path))
        assert copy == usual + tail * repeat


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
        for use in (found.science, lambda: copy_of(path, None), lambda: copy_of(path, MASK)):
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
        used_or_refused(path, found.science)
        used_or_refused(path, lambda: copy_of(path, MASK))


@pytest.mark.parametrize("size", [-2000, -3000, -9000, -(10**9)])
@pytest.mark.parametrize("name", ["SCI", "ERR"])
def test_an_extension_of_negative_size_is_refused(tmp_path, name, size):
    """Astropy would find an extension that ends where it begins without end."""
    path = write(tmp_path / "in.fits")
    with_card(path, name, "PCOUNT", b"PCOUNT  = %20d" % size)
    assert isinstance(outcome(path), str)


def test_headers_that_take_long_to_read_are_refused_in_time(folder, whole):
    path = folder / "many.fits"
    header = whole.content[whole.places[7][0] : whole.places[7][1]].replace(b"  6 ", b"  0 ")
    path.write_bytes(whole.content + header.replace(b"  9 ", b"  0 ") * 2000)
    assert "has more than 1000 extensions" in refusal(path)
    axes = [b"NAXIS%-3d= (" % number for number in range(1, 1000)]
    cards = [b"XTENSION= 'IMAGE   '", b"BITPIX  = 8", b"NAXIS   = 999", *axes, *[b"A"] * 30_000]
    long = b"".join(card.ljust(80) for card in [*cards, b"END"])
    path.write_bytes(whole.content + long.ljust(-(-len(long) // BLOCK) * BLOCK))
    refusal(path)
