"""A batch that continues from the outputs of an earlier one: copies and masks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning
from badpix_selfcal.files.exposure import Exposure

from .exposures import assert_equal_planes, change, header, statuses
from .masks import assert_same_masks
from .pools import pool, take


def run(folder, **how):
    """Resume a batch in which no exposure fails; return the statuses."""
    result = bps.batch(folder, output_dir=folder / "out", resume=True, **how)
    assert not result.failed
    return statuses(result)


@pytest.fixture
def done(tmp_path):
    pool(tmp_path, detectors=("NRS1",))
    assert run(tmp_path, save_mask=True) == ["COMPLETE"] * 3
    return tmp_path


@pytest.fixture
def copies(done):
    return sorted((done / "out").glob("sci*"))


@pytest.fixture
def mask(done):
    return done / "out" / "nrs1_badpix_selfcal_mask.fits"


def test_finished_outputs_are_kept(done, mask):
    before = {path: path.stat().st_mtime_ns for path in (done / "out").iterdir()}
    paths = sorted(done.glob("*_rate.fits"), reverse=True)  # their order does not matter
    for given in (done, paths):
        result = bps.batch(given, output_dir=done / "out", resume=True, save_mask=True)
        assert statuses(result) == ["KEPT"] * 3
        assert (result[0].mask_file, result[0].mask, result[0].status) == (mask, None, "KEPT")
    assert run(done, save_mask=True, overwrite=True) == ["KEPT"] * 3
    assert {path: path.stat().st_mtime_ns for path in (done / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("how", "difference"),
    [
        ({"kernel_size": 5}, "kernel_size=15 (now 5)"),
        ({"flagfrac_lower": 0.01}, "flagfrac_lower=0.001 (now 0.01)"),
        (
            {"flagfrac_lower": math.nextafter(0.001, 1)},
            f"flagfrac_lower=0.001 (now {math.nextafter(0.001, 1)})",
        ),
        ({"edge": "shrink"}, "edge=zero (now shrink)"),
        ({"dispaxis": 2}, "dispaxis=1 (now 2)"),
        ({"spare_crowded": True}, "spare_crowded=False (now True)"),
        ({"cut": "sigma"}, "cut=fraction (now sigma), edge=zero (now shrink)"),
    ],
)
@pytest.mark.filterwarnings("ignore:.* times the mean ERR")
def test_with_other_parameters_nothing_is_replaced_unless_asked_for(done, hashes, how, difference):
    before = hashes(done / "out")
    with pytest.raises(FileExistsError) as caught:
        run(done, **how)
    first = done / "out" / "sci0_nrs1_badpix_selfcal.fits"
    assert str(caught.value).startswith(f"{first}: was made with {difference}")
    assert "; outputs that differ: 3." in str(caught.value)
    assert hashes(done / "out") == before
    assert run(done, overwrite=True, **how) == ["COMPLETE"] * 3
    assert run(done, **how) == ["KEPT"] * 3


def test_one_output_with_other_parameters_is_named_without_a_number(done, copies, mask):
    for path in copies:
        path.unlink()
    with pytest.raises(FileExistsError) as caught:
        run(done, save_mask=True, kernel_size=5)
    assert str(caught.value).startswith(f"{mask}: was made with kernel_size=15 (now 5)")
    assert "differ" not in str(caught.value)
    how = {"save_mask": True, "kernel_size": 5, "overwrite": True}
    assert run(done, **how) == ["COMPLETE"] * 3
    assert bps.Mask.read(mask).parameters.kernel_size == 5


def test_missing_truncated_and_foreign_outputs_are_written_again(done, copies, mask):
    images = [path.rename(done / path.name) for path in copies]
    copies[1].write_bytes(images[1].read_bytes()[:-5000])
    copies[2].write_bytes(images[2].read_bytes())
    time = mask.stat().st_mtime_ns
    assert run(done, save_mask=True) == ["COMPLETE", "COMPLETE", "KEPT"]
    copies[2].write_text("something else")
    assert run(done, save_mask=True) == ["KEPT", "KEPT", "COMPLETE"]
    for path, image in zip(copies, images, strict=True):
        assert_equal_planes(path, image)
    assert mask.stat().st_mtime_ns == time


@pytest.mark.parametrize("damage", ["missing", "short", "foreign"])
def test_a_mask_that_is_not_whole_is_made_again(done, mask, damage):
    before, content = bps.Mask.read(mask), mask.read_bytes()
    mask.unlink()
    if damage == "missing":
        assert run(done) == ["KEPT"] * 3
        assert not mask.exists()
    else:
        mask.write_bytes(content[:-3000] if damage == "short" else b"something else")
    assert run(done, save_mask=True) == ["KEPT"] * 3
    again = bps.Mask.read(mask)
    assert_same_masks(again, replace(before, made=again.made))


def test_a_new_or_changed_exposure_changes_the_mask_of_all(done, mask):
    take(done / "sci9_nrs1_rate.fits", 9, detector="NRS1")
    assert run(done, save_mask=True) == ["COMPLETE"] * 4
    assert len(bps.Mask.read(mask).members) == 6
    (done / "sci1_nrs1_rate.fits").unlink()
    take(done / "sci1_nrs1_rate.fits", 77, detector="NRS1")
    assert run(done, save_mask=True) == ["COMPLETE"] * 4


def test_only_the_last_entry_of_this_package_counts(done):
    for path in done.glob("sci*"):
        for entry in (
            "made by hand, kernel_size=7",
            "badpix_selfcal 0.0.1 COMPLETE: kernel_size=3",
        ):
            change(path, HISTORY=entry)
    assert run(done, overwrite=True) == ["COMPLETE"] * 3
    assert run(done) == ["KEPT"] * 3
    with pytest.raises(FileExistsError, match=r"made with kernel_size=15 \(now 5\); outputs"):
        run(done, kernel_size=5)


def test_backgrounds_asked_for_later_are_added(done):
    assert sorted(run(done, save_flagged_bkg=True)) == ["COMPLETE"] * 2 + ["KEPT"] * 3


def test_skipped_outputs_are_written_again(tmp_path):
    take(tmp_path / "1_rate.fits", 1)
    for _ in range(2):
        with pytest.warns(SelfcalWarning, match="step skipped"):
            assert run(tmp_path, copy_skipped=True) == ["SKIPPED"]
    take(tmp_path / "2_rate.fits", 2)
    assert run(tmp_path, kernel_size=5) == ["COMPLETE"] * 2  # replaces the unflagged copy


def test_outputs_made_without_an_unreadable_exposure_are_kept_while_it_is(tmp_path, monkeypatch):
    pool(tmp_path, detectors=("NRS1",))
    lost = {"sci2_nrs1_rate.fits", "bkg0_nrs1_rate.fits"}
    science = Exposure.science

    def failing(exposure, *how):
        if exposure.path.name in lost:
            raise bps.ExposureError(f"{exposure.path}: cannot be read: Input/output error")
        return science(exposure, *how)

    def again():
        result = bps.batch(tmp_path, output_dir=tmp_path / "out", resume=True)
        return [each.status for each in result.exposures if "bkg" not in each.exposure.name]

    monkeypatch.setattr(Exposure, "science", failing)
    assert again() == ["COMPLETE", "COMPLETE", "FAILED"]
    assert again() == ["KEPT", "KEPT", "FAILED"]
    lost.add("bkg1_nrs1_rate.fits")  # it served when it could be read, and has not changed since
    assert again() == ["KEPT", "KEPT", "FAILED"]
    lost -= {"bkg0_nrs1_rate.fits", "bkg1_nrs1_rate.fits"}
    assert again() == ["COMPLETE", "COMPLETE", "FAILED"]
    assert again() == ["KEPT", "KEPT", "FAILED"]
    lost.clear()
    assert again() == ["COMPLETE"] * 3
    assert again() == ["KEPT"] * 3


def test_an_interrupted_batch_leaves_whole_files_only(tmp_path):
    pool(tmp_path, science=6, detectors=("NRS1",))

    def interrupt(done, _):
        if done > 9:  # 8 are read first
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bps.batch(tmp_path, output_dir=tmp_path / "out", workers=1, progress=interrupt)
    left = list((tmp_path / "out").iterdir())
    assert 0 < len(left) < 6
    for path in left:
        assert path.suffix == ".fits"
        assert header(path)["S_BPXSLF"] == "COMPLETE"
    assert sorted(run(tmp_path)) == ["COMPLETE"] * (6 - len(left)) + ["KEPT"] * len(left)


def test_a_batch_under_a_url_is_resumed(tmp_path, bucket):
    pool(tmp_path, detectors=("NRS1",))
    how = {"output_dir": f"{bucket.url}/batch", "resume": True, "save_mask": True}
    first, again = bps.batch(tmp_path, **how), bps.batch(tmp_path, **how)
    assert (statuses(first), statuses(again)) == (["COMPLETE"] * 3, ["KEPT"] * 3)
    assert (again[0].mask, again[0].mask_file) == (None, first[0].mask_file)
