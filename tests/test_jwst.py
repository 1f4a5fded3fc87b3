"""The drop-in step against the pipeline's own, on the same models, alone and in a pipeline."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import instrument
from badpix_selfcal.testing import dispaxes, flagfracs, images

from .exposures import planes

pytest.importorskip("jwst", reason="jwst is not installed")

from jwst.badpix_selfcal import badpix_selfcal_step as theirs
from jwst.badpix_selfcal.badpix_selfcal import badpix_selfcal as their_badpix_selfcal
from jwst.datamodels import ModelContainer
from stdatamodels.jwst import datamodels as dm

import badpix_selfcal.jwst as drop_in

from .models import DISPAXIS, SIZES, assert_same_models, listed_twice, observe, run

Stock, Ours = theirs.BadpixSelfcalStep, drop_in.BadpixSelfcalStep


@pytest.fixture(scope="module")
def observations(tmp_path_factory):
    """The exposures of every detector, which no test may change."""
    return {name: observe(tmp_path_factory.mktemp(name), name) for name in SIZES}


@pytest.fixture
def exposures(observations):
    return observations["MIRIFULONG"]


def assert_same_results(ours, others, status="COMPLETE", backgrounds=None):
    if isinstance(others, Exception):
        assert type(ours) is type(others), repr(ours)
        return
    assert not isinstance(ours, Exception), repr(ours)
    assert type(ours) is type(others) is tuple
    assert_same_models(ours[0], others[0])
    assert ours[0].meta.cal_step.badpix_selfcal == status
    assert type(ours[1]) is type(others[1]) is list
    assert len(others[1]) == (len(ours[1]) if backgrounds is None else backgrounds)
    for mine, other in zip(ours[1], others[1], strict=True):
        assert_same_models(mine, other)


def count(result):
    """Return how many pixels a step has flagged."""
    return np.count_nonzero(result[0].dq & 2**30)


def both(*arguments, **how):
    return run(Ours, *arguments, **how), run(Stock, *arguments, **how)


@pytest.mark.parametrize("detector", SIZES)
def test_associations(observations, detector):
    ours, others = both(observations[detector]["association"])
    assert_same_results(ours, others, backgrounds=2)
    assert count(ours) > 5


def test_containers(exposures):
    container = ModelContainer(exposures["association"])
    before = [model.copy() for model in container]
    assert_same_results(*both(container), backgrounds=2)
    for model, untouched in zip(container, before, strict=True):
        assert_same_models(model, untouched)


def test_models_and_file_names(exposures):
    science, selfcal, background = (
        exposures[role] for role in ("science", "selfcal", "background")
    )
    assert_same_results(*both(science[0], selfcal, background), backgrounds=2)
    assert_same_results(*both(science[0], None, background), backgrounds=2)
    assert_same_results(*both(exposures["association"], selfcal, background), backgrounds=4)
    roles = ("science", "selfcal", "background")
    models = {role: [dm.open(path) for path in exposures[role]] for role in roles}
    before = {role: [model.copy() for model in models[role]] for role in ("science", "background")}
    lists = models["selfcal"], models["background"]
    assert_same_results(*both(models["science"][0], *lists), backgrounds=2)
    for role, copies in before.items():
        for model, untouched in zip(models[role], copies, strict=True):
            assert_same_models(model, untouched)


def test_without_companions(exposures, caplog):
    caplog.set_level(logging.INFO, logger="jwst")
    (science,) = exposures["science"]
    assert_same_results(*both(science), status="SKIPPED", backgrounds=0)
    assert "force_single" in caplog.text
    assert_same_results(*both(science, force_single=True), backgrounds=0)


@pytest.mark.parametrize(
    "how",
    [
        {"kernel_size": 5, "flagfrac_lower": 0.02, "flagfrac_upper": 0.0},
        {"kernel_size": 101, "flagfrac_lower": 0.5, "flagfrac_upper": 0.5},
        {"kernel_size": 1},
        {"kernel_size": 14},
        {"kernel_size": 0},
        {"kernel_size": 15.5},
        {"flagfrac_lower": 0.7},
        {"flagfrac_upper": -0.1},
        {"flagfrac_upper": "many"},
        {"unknown": 1},
    ],
    ids=repr,
)
def test_parameters(exposures, how):
    ours, others = both(exposures["association"], **how)
    assert_same_results(ours, others)


@pytest.mark.parametrize("dispaxis", [None, 1, 2, 3])
def test_dispersion_axes(tmp_path, dispaxis):
    exposures = observe(tmp_path, "NRS1", dispaxis=None)
    with dm.open(exposures["science"][0]) as science:
        science.meta.wcsinfo.dispersion_direction = dispaxis
        ours, others = both(science, exposures["selfcal"], kernel_size=7)
        assert isinstance(others, ValueError) == (dispaxis == 3)
        assert_same_results(ours, others)


def test_a_model_that_has_no_dispersion_axis(caplog):
    assert drop_in._dispaxis(dm.IFUImageModel().meta) is None
    assert "square" in caplog.text


def test_gaps_without_samples(exposures, caplog):
    y0, y1, x0, x1 = theirs.PEDESTAL_INDX_MIRIFULONG
    selfcal = [dm.open(path).copy() for path in exposures["selfcal"]]
    selfcal[0].data[y0:y1, x0:x1] = np.nan
    assert_same_results(*both(exposures["science"][0], selfcal))
    assert f"{selfcal[0].meta.filename} has no valid samples between" in caplog.text
    selfcal[1].data[y0:y1, x0:x1] = np.inf
    assert_same_results(*both(exposures["science"][0], selfcal))
    cut = [dm.open(path).copy() for path in (*exposures["science"], *exposures["selfcal"])]
    for model in cut:
        for name in ("data", "dq", "err", "var_poisson", "var_rnoise"):
            setattr(model, name, np.ascontiguousarray(getattr(model, name)[:40, :400]))
    ours, others = both(cut[0], cut[1:])
    assert_same_models(ours[0], others[0])
    assert not (ours[0].dq & 2**30).any()


def test_infinities_hide_an_end_as_in_the_pipeline(exposures):
    models = [dm.open(exposures[role][0]).copy() for role in ("science", "selfcal")]
    for model in models:
        model.data[5:15, 5:85] = np.inf
    ours, others = both(models[0], models[1:])
    assert_same_results(ours, others)


def test_inputs_that_are_refused(exposures, tmp_path):
    science, *selfcal = (dm.open(path) for path in exposures["science"] + exposures["selfcal"])
    twice = ModelContainer([science.copy(), science.copy()])
    for model in twice:
        model.meta.asn.exptype = "science"
    smaller = selfcal[0].copy()
    smaller.data = smaller.data[:50]
    nameless = science.copy()
    nameless.meta.instrument.detector = None
    for arguments in [
        (twice,),
        (dm.SlitModel(),),
        (science, [smaller]),
        (nameless, selfcal),
        (str(tmp_path / "absent.fits"),),
        (science, [str(tmp_path / "absent.fits")]),
    ]:
        ours, others = both(*arguments)
        assert isinstance(others, Exception), arguments
        assert_same_results(ours, others)


def test_saved_files(exposures, tmp_path):
    def save(step, name, *arguments):
        how = {"save_results": True, "save_flagged_bkg": True, "output_dir": str(tmp_path / name)}
        run(step, *arguments, **how)
        return sorted((tmp_path / name).iterdir())

    science, selfcal, background = (
        exposures[role] for role in ("science", "selfcal", "background")
    )
    calls = [(exposures["association"],), (science[0], selfcal, background), (science[0],)]
    for number, arguments in enumerate(calls):
        ours = save(Ours, f"ours{number}", *arguments)
        others = save(Stock, f"theirs{number}", *arguments)
        assert [path.name for path in ours] == [path.name for path in others]
        assert len(ours) == (1 if len(arguments) == 1 and number else 3)
        for path, other in zip(ours, others, strict=True):
            mine, theirs_ = planes(path), planes(other)
            assert mine.keys() == theirs_.keys()
            for name, image in theirs_.items():
                np.testing.assert_array_equal(mine[name], image, strict=True)
            with dm.open(path) as model, dm.open(other) as reference:
                assert_same_models(model, reference)


def test_parameters_and_names_are_those_of_the_pipeline():
    ours, others = Ours(), Stock()
    assert isinstance(ours, Stock)
    more = {"cut": "fraction", "sigma_lower": 12.0, "sigma_upper": None, "grow": False}
    assert ours.get_pars() == {**others.get_pars(), **more}
    assert ours.get_pars(full_spec=False) == {**others.get_pars(full_spec=False), **more}
    assert ours.default_suffix() == others.default_suffix()
    assert Ours.get_config_reftype() == Stock.get_config_reftype() == "pars-badpixselfcalstep"
    assert Ours.class_alias == Stock.class_alias
    spec = {name: text for name, text in Ours.load_spec_file().items() if name not in more}
    assert spec == Stock.load_spec_file()


@pytest.mark.parametrize("detector", ["MIRIFULONG", "NRS1"])
def test_the_sigma_cut_flags_what_selfcal_flags(tmp_path, detector):
    exposures = observe(tmp_path, detector)
    cuts = {"cut": "sigma", "sigma_lower": 8.0, "sigma_upper": 4.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = bps.selfcal(exposures["association"], output_dir=tmp_path / "out", **cuts)
    science, backgrounds = run(Ours, exposures["association"], **cuts)
    assert expected.bad_pixels.mask.sum() > 5
    for model in (science, *backgrounds):
        flagged = model.dq & instrument.BAD == instrument.BAD
        np.testing.assert_array_equal(flagged, expected.bad_pixels.mask)


def test_parameters_of_the_sigma_cut_need_it_and_the_fractions_of_crds_are_no_error(tmp_path):
    association = observe(tmp_path, "NRS1")["association"]
    for name, value in {"sigma_lower": 8.0, "sigma_upper": 4.0, "grow": True}.items():
        error = run(Ours, association, **{name: value})
        assert str(error).startswith(f"`{name}` serves the sigma cut only; set `cut` to sigma, or")
    results = [run(Ours, association, cut="sigma", **how) for how in ({}, {"flagfrac_upper": 0.01})]
    (one, _), (other, _) = results
    np.testing.assert_array_equal(one.dq, other.dq)


def mask_of(model):
    return model.dq & instrument.BAD == instrument.BAD


def run_and_step(association, output_dir, **how):
    """Return what `selfcal` and the step of an association return with the sigma cut."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = bps.selfcal(association, output_dir=output_dir, cut="sigma", **how)
    return expected, run(Ours, association, cut="sigma", **how)


@pytest.mark.parametrize("detector", SIZES)
@pytest.mark.parametrize("dispaxis", ["known", None])
def test_the_sigma_cut_counts_exposures_once_as_selfcal_does(tmp_path, detector, dispaxis):
    exposures = observe(tmp_path, detector, dispaxis)
    association = listed_twice(exposures)
    expected, (science, backgrounds) = run_and_step(association, tmp_path / "out", grow=True)
    mask = expected.bad_pixels.mask
    assert mask.sum() > 5
    assert len(expected.members) == 5
    assert expected.dispaxis == DISPAXIS[detector]
    for model in (science, *backgrounds):
        np.testing.assert_array_equal(mask_of(model), mask)
    ours, others = both(association)
    assert_same_results(ours, others, backgrounds=2)  # the fraction cut is that of the pipeline


@pytest.mark.parametrize("lost", [["science"], ["selfcal"], ["selfcal", "background"]])
def test_exposures_without_a_pedestal_do_not_count_as_in_selfcal(tmp_path, lost, caplog):
    exposures = observe(tmp_path)
    y0, y1, x0, x1 = theirs.PEDESTAL_INDX_MIRIFULONG
    for path in (path for role in lost for path in exposures[role]):
        with dm.open(path) as model:
            model = model.copy()
        model.data[y0:y1, x0:x1] = np.nan
        model.save(path)
    expected, (science, _) = run_and_step(exposures["association"], tmp_path / "out")
    if len(lost) == 2:  # no companion is left
        assert expected.status == "SKIPPED"
        assert not mask_of(science).any()
        assert "no selfcal or background exposure can be used" in caplog.text
        _, (science, _) = run_and_step(exposures["association"], tmp_path / "1", force_single=True)
        assert mask_of(science).any()
        return
    assert expected.bad_pixels.mask.sum() > 5
    np.testing.assert_array_equal(mask_of(science), expected.bad_pixels.mask)


@pytest.mark.parametrize("detector", SIZES)
def test_noisy_exposures_and_zeros_do_not_count_as_in_selfcal(tmp_path, detector):
    exposures = observe(tmp_path, detector)
    for number, role in enumerate(("science", "selfcal", "background")):
        for path in exposures[role]:
            with dm.open(path) as model:
                model = model.copy()
            if role == "background":
                model.err *= 2
            lost = np.random.default_rng(number).random(model.data.shape) < 0.2
            lost &= model.dq >> 31 == 0
            model.data[lost] = model.err[lost] = 0
            model.dq[lost] |= instrument.DO_NOT_USE
            model.save(path)
    expected, (science, backgrounds) = run_and_step(exposures["association"], tmp_path / "out")
    assert expected.noisy == tuple(map(Path, exposures["background"]))
    assert expected.bad_pixels.mask.sum() > 5
    assert not np.isnan(expected.mask.minimum).all()
    for model in (science, *backgrounds):
        np.testing.assert_array_equal(mask_of(model), expected.bad_pixels.mask)
    ours, others = both(exposures["association"])
    assert_same_results(ours, others, backgrounds=2)


def test_a_wrong_cut_is_refused():
    with pytest.raises(Exception, match="cut"):
        Ours(cut="median")


@given(
    images(dtypes=("f2", "f4", "f8"), infinities=True),
    st.integers(1, 20),
    dispaxes(),
    flagfracs() | st.floats(-0.1, 1.1),
    flagfracs(),
)
@example(np.full((5, 7), 3e38, np.float32), 3, 1, 0.1, 0.1)
@example(np.full((3, 5), np.nan, np.float32), 15, 2, 0.001, 0.001)
@example(np.arange(35).reshape(5, 7), 3, None, 0.1, 0.1)
@example(np.arange(35.0, dtype=">f4").reshape(5, 7), 4, None, 0.1, 0.1)
@example(np.ones((1, 7)), 4, 2, 0.1, 0.1)
@example(np.ones((1, 7)), 3, 4, 0.1, 0.1)
@example(np.ones(7), 3, 1, 0.1, 0.1)
def test_bad_pixels_of_any_image(image, k, dispaxis, lower, upper):
    def outcome(function):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                return function(image, lower, upper, k, dispaxis)
            except ValueError as error:
                return error

    ours, others = outcome(drop_in.badpix_selfcal), outcome(their_badpix_selfcal)
    assert type(ours) is type(others)
    if isinstance(others, tuple):
        for mine, other in zip(ours, others, strict=True):
            np.testing.assert_array_equal(mine, other, strict=True)
