"""Pages and figures show the same: pixels, values and cuts."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given

from badpix_selfcal.views.cuts import ACROSS, ALONG, line_of
from badpix_selfcal.views.pixels import borderline, ranked, strongest

from .masks import GROUPS, masks, with_groups
from .reported import mask_of

BUTTON = re.compile(
    r'<button data-pixel="(\d+)">column (\d+), row (\d+): (?:significance|residual) (\S+), '
)
TITLE = re.compile(r"\((\d+), (\d+)\)  (\S+?)(?:×| |$)")


def in_page(html):
    """Return the pixels of both galleries of a page, with their values as they are written."""
    _, strong, border, *_ = re.split("<h3[^>]*>(?:Strongest|Borderline|Left)[^<]*</h3>", html)
    return {
        which: [
            ((int(row), int(column)), float(value))
            for flat, column, row, value in BUTTON.findall(text)
        ]
        for which, text in (("strongest", strong), ("borderline", border))
    }


def in_figure(figure):
    """Return the pixels of a gallery by matplotlib, with their values."""
    titles = [TITLE.match(panel.get_title()) for panel in figure.axes if panel.get_title()]
    return [((int(each[1]), int(each[2])), float(each[3])) for each in titles]


@pytest.mark.parametrize("cut", ["sigma", "fraction"])
def test_page_and_figures_show_the_same_pixels(cut):
    pytest.importorskip("bokeh")
    plot = pytest.importorskip("badpix_selfcal.plot", exc_type=ImportError)
    from badpix_selfcal.reports.page import page_of

    mask = mask_of("MIRIFULONG", (96, 640), cut)
    shown = in_page(page_of(mask).html)
    for which, pixels in shown.items():
        assert len(pixels) == 12
        drawn = in_figure(plot.gallery(mask, which=which))
        assert [pixel for pixel, _ in drawn] == [pixel for pixel, _ in pixels]
        # Figures round to 3 digits where the value has a unit.
        np.testing.assert_allclose([v for _, v in drawn], [v for _, v in pixels], rtol=6e-3)


@given(masks())
def test_the_pixels_of_a_gallery_are_those_of_the_choice(mask):
    found = mask.bad_pixels
    chosen = ranked(found)
    for flat, pixels in (
        (chosen.strongest, strongest(found)),
        (chosen.borderline, borderline(found)),
    ):
        assert [divmod(int(each), found.mask.shape[1]) for each in flat] == pixels


def test_a_group_counts_once():
    found = with_groups().bad_pixels
    pixels = [pixel for pixel, _ in GROUPS]
    # The last one lies beside the group of 3 x 3, whose picture shows it.
    assert strongest(found) == pixels[:-1]
    assert strongest(found, 2) == pixels[:2]
    flagged = [pixel for pixel in borderline(found) if found.mask[pixel]]
    assert flagged == [(45, 10), (11, 21), (50, 70), (5, 70)]
    chosen = ranked(found)
    assert [divmod(int(each), 80) for each in chosen.brightest] == pixels
    assert chosen.sizes.tolist() == [size for _, size in GROUPS]


def test_the_pictures_of_a_gallery_show_different_spots():
    found = mask_of("MIRIFULONG", (96, 640), "sigma").bad_pixels
    for chosen in (strongest(found, 50), borderline(found, 50)):
        places = np.array(chosen)
        apart = abs(places[:, None] - places).max(axis=-1) + 100 * np.eye(len(places), dtype=int)
        assert apart.min() >= 4


@pytest.mark.parametrize("cut", ["sigma", "fraction"])
def test_flagged_samples_lie_beyond_the_levels_of_their_cut(cut):
    mask = mask_of("MIRIFULONG", (96, 640), cut)
    found = mask.bad_pixels
    for pixel in (*strongest(found), *borderline(found)):
        for direction, reach in (("along", ALONG), ("across", ACROSS)):
            line = line_of(mask, pixel, direction, reach)
            at = pixel[line.axis] - int(line.place[0])
            assert line.minimum[at] == mask.minimum[pixel]
            below, above = line.lower - line.minimum, line.minimum - line.upper
            clear = (abs(below) > 1e-4) & (abs(above) > 1e-4)  # rounding
            assert clear.sum() > clear.size / 2  # some have no value
            np.testing.assert_array_equal((below > 0)[clear], line.low[clear])
            np.testing.assert_array_equal((above > 0)[clear], line.high[clear])
