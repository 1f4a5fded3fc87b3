"""The parts of a page: verdicts, layers, ranks and cuts."""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import badpix_selfcal as bps
from badpix_selfcal.instrument import NAMES
from badpix_selfcal.reports import layers
from badpix_selfcal.reports.content import histogram_of
from badpix_selfcal.reports.cuts import strips_of
from badpix_selfcal.reports.judgement import MEANING, judge
from badpix_selfcal.reports.limits import LIMITS
from badpix_selfcal.reports.scatter import BLOCK, block_scatter
from badpix_selfcal.step.group_mask import MaskMember
from badpix_selfcal.views.cuts import ACROSS, ALONG, places_of
from badpix_selfcal.views.pixels import IN_GALLERY, ranked
from badpix_selfcal.views.regions import regions_of, slices_of

from .masks import group_mask, masks
from .reported import mask_of

DOCS = Path(__file__).resolve().parents[1] / "docs" / "report.md"

FLOATS = arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(-1e6, 1e6, width=32) | st.sampled_from([np.nan, np.inf, -np.inf]),
)


def unpacked(layer):
    """Return the elements of a layer, as the page's script does."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(layer.text)), np.uint8)
    size = layer.about["bytes"]
    planes = raw.reshape(size, -1).T
    return np.ascontiguousarray(planes).view(f"<u{size}").reshape(layer.about["shape"])


@given(FLOATS, st.floats(1e-3, 1e3))
def test_a_float_layer_is_as_exact_as_documented(values, scatter):
    layer = layers.float_layer("x", values, scatter)
    found = layers.decoded(unpacked(layer), layer.about["knee"], layer.about["step"])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    infinite = np.isinf(values)
    np.testing.assert_array_equal(found[infinite], values[infinite])
    finite = np.isfinite(values)
    relative = layers.STEP / layers.KNEE / 2
    allowed = layers.STEP * scatter / 2 + relative * abs(values[finite].astype("f8"))
    assert np.all(
        abs(found[finite] - values[finite]) <= allowed * 1.02 + 1e-6 * abs(values[finite])
    )


@given(arrays(np.float32, (3, 7), elements=st.floats(0, 1e6, width=32) | st.just(np.nan)))
def test_a_growth_layer_keeps_what_is_small_and_what_is_large(values):
    layer = layers.growth_layer("x", values, 0.5)
    codes = unpacked(layer)
    np.testing.assert_array_equal(codes == 0, np.isnan(values))
    known = codes > 0
    found = layer.about["knee"] * np.sinh((codes[known] - 1.0) * layer.about["step"])
    assert np.all(abs(found - values[known]) <= 0.04 * values[known] + 0.04)


@given(arrays(np.uint32, (4, 5), elements=st.integers(0, 2**32 - 1)))
def test_a_layer_of_bits_keeps_all_words(words):
    layer = layers.bits_layer("dq", words)
    codes = unpacked(layer).astype(np.uint64)
    found = np.zeros(words.shape, np.uint64)
    for place, bit in enumerate(layer.about["bits"]):
        found |= (codes >> np.uint64(place) & np.uint64(1)) << np.uint64(bit)
    np.testing.assert_array_equal(found, words)


def test_the_names_of_the_bits_are_those_of_jwst():
    flags = pytest.importorskip("stdatamodels.jwst.datamodels.dqflags").pixel
    for bit, name in enumerate(NAMES):
        assert flags[name] == 1 << bit


@given(masks())
def test_every_mask_can_be_judged(mask):
    judgement = judge(mask)
    assert judgement.verdict in MEANING
    assert [each.name for each in judgement.reasons] == [*LIMITS]
    assert judgement.numbers["flagged"] == mask.bad_pixels.mask.sum()
    assert judgement.numbers["low"] + judgement.numbers["high"] == judgement.numbers["flagged"]


@given(masks())
def test_ranks_hold_every_flag_once(mask):
    found = ranked(mask.bad_pixels)
    np.testing.assert_array_equal(np.sort(found.flagged), np.flatnonzero(mask.bad_pixels.mask))
    first = np.cumsum(found.sizes) - found.sizes
    np.testing.assert_array_equal(found.brightest, found.flagged[first])
    assert found.sizes.sum() == found.flagged.size
    assert not mask.bad_pixels.mask.ravel()[found.near].any()
    assert found.strongest.size <= IN_GALLERY
    assert found.borderline.size <= IN_GALLERY


def test_good_flags_are_trusted():
    judgement = judge(mask_of("MIRIFULONG", (256, 1032), "sigma"))
    assert judgement.verdict == "TRUST"
    assert all(each.verdict == "TRUST" for each in judgement.reasons)


def member(name, pedestal=1.0, problem=""):
    return MaskMember(Path(name), "science", pedestal, problem)


def noise(shape=(128, 128), seed=1):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def reasons(mask):
    judgement = judge(mask)
    return {each.name: each.verdict for each in judgement.reasons}


FOUR = tuple(member(f"{number}_rate.fits") for number in range(4))


def test_flags_of_noise_are_not_trusted():
    asked = bps_parameters(flagfrac_upper=0.01)
    mask = group_mask(noise((512, 512)), members=FOUR, parameters=asked)
    found = reasons(mask)
    assert found["noise_flags"] == "REJECT"
    assert judge(mask).verdict == "REJECT"


def test_spikes_that_are_left_are_not_trusted():
    image = noise()
    image[8::16, 8::16] = 50.0
    kept = group_mask(image, members=FOUR, parameters=bps_parameters(flagfrac_upper=0.0005))
    assert reasons(kept)["spikes_left"] == "REJECT"
    all_flagged = group_mask(
        image, members=FOUR, parameters=bps_parameters(flagfrac_upper=64 / 128**2)
    )
    assert reasons(all_flagged)["spikes_left"] == "TRUST"
    assert judge(all_flagged).numbers["spikes"] == 0


def bps_parameters(**how):
    from badpix_selfcal.parameters import Parameters

    return Parameters(**{"flagfrac_lower": 0.0, **how})


@pytest.mark.parametrize(
    ("members", "name", "verdict"),
    [
        (FOUR, "exposures", "TRUST"),
        (FOUR[:2], "exposures", "LOOK"),
        (FOUR[:1], "exposures", "REJECT"),
        ((*FOUR, member("bad", float("nan"), "no pedestal")), "unused", "LOOK"),
        ((*FOUR, member("odd", 100.0)), "odd_pedestals", "LOOK"),
        ((*FOUR, member("none", None)), "odd_pedestals", "TRUST"),
    ],
)
def test_exposures_count(members, name, verdict):
    assert reasons(group_mask(noise(), members=members))[name] == verdict


def test_the_odd_pedestal_is_named():
    mask = group_mask(noise(), members=(*FOUR, member("odd_rate.fits", 100.0)))
    assert judge(mask).numbers["odd_pedestals_of"] == ["odd_rate.fits"]


def test_runs_and_crowded_rows_are_not_trusted():
    mask = group_mask(noise(), members=FOUR)
    flags = mask.bad_pixels.mask.copy()
    flags[:, 40] = True  # along the dispersion
    trace = replace(mask, bad_pixels=replace(mask.bad_pixels, mask=flags), crowded=(40,))
    found, numbers = reasons(trace), judge(trace).numbers
    assert found["clusters"] == "REJECT"
    assert found["crowded_flags"] != "TRUST"
    assert numbers["longest_run"] == 128
    assert numbers["crowded_flags"] == pytest.approx(100 * 128 / flags.sum())
    across = replace(trace, dispaxis=1, crowded=())
    assert judge(across).numbers["longest_run"] < 5


def test_a_full_region_stands_out():
    mask = group_mask(noise(), members=FOUR)
    flags = np.zeros((128, 128), bool)
    flags[:64:3, :64:3] = True
    one = replace(mask, bad_pixels=replace(mask.bad_pixels, mask=flags))
    assert reasons(one)["region_ratio"] == "REJECT"


def test_known_flags_are_reported():
    mask = group_mask(noise(), members=FOUR)
    known = replace(mask, dq=np.where(mask.bad_pixels.mask, 1, 4).astype(np.uint32))
    assert judge(known).numbers["known"] == 100
    assert reasons(known)["known"] == "LOOK"
    assert reasons(replace(mask, dq=None))["known"] == "TRUST"


def test_the_documentation_has_the_limits():
    text = DOCS.read_text(encoding="utf-8")
    for limit in LIMITS.values():
        row = next(line for line in text.splitlines() if line.startswith(f"| {limit.label} "))
        cells = [cell.strip() for cell in row.split("|")[2:4]]
        for cell, value in zip(cells, (limit.look, limit.reject), strict=True):
            stated = re.sub(r"[^0-9.]", "", cell)
            assert stated == ("" if value is None else f"{value:g}"), limit.label


def test_the_scatter_of_blocks_is_that_of_the_noise():
    image = noise((3 * BLOCK + 10, 2 * BLOCK))
    image[BLOCK:] *= 7
    image[:5] = np.nan
    image[7, 7] = np.inf
    sigmas, counts = block_scatter(image)
    assert sigmas.shape == (4, 2)
    assert counts.sum() == np.isfinite(image).sum()
    np.testing.assert_allclose(sigmas, [[1, 1], [7, 7], [7, 7], [7, 7]], rtol=0.15)


@given(st.integers(0, 40 * 50 - 1), st.sampled_from([1, 2, None]))
def test_the_places_of_a_cut(pixel, dispaxis):
    places, inside = places_of(np.array([pixel]), (40, 50), dispaxis)
    row, column = divmod(pixel, 50)
    assert places.shape == (1, 2 * ALONG + 1 + 2 * ACROSS + 1)
    assert places[0, ALONG] == places[0, 2 * ALONG + 1 + ACROSS] == pixel
    along = places[0, : 2 * ALONG + 1][inside[0, : 2 * ALONG + 1]]
    first = np.arange(max(row - ALONG, 0), min(row + ALONG, 39) + 1) * 50 + column
    if dispaxis != 2:
        first = row * 50 + np.arange(max(column - ALONG, 0), min(column + ALONG, 49) + 1)
    np.testing.assert_array_equal(along, first)


def test_strips_are_the_exposures_minus_their_pedestals():
    from astropy.io import fits

    mask = mask_of()
    pixels = ranked(mask.bad_pixels).flagged[:50]
    strips = strips_of(mask, pixels)
    assert len(strips.names) == len(mask.members) > 2
    for member, values in zip(mask.members, strips.values, strict=True):
        image = fits.getdata(member.exposure, "SCI") - member.pedestal
        np.testing.assert_allclose(values[:, ALONG], image.ravel()[pixels], rtol=1e-5, atol=1e-6)
    least = np.nanmin(strips.values[:, :, ALONG], axis=0)
    np.testing.assert_allclose(least, mask.minimum.ravel()[pixels], rtol=1e-5, atol=1e-6)


def test_regions_and_slices_of_a_whole_detector():
    mask = mask_of("MIRIFULONG", (1024, 1032), "sigma")
    assert [*regions_of(mask)] == ["channel 4 (left)", "channel 3 (right)"]
    slices = slices_of(mask)
    assert len(slices.names) == 28
    assert slices.number.max() == 28
    maps = Path(__file__).parents[2] / "shared" / "data" / "miri-mrs-geometry"
    if maps.exists():
        known = np.load(maps / "geom_34C_flt9.npz")["slice"]
        numbers = [100 * int(name.split()[1]) + int(name.split()[3]) for name in slices.names]
        found = np.array([0, *numbers])[slices.number]
        assert np.mean(found == known) > 0.95


def test_bands_cover_an_image():
    for axis in (1, 2, None):
        slices = slices_of(group_mask(noise((40, 50)), dispaxis=axis))
        assert slices.number.min() == 1
        assert slices.number.max() == len(slices.names) == 16
        lines = slices.number if axis == 2 else slices.number.T
        assert np.all(lines == lines[0])


def test_report_is_a_function_however_its_modules_are_imported():
    import badpix_selfcal.reports.page  # noqa: F401

    assert callable(bps.report)


@pytest.mark.parametrize("least", [0.0, 1.0, -3e7, 1e-45, 3e38])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_histogram_of_hardly_different_values_counts_them_all(least, steps):
    values = np.full(steps + 1, least, np.float32)
    for at in range(steps):
        values[at + 1 :] = np.nextafter(values[at + 1 :], np.float32(np.inf))
    for cuts in ((-np.inf, np.inf), (np.nan, np.nan)):
        found = histogram_of(values, cuts)
        assert sum(found["counts"]) == np.isfinite(values).sum()
        assert (np.diff(found["edges"]) > 0).all()
