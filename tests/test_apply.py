"""Exposures flagged with a mask that exists already."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import instrument
from badpix_selfcal.cli import main
from badpix_selfcal.files.location import RemoteFile
from badpix_selfcal.step import member

from .exposures import assert_equal_planes, header, observation, planes, sky, write
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
    result = bps.apply(run.mask, inputs, output_dir=tmp_path / "out")
    assert [each.status for each in result.exposures] == ["COMPLETE"] * 3
    for each, expected in zip(result.exposures, [run.science, *run.backgrounds], strict=True):
        assert_equal_planes(each.output, expected)
        assert header(each.output)["S_BPXSLF"] == "COMPLETE"
    (group,) = result.groups
    np.testing.assert_array_equal(group.masks[dispaxis].mask, run.bad_pixels.mask)
    assert group.flagged == {dispaxis: int(run.bad_pixels.mask.sum())}


@pytest.mark.parametrize("cut", ["fraction", "sigma"])
def test_every_plane_is_that_of_the_batch(tmp_path, cut):
    pool(tmp_path)
    made = bps.batch(
        tmp_path, output_dir=tmp_path / "batch", cut=cut, save_mask=True, save_flagged_bkg=True
    )
    for group in made.groups:
        result = bps.apply(group.mask_files[2], tmp_path, output_dir=tmp_path / "out")
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
    return result.groups[0].mask_files[1], tmp_path


def test_another_exposure_is_flagged_alone(made):
    mask, folder = made
    tonight = take(folder / "tonight_rate.fits", 77, detector="NRS1")
    before = planes(tonight)
    result = bps.apply(mask, tonight, output_dir=folder / "out")
    (output,) = result.written
    assert output == folder / "out" / "tonight_badpix_selfcal.fits"
    flags, after = bps.read_mask(mask).bad_pixels.mask, planes(output)
    np.testing.assert_array_equal(after["DQ"], before["DQ"] | np.where(flags, instrument.BAD, 0))
    for name in ("SCI", "ERR", "VAR_POISSON"):
        np.testing.assert_array_equal(after[name], np.where(flags, np.nan, before[name]))


def test_history_names_the_mask(made):
    mask, folder = made
    first = bps.apply(mask, folder / "sci0_nrs1_rate.fits", output_dir=folder / "a").written[0]
    entry = " ".join(header(first)["HISTORY"])
    version = bps.__version__
    assert entry.startswith(f"badpix_selfcal {version} COMPLETE: mask={mask.name} digest=")
    moved = shutil.copy(
        mask, folder / "a name with spaces, and longer than a line of HISTORY is.fits"
    )
    second = bps.apply(moved, folder / "sci0_nrs1_rate.fits", output_dir=folder / "b").written[0]
    other = " ".join(header(second)["HISTORY"])
    assert "mask=a_name_with_spaces,_and_longer_than_a_line_of_HISTORY_is.fit digest=" in other
    assert entry.partition("digest=")[2] == other.partition("digest=")[2]
    loaded = bps.read_mask(mask)
    third = bps.apply(loaded, folder / "sci0_nrs1_rate.fits", output_dir=folder / "c").written[0]
    assert "mask=nrs1 digest=" in " ".join(header(third)["HISTORY"])
    assert_equal_planes(third, first)


# Exposures that do not fit


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        (
            {"detector": "NRS2"},
            "was taken with NRS2, the mask {mask} is of NRS1; give a mask of NRS2",
        ),
        ({"SUBARRAY": "SUB32"}, "has the subarray SUB32, the mask {mask} has FULL; give a mask of"),
        ({"SUBARRAY": "GENERIC"}, "has the subarray GENERIC, the mask {mask} has FULL; give a"),
        ({"SUBSTRT2": 9}, "has the subarray (1,9), the mask {mask} has FULL; give a mask of"),
        ({"shape": (20, 30)}, "SCI has shape (20, 30), the mask {mask} has (96, 640); give a mask"),
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
    assert not bps.apply(made.groups[0].mask_files[1], tmp_path, output_dir=tmp_path / "out").failed


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


@pytest.mark.parametrize("damage", ["absent", "short", "lost", "text"])
def test_a_broken_mask_is_refused_before_anything_is_written(made, capsys, damage):
    mask, folder = made
    content = mask.read_bytes()
    middle = len(content) // 2 // 512 * 512
    path = folder / "broken_mask.fits"
    if damage != "absent":
        path.write_bytes(
            {
                "short": content[: len(content) // 2],
                "lost": content[:middle] + bytes(4096) + content[middle + 4096 :],
                "text": b"no mask",
            }[damage]
        )
    out = folder / "out"
    with pytest.raises(bps.MaskError) as caught:
        bps.apply(path, folder / "sci0_nrs1_rate.fits", output_dir=out)
    assert str(caught.value).startswith(f"{path}: ")
    assert main(["apply", str(path), str(folder), "--output-dir", str(out)]) == 1
    assert f"badpix-selfcal: error: {path}: " in capsys.readouterr().err
    assert not out.exists()


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
    with pytest.raises(ValueError, match="workers is a number of threads of this process"):
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

    def test_a_copy_of_an_exposure_whose_version_is_not_known_is_written_again(
        self, made, monkeypatch
    ):
        mask, folder = made
        identity = member._identity

        def unknown(listed):
            return "" if listed.path.name == "sci1_nrs1_rate.fits" else identity(listed)

        monkeypatch.setattr(member, "_identity", unknown)
        assert self.run(mask, folder) == ["COMPLETE"] * 3
        assert self.run(mask, folder) == ["KEPT", "COMPLETE", "KEPT"]

    def test_with_another_mask_nothing_is_replaced_unless_asked_for(self, made, hashes):
        mask, folder = made
        self.run(mask, folder)
        before = hashes(folder / "out")
        found = bps.read_mask(mask)
        flags = found.bad_pixels.mask.copy()
        flags[0, 0] ^= True
        n_low = found.bad_pixels.n_low + (1 if flags[0, 0] else -1)
        other = replace(found, bad_pixels=replace(found.bad_pixels, mask=flags, n_low=n_low))
        with pytest.raises(FileExistsError) as caught:
            self.run(other, folder)
        said = str(caught.value)
        assert f"was made with the mask {mask.name}, digest " in said
        assert "(now the mask nrs1, digest " in said
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


# The command


def test_the_command(made, monkeypatch, capsys):
    mask, folder = made
    monkeypatch.chdir(folder)
    take(folder / "x_nrs2_rate.fits", 1, detector="NRS2")
    words = ["apply", f"batch/{mask.name}", ".", "--output-dir", "out"]
    assert main(words) == 0
    found = bps.read_mask(mask).bad_pixels
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[0] == "NRS1"
    assert lines[1].split()[-5:] == f"{found.n_low} low + {found.n_high} high".split()
    assert lines[2:] == [
        "ignored   1 file of other detectors or modes (EXP_TYPE)",
        "written   3 files in out: <exposure>_badpix_selfcal.fits",
        "next      strun calwebb_spec2 FILE, for each of the 3 files",
    ]
    assert main([*words, "--resume", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["mask"] == f"batch/{mask.name}"
    assert facts["statuses"]["KEPT"] == 3
    assert main(words) == 1
    assert "exists already; pass --overwrite to replace it, --resume" in capsys.readouterr().err
    assert main(["apply", f"batch/{mask.name}", "x_nrs2_rate.fits", "--output-dir", "out"]) == 1
    assert "was taken with NRS2, the mask" in capsys.readouterr().err


def test_masks_and_exposures_at_urls(tmp_path, bucket):
    association = observation(tmp_path)
    run = bps.selfcal(association, output_dir=tmp_path / "run", save_mask=True)
    for path in (run.mask, tmp_path / "sci0_rate.fits"):
        bucket.system.put_file(str(path), f"{bucket.name}/in/{path.name}")
    result = bps.apply(
        f"{bucket.url}/in/{run.mask.name}",
        f"{bucket.url}/in/sci0_rate.fits",
        output_dir=f"{bucket.url}/out",
    )
    assert result.written == (RemoteFile(f"{bucket.url}/out/sci0_badpix_selfcal.fits"),)
    local = tmp_path / "got.fits"
    bucket.system.get_file(f"{bucket.name}/out/sci0_badpix_selfcal.fits", str(local))
    assert_equal_planes(local, run.science)


def test_a_mask_in_memory_of_another_shape_is_named_by_its_group(tmp_path):
    write(tmp_path / "a_rate.fits", sky(1))
    result = bps.apply(group_mask(), tmp_path / "a_rate.fits", output_dir=tmp_path / "out")
    assert "the mask MIRIFULONG 34 has (40, 50)" in result.failed[0].error
