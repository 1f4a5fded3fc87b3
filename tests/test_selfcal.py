"""The rules of the step: what is read, skipped, left out and written."""

from __future__ import annotations

import gzip
import json
import re
import sys
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import AssociationError, ExposureError, SelfcalWarning, instrument
from badpix_selfcal.files.exposure import Exposure

from .exposures import (
    MRS,
    associate,
    enlarge,
    entry_of,
    header,
    largest_file,
    observation,
    planes,
    sky,
    write,
)

GAP = (50, 974, 474, 507)


def test_flags_are_those_of_the_minimum_image(tmp_path):
    result = bps.selfcal(observation(tmp_path), output_dir=tmp_path / "out")
    images = [sky(seed) for seed in range(1, 6)]
    pedestals = [bps.pedestal(image, GAP) for image in images]
    expected = bps.find_bad_pixels(bps.minimum_image(images, pedestals), dispaxis=2)
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)
    names = ("sci0", "bkg0", "bkg1", "self0", "self1")
    assert {path.name: level for path, level in result.pedestals.items()} == {
        f"{name}_rate.fits": level for name, level in zip(names, pedestals, strict=True)
    }
    assert (result.status, result.dispaxis, result.name) == ("COMPLETE", 2, "product")


def test_flagged_pixels_are_bad_in_every_plane_and_the_others_as_before(tmp_path):
    result = bps.selfcal(observation(tmp_path), output_dir=tmp_path / "out", save_flagged_bkg=True)
    mask = result.bad_pixels.mask
    assert 100 < mask.sum() < 200
    pairs = [(result.science, "sci0"), *zip(result.backgrounds, ["bkg0", "bkg1"], strict=True)]
    for output, source in pairs:
        before, after = planes(tmp_path / f"{source}_rate.fits"), planes(output)
        assert list(before) == list(after) == ["SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"]
        np.testing.assert_array_equal(after["DQ"][mask], before["DQ"][mask] | instrument.BAD)
        np.testing.assert_array_equal(after["DQ"][~mask], before["DQ"][~mask])
        for name in set(before) - {"DQ"}:
            assert np.isnan(after[name][mask]).all()
            np.testing.assert_array_equal(after[name][~mask], before[name][~mask])


def test_names_and_headers_of_the_outputs(tmp_path):
    out, before = tmp_path / "new" / "out", datetime.now(UTC)
    result = bps.selfcal(observation(tmp_path), output_dir=out, save_flagged_bkg=True)
    names = ["product_badpix_selfcal.fits"]
    names += [f"product_badpix_selfcal_bkg_{i}.fits" for i in (0, 1)]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    for path, name in zip((result.science, *result.backgrounds), names, strict=True):
        cards = header(path)
        assert (path.name, cards["FILENAME"]) == (name, name)
        assert cards["S_BPXSLF"] == "COMPLETE"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", cards["DATE"])
        written = datetime.fromisoformat(cards["DATE"]).replace(tzinfo=UTC)
        assert before - timedelta(milliseconds=1) <= written <= datetime.now(UTC)
        assert (cards["ASNTABLE"], cards["ASNPOOL"]) == ("x_asn.json", "pool.csv")
        assert cards["DETECTOR"] == "MIRIFULONG"
        assert re.fullmatch(
            rf"badpix_selfcal {bps.__version__} COMPLETE: cut=fraction kernel_size=15 "
            r"flagfrac_lower=0\.001 flagfrac_upper=0\.001 dispaxis=2 edge=zero "
            r"force_single=False spare_crowded=False input=\w{16} members=5:\w{16}",
            entry_of(path),
        )
        assert header(path, "SCI")["DISPAXIS"] == 2


def test_inputs_are_untouched(tmp_path, hashes):
    association = observation(tmp_path)
    before = hashes(tmp_path)
    bps.selfcal(association, output_dir=tmp_path / "out", save_flagged_bkg=True)
    assert hashes(tmp_path) == before


def test_backgrounds_are_written_on_demand_only(tmp_path):
    result = bps.selfcal(observation(tmp_path), output_dir=tmp_path / "out")
    assert result.backgrounds == ()
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_an_exposure_with_companions_needs_no_association(tmp_path):
    by_association = bps.selfcal(observation(tmp_path), output_dir=tmp_path / "a")
    by_files = bps.selfcal(
        tmp_path / "sci0_rate.fits",
        background=[tmp_path / "bkg0_rate.fits", str(tmp_path / "bkg1_rate.fits")],
        selfcal=(tmp_path / f"self{i}_rate.fits" for i in (0, 1)),
        output_dir=tmp_path / "b",
        save_flagged_bkg=True,
    )
    np.testing.assert_array_equal(by_association.bad_pixels.mask, by_files.bad_pixels.mask)
    assert by_files.science.name == "sci0_badpix_selfcal.fits"
    assert [path.name for path in by_files.backgrounds] == [
        "sci0_badpix_selfcal_bkg_0.fits",
        "sci0_badpix_selfcal_bkg_1.fits",
    ]
    assert "ASNTABLE" not in header(by_files.science)


@pytest.mark.parametrize("ending", [".fits", ".fit", ".FITS", ".fits.gz", ".fit.gz"])
def test_names_of_exposures(tmp_path, ending):
    content = write(tmp_path / "a.fits", sky(1, (40, 60)), detector="NRS1").read_bytes()
    path = tmp_path / f"a_rate{ending}"
    path.write_bytes(gzip.compress(content, 1) if ending.endswith(".gz") else content)
    result = bps.selfcal(path, output_dir=tmp_path / "out", force_single=True)
    assert result.science == tmp_path / "out" / "a_badpix_selfcal.fits"


@pytest.mark.parametrize("name", ["ü_rate.fits", "X_RATE.FITS"])
def test_unusual_names_of_exposures(tmp_path, name):
    science = write(tmp_path / name, sky(1))
    result = bps.selfcal(science, output_dir=tmp_path / "out", force_single=True)
    stem, card = {"ü_rate.fits": ("ü", "?"), "X_RATE.FITS": ("X_RATE", "X_RATE")}[name]
    assert result.science.name == f"{stem}_badpix_selfcal.fits"
    assert header(result.science)["FILENAME"] == f"{card}_badpix_selfcal.fits"


def test_companions_are_appended_to_the_association(tmp_path):
    association = observation(tmp_path, background=1, selfcal=0)
    more = write(tmp_path / "more.fits", sky(9) - 3)
    result = bps.selfcal(
        association, background=more, output_dir=tmp_path / "out", save_flagged_bkg=True
    )
    assert len(result.members) == 3
    assert [header(path)["FILENAME"][-10:] for path in result.backgrounds] == [
        "bkg_0.fits",
        "bkg_1.fits",
    ]
    unflagged = ~result.bad_pixels.mask
    np.testing.assert_array_equal(
        planes(result.backgrounds[1])["SCI"][unflagged], (sky(9) - 3)[unflagged]
    )


def test_without_companions_the_step_is_skipped(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    with pytest.warns(SelfcalWarning, match=r"a_rate\.fits: no selfcal or background .* skipped"):
        result = bps.selfcal(science, output_dir=tmp_path / "out", copy_skipped=True)
    assert (result.status, result.bad_pixels, result.dispaxis) == ("SKIPPED", None, None)
    assert header(result.science)["S_BPXSLF"] == "SKIPPED"
    assert f"badpix_selfcal {bps.__version__} SKIPPED: cut=" in entry_of(result.science)
    for name, image in planes(result.science).items():
        np.testing.assert_array_equal(image, planes(science)[name])


def test_force_single_takes_the_science_exposure_alone(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    result = bps.selfcal(science, output_dir=tmp_path / "out", force_single=True)
    expected = bps.find_bad_pixels(sky(1) - np.float32(bps.pedestal(sky(1), GAP)), dispaxis=2)
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)


def test_the_science_exposure_listed_again_is_used_once(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    other = write(tmp_path / "b_rate.fits", sky(2))
    association = associate(tmp_path / "asn.json", science, selfcal=[science, other, science])
    result = bps.selfcal(association, output_dir=tmp_path / "out")
    assert result.members == (science, other)
    assert [*result.pedestals] == [science, other]


def test_an_exposure_given_by_other_names_is_used_once(tmp_path, monkeypatch):
    science = write(tmp_path / "a_rate.fits", sky(1))
    other = write(tmp_path / "b_rate.fits", sky(2))
    link = tmp_path / "link_rate.fits"
    link.symlink_to(other)
    monkeypatch.chdir(tmp_path)
    result = bps.selfcal(science, selfcal=[other, link, "b_rate.fits", "a_rate.fits"])
    assert result.members == (science, other)


def test_the_science_exposure_as_its_own_selfcal_is_not_skipped(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    association = associate(tmp_path / "asn.json", science, selfcal=[science])
    with pytest.warns(SelfcalWarning, match=r"a_rate\.fits: is compared with itself only"):
        result = bps.selfcal(association, output_dir=tmp_path / "out")
    assert result.status == "COMPLETE"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_exposure_whose_gap_holds_no_level_is_left_out(tmp_path, value):
    lost = sky(3) - 1000
    lost[:, 474:507] = value
    science = write(tmp_path / "a_rate.fits", sky(1))
    good = write(tmp_path / "b_rate.fits", sky(2))
    bad = write(tmp_path / "c_rate.fits", lost)
    with pytest.warns(SelfcalWarning, match=r"c_rate\.fits: left out"):
        with_bad = bps.selfcal(science, selfcal=[good, bad], output_dir=tmp_path / "a")
    without = bps.selfcal(science, selfcal=[good], output_dir=tmp_path / "b")
    np.testing.assert_array_equal(with_bad.bad_pixels.mask, without.bad_pixels.mask)
    assert np.isnan(with_bad.pedestals[bad])


def test_the_step_is_skipped_when_no_companion_is_left(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    bad = write(tmp_path / "c_rate.fits", np.full(MRS, np.nan, np.float32))
    how = {"background": bad, "save_flagged_bkg": True, "copy_skipped": True}
    with pytest.warns(SelfcalWarning) as warned:
        skipped = bps.selfcal(science, output_dir=tmp_path / "a", **how)
    assert [str(each.message).partition(":")[2][:12] for each in warned] == [
        " left out: n",
        " no usable s",
    ]
    assert (skipped.status, skipped.backgrounds, skipped.dispaxis) == ("SKIPPED", (), None)
    assert [*(tmp_path / "a").iterdir()] == [skipped.science]  # no unflagged background
    assert f"badpix_selfcal {bps.__version__} SKIPPED: cut=" in entry_of(skipped.science)
    with pytest.warns(SelfcalWarning, match="left out"):
        forced = bps.selfcal(science, output_dir=tmp_path / "b", force_single=True, **how)
    assert (forced.status, len(forced.backgrounds)) == ("COMPLETE", 1)


@pytest.mark.parametrize("force_single", [False, True])
def test_a_subarray_without_the_gap_is_skipped(tmp_path, force_single):
    files = [write(tmp_path / f"{i}_rate.fits", sky(i, (40, 60))) for i in (1, 2)]
    with pytest.warns(SelfcalWarning) as warned:
        result = bps.selfcal(
            files[0], selfcal=files[1], output_dir=tmp_path / "out", force_single=force_single
        )
    first, second, last = (str(each.message) for each in warned)
    for path, message in zip(files, (first, second), strict=True):
        assert message.startswith(f"{path}: left out: no pedestal can be measured")
    assert last.startswith("1: no usable selfcal or background exposures, step skipped: no pixel")
    assert (result.status, result.bad_pixels) == ("SKIPPED", None)


def test_detectors_without_a_gap_have_no_pedestal(tmp_path):
    association = observation(
        tmp_path, shape=(40, 60), detector="NRS1", exp_type="NRS_IFU", dispaxis=1
    )
    result = bps.selfcal(association, output_dir=tmp_path / "out")
    minimum = bps.minimum_image(sky(seed, (40, 60)) for seed in range(1, 6))
    expected = bps.find_bad_pixels(minimum, dispaxis=1)
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)
    assert result.pedestals == {}


def test_the_science_exposures_detector_decides_for_all(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    other = write(tmp_path / "b_rate.fits", sky(2), detector="MIRIFUSHORT")
    with pytest.warns(SelfcalWarning, match=r"b_rate\.fits: was taken with MIRIFUSHORT"):
        result = bps.selfcal(science, selfcal=other, output_dir=tmp_path / "out", force=True)
    assert result.pedestals[other] == bps.pedestal(sky(2), GAP)


@pytest.mark.parametrize(
    ("card", "exp_type", "asked", "used"),
    [
        (2, "NRS_IFU", "auto", 2),
        (1, "MIR_MRS", "auto", 1),
        (None, "MIR_MRS", "auto", 2),
        (None, "NRS_IFU", "auto", 1),
        (None, "NRS_MSASPEC", "auto", 1),
        (None, "NRS_FIXEDSLIT", "auto", 1),
        (2, "NRS_MSASPEC", "auto", 2),
        (1, "NRS_IFU", 2, 2),
        (1, "NRS_IFU", None, None),
    ],
)
def test_the_dispersion_axis(tmp_path, card, exp_type, asked, used):
    how = {"detector": "NRS2", "exp_type": exp_type, "dispaxis": card}
    association = observation(tmp_path, shape=(40, 60), **how)
    result = bps.selfcal(association, output_dir=tmp_path / "out", dispaxis=asked)
    minimum = bps.minimum_image(sky(seed, (40, 60)) for seed in range(1, 6))
    expected = bps.find_bad_pixels(minimum, dispaxis=used)
    assert result.dispaxis == used
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)


def test_an_unknown_dispersion_axis_causes_a_warning(tmp_path):
    how = {"detector": "NRS2", "exp_type": "NRS_IMAGE", "dispaxis": None}
    association = observation(tmp_path, shape=(40, 60), **how)
    with pytest.warns(SelfcalWarning) as warned:
        result = bps.selfcal(association, output_dir=tmp_path / "out")
    mode, axis = (str(each.message) for each in warned)
    assert mode.startswith(f"{tmp_path / 'sci0_rate.fits'}, ")
    assert "and 2 more: EXP_TYPE is NRS_IMAGE" in mode
    assert axis.startswith(f"{tmp_path / 'sci0_rate.fits'}: neither DISPAXIS nor EXP_TYPE")
    assert result.dispaxis is None


def test_a_skipped_step_needs_no_dispersion_axis(tmp_path):
    how = {"detector": "NRS2", "exp_type": "NRS_IMAGE", "dispaxis": None}
    science = write(tmp_path / "a_rate.fits", sky(1, (40, 60)), **how)
    with pytest.warns(SelfcalWarning) as warned:
        bps.selfcal(science, output_dir=tmp_path / "out")
    mode, skipped = (str(each.message) for each in warned)
    assert "a_rate.fits: EXP_TYPE is NRS_IMAGE" in mode
    assert "step skipped" in skipped


def test_parameters_reach_the_kernels(tmp_path):
    how = {"kernel_size": 5, "flagfrac_lower": 0.0, "flagfrac_upper": 0.02, "edge": "shrink"}
    association = observation(tmp_path, shape=(40, 60), detector="NRS1", dispaxis=1)
    result = bps.selfcal(association, output_dir=tmp_path / "out", **how)
    minimum = bps.minimum_image(sky(seed, (40, 60)) for seed in range(1, 6))
    expected = bps.find_bad_pixels(minimum, dispaxis=1, **how)
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)
    assert result.bad_pixels.n_low == 0


def test_all_products_are_processed(tmp_path):
    observation(tmp_path, science=2)
    products = [
        {
            "name": f"p{i}",
            "members": [
                {"expname": f"sci{i}_rate.fits", "exptype": "SCIENCE"},
                {"expname": "bkg0_rate.fits", "exptype": "Background"},
                {"expname": "nowhere.fits", "exptype": "imprint"},
            ],
        }
        for i in (0, 1)
    ]
    path = tmp_path / "two_asn.json"
    path.write_text(json.dumps({"products": products}))
    result = bps.selfcal(path, output_dir=tmp_path / "out")
    (other,) = result.others
    assert [result.name, other.name] == ["p0", "p1"]
    alone = bps.selfcal(
        tmp_path / "sci1_rate.fits",
        background=tmp_path / "bkg0_rate.fits",
        output_dir=tmp_path / "alone",
    )
    np.testing.assert_array_equal(other.bad_pixels.mask, alone.bad_pixels.mask)
    assert other.science == tmp_path / "out" / "p1_badpix_selfcal.fits"
    assert "ASNPOOL" not in header(other.science)


@pytest.mark.parametrize("dtype", [">f8", ">f4"])
def test_planes_keep_their_type(tmp_path, dtype):
    for seed in (1, 2):
        write(tmp_path / f"{seed}_rate.fits", sky(seed, dtype=dtype))
    result = bps.selfcal(
        tmp_path / "1_rate.fits", selfcal=tmp_path / "2_rate.fits", output_dir=tmp_path / "out"
    )
    images = [sky(seed, dtype=dtype) for seed in (1, 2)]
    minimum = bps.minimum_image(images, [bps.pedestal(image, GAP) for image in images])
    expected = bps.find_bad_pixels(minimum, dispaxis=2)
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)
    assert planes(result.science)["ERR"].dtype == dtype
    assert result.bad_pixels.residual.dtype == np.dtype(dtype).newbyteorder("=")


def test_absent_planes_are_not_created(tmp_path):
    association = observation(tmp_path, planes=False)
    result = bps.selfcal(association, output_dir=tmp_path / "out")
    assert list(planes(result.science)) == ["SCI", "DQ"]


def test_gzipped_members(tmp_path):
    association = observation(tmp_path)
    plain = bps.selfcal(association, output_dir=tmp_path / "plain")
    for role in ("sci0", "bkg0", "self1"):
        path = tmp_path / f"{role}_rate.fits"
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    text = association.read_text()
    for role in ("sci0", "bkg0", "self1"):
        text = text.replace(f"{role}_rate.fits", f"{role}_rate.fits.gz")
    association.write_text(text)
    packed = bps.selfcal(association, output_dir=tmp_path / "packed", save_flagged_bkg=True)
    for name, image in planes(plain.science).items():
        np.testing.assert_array_equal(planes(packed.science)[name], image)


def test_outputs_go_to_the_current_folder_by_default(tmp_path, monkeypatch):
    association = observation(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = bps.selfcal(association)
    assert result.science.resolve() == tmp_path / "here" / "product_badpix_selfcal.fits"


def test_a_skipped_run_writes_nothing_and_warns_at_the_line_of_the_caller(tmp_path):
    lone = write(tmp_path / "a_rate.fits", sky(1))
    for function in (bps.selfcal, bps.batch):
        with pytest.warns(SelfcalWarning, match="step skipped: no pixel is flagged, no") as warned:
            function(lone, output_dir=tmp_path / "out", save_flagged_bkg=True)
        assert [each.filename for each in warned] == [__file__]
    assert [*tmp_path.iterdir()] == [lone]  # not even the folder


def test_a_skipped_product_beside_one_that_is_done(tmp_path):
    association = observation(tmp_path)
    table = json.loads(association.read_text())
    lone = {"name": "lone", "members": [{"expname": "sci0_rate.fits", "exptype": "science"}]}
    table["products"].insert(0, lone)
    association.write_text(json.dumps(table))
    with pytest.warns(SelfcalWarning, match="for lone, step skipped"):
        result = bps.selfcal(association, output_dir=tmp_path / "out")
    (other,) = result.others
    assert (result.status, other.status) == ("SKIPPED", "COMPLETE")
    assert [*(tmp_path / "out").iterdir()] == [other.science]


class TestNothingIsWrittenWhen:
    """A run that fails leaves nothing behind, not even its output folder."""

    @pytest.fixture(autouse=True)
    def _nothing_written(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob("**/*.part"))

    def run(self, tmp_path, **how):
        return bps.selfcal(tmp_path / "x_asn.json", output_dir=tmp_path / "out", **how)

    def test_shapes_differ(self, tmp_path):
        observation(tmp_path)
        (tmp_path / "self1_rate.fits").unlink()
        write(tmp_path / "self1_rate.fits", sky(1, (96, 641)))
        with pytest.raises(ExposureError, match=r"self1_rate\.fits: SCI has shape \(96, 641\)"):
            self.run(tmp_path)

    def test_the_last_background_cannot_be_flagged(self, tmp_path):
        observation(tmp_path)
        with fits.open(tmp_path / "bkg1_rate.fits", mode="update") as hdus:
            del hdus["DQ"]
        with pytest.raises(ExposureError, match=r"bkg1_rate\.fits: has no DQ extension"):
            self.run(tmp_path, save_flagged_bkg=True)

    def test_one_copy_fails_while_others_are_written(self, tmp_path, monkeypatch):
        """Nothing is written after the files of the run have been removed."""
        observation(tmp_path)
        usual, held = Exposure.write_copy, threading.Event()

        def late(exposure, *how):
            if "sci" in exposure.path.name:
                raise OSError(28, "No space left on device")
            held.wait(0.3)
            usual(exposure, *how)

        monkeypatch.setattr(Exposure, "write_copy", late)
        (tmp_path / "given").mkdir()
        with pytest.raises(OSError, match="No space left"):
            bps.selfcal(
                tmp_path / "x_asn.json", output_dir=tmp_path / "given", save_flagged_bkg=True
            )
        assert not [*(tmp_path / "given").iterdir()]

    def test_the_detector_is_not_known(self, tmp_path):
        observation(tmp_path, detector=None)
        with pytest.raises(ExposureError, match=r"sci0_rate\.fits: has no DETECTOR"):
            self.run(tmp_path)

    def test_the_dispersion_axis_is_none_of_the_detectors(self, tmp_path):
        observation(tmp_path, dispaxis=3)
        with pytest.raises(ExposureError, match=r"sci0_rate\.fits: DISPAXIS: .* got 3"):
            self.run(tmp_path)

    def test_a_member_is_missing(self, tmp_path):
        observation(tmp_path)
        (tmp_path / "bkg0_rate.fits").unlink()
        with pytest.raises(AssociationError, match=r"x_asn\.json.*bkg0_rate\.fits"):
            self.run(tmp_path)

    def test_the_association_is_missing(self, tmp_path):
        with pytest.raises(AssociationError, match=r"x_asn\.json: no such"):
            self.run(tmp_path)

    def test_the_exposure_is_missing(self, tmp_path):
        with pytest.raises(ExposureError, match=r"a\.fits: no such file"):
            bps.selfcal(tmp_path / "a.fits", output_dir=tmp_path / "out")

    @pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
    @pytest.mark.parametrize("role", ["sci0", "bkg1"])
    def test_one_output_cannot_be_written(self, tmp_path, role):
        observation(tmp_path)
        with (
            largest_file(enlarge(tmp_path / f"{role}_rate.fits")),
            pytest.raises(OSError, match="too large"),
        ):
            self.run(tmp_path, save_flagged_bkg=True)


def test_existing_outputs_are_replaced_on_demand_only(tmp_path):
    association = observation(tmp_path)
    out = tmp_path / "out"
    first = bps.selfcal(association, output_dir=out)
    kept = first.science.read_bytes()
    with pytest.raises(FileExistsError, match=r"product_badpix_selfcal\.fits exists already"):
        bps.selfcal(association, output_dir=out, kernel_size=5)
    assert first.science.read_bytes() == kept
    bps.selfcal(association, output_dir=out, kernel_size=5, overwrite=True)
    assert " kernel_size=5 " in " ".join(header(first.science)["HISTORY"])
    assert [*out.iterdir()] == [first.science]


def test_a_folder_is_never_replaced(tmp_path):
    folder = tmp_path / "out" / "product_badpix_selfcal.fits"
    folder.mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"product_badpix_selfcal\.fits: is a folder"):
        bps.selfcal(observation(tmp_path), output_dir=tmp_path / "out", overwrite=True)
    assert [*(tmp_path / "out").iterdir()] == [folder]


def test_an_input_is_never_replaced(tmp_path, hashes):
    observation(tmp_path)
    science = tmp_path / "product_badpix_selfcal.fits"
    (tmp_path / "sci0_rate.fits").rename(science)
    association = tmp_path / "x_asn.json"
    table = json.loads(association.read_text())
    table["products"][0]["members"][0]["expname"] = science.name
    association.write_text(json.dumps(table))
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match="would replace the input"):
        bps.selfcal(association, output_dir=tmp_path, overwrite=True)
    assert hashes(tmp_path) == before


def test_an_association_is_never_replaced(tmp_path, hashes):
    association = observation(tmp_path)
    (tmp_path / "product_badpix_selfcal.fits").hardlink_to(association)
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match=r"would replace the input .*x_asn\.json"):
        bps.selfcal(association, output_dir=tmp_path, overwrite=True)
    assert hashes(tmp_path) == before
