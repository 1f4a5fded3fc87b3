"""Runs with the sigma cut: ERR read, its mean, the outputs, and what is recorded."""

from __future__ import annotations

import numpy as np
import pytest

import badpix_selfcal as bps

from . import servers
from .exposures import (
    MRS,
    associate,
    entry_of,
    flags_in,
    found_in,
    hot_exposures,
    set_error,
    sky,
    write,
)
from .pools import pool

SIGMA = {"cut": "sigma", "sigma_upper": 4.0, "sigma_lower": 5.0}


def expected_mask(images, errors):
    how = {"n_exposures": len(images), **SIGMA}
    if errors is not None:
        how["error"] = np.mean(np.asarray(errors, np.float64), axis=0)
    return found_in(images, **how)


def assert_equal(found, expected):
    np.testing.assert_array_equal(found.mask, expected.mask)
    np.testing.assert_array_equal(found.significance, expected.significance)
    assert found.error_scale == expected.error_scale


def test_a_run_uses_the_mean_error_of_all_exposures(tmp_path):
    paths, images, errors = hot_exposures(tmp_path)
    association = associate(tmp_path / "x_asn.json", paths[0], background=paths[1:2], selfcal=paths)
    result = bps.selfcal(association, output_dir=tmp_path / "out", save_flagged_bkg=True, **SIGMA)
    expected = expected_mask(images, errors)
    assert_equal(result.bad_pixels, expected)
    assert expected.n_high > 25
    for path in (result.science, *result.backgrounds):
        np.testing.assert_array_equal(flags_in(path), expected.mask)
        assert "cut=sigma kernel_size=15 sigma_lower=5.0 sigma_upper=4.0" in entry_of(path)


@pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
def test_another_cut_is_written_again_when_resuming(tmp_path):
    (tmp_path / "in").mkdir()
    pool(tmp_path / "in", detectors=("NRS1",))

    def statuses(**how):
        how |= {"resume": True, "overwrite": True}
        result = bps.batch(tmp_path / "in", output_dir=tmp_path / "out", **how)
        return {each.status for each in result.exposures}

    assert statuses() == {"COMPLETE"}
    assert statuses(cut="sigma") == {"COMPLETE"}
    assert statuses(cut="sigma") == {"KEPT"}
    assert statuses(cut="sigma", sigma_upper=9) == {"COMPLETE"}


@pytest.mark.parametrize("missing", ["ERR", "zero", "nan"])
def test_without_any_error_the_noise_follows_from_the_data(tmp_path, missing):
    paths, images, _ = hot_exposures(tmp_path)
    for path in paths:
        set_error(path, None if missing == "ERR" else np.full(MRS, np.nan * (missing == "nan")))
    with pytest.warns(bps.SelfcalWarning, match="no exposure has a valid ERR"):
        result = bps.selfcal(paths[0], selfcal=paths[1:], output_dir=tmp_path / "out", **SIGMA)
    assert_equal(result.bad_pixels, expected_mask(images, None))


def test_an_exposure_without_errors_counts_for_the_minimum_only(tmp_path):
    paths, images, errors = hot_exposures(tmp_path)
    set_error(paths[3], None)
    result = bps.selfcal(paths[0], selfcal=paths[1:], output_dir=tmp_path / "out", **SIGMA)
    expected = expected_mask(images, errors[:3])
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)


@pytest.mark.parametrize(("scale", "shown"), [(4.0, "0.25"), (0.25, "4")])
def test_errors_that_do_not_describe_the_data_are_warned_of(tmp_path, scale, shown):
    paths, *_ = hot_exposures(tmp_path, errors=np.float32(scale))
    with pytest.warns(
        bps.SelfcalWarning, match=r"the noise of SCI is .* times the mean ERR"
    ) as all_of:
        bps.selfcal(paths[0], selfcal=paths[1:], output_dir=tmp_path / "out", **SIGMA)
    measured = float(str(all_of[0].message).split(" is ")[1].split(" times")[0])
    assert measured == pytest.approx(float(shown), rel=0.1)


def test_errors_of_another_shape_are_refused(tmp_path):
    paths, *_ = hot_exposures(tmp_path, 2)
    set_error(paths[1], np.ones((4, 5)))
    with pytest.raises(bps.ExposureError, match=r"1_rate.fits: ERR has shape \(4, 5\), SCI has"):
        bps.selfcal(paths[0], selfcal=paths[1], output_dir=tmp_path / "out", **SIGMA)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
@pytest.mark.parametrize("cut", ["fraction", "sigma"])
def test_bytes_fetched_of_a_remote_exposure(tmp_path, cut):
    """Headers and SCI; ERR too, only for the sigma cut."""
    pytest.importorskip("aiohttp", reason="needs the extra cloud")
    shape = (400, 640)
    (tmp_path / "in").mkdir()
    science = write(tmp_path / "science_rate.fits", sky(1, shape))
    set_error(science, np.ones(shape))
    names = ["a_rate.fits", "b_rate.fits"]
    for number, name in enumerate(names):
        set_error(write(tmp_path / "in" / name, sky(2 + number, shape)), np.ones(shape))
    how = {"cut": cut, "output_dir": tmp_path / "out"}
    with servers.http(tmp_path / "in") as web:
        result = bps.selfcal(science, selfcal=[f"{web.url}/{name}" for name in names], **how)
    images = 1 if cut == "fraction" else 2
    plane = 4 * shape[0] * shape[1]
    for name in names:
        assert images * plane < web.sent[name] <= images * (plane + 200_000)
    assert result.bad_pixels.mask.any()
