"""Simulated exposures: their files, their determinism, and wrong arguments."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badpix_selfcal.instrument import DETECTORS, DO_NOT_USE, REFERENCE_PIXEL
from badpix_selfcal.simulate import COSMIC_RAY, HALO, HOT, LOW, Settings, simulate

from .profiles import share
from .simulations import PLANES, cosmic, digests, fixed, plane

FIXTURES = [HealthCheck.function_scoped_fixture]  # files of one example replace the last one's


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
            assert not model.hasattr("var_flat")
            assert model.meta.instrument.name == known.instrument
            assert model.meta.instrument.detector == detector
            assert model.meta.exposure.type == known.exp_type
            assert model.meta.wcsinfo.dispersion_direction == known.dispaxis
            assert model.meta.observation.bkgdtarg is background
            assert model.meta.filename == path.name
    assert [str(warning.message) for warning in recwarn] == []


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
            names = ["PRIMARY", "SCI", "ERR", "DQ", *PLANES[2:], "ASDF"]
            assert [hdu.name for hdu in hdus] == names
            assert (hdus["SCI"].header["DISPAXIS"], hdus["SCI"].header["BUNIT"]) == (2, "DN/s")
            assert [hdus[name].header["BITPIX"] for name in PLANES] == [-32] * 4


def test_files_are_named_as_in_the_archive_and_each_science_has_its_association(tmp_path):
    files = simulate(tmp_path / "new" / "folder", size=32, n_science=3, n_background=1)
    names = [f"jw09999001001_02101_0000{i}_mirifulong_rate.fits" for i in (1, 2, 3)]
    assert [path.name for path in files.science] == names
    assert files.background[0].name == "jw09999002001_02101_00001_mirifulong_rate.fits"
    assert files.truth.name == "jw09999_mirifulong_truth.fits"
    assert sorted(path.name for path in files.files) == sorted(digests(files.truth.parent))
    assert files.association == files.associations[0]
    for path, name in zip(files.associations, names, strict=True):
        content = json.loads(path.read_text(encoding="utf-8"))
        (product,) = content["products"]
        assert path.name == f"{product['name']}_spec2_asn.json"
        assert product["name"] == name.removesuffix("_rate.fits")
        assert [(each["expname"], each["exptype"]) for each in product["members"]] == [
            (name, "science"),
            (files.background[0].name, "background"),
            *((each, "selfcal") for each in names),
        ]
        assert (content["asn_type"], content["asn_pool"]) == ("spec2", "jw09999_pool")


def test_the_truth_file_explains_itself(long):
    with fits.open(long.truth) as hdus:
        header = hdus[0].header
        bits = [header[key] for key in ("HOT", "LOW", "COSMIC", "HALO")]
        assert bits == [HOT, LOW, COSMIC_RAY, HALO] == [1, 2, 4, 8]
        names = [hdu.header["EXPNAME"] for hdu in hdus if hdu.name == "COSMIC"]
        assert names == [path.name for path in long.science + long.background]
        assert not np.any(hdus["DEFECTS"].data & ~np.uint8(HOT | LOW | HALO))
        assert set(np.unique(hdus["COSMIC"].data)) == {0, COSMIC_RAY}


def test_equal_arguments_give_equal_bytes_whatever_else_is_there(tmp_path):
    few, many, other = tmp_path / "few", tmp_path / "many", tmp_path / "other"
    made = simulate(few, size=48, seed=7, n_science=1, n_background=1)
    simulate(many, size=48, seed=7, n_science=4, n_background=3)
    another = simulate(other, size=48, seed=8)
    before, after = digests(few), digests(many)
    exposures = [name for name in before if name.endswith("_rate.fits")]
    assert len(exposures) == 2
    assert [before[name] for name in exposures] == [after[name] for name in exposures]
    simulate(few, size=48, seed=7, n_science=1, n_background=1, overwrite=True)
    assert digests(few) == before
    assert not np.array_equal(fixed(made), fixed(another))
    assert not np.array_equal(plane(made.science[0]), plane(another.science[0]), equal_nan=True)


@settings(share(0.12), suppress_health_check=FIXTURES)
@given(rows=st.integers(32, 130), columns=st.integers(32, 700))
def test_a_region_is_the_top_left_of_the_full_frame(long, tmp_path, rows, columns):
    files = simulate(tmp_path, size=(rows, columns), n_science=1, n_background=1, overwrite=True)
    region = np.s_[:rows, :columns]
    for part, whole in zip(
        (files.science[0], files.background[0]), (long.science[0], long.background[0]), strict=True
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
    reference, bad = dq == DO_NOT_USE | REFERENCE_PIXEL, dq == DO_NOT_USE
    assert np.all(reference | bad | (dq == 0))
    assert np.all(reference[:, :4])
    for values in (sci, err, photons, reads):
        assert np.all(values[reference] == 0)
        np.testing.assert_array_equal(np.isnan(values), bad)
    np.testing.assert_allclose(err**2, photons + reads, rtol=1e-5)
    assert not np.any((fixed(files) != 0) & reference)
    assert not np.any(cosmic(files)[0] & reference)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"detector": "NRCA1"}, ValueError, "detector must be 'MIRIFULONG'.* got 'NRCA1'"),
        ({"n_science": 0}, ValueError, "n_science must be at least 1, got 0"),
        ({"n_background": -1}, ValueError, "n_background must be at least 0, got -1"),
        ({"epoch": 0}, ValueError, "epoch must be at least 1, got 0"),
        ({"seed": "1"}, TypeError, "seed must be a whole number, got '1'"),
        ({"size": (64, 31)}, ValueError, "size must be from 32 to 1032, got 31"),
        ({"size": (1025, 32)}, ValueError, "size must be from 32 to 1024, got 1025"),
        ({"size": (64, 64, 64)}, ValueError, r"size must be .* got \(64, 64, 64\)"),
        ({"size": 64.0}, TypeError, "size must be a whole number, got 64.0"),
        ({"settings": {}}, TypeError, "settings must be a Settings, got dict"),
        ({"settings": Settings(hot_normalisation=1e7)}, ValueError, "hot and low pixels on .*: lo"),
        ({"settings": Settings(hot_groups=99999)}, ValueError, "not fit on the .*: lower hot_gro"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_written(tmp_path, arguments, error, says):
    with pytest.raises(error, match=says):
        simulate(tmp_path / "never", **{"size": 32, **arguments})
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"groups": 1}, "groups must be at least 2 for a slope, got 1"),
        ({"gain": 0}, "gain must be above 0"),
        ({"read_noise": -6}, "read_noise must not be negative, got -6"),
        ({"source_rate": float("nan")}, "source_rate must be finite, got nan"),
        ({"hot_group_shapes": ("blob",)}, r"hot_group_shapes must be .*2 x 2.*H2RG, got \('blob',"),
        ({"hot_range": (10.0, 1.0)}, r"hot_range must be \(low, high\), got \(10.0, 1.0\)"),
    ],
)
def test_impossible_settings_are_named(wrong, says):
    with pytest.raises(ValueError, match=f"Settings.{says}"):
        Settings(**wrong)


def test_a_folder_must_not_be_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file; give a folder for the outputs"):
        simulate(tmp_path / "file", size=32)
    assert (tmp_path / "file").read_text() == "mine"


def test_existing_files_are_kept_unless_overwrite_is_set(tmp_path):
    mine = tmp_path / "jw09999_mirifulong_truth.fits"
    mine.write_text("mine")
    with pytest.raises(FileExistsError, match=f"{mine.name} exists already; .*overwrite"):
        simulate(tmp_path, size=32)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"
    assert fixed(simulate(tmp_path, size=32, overwrite=True)).shape == (32, 32)
