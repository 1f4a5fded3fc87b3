"""Results as a session and a notebook show them: a few lines, and a true picture of the mask."""

from __future__ import annotations

import base64
import io
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import badpix_selfcal as bps
from badpix_selfcal.arrays.display import BLACK, HIGH, LOW, UNKNOWN, card

from .exposures import names, observation
from .pools import pool
from .shown import shown


@pytest.fixture
def result(here):
    observation(here)
    return bps.selfcal("x_asn.json", output_dir="out", save_flagged_bkg=True)


def test_a_result(result):
    found = result.bad_pixels
    facts = (
        f"  cuts      residual below {found.cut_low:.6g} or above {found.cut_high:.6g}\n"
        "  flagged   62 low + 62 high = 124 pixels in 122 groups (0.202 %)"
    )
    assert repr(result) == (
        "Result product: COMPLETE, 5 exposures\n"
        "  status    3 COMPLETE, 2 BACKGROUND\n"
        f"{facts}\n"
        "  copies    3 files in out"
    )
    assert repr(found) == f"BadPixels of 96 x 640 pixels\n{facts}"
    html = result._repr_html_()
    assert "<strong>Result product: COMPLETE, 5 exposures</strong>" in html
    assert html.count("<img ") == 1


def test_bad_pixels_of_the_sigma_cut():
    image = np.random.default_rng(1).normal(size=(40, 50))
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=np.ones((40, 50)))
    assert re.fullmatch(
        r"BadPixels of 40 x 50 pixels\n"
        r"  cuts      significance below -12 or above 4\.5\n"
        r"  flagged   \d+ low \+ \d+ high = \d+ pixels( in \d+ groups)? \(\d\.\d{3} %\)\n"
        r"  ERR       times [\d.]+ is the noise",
        repr(found),
    )


@pytest.mark.parametrize(
    ("image", "cuts", "flagged"),
    [
        (np.full((4, 5), np.nan), "below none or above none", "0 high = 0 pixels (0.000 %)"),
        (np.random.default_rng(1).normal(size=(20, 20)), "below", "1 high = 1 pixel (0.250 %)"),
    ],
)
def test_few_bad_pixels(image, cuts, flagged):
    said = repr(bps.find_bad_pixels(image, dispaxis=1, flagfrac_lower=0))
    assert f"  cuts      residual {cuts}" in said
    assert said.endswith(f"  flagged   0 low + {flagged}")


def test_a_batch_accounts_for_every_exposure(here):
    pool(here, detectors=("MIRIFULONG", "NRS1"))
    for name in ("junk", "more"):
        (here / f"{name}_rate.fits").write_text("junk")
    result = bps.batch(".", output_dir="out")
    assert repr(result).splitlines() == [
        "Results of 12 exposures",
        "  status    6 COMPLETE, 2 FAILED, 4 BACKGROUND",
        "  failed    junk_rate.fits: is not a FITS file, nor one compressed by gzip "
        "(and 1 other error)",
        "  written   6 files in out",
        "  group          exposures                 flagged",
        "  MIRIFULONG 34  3 COMPLETE, 2 BACKGROUND  62 low + 62 high = 124 pixels (0.202 %)",
        "  NRS1           3 COMPLETE, 2 BACKGROUND  62 low + 62 high = 124 pixels (0.202 %)",
    ]
    html = result._repr_html_()
    assert "<strong>Results of 12 exposures</strong>" in html
    assert ">MIRIFULONG 34</td>" in html
    assert [each.name for each in result] == ["MIRIFULONG 34", result[1].name]
    assert len(result.written) == len(names(here / "out"))
    assert sum(result.statuses.values()) == len(list(here.glob("*_rate.fits")))


def test_an_association_and_whether_it_exists(here):
    pool(here, detectors=("NRS1",))
    first, *_ = bps.associate(".", dry_run=True)
    assert repr(first) == (
        "GeneratedAssociation sci0_nrs1\n"
        "  group     NRS1\n"
        "  members   1 science, 2 background, 5 selfcal\n"
        "  path      sci0_nrs1_spec2_asn.json"
    )


@pytest.mark.parametrize("before", [None, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_of_a_call_are_those_of_the_process_no_longer(result, before, threads):
    bps.set_num_threads(before)
    try:
        usual, seen = bps.num_threads(), set()
        how = {"output_dir": "batch", "progress": lambda *_: seen.add(bps.num_threads())}
        bps.batch(".", threads=threads, **how)
        assert (seen, bps.num_threads()) == ({threads}, usual)
        with pytest.raises(ValueError, match="threads must be from 1 to 1024"):
            bps.selfcal("x_asn.json", output_dir="other", threads=0)
        assert bps.num_threads() == usual
    finally:
        bps.set_num_threads(None)
    assert result.status == "COMPLETE"


# Notebooks


def parsed(html):
    """Parse HTML that is also well-formed XML."""
    return ElementTree.fromstring(f"<body>{html}</body>")


def pixels_of(found):
    """Return the pixels of the picture that a notebook shows of a mask."""
    image = pytest.importorskip("PIL.Image")
    (tag,) = parsed(found._repr_html_()).iter("img")
    head, _, data = tag.get("src").partition(",")
    assert head == "data:image/png;base64"
    with image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture.convert("RGB"))[::-1]


def colours(known, low, high):
    """Return the colours of pixels: those of the flags over grey and white."""
    expected = np.full((*low.shape, 3), 255)
    for pixels, colour in ((~known, UNKNOWN), (low, LOW), (high, HIGH), (low & high, BLACK)):
        expected[pixels] = [*bytes.fromhex(colour[1:])]
    return expected


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
def test_every_flag_of_a_small_mask_is_a_pixel(cut):
    found = shown(cut=cut).bad_pixels
    expected = colours(~np.isnan(found.residual), found.low, found.high)
    np.testing.assert_array_equal(pixels_of(found), expected)


@given(
    arrays(
        np.int8,
        array_shapes(min_dims=2, max_dims=2, max_side=30),
        elements={"min_value": -1, "max_value": 1},
    )
)
def test_a_block_has_the_colours_of_its_flags(ends):
    image = np.repeat(np.repeat(ends.astype(float), 20, 0), 20, 1)
    found = bps.BadPixels(image != 0, image, -0.5, 0.5, int((ends < 0).sum()), 1)
    side = -(-max(image.shape) // 256)
    rows, columns = (np.arange(0, size, side) for size in image.shape)
    low, high = (
        np.logical_or.reduceat(np.logical_or.reduceat(flags, rows, 0), columns, 1)
        for flags in (image < 0, image > 0)
    )
    np.testing.assert_array_equal(pixels_of(found), colours(np.ones_like(low), low, high))


@given(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f")))
@example("\udcff.fits")  # a name that is no Unicode
def test_text_is_escaped(text):
    shown_as = card(text, {"word": text or "-"}, {})
    text = text.encode("utf-8", "replace").decode()
    (strong,), (cell,) = (parsed(shown_as).findall(f".//{tag}") for tag in ("strong", "td"))
    assert ((strong.text or ""), cell.text) == (text, text or "-")


def test_without_matplotlib_or_pixels_there_is_no_picture(monkeypatch):
    empty = np.zeros((0, 5))
    assert "<img" not in bps.BadPixels(empty > 0, empty, -1.0, 1.0, 0, 0)._repr_html_()
    monkeypatch.setitem(sys.modules, "matplotlib.image", None)
    html = shown().bad_pixels._repr_html_()
    assert "flagged" in html
    assert "<img" not in html
