"""The rules of the step: what is read, skipped, left out and written."""

from __future__ import annotations

import gzip
import re
import sys
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import AssociationError, ExposureError, SelfcalWarning, instrument
from badpix_selfcal.files.exposure import Exposure

from .exposures import (
    GAP,
    MRS,
    assert_equal_planes,
    associate,
    change,
    enlarge,
    entry_of,
    found_in,
    header,
    largest_file,
    names,
    observation,
    planes,
    products,
    sky,
    write,
)
from .pools import pool

SMALL = (40, 60)


@pytest.fixture
def pair(tmp_path):
    """Two exposures."""
    return [write(tmp_path / f"{name}_rate.fits", sky(seed)) for seed, name in ((1, "a"), (2, "b"))]


def test_flags_are_those_of_the_minimum_image(tmp_path):
    result = bps.selfcal(observation(tmp_path), output_dir=tmp_path / "out")
    images = [sky(seed) for seed in range(1, 6)]
    np.testing.assert_array_equal(result.bad_pixels.mask, found_in(images).mask)
    members = ("sci0", "bkg0", "bkg1", "self0", "self1")
    assert {path.name: level for path, level in result.pedestals.items()} == {
        f"{name}_rate.fits": bps.pedestal(image, GAP)
        for name, image in zip(members, images, strict=True)
    }
    assert (result.status, result.dispaxis, result.name) == ("COMPLETE", 2, "product")
    assert result.backgrounds == ()
    assert names(tmp_path / "out") == ["product_badpix_selfcal.fits"]


def test_flagged_pixels_are_bad_in_every_plane_and_the_others_as_before(tmp_path, hashes):
    association = observation(tmp_path)
    before = hashes(tmp_path)
    result = bps.selfcal(association, output_dir=tmp_path / "out", save_flagged_bkg=True)
    assert hashes(tmp_path) == before
    mask = result.bad_pixels.mask
    assert 100 < mask.sum() < 200
    pairs = [(result.science, "sci0"), *zip(result.backgrounds, ["bkg0", "bkg1"], strict=True)]
    for output, source in pairs:
        before, after = planes(tmp_path / f"{source}_rate.fits"), planes(output)
        assert list(before) == list(after) == ["SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"]
        flagged = before.pop("DQ") | np.where(mask, instrument.BAD, 0)
        np.testing.assert_array_equal(after.pop("DQ"), flagged)
        for name, image in before.items():
            np.testing.assert_array_equal(after[name], np.where(mask, np.nan, image))


def test_names_and_headers_of_the_outputs(tmp_path):
    out, before = tmp_path / "new" / "out", datetime.now(UTC)
    result = bps.selfcal(observation(tmp_path), output_dir=out, save_flagged_bkg=True)
    expected = ["product_badpix_selfcal.fits"]
    expected += [f"product_badpix_selfcal_bkg_{i}.fits" for i in (0, 1)]
    assert names(out) == sorted(expected)
    for path, name in zip((result.science, *result.backgrounds), expected, strict=True):
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
    assert names(tmp_path / "b") == [
        f"sci0_badpix_selfcal{which}.fits" for which in ("", "_bkg_0", "_bkg_1")
    ]
    assert "ASNTABLE" not in header(by_files.science)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        *((f"a_rate{end}", "a") for end in (".fits", ".fit", ".FITS", ".fits.gz", ".fit.gz")),
        ("ü_rate.fits", "ü"),
        ("X_RATE.FITS", "X_RATE"),
    ],
)
def test_names_of_exposures(tmp_path, name, stem):
    content = write(tmp_path / "a.fits", sky(1, SMALL), detector="NRS1").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    result = bps.selfcal(tmp_path / name, output_dir=tmp_path / "out", force_single=True)
    assert result.science == tmp_path / "out" / f"{stem}_badpix_selfcal.fits"
    assert header(result.science)["FILENAME"] == result.science.name.replace("ü", "?")


def test_companions_are_appended_to_the_association(tmp_path):
    association = observation(tmp_path, background=1, selfcal=0)
    more = write(tmp_path / "more.fits", sky(9) - 3)
    result = bps.selfcal(
        association, background=more, output_dir=tmp_path / "out", save_flagged_bkg=True
    )
    assert len(result.members) == 3
    assert [path.name[-10:] for path in result.backgrounds] == ["bkg_0.fits", "bkg_1.fits"]
    unflagged = ~result.bad_pixels.mask
    second = planes(result.backgrounds[1])["SCI"]
    np.testing.assert_array_equal(second[unflagged], (sky(9) - 3)[unflagged])


# Skipped


@pytest.mark.parametrize("function", [bps.selfcal, bps.batch])
def test_a_skipped_run_writes_nothing_and_warns_at_the_line_of_the_caller(tmp_path, function):
    lone = write(tmp_path / "a_rate.fits", sky(1))
    with pytest.warns(SelfcalWarning, match="step skipped: no pixel is flagged, no") as warned:
        function(lone, output_dir=tmp_path / "out", save_flagged_bkg=True, save_mask=True)
    assert [each.filename for each in warned] == [__file__]
    assert [*tmp_path.iterdir()] == [lone]  # not even the folder


def test_an_unflagged_copy_of_a_skipped_exposure_is_written_on_demand(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    with pytest.warns(SelfcalWarning, match=r"a_rate\.fits: no selfcal or background .* skipped"):
        result = bps.selfcal(science, output_dir=tmp_path / "out", copy_skipped=True)
    assert (result.status, result.bad_pixels, result.dispaxis) == ("SKIPPED", None, None)
    assert header(result.science)["S_BPXSLF"] == "SKIPPED"
    assert f"badpix_selfcal {bps.__version__} SKIPPED: cut=" in entry_of(result.science)
    assert_equal_planes(result.science, science)
    again = bps.selfcal(result.science, output_dir=tmp_path / "again", force_single=True)
    assert again.status == "COMPLETE"  # it is not flagged already
    np.testing.assert_array_equal(again.bad_pixels.mask, found_in([sky(1)]).mask)


def test_a_skipped_product_beside_one_that_is_done(tmp_path):
    lone = {"name": "lone", "members": [{"expname": "sci0_rate.fits", "exptype": "science"}]}
    association = products(observation(tmp_path), lambda those: those.insert(0, lone))
    with pytest.warns(SelfcalWarning, match="for lone, step skipped"):
        result = bps.selfcal(association, output_dir=tmp_path / "out")
    (other,) = result.others
    assert (result.status, other.status) == ("SKIPPED", "COMPLETE")
    assert [*(tmp_path / "out").iterdir()] == [other.science]


def test_the_step_is_skipped_when_no_companion_is_left(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    bad = write(tmp_path / "c_rate.fits", np.full(MRS, np.nan, np.float32))
    how = {"background": bad, "save_flagged_bkg": True, "copy_skipped": True}
    with pytest.warns(SelfcalWarning) as warned:
        skipped = bps.selfcal(science, output_dir=tmp_path / "a", **how)
    first, second = (str(each.message) for each in warned)
    assert first.startswith(f"{bad}: left out: no pedestal")
    assert ": no usable selfcal or background exposures, step skipped: no pixel" in second
    assert (skipped.status, skipped.backgrounds, skipped.dispaxis) == ("SKIPPED", (), None)
    assert [*(tmp_path / "a").iterdir()] == [skipped.science]  # no unflagged background
    with pytest.warns(SelfcalWarning, match="left out"):
        forced = bps.selfcal(science, output_dir=tmp_path / "b", force_single=True, **how)
    assert (forced.status, len(forced.backgrounds)) == ("COMPLETE", 1)


@pytest.mark.parametrize("force_single", [False, True])
def test_a_subarray_without_the_gap_is_skipped(tmp_path, force_single):
    one, other = (write(tmp_path / f"{i}_rate.fits", sky(i, SMALL)) for i in (1, 2))
    with pytest.warns(SelfcalWarning) as warned:
        result = bps.selfcal(
            one, selfcal=other, output_dir=tmp_path / "out", force_single=force_single
        )
    *messages, last = (str(each.message) for each in warned)
    for path, message in zip((one, other), messages, strict=True):
        assert message.startswith(f"{path}: left out: no pedestal can be measured")
    assert "step skipped" in last
    assert (result.status, result.bad_pixels) == ("SKIPPED", None)


# Members


def test_every_exposure_is_used_once(tmp_path, pair, monkeypatch):
    science, other = pair
    (tmp_path / "link_rate.fits").symlink_to(other)
    monkeypatch.chdir(tmp_path)
    result = bps.selfcal(
        science, selfcal=[science, other, "link_rate.fits", "b_rate.fits", "a_rate.fits"]
    )
    assert result.members == (science, other)
    assert result.science.resolve() == tmp_path / "a_badpix_selfcal.fits"  # the current folder
    association = associate(tmp_path / "asn.json", science, selfcal=[science, other, science])
    assert bps.selfcal(association, output_dir=tmp_path / "out").members == (science, other)


def test_the_science_exposure_as_its_own_selfcal_is_not_skipped(tmp_path):
    science = write(tmp_path / "a_rate.fits", sky(1))
    association = associate(tmp_path / "asn.json", science, selfcal=[science])
    with pytest.warns(SelfcalWarning, match=r"a_rate\.fits: is compared with itself only"):
        result = bps.selfcal(association, output_dir=tmp_path / "out")
    assert result.status == "COMPLETE"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_exposure_whose_gap_holds_no_level_is_left_out(tmp_path, pair, value):
    lost = sky(3) - 1000
    lost[:, 474:507] = value
    bad = write(tmp_path / "c_rate.fits", lost)
    with pytest.warns(SelfcalWarning, match=r"c_rate\.fits: left out"):
        result = bps.selfcal(pair[0], selfcal=[pair[1], bad], output_dir=tmp_path / "a")
    np.testing.assert_array_equal(result.bad_pixels.mask, found_in([sky(1), sky(2)]).mask)
    assert np.isnan(result.pedestals[bad])


def test_all_products_are_processed(tmp_path):
    types = {"bkg0_rate.fits": "Background", "nowhere.fits": "dark"}

    def edit(those):
        those[:] = [
            {
                "name": f"p{i}",
                "members": [
                    {"expname": path, "exptype": kind}
                    for path, kind in {f"sci{i}_rate.fits": "SCIENCE", **types}.items()
                ],
            }
            for i in (0, 1)
        ]

    association = products(observation(tmp_path, science=2), edit)
    result = bps.selfcal(association, output_dir=tmp_path / "out", save_mask=True)
    (other,) = result.others
    assert [result.name, other.name] == ["p0", "p1"]
    assert [bps.Mask.read(each.mask_file).name for each in (result, other)] == ["p0", "p1"]
    np.testing.assert_array_equal(other.bad_pixels.mask, found_in([sky(2), sky(3)]).mask)
    assert other.science == tmp_path / "out" / "p1_badpix_selfcal.fits"
    assert result.unused == {tmp_path / "nowhere.fits": "dark"}


def test_the_science_exposure_is_no_background_of_its_own(tmp_path):
    science, dither, *backgrounds = pool(tmp_path, science=2, detectors=("NRS1",))["NRS1"]
    how = {"output_dir": tmp_path / "out", "save_flagged_bkg": True}
    with pytest.warns(SelfcalWarning) as said:
        result = bps.selfcal(science, background=tmp_path, **how)
    assert [each.exposure for each in result.exposures if each.role == "background"] == [
        *backgrounds,
        dither,
    ]
    assert [str(each.message).partition(";")[0] for each in said] == [
        f"{science}: is the science exposure",
        f"{dither}: taken as background, though BKGDTARG is not set as in the others "
        "(`background`)",
    ]


def test_imprints_serve_the_minimum_as_selfcal_members_do(tmp_path):
    association = observation(tmp_path, background=1)
    as_selfcal = bps.selfcal(association, output_dir=tmp_path / "one")

    def edit(those):
        self1 = those[0]["members"][-1]
        those[0]["members"].append(self1 | {"exptype": "imprint"})  # in two roles
        those[0]["members"][-3]["exptype"] = "Imprint"

    products(association, edit)
    result = bps.selfcal(association, output_dir=tmp_path / "two", save_flagged_bkg=True)
    np.testing.assert_array_equal(result.bad_pixels.residual, as_selfcal.bad_pixels.residual)
    assert {*result.members} == {*as_selfcal.members}
    assert sorted(path.name for path in result.imprints) == ["self0_rate.fits", "self1_rate.fits"]
    assert "1 COMPLETE, 1 BACKGROUND, 2 IMPRINT" in repr(
        bps.selfcal(association, output_dir=tmp_path / "three")
    )
    assert len(result.written) == 2


# Axes, parameters, planes


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
    association = observation(tmp_path, shape=SMALL, **how)
    result = bps.selfcal(association, output_dir=tmp_path / "out", dispaxis=asked)
    expected = found_in((sky(seed, SMALL) for seed in range(1, 6)), dispaxis=used, gap=None)
    assert result.dispaxis == used
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)
    assert result.pedestals == {}  # the detector has no gap


def test_an_unknown_dispersion_axis_causes_a_warning(tmp_path):
    how = {"detector": "NRS2", "exp_type": "NRS_IMAGE", "dispaxis": None}
    association, science = observation(tmp_path, shape=SMALL, **how), tmp_path / "sci0_rate.fits"
    with pytest.warns(SelfcalWarning) as warned:
        result = bps.selfcal(association, output_dir=tmp_path / "out")
    mode, axis = (str(each.message) for each in warned)
    assert mode.startswith(f"{science}, ")
    assert "and 2 more: EXP_TYPE is NRS_IMAGE" in mode
    assert axis.startswith(f"{science}: neither DISPAXIS nor EXP_TYPE gives the dispersion axis")
    assert result.dispaxis is None
    with pytest.warns(SelfcalWarning) as warned:
        bps.selfcal(science, output_dir=tmp_path / "out")  # is skipped and needs no axis
    assert len(warned) == 2
    assert "step skipped" in str(warned[1].message)


def test_parameters_reach_the_kernels(tmp_path):
    how = {"kernel_size": 5, "flagfrac_lower": 0.0, "flagfrac_upper": 0.02, "edge": "shrink"}
    association = observation(tmp_path, shape=SMALL, detector="NRS1", dispaxis=1)
    result = bps.selfcal(association, output_dir=tmp_path / "out", **how)
    images = (sky(seed, SMALL) for seed in range(1, 6))
    expected = found_in(images, dispaxis=1, gap=None, **how)
    np.testing.assert_array_equal(result.bad_pixels.mask, expected.mask)
    assert result.bad_pixels.n_low == 0


@pytest.mark.parametrize("dtype", [">f8", ">f4"])
def test_planes_keep_their_type(tmp_path, dtype):
    images = [sky(seed, dtype=dtype) for seed in (1, 2)]
    one, other = (write(tmp_path / f"{n}_rate.fits", images[n]) for n in (0, 1))
    result = bps.selfcal(one, selfcal=other, output_dir=tmp_path / "out")
    np.testing.assert_array_equal(result.bad_pixels.mask, found_in(images).mask)
    assert planes(result.science)["ERR"].dtype == dtype
    assert result.bad_pixels.residual.dtype == np.dtype(dtype).newbyteorder("=")


# Failures


class TestNothingIsWrittenWhen:
    """A run that fails leaves nothing behind, not even its output folder."""

    @pytest.fixture(autouse=True)
    def _nothing_written(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob("**/*.part"))

    def run(self, folder):
        return bps.selfcal(folder / "x_asn.json", output_dir=folder / "out", save_flagged_bkg=True)

    @pytest.mark.parametrize(
        ("name", "damage", "error", "words"),
        [
            ("self1", {"science": sky(1, (96, 641))}, ExposureError, r"SCI has shape \(96, 641\)"),
            ("bkg1", {"without": "DQ"}, ExposureError, "has no DQ extension"),
            ("sci0", {"DETECTOR": ""}, ExposureError, "has no DETECTOR"),
            ("sci0", {"dispaxis": 3}, ExposureError, "DISPAXIS: .* got 3"),
            ("bkg0", None, AssociationError, ""),
        ],
    )
    def test_a_member_is_damaged(self, tmp_path, name, damage, error, words):
        observation(tmp_path)
        path = tmp_path / f"{name}_rate.fits"
        change(path, **damage) if damage else path.unlink()
        with pytest.raises(error, match=rf"{name}_rate\.fits.*{words}"):
            self.run(tmp_path)

    @pytest.mark.parametrize(
        ("name", "error"), [("x_asn.json", AssociationError), ("a.fits", ExposureError)]
    )
    def test_the_input_is_missing(self, tmp_path, name, error):
        with pytest.raises(error, match=rf"{name}: no such file"):
            bps.selfcal(tmp_path / name, output_dir=tmp_path / "out")

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
        with pytest.raises(OSError, match="No space left"):
            self.run(tmp_path)

    @pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
    @pytest.mark.parametrize("role", ["sci0", "bkg1"])
    def test_one_output_cannot_be_written(self, tmp_path, role):
        observation(tmp_path)
        with (
            largest_file(enlarge(tmp_path / f"{role}_rate.fits")),
            pytest.raises(OSError, match="too large"),
        ):
            self.run(tmp_path)


def test_existing_outputs_are_replaced_on_demand_only(tmp_path):
    association, out = observation(tmp_path), tmp_path / "out"
    first = bps.selfcal(association, output_dir=out)
    kept = first.science.read_bytes()
    with pytest.raises(FileExistsError, match=r"product_badpix_selfcal\.fits exists already"):
        bps.selfcal(association, output_dir=out, kernel_size=5)
    assert first.science.read_bytes() == kept
    bps.selfcal(association, output_dir=out, kernel_size=5, overwrite=True)
    assert " kernel_size=5 " in entry_of(first.science)
    assert [*out.iterdir()] == [first.science]


@pytest.mark.parametrize("name", ["sci0_rate.fits", "x_asn.json"])
def test_an_input_is_never_replaced(tmp_path, hashes, name):
    association = observation(tmp_path)
    (tmp_path / "product_badpix_selfcal.fits").hardlink_to(tmp_path / name)
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match=f"would replace the input .*{name}"):
        bps.selfcal(association, output_dir=tmp_path, overwrite=True)
    assert hashes(tmp_path) == before
