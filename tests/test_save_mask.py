"""Runs that write their masks too: what the files hold, and when they are written."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.instrument import gap_of
from badpix_selfcal.masks import mask as mask_file

from .exposures import change, entry_of, header, names, observation, planes
from .pools import pool, take

MODES = [("MIRIFULONG", "MIR_MRS", 2), ("NRS1", "NRS_IFU", 1)]
NAME = "product_badpix_selfcal_mask.fits"

pytestmark = pytest.mark.filterwarnings("ignore:.* times the mean ERR")


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
@pytest.mark.parametrize(("detector", "exp_type", "dispaxis"), MODES)
def test_the_mask_of_a_run(tmp_path, cut, detector, exp_type, dispaxis):
    how = {"detector": detector, "exp_type": exp_type, "dispaxis": dispaxis}
    association = observation(tmp_path, **how)
    out = tmp_path / "out"
    result = bps.selfcal(association, output_dir=out, cut=cut, save_mask=True, kernel_size=9)
    assert result.mask_file == out / NAME
    assert names(out) == ["product_badpix_selfcal.fits", NAME]
    mask = bps.Mask.read(result.mask_file)
    found = result.bad_pixels
    for name in ("mask", "residual", "significance", "noise"):
        np.testing.assert_array_equal(getattr(mask.bad_pixels, name), getattr(found, name))
    for name in ("cut_low", "cut_high", "n_low", "n_high", "error_scale"):
        assert getattr(mask.bad_pixels, name) == getattr(found, name)
    roles = {"sci": "science", "bkg": "background", "self": "selfcal"}
    for member in mask.members:
        assert member.role == roles[re.match("[a-z]+", member.exposure.name)[0]]
        assert member.pedestal == result.pedestals.get(member.exposure)
        assert member.problem == ""
    assert [each.exposure for each in mask.members] == [*result.members]
    assert [each.output for each in mask.members] == [result.science, *[None] * 4]
    assert (gap_of(detector) is None) == (mask.members[0].pedestal is None)
    images = [planes(each.exposure)["SCI"] for each in mask.members]
    levels = [each.pedestal or 0.0 for each in mask.members]
    np.testing.assert_array_equal(mask.minimum, bps.minimum_image(images, levels))
    np.testing.assert_array_equal(mask.dq, planes(tmp_path / "sci0_rate.fits")["DQ"])
    assert (mask.name, mask.dispaxis, mask.crowded) == ("product", dispaxis, result.crowded_rows)
    assert (mask.parameters.cut, mask.parameters.kernel_size) == (cut, 9)
    assert mask.parameters.save_mask
    assert (mask.about["DETECTOR"], mask.about["EXP_TYPE"]) == (detector, exp_type)
    assert mask.version == bps.__version__
    copy = re.sub(r" input=\w+", "", entry_of(result.science))
    assert copy == entry_of(result.mask_file)


def test_the_cards_of_the_first_exposure_are_in_the_mask_file(tmp_path):
    pool(tmp_path, detectors=("NRS1",))
    cards = {
        **{"TELESCOP": "JWST", "INSTRUME": "NIRSPEC", "DETECTOR": "NRS1", "EXP_TYPE": "NRS_IFU"},
        **{"CHANNEL": "N/A", "BAND": "N/A", "FILTER": "F170LP", "GRATING": "G235H"},
        **{"SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 640, "SUBSIZE2": 96},
        **{"FASTAXIS": 2, "SLOWAXIS": 1, "READPATT": "NRSIRS2"},
        **{"DATE-OBS": "2023-05-06", "TIME-OBS": "01:02:03"},
    }
    for path in tmp_path.glob("*_rate.fits"):
        with fits.open(path, mode="update") as hdus:
            hdus[0].header.update({**cards, "TARGNAME": "NGC 7027"})
            hdus["SCI"].header["BUNIT"] = "DN/s"
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    path = result[0].mask_file
    assert bps.Mask.read(path).about == {**cards, "BUNIT": "DN/s"}
    assert {name: header(path)[name] for name in cards} == cards
    assert not {"TARGNAME", "BUNIT"} & {*header(path)}


@pytest.mark.parametrize("name", [NAME, "product_badpix_selfcal.fits"])
def test_all_outputs_of_a_run_appear_together(tmp_path, name):
    association, out = observation(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / name).write_text("theirs")
    with pytest.raises(FileExistsError, match="exists already; set `overwrite`"):
        bps.selfcal(association, output_dir=out, save_mask=True)
    assert names(out) == [name]
    bps.selfcal(association, output_dir=out, save_mask=True, overwrite=True)
    assert names(out) == ["product_badpix_selfcal.fits", NAME]


def refusing(monkeypatch):
    """Let the disk be full while a mask is written."""

    def write(part, *_):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(part))

    monkeypatch.setattr(mask_file, "write_part", write)


def test_a_run_whose_mask_cannot_be_written_writes_nothing(tmp_path, monkeypatch):
    association = observation(tmp_path)
    refusing(monkeypatch)
    with pytest.raises(OSError, match=rf"{NAME}: cannot be written: No space left"):
        bps.selfcal(association, output_dir=tmp_path / "out", save_mask=True)
    assert not (tmp_path / "out").exists()


# Batches


def test_a_batch_writes_a_mask_for_each_group(tmp_path):
    pool(tmp_path)
    out = tmp_path / "out"
    result = bps.batch(tmp_path, output_dir=out, save_mask=True, cut="sigma")
    assert not result.failed
    assert {each.name: each.mask_file.name for each in result} == {
        "MIRIFULONG 34": "mirifulong_34_badpix_selfcal_mask.fits",
        "MIRIFUSHORT 12": "mirifushort_12_badpix_selfcal_mask.fits",
    }
    for group in result:
        mask = bps.Mask.read(group.mask_file)
        assert mask.name == group.name
        np.testing.assert_array_equal(mask.bad_pixels.residual, group.bad_pixels.residual)
        np.testing.assert_array_equal(mask.bad_pixels.mask, group.bad_pixels.mask)
        roles = {each.exposure.name[:3]: each.role for each in mask.members}
        assert roles == {"sci": "science", "bkg": "background"}
        outputs = {each.exposure: each.output for each in mask.members}
        assert all(outputs[each.exposure] == each.output for each in group.exposures)
    assert len(names(out)) == 6 + 2


def test_exposures_that_are_left_out_or_fail_are_in_the_mask_file(tmp_path):
    pool(tmp_path, detectors=("MIRIFULONG",))
    take(tmp_path / "gap_rate.fits", 9, empty_gap=True)
    take(tmp_path / "odd_rate.fits", 9, shape=(90, 640))
    with pytest.warns(bps.SelfcalWarning, match="left out"):
        result = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    mask = bps.Mask.read(result[0].mask_file)
    problems = {each.exposure.name: each.problem for each in mask.members if each.problem}
    assert problems["gap_rate.fits"] == "no pedestal can be measured in the gap"
    assert "SCI has shape (90, 640)" in problems["odd_rate.fits"]
    assert len(problems) == 2
    unused = [each.exposure.name for each in mask.members if np.isnan(each.pedestal)]
    assert sorted(unused) == sorted(problems)


def test_a_dq_without_an_offset_is_known(tmp_path):
    association = observation(tmp_path)
    with fits.open(tmp_path / "sci0_rate.fits", mode="update") as hdus:
        known = hdus["DQ"].data
        hdus["DQ"] = fits.ImageHDU(known.view(np.int32), name="DQ")
    result = bps.selfcal(association, output_dir=tmp_path / "out", save_mask=True)
    np.testing.assert_array_equal(bps.Mask.read(result.mask_file).dq, known)
    assert (known >= 1 << 31).any()


@pytest.mark.parametrize("image", [None, np.zeros((2, 3), np.uint32)], ids=["absent", "shape"])
def test_without_a_dq_of_its_shape_no_pixel_is_known(tmp_path, image):
    """No copy can be written, but the mask is found."""
    pool(tmp_path, detectors=("NRS1",), background=0)
    for path in tmp_path.glob("*_rate.fits"):
        change(path, without="DQ")
        if image is not None:
            fits.append(path, image, fits.Header({"EXTNAME": "DQ"}))
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    assert len(result.failed) == 3
    mask = bps.Mask.read(result[0].mask_file)
    assert mask.dq is None
    assert all("DQ" in each.problem for each in mask.members)


def test_a_mask_that_cannot_be_written_is_reported(tmp_path, monkeypatch):
    pool(tmp_path, detectors=("NRS1",))
    refusing(monkeypatch)
    (result,) = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    lost = tmp_path / "out" / "nrs1_badpix_selfcal_mask.fits"
    assert result.unwritten == {lost: f"{lost}: cannot be written: No space left on device"}
    assert names(tmp_path / "out") == [f"sci{n}_nrs1_badpix_selfcal.fits" for n in range(3)]


def test_two_groups_must_not_have_the_same_mask_file(tmp_path):
    for number, subarray in enumerate(("SUB A", "SUB_A", "SUB A", "SUB_A")):
        take(tmp_path / f"e{number}_nrs1_rate.fits", number, detector="NRS1", SUBARRAY=subarray)
    with pytest.raises(bps.ExposureError, match="the masks of NRS1 SUB_A and NRS1 SUB A would"):
        bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    assert not (tmp_path / "out").exists()
