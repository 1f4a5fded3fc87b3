"""Masks that a resumed batch keeps or makes again, and masks under a URL."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.files.location import RemoteFile

from .exposures import observation
from .masks import assert_same_masks
from .pools import pool, take

NAME = "product_badpix_selfcal_mask.fits"


class TestResume:
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
        again = bps.read_mask(mask)
        assert_same_masks(again, bps.GroupMask(**{**vars(before), "made": again.made}))

    def test_what_is_done_is_kept(self, done, mask):
        times = {path: path.stat().st_mtime_ns for path in (done / "out").iterdir()}
        result = bps.batch(done, output_dir=done / "out", resume=True, save_mask=True)
        assert [each.status for each in result.exposures] == ["KEPT"] * 3
        assert {path: path.stat().st_mtime_ns for path in (done / "out").iterdir()} == times
        assert result.groups[0].mask_files == {1: mask}
        assert result.groups[0].masks == {}

    @pytest.mark.parametrize("damage", ["missing", "short", "lost", "foreign"])
    def test_a_mask_that_is_not_whole_is_made_again(self, done, mask, damage):
        before, content = bps.read_mask(mask), mask.read_bytes()
        middle = len(content) // 2 // 512 * 512
        if damage == "missing":
            mask.unlink()
        else:
            mask.write_bytes(
                {
                    "short": content[:-3000],
                    "lost": content[:middle] + bytes(512) + content[middle + 512 :],
                    "foreign": b"something else",
                }[damage]
            )
        assert self.run(done) == ["KEPT"] * 3
        self.assert_made_again(mask, before)

    def test_a_missing_copy_is_made_again_and_the_mask_is_kept(self, done, mask):
        time = mask.stat().st_mtime_ns
        (done / "out" / "sci1_nrs1_badpix_selfcal.fits").unlink()
        assert self.run(done) == ["KEPT", "COMPLETE", "KEPT"]
        assert mask.stat().st_mtime_ns == time

    @pytest.mark.parametrize("missing", [(1,), (2,), (1, 2)])
    def test_of_several_masks_of_a_group_the_missing_ones_are_made_again(self, tmp_path, missing):
        for number, axis in enumerate([1, 1, 2]):
            path = take(tmp_path / f"e{number}_nrs1_rate.fits", number, detector="NRS1")
            fits.setval(path, "DISPAXIS", value=axis, extname="SCI")
        assert self.run(tmp_path) == ["COMPLETE"] * 3
        masks = {
            axis: tmp_path / "out" / f"nrs1_badpix_selfcal_axis{axis}_mask.fits" for axis in (1, 2)
        }
        before = {axis: bps.read_mask(path) for axis, path in masks.items()}
        for axis in missing:
            masks[axis].unlink()
        assert self.run(tmp_path) == ["KEPT"] * 3
        for axis in missing:
            self.assert_made_again(masks[axis], before[axis])

    def test_a_first_mask_is_made_of_what_is_kept(self, done, mask):
        before = bps.read_mask(mask)
        mask.unlink()
        assert self.run(done, save_mask=False) == ["KEPT"] * 3
        assert not mask.exists()
        assert self.run(done) == ["KEPT"] * 3
        self.assert_made_again(mask, before)

    def test_a_new_exposure_changes_the_mask(self, done, mask):
        take(done / "sci9_nrs1_rate.fits", 9, detector="NRS1")
        assert self.run(done) == ["COMPLETE"] * 4
        assert len(bps.read_mask(mask).members) == 6

    def test_with_other_parameters_no_mask_is_replaced_unless_asked_for(self, done, mask):
        for path in (done / "out").glob("sci*"):
            path.unlink()
        with pytest.raises(FileExistsError) as caught:
            self.run(done, kernel_size=5)
        assert str(caught.value).startswith(f"{mask}: was made with kernel_size=15 (now 5)")
        assert self.run(done, kernel_size=5, overwrite=True) == ["COMPLETE"] * 3
        assert bps.read_mask(mask).parameters.kernel_size == 5


def test_a_mask_goes_to_a_url_and_is_read_from_it(tmp_path, bucket):
    association = observation(tmp_path)
    result = bps.selfcal(association, output_dir=f"{bucket.url}/out", save_mask=True)
    assert result.mask == RemoteFile(f"{bucket.url}/out/{NAME}")
    ours = bps.read_mask(result.mask.url)
    expected = bps.read_mask(
        bps.selfcal(association, output_dir=tmp_path / "out", save_mask=True).mask
    )
    np.testing.assert_array_equal(ours.minimum, expected.minimum)
    np.testing.assert_array_equal(ours.bad_pixels.mask, expected.bad_pixels.mask)
    with pytest.raises(bps.MaskError, match=r"absent\.fits: "):
        bps.read_mask(f"{bucket.url}/absent.fits")


def test_a_batch_under_a_url_is_resumed(tmp_path, bucket):
    pool(tmp_path, detectors=("NRS1",))
    how = {"output_dir": f"{bucket.url}/batch", "resume": True, "save_mask": True}
    first = bps.batch(tmp_path, **how)
    assert [each.status for each in first.exposures] == ["COMPLETE"] * 3
    again = bps.batch(tmp_path, **how)
    assert [each.status for each in again.exposures] == ["KEPT"] * 3
    assert again.groups[0].masks == {}
    assert again.groups[0].mask_files == first.groups[0].mask_files
