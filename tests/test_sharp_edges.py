"""Groups of pixels with sharp edges: the second rule of the sigma cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.arrays.bad_pixels import sharp_groups
from badpix_selfcal.simulate.groups import PICTURES

SIDE = 44
DTYPES = st.sampled_from([np.float32, np.float64])
AXES = st.sampled_from([1, 2, None])
SEEDS = st.integers(0, 2**32 - 1)


def scene(seed, dtype=np.float32, *, whole=False, odd=True):
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


def found_in(image, dispaxis=2, find=bps.find_bad_pixels, **how):
    how = {"error": np.ones_like(image), "n_exposures": 4, **how}
    return find(image, dispaxis=dispaxis, cut="sigma", **how)


@given(
    SEEDS, DTYPES, AXES, st.sampled_from([None, "NRS1"]), st.floats(1, 12), st.integers(1, 9),
    st.booleans(),
)  # fmt: skip
def test_the_kernel_equals_its_twin(seed, dtype, dispaxis, detector, cut, number, has_error):
    image = scene(seed, dtype)
    how = {"sigma_upper": cut, "n_exposures": number, "detector": detector}
    how |= {} if has_error else {"error": None}
    found, twin = (
        found_in(image, dispaxis, find, **how)
        for find in (bps.find_bad_pixels, reference.find_bad_pixels)
    )
    for name in ("mask", "significance", "noise"):
        np.testing.assert_array_equal(getattr(found, name), getattr(twin, name), name)
    assert (found.n_low, found.n_high) == (twin.n_low, twin.n_high)


@given(SEEDS, AXES)
def test_groups_are_among_the_flags(seed, dispaxis):
    """The scenes are not empty: most have flags that only this rule explains."""
    found = found_in(scene(seed), dispaxis)
    above = found.significance > found.cut_high
    below = found.significance < found.cut_low
    np.testing.assert_array_equal(found.mask, above | below | np.isinf(found.significance))


@given(SEEDS, AXES, st.floats(0.5, 12), st.floats(0.5, 1))
def test_a_lower_cut_flags_the_same_pixels_and_more(seed, dispaxis, cut, part):
    image = scene(seed)
    high = found_in(image, dispaxis, sigma_upper=cut).mask
    low = found_in(image, dispaxis, sigma_upper=cut * part).mask
    assert not np.any(high & ~low)


@given(SEEDS, AXES)
def test_turned_images_have_the_same_flags(seed, dispaxis):
    image = scene(seed)
    mask = found_in(image, dispaxis).mask
    for turn in (np.flipud, np.fliplr):
        np.testing.assert_array_equal(turn(found_in(turn(image).copy(), dispaxis).mask), mask)
    other = {1: 2, 2: 1, None: None}[dispaxis]
    np.testing.assert_array_equal(found_in(image.T.copy(), other).mask.T, mask)


@given(SEEDS, AXES, st.integers(-20, 20), st.integers(-500, 500), st.floats(0.1, 10))
def test_scale_level_and_errors_change_no_flag(seed, dispaxis, power, level, factor):
    image = scene(seed, np.float64, whole=True)
    mask = found_in(image, dispaxis).mask
    scaled = image * 2.0**power
    error = np.full_like(image, 2.0**power)
    np.testing.assert_array_equal(found_in(scaled, dispaxis, error=error).mask, mask)
    np.testing.assert_array_equal(found_in(image + level, dispaxis).mask, mask)
    # The scale of the errors is measured to rounding.
    by_errors = found_in(image, dispaxis, error=np.full_like(image, factor)).mask
    assert np.count_nonzero(by_errors != mask) <= 1


def test_the_number_of_threads_changes_nothing():
    image = np.tile(scene(5), (6, 6))
    before = bps.num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            bps.set_num_threads(threads)
            results.append(found_in(image))
    finally:
        bps.set_num_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(other.significance, results[0].significance)
        np.testing.assert_array_equal(other.noise, results[0].noise)


@pytest.mark.parametrize("dispaxis", [1, 2, None])
@pytest.mark.parametrize("brightness", [30.0, 1e5])
@pytest.mark.parametrize("name", [name for name in PICTURES if "line of 9" not in name])
def test_drawn_groups_are_found(name, brightness, dispaxis):
    """Lines of nine pixels along the dispersion are longer than half of the running median."""
    rng = np.random.default_rng(2)
    image = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    rows = PICTURES[name].split("/")
    place = np.array(
        [
            (18 + y, 18 + x)
            for y, row in enumerate(rows)
            for x, each in enumerate(row)
            if each == "#"
        ]
    )
    image[tuple(place.T)] += np.float32(brightness)
    found = found_in(image, dispaxis, n_exposures=1)
    assert found.mask[tuple(place.T)].all()
    far = np.ones_like(found.mask)
    far[16:28, 16:28] = False  # beside it, charge may count
    assert found.mask[far].sum() <= 1


@pytest.mark.parametrize("corner", [(0, 0), (0, -2), (-2, 0), (-2, -2)])
def test_groups_in_corners_are_found(corner):
    image = np.random.default_rng(3).standard_normal((SIDE, SIDE)).astype(np.float32)
    y, x = (each % SIDE for each in corner)
    image[y : y + 2, x : x + 2] = 100.0
    mask = found_in(image).mask
    assert mask[y : y + 2, x : x + 2].all()


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
    image = scene(7, odd=False)
    one, three, four = (
        found_in(image, n_exposures=number, sigma_upper=1e6, error=None) for number in (1, 3, 4)
    )
    bright = one.significance > 0
    assert bright.any()
    for found, factor in ((three, 4.5 / 4), (four, 4.5 / 3.75)):
        expected = one.significance / np.where(bright, factor, 1.0)
        np.testing.assert_allclose(found.significance, expected, rtol=1e-6)


@given(SEEDS, AXES)
@example(0, 2)
def test_what_is_left_after_flagging_has_no_sharp_groups(seed, dispaxis):
    """Groups that the first form of the rule finds are not left."""
    image = scene(seed)
    found = found_in(image, dispaxis, sigma_upper=5.0)
    left = sharp_groups(
        found.residual, np.abs(found.noise), image, level=1e9, dispaxis=dispaxis, known=found.mask
    )
    assert not left.any()


def test_groups_are_numbered():
    residual = np.zeros((20, 30))
    residual[4:6, 4:6], residual[12, 20], residual[13, 21] = 50.0, 80.0, 80.0
    known = np.zeros(residual.shape, bool)
    noise = np.ones_like(residual)
    groups = sharp_groups(residual, noise, residual, level=20.0, dispaxis=2, known=known)
    sizes = np.unique(groups[groups > 0], return_counts=True)[1]
    assert sorted(sizes) == [2, 4]
    known[4:6, 4:6] = True
    groups = sharp_groups(residual, noise, residual, level=20.0, dispaxis=2, known=known)
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
