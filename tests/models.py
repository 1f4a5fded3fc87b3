"""Models of the pipeline for the tests of the drop-in: their files, steps on them, comparison."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from jwst.stpipe import Step
from stdatamodels.jwst import datamodels as dm

from badpix_selfcal.simulate import simulate

from .exposures import associate, products

SIZES = {"MIRIFULONG": (96, 640), "MIRIFUSHORT": (96, 640), "NRS1": (64, 80)}
DISPAXIS = {"MIRIFULONG": 2, "MIRIFUSHORT": 2, "NRS1": 1}
VARYING = ("meta.date", "_fits_hash")
"""Metadata that record when a model was made."""


def observe(folder, detector="MIRIFULONG", dispaxis="known"):
    """Write 1 science, 2 background, 2 selfcal exposures as the pipeline does, by their roles."""
    made = simulate(
        folder, detector=detector, size=SIZES[detector], n_science=3, n_background=2, seed=7
    )
    for path in (*made.science, *made.background):
        with dm.open(path) as model:
            model = model.copy()
        if dispaxis is not None:
            model.meta.wcsinfo.dispersion_direction = DISPAXIS[detector]
        model.save(path)
    files = {
        "science": made.science[:1],
        "background": made.background,
        "selfcal": made.science[1:],
    }
    association = associate(
        folder / "set_asn.json",
        *files["science"],
        background=files["background"],
        selfcal=files["selfcal"],
        name="set",
        **{"asn_type": "spec2", "asn_pool": "pool", "asn_id": "a1", "asn_rule": "r"},
    )
    files = {role: [str(path) for path in paths] for role, paths in files.items()}
    return {**files, "association": str(association)}


def listed_twice(exposures):
    """Let an association list its science exposure and a background again, as selfcal exposures."""

    def repeat(those):
        members = those[0]["members"]
        again = [each["expname"] for each in members if each["exptype"] != "selfcal"][:2]
        members += [{"expname": name, "exptype": "selfcal"} for name in again]

    return str(products(Path(exposures["association"]), repeat))


class KnowsItsAxis(Step):
    """Replaces assign_wcs: the step needs only the dispersion axis."""

    class_alias = "assign_wcs"
    spec = ""

    def process(self, model):
        model = self.prepare_output(model)
        model.meta.wcsinfo.dispersion_direction = 2
        model.meta.cal_step.assign_wcs = "COMPLETE"
        return model


def run(step, *arguments, **how):
    """Run a step; return its result or the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return step.call(*arguments, skip=False, configure_log=False, **how)
        except Exception as error:
            return error


def described(model):
    """Return all metadata but the date and the log."""
    flat = model.to_flat_dict(include_arrays=False)
    return {
        key: value for key, value in flat.items() if key not in VARYING and "cal_logs" not in key
    }


def assert_same_models(ours, others):
    assert type(ours) is type(others)
    assert described(ours) == described(others)
    for name in ("data", "dq", "err", "var_poisson", "var_rnoise", "var_flat"):
        mine, other = getattr(ours, name), getattr(others, name)
        assert (mine is None) == (other is None), name
        if other is not None:
            np.testing.assert_array_equal(mine, other, strict=True, err_msg=name)


def assert_same_files(ours, others):
    with dm.open(ours) as mine, dm.open(others) as other:
        assert_same_models(mine, other)
