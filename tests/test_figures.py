"""The figures: what they draw is what the arrays hold; and what pages show too."""

from __future__ import annotations

import io
import re
import subprocess
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
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import badpix_selfcal as bps
from badpix_selfcal import look
from badpix_selfcal.instrument import DO_NOT_USE, REFERENCE_PIXEL
from badpix_selfcal.look.figures import small_profiles
from badpix_selfcal.look.page import page_of
from badpix_selfcal.look.shown import (
    ACROSS,
    ALONG,
    SAMPLES,
    Strips,
    borderline,
    flagged_first,
    profile_of,
    regions_of,
    slices_of,
    strongest,
)

from . import DATA
from .masks import GROUPS, group_mask, with_groups
from .reported import mask_of
from .shown import shown

KINDS = [(name, cut) for name in ("MIRIFUSHORT", "NRS1") for cut in ("fraction", "sigma")]
IDS = [f"{name}-{cut}" for name, cut in KINDS]

OF_MASKS = {
    "minimum": look.minimum,
    "residual": look.residual,
    "significance": look.significance,
    "mask": look.mask,
    "dq": look.dq,
    "histogram": look.histogram,
    "rows": look.rows,
    "columns": look.columns,
    "slices": look.slices,
    "profile": lambda mask, **how: look.profile(mask, column=0, row=0, **how),
    "across": lambda mask, **how: look.profile(mask, column=0, row=0, direction="across", **how),
    "spectrum": look.spectrum,
}
OF_BAD_PIXELS = ("residual", "significance", "mask", "histogram", "rows", "columns")
WHOLE_FIGURES = {
    "strongest": lambda mask: look.gallery(mask, count=2),
    "borderline": lambda mask: look.gallery(mask, which="borderline", count=2),
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
        ax = look.minimum(mask)
        np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), mask.minimum)
        assert ax.images[0].origin == "lower"
        assert pixels(lines(ax)["low"]) == places(mask.bad_pixels.low)
        assert pixels(lines(ax)["high"]) == places(mask.bad_pixels.high)
        assert "DN/s" in ax.figure.axes[1].get_ylabel()
        assert not look.minimum(mask, flags=False).lines

    def test_the_residual(self, mask):
        ax = look.residual(mask.bad_pixels)
        expected = mask.bad_pixels.residual
        np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), expected)
        low, high = ax.images[0].get_clim()
        assert low == -high
        assert len(look.residual(mask, flags=True).lines) == 2

    def test_the_significance(self, mask):
        if mask.parameters.cut == "fraction":
            with pytest.raises(ValueError, match=r"no significance: .*; draw the residual, or use"):
                look.significance(mask)
            return
        ax = look.significance(mask)
        expected = mask.bad_pixels.significance
        np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), expected)
        assert ax.images[0].get_clim() == (-3.75, 3.75)

    def test_the_mask(self, mask):
        found = mask.bad_pixels
        ax = look.mask(found)
        assert pixels(lines(ax)["low"]) | pixels(lines(ax)["high"]) == places(found.mask)
        assert len(lines(ax)["high"].get_data()[0]) == found.n_high
        np.testing.assert_array_equal(ax.images[0].get_array(), np.isnan(found.residual))
        colours = {line.get_color() for line in ax.lines}
        assert len(colours) == 2

    @pytest.mark.parametrize("detector", ["MIRIFUSHORT", "NRS1"])
    def test_crowded_rows_are_shaded(self, detector):
        ax = look.mask(shown(detector, crowded=(3, 7)))
        along = 0 if detector == "MIRIFUSHORT" else 1
        spans = [np.asarray(patch.get_bbox())[:, along].tolist() for patch in ax.patches]
        assert spans == [[2.5, 3.5], [6.5, 7.5]]

    def test_the_data_quality(self, mask):
        known = mask.dq.copy()
        known[mask.bad_pixels.mask.nonzero()[0][0]] |= DO_NOT_USE
        ax = look.dq(replace(mask, dq=known))
        flagged = mask.bad_pixels.mask
        bad, unlit = (known & DO_NOT_USE) > 0, (known & REFERENCE_PIXEL) > 0
        marked = lines(ax)
        assert pixels(marked["flagged, new"]) == places(flagged & ~bad)
        assert pixels(marked["flagged, bad before"]) == places(flagged & bad)
        assert pixels(marked["bad before"]) == places(bad & ~flagged & ~unlit)
        np.testing.assert_array_equal(ax.images[0].get_array(), unlit)
        with pytest.raises(ValueError, match="the exposures have no DQ"):
            look.dq(replace(mask, dq=None))

    @pytest.mark.parametrize("dispaxis", [1, 2, None])
    def test_the_axis_of_the_dispersion_is_named(self, dispaxis):
        ax = look.minimum(replace(shown(), dispaxis=dispaxis))
        named = {1: ("column (dispersion)", "row"), 2: ("column", "row (dispersion)")}
        assert (ax.get_xlabel(), ax.get_ylabel()) == named.get(dispaxis, ("column", "row"))


class TestCounts:
    def test_the_histogram(self, mask):
        found = mask.bad_pixels
        counts = stairs(look.histogram(found))
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
        ax = look.histogram(mask)
        assert [line.get_xdata()[0] for line in ax.lines] == [found.cut_low, found.cut_high]
        quantity = "residual (DN/s)" if found.significance is None else "significance"
        assert ax.get_xlabel() == quantity

    @pytest.mark.parametrize(("draw", "across"), [(look.rows, 1), (look.columns, 0)])
    def test_the_flags_of_each_line(self, mask, draw, across):
        found = mask.bad_pixels
        counts = stairs(draw(mask))
        low, _, _ = counts["low"]
        top, _, base = counts["high"]
        np.testing.assert_array_equal(low, found.low.sum(axis=across))
        np.testing.assert_array_equal(base, low)
        np.testing.assert_array_equal(top, found.mask.sum(axis=across))

    def test_the_flags_of_each_slice(self, mask):
        counts, parts = stairs(look.slices(mask)), slices_of(mask)
        low, _, _ = counts["low"]
        top, _, base = counts["high"]
        assert low[::2].tolist() == base[::2].tolist() == parts.counts(mask.bad_pixels.low)
        assert (top - base)[::2].tolist() == parts.counts(mask.bad_pixels.high)
        assert not top[1::2].any()

    def test_crowded_columns_are_marked_where_they_are(self):
        mask = shown("MIRIFUSHORT", crowded=(3, 7))
        assert lines(look.columns(mask))["crowded"].get_xdata().tolist() == [3, 7]
        assert "crowded" not in lines(look.rows(mask))


@pytest.mark.parametrize("name", [name for name in OF_MASKS if name != "significance"])
def test_a_legend_lies_off_the_data(mask, name):
    ax = OF_MASKS[name](mask)
    FigureCanvasAgg(ax.figure).draw()
    if (legend := ax.get_legend()) is not None:
        box, page = legend.get_window_extent(), ax.figure.bbox
        assert not box.overlaps(ax.get_window_extent())
        assert not box.overlaps(ax.xaxis.label.get_window_extent())
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0


class TestProfiles:
    @pytest.mark.parametrize("direction", ["along", "across"])
    def test_a_profile(self, mask, direction):
        found = mask.bad_pixels
        row, column = divmod(strongest(found, 1)[0], 120)
        ax = look.profile(mask, column=column, row=row, direction=direction, reach=12)
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
        assert ax.get_title(loc="left").startswith(f"Column {column}, row {row}")

    def test_samples_whose_difference_is_beyond_float32(self):
        mask = group_mask()
        far = np.full(mask.flags.shape, np.float32(3e38))
        far[:, ::2] *= -1
        far[::2] *= -1
        found = replace(mask.bad_pixels, residual=far)
        ax = look.profile(replace(mask, minimum=far, bad_pixels=found), column=3, row=3)
        low, high = ax.get_ylim()
        assert low < -3e38
        assert high > 3e38

    def test_a_pixel_outside(self, mask):
        with pytest.raises(ValueError, match="row must be from 0 to 95, got 96"):
            look.profile(mask, column=0, row=96)
        with pytest.raises(ValueError, match="column must be from 0 to 119, got -1"):
            look.profile(mask, column=-1, row=0)
        with pytest.raises(ValueError, match="direction must be 'along' or 'across', got 'up'"):
            look.profile(mask, column=0, row=0, direction="up")

    def test_the_spectrum_of_a_band(self, mask):
        ax = look.spectrum(mask, band=(10, 30))
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
        ax = look.spectrum(shown(image=image, dispaxis=1))
        assert "rows 40 to 43, " in ax.texts[0].get_text()
        with pytest.raises(ValueError, match=r"band must be \(start, stop\) with .* got \(5, 5\)"):
            look.spectrum(shown(image=image), band=(5, 5))


class TestPixels:
    """Which pixels are shown; all are flat indices."""

    def test_the_strongest_first(self, mask):
        found = mask.bad_pixels
        values = abs(found.residual.ravel()[strongest(found, 10)])
        assert len(values) == 10
        assert values.tolist() == sorted(values, reverse=True)
        assert values[0] == np.abs(found.residual[found.mask]).max()

    def test_a_group_counts_once(self):
        found = with_groups().bad_pixels
        pixels = [row * 80 + column for (row, column), _ in GROUPS]
        # The last one lies beside the group of 3 x 3, whose picture shows it.
        assert strongest(found) == pixels[:-1]
        assert strongest(found, 2) == pixels[:2]
        flagged = [divmod(flat, 80) for flat in borderline(found) if found.mask.ravel()[flat]]
        assert flagged == [(45, 10), (11, 21), (50, 70), (5, 70)]
        assert flagged_first(found)[found.groups.first].tolist() == pixels
        assert found.groups.size.tolist() == [size for _, size in GROUPS]

    @pytest.mark.parametrize(("row", "least", "most"), [(30, 505, 600), (35, 8, 20)])
    def test_a_small_cut_shows_its_pixel_beside_a_hot_one(self, row, least, most):
        mask, flat = with_groups(), np.array([row * 80 + 40])
        strips = Strips(flat, ("x",), np.full((1, 1, SAMPLES), 1e4, np.float32), {})  # a cosmic ray
        (figure,) = small_profiles(mask, flat.tolist(), strips, 1)
        assert all(least < panel.get_ylim()[1] < most for panel in figure.axes)

    def test_half_of_the_borderline_are_flagged(self, mask):
        found = mask.bad_pixels
        chosen = borderline(found, 8)
        assert found.mask.ravel()[chosen].tolist() == [True] * 4 + [False] * 4
        brightest = found.compared[found.mask][found.groups.brightest]
        assert found.compared.ravel()[chosen[0]] == brightest[brightest > 0].min()

    @given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
    def test_those_of_any_image(self, rows, columns, count, seed):
        rng = np.random.default_rng(seed)
        image = rng.normal(size=(rows, columns))
        image[rng.random(image.shape) < 0.2] = np.nan
        image[rng.random(image.shape) < 0.05] = np.inf
        found = bps.find_bad_pixels(image, dispaxis=1, flagfrac_upper=0.05)
        flags = found.mask.ravel()
        for chosen in (strongest(found, count), borderline(found, count)):
            places = np.transpose(np.divmod(chosen, columns))
            apart = abs(places[:, None] - places).max(axis=-1) + 100 * np.eye(len(chosen))
            assert apart.min(initial=100) >= 4
            assert len(chosen) <= count
            assert np.isfinite(found.compared.ravel()[chosen]).all()
        assert np.count_nonzero(flags[borderline(found, count)]) <= (count + 1) // 2
        assert flags[strongest(found, count)].all()

    @pytest.mark.parametrize("cut", ["sigma", "fraction"])
    def test_flagged_samples_lie_beyond_the_levels_of_their_cut(self, cut):
        mask = mask_of("MIRIFULONG", (96, 640), cut)
        for flat in (*strongest(mask.bad_pixels), *borderline(mask.bad_pixels)):
            for direction, reach in (("along", ALONG), ("across", ACROSS)):
                line = profile_of(mask, divmod(flat, 640), direction, reach)
                below, above = line.lower - line.minimum, line.minimum - line.upper
                clear = (abs(below) > 1e-4) & (abs(above) > 1e-4)  # rounding
                assert clear.sum() > clear.size / 2  # some have no value
                np.testing.assert_array_equal((below > 0)[clear], line.low[clear])
                np.testing.assert_array_equal((above > 0)[clear], line.high[clear])

    @pytest.mark.parametrize("cut", ["sigma", "fraction"])
    def test_page_and_gallery_show_the_same(self, cut):
        pytest.importorskip("bokeh", reason="bokeh is not installed")
        mask = mask_of("MIRIFULONG", (96, 640), cut)
        button = re.compile(r'<button data-pixel="\d+">column (\d+), row (\d+): \w+ (\S+), ')
        title = re.compile(r"\((\d+), (\d+)\)  (\S+?)(?:×| |$)")
        _, *texts = re.split("<h3[^>]*>(?:Strongest|Borderline|Left)</h3>", page_of(mask)[0])
        for which, text in zip(("strongest", "borderline"), texts, strict=False):
            paged = button.findall(text)
            figure = look.gallery(mask, which=which)
            titles = [title.match(ax.get_title()) for ax in figure.axes if ax.get_title()]
            drawn = [each.groups() for each in titles]
            assert len(drawn) == 12
            assert [each[:2] for each in drawn] == [each[:2] for each in paged]
            # Figures round to 3 digits where the value has a unit.
            one, other = ([float(each[2]) for each in values] for values in (drawn, paged))
            np.testing.assert_allclose(one, other, rtol=6e-3)


class TestParts:
    def test_regions_and_slices_of_a_whole_detector(self):
        mask = mask_of("MIRIFULONG", (1024, 1032), "sigma")
        regions, slices = regions_of(mask), slices_of(mask)
        assert regions.names == ("channel 4 (left)", "channel 3 (right)")
        outside = mask.flags.sum() - mask.flags[:, 474:507].sum()  # of the gap
        assert sum(regions.counts(mask.flags)) == outside
        assert len(slices.names) == slices.number.max() == 28
        maps = DATA / "miri-mrs-geometry"
        if maps.exists():
            known = np.load(maps / "geom_34C_flt9.npz")["slice"]
            numbers = [100 * int(name.split()[1]) + int(name.split()[3]) for name in slices.names]
            assert np.mean(np.array([0, *numbers])[slices.number] == known) > 0.95

    def test_bands_cover_an_image(self):
        for axis in (1, 2, None):
            slices = slices_of(group_mask(dispaxis=axis))
            assert slices.number.min() == 1
            assert slices.number.max() == len(slices.names) == 16
            lines = slices.number if axis == 2 else slices.number.T
            assert np.all(lines == lines[0])


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
        drawn(look.gallery(shown(), count=2))
        drawn(look.minimum(shown()))
        assert dict(mpl.rcParams) == before
        assert mpl.rcParams._get_backend_or_none() == backend

    def test_a_page_is_the_same_whatever_the_default_layout(self):
        mask = mask_of()
        figures = [page_of(mask)[0].count("<svg")]
        with mpl.rc_context({"figure.constrained_layout.use": True}):  # warnings are errors
            figures.append(page_of(mask)[0].count("<svg"))
        assert figures[0] == figures[1] > 0

    @pytest.mark.parametrize("draw", [look.residual, look.gallery])
    def test_a_notebook_shows_it(self, draw):
        picture = Image.open(io.BytesIO(draw(shown())._repr_png_()))
        assert picture.format == "PNG"
        assert min(picture.size) > 300

    @pytest.mark.parametrize(("detector", "cut"), [("MIRIFUSHORT", "fraction"), ("NRS1", "sigma")])
    def test_a_page(self, detector, cut):
        mask = shown(detector, cut)
        figure = drawn(look.figure(mask))
        titles = {ax.get_title("left") for ax in figure.axes}
        assert {"Minimum image", "Residual", "Mask", "Spectrum of a band"} <= titles
        texts = "\n".join(text.get_text() for sub in figure.subfigs for text in sub.texts)
        found = mask.bad_pixels
        assert f"{found.n_low} low + {found.n_high} high" in texts

    def test_a_wrong_gallery(self, mask):
        with pytest.raises(ValueError, match="which must be 'strongest' or 'borderline', got 'x'"):
            look.gallery(mask, which="x")
        with pytest.raises(ValueError, match="count must be at least 1, got 0"):
            look.gallery(mask, count=0)


def test_the_package_does_not_import_matplotlib():
    code = (
        "import sys, badpix_selfcal as bps; bps.selfcal, bps.compare, bps.report; "
        "sys.exit('matplotlib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
