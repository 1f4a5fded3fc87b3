"""A batch that continues from the outputs of an earlier one."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning
from badpix_selfcal.files.location import RemoteFile
from badpix_selfcal.parameters import Parameters
from badpix_selfcal.step import member
from badpix_selfcal.step.plan import made_of
from badpix_selfcal.step.provenance import differences, history
from badpix_selfcal.step.reader import Reader

from . import servers
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

    @pytest.mark.parametrize("start", [0.1, 0.5, 0.9, 1.0])
    def test_data_that_a_disk_has_lost_are_written_again(self, done, hashes, start):
        """After a power failure, files have their full size and hold zeros."""
        before = hashes(done / "out")
        path = sorted((done / "out").iterdir())[1]
        whole = before[path.name]
        at = min(int(start * len(whole)), len(whole) - 4096)
        path.write_bytes(whole[:at] + bytes(4096) + whole[at + 4096 :])
        assert self.run(done) == ["KEPT", "COMPLETE", "KEPT"]
        now = hashes(done / "out")[path.name]
        assert now[5760:] == whole[5760:]

    @given(data=st.data())
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_every_lost_block_is_noticed(self, done, data):
        path = sorted((done / "out").iterdir())[1]
        whole = path.read_bytes()
        lost = 512 * data.draw(st.integers(2880 // 512 + 1, len(whole) // 512 - 1))
        try:
            with path.open("r+b") as file:
                file.seek(lost)
                file.write(bytes(512))
            assert made_of(path) is None or not any(whole[lost : lost + 512])
        finally:
            path.write_bytes(whole)
        assert made_of(path).status == "COMPLETE"

    def test_fractions_that_differ_in_the_last_digit_are_other_parameters(self, done):
        shutil.rmtree(done / "out")
        given = 0.00123456789012345
        assert self.run(done, flagfrac_lower=given) == ["COMPLETE"] * 3
        assert self.run(done, flagfrac_lower=given) == ["KEPT"] * 3
        following = math.nextafter(given, 1)
        with pytest.raises(FileExistsError, match=rf"={given} \(now {following}\)"):
            self.run(done, flagfrac_lower=following)

    def test_of_a_copy_on_a_server_only_headers_are_read(self, done):
        name = "sci0_nrs1_badpix_selfcal.fits"
        with servers.http(done / "out") as web:
            assert made_of(RemoteFile(f"{web.url}/{name}")).status == "COMPLETE"
            assert 0 < web.sent[name] < (done / "out" / name).stat().st_size / 4

    def test_a_new_exposure_changes_the_mask_of_all(self, done):
        take(done / "sci9_nrs1_rate.fits", 9, detector="NRS1")
        assert self.run(done) == ["COMPLETE"] * 4

    def test_a_changed_exposure_changes_the_mask_of_all(self, done):
        path = done / "sci1_nrs1_rate.fits"
        path.unlink()
        take(path, 77, detector="NRS1")
        assert self.run(done) == ["COMPLETE"] * 3

    def test_with_an_exposure_whose_version_is_not_known_all_are_written_again(
        self, tmp_path, monkeypatch
    ):
        pool(tmp_path, detectors=("NRS1",))
        identity = member._identity

        def unknown(listed):
            return "" if listed.path.name == "sci1_nrs1_rate.fits" else identity(listed)

        monkeypatch.setattr(member, "_identity", unknown)
        assert self.run(tmp_path, save_mask=True) == ["COMPLETE"] * 3
        times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
        for path in times:
            assert "members=" not in " ".join(header(path)["HISTORY"])
        assert self.run(tmp_path, save_mask=True) == ["COMPLETE"] * 3
        assert len(times) == 4
        assert all(path.stat().st_mtime_ns > before for path, before in times.items())

    def test_backgrounds_asked_for_later_are_added(self, done):
        assert sorted(self.run(done, save_flagged_bkg=True)) == ["COMPLETE"] * 2 + ["KEPT"] * 3

    def test_skipped_outputs_are_written_again(self, tmp_path):
        take(tmp_path / "1_rate.fits", 1)
        for _ in range(2):
            with pytest.warns(SelfcalWarning, match="step skipped"):
                assert self.run(tmp_path, copy_skipped=True) == ["SKIPPED"]
        take(tmp_path / "2_rate.fits", 2)
        assert self.run(tmp_path, kernel_size=5) == ["COMPLETE"] * 2  # replaces the unflagged copy


def test_only_entries_of_this_package_are_compared():
    parameters = Parameters(kernel_size=5)
    entry, now = (history(each, "COMPLETE", 1) for each in (parameters, Parameters()))
    assert differences(f"made by hand, kernel_size=7 {entry}", now) == "kernel_size=5 (now 15)"
    assert differences(f"{now} {entry}", now) == "kernel_size=5 (now 15)"
    assert differences(f"{entry} {now}", now) == ""
    assert differences("made by hand, kernel_size=7", now) == ""
    assert differences("", now) == ""


class TestUnread:
    """Outputs made without an exposure that cannot be read are kept as long as it cannot be."""

    @pytest.fixture
    def done(self, tmp_path, monkeypatch):
        pool(tmp_path, detectors=("NRS1",))
        self.lost = {"sci2_nrs1_rate.fits", "bkg0_nrs1_rate.fits"}
        images = Reader.images

        def failing(reader, path):
            if path.name in self.lost:
                raise bps.ExposureError(f"{path}: cannot be read: Input/output error")
            return images(reader, path)

        monkeypatch.setattr(Reader, "images", failing)
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
