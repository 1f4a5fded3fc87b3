"""The files of the main job against those of the pipeline's own step, plane by plane."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.simulate import simulate

from .exposures import associate, header, planes

jwst_step = pytest.importorskip(
    "jwst.badpix_selfcal.badpix_selfcal_step", reason="jwst is not installed"
)
datamodels = pytest.importorskip("jwst.datamodels", reason="jwst is not installed")

SIZES = {"MIRIFULONG": None, "MIRIFUSHORT": None, "NRS1": (256, 300)}


def _association(folder, detector, size):
    """Simulate 1 science, 2 background and 2 selfcal exposures; return their association."""
    made = simulate(folder, detector=detector, size=size, n_science=3, n_background=2, seed=5)
    return associate(
        folder / "set_asn.json",
        made.science[0],
        background=made.background,
        selfcal=made.science[1:],
        name="set",
        **{"asn_type": "spec2", "asn_pool": "pool", "asn_id": "a1"},
    )


def _resave(folder):
    """Give every exposure the ASDF extension that the pipeline's own files have."""
    for path in folder.glob("*_rate.fits"):
        with datamodels.open(path) as model:
            model = model.copy()
        model.save(path)


def _run_reference(association, folder, **how):
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jwst_step.BadpixSelfcalStep.call(
            str(association),
            skip=False,
            save_results=True,
            save_flagged_bkg=True,
            output_dir=str(folder),
            output_file="set",
            **how,
        )
    science = folder / "set_badpixselfcalstep.fits"
    return [science, *(folder / f"set_badpix_selfcal_bkg_{i}.fits" for i in (0, 1))]


def _assert_equal_files(ours, theirs):
    for path, expected in zip(ours, theirs, strict=True):
        mine, other = planes(path), planes(expected)
        assert set(mine) == set(other) == {"SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"}
        for name, image in other.items():
            assert mine[name].dtype.newbyteorder("=") == image.dtype.newbyteorder("=")
            np.testing.assert_array_equal(mine[name], image, err_msg=f"{path} {name}")


@pytest.mark.parametrize("with_asdf", [False, True])
@pytest.mark.parametrize("detector", SIZES)
def test_the_files_equal_those_of_the_pipelines_step(tmp_path, detector, with_asdf):
    association = _association(tmp_path, detector, SIZES[detector])
    if with_asdf:
        _resave(tmp_path)
    result = bps.selfcal(association, output_dir=tmp_path / "ours", save_flagged_bkg=True)
    assert result.bad_pixels.mask.sum() > 100
    theirs = _run_reference(association, tmp_path / "theirs")
    _assert_equal_files([result.science, *result.backgrounds], theirs)
    assert header(result.science)["S_BPXSLF"] == header(theirs[0])["S_BPXSLF"] == "COMPLETE"


@pytest.mark.parametrize(
    "how",
    [
        {"kernel_size": 5, "flagfrac_lower": 0.02, "flagfrac_upper": 0.0},
        {"kernel_size": 101, "flagfrac_lower": 0.5, "flagfrac_upper": 0.5},
    ],
)
def test_the_files_equal_with_other_parameters(tmp_path, how):
    association = _association(tmp_path, "MIRIFUSHORT", (96, 640))
    result = bps.selfcal(association, output_dir=tmp_path / "ours", save_flagged_bkg=True, **how)
    theirs = _run_reference(association, tmp_path / "theirs", **how)
    _assert_equal_files([result.science, *result.backgrounds], theirs)


def test_the_pipeline_opens_the_outputs(tmp_path):
    association = _association(tmp_path, "MIRIFULONG", (96, 640))
    _resave(tmp_path)
    result = bps.selfcal(association, output_dir=tmp_path / "ours", save_flagged_bkg=True)
    for path in (result.science, *result.backgrounds):
        with datamodels.open(path) as model:
            assert isinstance(model, datamodels.IFUImageModel)
            assert model.meta.cal_step.badpix_selfcal == "COMPLETE"
            assert model.meta.filename == path.name
            assert model.meta.asn.table_name == "set_asn.json"
            assert model.meta.asn.pool_name == "pool"
            assert model.meta.instrument.detector == "MIRIFULONG"
            mask = result.bad_pixels.mask
            assert np.isnan(model.data[mask]).all()
            assert (model.dq[mask] & bps.instrument.BAD == bps.instrument.BAD).all()


def test_a_skipped_output_says_so_to_the_pipeline(tmp_path):
    made = simulate(tmp_path, size=(96, 640), n_science=1, n_background=0)
    with pytest.warns(bps.SelfcalWarning, match="step skipped"):
        result = bps.selfcal(made.science[0], output_dir=tmp_path / "ours", copy_skipped=True)
    with datamodels.open(result.science) as model:
        assert model.meta.cal_step.badpix_selfcal == "SKIPPED"
