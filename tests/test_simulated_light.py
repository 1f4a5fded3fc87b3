"""The simulated light against its numbers, and the geometry of the slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from badpix_selfcal.instrument import DETECTORS, DO_NOT_USE, REFERENCE_PIXEL
from badpix_selfcal.simulate import LIGHT_ONLY, simulate
from badpix_selfcal.simulate.defects import REFERENCE_WIDTH
from badpix_selfcal.simulate.scene import FWHM, pointing, sky
from badpix_selfcal.simulate.slices import CHANNELS

from .simulations import GAP_SIZE, MAPS, SOURCE, full_geometry, plane

# Light


@pytest.mark.parametrize(("detector", "setting"), [("MIRIFUSHORT", "12A"), ("MIRIFULONG", "34C")])
def test_geometry_matches_the_in_flight_maps(detector, setting):
    path = MAPS / f"geom_{setting}_flt9.npz"
    if not path.exists():
        pytest.skip(f"no in-flight maps: {path} is absent (not part of the package)")
    ours = full_geometry(detector)
    with np.load(path) as maps:
        slices, wavelength, alpha = (maps[key] for key in ("slice", "lam", "alpha"))
    assert np.mean(ours.slices == slices) > 0.96
    assert np.mean(ours.slices == 0) == pytest.approx(np.mean(slices == 0), abs=0.015)
    for channel in CHANNELS[detector]:
        same = ours.of_channel(channel) & (ours.slices == slices)
        row = abs(channel.wavelength[1]) / 512  # um
        off = (ours.wavelength - wavelength)[same] / row
        assert np.sqrt(np.mean(off**2)) < 1
        assert np.abs(off).max() < 6
        pixel = abs(channel.alpha[1])
        sideways = (ours.alpha - alpha.astype(float))[same] / pixel
        assert np.sqrt(np.mean(sideways**2)) < 0.6


@pytest.mark.parametrize(
    ("detector", "channel", "slices"),
    [("MIRIFUSHORT", 1, 21), ("MIRIFUSHORT", 2, 17), ("MIRIFULONG", 3, 16), ("MIRIFULONG", 4, 12)],
)
def test_channels_have_their_slices_and_direction(detector, channel, slices):
    seen = full_geometry(detector)
    numbers = set(seen.slices[seen.slices // 100 == channel].tolist())
    assert numbers == {100 * channel + k for k in range(1, slices + 1)}
    (about,) = (one for one in CHANNELS[detector] if one.number == channel)
    lit = seen.of_channel(about)
    both = lit[1:] & lit[:-1] & (seen.slices[1:] == seen.slices[:-1])
    rise = np.diff(seen.wavelength, axis=0)[both]
    assert np.all(rise > 0 if channel <= 2 else rise < 0)


@pytest.mark.parametrize(
    ("detector", "dithers"), [("MIRIFUSHORT", 4), ("MIRIFULONG", 4), ("NRS1", 2)]
)
def test_the_source_moves_and_its_lines_stay(tmp_path, detector, dithers):
    one = replace(SOURCE, lines=1, line_contrast=(20.0, 20.0))
    files = simulate(tmp_path, detector=detector, settings=one, n_science=dithers, n_background=0)
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
    places = {pointing(dither, one) for dither in range(8)}
    assert len(places) == 8


@pytest.mark.parametrize("detector", ["MIRIFUSHORT", "MIRIFULONG"])
def test_the_source_is_as_wide_as_the_telescope_makes_it(tmp_path, detector):
    centred = replace(SOURCE, dither=(0, 0))
    files = simulate(tmp_path, detector=detector, settings=centred, n_science=1, n_background=0)
    image, seen = plane(files.science[0]), full_geometry(detector)
    for channel in CHANNELS[detector]:
        weight = np.where(seen.of_channel(channel), image, 0)
        weight /= weight.sum()
        variance = np.sum(weight * seen.alpha**2) - np.sum(weight * seen.alpha) ** 2
        expected = (0.33 * channel.wavelength[0] / 10 / 2.355) ** 2
        expected += 0.213 * channel.alpha[1] ** 2  # the blur's three taps
        assert variance == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("detector", ["MIRIFUSHORT", "MIRIFULONG", "NRS1"])
@pytest.mark.parametrize(("power", "pixels"), [(3000, 2.3), (4500, 1.7)])
def test_lines_are_as_wide_as_the_resolving_power_makes_them(detector, power, pixels):
    one = replace(SOURCE, lines=1, line_contrast=(1e6, 1e6), resolving_power=power)
    known = DETECTORS[detector]
    widths = []
    for seed in range(6):
        light = sky(known, known.shape, one, np.random.default_rng(seed))
        image = light.extended(np.ones_like(light.spectrum))
        widths += _widths(image if known.dispaxis == 2 else image.T)
    assert len(widths) > 150
    assert np.median(widths) == pytest.approx(pixels, abs=0.12)


def _widths(image):
    """Return the width (FWHM) of the brightest line in some columns, from its second moment."""
    widths = []
    for column in range(20, image.shape[1] - 20, 10):
        peak = int(np.argmax(image[:, column]))
        cut = image[max(peak - 8, 0) : peak + 9, column].astype(float)
        if cut.size == 17 and cut.max() > 1e6 and max(cut[0], cut[-1]) < 10:
            along = np.arange(17)
            middle = np.average(along, weights=cut)
            widths.append(FWHM * np.average((along - middle) ** 2, weights=cut) ** 0.5)
    return widths


def test_backgrounds_have_no_source(tmp_path):
    files = simulate(tmp_path, settings=SOURCE, n_science=1, n_background=2)
    assert plane(files.science[0]).max() > 1
    for path in files.background:
        assert not plane(path).any()


@pytest.mark.parametrize(
    ("detector", "channel", "rate"),
    [
        ("MIRIFUSHORT", 1, 0.006),
        ("MIRIFUSHORT", 2, 0.018),
        ("MIRIFULONG", 3, 0.18),
        ("MIRIFULONG", 4, 2.6),
    ],
)
def test_the_thermal_background_has_its_rate_and_reddens(tmp_path, detector, channel, rate):
    smooth = replace(LIGHT_ONLY, fringe_amplitude=0, second_fringe_amplitude=0)
    files = simulate(tmp_path, detector=detector, settings=smooth, n_science=1, n_background=1)
    image, seen = plane(files.background[0]), full_geometry(detector)
    lit = seen.slices // 100 == channel
    lit[:, :REFERENCE_WIDTH] = lit[:, -REFERENCE_WIDTH:] = False
    middle = np.median(image[500:524][lit[500:524]])
    assert middle == pytest.approx(rate, rel=0.1)
    blue, red = (np.percentile(seen.wavelength[lit], q) for q in (10, 90))
    assert np.median(image[lit & (seen.wavelength > red)]) > np.median(
        image[lit & (seen.wavelength < blue)]
    )


@pytest.mark.parametrize(
    ("detector", "channel", "rows"),
    [
        ("MIRIFUSHORT", 1, 9.5),
        ("MIRIFUSHORT", 2, 14.7),
        ("MIRIFULONG", 3, 30.5),
        ("MIRIFULONG", 4, 45),
    ],
)
def test_fringes_have_their_period_and_amplitude(tmp_path, detector, channel, rows):
    images = []
    for amplitude in (0.15, 0.0):
        settings = replace(LIGHT_ONLY, fringe_amplitude=amplitude, second_fringe_amplitude=0)
        folder = tmp_path / str(amplitude)
        files = simulate(folder, detector=detector, settings=settings, n_science=1, n_background=1)
        images.append(plane(files.background[0]))
    seen = full_geometry(detector)
    (about,) = (one for one in CHANNELS[detector] if one.number == channel)
    inner = seen.of_channel(about) & (
        np.abs(seen.alpha) < 0.3 * about.width[0] * abs(about.alpha[1])
    )
    column = np.flatnonzero(inner[384:640].all(axis=0))[0]
    factor = images[0][384:640, column] / images[1][384:640, column] - 1
    crossings = np.flatnonzero(np.diff(np.sign(factor)))
    period = 2 * np.ptp(crossings) / (crossings.size - 1)
    assert period == pytest.approx(rows, rel=0.08)
    assert np.abs(factor).max() == pytest.approx(0.15, rel=0.15)


def test_fine_fringes_are_in_the_long_channels_only(tmp_path):
    changed = {}
    for detector in ("MIRIFUSHORT", "MIRIFULONG"):
        images = []
        for amplitude in (0.0, 0.1):
            settings = replace(LIGHT_ONLY, fringe_amplitude=0, second_fringe_amplitude=amplitude)
            folder = tmp_path / f"{detector}{amplitude}"
            files = simulate(folder, detector=detector, settings=settings, size=GAP_SIZE)
            images.append(plane(files.background[0]))
        changed[detector] = not np.array_equal(*images)
    assert changed == {"MIRIFUSHORT": False, "MIRIFULONG": True}


# NIRSpec


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_nirspec_disperses_along_x_and_has_no_pedestal(tmp_path, detector):
    files = simulate(tmp_path, detector=detector, n_science=1, n_background=1)
    seen = full_geometry(detector)
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
