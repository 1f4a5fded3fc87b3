"""Runs with the sigma cut: ERR read, its mean, the outputs, and what is recorded."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays.images import too_noisy
from badpix_selfcal.cli import main
from badpix_selfcal.files.exposure import Exposure
from badpix_selfcal.instrument import DETECTORS
from badpix_selfcal.look.verdict import judge
from badpix_selfcal.simulate import HOT, Settings, simulate
from badpix_selfcal.step.minimum import Measured, Minimum

from . import servers
from .exposures import (
    MRS,
    associate,
    change,
    entry_of,
    flags_in,
    found_in,
    header,
    hot_exposures,
    planes,
    set_error,
    sky,
    statuses,
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


# The noise of the exposures


def noisier(path, image, error, times):
    """Multiply the noise of an exposure and its ERR."""
    rng = np.random.default_rng(int(100 * times))
    more = np.sqrt(times**2 - 1) * error * rng.standard_normal(image.shape)
    change(path, science=(image + more).astype(np.float32))
    return set_error(path, times * error)


@pytest.fixture(params=["the noisy first", "the noisy last", "with EFFEXPTM"])
def unequal(tmp_path, request):
    """Three exposures, and two with twice their noise, by name or by EFFEXPTM in an order."""
    paths, images, errors = map(list, hot_exposures(tmp_path, 5))
    noisy = slice(2) if request.param != "the noisy last" else slice(3, 5)
    for path, image, error in zip(paths[noisy], images[noisy], errors[noisy], strict=True):
        noisier(path, image, error, 2)
    if request.param == "with EFFEXPTM":
        for path in paths:
            change(path, EFFEXPTM=100.0 if path in paths[noisy] else 250.0)
    quiet = [n for n, path in enumerate(paths) if path not in paths[noisy]]
    expected = expected_mask([images[n] for n in quiet], [errors[n] for n in quiet])
    return paths, tuple(paths[noisy]), expected


class TestNoise:
    """Exposures with more noise than the others are flagged, and do not serve the minimum image."""

    @pytest.mark.parametrize("function", ["selfcal", "batch"])
    def test_the_mask_is_that_of_the_others(self, tmp_path, unequal, function):
        paths, noisy, expected = unequal
        how = {"output_dir": tmp_path / "out", "save_mask": True, **SIGMA}
        if function == "selfcal":
            result = bps.selfcal(paths[0], background=paths[1:], save_flagged_bkg=True, **how)
        else:
            result = bps.batch(paths, **how)[0]
        assert_equal(result.bad_pixels, expected)
        assert result.noisy == noisy
        assert {*result.noise} == {*paths}
        assert [result.noise[path] for path in noisy] == pytest.approx([2, 2], rel=0.02)
        assert "\n  noisy     2 exposures, only flagged\n" in repr(result)
        assert len(result.written) == 5
        for path in result.written:
            np.testing.assert_array_equal(flags_in(path), expected.mask)
        for mask in (result.mask, bps.Mask.read(result.mask_file)):
            assert [each.exposure for each in mask.members if each.problem] == [*noisy]
            for each in mask.members:
                said = r"its noise \(median ERR\) is (2\.0|1\.9)\d times the least"
                assert re.fullmatch(said if each.exposure in noisy else "", each.problem)
                assert each.noise == result.noise[each.exposure]
            assert judge(mask).numbers["unused"] == 0
            assert judge(mask).numbers["exposures"] == 3
        kept = bps.batch(paths, resume=True, **how)
        assert function == "selfcal" or {*statuses(kept)} == {"KEPT"}

    def test_the_report_says_it(self, unequal, tmp_path, capsys):
        paths, noisy, _ = unequal
        assert main(["batch", *map(str, paths), "--output-dir", str(tmp_path / "out"), "--json",
                     "--cut", "sigma"]) == 0  # fmt: skip
        (group,) = json.loads(capsys.readouterr().out)["groups"]
        assert [each["path"] for each in group["members"] if each["left_out"]] == [*map(str, noisy)]
        assert max(each["noise"] for each in group["members"]) == pytest.approx(2, rel=0.02)

    def test_each_exposure_is_read_once_if_the_headers_tell_the_depth(self, unequal, tmp_path):
        paths, noisy, _ = unequal
        read, science = Counter(), Exposure.science
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                Exposure, "science", lambda it, *a: read.update([it.path]) or science(it, *a)
            )
            bps.batch(paths, output_dir=tmp_path / "out", **SIGMA)
        most = 2 if noisy[0] == paths[0] and "EFFEXPTM" not in header(paths[0]) else 1
        assert read == {path: 1 if path in noisy else most for path in paths}

    @pytest.mark.parametrize(
        ("times", "noisy"),
        [
            ((1, 1, 1.15, 1.18), ()),
            ((1, 1, 1.22, 1.18), (2,)),
            ((1, 2), ()),
            ((2, 1, 2), ()),
            ((4, 1, 2), (0,)),
            ((2, 1, 2, 6, 2), (3,)),
            ((None, 1, 2), ()),  # without ERR
            ((None, 1, 1, 2), (3,)),
        ],
    )
    def test_two_others_remain(self, tmp_path, times, noisy):
        paths, images, errors = hot_exposures(tmp_path, len(times))
        for path, image, error, factor in zip(paths, images, errors, times, strict=True):
            noisier(path, image, error, factor or 1)
            if factor is None:
                set_error(path, None)
        (result,) = bps.batch(paths, output_dir=tmp_path / "out", **SIGMA)
        assert result.noisy == tuple(paths[n] for n in noisy)
        assert len(result.mask.used) == len(times) - len(noisy)

    @pytest.mark.filterwarnings("ignore:.*SCI is that of another exposure")
    def test_copies_count_once(self, tmp_path):
        paths, images, errors = hot_exposures(tmp_path, 3)
        copy = shutil.copy(paths[0], tmp_path / "copy_rate.fits")
        for at in (1, 2):
            noisier(paths[at], images[at], errors[at], 2)
        (result,) = bps.batch([*paths, copy], output_dir=tmp_path / "out", **SIGMA)
        assert result.noisy == ()

    @pytest.mark.parametrize(("times", "said"), [(1.4, None), (1.6, "1.6")])
    def test_the_fraction_cut_warns(self, tmp_path, recwarn, times, said):
        paths, images, errors = hot_exposures(tmp_path)
        noisier(paths[3], images[3], errors[3], times)
        (result,) = bps.batch(paths, output_dir=tmp_path / "out")
        start = (
            f"{paths[3]}: the noise (median ERR) is up to {said} times the least of MIRIFULONG, "
        )
        assert [str(each.message).startswith(start) for each in recwarn] == [True] * bool(said)
        expected = found_in([planes(path)["SCI"] for path in paths])
        np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)
        assert result.noisy == ()

    @given(st.lists(st.floats(0.1, 10.0) | st.just(np.nan), min_size=1), st.randoms())
    def test_parts_in_any_order_have_the_same_noise(self, noises, random):
        """On a cluster other parts are combined, in another order."""
        exposures = [(Path(str(n)), measured_with(n, noise)) for n, noise in enumerate(noises)]
        whole, parts = Minimum(None), [Minimum(None) for _ in range(3)]
        for path, found in exposures:
            whole.fold(path, found)
        random.shuffle(exposures)
        for path, found in exposures:
            random.choice(parts).fold(path, found)
        for part in parts[1:]:
            parts[0].merge(part)
        assert parts[0].noise == whole.noise
        known = np.isfinite(noises).sum()
        assert known - len(too_noisy(whole.noise)) >= min(known, 2)

    @pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
    @pytest.mark.parametrize("detector", ["MIRIFULONG", "MIRIFUSHORT"])
    def test_as_many_hot_pixels_are_found_as_by_the_others_alone(self, tmp_path, detector):
        faint = Settings(hot_range=(0.15, 5000.0))
        how = {"detector": detector, "size": (200, 640), "n_background": 0, "settings": faint}
        made = simulate(tmp_path / "in", n_science=6, **how)
        images, errors = ([planes(path)[name] for path in made.science] for name in ("SCI", "ERR"))
        hot = fits.getdata(made.truth, "DEFECTS") & HOT > 0
        for path, image, error in list(zip(made.science, images, errors, strict=True))[3:]:
            noisier(path, image, error, 2)
        found = {
            number: bps.batch(made.science[:number], output_dir=tmp_path / str(number), **CUT)[0]
            for number in (3, 6)
        }
        assert found[6].noisy == made.science[3:]
        assert_equal(found[6].bad_pixels, found[3].bad_pixels)
        images, errors = ([planes(path)[name] for path in made.science] for name in ("SCI", "ERR"))
        gap = DETECTORS[detector].gap
        error = np.mean(errors, axis=0, dtype=np.float64)
        together = found_in(images, gap=gap, error=error, n_exposures=6, **CUT)
        three, six = (np.count_nonzero(it.mask & hot) for it in (found[6].bad_pixels, together))
        assert six < 0.9 * three


CUT = {"cut": "sigma"}


def measured_with(number, noise):
    image = np.full((2, 2), float(number))
    return Measured(image, 0.0, np.ones((2, 2)), bytes([number]), True, noise, False)


# Pixels without a measurement


class TestZeros:
    """SCI = ERR = 0 where DQ has DO_NOT_USE, as earlier pipelines have written."""

    @pytest.fixture
    def exposures(self, tmp_path):
        """Exposures, each once with NaN and once with zeros; some zeros are measurements."""
        paths, images, errors = hot_exposures(tmp_path)
        (tmp_path / "zeros").mkdir()
        rng, made = np.random.default_rng(3), {"nan": [], "zeros": []}
        for path, image, error in zip(paths, images, errors, strict=True):
            bad, true = rng.random(MRS) < 0.2, rng.random(MRS) < 0.01
            image[true & ~bad] = 0
            for kind, value, folder in (
                ("nan", np.nan, tmp_path),
                ("zeros", 0, tmp_path / "zeros"),
            ):
                to = folder / path.name
                if kind == "zeros":
                    shutil.copy(path, to)
                with fits.open(to, mode="update") as hdus:
                    hdus[0].header["CAL_VER"] = "1.8.2"
                    hdus["SCI"].data = np.where(bad, np.float32(value), image)
                    hdus["ERR"].data = np.where(bad, np.float32(value), error)
                    hdus["DQ"].data = np.where(bad, np.uint32(1), np.uint32(0))
                made[kind].append(to)
        return made

    def test_the_sigma_cut_takes_them_for_nan(self, tmp_path, exposures):
        found = {
            kind: bps.batch(paths, output_dir=tmp_path / kind, **SIGMA)[0].bad_pixels
            for kind, paths in exposures.items()
        }
        assert_equal(found["zeros"], found["nan"])
        assert found["nan"].n_high > 20

    def test_the_fraction_cut_warns_and_takes_them_as_they_are(self, tmp_path, exposures):
        paths = exposures["zeros"]
        with pytest.warns(bps.SelfcalWarning) as warned:
            (result,) = bps.batch(paths, output_dir=tmp_path / "out")
        (message,) = (str(each.message) for each in warned)
        assert message.startswith(f"{paths[0]}, {paths[1]}, {paths[2]} and 1 more: pixels without")
        assert "(CAL_VER 1.8.2)" in message
        expected = found_in([planes(path)["SCI"] for path in paths])
        np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)
        bps.batch(exposures["nan"], output_dir=tmp_path / "nan")  # no warning
