"""A batch that continues from the outputs of an earlier one: copies and masks."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning
from badpix_selfcal.files.exposure import Exposure

from .exposures import header, planes
from .masks import assert_same_masks
from .pools import pool, take


class TestResume:
    """Whole outputs made in the same way are kept; all others are written again."""

    def run(self, folder, **how):
        result = bps.batch(folder, output_dir=folder / "out", resume=True, **how)
        assert not result.failed
        return [each.status for each in result.exposures]

    @pytest.fixture
    def done(self, tmp_path):
        pool(tmp_path, detectors=("NRS1",))
        assert self.run(tmp_path) == ["COMPLETE"] * 3
        return tmp_path

    def test_finished_outputs_are_kept(self, done):
        before = {path: path.stat().st_mtime_ns for path in (done / "out").iterdir()}
        assert self.run(done) == ["KEPT"] * 3
        after = {path: path.stat().st_mtime_ns for path in (done / "out").iterdir()}
        assert after == before

    def test_the_order_of_the_exposures_does_not_matter(self, done):
        paths = sorted(done.glob("*_rate.fits"), reverse=True)
        result = bps.batch(paths, output_dir=done / "out", resume=True)
        assert [each.status for each in result.exposures] == ["KEPT"] * 3

    @pytest.mark.parametrize(
        "how",
        [
            {"kernel_size": 5},
            {"flagfrac_lower": 0.01},
            {"edge": "shrink"},
            {"dispaxis": 2},
            {"spare_crowded": True},
        ],
    )
    def test_with_other_parameters_nothing_is_replaced_unless_asked_for(self, done, hashes, how):
        before = hashes(done / "out")
        ((name, value),) = how.items()
        with pytest.raises(FileExistsError) as caught:
            self.run(done, **how)
        assert str(caught.value).startswith(
            f"{done / 'out' / 'sci0_nrs1_badpix_selfcal.fits'}: was made with {name}="
        )
        assert f"(now {value})" in str(caught.value)
        assert hashes(done / "out") == before
        assert self.run(done, overwrite=True, **how) == ["COMPLETE"] * 3
        assert self.run(done, **how) == ["KEPT"] * 3

    def test_another_cut_is_another_parameter(self, done):
        with pytest.raises(FileExistsError, match=r"cut=fraction \(now sigma\), edge=zero"):
            self.run(done, cut="sigma")

    def test_of_several_outputs_with_other_parameters_one_is_named(self, done):
        with pytest.raises(FileExistsError, match=r"; outputs that differ: 3\."):
            self.run(done, kernel_size=5)
        for path in sorted((done / "out").iterdir())[1:]:
            path.unlink()
        with pytest.raises(FileExistsError) as caught:
            self.run(done, kernel_size=5)
        assert "differ" not in str(caught.value)

    def test_outputs_that_need_not_be_kept_are_kept_with_overwrite_too(self, done):
        assert self.run(done, overwrite=True) == ["KEPT"] * 3

    def test_missing_truncated_and_foreign_outputs_are_written_again(self, done, hashes):
        before = hashes(done / "out")
        outputs = sorted((done / "out").iterdir())
        images = {path: planes(path) for path in outputs}
        outputs[0].unlink()
        outputs[1].write_bytes(before[outputs[1].name][:-5000])
        assert self.run(done) == ["COMPLETE", "COMPLETE", "KEPT"]
        outputs[2].write_text("something else")
        assert self.run(done) == ["KEPT", "KEPT", "COMPLETE"]
        for path in outputs:
            again = planes(path)
            assert [*again] == [*images[path]]
            for name, image in images[path].items():
                np.testing.assert_array_equal(again[name], image)

    def test_fractions_that_differ_in_the_last_digit_are_other_parameters(self, done):
        shutil.rmtree(done / "out")
        given = 0.00123456789012345
        assert self.run(done, flagfrac_lower=given) == ["COMPLETE"] * 3
        assert self.run(done, flagfrac_lower=given) == ["KEPT"] * 3
        following = math.nextafter(given, 1)
        with pytest.raises(FileExistsError, match=rf"={given} \(now {following}\)"):
            self.run(done, flagfrac_lower=following)

    def test_a_new_exposure_changes_the_mask_of_all(self, done):
        take(done / "sci9_nrs1_rate.fits", 9, detector="NRS1")
        assert self.run(done) == ["COMPLETE"] * 4

    def test_a_changed_exposure_changes_the_mask_of_all(self, done):
        path = done / "sci1_nrs1_rate.fits"
        path.unlink()
        take(path, 77, detector="NRS1")
        assert self.run(done) == ["COMPLETE"] * 3

    def test_only_the_last_entry_of_this_package_counts(self, done):
        for path in done.glob("sci*"):
            with fits.open(path, mode="update") as hdus:
                hdus[0].header["HISTORY"] = "made by hand, kernel_size=7"
                hdus[0].header["HISTORY"] = "badpix_selfcal 0.0.1 COMPLETE: kernel_size=3"
        assert self.run(done, overwrite=True) == ["COMPLETE"] * 3
        assert self.run(done) == ["KEPT"] * 3
        with pytest.raises(FileExistsError, match=r"made with kernel_size=15 \(now 5\); outputs"):
            self.run(done, kernel_size=5)

    def test_backgrounds_asked_for_later_are_added(self, done):
        assert sorted(self.run(done, save_flagged_bkg=True)) == ["COMPLETE"] * 2 + ["KEPT"] * 3

    def test_skipped_outputs_are_written_again(self, tmp_path):
        take(tmp_path / "1_rate.fits", 1)
        for _ in range(2):
            with pytest.warns(SelfcalWarning, match="step skipped"):
                assert self.run(tmp_path, copy_skipped=True) == ["SKIPPED"]
        take(tmp_path / "2_rate.fits", 2)
        assert self.run(tmp_path, kernel_size=5) == ["COMPLETE"] * 2  # replaces the unflagged copy


class TestUnread:
    """Outputs made without an exposure that cannot be read are kept as long as it cannot be."""

    @pytest.fixture
    def done(self, tmp_path, monkeypatch):
        pool(tmp_path, detectors=("NRS1",))
        self.lost = {"sci2_nrs1_rate.fits", "bkg0_nrs1_rate.fits"}
        science = Exposure.science

        def failing(exposure, *how):
            if exposure.path.name in self.lost:
                raise bps.ExposureError(f"{exposure.path}: cannot be read: Input/output error")
            return science(exposure, *how)

        monkeypatch.setattr(Exposure, "science", failing)
        assert self.run(tmp_path) == ["COMPLETE", "COMPLETE", "FAILED"]
        return tmp_path

    def run(self, folder):
        result = bps.batch(folder, output_dir=folder / "out", resume=True)
        return [each.status for each in result.exposures if "bkg" not in each.exposure.name]

    def test_as_long_as_it_cannot_be_read(self, done):
        assert self.run(done) == ["KEPT", "KEPT", "FAILED"]

    def test_when_one_of_them_can_be_read_again(self, done):
        self.lost.discard("bkg0_nrs1_rate.fits")
        assert self.run(done) == ["COMPLETE", "COMPLETE", "FAILED"]
        assert self.run(done) == ["KEPT", "KEPT", "FAILED"]
        self.lost.clear()
        assert self.run(done) == ["COMPLETE"] * 3
        assert self.run(done) == ["KEPT"] * 3

    def test_when_another_one_cannot_be_read(self, done):
        """It served for the mask when it could be read: it has not changed since."""
        self.lost.add("bkg1_nrs1_rate.fits")
        assert self.run(done) == ["KEPT", "KEPT", "FAILED"]


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
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", resume=True)
    statuses = [each.status for each in result.exposures]
    assert statuses.count("KEPT") == len(left)
    assert statuses.count("COMPLETE") == 6 - len(left)


class TestMask:
    """A mask file is kept like a copy; one that is missing is made again."""

    def run(self, folder, **how):
        how = {"save_mask": True, **how}
        result = bps.batch(folder, output_dir=folder / "out", resume=True, **how)
        assert not result.failed
        return [each.status for each in result.exposures]

    @pytest.fixture
    def done(self, tmp_path):
        pool(tmp_path, detectors=("NRS1",))
        assert self.run(tmp_path) == ["COMPLETE"] * 3
        return tmp_path

    @pytest.fixture
    def mask(self, done):
        return done / "out" / "nrs1_badpix_selfcal_mask.fits"

    def assert_made_again(self, mask, before):
        again = bps.Mask.read(mask)
        assert_same_masks(again, replace(before, made=again.made))

    def test_what_is_done_is_kept(self, done, mask):
        times = {path: path.stat().st_mtime_ns for path in (done / "out").iterdir()}
        result = bps.batch(done, output_dir=done / "out", resume=True, save_mask=True)
        assert [each.status for each in result.exposures] == ["KEPT"] * 3
        assert {path: path.stat().st_mtime_ns for path in (done / "out").iterdir()} == times
        assert (result[0].mask_file, result[0].mask, result[0].status) == (mask, None, "KEPT")

    @pytest.mark.parametrize("damage", ["missing", "short", "foreign"])
    def test_a_mask_that_is_not_whole_is_made_again(self, done, mask, damage):
        before, content = bps.Mask.read(mask), mask.read_bytes()
        mask.unlink()
        if damage != "missing":
            mask.write_bytes(content[:-3000] if damage == "short" else b"something else")
        assert self.run(done) == ["KEPT"] * 3
        self.assert_made_again(mask, before)

    def test_a_missing_copy_is_made_again_and_the_mask_is_kept(self, done, mask):
        time = mask.stat().st_mtime_ns
        (done / "out" / "sci1_nrs1_badpix_selfcal.fits").unlink()
        assert self.run(done) == ["KEPT", "COMPLETE", "KEPT"]
        assert mask.stat().st_mtime_ns == time

    def test_a_first_mask_is_made_of_what_is_kept(self, done, mask):
        before = bps.Mask.read(mask)
        mask.unlink()
        assert self.run(done, save_mask=False) == ["KEPT"] * 3
        assert not mask.exists()
        assert self.run(done) == ["KEPT"] * 3
        self.assert_made_again(mask, before)

    def test_a_new_exposure_changes_the_mask(self, done, mask):
        take(done / "sci9_nrs1_rate.fits", 9, detector="NRS1")
        assert self.run(done) == ["COMPLETE"] * 4
        assert len(bps.Mask.read(mask).members) == 6

    def test_with_other_parameters_no_mask_is_replaced_unless_asked_for(self, done, mask):
        for path in (done / "out").glob("sci*"):
            path.unlink()
        with pytest.raises(FileExistsError) as caught:
            self.run(done, kernel_size=5)
        assert str(caught.value).startswith(f"{mask}: was made with kernel_size=15 (now 5)")
        assert self.run(done, kernel_size=5, overwrite=True) == ["COMPLETE"] * 3
        assert bps.Mask.read(mask).parameters.kernel_size == 5


def test_a_batch_under_a_url_is_resumed(tmp_path, bucket):
    pool(tmp_path, detectors=("NRS1",))
    how = {"output_dir": f"{bucket.url}/batch", "resume": True, "save_mask": True}
    first = bps.batch(tmp_path, **how)
    assert [each.status for each in first.exposures] == ["COMPLETE"] * 3
    again = bps.batch(tmp_path, **how)
    assert [each.status for each in again.exposures] == ["KEPT"] * 3
    assert again[0].mask is None
    assert again[0].mask_file == first[0].mask_file
