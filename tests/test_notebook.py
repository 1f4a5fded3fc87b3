"""Results as a notebook shows them: valid HTML, the counts, and a true picture of the mask."""

from __future__ import annotations

import base64
import io
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import badpix_selfcal as bps
from badpix_selfcal.arrays.display import BLACK, HIGH, LOW, UNKNOWN, card, picture_of

from .shown import shown

COLOURS = {
    name: tuple(bytes.fromhex(colour[1:]))
    for name, colour in (("low", LOW), ("high", HIGH), ("both", BLACK), ("no residual", UNKNOWN))
}


def parsed(html):
    """Parse HTML that is also well-formed XML."""
    return ElementTree.fromstring(f"<body>{html}</body>")


def pixels_of(html):
    """Return the colours of the first picture in some HTML."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    source = next(parsed(html).iter("img")).get("src")
    head, _, data = source.partition(",")
    assert head == "data:image/png;base64"
    with image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def cells(html):
    return {row[0].text: row[1].text for row in parsed(html).iter("tr")}


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
@pytest.mark.parametrize("detector", ["MIRIFUSHORT", "NRS1"])
def test_every_flag_of_a_small_mask_is_a_pixel(detector, cut):
    found = shown(detector, cut).bad_pixels
    pixels = pixels_of(found._repr_html_())[::-1]
    for name, flagged in (("low", found.low), ("high", found.high)):
        np.testing.assert_array_equal((pixels == COLOURS[name]).all(axis=2), flagged)
    unknown = np.isnan(found.residual)
    np.testing.assert_array_equal((pixels == COLOURS["no residual"]).all(axis=2), unknown)


def test_the_counts_are_those_of_the_mask():
    found = shown(cut="sigma").bad_pixels
    written = cells(found._repr_html_())
    assert written["cuts"] == "significance below -12 or above 3.75"
    assert written["flagged"].startswith(f"{found.n_low} low + {found.n_high} high = ")


@given(
    arrays(
        np.int8,
        array_shapes(min_dims=2, max_dims=2, max_side=30),
        elements={"min_value": -1, "max_value": 1},
    )
)
def test_blocks_have_the_colours_of_their_flags(ends):
    image = np.repeat(np.repeat(ends.astype(float), 20, 0), 20, 1)
    found = bps.BadPixels(image != 0, image, -0.5, 0.5, (image < 0).sum(), (image > 0).sum())
    picture = picture_of(found)[::-1]
    side = -(-max(image.shape) // 256)
    expected = np.full((*(-(-size // side) for size in image.shape), 3), 255)
    for row, column in np.ndindex(expected.shape[:2]):
        block = image[row * side : (row + 1) * side, column * side : (column + 1) * side]
        low, high = block.min() < 0, block.max() > 0
        if low or high:
            expected[row, column] = COLOURS["both" if low and high else "low" if low else "high"]
    np.testing.assert_array_equal(picture, expected)


def test_a_full_detector_is_small():
    image = np.zeros((2048, 2048), np.float32)
    image[1000, 37] = 9.0
    found = bps.find_bad_pixels(image, dispaxis=1, flagfrac_lower=0)
    html = found._repr_html_()
    pixels = pixels_of(html)
    assert pixels.shape == (256, 256, 3)
    assert len(html) < 100_000
    assert "a dot is a block of 8 x 8 pixels" in html
    assert tuple(pixels[255 - 1000 // 8, 37 // 8]) == COLOURS["high"]


printable = st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"])


def test_a_name_that_is_no_unicode_is_shown():
    shown_as = card("\udcff.fits", {"word": "a\udcffb"}, {})
    assert cells(shown_as) == {"word": "a?b"}
    assert shown_as.encode()  # what a notebook does


@given(st.text(printable))
def test_text_is_escaped(text):
    (strong,) = parsed(card(text, {"word": text}, {})).iter("strong")
    assert (strong.text or "") == text
    assert cells(card("x", {"word": text or "-"}, {}))["word"] == (text or "-")


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1), (1, 700), (700, 1)])
def test_unusual_shapes(shape):
    empty = np.zeros(shape)
    found = bps.BadPixels(empty > 0, empty, -1.0, 1.0, 0, 0)
    images = [*parsed(found._repr_html_()).iter("img")]
    assert len(images) == (1 if empty.size else 0)


def test_without_matplotlib_there_is_no_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.image", None)
    html = shown().bad_pixels._repr_html_()
    assert "flagged" in cells(html)
    assert "<img" not in html
