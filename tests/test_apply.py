"""Exposures flagged with a mask that exists already."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import instrument
from badpix_selfcal.cli import main

from .exposures import (
    assert_equal_planes,
    change,
    entry_of,
    header,
    names,
    observation,
    planes,
    statuses,
)
from .flagged_files import mask_file
from .pools import pool, take

MODES = [("MIRIFULONG", "MIR_MRS", 2), ("NRS1", "NRS_IFU", 1)]

pytestmark = pytest.mark.filterwarnings("ignore:.* times the mean ERR")


def copies_in(folder):
    return [path for path in sorted(folder.iterdir()) if "_mask" not in path.name]


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
@pytest.mark.parametrize(("detector", "exp_type", "dispaxis"), MODES)
def test_every_plane_is_that_of_the_run(tmp_path, cut, detector, exp_type, dispaxis):
    how = {"detector": detector, "exp_type": exp_type, "dispaxis": dispaxis}
    association = observation(tmp_path, **how)
    run = bps.selfcal(
        association, output_dir=tmp_path / "run", cut=cut, save_mask=True, save_flagged_bkg=True
    )
    inputs = [tmp_path / f"{name}_rate.fits" for name in ("sci0", "bkg0", "bkg1")]
    result = bps.apply(run.mask_file, inputs, output_dir=tmp_path / "out")
    assert statuses(result) == ["COMPLETE"] * 3
    for each, expected in zip(result.exposures, [run.science, *run.backgrounds], strict=True):
        assert_equal_planes(each.output, expected)
        assert header(each.output)["S_BPXSLF"] == "COMPLETE"
    (group,) = result
    np.testing.assert_array_equal(group.mask.flags, run.bad_pixels.mask)
    assert (group.flagged, group.dispaxis) == (int(run.bad_pixels.mask.sum()), dispaxis)


def test_every_plane_is_that_of_the_batch(tmp_path):
    pool(tmp_path)
    how = {"cut": "sigma", "save_mask": True, "save_flagged_bkg": True}
    for group in bps.batch(tmp_path, output_dir=tmp_path / "batch", **how):
        result = bps.apply(group.mask_file, tmp_path, output_dir=tmp_path / "out")
        assert not result.failed
        assert len(result.written) == len(result.ignored) == 5  # the others: of other detectors
    expected = copies_in(tmp_path / "batch")
    assert names(tmp_path / "out") == [path.name for path in expected]
    for path in expected:
        assert_equal_planes(tmp_path / "out" / path.name, path)


@pytest.fixture
def made(tmp_path):
    """The mask of a NIRSpec pool, and its folder."""
    pool(tmp_path, detectors=("NRS1",), background=0)
    result = bps.batch(tmp_path, output_dir=tmp_path / "batch", save_mask=True)
    return result[0].mask_file, tmp_path


def test_history_names_the_mask(made):
    mask, folder = made
    digests = set()
    for given, name in ((mask, mask.name), (replace(bps.Mask.read(mask), source=None), "NRS1")):
        result = bps.apply(
            given, folder / "sci0_nrs1_rate.fits", output_dir=folder / "out", overwrite=True
        )
        entry, _, digest = entry_of(result.written[0]).partition(" digest=")
        assert entry == f"badpix_selfcal {bps.__version__} COMPLETE: mask={name}"
        digests.add(digest)
    assert len(digests) == 1


# Exposures that do not fit


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        (
            {"detector": "NRS2"},
            "was taken with NRS2, the mask {mask} is of NRS1; give a mask of the same detector",
        ),
        ({"SUBARRAY": "SUB32"}, "has the subarray SUB32, the mask {mask} has FULL; give a mask of"),
        ({"shape": (20, 30)}, "has shape (20, 30), the mask {mask} has (96, 640); give a mask"),
        ({"S_BPXSLF": "COMPLETE"}, "is flagged already (S_BPXSLF = COMPLETE)"),
        ({"without": "DQ"}, "has no DQ extension"),
    ],
)
def test_an_exposure_that_does_not_fit_is_refused_by_name(made, how, problem):
    mask, folder = made
    how = {"detector": "NRS1", **how}
    lost = how.pop("without", None)
    other = change(take(folder / "other_rate.fits", 9, **how), without=lost)
    result = bps.apply(mask, [other, folder / "sci0_nrs1_rate.fits"], output_dir=folder / "out")
    assert len(result.written) == 1
    (failed,) = result.failed
    assert failed.error.startswith(f"{other}: {problem.format(mask=mask)}")
    assert names(folder / "out") == ["sci0_nrs1_badpix_selfcal.fits"]


@pytest.mark.parametrize(
    ("name", "cards", "words"),
    [
        ("a_rate", {"EXP_TYPE": "NRS_MSASPEC"}, "EXP_TYPE is NRS_MSASPEC, that of the mask"),
        ("a_cal", {}, r"a_cal\.fits: later steps of the pipeline"),
    ],
)
def test_odd_exposures_are_flagged_with_a_warning(made, name, cards, words):
    mask, folder = made
    other = take(folder / f"{name}.fits", 9, detector="NRS1", **cards)
    with pytest.warns(bps.SelfcalWarning, match=words):
        assert bps.apply(mask, other, output_dir=folder / "out").written
    unknown = take(folder / "unknown_rate.fits", 9, detector="NRS1", EXP_TYPE="")
    assert bps.apply(mask, unknown, output_dir=folder / "out").written  # without a warning


def test_a_folder_without_exposures_of_the_detector_is_refused(made):
    mask, folder = made
    (folder / "in").mkdir()
    take(folder / "in" / "x_rate.fits", 1, detector="NRS2")
    with pytest.raises(bps.ExposureError, match=r"/x_rate\.fits: taken with NRS2, not with NRS1$"):
        bps.apply(mask, folder / "in", output_dir=folder / "out")


def test_a_failed_group_has_no_count_of_flags(made):
    mask, folder = made
    other = take(folder / "other_rate.fits", 9, detector="NRS2")
    result = bps.apply(mask, other, output_dir=folder / "out")
    assert repr(result).splitlines()[-1].split()[-3:] == ["1", "FAILED", "-"]
    one = bps.apply(mask, [other, folder / "sci0_nrs1_rate.fits"], output_dir=folder / "out")
    assert repr(one).endswith("%)")


def test_flagged_backgrounds_are_backgrounds(made):
    mask, folder = made
    take(folder / "bkg0_rate.fits", 9, detector="NRS1", background=True)
    result = bps.apply(mask, folder, output_dir=folder / "out")
    roles = {each.exposure.name[:3]: each.role for each in result.exposures}
    assert roles == {"sci": "science", "bkg": "background"}


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("2022-05-31", r"before the exposures of .* \(2022-07-01\); .* are flagged, although"),
        ("2022-06-01", ""),
        ("2023-07-31", ""),
        ("2023-08-01", r"after the exposures of .* \(2023-07-01\); .* meanwhile are not in it"),
    ],
)
def test_the_dates_of_all_exposures_of_a_persistent_mask_count(tmp_path, recwarn, day, words):
    masks = []
    for year in ("2022", "2023"):
        (tmp_path / year).mkdir()
        how = {"background": 0, "DATE-OBS": f"{year}-07-01"}
        pool(tmp_path / year, detectors=("NRS1",), **how)
        out = tmp_path / f"out{year}"
        masks.append(bps.batch(tmp_path / year, output_dir=out, save_mask=True)[0].mask_file)
    bps.history(masks, at_least=1, persistent_mask=tmp_path / "p.fits")
    assert bps.Mask.read(tmp_path / "p.fits").name == "NRS1 persistent"
    exposure = take(tmp_path / "x_rate.fits", 9, detector="NRS1", **{"DATE-OBS": day})
    recwarn.clear()
    assert bps.apply(tmp_path / "p.fits", exposure, output_dir=tmp_path / "out").written
    said = [str(each.message) for each in recwarn]
    assert len(said) == bool(words)
    assert re.search(words, "".join(said))


def test_flagged_exposures_are_flagged_again_if_forced(made):
    mask, folder = made
    copy = folder / "batch" / "sci0_nrs1_badpix_selfcal.fits"
    given = shutil.copy(copy, folder / "again_rate.fits")
    assert bps.apply(mask, given, output_dir=folder / "out", force=True).written


def test_a_mask_among_the_exposures_is_named(made):
    mask, folder = made
    given = [mask, folder / "sci0_nrs1_rate.fits"]
    result = bps.apply(mask, given, output_dir=folder / "out")
    assert result.failed[0].error == (
        f"{mask}: has no SCI extension; _mask is a mask: take the rate image (_rate)"
    )
    assert len(result.written) == 1


@pytest.mark.parametrize("replaced", ["mask", "exposure"])
def test_inputs_and_the_mask_are_never_replaced(made, hashes, replaced):
    mask, folder = made
    exposure, out = folder / "sci0_nrs1_rate.fits", folder / "out"
    out.mkdir()
    target = out / "sci0_nrs1_badpix_selfcal.fits"
    shutil.copy(mask if replaced == "mask" else folder / "sci1_nrs1_rate.fits", target)
    given = (target, exposure) if replaced == "mask" else (mask, [exposure, target])
    before = hashes(folder), hashes(out)
    with pytest.raises(FileExistsError, match="would replace the input"):
        bps.apply(*given, output_dir=out, overwrite=True)
    assert (hashes(folder), hashes(out)) == before


@pytest.mark.parametrize("damage", ["absent", "short", "text"])
def test_a_broken_mask_is_refused_before_anything_is_written(made, damage):
    mask, folder = made
    content, path = mask.read_bytes(), folder / "broken_mask.fits"
    if damage != "absent":
        path.write_bytes(content[: len(content) // 2] if damage == "short" else b"no mask")
    with pytest.raises(bps.MaskError) as caught:
        bps.apply(path, folder / "sci0_nrs1_rate.fits", output_dir=folder / "out")
    assert str(caught.value).startswith(f"{path}: ")
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("inputs", "how", "error", "words"),
    [
        ("absent_rate.fits", {}, bps.ExposureError, "no such file"),
        ([], {}, bps.ExposureError, "no exposures given"),
        (".", {"force": 1}, TypeError, "force must be True or False"),
        (".", {"workers": 0}, ValueError, "workers must be from 1"),
        (
            *(".", {"workers": 2, "scheduler": "tcp://127.0.0.1:1"}),
            *(ValueError, "`workers` is a number of threads of this process"),
        ),
    ],
)
def test_wrong_arguments(made, monkeypatch, inputs, how, error, words):
    mask, folder = made
    monkeypatch.chdir(folder)
    with pytest.raises(error, match=words):
        bps.apply(mask, inputs, output_dir="out", **how)
    assert not (folder / "out").exists()


class TestResume:
    """Copies made with the same mask are kept."""

    def run(self, mask, folder, **how):
        result = bps.apply(mask, folder, output_dir=folder / "out", resume=True, **how)
        assert not result.failed
        return statuses(result)

    def test_what_is_done_is_kept(self, made):
        mask, folder = made
        assert self.run(mask, folder) == ["COMPLETE"] * 3
        times = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
        assert self.run(mask, folder) == ["KEPT"] * 3
        assert {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()} == times
        outputs = [*times]
        outputs[0].unlink()
        outputs[1].write_bytes(outputs[1].read_bytes()[:-3000])
        assert sorted(self.run(mask, folder)) == ["COMPLETE", "COMPLETE", "KEPT"]

    def test_with_another_mask_nothing_is_replaced_unless_asked_for(self, made, hashes):
        mask, folder = made
        self.run(mask, folder)
        before = hashes(folder / "out")
        found = bps.Mask.read(mask)
        flags = found.bad_pixels.mask.copy()
        flags[0, 0] ^= True
        n_low = found.bad_pixels.n_low + (1 if flags[0, 0] else -1)
        bad = replace(found.bad_pixels, mask=flags, n_low=n_low)
        other = replace(found, bad_pixels=bad, source=None)
        with pytest.raises(FileExistsError) as caught:
            self.run(other, folder)
        said = str(caught.value)
        assert f"was made with the mask {mask.name}, digest " in said
        assert "(now the mask NRS1, digest " in said
        assert hashes(folder / "out") == before
        assert self.run(other, folder, overwrite=True) == ["COMPLETE"] * 3
        assert self.run(other, folder) == ["KEPT"] * 3

    def test_copies_of_a_batch_are_no_copies_of_a_mask(self, made):
        mask, folder = made
        with pytest.raises(FileExistsError, match="a mask of its own exposures \\(now the mask"):
            bps.apply(mask, folder, output_dir=folder / "batch", resume=True)
        self.run(mask, folder)
        with pytest.raises(FileExistsError, match="\\(now a mask of its own exposures\\)"):
            bps.batch(folder, output_dir=folder / "out", resume=True)


def test_masks_and_exposures_at_urls(tmp_path, bucket):
    association = observation(tmp_path)
    run = bps.selfcal(association, output_dir=tmp_path / "run", save_mask=True)
    for path in (run.mask_file, tmp_path / "sci0_rate.fits"):
        bucket.system.put_file(str(path), f"{bucket.name}/in/{path.name}")
    result = bps.apply(
        f"{bucket.url}/in/{run.mask_file.name}",
        f"{bucket.url}/in/sci0_rate.fits",
        output_dir=f"{bucket.url}/out",
    )
    assert [*map(str, result.written)] == [f"{bucket.url}/out/sci0_badpix_selfcal.fits"]
    local = tmp_path / "got.fits"
    bucket.system.get_file(f"{bucket.name}/out/sci0_badpix_selfcal.fits", str(local))
    assert_equal_planes(local, run.science)


class TestBits:
    """A reference file whose bad pixels have other bits than DO_NOT_USE."""

    @pytest.fixture
    def files(self, tmp_path):
        image = np.zeros((20, 30), np.uint32)
        image.flat[:499] = 2
        image.flat[490:510] |= 8
        definitions = {1: "DO_NOT_USE", 2: "HOT", 8: "WARM", 16: "DEAD"}
        path = mask_file(tmp_path / "ref.fits", image, definitions, DETECTOR="NRS1")
        return path, take(tmp_path / "e_rate.fits", 1, detector="NRS1", shape=(20, 30)), image

    def test_a_mask_that_flags_nothing_says_what_it_has(self, tmp_path, files):
        path, given, _ = files
        said = (
            f"{path}: flags nothing: 0 pixels have DO_NOT_USE, 499 have HOT, 20 have WARM; `bits` "
            "chooses others"
        )
        with pytest.warns(bps.SelfcalWarning) as warned:
            (group,) = bps.apply(path, given, output_dir=tmp_path / "out")
        assert [str(each.message) for each in warned] == [said]
        assert group.flagged == 0

    @pytest.mark.parametrize(
        ("bits", "values"),
        [("HOT", 2), ("hot, WARM", 10), (["HOT", "WARM"], 10), (("WARM", "DEAD"), 24)],
    )
    def test_the_pixels_with_other_bits_are_flagged(self, tmp_path, files, bits, values):
        path, given, image = files
        (group,) = bps.apply(path, given, bits=bits, output_dir=tmp_path / "out")
        np.testing.assert_array_equal(group.mask.flags, image & values != 0)
        expected = planes(given)["DQ"] | np.where(image & values, instrument.BAD, 0)
        np.testing.assert_array_equal(planes(group.science)["DQ"], expected)

    def test_bits_that_it_does_not_define_are_refused(self, tmp_path, files):
        path, given, _ = files
        with pytest.raises(bps.MaskError, match=r"DQ_DEF does not define COLD; .* HOT"):
            bps.apply(path, given, bits="HOT,COLD", output_dir=tmp_path / "out")
        with pytest.raises(TypeError, match="bits must be names"):
            bps.apply(path, given, bits=2, output_dir=tmp_path / "out")
        read = bps.Mask.read(path, bits="HOT")
        with pytest.raises(ValueError, match="bits chooses from a mask that is read"):
            bps.apply(read, given, bits="WARM", output_dir=tmp_path / "out")
        assert bps.apply(read, given, output_dir=tmp_path / "out")[0].flagged == 499

    def test_the_command_has_them(self, tmp_path, files, capsys):
        path, given, image = files
        arguments = [*map(str, (path, given)), "--output-dir", str(tmp_path / "out")]
        assert main(["apply", *arguments, "--bits", "WARM,DEAD"]) == 0
        assert "20 pixels" in capsys.readouterr().out
        flagged = planes(tmp_path / "out" / "e_badpix_selfcal.fits")["DQ"] & instrument.BAD
        np.testing.assert_array_equal(flagged == instrument.BAD, image & 8 != 0)


def test_a_reference_file_of_the_pipeline_is_a_mask(tmp_path):
    image = np.random.default_rng(1).integers(0, 64, (20, 30), np.uint32)
    cards = {"DETECTOR": "ANY", "SUBARRAY": "GENERIC"}
    path = mask_file(tmp_path / "ref.fits", image, {1: "DEAD", 32: "DO_NOT_USE"}, **cards)
    given = take(tmp_path / "e_rate.fits", 1, detector="NRS1", shape=(20, 30), SUBARRAY="SUB1")
    (group,) = bps.apply(path, given, output_dir=tmp_path / "out")
    flags = image & 32 != 0
    expected = planes(given)["DQ"] | np.where(flags, instrument.BAD, 0)
    np.testing.assert_array_equal(planes(group.science)["DQ"], expected)
    assert (group.bad_pixels, group.flagged) == (None, int(flags.sum()))
    with pytest.raises(bps.MaskError, match=r"is no mask \(it has no REFTYPE\)"):
        bps.apply(given, given, output_dir=tmp_path / "out")
