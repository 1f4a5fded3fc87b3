"""Simulated exposures: their files, their determinism, and wrong arguments."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.instrument import DETECTORS, DO_NOT_USE, REFERENCE_PIXEL
from badpix_selfcal.simulate import (
    COSMIC_RAY,
    HALO,
    HOT,
    LIGHT_ONLY,
    LOW,
    Settings,
    simulate,
)
from badpix_selfcal.simulate.defects import REFERENCE_WIDTH

from .profiles import share
from .simulations import GAP_SIZE, PLANES, cosmic, digests, fixed, plane

FIXTURES = [HealthCheck.function_scoped_fixture]  # files of one example replace the last one's


# Files as the pipeline reads them


@pytest.mark.parametrize("detector", DETECTORS)
def test_jwst_opens_an_exposure_as_an_ifu_image(tmp_path, detector, recwarn):
    datamodels = pytest.importorskip("jwst.datamodels")
    known = DETECTORS[detector]
    files = simulate(tmp_path, detector=detector, size=40)
    recwarn.clear()
    for path, background in ((files.science[0], False), (files.background[1], True)):
        with datamodels.open(path) as model:
            assert isinstance(model, datamodels.IFUImageModel)
            model.validate()
            for name in ("data", "err", "dq", "var_poisson", "var_rnoise"):
                extension = {"data": "SCI"}.get(name, name.upper())
                np.testing.assert_array_equal(getattr(model, name), fits.getdata(path, extension))
            assert model.dq.dtype == np.uint32
            assert not model.hasattr("var_flat")
            assert model.meta.instrument.name == known.instrument
            assert model.meta.instrument.detector == detector
            assert model.meta.exposure.type == known.exp_type
            assert model.meta.wcsinfo.dispersion_direction == known.dispaxis
            assert model.meta.observation.bkgdtarg is background
            assert model.meta.filename == path.name
            assert model.meta.exposure.ngroups == 45
    assert [str(warning.message) for warning in recwarn] == []


def test_jwst_reads_the_association(tmp_path):
    datamodels = pytest.importorskip("jwst.datamodels")
    files = simulate(tmp_path, size=40)
    container = datamodels.ModelContainer(str(files.association))
    kinds = [model.meta.asn.exptype for model in container]
    assert kinds == ["science", "background", "background", "selfcal", "selfcal"]


def test_the_step_of_jwst_finds_hot_pixels_and_halos(tmp_path, monkeypatch):
    step = pytest.importorskip("jwst.badpix_selfcal").BadpixSelfcalStep
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    files = simulate(tmp_path, detector="MIRIFUSHORT", size=GAP_SIZE)
    science, backgrounds = step.call(str(files.association), skip=False, flagfrac_lower=0)
    known_before = plane(files.science[0], "DQ") != 0
    found = (science.dq != 0) & ~known_before
    assert science.meta.cal_step.badpix_selfcal == "COMPLETE"
    for model in (science, *backgrounds):
        model.close()
    truth = fixed(files)[found]
    assert truth.size > 40
    assert np.mean(truth & (HOT | HALO) != 0) > 0.95
    assert np.mean(truth & HOT != 0) > 0.7


def test_an_exposure_has_the_cards_the_step_needs(long):
    for path, background in ((long.science[1], False), (long.background[1], True)):
        with fits.open(path) as hdus:
            hdus.verify("exception")
            header = hdus[0].header
            expected = {
                "TELESCOP": "JWST", "INSTRUME": "MIRI", "DETECTOR": "MIRIFULONG",
                "CHANNEL": "34", "BAND": "LONG", "EXP_TYPE": "MIR_MRS", "FILENAME": path.name,
                "DATAMODL": "IFUImageModel", "NGROUPS": 45, "PATT_NUM": 2, "SUBARRAY": "FULL",
                "BKGDTARG": background, "SUBSIZE1": 1032, "SUBSIZE2": 1024,
            }  # fmt: skip
            assert {key: header[key] for key in expected} == expected
            assert header["EFFEXPTM"] == pytest.approx(45 * 2.775)
            assert {"CAL_VER", "DATE-OBS", "TIME-OBS", "TARGPROP"} <= set(header)
            assert [hdu.name for hdu in hdus] == [
                "PRIMARY",
                "SCI",
                "ERR",
                "DQ",
                *PLANES[2:],
                "ASDF",
            ]
            assert hdus["SCI"].header["DISPAXIS"] == 2
            assert hdus["SCI"].header["BUNIT"] == "DN/s"
            assert [hdus[name].header["BITPIX"] for name in PLANES] == [-32] * 4
        raw = fits.getheader(path, "DQ")
        assert (raw["BITPIX"], raw["BZERO"]) == (32, 2**31)


def test_files_are_named_as_in_the_archive(tmp_path):
    files = simulate(tmp_path / "new" / "folder", size=32, n_science=2, n_background=1)
    assert [path.name for path in files.science] == [
        f"jw09999001001_02101_0000{i}_mirifulong_rate.fits" for i in (1, 2)
    ]
    assert files.background[0].name == "jw09999002001_02101_00001_mirifulong_rate.fits"
    assert files.truth.name == "jw09999_mirifulong_truth.fits"
    assert sorted(path.name for path in files.files) == sorted(digests(files.truth.parent))


def test_each_science_exposure_has_its_association(tmp_path):
    files = simulate(tmp_path, size=32, n_science=3, n_background=2)
    assert files.association == files.associations[0]
    for path, science in zip(files.associations, files.science, strict=True):
        stem = science.name.removesuffix("_rate.fits")
        content = json.loads(path.read_text(encoding="utf-8"))
        (product,) = content.pop("products")
        assert path.name == f"{stem}_spec2_asn.json"
        assert product["name"] == stem
        assert [(m["expname"], m["exptype"]) for m in product["members"]] == [
            (science.name, "science"),
            *((p.name, "background") for p in files.background),
            *((p.name, "selfcal") for p in files.science),
        ]
        assert content["asn_type"] == "spec2"
        assert (content["asn_rule"], content["program"]) == ("Asn_Lv2Spec", "09999")
        assert (content["asn_id"], content["asn_pool"]) == ("o001", "jw09999_pool")


def test_the_truth_file_explains_itself(long):
    with fits.open(long.truth) as hdus:
        header = hdus[0].header
        bits = [header[key] for key in ("HOT", "LOW", "COSMIC", "HALO")]
        assert bits == [HOT, LOW, COSMIC_RAY, HALO] == [1, 2, 4, 8]
        names = [hdu.header["EXPNAME"] for hdu in hdus if hdu.name == "COSMIC"]
        assert names == [path.name for path in long.science + long.background]
        assert not np.any(hdus["DEFECTS"].data & ~np.uint8(HOT | LOW | HALO))
        assert set(np.unique(hdus["COSMIC"].data)) == {0, COSMIC_RAY}


# Determinism


def test_equal_arguments_give_equal_bytes_and_other_seeds_other_images(tmp_path):
    a, b, c = (
        simulate(tmp_path / name, size=48, seed=seed)
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert not np.array_equal(fixed(a), fixed(c))
    assert not np.array_equal(plane(b.science[0]), plane(c.science[0]), equal_nan=True)


def test_an_exposure_does_not_depend_on_how_many_others_there_are(tmp_path):
    simulate(tmp_path / "few", size=48, n_science=1, n_background=1)
    simulate(tmp_path / "many", size=48, n_science=4, n_background=3)
    few, many = digests(tmp_path / "few"), digests(tmp_path / "many")
    exposures = [name for name in few if name.endswith("_rate.fits")]
    assert len(exposures) == 2
    assert [few[name] for name in exposures] == [many[name] for name in exposures]


def test_a_later_epoch_shows_the_same_detector_a_year_later_with_further_hot_pixels(tmp_path):
    first = simulate(tmp_path / "first", size=200)
    later = simulate(tmp_path / "later", size=200, epoch=2, settings=Settings(new_hot=0.5))
    assert later.science[0].name == "jw09999001002_02101_00001_mirifulong_rate.fits"
    dates = [fits.getheader(files.science[1])["DATE-OBS"] for files in (first, later)]
    assert dates == ["2022-07-01", "2023-07-01"]
    before, now = (fixed(files) & (HOT | LOW) for files in (first, later))
    new = now != before
    np.testing.assert_array_equal(new, (now & HOT != 0) & (before == 0))
    assert 100 < np.count_nonzero(new) < 0.8 * np.count_nonzero(before)
    gained = plane(later.background[0]) - plane(first.background[0])
    assert np.nanmedian(gained[new]) > 0.5
    assert 0 < np.nanstd(gained[now & before == 0]) < 5  # other noise


def test_pixels_that_become_hot_between_two_epochs_are_new(tmp_path):
    masks, hot = [], []
    for epoch in (1, 2):
        made = simulate(
            tmp_path / "data",
            detector="MIRIFUSHORT",
            size=(256, 640),
            seed=2,
            epoch=epoch,
            settings=Settings(new_hot=0.2),
        )
        run = bps.selfcal(made.association, cut="sigma", output_dir=tmp_path, save_mask=True)
        masks.append(run.mask)
        known = fits.getdata(made.science[0], "DQ") != 0
        hot.append((fixed(made) & HOT != 0) & ~known)
    found = bps.history(reversed(masks))
    became = hot[1] & ~hot[0]
    assert [epoch.flagged > 0 for epoch in found.epochs] == [True, True]
    new = np.zeros(found.shape, bool)
    new[found.y, found.x] = ~found.flagged[:, 0] & found.flagged[:, 1]
    assert np.count_nonzero(new) == found.epochs[1].new
    assert np.count_nonzero(became & new) > 0.9 * np.count_nonzero(became) > 100
    assert np.count_nonzero(became & new) > 0.5 * np.count_nonzero(new)


def test_groups_of_hot_pixels_are_in_the_exposures_and_in_the_truth(tmp_path):
    only = replace(LIGHT_ONLY, thermal_scale=0, source_rate=0, hot_groups=60, halo_coupling=0.01)
    files = simulate(tmp_path, settings=only, n_background=1)
    image, hot = plane(files.background[0]), fixed(files) & HOT != 0
    assert np.all(image[hot] > 0.05)
    beside = np.zeros_like(hot)
    beside[1:] |= hot[:-1]
    beside[:-1] |= hot[1:]
    beside[:, 1:] |= hot[:, :-1]
    beside[:, :-1] |= hot[:, 1:]
    assert np.all(image[~hot & ~beside] == 0)
    assert np.all(image[beside & ~hot] > 0)
    other = plane(files.science[0])
    assert 0.01 < np.std(np.log(other[hot] / image[hot])) < 0.06


def test_exposures_have_noise_of_their_own(long):
    sensitive = np.s_[100:200, 475:505]  # in the gap
    noise = [plane(path)[sensitive] for path in long.science + long.background]
    good = np.all(np.isfinite(noise), axis=0) & (fixed(long)[sensitive] == 0)
    for i in range(4):
        for j in range(i):
            assert abs(np.corrcoef(noise[i][good], noise[j][good])[0, 1]) < 0.3


@settings(share(0.12), suppress_health_check=FIXTURES)
@given(rows=st.integers(32, 130), columns=st.integers(32, 700))
def test_a_region_is_the_top_left_of_the_full_frame(long, tmp_path, rows, columns):
    files = simulate(tmp_path, size=(rows, columns), n_science=1, n_background=1, overwrite=True)
    region = np.s_[:rows, :columns]
    for part, whole in (
        (files.science[0], long.science[0]),
        (files.background[0], long.background[0]),
    ):
        np.testing.assert_array_equal(plane(part, "DQ"), plane(whole, "DQ")[region])
        for name in PLANES:
            np.testing.assert_allclose(
                plane(part, name), plane(whole, name)[region], rtol=1e-4, atol=1e-5
            )
    np.testing.assert_array_equal(fixed(files), fixed(long)[region])
    np.testing.assert_array_equal(cosmic(files)[0], cosmic(long)[0][region])


@settings(share(0.25), suppress_health_check=FIXTURES)
@given(
    detector=st.sampled_from(sorted(DETECTORS)),
    size=st.one_of(st.integers(32, 70), st.tuples(st.integers(32, 70), st.integers(32, 70))),
    seed=st.integers(0, 2**70),
)
def test_the_planes_of_an_exposure_agree(tmp_path, detector, size, seed):
    files = simulate(tmp_path, detector=detector, size=size, n_science=1, n_background=0,
                     seed=seed, overwrite=True)  # fmt: skip
    sci, err, photons, reads = (plane(files.science[0], name) for name in PLANES)
    dq = plane(files.science[0], "DQ")
    assert sci.shape == ((size, size) if isinstance(size, int) else size)
    reference = dq == DO_NOT_USE | REFERENCE_PIXEL
    bad = dq == DO_NOT_USE
    assert np.all(reference | bad | (dq == 0))
    assert np.all(reference[:, :REFERENCE_WIDTH])
    for values in (sci, err, photons, reads):
        assert np.all(values[reference] == 0)
        np.testing.assert_array_equal(np.isnan(values), bad)
    np.testing.assert_allclose(err**2, photons + reads, rtol=1e-5)
    assert not np.any((fixed(files) != 0) & reference)
    assert not np.any(cosmic(files)[0] & reference)


# Arguments and failures


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"detector": "NRCA1"}, ValueError, "detector must be one of MIRIFULONG.*'NRCA1'"),
        ({"detector": 3}, TypeError, "detector must be a string, got int"),
        ({"n_science": 0}, ValueError, "n_science must be .* at least 1, got 0"),
        ({"n_science": 1.5}, TypeError, "n_science must be a whole number, got 1.5"),
        ({"n_background": -1}, ValueError, "n_background must be .* at least 0, got -1"),
        ({"n_background": True}, TypeError, "n_background must be .* got True"),
        ({"seed": -1}, ValueError, "seed must be .* at least 0, got -1"),
        ({"epoch": 0}, ValueError, "epoch must be .* at least 1, got 0"),
        ({"seed": "1"}, TypeError, "seed must be a whole number, got '1'"),
        ({"size": 31}, ValueError, r"size \(rows\) must be .* at least 32, got 31"),
        ({"size": (64, 31)}, ValueError, r"size \(columns\) must be .* at least 32, got 31"),
        ({"size": (1024, 1033)}, ValueError, r"size must be at most \(1024, 1032\).*1033"),
        ({"size": (64, 64, 64)}, ValueError, r"size must be .*\(rows, columns\), got \(64, 64, 64"),
        ({"size": 64.0}, TypeError, r"size \(rows\) must be a whole number, got 64.0"),
        ({"settings": {}}, TypeError, "settings must be a Settings, got dict"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_written(tmp_path, arguments, error, says):
    folder = tmp_path / "never"
    with pytest.raises(error, match=says):
        simulate(folder, **arguments)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"groups": 1}, "groups must be at least 2"),
        ({"gain": 0}, "gain must be above 0"),
        ({"read_noise": -6}, "read_noise must not be negative, got -6"),
        ({"source_rate": float("nan")}, "source_rate must be finite, got nan"),
        ({"hot_group_shapes": ("blob",)}, r"hot_group_shapes must be .*2 x 2.*H2RG, got \('blob',"),
        ({"hot_group_shapes": ()}, r"hot_group_shapes must be one or more of"),
        ({"hot_range": (10.0, 1.0)}, r"hot_range must be \(low, high\), got \(10.0, 1.0\)"),
    ],
)
def test_impossible_settings_are_named(wrong, says):
    with pytest.raises(ValueError, match=f"Settings.{says}"):
        Settings(**wrong)


def test_more_defects_than_pixels_are_refused(tmp_path):
    crowded = Settings(hot_normalisation=1e7)
    with pytest.raises(ValueError, match=r"hot and low pixels on .* lower hot_normalisation"):
        simulate(tmp_path / "never", settings=crowded, size=32)
    assert not (tmp_path / "never").exists()


def test_a_path_must_be_a_path_of_a_directory(tmp_path):
    with pytest.raises(TypeError, match="directory must be a path, got int"):
        simulate(3)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file; give a folder for the outputs"):
        simulate(tmp_path / "file", size=32)
    assert (tmp_path / "file").read_text() == "mine"


def test_existing_files_are_kept_unless_overwrite_is_set(tmp_path):
    mine = tmp_path / "jw09999_mirifulong_truth.fits"
    mine.write_text("mine")
    with pytest.raises(FileExistsError, match=f"{mine.name} exists already; pass overwrite=True"):
        simulate(tmp_path, size=32)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"
    files = simulate(tmp_path, size=32, overwrite=True)
    assert fixed(files).shape == (32, 32)
    with pytest.raises(FileExistsError, match="exists already"):
        simulate(tmp_path, size=32)


@pytest.fixture
def _files_of_limited_size():
    """Make the system refuse files above 70 kB: the truth of many exposures, not an exposure."""
    resource = pytest.importorskip("resource", reason="the system has no limits for files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_files_of_limited_size")
def test_a_failure_midway_leaves_nothing_behind(tmp_path):
    few = simulate(tmp_path, size=32)
    assert max(path.stat().st_size for path in few.files) < 60_000
    kept = digests(tmp_path)
    with pytest.raises(OSError, match="large"):
        simulate(tmp_path, size=32, n_science=16, seed=2, overwrite=True)
    assert digests(tmp_path) == kept
    with pytest.raises(OSError, match="large"):
        simulate(tmp_path / "other", size=32, n_science=16)
    assert not (tmp_path / "other").exists()
