"""What a batch does when exposures fail, requests are wrong, or outputs exist already."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import ExposureError, SelfcalWarning

from . import servers
from .exposures import assert_equal_planes, enlarge, largest_file, sky, write
from .pools import pool, take


class TestOneFails:
    """An exposure that cannot be read, flagged or written is reported; the others continue."""

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

    @pytest.mark.parametrize("background", [None, True])
    def test_its_shape_is_not_that_of_its_group(self, tmp_path, background):
        (tmp_path / "in").mkdir()
        pool(tmp_path / "in")
        same = bps.batch(tmp_path / "in", output_dir=tmp_path / "same")
        odd = tmp_path / "in" / "aodd_rate.fits"  # the first one of its group
        take(odd, 30, shape=(96, 641), background=background)
        result = bps.batch(tmp_path / "in", output_dir=tmp_path / "out")
        (failed,) = result.failed
        assert failed.exposure == odd
        assert failed.error == (
            f"{odd}: SCI has shape (96, 641), 5 others of the same group (MIRIFULONG 34) have "
            "(96, 640); process it separately"
        )
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == sorted(each.output.name for each in same.exposures)
        for name in names:
            assert_equal_planes(tmp_path / "out" / name, tmp_path / "same" / name)

    def test_no_shape_has_the_majority_and_all_of_the_group_fails(self, tmp_path):
        made = pool(tmp_path, science=2, background=0)["MIRIFULONG"]
        odd = [take(tmp_path / f"z{n}_rate.fits", 30, shape=(96, 641)) for n in (1, 2)]
        result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        assert sorted(each.exposure for each in result.failed) == sorted([*made, *odd])
        (error,) = {each.error for each in result.failed}
        assert f"{odd[0]}: SCI has shape (96, 641), that of {made[0]} of the same" in error
        assert len(list((tmp_path / "out").iterdir())) == 2  # of the other detector

    def test_it_is_cut_short_behind_its_headers(self, tmp_path):
        pytest.importorskip("fsspec", reason="needs the extra cloud")
        (tmp_path / "in").mkdir()
        made = pool(tmp_path / "in", detectors=("NRS1",), background=0)["NRS1"]
        whole = made[1].read_bytes()
        made[1].write_bytes(whole[:100_000])
        with servers.http(tmp_path / "in") as web:
            urls = [f"{web.url}/{path.name}" for path in made]
            result = bps.batch(urls, output_dir=tmp_path / "out")
            assert [str(each.exposure) for each in result.failed] == [urls[1]]
            assert "is cut short" in result.failed[0].error
            expected = bps.find_bad_pixels(bps.minimum_image([sky(1), sky(3)]), dispaxis=1)
            np.testing.assert_array_equal(result.groups[0].bad_pixels.mask, expected.mask)
            made[1].write_bytes(whole)
            again = bps.batch(urls, output_dir=tmp_path / "out", resume=True)
            assert [each.status for each in again.exposures] == ["COMPLETE"] * 3

    def test_the_only_other_one_is_cut_short_and_the_step_is_skipped(self, tmp_path):
        pytest.importorskip("fsspec", reason="needs the extra cloud")
        (tmp_path / "in").mkdir()
        made = pool(tmp_path / "in", science=2, background=0, detectors=("NRS1",))["NRS1"]
        made[1].write_bytes(made[1].read_bytes()[:100_000])
        with servers.http(tmp_path / "in") as web:
            urls = [f"{web.url}/{path.name}" for path in made]
            with pytest.warns(SelfcalWarning, match="NRS1.* step skipped"):
                result = bps.batch(urls, output_dir=tmp_path / "out")
            forced = bps.batch(urls, output_dir=tmp_path / "forced", force_single=True)
        assert [each.status for each in result.exposures] == ["SKIPPED", "FAILED"]
        assert [each.status for each in forced.exposures] == ["COMPLETE", "FAILED"]

    @pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
    def test_writing_it_fails(self, tmp_path):
        made = pool(tmp_path, detectors=("NRS1",))["NRS1"]
        with largest_file(enlarge(made[0])):
            result = bps.batch(tmp_path, output_dir=tmp_path / "out")
        (failed,) = result.failed
        assert (failed.exposure, failed.output) == (made[0], None)
        assert "too large" in failed.error
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == [f"sci{n}_nrs1_badpix_selfcal.fits" for n in (1, 2)]


class TestNothingIsWrittenWhen:
    """Wrong requests are refused before any work."""

    @pytest.fixture(autouse=True)
    def _nothing_written(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()

    def test_two_exposures_have_the_same_output(self, tmp_path):
        pool(tmp_path)
        (tmp_path / "b").mkdir()
        take(tmp_path / "b" / "SCI0_mirifulong_rate.fits", 9)
        with pytest.raises(ExposureError, match="would both be copied to"):
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
        [
            {"kernel_size": 14},
            {"group_by": "channel"},
            {"workers": 0},
            {"workers": 65},
            {"edge": "wrap"},
        ],
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
    with pytest.raises(FileExistsError, match="exists already; set `overwrite` to"):
        bps.batch(tmp_path, output_dir=tmp_path / "out", kernel_size=5)
    assert hashes(tmp_path / "out") == before
    bps.batch(tmp_path, output_dir=tmp_path / "out", kernel_size=5, overwrite=True)
    assert hashes(tmp_path / "out") != before
    assert set(hashes(tmp_path / "out")) == set(before)


def test_a_folder_is_never_replaced(tmp_path):
    pool(tmp_path, detectors=("NRS1",))
    folder = tmp_path / "out" / "sci1_nrs1_badpix_selfcal.fits"
    folder.mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=f"{folder}: is a folder"):
        bps.batch(tmp_path, output_dir=tmp_path / "out", overwrite=True)
    assert [*(tmp_path / "out").iterdir()] == [folder]


def test_a_file_that_appears_while_the_batch_runs_is_not_replaced(tmp_path):
    made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
    theirs = tmp_path / "out" / "sci1_nrs1_badpix_selfcal.fits"

    def appear(done, _):
        if done == 0:
            theirs.parent.mkdir()
            theirs.write_text("theirs")

    (failed,) = bps.batch(tmp_path, output_dir=tmp_path / "out", progress=appear).failed
    assert (failed.exposure, theirs.read_text()) == (made[1], "theirs")
    assert f"{theirs} exists already" in failed.error
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.parametrize("how", [{"overwrite": True}, {"resume": True}])
@pytest.mark.parametrize("usable", [True, False])
def test_an_input_is_never_replaced(tmp_path, hashes, how, usable):
    pool(tmp_path, detectors=("NRS1",), background=0)
    given = tmp_path / "sci0_nrs1_badpix_selfcal.fits"
    if usable:
        take(given, 9, detector="NRS1")
    else:
        given.write_text("junk")
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match="would replace the input"):
        bps.batch([*tmp_path.iterdir()], output_dir=tmp_path, **how)
    assert hashes(tmp_path) == before
