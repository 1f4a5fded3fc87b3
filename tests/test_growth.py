"""Growth: neighbours that a bright pixel lights up are flagged too."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.cli import main
from badpix_selfcal.testing import assert_same, dispaxes

from .exposures import MRS, entry_of, header, set_error
from .pools import take
from .test_significance import CUTS, assert_equal, find


@st.composite
def lit_up(draw):
    """Draw a minimum image with pixels up to 10,000 times the noise, and errors or None."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = rng.normal(size=(20, 24)).astype(draw(st.sampled_from([np.float32, np.float64])))
    hot = rng.random(image.shape) < draw(st.sampled_from([0.01, 0.05]))
    image[hot] += 10 ** rng.uniform(0, 4, np.count_nonzero(hot))
    for odd in (np.nan, np.inf, -np.inf):
        image[rng.random(image.shape) < draw(st.sampled_from([0, 0.03]))] = odd
    return image, draw(st.sampled_from([None, np.ones_like(image)]))


def neighbours(mask):
    """Mark the four neighbours of pixels."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


@given(lit_up(), dispaxes(), st.sampled_from([None, "mirifulong ", "NRS2", "other"]))
def test_growth_flags_the_neighbours_that_a_bright_pixel_lights_up(observation, axis, detector):
    image, error = observation
    plain = find(image, error, dispaxis=axis, detector=detector)
    grown = find(image, error, dispaxis=axis, detector=detector, grow=True)
    assert_equal(
        grown,
        reference.find_bad_pixels(
            image,
            cut="sigma",
            error=error,
            **{**CUTS, "dispaxis": axis},
            detector=detector,
            grow=True,
        ),
    )
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


@given(lit_up(), st.floats(2, 30), st.floats(0, 30))
def test_growth_of_stricter_cuts_flags_fewer_pixels(observation, least, more):
    loose, strict = (
        find(*observation, sigma_upper=each, grow=True).mask for each in (least, least + more)
    )
    assert not (strict & ~loose).any()


@pytest.mark.parametrize(
    ("detector", "coupling"), [(None, 0.03), ("MIRIFUSHORT", 0.03), ("NRS1", 0.01)]
)
def test_growth_begins_where_the_coupling_alone_is_above_the_cut(detector, coupling):
    image = np.random.default_rng(7).normal(size=(60, 70))
    for times, is_lit in ((0.9, False), (1.1, True)):
        image[30, 35] = 0.0
        noise = find(image, None).noise
        image[30, 35] = times * CUTS["sigma_upper"] * noise[30, 36] / coupling
        found = find(image, None, grow=True, detector=detector)
        assert found.mask[30, 35]
        assert found.mask[30, 36] == is_lit
    expected = coupling * found.residual[30, 35] / found.noise[30, 36]
    assert found.significance[30, 36] == pytest.approx(expected)


def test_what_growth_flags_does_not_grow_and_infinities_do_not():
    image = np.random.default_rng(7).normal(size=(60, 70))
    image[30, 35], image[10, 10] = 1e9, np.inf
    found, plain = (find(image, None, grow=grow) for grow in (True, False))
    assert found.mask[10, 10]
    new = np.argwhere(found.mask & ~plain.mask)
    assert sorted(map(tuple, new)) == [(29, 35), (30, 34), (30, 36), (31, 35)]


@pytest.mark.parametrize(("detector", "is_lit"), [("MIRIFULONG", True), ("NRS1", False)])
def test_growth_by_the_coupling_of_the_detector(tmp_path, capsys, detector, is_lit):
    """Of a pixel at 250 times the noise, 3 % are above the cut, 1 % are not."""
    rng = np.random.default_rng(4)
    (tmp_path / "in").mkdir()
    for number in range(2):
        image = rng.normal(0, 1, MRS).astype(np.float32)
        image[80, 200] = 250
        path = take(tmp_path / "in" / f"{number}_rate.fits", number, detector=detector)
        with fits.open(path, mode="update") as hdus:
            hdus["SCI"].data = image
        set_error(path, np.ones(MRS))
    how = ["batch", str(tmp_path / "in"), "--output-dir", str(tmp_path / "out"), "--resume"]
    how += ["--cut", "sigma", "--save-mask"]
    assert main([*how, "--grow"]) == 0
    (file,) = (tmp_path / "out").glob("*_mask.fits")
    mask = bps.read_mask(file)
    around = [mask.bad_pixels.high[at] for at in ((79, 200), (81, 200), (80, 199), (80, 201))]
    assert around == [is_lit] * 4
    assert mask.bad_pixels.mask[80, 200]
    assert header(file)["BPXGROW"] is mask.parameters.grow is True
    for path in (tmp_path / "out").iterdir():
        assert " grow=True " in entry_of(path)
    assert main(how) == 1
    assert "was made with --grow (now not set)" in " ".join(capsys.readouterr().err.split())
    assert main([*how, "--overwrite"]) == 0
    assert np.count_nonzero(bps.read_mask(file).bad_pixels.mask[78:83, 198:203]) == 1
