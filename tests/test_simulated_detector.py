"""The simulated detector: bad pixels, cosmic rays, offsets and noise against their numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from astropy.io import fits

from badpix_selfcal.instrument import DETECTORS, DO_NOT_USE
from badpix_selfcal.simulate import HALO, HOT, LIGHT_ONLY, LOW, Settings, simulate
from badpix_selfcal.simulate.defects import REFERENCE_WIDTH, fixed_defects
from badpix_selfcal.simulate.groups import APART
from badpix_selfcal.simulate.groups import DRAWN, PICTURES, SHAPES

from .simulations import cosmic, fixed, full_geometry, plane

# Defects


def test_the_number_of_hot_pixels_brighter_than_a_is_3900_over_a(short):
    # Their minimum over exposures has no cosmic rays, and almost no light in channels 1 and 2.
    images = [plane(path) for path in short.background]
    lowest = np.min(images, axis=0)
    minimum_of_scatter = 1 - 1.03 * 0.03  # of four normal values
    for brightness in (2, 5, 10, 30):
        expected = 3900 / brightness * minimum_of_scatter * (1 - 0.009)
        halos = 3900 / (brightness / 0.031) * 4
        count = np.count_nonzero(lowest > brightness)
        assert abs(count - expected - halos) < 4.5 * np.sqrt(expected)


def test_hot_pixels_follow_the_law_before_they_are_observed():
    rng = np.random.default_rng(5)
    hot = fixed_defects(DETECTORS["MIRIFULONG"], (32, 32), Settings(), rng).hot
    assert hot.rate.min() >= 0.5
    assert hot.rate.max() <= 5000
    assert len({tuple(pixel) for pixel in hot.pixels.T}) == hot.rate.size
    for low, high, expected in ((10, 20, 195), (20, 30, 65), (30, 40, 32.5)):
        count = np.count_nonzero((hot.rate > low) & (hot.rate <= high))
        assert abs(count - expected) < 4.5 * np.sqrt(expected)


def test_hot_pixels_stay_with_3_percent_scatter(full):
    first, second = (plane(path) for path in full.background[:2])
    steady = (fixed(full) & HOT != 0) & (first > 20) & (second > 20)
    steady &= ~np.any(cosmic(full), axis=0)
    ratio = np.log(first[steady] / second[steady])
    assert ratio.size > 120
    assert abs(np.mean(ratio)) < 0.015
    assert np.std(ratio) == pytest.approx(0.03 * np.sqrt(2), rel=0.3)


# Groups of hot pixels


def _defects(epoch=1, detector="MIRIFULONG", **settings):
    rng = np.random.default_rng(6)
    return fixed_defects(
        DETECTORS[detector], DETECTORS[detector].shape, Settings(**settings), rng, epoch
    )


def _group(hot, number):
    """Return the rows, the columns and the rates of a group."""
    inside = hot.group == number
    return (*hot.pixels[:, inside], hot.rate[inside])


@pytest.fixture(scope="module")
def grouped():
    return _defects(hot_groups=300)


def test_all_other_defects_are_the_same_without_groups(grouped):
    plain, single = _defects(), grouped.hot.group == 0
    np.testing.assert_array_equal(grouped.hot.pixels[:, single], plain.hot.pixels)
    np.testing.assert_array_equal(grouped.hot.rate[single], plain.hot.rate)
    for name in ("response", "known_bad"):
        np.testing.assert_array_equal(getattr(grouped, name), getattr(plain, name))
    assert np.all(plain.truth & ~grouped.truth == 0)


def test_groups_are_apart_and_on_pixels_that_nothing_else_has(grouped):
    hot = grouped.hot
    assert len(hot.shapes) == hot.group.max() == 300
    assert set(hot.shapes) == set(SHAPES)
    assert len(set(zip(*hot.pixels.tolist(), strict=True))) == hot.rate.size
    assert not grouped.reference[tuple(hot.pixels)].any()
    assert np.all(grouped.truth[tuple(hot.pixels)] & (HOT | LOW) == HOT)
    groups = [hot.pixels[:, hot.group == number] for number in range(1, 301)]
    for one, other in combinations(groups, 2):
        steps = np.abs(one[:, :, None] - other[:, None])
        assert steps.max(axis=0).min() > APART


def test_each_group_has_its_shape(grouped):
    for number, shape in enumerate(grouped.hot.shapes, start=1):
        y, x, _ = _group(grouped.hot, number)
        picture = np.full((np.ptp(y) + 1, np.ptp(x) + 1), ".")
        picture[y - y.min(), x - x.min()] = "#"
        flips = [
            "/".join("".join(row) for row in picture[::i, ::j]) for i in (1, -1) for j in (1, -1)
        ]
        if shape in PICTURES:
            assert PICTURES[shape] in flips
        else:
            assert (4 if shape == "walk" else 3) <= y.size <= (12 if shape == "walk" else 31)
            assert all(picture.shape[axis] <= y.size for axis in (0, 1))
    assert PICTURES["disc of 7"].count("#") == 37


@pytest.mark.parametrize("scatter", [1.0, 1.6])
def test_the_brightness_of_groups_is_uniform_in_its_logarithm(scatter):
    hot = _defects(hot_groups=300, hot_group_scatter=scatter, hot_group_shapes=DRAWN).hot
    logs = [np.log(_group(hot, number)[2]) for number in range(1, 301)]
    middles = np.array([np.mean(each) for each in logs])
    assert np.mean(middles) == pytest.approx(np.log(10), abs=4.5 * np.std(middles) / 300**0.5)
    assert np.std(middles) == pytest.approx(np.log(400) / 12**0.5, rel=0.12)
    within = np.concatenate([each - np.mean(each) for each in logs])
    assert np.std(within) == pytest.approx(0.94 * np.log(scatter), rel=0.06, abs=1e-9)


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit on the detector: lower hot_groups"):
        _defects(hot_groups=5000, hot_group_shapes=("disc of 7",), hot_normalisation=50000)


def test_further_pixels_are_hot_in_each_later_epoch(grouped):
    settings = {"hot_groups": 300, "new_hot": 0.1}
    first, second, third = (_defects(epoch, **settings) for epoch in (1, 2, 3))
    np.testing.assert_array_equal(first.hot.pixels, grouped.hot.pixels)
    for before, after in ((first, second), (second, third)):
        kept = before.hot.rate.size
        np.testing.assert_array_equal(after.hot.pixels[:, :kept], before.hot.pixels)
        np.testing.assert_array_equal(after.hot.rate[:kept], before.hot.rate)
        assert after.hot.shapes[:-30] == before.hot.shapes
        singles = np.count_nonzero(after.hot.group[kept:] == 0)
        assert singles == pytest.approx(780, abs=4.5 * 780**0.5)
        assert np.all(after.truth[tuple(after.hot.pixels)] & HOT == HOT)


@pytest.mark.parametrize("step", [(-1, 0), (1, 0), (0, -1), (0, 1)])
def test_a_hot_pixel_spills_3_percent_into_each_neighbour(short, step):
    image = np.min([plane(path) for path in short.background], axis=0)  # no cosmic rays
    y, x = np.nonzero((fixed(short)[1:-1, 5:-5] & HOT != 0) & (image[1:-1, 5:-5] > 30))
    y, x = y + 1, x + 5
    part = image[y + step[0], x + step[1]] / image[y, x]
    assert part.size > 80
    assert np.nanmedian(part) == pytest.approx(0.031, abs=0.002)
    assert np.mean(fixed(short)[y + step[0], x + step[1]] & HALO != 0) == 1


def test_halos_are_marked_only_where_they_can_be_seen(long):
    truth = fixed(long)
    expected = 4 * 3900 / (0.1 / 0.031)
    assert np.count_nonzero(truth & HALO) == pytest.approx(expected, rel=0.1)


def test_low_pixels_respond_by_half_or_less(tmp_path):
    lower = replace(LIGHT_ONLY, low_pixels=250)
    good = simulate(tmp_path / "good", settings=LIGHT_ONLY, n_background=0, n_science=1)
    bad = simulate(tmp_path / "bad", settings=lower, n_background=0, n_science=1)
    low = fixed(bad) & LOW != 0
    assert np.count_nonzero(low) == 250
    reference, image = plane(good.science[0]), plane(bad.science[0])
    np.testing.assert_array_equal(image[~low], reference[~low])
    lit = low & (reference > 0)
    response = image[lit] / reference[lit]
    assert response.min() >= 0
    assert response.max() <= 0.5
    assert np.mean(response) == pytest.approx(0.25, abs=0.05)


def test_known_bad_pixels_are_singles_and_clusters(full):
    bad = np.isnan(plane(full.science[0]))
    assert np.mean(bad) == pytest.approx(0.009, rel=0.12)
    for path in (*full.science, *full.background):
        np.testing.assert_array_equal(np.isnan(plane(path)), bad)
        np.testing.assert_array_equal(plane(path, "DQ") == DO_NOT_USE, bad)
    around = np.pad(bad, 1).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3)).sum(axis=(2, 3))
    alone, in_cluster = np.mean(windows[bad] == 1), np.mean(windows[bad] >= 4)
    assert alone == pytest.approx(0.5 * 0.93, abs=0.08)  # 0.93: no neighbour by chance
    assert in_cluster == pytest.approx(0.5, abs=0.08)


def test_cosmic_rays_are_new_in_every_exposure(full):
    hits = cosmic(full)
    pixels = [np.count_nonzero(hit) for hit in hits]
    tracks = 54 * 45 * 2.775 * 0.03
    assert np.mean(pixels) == pytest.approx(2.5 * tracks, rel=0.15)
    for i, hit in enumerate(hits):
        for other in hits[:i]:
            assert np.count_nonzero(hit & other) < 10
    assert len(set(pixels)) > 1


def test_cosmic_rays_are_tracks_of_1_to_4_pixels(tmp_path):
    few = replace(LIGHT_ONLY, thermal_scale=0, source_rate=0, cosmic_ray_rate=2.0)
    files = simulate(tmp_path, settings=few, n_science=1, n_background=12)
    sizes = []
    for path, hit in zip(files.background, cosmic(files)[1:], strict=True):
        image = plane(path)
        assert np.all(image[~hit] == 0)
        assert np.all(image[hit] >= 0.25)
        left = hit.copy()
        while left.any():
            track = _connected(left, np.argwhere(left)[0])
            sizes.append(len(track))
            left[tuple(track.T)] = False
    assert set(sizes) == {1, 2, 3, 4}


def _connected(mask: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Grow from a pixel to all that touch it, diagonally too."""
    member = np.argwhere(mask)
    inside = np.all(member == start, axis=1)
    while True:
        near = np.abs(member[:, None] - member[inside][None]).max(axis=2).min(axis=1) <= 1
        if np.array_equal(near, inside):
            return member[inside]
        inside = near


def test_showers_are_faint_smooth_blobs(tmp_path):
    only = replace(LIGHT_ONLY, thermal_scale=0, source_rate=0, shower_rate=(0.2, 0.2),
                   shower_interval=30.0)  # fmt: skip
    files = simulate(tmp_path, settings=only, n_science=1, n_background=8)
    images = [plane(path) for path in files.background]
    peaks = np.array([image.max() for image in images])
    assert np.count_nonzero(peaks > 0.15) >= 5
    areas = [np.count_nonzero(image > 0.1) for image in images]
    assert max(areas) > 200
    slope = 0.607 * 0.2 / (8 / 2.355)  # steepest of the narrowest
    for image, peak in zip(images, peaks, strict=True):
        inner = image[:, REFERENCE_WIDTH:-REFERENCE_WIDTH]
        steepest = max(np.abs(np.diff(inner, axis=axis)).max() for axis in (0, 1))
        assert steepest <= slope * max(1.0, peak / 0.2 + 1)
    assert all(not hit.any() for hit in cosmic(files))
    assert not fixed(files).any()


# Offsets and noise


def test_the_gap_shows_the_pedestal(full):
    with fits.open(full.truth) as hdus:
        pedestals = [hdu.header["PEDESTAL"] for hdu in hdus if hdu.name == "COSMIC"]
    detector = fits.getheader(full.science[0])["DETECTOR"]
    low, high = {"MIRIFULONG": (0.05, 0.09), "MIRIFUSHORT": (-0.016, 0.012)}[detector]
    y0, y1, x0, x1 = DETECTORS[detector].gap
    for path, pedestal in zip(full.science + full.background, pedestals, strict=True):
        measured = np.nanmedian(plane(path)[y0:y1, x0:x1])
        assert measured == pytest.approx(pedestal, abs=0.01)
        assert low <= pedestal <= high
    assert len(set(pedestals)) == len(pedestals)


def test_no_light_falls_in_the_gap():
    for name in ("MIRIFULONG", "MIRIFUSHORT"):
        y0, y1, x0, x1 = DETECTORS[name].gap
        assert not full_geometry(name).slices[y0:y1, x0:x1].any()


def test_columns_have_offsets_of_their_own(long):
    images = [plane(path)[100:900, 476:506] for path in long.background]
    columns = [np.nanmedian(image, axis=0) for image in images]
    assert np.std(columns[0] - columns[1]) == pytest.approx(0.01 * np.sqrt(2), rel=0.5)


def test_noise_is_as_large_as_the_error_says(full):
    first, second = (plane(path) for path in full.background[:2])
    error = np.hypot(plane(full.background[0], "ERR"), plane(full.background[1], "ERR"))
    good = ~np.any(cosmic(full), axis=0) & (fixed(full) == 0) & (error > 0)
    difference = np.where(good, first - second, np.nan)[:, REFERENCE_WIDTH:-REFERENCE_WIDTH]
    good, error = (values[:, REFERENCE_WIDTH:-REFERENCE_WIDTH] for values in (good, error))
    pull = (difference - np.nanmedian(difference, axis=0))[good] / error[good]
    quartiles = np.percentile(pull, [25, 75])  # showers are too faint for these
    assert np.diff(quartiles)[0] / 1.349 == pytest.approx(1, abs=0.02)


def test_read_noise_alone_is_a_fortieth_of_a_dn_per_second():
    assert np.sqrt(Settings().slope_variance) == pytest.approx(0.025, abs=0.0005)


def test_variances_are_those_of_reads_and_photons(long):
    path = long.background[0]
    sci, photons, reads = (plane(path, name) for name in ("SCI", "VAR_POISSON", "VAR_RNOISE"))
    np.testing.assert_allclose(reads[:, 4:-4][~np.isnan(reads[:, 4:-4])], 0.0248**2, rtol=0.01)
    bright = sci > 3
    ratio = np.median(photons[bright] / sci[bright])
    assert ratio == pytest.approx(1.2 / (4 * 45 * 2.775), rel=0.01)
