"""Runs that write their masks too: what the files hold, and when they are written."""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.instrument import gap_of
from badpix_selfcal.step import execute
from badpix_selfcal.step.products import MaskFile
from badpix_selfcal.step.provenance import file_part, further_name

from .exposures import header, observation, planes, sky, write
from .pools import pool, take

CUTS = ["fraction", "sigma"]
MODES = [("MIRIFULONG", "MIR_MRS", 2), ("NRS1", "NRS_IFU", 1)]
NAME = "product_badpix_selfcal_mask.fits"

pytestmark = pytest.mark.filterwarnings("ignore:.* times the mean ERR")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("detector", "exp_type", "dispaxis"), MODES)
def test_the_mask_of_a_run(tmp_path, cut, detector, exp_type, dispaxis):
    how = {"detector": detector, "exp_type": exp_type, "dispaxis": dispaxis}
    association = observation(tmp_path, **how)
    out = tmp_path / "out"
    result = bps.selfcal(association, output_dir=out, cut=cut, save_mask=True, kernel_size=9)
    assert result.mask == out / NAME
    assert names(out) == ["product_badpix_selfcal.fits", NAME]
    mask = bps.read_mask(result.mask)
    found = result.bad_pixels
    for name in ("mask", "residual", "significance", "noise"):
        np.testing.assert_array_equal(getattr(mask.bad_pixels, name), getattr(found, name))
    for name in ("cut_low", "cut_high", "n_low", "n_high", "error_scale"):
        assert getattr(mask.bad_pixels, name) == getattr(found, name)
    roles = {"sci": "science", "bkg": "background", "self": "selfcal"}
    images, levels = [], []
    for member in mask.members:
        assert member.role == roles[re.match("[a-z]+", member.exposure.name)[0]]
        images.append(planes(member.exposure)["SCI"])
        levels.append(0.0 if member.pedestal is None else member.pedestal)
        assert member.pedestal == result.pedestals.get(member.exposure)
        assert member.problem == ""
    assert [each.exposure for each in mask.members] == [*result.members]
    assert [each.output for each in mask.members] == [result.science, *[None] * 4]
    assert (gap_of(detector) is None) == (mask.members[0].pedestal is None)
    np.testing.assert_array_equal(mask.minimum, bps.minimum_image(images, levels))
    np.testing.assert_array_equal(mask.dq, planes(tmp_path / "sci0_rate.fits")["DQ"])
    assert (mask.name, mask.dispaxis, mask.crowded) == ("product", dispaxis, result.crowded_rows)
    assert (mask.parameters.cut, mask.parameters.kernel_size) == (cut, 9)
    assert mask.parameters.save_mask
    assert mask.about["DETECTOR"] == detector
    assert mask.about["EXP_TYPE"] == exp_type
    assert mask.version == bps.__version__
    history = " ".join(header(result.science)["HISTORY"])
    assert (
        history.partition(" data=")[0]
        == " ".join(header(result.mask)["HISTORY"]).partition(" data=")[0]
    )


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
    path = result.groups[0].mask_files[1]
    assert bps.read_mask(path).about == {**cards, "BUNIT": "DN/s"}
    assert {name: header(path)[name] for name in cards} == cards
    assert not {"TARGNAME", "BUNIT"} & {*header(path)}


def test_a_run_does_not_write_the_mask_unless_asked(tmp_path):
    result = bps.selfcal(observation(tmp_path), output_dir=tmp_path / "out")
    assert result.mask is None
    assert names(tmp_path / "out") == ["product_badpix_selfcal.fits"]


def test_the_copies_do_not_depend_on_it(tmp_path):
    association = observation(tmp_path)
    one = bps.selfcal(association, output_dir=tmp_path / "one", save_mask=True).science
    other = bps.selfcal(association, output_dir=tmp_path / "other").science
    content = one.read_bytes()
    at = content.index(b"DATE    =")
    expected = other.read_bytes()
    assert content[:at] + content[at + 80 :] == expected[:at] + expected[at + 80 :]


def test_spared_rows_are_in_the_mask_file(tmp_path):
    mask = np.zeros((96, 640), np.float32)
    mask[:, 40] = 200 * np.random.default_rng(1).random(96)
    for number in range(3):
        image = sky(number, dtype=np.float32)
        write(tmp_path / f"e{number}_rate.fits", np.nan_to_num(image, nan=5.0) + mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = bps.selfcal(
            tmp_path / "e0_rate.fits",
            background=[tmp_path / f"e{n}_rate.fits" for n in (1, 2)],
            output_dir=tmp_path / "out",
            save_mask=True,
            spare_crowded=True,
            flagfrac_upper=0.002,
        )
    assert result.crowded_rows == (40,)
    saved = bps.read_mask(result.mask)
    assert saved.crowded == (40,)
    assert not saved.bad_pixels.mask[:, 40].any()
    np.testing.assert_array_equal(saved.bad_pixels.mask, result.bad_pixels.mask)


@pytest.mark.parametrize("name", [NAME, "product_badpix_selfcal.fits"])
def test_all_outputs_of_a_run_appear_together(tmp_path, name):
    association, out = observation(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / name).write_text("theirs")
    with pytest.raises(FileExistsError, match="exists already; pass overwrite=True"):
        bps.selfcal(association, output_dir=out, save_mask=True)
    assert names(out) == [name]
    bps.selfcal(association, output_dir=out, save_mask=True, overwrite=True)
    assert names(out) == ["product_badpix_selfcal.fits", NAME]


def refusing(monkeypatch):
    """Let the disk be full while a mask is written."""

    def write(_, part, *__):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(part))

    monkeypatch.setattr(MaskFile, "write", write)


def test_a_run_whose_mask_cannot_be_written_writes_nothing(tmp_path, monkeypatch):
    association = observation(tmp_path)
    refusing(monkeypatch)
    with pytest.raises(OSError, match=rf"{NAME}: cannot be written: No space left"):
        bps.selfcal(association, output_dir=tmp_path / "out", save_mask=True)
    assert not (tmp_path / "out").exists()


def test_a_skipped_run_has_no_mask(tmp_path):
    write(tmp_path / "a_rate.fits", sky(1))
    with pytest.warns(bps.SelfcalWarning, match="step skipped"):
        result = bps.selfcal(tmp_path / "a_rate.fits", output_dir=tmp_path / "out", save_mask=True)
    assert (result.status, result.mask) == ("SKIPPED", None)
    assert not (tmp_path / "out").exists()


def test_every_product_of_an_association_has_its_mask(tmp_path):
    association = observation(tmp_path)
    table = json.loads(association.read_text())
    first = table["products"][0]
    table["products"].append({**first, "name": "second", "members": first["members"][:3]})
    association.write_text(json.dumps(table))
    result = bps.selfcal(association, output_dir=tmp_path / "out", save_mask=True)
    masks = [bps.read_mask(each.mask) for each in (result, *result.others)]
    assert [mask.name for mask in masks] == ["product", "second"]
    assert [len(mask.members) for mask in masks] == [5, 3]


def test_the_command_names_the_mask(tmp_path, monkeypatch, capsys):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "x_asn.json", "--output-dir", "out", "--save-mask"]) == 0
    assert f"\n  mask      out/{NAME}\n" in capsys.readouterr().out
    assert main(["run", "x_asn.json", "--output-dir", "o", "--save-mask", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["products"][0]["mask"] == f"o/{NAME}"
    assert main(["run", "x_asn.json", "--output-dir", "p", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["products"][0]["mask"] is None


# Batches

MASKS = {
    "MIRIFULONG 34": "mirifulong_34_badpix_selfcal_mask.fits",
    "MIRIFUSHORT 12": "mirifushort_12_badpix_selfcal_mask.fits",
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_batch_writes_a_mask_for_each_group(tmp_path, cut):
    pool(tmp_path, shape=(96, 640))
    out = tmp_path / "out"
    result = bps.batch(tmp_path, output_dir=out, save_mask=True, cut=cut)
    assert not result.failed
    assert {each.name: each.mask_files for each in result.groups} == {
        name: {2: out / file} for name, file in MASKS.items()
    }
    for group in result.groups:
        mask = bps.read_mask(group.mask_files[2])
        assert mask.name == group.name
        np.testing.assert_array_equal(mask.bad_pixels.residual, group.masks[2].residual)
        np.testing.assert_array_equal(mask.bad_pixels.mask, group.masks[2].mask)
        roles = {each.exposure.name[:3]: each.role for each in mask.members}
        assert roles == {"sci": "science", "bkg": "background"}
        outputs = {each.exposure: each.output for each in mask.members}
        for each in group.exposures:
            assert outputs[each.exposure] == each.output
    copies = [name for name in names(out) if name.endswith("_badpix_selfcal.fits")]
    assert len(copies) == 6


def test_the_mask_of_a_batch_is_that_of_the_step(tmp_path):
    pool(tmp_path, detectors=("NRS1",))
    made = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    ours = bps.read_mask(made.groups[0].mask_files[1])
    step = bps.selfcal(
        tmp_path / "sci0_nrs1_rate.fits",
        background=[*tmp_path.glob("bkg*")],
        selfcal=[tmp_path / "sci1_nrs1_rate.fits", tmp_path / "sci2_nrs1_rate.fits"],
        output_dir=tmp_path / "step",
        save_mask=True,
    )
    expected = bps.read_mask(step.mask)
    np.testing.assert_array_equal(ours.minimum, expected.minimum)
    np.testing.assert_array_equal(ours.bad_pixels.mask, expected.bad_pixels.mask)
    np.testing.assert_array_equal(ours.dq, expected.dq)
    assert ours.about == expected.about


def test_several_dispersion_axes_have_a_mask_each(tmp_path):
    for number, axis in enumerate([1, 1, 2]):
        path = take(tmp_path / f"e{number}_nrs1_rate.fits", number, detector="NRS1")
        with fits.open(path, mode="update") as hdus:
            hdus["SCI"].header["DISPAXIS"] = axis
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    (group,) = result.groups
    assert {axis: path.name for axis, path in group.mask_files.items()} == {
        axis: f"nrs1_badpix_selfcal_axis{axis}_mask.fits" for axis in (1, 2)
    }
    for axis, path in group.mask_files.items():
        mask = bps.read_mask(path)
        assert mask.dispaxis == axis
        np.testing.assert_array_equal(mask.bad_pixels.mask, group.masks[axis].mask)


@pytest.mark.parametrize("failing", [1, 2])
def test_of_several_masks_one_cannot_be_made(tmp_path, monkeypatch, failing):
    for number, axis in enumerate([1, 1, 2]):
        path = take(tmp_path / f"e{number}_nrs1_rate.fits", number, detector="NRS1")
        fits.setval(path, "DISPAXIS", value=axis, extname="SCI")
    usual = execute.group_mask_of

    def made(outcome, minimum, axis, *others):
        if axis == failing:
            raise bps.ExposureError("e_rate.fits: was changed")
        return usual(outcome, minimum, axis, *others)

    monkeypatch.setattr(execute, "group_mask_of", made)
    (group,) = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True).groups
    assert [*group.mask_files] == [3 - failing]
    lost = tmp_path / "out" / f"nrs1_badpix_selfcal_axis{failing}_mask.fits"
    assert group.unwritten == {lost: "e_rate.fits: was changed"}
    assert group.statuses["COMPLETE"] == 3


def test_exposures_that_are_left_out_or_fail_are_in_the_mask_file(tmp_path):
    pool(tmp_path, detectors=("MIRIFULONG",))
    take(tmp_path / "gap_rate.fits", 9, empty_gap=True)
    take(tmp_path / "odd_rate.fits", 9, shape=(90, 640))
    with pytest.warns(bps.SelfcalWarning, match="left out"):
        result = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    mask = bps.read_mask(result.groups[0].mask_files[2])
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
    np.testing.assert_array_equal(bps.read_mask(result.mask).dq, known)
    assert (known >= 1 << 31).any()


@pytest.mark.parametrize("image", [None, np.zeros((2, 3), np.uint32)], ids=["absent", "shape"])
def test_without_a_dq_of_its_shape_no_pixel_is_known(tmp_path, image):
    """No copy can be written, but the mask is found."""
    pool(tmp_path, detectors=("NRS1",), background=0)
    for path in tmp_path.glob("*_rate.fits"):
        with fits.open(path, mode="update") as hdus:
            del hdus["DQ"]
            if image is not None:
                hdus.append(fits.ImageHDU(image, name="DQ"))
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    assert len(result.failed) == 3
    mask = bps.read_mask(result.groups[0].mask_files[1])
    assert mask.dq is None
    assert all("DQ" in each.problem for each in mask.members)


def test_a_mask_that_cannot_be_written_is_reported(tmp_path, monkeypatch, capsys):
    pool(tmp_path, detectors=("NRS1",))
    refusing(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["batch", ".", "--output-dir", "out", "--save-mask"]) == 1
    said = capsys.readouterr().err
    assert "error: out/nrs1_badpix_selfcal_mask.fits: cannot be written: No space left" in said
    assert names(tmp_path / "out") == [f"sci{n}_nrs1_badpix_selfcal.fits" for n in range(3)]


@pytest.mark.parametrize(
    ("group", "part"),
    [
        ("MIRIFULONG 34", "mirifulong_34"),
        ("NRS1 (5,1) F170LP/G235H", "nrs1_5_1_f170lp_g235h"),
        ("A.b+C-1", "a.b+c-1"),
        ("\u00e9 ", "group"),
    ],
)
def test_the_names_of_groups_in_file_names(group, part):
    assert file_part(group) == part
    assert further_name(part, "mask.fits") == f"{part}_badpix_selfcal_mask.fits"


def test_two_groups_must_not_have_the_same_mask_file(tmp_path):
    for number, subarray in enumerate(("SUB A", "SUB_A", "SUB A", "SUB_A")):
        take(tmp_path / f"e{number}_nrs1_rate.fits", number, detector="NRS1", SUBARRAY=subarray)
    with pytest.raises(bps.ExposureError, match="the masks of NRS1 SUB_A and NRS1 SUB A would"):
        bps.batch(tmp_path, output_dir=tmp_path / "out", save_mask=True)
    assert not (tmp_path / "out").exists()


def test_the_report_of_a_batch_names_the_masks(tmp_path, monkeypatch, capsys):
    pool(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["batch", ".", "--output-dir", "out", "--save-mask"]) == 0
    assert "\nmasks     2 files in out\n" in capsys.readouterr().out
    assert main(["batch", ".", "--output-dir", "o", "--save-mask", "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert {each["group"]: each["mask_files"] for each in groups} == {
        name: [{"dispaxis": 2, "path": f"o/{file}"}] for name, file in MASKS.items()
    }
