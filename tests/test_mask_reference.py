"""Mask files as reference files of the pipeline: its schema, and its dq_init step on ramps."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import instrument
from badpix_selfcal.instrument import DETECTORS
from badpix_selfcal.simulate import simulate

from .masks import ABOUT, group_mask

pytest.importorskip("jwst", reason="needs the extra jwst")

from jwst.dq_init import DQInitStep
from stdatamodels.jwst import datamodels as dm

DEAD = 1 << 10


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    """Steps record the context of the server of reference files, which is not asked here."""
    monkeypatch.setattr("stpipe.crds_client.get_context_used", lambda *_: "none")


def mask_of(detector, **about):
    """Return a mask of a full frame."""
    known = DETECTORS[detector]
    described = {
        **{"INSTRUME": known.instrument, "DETECTOR": detector, "EXP_TYPE": known.exp_type},
        **about,
    }
    mask = group_mask(shape=known.shape, dispaxis=known.dispaxis)
    return replace(mask, about={**ABOUT, **described})


def ramp_of(detector, shape=None, corner=(1, 1), subarray="FULL"):
    """Return a small ramp with a pixel that is flagged already."""
    known = DETECTORS[detector]
    rows, columns = shape or known.shape
    ramp = dm.RampModel(data=np.ones((1, 2, rows, columns), np.float32))
    ramp.pixeldq = np.zeros((rows, columns), np.uint32)
    ramp.pixeldq[0, 0] = instrument.REFERENCE_PIXEL
    ramp.groupdq = np.zeros(ramp.data.shape, np.uint8)
    ramp.meta.instrument.name = known.instrument
    ramp.meta.instrument.detector = detector
    ramp.meta.exposure.type = known.exp_type
    ramp.meta.observation.date, ramp.meta.observation.time = "2023-05-06", "00:00:00"
    frame = ramp.meta.subarray
    frame.name, (frame.xstart, frame.ystart) = subarray, corner
    frame.xsize, frame.ysize = columns, rows
    frame.fastaxis, frame.slowaxis = 1, 2
    return ramp


def assert_valid(path):
    """Check a mask file against the schema of the pipeline."""
    mask = bps.Mask.read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with dm.MaskModel(path, strict_validation=True) as model:
            model.validate()
            np.testing.assert_array_equal(model.dq, np.where(mask.flags, instrument.BAD, 0))
            assert model.dq.dtype == np.uint32
            assert model.dq.any()
            assert model.meta.instrument.detector == mask.detector
            assert [row["NAME"] for row in model.dq_def] == ["DO_NOT_USE", "OTHER_BAD_PIXEL"]
        with dm.open(path) as model:
            assert type(model) is dm.MaskModel


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_schema_of_mask_reference_files(tmp_path, detector):
    mask = mask_of(detector)
    assert_valid(path := mask.write(tmp_path / "x_mask.fits"))
    with dm.MaskModel(path) as model:
        frame = model.meta.subarray
        assert (frame.ysize, frame.xsize) == mask.flags.shape


@pytest.mark.parametrize("detector", DETECTORS)
def test_masks_of_runs_are_valid(tmp_path, detector):
    made = simulate(tmp_path / "in", detector=detector, size=(96, 640))
    result = bps.selfcal(made.associations[0], output_dir=tmp_path / "out", save_mask=True)
    assert_valid(result.mask_file)


@pytest.mark.filterwarnings("ignore:.*later steps of the pipeline")
def test_a_mask_of_flight_exposures_is_valid(tmp_path, flight_exposures):
    science, *others = flight_exposures
    how = {"output_dir": tmp_path, "save_mask": True, "force": True}  # they are calibrated
    result = bps.selfcal(science, selfcal=others, **how)
    assert_valid(result.mask_file)
    assert bps.Mask.read(result.mask_file).about["READPATT"] == "NRSIRS2"


@pytest.mark.parametrize("detector", ["MIRIFULONG", "MIRIFUSHORT", "NRS1", "NRS2"])
def test_dq_init_takes_a_mask_in_place_of_its_own(tmp_path, detector):
    mask = mask_of(detector)
    path = mask.write(tmp_path / "x_mask.fits")
    result = DQInitStep.call(ramp_of(detector), override_mask=str(path))
    flags = np.where(mask.bad_pixels.mask, np.uint32(instrument.BAD), np.uint32(0))
    flags[0, 0] |= np.uint32(instrument.REFERENCE_PIXEL)
    np.testing.assert_array_equal(result.pixeldq, flags)
    assert (result.groupdq[:, :, mask.bad_pixels.mask] == instrument.DO_NOT_USE).all()
    assert result.meta.cal_step.dq_init == "COMPLETE"


def test_dq_init_takes_a_mask_in_addition_to_another(tmp_path):
    mask = mask_of("MIRIFULONG")
    path = mask.write(tmp_path / "x_mask.fits")
    with dm.MaskModel(path) as model:
        model.dq = np.zeros_like(model.dq)
        model.dq[5, 6] = DEAD
        model.dq_def = np.array([(10, DEAD, "DEAD", "")], model.dq_def.dtype)
        model.save(tmp_path / "crds_mask.fits")
    step = {"override_mask": str(tmp_path / "crds_mask.fits"), "user_supplied_dq": str(path)}
    result = DQInitStep.call(ramp_of("MIRIFULONG"), **step)
    flags = np.where(mask.bad_pixels.mask, np.uint32(instrument.BAD), np.uint32(0))
    flags[5, 6] |= np.uint32(DEAD)
    flags[0, 0] |= np.uint32(instrument.REFERENCE_PIXEL)
    np.testing.assert_array_equal(result.pixeldq, flags)


def test_dq_init_cuts_a_subarray_out_of_a_full_frame(tmp_path):
    mask = mask_of("NRS1")
    path = mask.write(tmp_path / "x_mask.fits")
    ramp = ramp_of("NRS1", shape=(256, 2048), corner=(1, 101), subarray="SUB512")
    ramp.meta.subarray.fastaxis, ramp.meta.subarray.slowaxis = 2, 1
    result = DQInitStep.call(ramp, override_mask=str(path))
    inside = mask.bad_pixels.mask[100:356]
    assert inside.any()
    np.testing.assert_array_equal((result.pixeldq & instrument.OTHER_BAD_PIXEL) != 0, inside)
