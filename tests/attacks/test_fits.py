"""Mutated FITS files: each is read and copied, or refused by name, in time."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from badpix_selfcal import ExposureError
from badpix_selfcal.files.exposure import read
from badpix_selfcal.files.fits_file import open_fits

from ..exposures import sky, write
from ..fits_exposures import BLOCK, in_time
from ..fits_exposures import CARDS as CARDS_OF_COPY
from . import cases, report

SHAPE = (24, 36)
CARD = 80
END = b"END".ljust(CARD)
SEED = 11

VALUES = (
    b"0", b"1", b"-1", b"2", b"3", b"7", b"8", b"16", b"32", b"64", b"-32", b"-64", b"999", b"1000",
    b"2147483648", b"4294967296", b"-2880", b"-9223372036854775808", b"9223372036854775807",
    b"99999999999999999999", b"1.0", b"1E400", b"-0.0", b"NaN", b"T", b"F", b"'T'", b"''", b"'SCI'",
    b"'DQ      '", b"'ERR'", b"'IMAGE   '", b"'BINTABLE'", b"'A&'", b"'unended", b"", b"(1, 2)",
    b"\0", b"\xff", b"9" * 60,
)  # fmt: skip

CARDS = (
    b"", b"END", b"END\0", b"END=", b"COMMENT x", b"CONTINUE  'more&'", b"HIERARCH A B = 1",
    b"SIMPLE  =                    T", b"XTENSION= 'IMAGE   '", b"XTENSION= 'BINTABLE'",
    b"ZIMAGE  =                    T", b"ZCMPTYPE= 'RICE_1'", b"ZBITPIX =                  -32",
    b"GROUPS  =                    T", b"INHERIT =                    T", b"BSCALE  = 2.0",
    b"BZERO   = 32768", b"BLANK   = 0", b"THEAP   = 99999999999", b"TFORM1  = '1PB(9)'",
    b"TFIELDS =                  999", b"NAXIS   =                  998", b"EXTVER  = 'x'",
    b"EXTNAME = 'SCI     '", b"EXTNAME = 5", b"DETECTOR= 5", b"EXP_TYPE=", b"DISPAXIS= 'x'",
    b"S_BPXSLF= (((", b"BKGDTARG= 'T'", b"CHANNEL = 1.5", b"HISTORY \x80\xff",
)  # fmt: skip


def header_cards(content: bytes) -> list[int]:
    """Return the places of the cards of all headers."""
    starts = [0]
    while (start := content.find(b"XTENSION=", starts[-1] + 1)) > 0:
        starts.append(start)
    return [at for start in starts for at in range(start, content.find(END, start) + CARD, CARD)]


# Each takes a file, the place of one of its cards, and a source of chance.


def flip(content: bytearray, _: int, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 3, 30))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


def damage_header(content: bytearray, at: int, rng: random.Random) -> bytes:
    content[at + rng.randrange(CARD)] = rng.choice(b" '(=-&/.019AETZ\0\xff")
    return content


def change_value(content: bytearray, at: int, rng: random.Random) -> bytes:
    value = b"= " + rng.choice(VALUES).rjust(20)
    content[at + 8 : at + CARD] = value.ljust(CARD - 8)[: CARD - 8]
    return content


def change_card(content: bytearray, at: int, rng: random.Random) -> bytes:
    content[at : at + CARD] = rng.choice(CARDS).ljust(CARD)
    return content


def swap_cards(content: bytearray, at: int, rng: random.Random) -> bytes:
    other, before = rng.choice(header_cards(content)), content[at : at + CARD]
    content[at : at + CARD] = content[other : other + CARD]
    content[other : other + CARD] = before
    return content


def cut(content: bytearray, at: int, rng: random.Random) -> bytes:
    return content[: rng.choice((at + rng.randrange(CARD), rng.randrange(len(content)), -1))]


def append(content: bytearray, _: int, rng: random.Random) -> bytes:
    tail = rng.choice((b"\0", b" ", b"\xff", b"END", b"XTENSION= 'IMAGE   '", b"SIMPLE  =", b"A"))
    return content + tail * rng.choice((1, 7, CARD, BLOCK, 3 * BLOCK))


def move_block(content: bytearray, _: int, rng: random.Random) -> bytes:
    one, other = (BLOCK * rng.randrange(len(content) // BLOCK) for _ in range(2))
    block = content[one : one + BLOCK]
    if rng.random() < 0.5:
        del content[one : one + BLOCK]
    if rng.random() < 0.8:
        content[other:other] = block
    return content


def repeat_extension(content: bytearray, _: int, rng: random.Random) -> bytes:
    starts = [at for at in header_cards(content) if content[at : at + 8] == b"XTENSION"] or [0]
    return content[: rng.choice(starts)] + content[rng.choice(starts) :]


def endless_header(content: bytearray, _: int, rng: random.Random) -> bytes:
    """Remove an END, or every END."""
    other = rng.choice((b"", b"\0", b"END.", b"END0")).ljust(CARD)
    return content.replace(END, other, rng.choice((1, 2, -1)))


MUTATIONS = (
    flip, damage_header, damage_header, change_value, change_value, change_card, change_card,
    swap_cards, cut, append, move_block, repeat_extension, endless_header,
)  # fmt: skip


def mutated(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Return a mutated file, and the ending of its name."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        # A mutation may leave no header for the next one.
        if (places := header_cards(content)) and len(content) >= BLOCK:
            change = rng.choice(MUTATIONS)
            content = bytes(change(bytearray(content), rng.choice(places), rng))
    if rng.random() < 0.75:
        return content, ".fits"
    packed = gzip.compress(content, 1)
    return flip(bytearray(packed), 0, rng) if rng.random() < 0.3 else packed, ".fits.gz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mutated")
    write(folder / "sound_rate.fits", sky(1, SHAPE), detector="NRS1", exp_type="NRS_IFU")
    return folder


def how_it_ends(path: Path) -> str:
    """Read, copy and open a file: every error names it, and it does not change."""
    before, ends = path.read_bytes(), []
    for use in (exposure_and_copy, whole):
        try:
            with in_time():
                use(path)
            ends.append("read")
        except ExposureError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - or it is read
            assert ": True" not in str(error)  # noqa: PT017 - a text that says nothing
    assert path.read_bytes() == before
    return "read" if ends else "refused"


def exposure_and_copy(path: Path) -> None:
    found, copy = read(path), path.with_name("copy.fits")
    science = found.science()
    found.error(), found.dq()
    found.write_copy(copy, np.ones(found.shape, bool), CARDS_OF_COPY, "flagged")
    flagged = read(copy)
    assert flagged.shape == science.shape
    assert np.isnan(flagged.science()).all()


def whole(path: Path) -> None:
    with open_fits(path) as hdus:
        for hdu in hdus:
            assert hdu.data is None or hdu.data.nbytes <= 9 * path.stat().st_size


def test_a_mutated_file_is_read_or_refused(folder):
    counts = Counter()
    content = (folder / "sound_rate.fits").read_bytes()
    for number in range(cases(500, 8000)):
        changed, ending = mutated(content, random.Random(f"{SEED} {number}"))
        path = folder / f"in_rate{ending}"
        path.write_bytes(changed)
        try:
            counts[how_it_ends(path)] += 1
        except BaseException as error:
            error.add_note(f"case {number}")
            raise
    report("mutated FITS files", dict(counts))
    assert len(counts) == 2


HUGE = 400 << 20
"""Bytes of the tails and headers that are too long, unpacked."""

MOST_MEMORY = 20 << 20
"""Bytes that reading one may take at a time."""


@pytest.mark.parametrize("filler", [b" ", b"\0", b"\xff"], ids=["blanks", "zeros", "ones"])
@pytest.mark.parametrize("place", ["behind", "within the first header", "within an extension"])
def test_endless_headers_and_tails_do_not_fill_the_memory(folder, filler, place):
    """They took 22 s and 861 MiB."""
    content = (folder / "sound_rate.fits").read_bytes()
    if place != "behind":
        start = content.index(b"XTENSION=") if place == "within an extension" else 0
        content = content[: content.index(END, start)]
    path = folder / "huge_rate.fits.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(content)
        for _ in range(cases(1, 8)):
            file.write(filler * (HUGE // 8))
    tracemalloc.start()
    try:
        with in_time():
            if place == "behind":
                assert read(path).science().shape == SHAPE
            else:
                with pytest.raises(ExposureError, match="huge_rate"):
                    read(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    path.unlink()
