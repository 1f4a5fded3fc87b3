"""The sigma cut: the kernel beside plain NumPy, what must not change its flags, what it flags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.arrays.bad_pixels import sharp_groups, spread_of_minimum, upper_cut
from badpix_selfcal.simulate.groups import PICTURES
from badpix_selfcal.testing import assert_same, dispaxes, images, kernel_sizes, large_images

from .profiles import share

CUTS = {"sigma_lower": 2.5, "sigma_upper": 2.5}
SEEDS = st.integers(0, 2**32 - 1)
SIDE = 44


@st.composite
def observations(draw, *, source=images, infinities=False):
    """Draw a minimum image, and errors or None: of any sign, missing, or of another scale."""
    image = draw(source(infinities=infinities) if source is images else source())
    kind = draw(st.sampled_from(["none", "valid", "some", "zero", "nan"]))
    if kind == "none":
        return image, None
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    errors = rng.uniform(0.5, 2, image.shape) * draw(st.sampled_from([1e-3, 1.0, 1e3]))
    if kind == "some":
        errors[rng.random(image.shape) < 0.3] = draw(st.sampled_from([np.nan, 0, -1, np.inf]))
    if kind in ("zero", "nan"):
        errors[:] = 0 if kind == "zero" else np.nan
    return image, errors.astype(image.dtype)


def groups_of_pixels(seed, dtype=np.float32, *, whole=False, odd=True):
    """Return noise of 1 with hot groups, a tilted line, a source, missing and infinite pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = rng.standard_normal((SIDE, SIDE))
    image += 10 ** rng.uniform(0, 3) * np.exp(-0.5 * ((y - 20 - x * rng.normal(0, 0.2)) / 1.0) ** 2)
    image += 10 ** rng.uniform(0, 3) * np.exp(-0.5 * ((x - 30) / rng.uniform(1, 4)) ** 2)
    for _ in range(8):
        place = rng.integers(0, SIDE, 2) + rng.integers(-2, 3, (rng.integers(1, 12), 2))
        place = place.clip(0, SIDE - 1)
        image[tuple(place.T)] += 10 ** rng.uniform(0.5, 3.5)
    if whole:
        image = image.round()
    if odd:
        image[rng.random(image.shape) < 0.03] = np.nan
        image[rng.random(image.shape) < 0.002] = rng.choice([np.inf, -np.inf])
    return image.astype(dtype)


observed = observations() | st.builds(
    lambda seed, dtype, has_error: (
        (image := groups_of_pixels(seed, dtype)),
        np.ones_like(image) if has_error else None,
    ),
    SEEDS,
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
)


def find(image, error=None, *, by=bps.find_bad_pixels, **how):
    return by(image, cut="sigma", error=error, **{**CUTS, "dispaxis": 2, **how})


def found_in(image, dispaxis=2, **how):
    how = {"error": np.ones_like(image), "n_exposures": 4, "sigma_lower": 12.0, **how}
    return find(image, dispaxis=dispaxis, **{"sigma_upper": None, **how})


def assert_equals_the_twin(image, error, **how):
    ours, theirs = (
        find(image, error, by=by, **how) for by in (bps.find_bad_pixels, reference.find_bad_pixels)
    )
    for name in ("mask", "residual", "significance", "noise"):
        assert_same(getattr(ours, name), getattr(theirs, name))
    facts = ("cut_low", "cut_high", "n_low", "n_high", "error_scale")
    assert [getattr(ours, each) for each in facts] == [getattr(theirs, each) for each in facts]


@given(observations(infinities=True) | observed, dispaxes(), kernel_sizes(21), st.integers(1, 9))
@example((np.zeros((1, 1), np.float32), None), None, 1, 1)
@example((np.full((3, 4), np.nan), np.ones((3, 4))), 1, 15, 2)
@example((np.zeros((0, 5)), None), 2, 15, 1)  # once, the twin failed
@example((np.zeros((5, 0)), np.zeros((5, 0))), 1, 3, 2)
@example((np.array([[-3e38, 2e38], [-3e38, 3e38]], np.float32), None), 2, 3, 1)  # infinite level
def test_the_kernel_equals_plain_numpy(observation, dispaxis, k, n):
    how = {"dispaxis": dispaxis, "kernel_size": k, "n_exposures": n}
    for edge in ("auto", "zero", "shrink"):
        assert_equals_the_twin(*observation, edge=edge, **how)
    for detector in (None, "NRS1"):
        assert_equals_the_twin(*observation, grow=True, detector=detector, **how)


@given(SEEDS, dispaxes(), st.sampled_from([None, "NRS1"]), st.floats(1, 12), st.integers(1, 9))
def test_groups_with_sharp_edges_are_those_of_plain_numpy(seed, dispaxis, detector, cut, number):
    image = groups_of_pixels(seed)
    for error in (None, np.ones_like(image)):
        how = {"dispaxis": dispaxis, "detector": detector, "n_exposures": number}
        assert_equals_the_twin(image, error, sigma_upper=cut, **how)


@share(0.1)
@given(observations(source=large_images), st.sampled_from([1, 2]))
def test_large_images_equal_plain_numpy(observation, dispaxis):
    assert_equals_the_twin(*observation, dispaxis=dispaxis)


@pytest.mark.parametrize("error", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_detector_equals_plain_numpy(dtype, error):
    """More pixels than those from which the noise by brightness is measured."""
    rng = np.random.default_rng(5)
    image = rng.normal(100, 1, (600, 520)).astype(dtype)
    image[:, 100:140] += 50 * np.sin(np.arange(600) / 9)[:, np.newaxis].astype(dtype) ** 2
    image[rng.random(image.shape) < 0.02] = np.nan
    errors = rng.uniform(0.9, 1.1, image.shape).astype(dtype) if error else None
    cuts = {"sigma_lower": 12.0, "sigma_upper": None}
    assert_equals_the_twin(image, errors, n_exposures=4, **cuts)


@given(observed, dispaxes(), st.integers(-20, 20), st.sampled_from([0.5, 2.0]))
def test_scales_by_powers_of_two_change_no_flag(observation, dispaxis, power, factor):
    image, error = observation
    scale = image.dtype.type(2.0**power)
    one = find(image, error, dispaxis=dispaxis)
    other = find(image * scale, None if error is None else error * scale, dispaxis=dispaxis)
    for name in ("mask", "significance"):
        assert_same(getattr(one, name), getattr(other, name))
    assert_same(one.noise * scale, other.noise)
    if one.error_scale is not None:
        scaled = find(image, error * image.dtype.type(factor), dispaxis=dispaxis)
        assert_same(one.mask, scaled.mask)
        assert scaled.error_scale * factor == one.error_scale


@given(SEEDS, dispaxes(), st.integers(-500, 500), st.floats(0.1, 10))
def test_a_constant_and_the_scale_of_the_errors_change_no_flag(seed, dispaxis, level, factor):
    """The samples are whole numbers, so that adding the constant is exact."""
    image = groups_of_pixels(seed, np.float64, whole=True)
    mask = found_in(image, dispaxis).mask
    assert_same(found_in(image + level, dispaxis).mask, mask)
    # The scale of the errors is measured to rounding.
    by_errors = found_in(image, dispaxis, error=np.full_like(image, factor)).mask
    assert np.count_nonzero(by_errors != mask) <= 1


@given(observed, dispaxes())
def test_turned_images_have_turned_masks(observation, dispaxis):
    image, error = observation
    mask = find(image, error, dispaxis=dispaxis).mask
    turned_axis = {1: 2, 2: 1, None: None}[dispaxis]
    for turn, axis in ((np.flipud, dispaxis), (np.fliplr, dispaxis), (np.transpose, turned_axis)):
        turned = None if error is None else turn(error)
        assert_same(find(turn(image), turned, dispaxis=axis).mask, turn(mask))


@pytest.mark.parametrize("error", [False, True])
@pytest.mark.parametrize("dispaxis", [1, 2, None])
def test_the_rows_of_a_task_change_no_pixel(dispaxis, error):
    """The image has more rows than a task. Upside down, the first row of the second one differs."""
    rng = np.random.default_rng(3)
    image = rng.normal(100, 1, (300, 600)).astype(np.float32)
    image[rng.random(image.shape) < 0.1] = np.nan
    image[200:280] += 20 * rng.random((80, 600), np.float32)
    errors = rng.uniform(0.5, 2, image.shape).astype(np.float32) if error else None
    one = find(image, errors, dispaxis=dispaxis)
    other = find(image[::-1], None if errors is None else errors[::-1], dispaxis=dispaxis)
    for name in ("mask", "residual", "significance", "noise"):
        assert_same(getattr(one, name)[::-1], getattr(other, name))


@given(observed, dispaxes(), st.floats(0.5, 6), st.floats(0, 6), st.floats(0, 6))
def test_stricter_cuts_flag_fewer_pixels(observation, dispaxis, least, more_low, more_high):
    loose, strict = (
        find(*observation, dispaxis=dispaxis, sigma_lower=least + low, sigma_upper=least + high)
        for low, high in ((0, 0), (more_low, more_high))
    )
    assert not (strict.mask & ~loose.mask).any()
    assert strict.n_low <= loose.n_low
    assert strict.n_high <= loose.n_high


@given(observations(infinities=True) | observed, dispaxes())
def test_the_mask_is_the_significance_beyond_the_cuts(observation, dispaxis):
    image, error = observation
    found = find(image, error, dispaxis=dispaxis)
    low, high = found.significance < found.cut_low, found.significance > found.cut_high
    assert_same(found.mask, low | high)
    assert (found.n_low, found.n_high) == (low.sum(), high.sum())
    assert (found.cut_low, found.cut_high) == (-2.5, 2.5)
    assert not found.mask[np.isnan(image)].any()


@pytest.mark.parametrize("dispaxis", [1, 2])
def test_missing_rows_and_columns_do_not_spread(dispaxis):
    """Beyond the reach of the windows, nothing changes."""
    rng = np.random.default_rng(3)
    image = rng.normal(0, 1, (200, 210)).astype(np.float32)
    image[150, 160] = 40
    error = np.ones_like(image)
    whole = find(image, error, dispaxis=dispaxis)
    image[30], image[:, 40] = np.nan, np.nan
    torn = find(image, error, dispaxis=dispaxis)
    assert np.isnan(torn.significance[30]).all()
    assert np.isnan(torn.significance[:, 40]).all()
    assert np.isfinite(np.delete(np.delete(torn.significance, 30, 0), 40, 1)).all()
    reach = 7 + 15 + 1
    far = (slice(30 + reach, None), slice(40 + reach, None))
    np.testing.assert_allclose(torn.significance[far], whole.significance[far], rtol=0.02)
    assert torn.mask[150, 160]


ROWS = np.arange(240)[:, np.newaxis]
CROSS = ([100, 99, 101, 100, 100], [100, 100, 100, 99, 101])


def line(peak, width):
    """Return light across the dispersion, in every column of a scene."""
    return peak * np.exp(-0.5 * ((ROWS - 120) / width) ** 2)


def scene(shape=(240, 200), light=0.0):
    """Return a flat image, with light, and errors of 1."""
    image = np.random.default_rng(7).normal(0, 1, shape) + light
    return image.astype(np.float32), np.ones(shape, np.float32)


def test_a_hot_pixel_is_flagged_and_a_line_is_not():
    image, error = scene(light=line(80, 1.1))
    image[60, 70] += 15
    image[120, 150] += 300  # on the line
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error)
    assert found.mask[[60, 120], [70, 150]].all()
    assert found.mask.sum() < 6
    assert bps.find_bad_pixels(image, dispaxis=2).mask.sum() > 90


def test_missing_samples_on_the_flank_of_a_wide_line_flag_nothing():
    """There, a missing sample shifts the running median by a step of the flank."""
    image, error = scene(light=line(2000, 3))
    image[np.random.default_rng(1).random(image.shape) < 0.02] = np.nan
    assert bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error).mask.sum() <= 2


def test_an_unresolved_source_is_spared():
    y, x = np.ogrid[:240, :200]
    image, error = scene(
        light=sum(
            60 * np.exp(-0.5 * ((y - row) ** 2 + (x - column) ** 2) / 0.9**2)
            for row, column in ((50, 60), (120, 100), (180, 150))
        )
    )
    assert bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error).mask.sum() <= 1


def test_a_bright_hot_pixel_and_its_halo():
    image, error = scene()
    image[CROSS] += [1000, 31, 31, 31, 31]
    assert bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error).mask[CROSS].all()


def test_clean_noise_has_next_to_no_flags():
    image, error = scene((1024, 1032))
    for errors in (error, None):
        found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=errors)
        assert found.mask.mean() < 2e-4
        assert found.n_low == 0
    assert found.error_scale is None


def test_the_scale_of_the_errors_is_measured():
    image, error = scene((512, 512))
    for scale in (0.25, 1.0, 3.0):
        found = find(image, error / np.float32(scale))
        assert found.error_scale == pytest.approx(scale, rel=0.06)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 8, 20])
def test_the_spread_of_a_minimum(number):
    drawn = np.random.default_rng(1).normal(size=(100_000, number)).min(axis=1)
    assert spread_of_minimum(number) == pytest.approx(drawn.std(), rel=0.015)
    assert spread_of_minimum(10**5) > spread_of_minimum(10**9) == spread_of_minimum(10**6) > 0.2


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"cut": "sigmas"}, ValueError, "cut must be 'fraction' or 'sigma', got 'sigmas'"),
        ({"cut": "fraction", "error": np.ones((4, 5))}, ValueError, "pass cut='sigma'"),
        ({"error": np.ones((5, 4))}, ValueError, r"error has shape \(5, 4\), minimum has \(4, 5\)"),
        ({"error": np.ones((4, 5), complex)}, TypeError, "error must hold real numbers"),
        ({"n_exposures": 0}, ValueError, "n_exposures must be at least 1, got 0"),
        ({"n_exposures": 1.5}, TypeError, "n_exposures must be a whole number"),
        ({"sigma_upper": np.nan}, ValueError, "sigma_upper must be above 0, got nan"),
        ({"grow": 1}, TypeError, "grow must be True or False, got 1"),
        ({"detector": 1}, TypeError, "detector must be a string or None, got 1"),
        ({"sigma_upper": "4"}, TypeError, "sigma_upper must be a number above 0"),
        ({"edge": "wrap"}, ValueError, "edge must be 'auto', 'zero' or 'shrink', got 'wrap'"),
    ],
)
def test_wrong_arguments_are_named(how, error, message):
    with pytest.raises(error, match=message):
        bps.find_bad_pixels(np.zeros((4, 5)), **{"dispaxis": 2, "cut": "sigma", **how})


def test_errors_of_other_types_are_converted_and_arguments_not_modified():
    image, error = scene((30, 30))
    before = image.copy(), error.copy()
    image.flags.writeable = error.flags.writeable = False
    expected = find(image, error)
    for other in (error.astype(np.float64), error.astype(">f4"), error.astype(int)):
        assert_same(find(image, other).significance, expected.significance)
    too_large = np.full(image.shape, 1e300)
    assert find(image, too_large).error_scale is None
    assert_same(image, before[0])
    assert_same(error, before[1])


def test_dark_gaps_between_lines_are_spared_and_a_low_pixel_is_flagged():
    """The gaps are below the running median; a pixel of low response is below its neighbours."""
    flagged = 0
    for seed in (1, 2, 14, 21):
        rng = np.random.default_rng(seed)
        lines = np.zeros((240, 1))
        for at in rng.uniform(10, 230, 14):
            peak = rng.uniform(25, 400)
            lines += peak * np.exp(-0.5 * ((ROWS - at) / rng.uniform(0.9, 1.3)) ** 2)
        image = rng.normal(0, 1, (240, 200)) + 10
        image[:, 41:70] += lines
        image[:, 91:150] += lines
        image[rng.random(image.shape) < 0.02] = np.nan
        image[60, 20] = -30
        found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=np.ones_like(image))
        assert found.mask[60, 20]
        flagged += found.n_low - 1
    assert flagged <= 14  # 50 without the comparison with the neighbours


@pytest.mark.parametrize("dispaxis", [1, 2])
def test_a_hot_pixel_beside_a_line_makes_no_pixel_low(dispaxis):
    """They shift the running median of a column, but its pixels look like those across."""
    image = np.random.default_rng(11).normal(100, 1, (240, 200)) + line(700, 1.2)
    hot = np.arange(10, 190, 10)
    image[114, hot] += 1000
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        image[114 + down, hot + right] += 31
    image[60, [50, 99]] -= 70
    image[:, 100:] -= 100 + line(700, 1.2)  # a gap beside a slice
    if dispaxis == 1:
        image = image.T
    found = bps.find_bad_pixels(image, dispaxis=dispaxis, cut="sigma", error=np.ones_like(image))
    low = found.significance < -12
    assert np.argwhere(low if dispaxis == 2 else low.T).tolist() == [[60, 50], [60, 99]]


@pytest.mark.parametrize("by", [bps.find_bad_pixels, reference.find_bad_pixels])
def test_the_number_of_exposures_decides_unless_the_upper_cut_is_given(by):
    assert upper_cut(1) > upper_cut(2) == upper_cut(3) > upper_cut(4) == upper_cut(10**9)
    image = np.random.default_rng(3).normal(size=(60, 70))
    for number in (1, 2, 3, 4, 9):
        found = find(image, by=by, n_exposures=number, sigma_upper=None)
        assert found.cut_high == upper_cut(number)
        assert_same(found.high, found.significance > upper_cut(number))
        assert find(image, by=by, n_exposures=number, sigma_upper=7).cut_high == 7


def neighbours(mask):
    """Mark the four neighbours of pixels."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


@given(observed, dispaxes(), st.sampled_from([None, "mirifulong ", "NRS2", "other"]))
def test_growth_flags_the_neighbours_that_a_bright_pixel_lights_up(observation, axis, detector):
    image, error = observation
    plain = find(image, error, dispaxis=axis, detector=detector)
    grown = find(image, error, dispaxis=axis, detector=detector, grow=True)
    assert_equals_the_twin(image, error, dispaxis=axis, detector=detector, grow=True)
    assert not (plain.mask & ~grown.mask).any()
    assert_same(grown.mask, (grown.significance > grown.cut_high) | plain.low)
    assert (grown.n_low, grown.n_high) == (plain.n_low, np.count_nonzero(grown.high))
    new = grown.mask & ~plain.mask
    assert_same(np.where(new, 0, grown.significance), np.where(new, 0, plain.significance))
    bright = plain.high & np.isfinite(plain.residual)
    assert not (new & ~neighbours(bright)).any()
    assert not np.isnan(plain.residual[new]).any()
    for name in ("residual", "noise"):
        assert_same(getattr(grown, name), getattr(plain, name))


@given(observed, dispaxes(), st.booleans(), st.floats(0.5, 5), st.sampled_from([None, "NRS1"]))
def test_flags_have_the_sign_of_their_residuals(observation, axis, grow, cut, detector):
    image, error = observation
    how = {"grow": grow, "detector": detector, "sigma_upper": cut, "sigma_lower": cut}
    found = find(image, error, dispaxis=axis, **how)
    assert (found.residual[found.high] > 0).all()
    assert (found.residual[found.low] < 0).all()


@pytest.mark.parametrize(
    ("detector", "coupling"), [(None, 0.03), ("MIRIFUSHORT", 0.03), ("NRS1", 0.01)]
)
def test_growth_begins_where_the_coupling_alone_is_above_the_cut(detector, coupling):
    image = np.random.default_rng(7).normal(size=(60, 70))
    for times, is_lit in ((0.9, False), (1.1, True)):
        image[30, 35] = 0.0
        noise = find(image).noise
        image[30, 35] = times * CUTS["sigma_upper"] * noise[30, 36] / coupling
        found = find(image, grow=True, detector=detector)
        assert found.mask[30, 35]
        assert found.mask[30, 36] == is_lit
    expected = coupling * found.residual[30, 35] / found.noise[30, 36]
    assert found.significance[30, 36] == pytest.approx(expected)


def test_what_growth_flags_does_not_grow_and_infinities_do_not():
    image = np.random.default_rng(7).normal(size=(60, 70))
    image[30, 34:37], image[29:32, 35] = 1.0, 1.0  # what is lit up is brighter than around it
    image[30, 35], image[10, 10], image[20, 20] = 1e9, np.inf, -np.inf
    found, plain = (find(image, grow=grow) for grow in (True, False))
    assert found.mask[[10, 20], [10, 20]].all()
    assert found.significance[[10, 20], [10, 20]].tolist() == [np.inf, -np.inf]
    new = np.argwhere(found.mask & ~plain.mask)
    assert sorted(map(tuple, new)) == [(29, 35), (30, 34), (30, 36), (31, 35)]


@pytest.mark.parametrize("dispaxis", [1, 2, None])
@pytest.mark.parametrize("brightness", [30.0, 1e5])
@pytest.mark.parametrize("name", [name for name in PICTURES if "line of 9" not in name])
def test_drawn_groups_are_found(name, brightness, dispaxis):
    """Lines of nine pixels along the dispersion are longer than half of the running median."""
    rng = np.random.default_rng(2)
    image = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    rows = PICTURES[name].split("/")
    shape = np.array([[each == "#" for each in row.ljust(12)] for row in rows])
    place = tuple(18 + each for each in np.nonzero(shape))
    image[place] += np.float32(brightness)
    found = found_in(image, dispaxis, n_exposures=1)
    assert found.mask[place].all()
    far = np.ones_like(found.mask)
    far[16:28, 16:28] = False  # beside it, charge may count
    assert found.mask[far].sum() <= 1


@pytest.mark.parametrize("corner", [(0, 0), (0, -2), (-2, 0), (-2, -2)])
def test_groups_in_corners_are_found(corner):
    image = np.random.default_rng(3).standard_normal((SIDE, SIDE)).astype(np.float32)
    y, x = (each % SIDE for each in corner)
    image[y : y + 2, x : x + 2] = 100.0
    assert found_in(image).mask[y : y + 2, x : x + 2].all()


@pytest.mark.parametrize("peak", [30, 300, 3000])
@pytest.mark.parametrize("width", [0.8, 1.0, 2.0])
def test_light_is_not_flagged(peak, width):
    """With the charge that pixels lose to their neighbours, or without it."""
    y, x = np.mgrid[:300, :200]
    light = sum(
        peak * np.exp(-0.5 * ((y - centre - 0.05 * x) / width) ** 2)
        for centre in range(20, 300, 40)
    )
    padded = np.pad(light, 1, mode="edge")
    charge = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]
    noise = np.random.default_rng(4).standard_normal(y.shape)
    for image in (light + noise, light + 0.03 * charge + noise):
        found = found_in(image.astype(np.float32), n_exposures=1)
        assert found.residual[found.mask].max(initial=0) < 10  # noise, and no light


def test_arms_of_a_very_bright_pixel_are_found():
    """Beside known bad pixels, they are no square of three pixels."""
    image = np.random.default_rng(6).standard_normal((SIDE, SIDE)).astype(np.float32)
    image[20, 20] = 1e5
    image[[19, 21, 20], [20, 20, 19]] = 3e3
    image[18:23, 21:24] = np.nan
    mask = found_in(image).mask
    assert mask[[20, 19, 21, 20], [20, 20, 20, 19]].all()


def test_from_two_exposures_on_a_pixel_without_sharp_edges_must_stand_out_more():
    image = groups_of_pixels(7, odd=False)
    one, three, four = (
        found_in(image, n_exposures=number, sigma_upper=1e6, error=None) for number in (1, 3, 4)
    )
    bright = one.significance > 0
    assert bright.any()
    for found, factor in ((three, 4.5 / 4), (four, 4.5 / 3.75)):
        expected = one.significance / np.where(bright, factor, 1.0)
        np.testing.assert_allclose(found.significance, expected, rtol=1e-6)


@given(SEEDS, dispaxes())
@example(0, 2)
def test_what_is_left_after_flagging_has_no_sharp_groups(seed, dispaxis):
    """Groups that the first form of the rule finds are not left."""
    image = groups_of_pixels(seed)
    found = found_in(image, dispaxis, sigma_upper=5.0)
    left = sharp_groups(
        found.residual, np.abs(found.noise), image, level=1e9, dispaxis=dispaxis, known=found.mask
    )
    assert not left.any()


def test_groups_are_numbered():
    residual = np.zeros((20, 30))
    residual[4:6, 4:6], residual[12, 20], residual[13, 21] = 50.0, 80.0, 80.0
    known = np.zeros(residual.shape, bool)
    how = {"level": 20.0, "dispaxis": 2, "known": known}
    groups = sharp_groups(residual, np.ones_like(residual), residual, **how)
    assert sorted(np.unique(groups[groups > 0], return_counts=True)[1]) == [2, 4]
    known[4:6, 4:6] = True
    groups = sharp_groups(residual, np.ones_like(residual), residual, **how)
    np.testing.assert_array_equal(groups > 0, residual == 80.0)


@pytest.mark.parametrize("turned", [False, True])
def test_light_that_is_narrow_for_miri_is_not_for_nirspec(turned):
    """Its slices undersample the point-spread function across the dispersion, not along it."""
    y, x = np.mgrid[:60, :60]
    light = 300 * np.exp(-0.5 * (((y - 30) / 0.42) ** 2 + ((x - 30) / 0.5) ** 2))
    how = {"level": 5.0, "known": np.zeros(light.shape, bool)}
    noise = np.ones_like(light)
    light = light.T.copy() if turned else light
    for detector, dispaxis, is_sharp in (
        (None, 1, True), ("MIRIFULONG", 1, True), ("NRS1", 1, turned), ("NRS2", 2, not turned),
    ):  # fmt: skip
        groups = sharp_groups(light, noise, light, detector=detector, dispaxis=dispaxis, **how)
        assert groups.any() == is_sharp
