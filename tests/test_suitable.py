"""Inputs that are given by mistake: missing, unknown, flagged already, of other modes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import AssociationError, ExposureError, SelfcalWarning
from badpix_selfcal.files.exposure import LATER_STEPS
from badpix_selfcal.instrument import BAD

from .exposures import observation, planes, sky, write
from .pools import pool, take


def cards(path, **values):
    """Set cards of the primary header of an exposure; return the exposure."""
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update(values)
    return path


def member(association, expname, exptype):
    """Add a member to an association."""
    table = json.loads(association.read_text())
    table["products"][0]["members"].append({"expname": expname, "exptype": exptype})
    association.write_text(json.dumps(table))


class TestMissing:
    """A file or folder that does not exist."""

    @pytest.fixture(autouse=True)
    def _data(self, tmp_path, monkeypatch):
        (tmp_path / "data").mkdir()
        pool(tmp_path / "data", detectors=("NRS1",), science=2, background=0)
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize("function", [bps.batch, bps.associate])
    @pytest.mark.parametrize(
        ("given", "near"),
        [
            ("dat", "data"),
            ("data/sci0_nrs_rate.fits", "data/sci0_nrs1_rate.fits"),
            (
                "daat/sci0_nrs1_rate.fits",
                "daat",
            ),
            ("elsewhere/a", None),
        ],
    )
    def test_it_is_named_with_near_names(self, tmp_path, function, given, near):
        with pytest.raises(ExposureError) as caught:
            function(given, output_dir="out")
        message = str(caught.value)
        assert message.startswith(f"{given}: no such file or folder")
        expected = {"daat": "; did you mean data?", None: ""}.get(near, f"; did you mean {near}")
        assert expected in message
        assert (message == f"{given}: no such file or folder") == (near is None)
        assert not (tmp_path / "out").exists()

    def test_one_of_several_is_noticed_before_any_work(self, tmp_path):
        with pytest.raises(ExposureError, match=r"^sky: no such file or folder$"):
            bps.batch("data", background="sky", output_dir="out")
        assert not (tmp_path / "out").exists()

    def test_a_link_to_nowhere_fails_on_its_own(self, tmp_path):
        (tmp_path / "link_rate.fits").symlink_to("gone")
        result = bps.batch(["data", "link_rate.fits"], output_dir="out")
        (failed,) = result.failed
        assert failed.error == "link_rate.fits: no such file or folder"
        assert len(list((tmp_path / "out").iterdir())) == 2


class TestExposureTypes:
    """The exposure types of an association's members."""

    def test_an_unknown_one_is_an_error(self, tmp_path):
        association = observation(tmp_path)
        member(association, "bkg0_rate.fits", "backgroud")
        with pytest.raises(AssociationError, match=r"bkg0_rate\.fits\): the exptype 'backgroud'"):
            bps.selfcal(association, output_dir=tmp_path / "out")

    def test_known_ones_that_are_not_used_are_in_the_result(self, tmp_path):
        association = observation(tmp_path)
        member(association, "leak_rate.fits", "Imprint")
        result = bps.selfcal(association, output_dir=tmp_path / "out")
        assert result.unused == {tmp_path / "leak_rate.fits": "imprint"}
        assert tmp_path / "leak_rate.fits" not in result.members


class TestFlaggedAlready:
    """An output of the step as an input."""

    @pytest.fixture
    def flagged(self, tmp_path):
        result = bps.selfcal(observation(tmp_path), output_dir=tmp_path / "first")
        return result.science

    @pytest.mark.parametrize("role", ["science", "background", "selfcal"])
    def test_it_is_an_error(self, tmp_path, flagged, role):
        science = flagged if role == "science" else tmp_path / "sci0_rate.fits"
        others = {"selfcal": tmp_path / "self0_rate.fits"} if role == "science" else {role: flagged}
        with pytest.raises(ExposureError) as caught:
            bps.selfcal(science, output_dir=tmp_path / "out", **others)
        assert str(caught.value).startswith(f"{flagged}: is flagged already")
        assert "set `force` to use it" in str(caught.value)
        assert not (tmp_path / "out").exists()
        result = bps.selfcal(science, output_dir=tmp_path / "out", force=True, **others)
        assert result.status == "COMPLETE"

    def test_in_a_batch_it_fails_and_the_others_go_on(self, tmp_path, flagged):
        inputs = [flagged, *sorted(tmp_path.glob("self*.fits"))]
        result = bps.batch(inputs, output_dir=tmp_path / "out")
        (failed,) = result.failed
        assert failed.exposure == flagged
        assert "is flagged already" in failed.error
        assert len(list((tmp_path / "out").iterdir())) == 2
        forced = bps.batch(inputs, output_dir=tmp_path / "forced", force=True)
        assert len(forced.groups[0].members) == 3

    def test_no_association_is_made_of_it(self, flagged):
        with pytest.raises(ExposureError) as caught:
            bps.associate(flagged)
        assert "is flagged already" in str(caught.value)
        assert "force" not in str(caught.value)  # `associate` has no such argument

    def test_an_unflagged_copy_may_be_used(self, tmp_path):
        science = write(tmp_path / "a_rate.fits", sky(1))
        with pytest.warns(SelfcalWarning, match="step skipped"):
            copy = bps.selfcal(science, output_dir=tmp_path / "out", copy_skipped=True).science
        again = bps.selfcal(copy, output_dir=tmp_path / "again", force_single=True)
        assert again.status == "COMPLETE"


class TestOdd:
    """Exposures that are used with a warning."""

    def test_a_calibrated_one_by_its_name(self, tmp_path):
        calibrated = write(tmp_path / "a_CAL.fits", sky(1))
        with pytest.warns(SelfcalWarning) as warned:
            bps.selfcal(calibrated, output_dir=tmp_path / "out", force_single=True)
        assert [str(each.message) for each in warned] == [
            f"{calibrated}: later steps of the pipeline have changed the samples; this step takes "
            "rates (_rate)"
        ]

    @pytest.mark.parametrize("step", LATER_STEPS)
    def test_a_calibrated_one_by_its_header(self, tmp_path, step):
        calibrated = cards(write(tmp_path / "a_rate.fits", sky(1)), **{step: "COMPLETE"})
        with pytest.warns(SelfcalWarning, match=rf"a_rate\.fits: .* samples \({step} = COMPLETE\)"):
            bps.selfcal(calibrated, output_dir=tmp_path / "out", force_single=True)

    def test_the_cards_of_later_steps_are_those_of_the_pipeline(self):
        models = pytest.importorskip("stdatamodels.jwst.datamodels")
        schema = Path(models.__file__).with_name("schemas") / "core.schema.yaml"
        words = schema.read_text(encoding="utf-8").split()
        assert set(LATER_STEPS) <= set(words)

    def test_a_step_that_was_skipped_has_changed_nothing(self, tmp_path):
        rate = cards(write(tmp_path / "a_rate.fits", sky(1)), S_BKDSUB="SKIPPED", S_WCS="COMPLETE")
        assert bps.selfcal(rate, output_dir=tmp_path / "out", force_single=True).bad_pixels

    def test_one_of_another_mode(self, tmp_path):
        path = tmp_path / "image_rate.fits"
        write(path, sky(1), detector="MIRIMAGE", exp_type="MIR_IMAGE")
        with pytest.warns(SelfcalWarning) as warned:
            bps.selfcal(path, output_dir=tmp_path / "out", force_single=True)
        assert [str(each.message) for each in warned] == [
            f"{path}: EXP_TYPE is MIR_IMAGE; this step is made for MIR_MRS, NRS_IFU, NRS_MSASPEC, "
            "NRS_FIXEDSLIT"
        ]

    @pytest.mark.parametrize(("count", "more"), [(5, " and 2 more"), (4, " and 1 more"), (3, "")])
    def test_a_batch_of_several_names_three(self, tmp_path, count, more):
        paths = [take(tmp_path / f"{n}_cal.fits", n, detector="NRS1") for n in range(count)]
        with pytest.warns(SelfcalWarning) as warned:
            bps.batch(paths, output_dir=tmp_path / "out")
        (message,) = (str(each.message) for each in warned)
        assert message.startswith(f"{paths[0]}, {paths[1]}, {paths[2]}{more}: later steps")


class TestDetectors:
    """Exposures of several detectors in one association."""

    def test_two_of_miri_are_an_error_unless_forced(self, tmp_path):
        science = write(tmp_path / "a_rate.fits", sky(1))
        other = write(tmp_path / "b_rate.fits", sky(2), detector="MIRIFUSHORT")
        with pytest.raises(ExposureError) as caught:
            bps.selfcal(science, selfcal=other, output_dir=tmp_path / "out")
        assert str(caught.value).startswith(
            f"{other}: was taken with MIRIFUSHORT, the science exposure {science} with MIRIFULONG"
        )
        assert not (tmp_path / "out").exists()
        with pytest.warns(SelfcalWarning, match="was taken with MIRIFUSHORT"):
            result = bps.selfcal(science, selfcal=other, output_dir=tmp_path / "out", force=True)
        flags = planes(result.science)["DQ"] & BAD == BAD
        assert flags[result.bad_pixels.mask].all()

    def test_one_without_detector_and_mode_causes_no_warning(self, tmp_path):
        science = write(tmp_path / "a_rate.fits", sky(1))
        other = write(tmp_path / "b_rate.fits", sky(2), detector=None, exp_type="")
        result = bps.selfcal(science, selfcal=other, output_dir=tmp_path / "out")
        assert result.members == (science, other)

    def test_two_of_nirspec_cause_a_warning(self, tmp_path):
        how = {"exp_type": "NRS_IFU", "dispaxis": 1}
        science = write(tmp_path / "a_rate.fits", sky(1), detector="NRS1", **how)
        other = write(tmp_path / "b_rate.fits", sky(2), detector="NRS2", **how)
        with pytest.warns(SelfcalWarning, match=r"b_rate\.fits: was taken with NRS2"):
            bps.selfcal(science, selfcal=other, output_dir=tmp_path / "out")
