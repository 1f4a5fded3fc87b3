"""Real flight exposures through the main job."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import instrument

from .exposures import header, planes

jwst = pytest.importorskip("jwst.badpix_selfcal.badpix_selfcal", reason="jwst is not installed")

# The exposures are calibrated.
pytestmark = pytest.mark.filterwarnings("ignore:.*later steps of the pipeline")


def _minimum(paths):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN slices
        return np.nanmin([planes(path)["SCI"] for path in paths], axis=0)


def test_flags_are_those_of_jwst(flight_exposures, tmp_path):
    science, other, background = flight_exposures
    result = bps.selfcal(
        science,
        selfcal=other,
        background=background,
        output_dir=tmp_path,
        force=True,
        save_flagged_bkg=True,
        flagfrac_lower=0.01,
        flagfrac_upper=0.01,
    )
    flagged = jwst.badpix_selfcal(_minimum(flight_exposures), 0.01, 0.01, 15, dispaxis=1)
    assert result.dispaxis == 1
    assert len(flagged[0]) > 100
    for index, expected in zip(result.bad_pixels.indices, flagged, strict=True):
        np.testing.assert_array_equal(index, expected)
    for output, source in ((result.science, science), (result.backgrounds[0], background)):
        before, after = planes(source), planes(output)
        assert list(before) == list(after)
        expected = before["DQ"].copy()
        expected[flagged] |= np.uint32(instrument.BAD)
        np.testing.assert_array_equal(after["DQ"], expected)
        for name in set(before) - {"DQ"}:
            expected = before[name].copy()
            if name in instrument.NAN_PLANES:
                expected[flagged] = np.nan
            np.testing.assert_array_equal(after[name], expected)
        assert header(output)["S_BPXSLF"] == "COMPLETE"


@pytest.mark.parametrize("dispaxis", [1, 2, None])
def test_every_dispersion_axis(flight_exposures, dispaxis):
    minimum = _minimum(flight_exposures)
    found = bps.find_bad_pixels(minimum, dispaxis=dispaxis)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN slices
        expected = jwst.badpix_selfcal(minimum, dispaxis=dispaxis)
    for index, reference in zip(found.indices, expected, strict=True):
        np.testing.assert_array_equal(index, reference)


def test_the_pipeline_opens_the_outputs(flight_exposures, tmp_path):
    datamodels = pytest.importorskip("jwst.datamodels")
    how = {"selfcal": flight_exposures[1:], "output_dir": tmp_path, "force": True}
    result = bps.selfcal(flight_exposures[0], **how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the input itself causes warnings about its old schema
        with datamodels.open(result.science) as model:
            assert model.meta.cal_step.badpix_selfcal == "COMPLETE"
            flagged = model.dq & instrument.BAD == instrument.BAD
            before = planes(flight_exposures[0])["DQ"] & instrument.BAD == instrument.BAD
            np.testing.assert_array_equal(flagged, before | result.bad_pixels.mask)
            assert result.bad_pixels.mask.any()
