"""A pytest plugin with which jwst's own tests run on the step of this package, without a network.

The tests would read the geometry of the detector from reference files. The step does not depend on
it, so a trivial geometry replaces it.
"""

from __future__ import annotations

import os

os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"

from astropy.modeling.models import Identity
from gwcs import coordinate_frames, wcs
from jwst.assign_wcs import AssignWcsStep, miri
from jwst.badpix_selfcal import badpix_selfcal_step
from stpipe import crds_client

import badpix_selfcal.jwst


def _pipeline(*_):
    detector, world = (
        coordinate_frames.CoordinateFrame(2, ("SPATIAL",) * 2, (0, 1), name=name)
        for name in ("detector", "world")
    )
    return [wcs.Step(detector, Identity(2)), wcs.Step(world, None)]


def pytest_configure():
    badpix_selfcal.jwst.install()
    if os.environ["STEP_UNDER_TEST"] == "ours":
        badpix_selfcal_step.BadpixSelfcalStep = badpix_selfcal.jwst.BadpixSelfcalStep
    AssignWcsStep.get_reference_file = lambda *_: "N/A"
    crds_client.get_context_used = lambda *_: "none"
    miri.create_pipeline = _pipeline


def pytest_report_header():
    return f"the step under test is {badpix_selfcal_step.BadpixSelfcalStep}"
