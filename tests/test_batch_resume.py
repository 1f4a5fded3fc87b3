"""A batch that continues from the outputs of an earlier one."""

from __future__ import annotations

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning

from .exposures import header, planes
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

    def test_skipped_outputs_are_written_again(self, tmp_path):
        take(tmp_path / "1_rate.fits", 1)
        for _ in range(2):
            with pytest.warns(SelfcalWarning, match="step skipped"):
                assert self.run(tmp_path, copy_skipped=True) == ["SKIPPED"]
        take(tmp_path / "2_rate.fits", 2)
        assert self.run(tmp_path, kernel_size=5) == ["COMPLETE"] * 2  # replaces the unflagged copy


def test_an_interrupted_batch_leaves_whole_files_only(tmp_path):
    pool(tmp_path, science=6, detectors=("NRS1",))

    def interrupt(done, _):
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
