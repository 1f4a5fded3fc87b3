"""The content of simulated exposures, against the numbers that it shall have."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from astropy.io import fits

from badpix_selfcal.instrument import DETECTORS, DO_NOT_USE, REFERENCE_PIXEL
from badpix_selfcal.simulate import HALO, HOT, LIGHT_ONLY, LOW, Settings, simulate
from badpix_selfcal.simulate.defects import fixed_defects
from badpix_selfcal.simulate.groups import APART
from badpix_selfcal.simulate.scene import pointing
from badpix_selfcal.simulate.slices import CHANNELS

from . import DATA
from .simulations import cosmic, fixed, full_geometry, plane

MAPS = DATA / "miri-mrs-geometry"
INNER = np.s_[:, 4:-4]  # without the reference pixels of MIRI
NO_LIGHT = replace(LIGHT_ONLY, thermal_scale=0, source_rate=0)
SOURCE = replace(LIGHT_ONLY, thermal_scale=0, nebula_fraction=0, fringe_amplitude=0,
                 second_fringe_amplitude=0)  # fmt: skip


# Light


@pytest.mark.parametrize(("name", "detector"), [("12A", "MIRIFUSHORT"), ("34C", "MIRIFULONG")])
def test_slices_and_wavelengths_are_those_of_the_flight_distortion(name, detector):
    path = MAPS / f"geom_{name}_flt9.npz"
    if not path.exists():
        pytest.skip(f"the maps are absent: {path}")
    ours = full_geometry(detector)
    with np.load(path) as maps:
        slices, wavelength, alpha = (maps[key] for key in ("slice", "lam", "alpha"))
    assert np.mean(ours.slices == slices) > 0.96
    for channel in CHANNELS[detector]:
        same = ours.of_channel(channel) & (ours.slices == slices)
        off = (ours.wavelength - wavelength)[same] / (abs(channel.wavelength[1]) / 512)
        assert np.sqrt(np.mean(off**2)) < 1
        assert np.abs(off).max() < 6
        sideways = (ours.alpha - alpha.astype(float))[same] / abs(channel.alpha[1])
        assert np.sqrt(np.mean(sideways**2)) < 0.6
        numbers = set(ours.slices[ours.of_channel(channel)].tolist())
        assert numbers == {100 * channel.number + k for k in range(1, channel.slices + 1)}
    y0, y1, x0, x1 = DETECTORS[detector].gap
    assert not ours.slices[y0:y1, x0:x1].any()


@pytest.mark.parametrize(
    ("detector", "dithers"), [("MIRIFUSHORT", 4), ("MIRIFULONG", 4), ("NRS1", 2)]
)
def test_the_source_moves_and_its_lines_stay(tmp_path, detector, dithers):
    one = replace(SOURCE, lines=1, line_contrast=(20.0, 20.0))
    files = simulate(tmp_path, detector=detector, settings=one, n_science=dithers, n_background=1)
    assert not plane(files.background[0]).any()
    seen = full_geometry(detector)
    for channel in CHANNELS[detector]:
        lit = seen.of_channel(channel)
        found = []
        for dither, path in enumerate(files.science):
            image = np.where(lit, plane(path), 0)
            found.append(seen.wavelength.flat[np.argmax(image)])
            weight = image / image.sum()
            place = np.sum(weight * seen.alpha), np.sum(weight * seen.beta)
            assert place == pytest.approx(pointing(dither, one), abs=0.6 * channel.slice_width)
        assert np.ptp(found) < 2 * np.mean(found) / 3000
    assert len({pointing(dither, one) for dither in range(8)}) == 8


def test_nirspec_disperses_along_x_and_has_no_pedestal(tmp_path):
    files = simulate(tmp_path, detector="NRS2", n_science=1, n_background=1)
    seen = full_geometry("NRS2")
    assert set(np.unique(seen.slices)) == set(range(31))
    same = (seen.slices[:, 1:] == seen.slices[:, :-1]) & (seen.slices[:, 1:] > 0)
    assert np.all(np.diff(seen.wavelength, axis=1)[same] > 0)
    sci, dq = plane(files.background[0]), plane(files.background[0], "DQ")
    assert fits.getheader(files.background[0], "SCI")["DISPAXIS"] == 1
    assert fits.getheader(files.truth, "COSMIC")["PEDESTAL"] == 0
    assert np.nanmedian(sci[seen.slices == 0]) == pytest.approx(0, abs=0.001)
    border = np.ones(sci.shape, bool)
    border[4:-4, 4:-4] = False
    np.testing.assert_array_equal(dq == DO_NOT_USE | REFERENCE_PIXEL, border)


# Defects


def _defects(epoch=1, seed=6, **settings):
    known, rng = DETECTORS["MIRIFULONG"], np.random.default_rng(seed)
    return fixed_defects(known, known.shape, Settings(**settings), rng, epoch)


@pytest.fixture(scope="module")
def grouped():
    return _defects(hot_groups=300)


def _group(hot, number):
    """Return the rows, the columns and the rates of a group."""
    inside = hot.group == number
    return (*hot.pixels[:, inside], hot.rate[inside])


def test_the_number_of_hot_pixels_brighter_than_a_is_3900_over_a(short):
    hot = _defects(seed=5).hot
    assert 0.5 <= hot.rate.min() < hot.rate.max() <= 5000
    # In exposures: their minimum has no cosmic rays, and almost no light in channels 1 and 2.
    lowest = np.min([plane(path) for path in short.background], axis=0)
    minimum_of_scatter = 1 - 1.03 * 0.03  # of four normal values
    for brightness in (2, 5, 10, 30):
        expected = 3900 / brightness
        assert abs(np.count_nonzero(hot.rate > brightness) - expected) < 4.5 * np.sqrt(expected)
        expected *= minimum_of_scatter * (1 - 0.009)
        halos = 3900 / (brightness / 0.031) * 4
        count = np.count_nonzero(lowest > brightness)
        assert abs(count - expected - halos) < 4.5 * np.sqrt(expected)


def test_a_hot_pixel_spills_3_percent_into_each_neighbour(short):
    image = np.min([plane(path) for path in short.background], axis=0)  # no cosmic rays
    truth = fixed(short)
    y, x = np.nonzero((truth[1:-1, 5:-5] & HOT != 0) & (image[1:-1, 5:-5] > 30))
    y, x = y + 1, x + 5
    assert y.size > 80
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        part = image[y + dy, x + dx] / image[y, x]
        assert np.nanmedian(part) == pytest.approx(0.031, abs=0.002)
        assert np.all(truth[y + dy, x + dx] & HALO != 0)
    visible = 4 * 3900 / (0.1 / 0.031)
    assert np.count_nonzero(truth & HALO) == pytest.approx(visible, rel=0.1)


def test_groups_come_on_top_and_apart_on_pixels_that_nothing_else_has(grouped):
    plain, hot = _defects(), grouped.hot
    single = hot.group == 0
    np.testing.assert_array_equal(hot.pixels[:, single], plain.hot.pixels)
    np.testing.assert_array_equal(hot.rate[single], plain.hot.rate)
    for name in ("response", "known_bad"):
        np.testing.assert_array_equal(getattr(grouped, name), getattr(plain, name))
    assert len(hot.shapes) == hot.group.max() == 300
    assert len(set(zip(*hot.pixels.tolist(), strict=True))) == hot.rate.size
    assert np.all(grouped.truth[tuple(hot.pixels)] & (HOT | LOW) == HOT)
    groups = [hot.pixels[:, hot.group == number] for number in range(1, 301)]
    for one, other in combinations(groups, 2):
        assert np.abs(one[:, :, None] - other[:, None]).max(axis=0).min() > APART


def test_further_pixels_are_hot_in_each_later_epoch(grouped):
    settings = {"hot_groups": 300, "new_hot": 0.1}
    second, third = (_defects(epoch, **settings) for epoch in (2, 3))
    for before, after in ((grouped, second), (second, third)):
        kept = before.hot.rate.size
        np.testing.assert_array_equal(after.hot.pixels[:, :kept], before.hot.pixels)
        np.testing.assert_array_equal(after.hot.rate[:kept], before.hot.rate)
        assert after.hot.shapes[:-30] == before.hot.shapes
        singles = np.count_nonzero(after.hot.group[kept:] == 0)
        assert singles == pytest.approx(780, abs=4.5 * 780**0.5)
        assert np.all(after.truth[tuple(after.hot.pixels)] & HOT == HOT)


# Offsets and noise


def test_the_gap_shows_the_pedestal_and_columns_have_offsets_of_their_own(full):
    with fits.open(full.truth) as hdus:
        pedestals = [hdu.header["PEDESTAL"] for hdu in hdus if hdu.name == "COSMIC"]
    detector = fits.getheader(full.science[0])["DETECTOR"]
    low, high = {"MIRIFULONG": (0.05, 0.09), "MIRIFUSHORT": (-0.016, 0.012)}[detector]
    y0, y1, x0, x1 = DETECTORS[detector].gap
    gaps = [plane(path)[y0:y1, x0:x1] for path in full.science + full.background]
    for gap, pedestal in zip(gaps, pedestals, strict=True):
        assert np.nanmedian(gap) == pytest.approx(pedestal, abs=0.01)
        assert low <= pedestal <= high
    assert len(set(pedestals)) == len(pedestals)
    first, second = (np.nanmedian(gap, axis=0) for gap in gaps[:2])
    assert np.std(first - second) == pytest.approx(0.01 * np.sqrt(2), rel=0.5)


def test_noise_is_as_large_as_the_error_says_and_of_each_exposure(full):
    first, second = (plane(path) for path in full.background[:2])
    error = np.hypot(*(plane(path, "ERR") for path in full.background[:2]))
    good = ~np.any(cosmic(full), axis=0) & (fixed(full) == 0) & (error > 0)
    difference = np.where(good, first - second, np.nan)[INNER]
    pull = (difference - np.nanmedian(difference, axis=0))[good[INNER]] / error[INNER][good[INNER]]
    quartiles = np.percentile(pull, [25, 75])  # showers are too faint for these
    assert np.diff(quartiles)[0] / 1.349 == pytest.approx(1, abs=0.02)
