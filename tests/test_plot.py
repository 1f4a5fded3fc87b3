"""The figures: what they draw is what the arrays hold."""

from __future__ import annotations

import io
import sys
import warnings
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

import badpix_selfcal as bps
from badpix_selfcal import plot
from badpix_selfcal.instrument import DO_NOT_USE, REFERENCE_PIXEL
from badpix_selfcal.views.cuts import line_of
from badpix_selfcal.views.pixels import borderline, strongest
from badpix_selfcal.views.regions import band_of

from .shown import shown
from .transcripts import shell

KINDS = [(name, cut) for name in ("MIRIFUSHORT", "NRS1") for cut in ("fraction", "sigma")]
IDS = [f"{name}-{cut}" for name, cut in KINDS]

OF_MASKS = {
    "minimum": plot.minimum,
    "residual": plot.residual,
    "significance": plot.significance,
    "mask": plot.mask,
    "dq": plot.dq,
    "histogram": plot.histogram,
    "rows": plot.rows,
    "columns": plot.columns,
    "cut": lambda mask, **how: plot.cut(mask, 0, 0, **how),
    "across": lambda mask, **how: plot.cut(mask, 0, 0, direction="across", **how),
    "spectrum": plot.spectrum,
}
OF_BAD_PIXELS = ("residual", "significance", "mask", "histogram", "rows", "columns")
WHOLE_FIGURES = {
    "strongest": lambda mask: plot.gallery(mask, count=2),
    "borderline": lambda mask: plot.gallery(mask, which="borderline", count=2),
}


def drawn(artist):
    """Draw a figure, and return it."""
    figure = getattr(artist, "figure", artist)
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


def lines(ax):
    """Return the lines of some Axes by the first word of their labels."""
    return {line.get_label().split(":")[0]: line for line in ax.lines}


def pixels(line):
    """Return the pixels that a line marks."""
    columns, rows = line.get_data()
    return {*zip(rows.tolist(), columns.tolist(), strict=True)}


def places(mask):
    return {*map(tuple, np.argwhere(mask).tolist())}


def stairs(ax):
    """Return the counts and edges of steps by the begin of their labels."""
    return {patch.get_label().split(":")[0]: patch.get_data() for patch in ax.patches}


@pytest.fixture(params=KINDS, ids=IDS)
def mask(request):
    return shown(*request.param)


class TestImages:
    def test_the_minimum_image(self, mask):
        ax = plot.minimum(mask)
        np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), mask.minimum)
        assert ax.images[0].origin == "lower"
        assert pixels(lines(ax)["low"]) == places(mask.bad_pixels.low)
        assert pixels(lines(ax)["high"]) == places(mask.bad_pixels.high)
        assert "DN/s" in ax.figure.axes[1].get_ylabel()
        assert not plot.minimum(mask, flags=False).lines

    def test_the_residual(self, mask):
        ax = plot.residual(mask.bad_pixels)
        expected = mask.bad_pixels.residual
        np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), expected)
        low, high = ax.images[0].get_clim()
        assert low == -high
        assert len(plot.residual(mask, flags=True).lines) == 2

    def test_the_significance(self, mask):
        if mask.parameters.cut == "fraction":
            with pytest.raises(ValueError, match=r"no significance: .*; draw the residual, or use"):
                plot.significance(mask)
            return
        ax = plot.significance(mask)
        expected = mask.bad_pixels.significance
        np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), expected)
        assert ax.images[0].get_clim() == (-3.75, 3.75)

    def test_the_mask(self, mask):
        found = mask.bad_pixels
        ax = plot.mask(found)
        assert pixels(lines(ax)["low"]) | pixels(lines(ax)["high"]) == places(found.mask)
        assert len(lines(ax)["high"].get_data()[0]) == found.n_high
        np.testing.assert_array_equal(ax.images[0].get_array(), np.isnan(found.residual))
        colours = {line.get_color() for line in ax.lines}
        assert len(colours) == 2

    @pytest.mark.parametrize("detector", ["MIRIFUSHORT", "NRS1"])
    def test_crowded_rows_are_shaded(self, detector):
        ax = plot.mask(shown(detector, crowded=(3, 7)))
        along = 0 if detector == "MIRIFUSHORT" else 1
        spans = [np.asarray(patch.get_bbox())[:, along].tolist() for patch in ax.patches]
        assert spans == [[2.5, 3.5], [6.5, 7.5]]

    def test_the_data_quality(self, mask):
        known = mask.dq.copy()
        known[mask.bad_pixels.mask.nonzero()[0][0]] |= DO_NOT_USE
        ax = plot.dq(replace(mask, dq=known))
        flagged = mask.bad_pixels.mask
        bad, unlit = (known & DO_NOT_USE) > 0, (known & REFERENCE_PIXEL) > 0
        marked = lines(ax)
        assert pixels(marked["flagged, new"]) == places(flagged & ~bad)
        assert pixels(marked["flagged, bad before"]) == places(flagged & bad)
        assert pixels(marked["bad before"]) == places(bad & ~flagged & ~unlit)
        np.testing.assert_array_equal(ax.images[0].get_array(), unlit)
        with pytest.raises(ValueError, match="the exposures have no DQ"):
            plot.dq(replace(mask, dq=None))

    @pytest.mark.parametrize("dispaxis", [1, 2, None])
    def test_the_axis_of_the_dispersion_is_named(self, dispaxis):
        ax = plot.minimum(shown(dispaxis=dispaxis))
        named = {1: ("column (dispersion)", "row"), 2: ("column", "row (dispersion)")}
        assert (ax.get_xlabel(), ax.get_ylabel()) == named.get(dispaxis, ("column", "row"))


class TestCounts:
    def test_the_histogram(self, mask):
        found = mask.bad_pixels
        counts = stairs(plot.histogram(found))
        compared = found.compared[np.isfinite(found.compared)].astype(float)
        for name, chosen in (
            ("all pixels", compared),
            ("flagged low", found.compared[found.low]),
            ("flagged high", found.compared[found.high]),
        ):
            values, edges, _ = counts[name]
            assert values.sum() == chosen.size
            np.testing.assert_array_equal(values, np.histogram(chosen.astype(float), edges)[0])

    def test_the_cuts_in_the_histogram(self, mask):
        found = mask.bad_pixels
        ax = plot.histogram(mask)
        assert [line.get_xdata()[0] for line in ax.lines] == [found.cut_low, found.cut_high]
        quantity = "residual (DN/s)" if found.significance is None else "significance"
        assert ax.get_xlabel() == quantity

    @pytest.mark.parametrize(("draw", "across"), [(plot.rows, 1), (plot.columns, 0)])
    def test_the_flags_of_each_line(self, mask, draw, across):
        found = mask.bad_pixels
        counts = stairs(draw(mask))
        low, _, _ = counts["low"]
        top, _, base = counts["high"]
        np.testing.assert_array_equal(low, found.low.sum(axis=across))
        np.testing.assert_array_equal(base, low)
        np.testing.assert_array_equal(top, found.mask.sum(axis=across))

    def test_crowded_columns_are_marked_where_they_are(self):
        mask = shown("MIRIFUSHORT", crowded=(3, 7))
        assert lines(plot.columns(mask))["crowded"].get_xdata().tolist() == [3, 7]
        assert "crowded" not in lines(plot.rows(mask))


class TestCuts:
    @pytest.mark.parametrize("direction", ["along", "across"])
    def test_a_cut(self, mask, direction):
        found = mask.bad_pixels
        row, column = strongest(found, 1)[0]
        ax = plot.cut(mask, row, column, direction=direction, reach=12)
        axis = 0 if (mask.dispaxis == 2) == (direction == "along") else 1
        start = max((row, column)[axis] - 12, 0)
        stop = (row, column)[axis] + 13
        at = (slice(start, stop), column) if axis == 0 else (row, slice(start, stop))
        marked = lines(ax)
        places, minimum = marked["minimum"].get_data()
        assert places[0] == start
        np.testing.assert_array_equal(minimum, mask.minimum[at])
        median = mask.minimum[at] - found.residual[at]
        np.testing.assert_array_equal(marked["running median"].get_ydata(), median)
        flagged, _ = marked["flagged high"].get_data()
        np.testing.assert_array_equal(flagged, places[found.high[at]])
        levels = [line.get_ydata() for line in ax.lines if line.get_label().startswith("cut")]
        away = found.cut_high - found.compared[at]  # how far a sample is from the cut
        if found.noise is not None:
            away = away * found.noise[at]
        np.testing.assert_allclose(levels[1], minimum + away, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(minimum > levels[1], found.high[at])
        assert ax.get_xlabel() == ("row", "column")[axis]

    def test_a_pixel_outside(self, mask):
        with pytest.raises(ValueError, match="row must be from 0 to 95, got 96"):
            plot.cut(mask, 96, 0)
        with pytest.raises(ValueError, match="column must be from 0 to 119, got -1"):
            plot.cut(mask, 0, -1)
        with pytest.raises(ValueError, match="direction must be 'along' or 'across', got 'up'"):
            plot.cut(mask, 0, 0, direction="up")

    def test_the_spectrum_of_a_band(self, mask):
        ax = plot.spectrum(mask, band=(10, 30))
        at = np.s_[10:30] if mask.dispaxis == 1 else np.s_[:, 10:30]
        across = 0 if mask.dispaxis == 1 else 1
        image, flagged = mask.minimum[at].astype(float), mask.bad_pixels.mask[at]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            before = np.nanmean(image, axis=across)
            after = np.nanmean(np.where(flagged, np.nan, image), axis=across)
        np.testing.assert_allclose(lines(ax)["before"].get_ydata(), before, rtol=1e-12)
        np.testing.assert_allclose(lines(ax)["after"].get_ydata(), after, rtol=1e-12)

    def test_the_brightest_band(self):
        image = np.zeros((200, 100), np.float32)
        image[40:44] = 5.0
        assert (band_of(shown(image=image, dispaxis=1)).start) == 40
        with pytest.raises(ValueError, match=r"band must be \(start, stop\) with .* got \(5, 5\)"):
            plot.spectrum(shown(image=image), band=(5, 5))


class TestPixels:
    def test_the_strongest_first(self, mask):
        found = mask.bad_pixels
        values = [abs(found.residual[pixel]) for pixel in strongest(found, 10)]
        assert len(values) == 10
        assert values == sorted(values, reverse=True)
        assert values[0] == np.abs(found.residual[found.mask]).max()

    def test_one_of_each_group(self):
        image = np.random.default_rng(1).normal(size=(60, 60))
        image[20:22, 20:22] += 1e4
        image[50, 50] += 1e3
        found = bps.find_bad_pixels(image, dispaxis=1, flagfrac_upper=0.01, flagfrac_lower=0)
        first, second = strongest(found, 2)
        assert first in {(20, 20), (20, 21), (21, 20), (21, 21)}
        assert second == (50, 50)

    def test_half_of_the_borderline_are_flagged(self, mask):
        found = mask.bad_pixels
        chosen = borderline(found, 8)
        assert [bool(found.mask[pixel]) for pixel in chosen] == [True] * 4 + [False] * 4
        brightest = found.compared[found.mask][found.groups.brightest]
        assert found.compared[chosen[0]] == brightest[brightest > 0].min()

    @given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
    def test_pixels_of_any_image(self, rows, columns, count, seed):
        rng = np.random.default_rng(seed)
        image = rng.normal(size=(rows, columns))
        image[rng.random(image.shape) < 0.2] = np.nan
        image[rng.random(image.shape) < 0.05] = np.inf
        found = bps.find_bad_pixels(image, dispaxis=1, flagfrac_upper=0.05)
        for chosen in (strongest(found, count), borderline(found, count)):
            assert len(chosen) == len({*chosen}) <= count
            assert all(np.isfinite(found.compared[pixel]) for pixel in chosen)
        flagged = [pixel for pixel in borderline(found, count) if found.mask[pixel]]
        assert len(flagged) <= (count + 1) // 2
        assert all(found.mask[pixel] for pixel in strongest(found, count))

    @given(st.integers(0, 11), st.integers(0, 8), st.integers(0, 20))
    def test_a_line_never_leaves_the_image(self, row, column, reach):
        mask = shown(image=np.arange(108.0).reshape(12, 9))
        for direction in ("along", "across"):
            line = line_of(mask, (row, column), direction, reach)
            assert 0 <= line.place[0] <= (row, column)[line.axis] <= line.place[-1]
            assert line.place.size == line.minimum.size <= 2 * reach + 1


def odd_masks():
    rng = np.random.default_rng(3)
    noise = rng.normal(5.0, 1.0, (40, 50)).astype(np.float32)
    infinite = noise.copy()
    infinite[3, 4:6] = np.inf, -np.inf
    images = {
        "nan": np.full((40, 50), np.nan, np.float32),
        "constant": np.full((40, 50), 2.5, np.float32),
        "one row": noise[:1],
        "one column": noise[:, :1],
        "one pixel": noise[:1, :1],
        "infinite": infinite,
        "all infinite": np.full((40, 50), np.inf, np.float32),
        "huge": noise * np.float32(1e37),
        "tiny": noise * np.float32(1e-40),
    }
    some = ("nan", "constant", "one row", "infinite")
    for cut, names in (("fraction", some), ("sigma", images)):
        for name, axis in zip(names, cycle([1, 2, None]), strict=False):
            mask = shown(cut=cut, image=images[name], dispaxis=axis)
            yield pytest.param(mask, id=f"{cut} {name}")


class TestOddMasks:
    @pytest.mark.parametrize("mask", [*odd_masks()])
    def test_every_figure_is_drawn_without_a_warning(self, mask):
        for name, draw in {**OF_MASKS, **WHOLE_FIGURES}.items():
            if name != "significance" or mask.parameters.cut == "sigma":
                drawn(draw(mask))

    def test_no_flags(self):
        mask = shown()
        nothing = np.zeros_like(mask.bad_pixels.mask)
        found = replace(mask.bad_pixels, mask=nothing, n_low=0, n_high=0)
        for draw in (*OF_MASKS.values(), *WHOLE_FIGURES.values()):
            drawn(draw(replace(mask, bad_pixels=found)))
        assert strongest(found, 5) == borderline(found, 5) == []


class TestMatplotlib:
    @pytest.mark.parametrize("name", OF_MASKS)
    def test_the_axes_given_are_used_and_returned(self, name):
        ax = Figure().subplots()
        assert OF_MASKS[name](shown(), ax=ax) is ax

    @pytest.mark.parametrize("name", OF_BAD_PIXELS)
    def test_bad_pixels_are_enough(self, name):
        assert drawn(OF_MASKS[name](shown().bad_pixels))

    def test_the_state_of_matplotlib_stays(self):
        before, backend = dict(mpl.rcParams), mpl.rcParams._get_backend_or_none()
        drawn(plot.gallery(shown(), count=2))
        drawn(plot.minimum(shown()))
        assert dict(mpl.rcParams) == before
        assert mpl.rcParams._get_backend_or_none() == backend

    @pytest.mark.parametrize("draw", [plot.residual, plot.gallery])
    def test_a_notebook_shows_it(self, draw):
        picture = Image.open(io.BytesIO(draw(shown())._repr_png_()))
        assert picture.format == "PNG"
        assert min(picture.size) > 300

    @pytest.mark.parametrize(("detector", "cut"), [("MIRIFUSHORT", "fraction"), ("NRS1", "sigma")])
    def test_a_page(self, detector, cut):
        mask = shown(detector, cut)
        figure = drawn(plot.figure(mask))
        titles = {ax.get_title("left") for ax in figure.axes}
        assert {"Minimum image", "Residual", "Mask", "Spectrum of a band"} <= titles
        texts = "\n".join(text.get_text() for sub in figure.subfigs for text in sub.texts)
        found = mask.bad_pixels
        assert f"{found.n_low} low + {found.n_high} high" in texts

    def test_the_gallery(self, mask):
        figure = plot.gallery(mask, count=3)
        titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
        expected = [f"({row}, {column})" for row, column in strongest(mask.bad_pixels, 3)]
        assert [title.partition("  ")[0] for title in titles] == expected
        with pytest.raises(ValueError, match="which must be 'strongest' or 'borderline', got 'x'"):
            plot.gallery(mask, which="x")
        with pytest.raises(ValueError, match="count must be at least 1, got 0"):
            plot.gallery(mask, count=0)


def test_the_package_does_not_import_matplotlib(tmp_path):
    code = "import sys, badpix_selfcal as bps; bps.selfcal; sys.exit('matplotlib' in sys.modules)"
    assert shell(f'{sys.executable} -c "{code}"', tmp_path).status == 0
