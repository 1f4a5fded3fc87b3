"""Exposures flagged with a mask that exists already."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import instrument

from .exposures import assert_equal_planes, entry_of, header, observation, planes, sky, write
from .masks import group_mask
from .pools import pool, take

MODES = [("MIRIFULONG", "MIR_MRS", 2), ("NRS1", "NRS_IFU", 1)]

pytestmark = pytest.mark.filterwarnings("ignore:.* times the mean ERR")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


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
    assert [each.status for each in result.exposures] == ["COMPLETE"] * 3
    for each, expected in zip(result.exposures, [run.science, *run.backgrounds], strict=True):
        assert_equal_planes(each.output, expected)
        assert header(each.output)["S_BPXSLF"] == "COMPLETE"
    (group,) = result
    np.testing.assert_array_equal(group.mask.flags, run.bad_pixels.mask)
    assert (group.flagged, group.dispaxis) == (int(run.bad_pixels.mask.sum()), dispaxis)


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
def test_every_plane_is_that_of_the_batch(tmp_path, cut):
    pool(tmp_path)
    made = bps.batch(
        tmp_path, output_dir=tmp_path / "batch", cut=cut, save_mask=True, save_flagged_bkg=True
    )
    for group in made.groups:
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


def test_another_exposure_is_flagged_alone(made):
    mask, folder = made
    tonight = take(folder / "tonight_rate.fits", 77, detector="NRS1")
    before = planes(tonight)
    result = bps.apply(mask, tonight, output_dir=folder / "out")
    (output,) = result.written
    assert output == folder / "out" / "tonight_badpix_selfcal.fits"
    flags, after = bps.Mask.read(mask).bad_pixels.mask, planes(output)
    np.testing.assert_array_equal(after["DQ"], before["DQ"] | np.where(flags, instrument.BAD, 0))
    for name in ("SCI", "ERR", "VAR_POISSON"):
        np.testing.assert_array_equal(after[name], np.where(flags, np.nan, before[name]))


def test_history_names_the_mask(made):
    mask, folder = made
    first = bps.apply(mask, folder / "sci0_nrs1_rate.fits", output_dir=folder / "a").written[0]
    entry = entry_of(first)
    version = bps.__version__
    assert entry.startswith(f"badpix_selfcal {version} COMPLETE: mask={mask.name} digest=")
    moved = shutil.copy(
        mask, folder / "a name with spaces, and longer than a line of HISTORY is.fits"
    )
    second = bps.apply(moved, folder / "sci0_nrs1_rate.fits", output_dir=folder / "b").written[0]
    other = entry_of(second)
    assert "mask=a_name_with_spaces,_and_longer_than_a_line_of_HISTORY_is.fit digest=" in other
    assert entry.partition("digest=")[2] == other.partition("digest=")[2]
    loaded = replace(bps.Mask.read(mask), source=None)
    third = bps.apply(loaded, folder / "sci0_nrs1_rate.fits", output_dir=folder / "c").written[0]
    assert "mask=NRS1 digest=" in entry_of(third)
    assert_equal_planes(third, first)


# Exposures that do not fit


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        (
            {"detector": "NRS2"},
            "was taken with NRS2, the mask {mask} is of NRS1; give a mask of the same detector",
        ),
        ({"SUBARRAY": "SUB32"}, "has the subarray SUB32, the mask {mask} has FULL; give a mask of"),
        ({"SUBARRAY": "GENERIC"}, "has the subarray GENERIC, the mask {mask} has FULL; give a"),
        ({"SUBSTRT2": 9}, "has the subarray (1,9), the mask {mask} has FULL; give a mask of"),
        ({"shape": (20, 30)}, "has shape (20, 30), the mask {mask} has (96, 640); give a mask"),
    ],
)
def test_an_exposure_that_does_not_fit_is_refused_by_name(made, how, problem):
    mask, folder = made
    other = take(folder / "other_rate.fits", 9, **{"detector": "NRS1", **how})
    result = bps.apply(mask, [other, folder / "sci0_nrs1_rate.fits"], output_dir=folder / "out")
    assert [each.status for each in result.exposures] == ["FAILED", "COMPLETE"]
    (failed,) = result.failed
    assert failed.error.startswith(f"{other}: {problem.format(mask=mask)}")
    assert names(folder / "out") == ["sci0_nrs1_badpix_selfcal.fits"]


def test_a_mask_of_a_subarray_fits_its_exposures(tmp_path):
    for number in range(2):
        take(tmp_path / f"e{number}_rate.fits", number, detector="NRS1", SUBARRAY="SUB32")
    made = bps.batch(tmp_path, output_dir=tmp_path / "batch", save_mask=True)
    assert not bps.apply(made[0].mask_file, tmp_path, output_dir=tmp_path / "out").failed


def test_exposures_of_another_mode_are_flagged_with_a_warning(made):
    mask, folder = made
    other = take(folder / "other_rate.fits", 9, detector="NRS1", EXP_TYPE="NRS_MSASPEC")
    with pytest.warns(bps.SelfcalWarning, match="EXP_TYPE is NRS_MSASPEC, that of the mask"):
        assert bps.apply(mask, other, output_dir=folder / "out").written
    unknown = take(folder / "unknown_rate.fits", 9, detector="NRS1", EXP_TYPE="")
    assert bps.apply(mask, unknown, output_dir=folder / "out").written  # without a warning


def test_exposures_of_later_steps_are_flagged_with_a_warning(made):
    mask, folder = made
    later = take(folder / "later_cal.fits", 9, detector="NRS1")
    with pytest.warns(bps.SelfcalWarning, match=r"later_cal\.fits: later steps of the pipeline"):
        assert bps.apply(mask, later, output_dir=folder / "out").written


def test_a_folder_without_exposures_of_the_detector_is_refused(made):
    mask, folder = made
    (folder / "in").mkdir()
    take(folder / "in" / "x_rate.fits", 1, detector="NRS2")
    with pytest.raises(bps.ExposureError, match="taken with other detectors than NRS1, or in"):
        bps.apply(mask, folder / "in", output_dir=folder / "out")


def test_flagged_exposures_are_refused_unless_forced(made):
    mask, folder = made
    copy = folder / "batch" / "sci0_nrs1_badpix_selfcal.fits"
    given = shutil.copy(copy, folder / "again_rate.fits")
    assert "is flagged already" in bps.apply(mask, given, output_dir=folder / "out").failed[0].error
    assert bps.apply(mask, given, output_dir=folder / "out", force=True).written


def test_an_exposure_that_cannot_be_flagged_is_reported(made):
    mask, folder = made
    path = take(folder / "bad_rate.fits", 9, detector="NRS1")
    with fits.open(path, mode="update") as hdus:
        del hdus["DQ"]
    result = bps.apply(mask, [path, folder / "sci0_nrs1_rate.fits"], output_dir=folder / "out")
    assert "has no DQ extension" in result.failed[0].error
    assert len(result.written) == 1


def test_a_mask_among_the_exposures_is_named(made):
    mask, folder = made
    given = [mask, folder / "sci0_nrs1_rate.fits"]
    result = bps.apply(mask, given, output_dir=folder / "out")
    assert result.failed[0].error == (
        f"{mask}: has no SCI extension; _mask is a mask: take the rate image (_rate)"
    )
    assert len(result.written) == 1


def test_inputs_and_the_mask_are_never_replaced(made, hashes):
    mask, folder = made
    before = hashes(folder)
    for path, name in ((mask, "mask"), (folder / "sci1_nrs1_rate.fits", "exposure")):
        out = folder / f"out_{name}"
        out.mkdir()
        target = out / "sci0_nrs1_badpix_selfcal.fits"
        shutil.copy(path, target)
        given = (target, folder / "sci0_nrs1_rate.fits")
        if name == "exposure":
            given = (mask, [folder / "sci0_nrs1_rate.fits", target])
        with pytest.raises(FileExistsError, match="would replace the input"):
            bps.apply(*given, output_dir=out, overwrite=True)
        assert target.read_bytes() == path.read_bytes()
    assert hashes(folder) == before


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


def test_wrong_arguments(made):
    mask, folder = made
    with pytest.raises(bps.ExposureError, match="no such file"):
        bps.apply(mask, folder / "absent_rate.fits")
    with pytest.raises(bps.ExposureError, match="no exposures given"):
        bps.apply(mask, [])
    with pytest.raises(TypeError, match="force must be True or False"):
        bps.apply(mask, folder, force=1)
    with pytest.raises(ValueError, match="workers must be from 1"):
        bps.apply(mask, folder, workers=0)
    with pytest.raises(ValueError, match="`workers` is a number of threads of this process"):
        bps.apply(mask, folder, workers=2, scheduler="tcp://127.0.0.1:1")


class TestResume:
    """Copies made with the same mask are kept."""

    def run(self, mask, folder, **how):
        result = bps.apply(mask, folder, output_dir=folder / "out", resume=True, **how)
        assert not result.failed
        return [each.status for each in result.exposures]

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

    def test_an_interrupted_call_is_continued(self, made):
        mask, folder = made

        def interrupted(done, _):
            if done == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            bps.apply(mask, folder, output_dir=folder / "out", workers=1, progress=interrupted)
        left = names(folder / "out")
        assert 1 <= len(left) <= 3
        assert all(name.endswith("_badpix_selfcal.fits") for name in left)
        assert self.run(mask, folder).count("KEPT") == len(left)
        for path in copies_in(folder / "batch"):
            assert_equal_planes(folder / "out" / path.name, path)


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


def test_a_mask_in_memory_of_another_shape_is_named_by_its_group(tmp_path):
    write(tmp_path / "a_rate.fits", sky(1))
    result = bps.apply(group_mask(), tmp_path / "a_rate.fits", output_dir=tmp_path / "out")
    assert "the mask MIRIFULONG 34 has (40, 50)" in result.failed[0].error


class TestReferenceFiles:
    """Any JWST MASK reference file is a mask."""

    @pytest.fixture
    def folder(self, tmp_path):
        take(tmp_path / "e_rate.fits", 1, detector="NRS1", shape=(20, 30))
        return tmp_path

    def reference(self, folder, image, defined=((0, 1, "DO_NOT_USE"),), **cards):
        primary = fits.PrimaryHDU()
        primary.header.update(
            {"REFTYPE": "MASK", "DETECTOR": "NRS1", "SUBARRAY": "GENERIC"} | cards
        )
        hdus = [primary, fits.ImageHDU(image, name="DQ")]
        if defined is not None:
            bits, values, words = zip(*defined, strict=True)
            columns = [
                fits.Column("BIT", "J", array=np.array(bits)),
                fits.Column("VALUE", "J", bzero=2**31, array=np.array(values, np.uint32)),
                fits.Column("NAME", "40A", array=np.array(words)),
            ]
            hdus.append(fits.BinTableHDU.from_columns(columns, name="DQ_DEF"))
        fits.HDUList(hdus).writeto(folder / "ref.fits", overwrite=True)
        return folder / "ref.fits"

    @pytest.mark.parametrize(
        ("defined", "bit"),
        [
            (((0, 1, "DO_NOT_USE"), (1, 2, "DEAD")), 1),
            (((0, 1, "DEAD"), (5, 32, "DO_NOT_USE")), 32),
            (((31, 1 << 31, "DO_NOT_USE"),), 1 << 31),
            (None, 1),
        ],
    )
    @pytest.mark.parametrize("kind", [np.uint32, np.uint8, np.int32])
    def test_do_not_use_is_what_dq_def_says(self, folder, defined, bit, kind):
        image = np.random.default_rng(1).integers(0, 64, (20, 30)).astype(kind)
        if bit <= np.iinfo(kind).max:
            image[3, 4] = bit
        path = self.reference(folder, image, defined)
        result = bps.apply(path, folder / "e_rate.fits", output_dir=folder / "out")
        (output,) = result.written
        flags = (image.astype(np.int64) & bit) != 0
        before = planes(folder / "e_rate.fits")["DQ"]
        np.testing.assert_array_equal(
            planes(output)["DQ"], before | np.where(flags, instrument.BAD, 0)
        )
        (group,) = result.groups
        assert group.bad_pixels is None
        assert group.flagged == int(flags.sum())

    @pytest.mark.parametrize("value", ["ANY", "N/A", "GENERIC", "any "])
    def test_values_that_fit_every_exposure(self, folder, value):
        given = take(folder / "s_rate.fits", 1, detector="NRS1", shape=(20, 30), SUBARRAY="SUB1")
        image = np.zeros((20, 30), np.uint32)
        cards = dict.fromkeys(("DETECTOR", "EXP_TYPE", "SUBARRAY"), value)
        path = self.reference(folder, image, **cards)
        assert bps.apply(path, given, output_dir=folder / "out").written
        path = self.reference(folder, image, **{**cards, "SUBARRAY": ""})
        (failed,) = bps.apply(path, given, output_dir=folder / "out").failed
        assert "has the subarray SUB1, the mask" in failed.error

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"REFTYPE": "DARK"}, "is no mask (REFTYPE is DARK); give a file that"),
            ({"defined": ((1, 2, "DEAD"),)}, "DQ_DEF does not say which pixels DO_NOT_USE"),
            ({"image": np.zeros((2, 20, 30), np.uint32)}, "no DQ extension with a 2-D image"),
            ({"image": np.zeros((20, 30), np.float32)}, "no DQ extension with a 2-D image"),
        ],
    )
    def test_what_is_no_mask_is_refused(self, folder, change, problem):
        change = {"image": np.zeros((20, 30), np.uint32), **change}
        path = self.reference(folder, **change)
        with pytest.raises(bps.MaskError) as caught:
            bps.apply(path, folder / "e_rate.fits", output_dir=folder / "out")
        assert str(caught.value).startswith(f"{path}: ")
        assert problem in str(caught.value)
        assert not (folder / "out").exists()

    def test_an_exposure_is_no_mask(self, folder):
        with pytest.raises(bps.MaskError, match=r"is no mask \(it has no REFTYPE\)"):
            bps.apply(folder / "e_rate.fits", folder / "e_rate.fits", output_dir=folder / "out")
