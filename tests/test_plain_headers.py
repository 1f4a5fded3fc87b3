"""Headers read without astropy: equal to those astropy reads, and unusual ones left to it."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import event, example, given
from hypothesis import strategies as st

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files.exposure import Exposure, read
from badpix_selfcal.files.input_file import InputFile
from badpix_selfcal.files.plain_headers import scan, value_of, with_cards

from .fits_exposures import (
    BLOCK,
    CARDS,
    MASK,
    Change,
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


SPARE = b"SPARE   =                    1".ljust(80)
ODD_SPARE = b"HIERARCH SPARE = 1".ljust(80)


def with_spare(change: Change) -> Change:
    """Add a spare card to SCI, after the cards that the tests damage.

    A change of this card has the effect that astropy must read the file.
    """

    def changed(hdus: fits.HDUList) -> None:
        change(hdus)
        hdus["SCI"].header.update({f"FILLER{i}": i for i in range(5)}, SPARE=1)

    return changed


@pytest.fixture(scope="module")
def whole(folder) -> Path:
    return write(folder / "whole.fits", with_spare(as_they_are))


def facts(found: Exposure) -> dict[str, object]:
    names = ("detector", "exp_type", "dispaxis", "shape", "planes")
    return {name: getattr(found, name) for name in names}


def for_astropy(path: Path) -> Path:
    """Write a file that differs in the spare card, so that astropy reads it."""
    (path.parent / "astropy").mkdir(exist_ok=True)
    twin = path.parent / "astropy" / path.name
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        twin.write_bytes(gzip.compress(gzip.decompress(content).replace(SPARE, ODD_SPARE), 1))
    else:
        twin.write_bytes(content.replace(SPARE, ODD_SPARE))
    assert scan(InputFile(twin)) is None
    return twin


def copied(found: Exposure) -> bytes:
    to = found.path.with_name("copy.fits")
    to.unlink(missing_ok=True)
    found.write_copy(to, MASK, CARDS, "flagged")
    return to.read_bytes()


def copied_or_refused(found: Exposure) -> bytes | str:
    try:
        return copied(found).replace(ODD_SPARE, SPARE)
    except ValueError as error:
        return str(error).removeprefix(f"{found.path}: ")


def assert_as_by_astropy(path: Path) -> None:
    """Assert that whatever is read without astropy equals what astropy reads."""
    if scan(InputFile(path)) is None:
        return
    twin = for_astropy(path)
    try:
        found = read(path)
    except ExposureError as error:
        said = str(error).removeprefix(f"{path}: ")
        assert said == refusal(twin).removeprefix(f"{twin}: ")
        return
    theirs = read(twin)
    assert facts(found) == facts(theirs)
    assert found.science_image().tobytes() == theirs.science_image().tobytes()
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


@pytest.mark.parametrize("number", [0, 1], ids=["primary", "SCI"])
def test_each_card_in_each_place_is_read_as_by_astropy(folder, whole, number):
    content, path = whole.read_bytes(), folder / "each.fits"
    for place in range(14):
        at = starts(content)[number] + 80 * place
        for card in ODD:
            path.write_bytes(content[:at] + card.ljust(80) + content[at + 80 :])
            with in_time():
                assert_as_by_astropy(path)


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


@given(cut=st.integers(0, 20 * BLOCK), tail=st.sampled_from([b"", b" ", b"\0" * BLOCK]))
@example(cut=0, tail=b" " * BLOCK)
def test_what_is_not_whole_is_left_to_astropy(folder, whole, cut, tail):
    content = whole.read_bytes()
    left = content[: len(content) - cut]
    path = folder / "cut.fits"
    path.write_bytes(left + tail)
    headers = scan(InputFile(path))
    assert headers is None or headers[-1].end == len(left + tail)
    assert_as_by_astropy(path)


def forbid_astropy(monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("astropy opened a plain file")

    monkeypatch.setattr(fits, "open", forbidden)


@pytest.mark.parametrize("change", [as_they_are, double, dq_first, lower_case, only_needed])
@pytest.mark.parametrize("packed", [False, True])
def test_exposures_of_the_pipeline_are_not_left_to_astropy(tmp_path, monkeypatch, change, packed):
    path = write(tmp_path / "in.fits", with_spare(change), checksum=True)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert_as_by_astropy(path)
    forbid_astropy(monkeypatch)
    found = read(path)
    assert found.science_image().dtype == found.planes["SCI"].dtype
    copied(found)


def test_flight_exposures_are_not_left_to_astropy(tmp_path, flight_exposures, monkeypatch):
    for path in flight_exposures:
        content, twin = bytearray(path.read_bytes()), tmp_path / path.name
        at = content.index(b"Program information") // 80 * 80  # a title among the cards
        content[at : at + 80] = ODD_SPARE
        twin.write_bytes(content)
        assert scan(InputFile(twin)) is None
        assert facts(read(path)) == facts(read(twin))
        science = read(path).science_image()
        assert science.tobytes() == read(twin).science_image().tobytes()
    forbid_astropy(monkeypatch)
    for path in flight_exposures:
        assert "SCI" in read(path).planes


@pytest.mark.parametrize("extension", [0, "SCI", "ERR", "GROUP"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("keyword", [b"NAXIS", b"naxis"])
@pytest.mark.parametrize("axes", [b"1000", b"2000000000"])
def test_more_axes_than_there_may_be_are_refused(tmp_path, extension, packed, keyword, axes):
    """Astropy processed all of them, which took minutes and filled the memory."""
    path = write(tmp_path / "in.fits")
    with_card(path, extension, "NAXIS", keyword.ljust(8) + b"= " + axes.rjust(20))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert f"has NAXIS = {axes.decode()}; FITS has at most 999" in refusal(path)


@pytest.mark.parametrize("axes", [b"1000", b"2000000000"])
def test_axes_are_counted_before_a_first_header_without_extend_makes_astropy_read_on(
    tmp_path, axes
):
    """Found by fuzzing: it took minutes."""
    path = write(tmp_path / "in.fits")
    with_card(path, 0, "EXTEND", b"")
    with_card(path, "SCI", "NAXIS", b"NAXIS   = " + axes.rjust(20))
    assert f"has NAXIS = {axes.decode()}; FITS has at most 999" in refusal(path)


@pytest.mark.parametrize("extend", [b"", b"EXTEND  =                    F"])
def test_extend_is_set_as_by_astropy(tmp_path, extend):
    path = write(tmp_path / "in.fits")
    with_card(path, 0, "EXTEND", extend)
    assert scan(InputFile(path)) is None
    copied(read(path))
    assert fits.getheader(tmp_path / "copy.fits")["EXTEND"] is True


def test_two_sizes_of_an_image_are_refused(tmp_path):
    """Found by fuzzing: memory for the greater one was asked for."""
    path = write(tmp_path / "in.fits")
    with_card(path, "SCI", "GCOUNT", b"NAXIS2  =           2147483648")
    assert "(SCI) is damaged: it gives two sizes of the data" in refusal(path)


def test_an_unusual_name_of_the_file_is_left_to_astropy(tmp_path):
    """Found by fuzzing: astropy refuses to replace this card, which was replaced."""
    path = write(tmp_path / "in.fits", with_spare(as_they_are))
    with_card(path, 0, "FILENAME", b"FILENAME='A' '''in.fits'''")
    assert scan(InputFile(path)) is not None
    assert_as_by_astropy(path)


KEYWORDS = ("DATE", "FILENAME", "S_BPXSLF", "ASNTABLE", "KEY", "OTHER", "CHECKSUM", "DATASUM")
TEXTS = st.text("abcXYZ 019._-:/&'(", max_size=75)
VALUES = TEXTS | st.integers() | st.booleans() | st.floats(-9, 9)
LISTED = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(KEYWORDS), TEXTS | st.integers() | st.booleans() | st.floats(-9, 9)
        ),
        st.tuples(st.sampled_from(["HISTORY", "COMMENT"]), TEXTS),
    ),
    max_size=50,
)


@given(
    old=LISTED,
    new=st.dictionaries(
        st.sampled_from(KEYWORDS[:6]), st.tuples(TEXTS, st.text("a /'", max_size=50))
    ),
    history=st.lists(st.text("abc =.:", min_size=1, max_size=72).map(str.strip), max_size=3),
)
def test_cards_are_set_as_astropy_sets_them(old, new, history):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of long texts and comments
        header = fits.Header()
        for keyword, value in old:
            header[keyword] = value
        before = header.tostring(endcard=True, padding=True).encode()
        ours = with_cards(before, new, history)
        expected = fits.Header.fromstring(before)
        for stale in ("CHECKSUM", "DATASUM"):
            expected.remove(stale, ignore_missing=True)
        for keyword, card in new.items():
            expected[keyword] = card
        for line in history:
            expected.add_history(line)
        theirs = expected.tostring(endcard=True, padding=True).encode()
    event("left to astropy" if ours is None else "set here")
    assert ours in (None, theirs)
    words = [each for pair in new.values() for each in pair]
    if all(each.strip() == each != "" and "'" not in each and len(each) < 25 for each in words):
        unusual = (b"CONTINUE", b"= ''", b" " * 80)  # left to astropy
        assert ours is not None or any(each in before.split(b"END ")[0] for each in unusual)


@given(old=LISTED, keyword=st.sampled_from(KEYWORDS))
def test_values_are_those_that_astropy_reads(old, keyword):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of long texts
        header = fits.Header([(name, value) for name, value in old if name != keyword])
        for name, value in old:
            if name == keyword and not (isinstance(value, str) and len(value) > 60):
                header[name] = value
        text = header.tostring(endcard=True, padding=True)
        assert value_of(keyword, text) == fits.Header.fromstring(text).get(keyword)


def test_the_name_of_a_copy_of_a_flight_exposure_is_set_without_astropy():
    """The card is too short for its comment, which is cut there."""
    name = "jw01234001001_02101_00001_mirifulong_badpix_selfcal.fits"
    header = fits.Header({"FILENAME": "jw01234001001_02101_00001_mirifulong_rate.fits"})
    before = header.tostring(endcard=True, padding=True).encode()
    header["FILENAME"] = (name, "name of the file")
    with pytest.warns(fits.verify.VerifyWarning, match="comment will be truncated"):
        theirs = header.tostring(endcard=True, padding=True).encode()
    assert with_cards(before, {"FILENAME": (name, "name of the file")}, []) == theirs
