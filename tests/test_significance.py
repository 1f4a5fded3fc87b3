"""The sigma cut: the kernel beside plain NumPy, and what must not change its flags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.arrays.bad_pixels import spread_of_minimum
from badpix_selfcal.testing import assert_same, dispaxes, images, kernel_sizes, large_images

from .profiles import share

CUTS = {"sigma_lower": 2.5, "sigma_upper": 2.5}


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


def find(image, error, **how):
    return bps.find_bad_pixels(image, cut="sigma", error=error, **{**CUTS, "dispaxis": 2, **how})


def assert_equal(ours, theirs):
    for name in ("mask", "residual", "significance", "noise"):
        assert_same(getattr(ours, name), getattr(theirs, name))
    facts = ("cut_low", "cut_high", "n_low", "n_high", "error_scale")
    assert [getattr(ours, each) for each in facts] == [getattr(theirs, each) for each in facts]


@given(observations(infinities=True), dispaxes(), kernel_sizes(21), st.integers(1, 9))
@example((np.zeros((1, 1), np.float32), None), None, 1, 1)
@example((np.full((3, 4), np.nan), np.ones((3, 4))), 1, 15, 2)
@example((np.array([[-3e38, 2e38], [-3e38, 3e38]], np.float32), None), 2, 3, 1)  # infinite level
def test_the_kernel_equals_plain_numpy(observation, dispaxis, k, n):
    image, error = observation
    how = {"dispaxis": dispaxis, "kernel_size": k, "n_exposures": n, "cut": "sigma", **CUTS}
    for edge in ("auto", "zero", "shrink"):
        ours = bps.find_bad_pixels(image, error=error, edge=edge, **how)
        assert_equal(ours, reference.find_bad_pixels(image, error=error, edge=edge, **how))
    for detector in (None, "NRS1"):
        how |= {"grow": True, "detector": detector}
        ours = bps.find_bad_pixels(image, error=error, **how)
        assert_equal(ours, reference.find_bad_pixels(image, error=error, **how))


@share(0.1)
@given(observations(source=large_images), st.sampled_from([1, 2]))
def test_large_images_equal_plain_numpy(observation, dispaxis):
    image, error = observation
    how = {"dispaxis": dispaxis, "cut": "sigma", "error": error, **CUTS}
    assert_equal(bps.find_bad_pixels(image, **how), reference.find_bad_pixels(image, **how))


@pytest.mark.parametrize("error", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_detector_equals_plain_numpy(dtype, error):
    """More pixels than those from which the noise by brightness is measured."""
    rng = np.random.default_rng(5)
    image = rng.normal(100, 1, (600, 520)).astype(dtype)
    image[:, 100:140] += 50 * np.sin(np.arange(600) / 9)[:, np.newaxis].astype(dtype) ** 2
    image[rng.random(image.shape) < 0.02] = np.nan
    errors = rng.uniform(0.9, 1.1, image.shape).astype(dtype) if error else None
    how = {"dispaxis": 2, "cut": "sigma", "error": errors, "n_exposures": 4}
    assert_equal(bps.find_bad_pixels(image, **how), reference.find_bad_pixels(image, **how))


@given(observations(), dispaxes(), st.integers(-20, 20))
def test_a_scale_by_a_power_of_two_changes_no_flag(observation, dispaxis, power):
    image, error = observation
    scale = image.dtype.type(2.0**power)
    scaled = None if error is None else error * scale
    one, other = (
        find(each, errors, dispaxis=dispaxis)
        for each, errors in ((image, error), (image * scale, scaled))
    )
    assert_same(one.mask, other.mask)
    assert_same(one.significance, other.significance)
    assert_same(one.noise * scale, other.noise)


@given(observations(), dispaxes(), st.sampled_from([0.5, 2.0]))
def test_errors_of_another_scale_change_no_flag(observation, dispaxis, scale):
    image, error = observation
    if error is None:
        error = np.ones_like(image)
    one = find(image, error, dispaxis=dispaxis)
    other = find(image, error * image.dtype.type(scale), dispaxis=dispaxis)
    assert_same(one.mask, other.mask)
    if one.error_scale is not None:
        assert other.error_scale * scale == one.error_scale


@given(observations(source=images), st.sampled_from([1, 2, None]), st.sampled_from([0, 1]))
def test_a_mirrored_image_has_a_mirrored_mask(observation, dispaxis, axis):
    image, error = observation
    mirrored = None if error is None else np.flip(error, axis)
    one = find(image, error, dispaxis=dispaxis)
    other = find(np.flip(image, axis), mirrored, dispaxis=dispaxis)
    assert_same(np.flip(one.mask, axis), other.mask)


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


@given(observations())
def test_a_transposed_image_disperses_along_the_other_axis(observation):
    image, error = observation
    turned = None if error is None else error.T
    assert_same(find(image, error).mask.T, find(image.T, turned, dispaxis=1).mask)


@given(st.integers(0, 2**32 - 1), st.sampled_from([-512.0, 64.0, 4096.0]))
def test_a_constant_changes_no_flag(seed, constant):
    """The samples are multiples of 2**-8, so that adding the constant is exact."""
    rng = np.random.default_rng(seed)
    image = np.round(rng.normal(0, 1, (40, 50)) * 256) / 256
    image[rng.random(image.shape) < 0.1] = np.nan
    for error in (None, np.ones_like(image)):
        one, other = find(image, error), find(image + constant, error)
        assert_same(one.mask, other.mask)
        np.testing.assert_allclose(one.significance, other.significance, rtol=1e-9, atol=1e-9)


@given(observations(), dispaxes(), st.floats(1, 6), st.floats(0, 6), st.floats(0, 6))
def test_stricter_cuts_flag_fewer_pixels(observation, dispaxis, least, more_low, more_high):
    image, error = observation
    loose = find(image, error, dispaxis=dispaxis, sigma_lower=least, sigma_upper=least)
    strict = find(
        image,
        error,
        dispaxis=dispaxis,
        sigma_lower=least + more_low,
        sigma_upper=least + more_high,
    )
    assert not (strict.mask & ~loose.mask).any()
    assert strict.n_low <= loose.n_low
    assert strict.n_high <= loose.n_high


@given(observations(infinities=True), dispaxes())
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


def scene(shape=(240, 200), seed=7):
    """A flat image with errors of 1."""
    image = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    return image, np.ones(shape, np.float32)


def test_a_hot_pixel_is_flagged_and_a_line_is_not():
    image, error = scene()
    rows = np.arange(240)[:, np.newaxis]
    image += (80 * np.exp(-0.5 * ((rows - 120) / 1.1) ** 2)).astype(np.float32)  # a narrow line
    image[60, 70] += 15
    image[120, 150] += 300  # on the line
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error)
    assert found.mask[60, 70]
    assert found.mask[120, 150]
    assert found.mask.sum() < 6
    fraction = bps.find_bad_pixels(image, dispaxis=2)
    assert fraction.mask.sum() > 90


def test_missing_samples_on_the_flank_of_a_wide_line_flag_nothing():
    """There, a missing sample shifts the running median by a step of the flank."""
    image, error = scene()
    rows = np.arange(240)[:, np.newaxis]
    image += (2000 * np.exp(-0.5 * ((rows - 120) / 3) ** 2)).astype(np.float32)
    rng = np.random.default_rng(1)
    image[rng.random(image.shape) < 0.02] = np.nan
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error)
    assert found.mask.sum() <= 2


def test_an_unresolved_source_is_spared():
    image, error = scene()
    y, x = np.ogrid[:240, :200]
    for at in ((50, 60), (120, 100), (180, 150)):
        image += (60 * np.exp(-0.5 * ((y - at[0]) ** 2 + (x - at[1]) ** 2) / 0.9**2)).astype("f4")
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error)
    assert found.mask.sum() <= 1


def test_a_bright_hot_pixel_and_its_halo():
    image, error = scene()
    image[100, 100] += 1000
    for step in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        image[100 + step[0], 100 + step[1]] += 31
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error)
    assert found.mask[100, 99:102].all()
    assert found.mask[99:102, 100].all()


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


def test_infinite_contrasts_are_flagged():
    image, error = scene((40, 40))
    image[10, 10], image[20, 20] = np.inf, -np.inf
    found = bps.find_bad_pixels(image, dispaxis=2, cut="sigma", error=error)
    assert found.significance[10, 10] == np.inf
    assert found.significance[20, 20] == -np.inf
    assert found.mask[10, 10]
    assert found.mask[20, 20]


def test_the_fraction_cut_has_no_significance():
    found = bps.find_bad_pixels(scene()[0], dispaxis=2)
    assert (found.significance, found.noise, found.error_scale) == (None, None, None)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 8, 20])
def test_the_spread_of_a_minimum(number):
    drawn = np.random.default_rng(1).normal(size=(100_000, number)).min(axis=1)
    assert spread_of_minimum(number) == pytest.approx(drawn.std(), rel=0.015)


def test_the_spread_of_the_minimum_of_very_many():
    assert spread_of_minimum(1) == pytest.approx(1.0, rel=1e-9)
    assert spread_of_minimum(10**5) > spread_of_minimum(10**6) > 0.2
    assert spread_of_minimum(10**9) == spread_of_minimum(10**6)


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"cut": "sigmas"}, ValueError, "cut must be 'fraction' or 'sigma', got 'sigmas'"),
        ({"cut": None}, ValueError, "cut must be"),
        ({"cut": "fraction", "error": np.ones((4, 5))}, ValueError, "pass cut='sigma'"),
        ({"error": np.ones((5, 4))}, ValueError, r"error has shape \(5, 4\), minimum has \(4, 5\)"),
        ({"error": np.ones(5)}, ValueError, "error must be 2-D"),
        ({"error": np.ones((4, 5), complex)}, TypeError, "error must hold real numbers"),
        ({"n_exposures": 0}, ValueError, "n_exposures must be at least 1, got 0"),
        ({"n_exposures": 1.5}, TypeError, "n_exposures must be a whole number"),
        ({"sigma_lower": 0}, ValueError, "sigma_lower must be above 0, got 0"),
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


def test_errors_of_other_types_are_converted():
    image, error = scene((30, 30))
    expected = find(image, error)
    for other in (error.astype(np.float64), error.astype(">f4"), error.astype(int)):
        assert_equal(find(image, other), expected)
    too_large = np.full(image.shape, 1e300)
    assert find(image, too_large).error_scale is None


def test_arguments_are_not_modified():
    image, error = scene((30, 30))
    before = image.copy(), error.copy()
    image.flags.writeable = error.flags.writeable = False
    find(image, error)
    assert_same(image, before[0])
    assert_same(error, before[1])


def test_dark_gaps_between_lines_are_spared_and_a_low_pixel_is_flagged():
    """The gaps are below the running median; a pixel of low response is below its neighbours."""
    rows = np.arange(240)[:, np.newaxis]
    flagged = 0
    for seed in (1, 2, 14, 21):
        rng = np.random.default_rng(seed)
        lines = np.zeros((240, 1))
        for at in rng.uniform(10, 230, 14):
            peak = rng.uniform(25, 400)
            lines += peak * np.exp(-0.5 * ((rows - at) / rng.uniform(0.9, 1.3)) ** 2)
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
    rows = np.arange(240)[:, np.newaxis]
    image = np.random.default_rng(11).normal(100, 1, (240, 200))
    image += 700 * np.exp(-0.5 * ((rows - 120) / 1.2) ** 2)
    hot = np.arange(10, 190, 10)
    image[114, hot] += 1000
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        image[114 + down, hot + right] += 31
    image[60, [50, 99]] -= 70
    image[:, 100:] -= 100 + 700 * np.exp(-0.5 * ((rows - 120) / 1.2) ** 2)  # a gap beside a slice
    if dispaxis == 1:
        image = image.T
    found = bps.find_bad_pixels(image, dispaxis=dispaxis, cut="sigma", error=np.ones_like(image))
    low = found.significance < -12
    assert np.argwhere(low if dispaxis == 2 else low.T).tolist() == [[60, 50], [60, 99]]
