"""One mask for each detector: equal to the step's on every association, and safe with files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import ExposureError, SelfcalWarning
from badpix_selfcal.files import exposure
from badpix_selfcal.runs.minimum import MinimumImage
from badpix_selfcal.simulate import simulate

from .exposures import MRS, header, planes, sky, write
from .pools import pool, take

GAP = (50, 974, 474, 507)


def assert_equal_planes(one, other):
    mine, theirs = planes(one), planes(other)
    assert list(mine) == list(theirs)
    for name, image in theirs.items():
        np.testing.assert_array_equal(mine[name], image, err_msg=f"{one} {name}")


def assert_equal_to_the_step(folder, result, **how):
    """Run the step on every association of the pool and compare masks and files."""
    outputs = {each.exposure.resolve(): each for each in result.exposures}
    masks = {path: group.masks for group in result.groups for path in group.members}
    made = bps.associate(
        folder, output_dir=folder / "asn", group_by=how.pop("group_by", "detector")
    )
    for each in made:
        step = bps.selfcal(each.path, output_dir=folder / "step", save_flagged_bkg=True, **how)
        ours = outputs[each.science.resolve()]
        assert ours.status == step.status
        assert ours.output.name == step.science.name
        assert_equal_planes(ours.output, step.science)
        assert header(ours.output)["S_BPXSLF"] == header(step.science)["S_BPXSLF"]
        if step.bad_pixels is not None:
            found = masks[each.science][step.dispaxis]
            np.testing.assert_array_equal(found.mask, step.bad_pixels.mask)
            np.testing.assert_array_equal(found.residual, step.bad_pixels.residual)
        for path, background in zip(each.backgrounds, step.backgrounds, strict=False):
            assert_equal_planes(outputs[path.resolve()].output, background)
        shutil.rmtree(folder / "step")
    return len(made)


@pytest.mark.parametrize("group_by", ["detector", "band"])
def test_masks_and_files_equal_those_of_the_step_on_its_associations(tmp_path, group_by):
    pool(tmp_path, detectors=("MIRIFULONG", "MIRIFUSHORT", "NRS1"))
    take(tmp_path / "medium0_rate.fits", 20, BAND="MEDIUM")
    take(tmp_path / "medium1_rate.fits", 21, BAND="MEDIUM")
    result = bps.batch(
        tmp_path, output_dir=tmp_path / "out", save_flagged_bkg=True, group_by=group_by
    )
    assert len(result.groups) == {"detector": 3, "band": 4}[group_by]
    assert not result.failed
    assert assert_equal_to_the_step(tmp_path, result, group_by=group_by) == 11


exposures_of_a_pool = st.lists(
    st.fixed_dictionaries(
        {
            "seed": st.integers(1, 40),
            "detector": st.sampled_from(["MIRIFULONG", "MIRIFUSHORT", "NRS1"]),
            "background": st.sampled_from([None, False, True]),
            "BAND": st.sampled_from(["SHORT", "LONG"]),
            "empty_gap": st.booleans(),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20)
@given(
    exposures=exposures_of_a_pool,
    group_by=st.sampled_from(["detector", "band"]),
    force_single=st.booleans(),
    edge=st.sampled_from(["zero", "shrink"]),
)
def test_whatever_the_pool_the_step_gives_the_same(exposures, group_by, force_single, edge):
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", SelfcalWarning)
        folder = Path(name)
        for number, how in enumerate(exposures):
            take(folder / f"{number}_rate.fits", shape=(60, 520), **how)
        how = {"force_single": force_single, "edge": edge, "kernel_size": 5, "group_by": group_by}
        result = bps.batch(folder, output_dir=folder / "out", save_flagged_bkg=True, **how)
        assert not result.failed
        if not all(each["background"] for each in exposures):
            assert_equal_to_the_step(folder, result, **how)


def test_masks_and_files_equal_those_of_the_pipelines_step(tmp_path):
    jwst_step = pytest.importorskip("jwst.badpix_selfcal.badpix_selfcal_step")
    for detector in ("MIRIFULONG", "MIRIFUSHORT"):
        simulate(tmp_path, detector=detector, size=MRS, n_science=2, n_background=1)
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", save_flagged_bkg=True)
    outputs = {each.exposure.resolve(): each.output for each in result.exposures}
    made = bps.associate(tmp_path, output_dir=tmp_path / "asn")
    assert len(made) == 4
    for each in made:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = jwst_step.BadpixSelfcalStep.call(
                str(each.path), skip=False, save_flagged_bkg=True, output_dir=str(tmp_path)
            )
        science, backgrounds = theirs
        pairs = [(each.science, science), *zip(each.backgrounds, backgrounds, strict=True)]
        for path, model in pairs:
            mine = planes(outputs[path.resolve()])
            for name, image in (("SCI", model.data), ("ERR", model.err), ("DQ", model.dq)):
                np.testing.assert_array_equal(mine[name], image)


def test_each_exposure_is_read_once_to_find_the_masks(tmp_path, monkeypatch):
    made = pool(tmp_path)
    reads = []
    image_of = exposure.Exposure.science_image
    monkeypatch.setattr(
        exposure.Exposure, "science_image", lambda self: reads.append(self.path) or image_of(self)
    )
    bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert sorted(reads) == sorted(path for paths in made.values() for path in paths)


def test_what_a_result_tells(tmp_path):
    made = pool(tmp_path)
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    first, second = result.groups
    assert {first.name, second.name} == {"MIRIFULONG 34", "MIRIFUSHORT 12"}
    group = first if first.name == "MIRIFULONG 34" else second
    assert set(group.members) == set(group.pedestals) == set(made["MIRIFULONG"])
    assert group.pedestals[made["MIRIFULONG"][0]] == bps.pedestal(sky(1), GAP)
    assert [each.status for each in group.exposures] == ["COMPLETE"] * 3
    assert list(group.masks) == [2]
    assert (result.failed, result.passed_over, group.left_out) == ((), (), ())
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_inputs_are_untouched(tmp_path, hashes):
    pool(tmp_path)
    before = hashes(tmp_path)
    bps.batch(tmp_path, output_dir=tmp_path / "out", save_flagged_bkg=True)
    assert hashes(tmp_path) == before


def test_files_named_twice_are_used_once(tmp_path, monkeypatch):
    made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
    (tmp_path / "link_rate.fits").symlink_to(made[0])
    monkeypatch.chdir(tmp_path)
    inputs = [made[0], made[0].name, *made, tmp_path / "link_rate.fits"]
    (group,) = bps.batch(inputs, output_dir="out").groups
    assert len(group.members) == 3


def test_gzipped_exposures_and_unusual_names(tmp_path):
    import gzip

    made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
    made[0].with_name(f"{made[0].name}.gz").write_bytes(gzip.compress(made[0].read_bytes()))
    made[0].unlink()
    made[1].rename(tmp_path / "ü_rate.fits")
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    names = {each.output.name for each in result.exposures}
    assert names == {f"{stem}_badpix_selfcal.fits" for stem in ("sci0_nrs1", "ü", "sci2_nrs1")}
    expected = bps.find_bad_pixels(bps.minimum_image(map(sky, (1, 2, 3))), dispaxis=1)
    for each in result.exposures:
        assert (planes(each.output)["DQ"][expected.mask] & bps.dq.BAD == bps.dq.BAD).all()
    again = bps.batch(tmp_path, output_dir=tmp_path / "out", resume=True)
    assert {each.status for each in again.exposures} == {"KEPT"}


def test_backgrounds_can_be_named(tmp_path):
    made = pool(tmp_path, background=0, detectors=("MIRIFULONG",))["MIRIFULONG"]
    (tmp_path / "sky").mkdir()
    named = take(tmp_path / "sky" / "s_rate.fits", 9)
    result = bps.batch(
        tmp_path, background=[str(tmp_path / "sci2*.fits"), named], output_dir=tmp_path / "out"
    )
    assert [each.exposure for each in result.exposures] == made[:2]
    assert len(result.groups[0].members) == 4


class TestOneFails:
    """What cannot be read, flagged or written is told of; the others go on."""

    def test_it_is_no_fits_file(self, tmp_path):
        pool(tmp_path)
        junk = tmp_path / "junk_rate.fits"
        junk.write_text("junk")
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        (failed,) = result.failed
        assert (failed.exposure, failed.output) == (junk, None)
        assert "is not a FITS file" in failed.error
        assert len(list((tmp_path / "out").iterdir())) == 6

    def test_it_has_no_detector(self, tmp_path):
        pool(tmp_path)
        write(tmp_path / "x_rate.fits", sky(1), detector=None)
        (failed,) = bps.batch(tmp_path, output_dir=tmp_path / "out").failed
        assert "has no DETECTOR keyword" in failed.error

    def test_its_axis_is_wrong_or_dq_is_missing_but_it_still_helps_the_others(self, tmp_path):
        made = pool(tmp_path, detectors=("MIRIFULONG",))["MIRIFULONG"]
        with fits.open(made[0], mode="update") as hdus:
            hdus["SCI"].header["DISPAXIS"] = 3
        with fits.open(made[1], mode="update") as hdus:
            del hdus["DQ"]
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        first, second = result.failed
        assert "got 3" in first.error
        assert "has no DQ extension" in second.error
        alone = bps.selfcal(
            made[2], selfcal=made[:2], background=made[3:], output_dir=tmp_path / "step"
        )
        assert_equal_planes(tmp_path / "out" / alone.science.name, alone.science)

    def test_the_shapes_of_a_group_differ_and_all_of_it_fails(self, tmp_path):
        pool(tmp_path)
        odd = take(tmp_path / "zodd_rate.fits", 30, shape=(96, 641))
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        assert len(result.failed) == 4
        assert all(f"{odd}: SCI has shape (96, 641)" in each.error for each in result.failed)
        assert len(list((tmp_path / "out").iterdir())) == 3  # of the other detector

    def test_it_is_damaged_behind_its_headers(self, tmp_path, monkeypatch):
        made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
        image_of = exposure.Exposure.science_image

        def failing(self):
            if self.path == made[1]:
                raise ExposureError(f"{self.path}: damaged")
            return image_of(self)

        monkeypatch.setattr(exposure.Exposure, "science_image", failing)
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        assert [each.exposure for each in result.failed] == [made[1]]
        expected = bps.find_bad_pixels(bps.minimum_image([sky(1), sky(3)]), dispaxis=1)
        np.testing.assert_array_equal(result.groups[0].masks[1].mask, expected.mask)
        monkeypatch.undo()
        again = bps.batch(tmp_path, output_dir=tmp_path / "out", resume=True)
        assert [each.status for each in again.exposures] == ["COMPLETE"] * 3

    def test_writing_it_fails(self, tmp_path, monkeypatch):
        made = pool(tmp_path, detectors=("NRS1",))["NRS1"]
        write_under = exposure.Exposure.write_under

        def failing(self, header, to, mask):
            if self.path == made[0]:
                to.write_bytes(header)
                raise OSError(28, "No space left on device")
            write_under(self, header, to, mask)

        monkeypatch.setattr(exposure.Exposure, "write_under", failing)
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        (failed,) = result.failed
        assert (failed.exposure, failed.output) == (made[0], None)
        assert "No space left" in failed.error
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == [f"sci{n}_nrs1_badpix_selfcal.fits" for n in (1, 2)]


class TestNothingIsWrittenWhen:
    """Wrong requests are refused before any work."""

    @pytest.fixture(autouse=True)
    def _nothing_written(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()

    def test_two_exposures_give_one_output(self, tmp_path):
        pool(tmp_path)
        (tmp_path / "b").mkdir()
        take(tmp_path / "b" / "SCI0_mirifulong_rate.fits", 9)
        with pytest.raises(ExposureError, match="would both give"):
            bps.batch([tmp_path, tmp_path / "b"], output_dir=tmp_path / "out")

    def test_there_are_no_exposures(self, tmp_path):
        with pytest.raises(ExposureError, match=r"holds no \*_rate\.fits"):
            bps.batch(tmp_path, output_dir=tmp_path / "out")
        with pytest.raises(ExposureError, match="no file matches"):
            bps.batch(tmp_path / "*.fits", output_dir=tmp_path / "out")
        with pytest.raises(ExposureError, match="no exposures given"):
            bps.batch([], output_dir=tmp_path / "out")

    @pytest.mark.parametrize(
        "how",
        [{"kernel_size": 14}, {"group_by": "channel"}, {"workers": 0}, {"edge": "wrap"}],
    )
    def test_a_parameter_is_wrong(self, tmp_path, how):
        pool(tmp_path)
        with pytest.raises(ValueError, match=next(iter(how))):
            bps.batch(tmp_path, output_dir=tmp_path / "out", **how)

    def test_all_were_taken_with_other_instruments(self, tmp_path):
        take(tmp_path / "i_rate.fits", 1, EXP_TYPE="MIR_IMAGE")
        with pytest.raises(ExposureError, match="EXP_TYPE is none of MIR_MRS, NRS_IFU"):
            bps.batch(tmp_path, output_dir=tmp_path / "out")


def test_existing_outputs_are_replaced_on_demand_only(tmp_path, hashes):
    pool(tmp_path, detectors=("NRS1",))
    bps.batch(tmp_path, output_dir=tmp_path / "out")
    before = hashes(tmp_path / "out")
    with pytest.raises(FileExistsError, match="exists already; pass overwrite"):
        bps.batch(tmp_path, output_dir=tmp_path / "out", kernel_size=5)
    assert hashes(tmp_path / "out") == before
    bps.batch(tmp_path, output_dir=tmp_path / "out", kernel_size=5, overwrite=True)
    assert hashes(tmp_path / "out") != before
    assert set(hashes(tmp_path / "out")) == set(before)


@pytest.mark.parametrize("how", [{"overwrite": True}, {"resume": True}])
def test_an_input_is_never_replaced(tmp_path, hashes, how):
    pool(tmp_path, detectors=("NRS1",), background=0)
    take(tmp_path / "sci0_nrs1_badpix_selfcal.fits", 9, detector="NRS1")
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match="would replace the input"):
        bps.batch([*tmp_path.iterdir()], output_dir=tmp_path, **how)
    assert hashes(tmp_path) == before


def test_exposures_of_other_instruments_in_a_folder_are_passed_over(tmp_path):
    pool(tmp_path, detectors=("MIRIFULONG",))
    image = take(tmp_path / "image_rate.fits", 1, DETECTOR="MIRIMAGE", EXP_TYPE="MIR_IMAGE")
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert result.passed_over == (image,)
    assert len(result.exposures) == 3


def test_a_lone_exposure_is_skipped_unless_forced(tmp_path):
    science = take(tmp_path / "a_rate.fits", 1)
    with pytest.warns(SelfcalWarning, match="only exposure of MIRIFULONG 34, step skipped"):
        (skipped,) = bps.batch(tmp_path, output_dir=tmp_path / "out").exposures
    assert skipped.status == header(skipped.output)["S_BPXSLF"] == "SKIPPED"
    assert_equal_planes(skipped.output, science)
    forced = bps.batch(tmp_path, output_dir=tmp_path / "forced", force_single=True)
    step = bps.selfcal(science, output_dir=tmp_path / "step", force_single=True)
    assert_equal_planes(forced.exposures[0].output, step.science)


def test_exposures_with_empty_gaps_are_left_out_and_flagged(tmp_path):
    made = pool(tmp_path, detectors=("MIRIFULONG",))["MIRIFULONG"]
    empty = take(tmp_path / "zempty_rate.fits", 30, empty_gap=True)
    with pytest.warns(SelfcalWarning, match=r"zempty_rate\.fits: left out"):
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    (group,) = result.groups
    assert group.left_out == (empty,)
    images = [sky(seed) for seed in (1, 2, 3, 50, 51)]
    minimum = bps.minimum_image(images, [bps.pedestal(image, GAP) for image in images])
    expected = bps.find_bad_pixels(minimum, dispaxis=2)
    np.testing.assert_array_equal(group.masks[2].mask, expected.mask)
    assert len(group.exposures) == len(made) - 2 + 1


def test_all_gaps_empty_is_skipped(tmp_path):
    for number in (1, 2):
        take(tmp_path / f"{number}_rate.fits", number, empty_gap=True)
    with pytest.warns(SelfcalWarning, match="left out|no usable exposures, step skipped"):
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert [each.status for each in result.exposures] == ["SKIPPED"] * 2


def test_backgrounds_only_is_warned_of(tmp_path):
    take(tmp_path / "1_rate.fits", 1, background=True)
    with pytest.warns(SelfcalWarning, match="backgrounds only, nothing to flag"):
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert result.exposures == ()


def test_exposures_of_one_detector_that_differ_in_axis_get_a_mask_each(tmp_path):
    made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
    with fits.open(made[0], mode="update") as hdus:
        hdus["SCI"].header["DISPAXIS"] = 2
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    assert set(result.groups[0].masks) == {1, 2}
    assert_equal_to_the_step(tmp_path, result)


class TestResume:
    """What is done, whole and made alike is kept; all else is made again."""

    def run(self, folder, **how):
        result = bps.batch(folder, output_dir=folder / "out", resume=True, **how)
        assert not result.failed
        return [each.status for each in result.exposures]

    @pytest.fixture
    def done(self, tmp_path):
        pool(tmp_path, detectors=("NRS1",))
        assert self.run(tmp_path) == ["COMPLETE"] * 3
        return tmp_path

    def test_what_is_done_is_kept(self, done, hashes, monkeypatch):
        before = hashes(done / "out")
        monkeypatch.setattr(exposure.Exposure, "science_image", pytest.fail)
        assert self.run(done) == ["KEPT"] * 3
        assert hashes(done / "out") == before

    @pytest.mark.parametrize(
        "how",
        [{"kernel_size": 5}, {"flagfrac_lower": 0.01}, {"edge": "shrink"}, {"dispaxis": 2}],
    )
    def test_other_parameters_make_all_again(self, done, how):
        assert self.run(done, **how) == ["COMPLETE"] * 3
        assert self.run(done, **how) == ["KEPT"] * 3

    def test_a_missing_a_cut_and_a_foreign_output_are_made_again(self, done, hashes):
        before = hashes(done / "out")
        outputs = sorted((done / "out").iterdir())
        outputs[0].unlink()
        outputs[1].write_bytes(before[outputs[1].name][:-5000])
        assert self.run(done) == ["COMPLETE", "COMPLETE", "KEPT"]
        outputs[2].write_text("something else")
        assert self.run(done) == ["KEPT", "KEPT", "COMPLETE"]
        for path in outputs:
            assert set(planes(path)) >= {"SCI", "DQ"}

    def test_a_new_exposure_changes_the_mask_of_all(self, done):
        take(done / "sci9_nrs1_rate.fits", 9, detector="NRS1")
        assert self.run(done) == ["COMPLETE"] * 4

    def test_a_changed_exposure_changes_the_mask_of_all(self, done):
        path = done / "sci1_nrs1_rate.fits"
        path.unlink()
        take(path, 77, detector="NRS1")
        assert self.run(done) == ["COMPLETE"] * 3

    def test_backgrounds_asked_for_later_are_added(self, done):
        assert sorted(self.run(done, save_flagged_bkg=True)) == ["COMPLETE"] * 2 + ["KEPT"] * 3

    def test_what_was_skipped_is_tried_again(self, tmp_path):
        take(tmp_path / "1_rate.fits", 1)
        for _ in range(2):
            with pytest.warns(SelfcalWarning, match="step skipped"):
                assert self.run(tmp_path) == ["SKIPPED"]


def test_progress_is_told_from_nothing_to_all(tmp_path):
    pool(tmp_path)
    (tmp_path / "junk_rate.fits").write_text("junk")
    told = []
    bps.batch(tmp_path, output_dir=tmp_path / "out", progress=lambda *now: told.append(now))
    assert told[0] == (0, 6)
    assert told[-1] == (6, 6)
    assert told == sorted(told)


def test_results_do_not_depend_on_the_workers(tmp_path):
    pool(tmp_path)
    for workers in (1, 5):
        bps.batch(tmp_path, output_dir=tmp_path / str(workers), workers=workers)
    for path in (tmp_path / "1").iterdir():
        assert_equal_planes(path, tmp_path / "5" / path.name)


def test_an_interrupted_batch_leaves_whole_files_only(tmp_path):
    pool(tmp_path, science=6, detectors=("NRS1",))
    told = []

    def interrupt(done, _):
        told.append(done)
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bps.batch(tmp_path, output_dir=tmp_path / "out", workers=1, progress=interrupt)
    left = list((tmp_path / "out").iterdir())
    assert 0 < len(left) < 6
    for path in left:
        assert path.suffix == ".fits"
        assert header(path)["S_BPXSLF"] == "COMPLETE"
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", resume=True)
    statuses = [each.status for each in result.exposures]
    assert statuses.count("KEPT") == len(left)
    assert statuses.count("COMPLETE") == 6 - len(left)


@settings(max_examples=30)
@given(
    order=st.permutations(range(5)),
    cut=st.integers(0, 5),
    dtypes=st.lists(st.sampled_from(["f4", "f8", ">f4"]), min_size=5, max_size=5),
)
def test_minimum_images_can_be_made_in_parts(order, cut, dtypes):
    class Image:
        def __init__(self, number):
            self.path = Path(str(number))
            self.image = sky(number, (60, 520), dtypes[number])

        def science_image(self):
            return self.image

    whole, one, other = (MinimumImage(GAP) for _ in range(3))
    for number in range(5):
        whole.fold(Image(number))
    for place, number in enumerate(order):
        (one if place < cut else other).fold(Image(number))
    one.merge(other)
    np.testing.assert_array_equal(one.image, whole.image)
    assert one.image.dtype == whole.image.dtype
    assert one.pedestals == whole.pedestals
    assert sorted(one.used) == sorted(whole.used)


PEAK = """
import sys
import badpix_selfcal as bps
bps.set_num_threads(2)
bps.batch(sys.argv[1:-1], output_dir=sys.argv[-1])
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_peak_memory_does_not_grow_with_the_exposures(tmp_path):
    (first,) = simulate(tmp_path, n_science=1, n_background=0).science
    copies = [tmp_path / f"copy{number}_rate.fits" for number in range(11)]
    for path in copies:
        shutil.copy(first, path)

    def peak(count):
        arguments = [sys.executable, "-c", PEAK, first, *copies[: count - 1], tmp_path / "out"]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        shutil.rmtree(tmp_path / "out")
        return int(done.stdout)

    image = 1024 * 1032 * 4
    assert peak(12) - peak(4) < image


def test_the_history_tells_how_and_from_what(tmp_path):
    pool(tmp_path, detectors=("NRS1",))
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    told = " ".join(header(result.exposures[0].output)["HISTORY"])
    assert f"badpix_selfcal {bps.__version__} COMPLETE: kernel_size=15" in told
    assert "dispaxis=1" in told
    assert " members=5:" in told
