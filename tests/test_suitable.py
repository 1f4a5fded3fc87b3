"""Inputs that are given by mistake: missing, unknown, flagged already, of other modes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import AssociationError, ExposureError, SelfcalWarning
from badpix_selfcal.cli import main
from badpix_selfcal.files.exposure import CALIBRATION, LATER_STEPS

from .exposures import GAP, change, flags_in, names, observation, products, sky, write
from .pools import pool, take


@pytest.fixture
def data(here):
    """Two exposures in a subfolder of the current folder."""
    (here / "data").mkdir()
    pool(here / "data", detectors=("NRS1",), science=2, background=0)
    return here


@pytest.mark.parametrize("function", [bps.batch, bps.associate])
@pytest.mark.parametrize(
    ("given", "rest"),
    [
        ("dat", "; did you mean data?"),
        ("data/sci0_nrs_rate.fits", "; did you mean data/sci0_nrs1_rate.fits"),
        ("daat/sci0_nrs1_rate.fits", "; did you mean data?"),
        ("elsewhere/a", ""),
    ],
)
def test_what_is_missing_is_named_with_near_names(data, function, given, rest):
    with pytest.raises(ExposureError) as caught:
        function(given, output_dir="out")
    message = str(caught.value)
    assert message.startswith(f"{given}: no such file or folder")
    assert rest in message
    assert rest or message == f"{given}: no such file or folder"
    with pytest.raises(ExposureError, match=f"^{given}: no such file or folder"):
        function("data", background=given, output_dir="out")
    assert names(data) == ["data"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            ["a/1_uncal.fits", "b/2_uncal.fits.gz"],
            "2 *_uncal.fits (calwebb_detector1 makes rates of them)",
        ),
        (["a/1_cal.fits", "x_ramp.fits"], "1 *_cal.fits (made of rates: give those), 1 *_ramp"),
        (["1_x1d.fits", "sci.fits"], "1 *.fits, 1 *_x1d.fits; name the exposures"),
        (["1_badpix_selfcal.fits"], "1 *_selfcal.fits (flagged already)"),
        ([".a/1_uncal.fits", "notes.txt"], ""),
    ],
)
@pytest.mark.parametrize("function", [bps.batch, bps.associate])
def test_a_folder_without_rates_names_what_it_has(data, function, found, said):
    for name in found:
        (data / "other" / name).parent.mkdir(parents=True, exist_ok=True)
        (data / "other" / name).touch()
    none = "other: there is no *_rate.fits in this folder and its sub-folders"
    with pytest.raises(ExposureError, match=f"^{re.escape(none + ', but ' * bool(said) + said)}"):
        function("other", output_dir="out")
    with pytest.raises(ExposureError, match=f"^{re.escape(none)}"):
        function("data", background="other", output_dir="out")


KINDS = {
    "x_asn.json": "is an association; give it to `run`, which takes one at a time",
    "x_asn.YAML": "is an association; give it to `run`, which takes one at a time",
    "x_rate.fits.bz2": "is compressed by another program than gzip; unpack it (bunzip2)",
    "x_rate.fits.xz": "is compressed by another program than gzip; unpack it (unxz)",
    "x_rate.fits.zip": "is compressed by another program than gzip; unpack it (unzip)",
    "notes.txt": "is not a FITS file, nor one compressed by gzip",
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_no_exposure_is_called_what_it_is(data, name):
    (data / name).write_bytes(b"[]\xff")
    (failed,) = bps.batch(["data", name], output_dir="out").failed
    assert failed.error == f"{name}: {KINDS[name]}"
    for call in (bps.associate, lambda given: bps.apply(given, "data")):
        with pytest.raises(ValueError, match=f"^{re.escape(failed.error)}$"):
            call(name)
    said = KINDS[name] if ".fits" in name else "is neither an exposure"
    if "_asn" not in name:
        with pytest.raises(ValueError, match=f"^{re.escape(f'{name}: {said}')}"):
            bps.selfcal(name, output_dir="run")


def test_an_exposure_compressed_by_fpack_is_refused_and_fts_is_fits(data):
    path = data / "data" / "sci0_nrs1_rate.fits"
    with fits.open(path) as hdus:
        tiles = fits.CompImageHDU(hdus["SCI"].data, hdus["SCI"].header)
        fits.HDUList([hdus[0], tiles]).writeto("x_rate.fits.fz")
    with pytest.raises(ExposureError, match=r"^x_rate\.fits\.fz: SCI is tile-compressed.*funpack"):
        bps.selfcal("x_rate.fits.fz")
    path.rename("sci0_rate.fts")
    result = bps.selfcal("sci0_rate.fts", background="data", output_dir="out")
    assert result.science == Path("out/sci0_badpix_selfcal.fits")


@pytest.mark.parametrize("kind", ["asn.json", "rate.fits"])
def test_a_run_takes_one_input(data, capsys, kind):
    if kind == "asn.json":
        bps.associate("data")
    paths = sorted(str(each.relative_to(data)) for each in data.glob(f"data/*{kind}"))
    one = "`run` takes one association or exposure, `batch` takes many exposures"
    stands = f"data/*{kind}: stands for {', '.join(paths)}; {one}"
    with pytest.raises(ExposureError, match=f"^{re.escape(stands)}$"):
        bps.selfcal(f"data/*{kind}")
    with pytest.raises(TypeError, match=f"^input must be a path or URL, got .*; {one}$"):
        bps.selfcal(paths)
    assert main(["run", *paths]) == 2
    many = f"one argument too many: {paths[1]}; run takes one input, 'badpix-selfcal batch' many"
    assert many in capsys.readouterr().err
    with pytest.warns(SelfcalWarning, match="is the science exposure; it is left out"):
        assert bps.selfcal(f"data/*0*{kind}", background="data", output_dir="out").written


def test_a_link_to_nowhere_fails_on_its_own(data):
    (data / "link_rate.fits").symlink_to("gone")
    (failed,) = bps.batch(["data", "link_rate.fits"], output_dir="out").failed
    assert failed.error == "link_rate.fits: no such file or folder"
    assert len(names(data / "out")) == 2


def test_an_unknown_exposure_type_is_an_error(tmp_path):
    member = {"expname": "bkg0_rate.fits", "exptype": "backgroud"}
    association = products(observation(tmp_path), lambda those: those[0]["members"].append(member))
    with pytest.raises(AssociationError, match=r"bkg0_rate\.fits\): the exptype 'backgroud'"):
        bps.selfcal(association, output_dir=tmp_path / "out")


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
        (failed,) = bps.batch(inputs, output_dir=tmp_path / "out").failed
        assert failed.exposure == flagged
        assert "is flagged already" in failed.error
        assert len(names(tmp_path / "out")) == 2
        forced = bps.batch(inputs, output_dir=tmp_path / "forced", force=True)
        assert len(forced.groups[0].members) == 3

    def test_no_association_is_made_of_it(self, flagged):
        with pytest.raises(ExposureError, match="is flagged already") as caught:
            bps.associate(flagged)
        assert "force" not in str(caught.value)  # `associate` has no such argument


class TestCalibrated:
    """An exposure of level 2b (``_cal``), whatever its name is."""

    @pytest.fixture(params=["S_FLAT", "S_PHOTOM", "BUNIT"])
    def calibrated(self, tmp_path, request):
        path = take(tmp_path / "a_rate.fits", 1, detector="NRS1")
        if request.param == "BUNIT":
            with fits.open(path, mode="update") as hdus:
                hdus["SCI"].header["BUNIT"] = "MJy/sr"
            return path, "BUNIT = MJy/sr"
        return change(path, **{request.param: "COMPLETE"}), f"{request.param} = COMPLETE"

    def test_it_is_refused_as_any_input_and_by_any_command(self, tmp_path, calibrated):
        path, card = calibrated
        others = [take(tmp_path / f"{n}_rate.fits", n, detector="NRS1") for n in (2, 3)]
        calls = [
            lambda: bps.selfcal(path, background=others, output_dir=tmp_path / "out"),
            lambda: bps.selfcal(others[0], selfcal=path, output_dir=tmp_path / "out"),
            lambda: bps.associate([path]),
        ]
        for call in calls:
            with pytest.raises(ExposureError) as caught:
                call()
            said = str(caught.value)
            assert said.startswith(f"{path}: is calibrated, its light is flat-fielded ({card})")
            assert "give the exposure that it was made from (_rate)" in said
        made = bps.selfcal(others[0], selfcal=others, output_dir=tmp_path / "out")
        (failed,) = bps.apply(made.mask, [path, *others], output_dir=tmp_path / "applied").failed
        assert failed.exposure == path
        (failed,) = bps.batch([path, *others], output_dir=tmp_path / "batch").failed
        assert f"is calibrated, its light is flat-fielded ({card})" in failed.error
        assert names(tmp_path / "batch") == [f"{n}_badpix_selfcal.fits" for n in (2, 3)]

    def test_force_uses_it_with_a_warning(self, tmp_path, calibrated):
        path, card = calibrated
        with pytest.warns(SelfcalWarning) as warned:
            result = bps.selfcal(path, output_dir=tmp_path / "out", force_single=True, force=True)
        assert any(f"have changed the samples ({card})" in str(each.message) for each in warned)
        assert result.status == "COMPLETE"


@pytest.mark.parametrize(
    ("name", "cards", "said"),
    [
        *(
            (
                name,
                cards,
                f"later steps of the pipeline have changed the samples ({why}); this step takes "
                "rates (_rate)",
            )
            for name, cards, why in [
                ("a_CAL", {}, "its name, _cal"),
                *(("a_rate", {step: "COMPLETE"}, f"{step} = COMPLETE") for step in LATER_STEPS),
            ]
        ),
        ("a_rate", {"S_BKDSUB": "SKIPPED", "S_WCS": "COMPLETE"}, None),
        (
            "a_rate",
            {"DETECTOR": "MIRIMAGE", "EXP_TYPE": "MIR_IMAGE"},
            "EXP_TYPE is MIR_IMAGE; this step is made for MIR_MRS, NRS_IFU, NRS_MSASPEC, "
            "NRS_FIXEDSLIT",
        ),
    ],
)
def test_odd_exposures_are_used_with_a_warning(tmp_path, recwarn, name, cards, said):
    path = change(write(tmp_path / f"{name}.fits", sky(1)), **cards)
    how = {"force_single": True, "force": not {*cards}.isdisjoint(CALIBRATION)}
    assert bps.selfcal(path, output_dir=tmp_path / "out", **how).bad_pixels
    assert [str(each.message) for each in recwarn] == ([] if said is None else [f"{path}: {said}"])


def test_the_cards_of_later_steps_are_those_of_the_pipeline():
    models = pytest.importorskip("stdatamodels.jwst.datamodels")
    schema = Path(models.__file__).with_name("schemas") / "core.schema.yaml"
    assert set(LATER_STEPS) <= set(schema.read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("count", "more"), [(5, " and 2 more"), (4, " and 1 more"), (3, "")])
def test_a_warning_about_several_names_three(tmp_path, count, more):
    paths = [take(tmp_path / f"{n}_cal.fits", n, detector="NRS1") for n in range(count)]
    with pytest.warns(SelfcalWarning) as warned:
        bps.batch(paths, output_dir=tmp_path / "out")
    (message,) = (str(each.message) for each in warned)
    assert message.startswith(f"{paths[0]}, {paths[1]}, {paths[2]}{more}: later steps")


# Exposures of several detectors in one association


def test_two_detectors_of_miri_are_an_error_unless_forced(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    other = write(tmp_path / "b_rate.fits", sky(2), detector="MIRIFUSHORT")
    with pytest.raises(ExposureError) as caught:
        bps.selfcal(science, selfcal=other, output_dir=tmp_path / "out")
    what = f"{other}: was taken with MIRIFUSHORT, the science exposure {science} with MIRIFULONG"
    assert str(caught.value).startswith(what)
    assert not (tmp_path / "out").exists()
    with pytest.warns(SelfcalWarning, match="was taken with MIRIFUSHORT"):
        result = bps.selfcal(science, selfcal=other, output_dir=tmp_path / "out", force=True)
    assert flags_in(result.science)[result.bad_pixels.mask].all()
    assert result.pedestals[other] == bps.pedestal(sky(2), GAP)  # the gap of the science exposure's


def test_an_exposure_without_detector_and_mode_causes_no_warning(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    other = write(tmp_path / "b_rate.fits", sky(2), detector=None, exp_type="")
    result = bps.selfcal(science, selfcal=other, output_dir=tmp_path / "out")
    assert result.members == (science, other)


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"DETECTOR": "NRS2"}, "was taken with NRS2"),
        ({"EXP_TYPE": "NRS_FIXEDSLIT"}, "has EXP_TYPE NRS_FIXEDSLIT, the science exposure .*_IFU"),
        ({"SUBARRAY": "SUBS200A1"}, "has the subarray SUBS200A1, the science exposure .* has FULL"),
        ({"SUBSTRT1": 9}, r"has the subarray \(9,1\), the science exposure"),
    ],
)
def test_other_modes_in_an_association_cause_a_warning(tmp_path, cards, words):
    association = observation(
        tmp_path, shape=(40, 60), detector="NRS1", exp_type="NRS_IFU", dispaxis=1
    )
    change(tmp_path / "self1_rate.fits", **cards)
    with pytest.warns(SelfcalWarning, match=rf"self1_rate\.fits: {words}"):
        bps.selfcal(association, output_dir=tmp_path / "out")
