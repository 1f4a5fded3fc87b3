"""What runs make of the cuts: crowded rows, the upper cut of a number of exposures, growth."""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning
from badpix_selfcal.arrays.bad_pixels import upper_cut
from badpix_selfcal.cli import main
from badpix_selfcal.masks.mask import Mask

from .exposures import (
    MRS,
    change,
    entry_of,
    flags_in,
    found_in,
    header,
    hot_exposures,
    planes,
    set_error,
    statuses,
    write,
)
from .pools import take

SHAPE = (64, 600)
TRACE = (20, 21, 40)
HOW = {"flagfrac_upper": 0.006}


@pytest.fixture
def exposures(tmp_path):
    """A function that writes exposures with hot pixels and a narrow, rippled, fixed trace."""

    def make(axis=1, trace=TRACE):
        rng = np.random.default_rng(8)
        fixed = 50.0 * (rng.random(SHAPE) < 0.001)
        fixed[list(trace)] += 60 * (np.arange(SHAPE[1]) % 10 == 0)
        (tmp_path / "in").mkdir()
        for number in range(3):
            image = (rng.normal(0, 1, SHAPE) + fixed).astype(np.float32)
            how = {"detector": "NRS1", "exp_type": "NRS_MSASPEC", "dispaxis": axis}
            write(tmp_path / "in" / f"{number}_rate.fits", image if axis == 1 else image.T, **how)
        return sorted((tmp_path / "in").iterdir())

    return make


@pytest.mark.parametrize("spare", [False, True])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_run_reports_crowded_rows_and_spares_them_on_demand(tmp_path, exposures, axis, spare):
    paths = exposures(axis)
    images = (planes(path)["SCI"] for path in paths)
    expected = found_in(images, dispaxis=axis, gap=None, **HOW).mask.copy()
    ending = "they are left unflagged" if spare else "spare_crowded"
    name = ("rows", "columns")[axis - 1]
    words = rf"^0: 3 {name} along the dispersion are crowded with flags \(20-21, 40, .*{ending}"
    how = {"output_dir": tmp_path / "out", "spare_crowded": spare, "save_mask": True, **HOW}
    with pytest.warns(SelfcalWarning, match=words) as warned:
        result = bps.selfcal(paths[0], selfcal=paths[1:], **how)
    assert len(warned) == 1
    if spare:
        (expected if axis == 1 else expected.T)[list(TRACE)] = False
    found, saved = result.bad_pixels, Mask.read(result.mask_file)
    for mask in (found.mask, flags_in(result.science), saved.flags):
        np.testing.assert_array_equal(mask, expected)
    assert saved.crowded == result.crowded_rows == TRACE
    assert found.n_low + found.n_high == expected.sum() > 20
    assert f"spare_crowded={spare}" in entry_of(result.science)


@pytest.mark.parametrize("trace", [TRACE, ()])
def test_crowded_rows_with_the_sigma_cut(tmp_path, exposures, trace):
    paths = exposures(trace=trace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if trace else "error", SelfcalWarning)
        how = {"cut": "sigma", "spare_crowded": True, "output_dir": tmp_path / "out"}
        result = bps.selfcal(paths[0], selfcal=paths[1:], **how)
    assert result.crowded_rows == trace
    assert not result.bad_pixels.mask[list(trace)].any()
    assert result.bad_pixels.mask.sum() > 20


@pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
def test_batch_spares_crowded_rows_and_resumes(tmp_path, exposures):
    exposures()
    how = {"output_dir": tmp_path / "out", "resume": True, "overwrite": True, **HOW}
    for spare, status in ((False, "COMPLETE"), (False, "KEPT"), (True, "COMPLETE"), (True, "KEPT")):
        result = bps.batch(tmp_path / "in", spare_crowded=spare, **how)
        assert {*statuses(result)} == {status}
        assert result.groups[0].crowded_rows == (TRACE if status == "COMPLETE" else ())
        for each in result.exposures:
            assert flags_in(each.output)[list(TRACE)].any() != spare


def test_the_command_names_crowded_rows(tmp_path, exposures, capsys):
    paths = [str(path) for path in exposures()]
    run = ["run", paths[0], "--selfcal", paths[1], "--flagfrac-upper", "0.006", "--output-dir"]
    assert main([*run, str(tmp_path / "1")]) == 0
    printed = capsys.readouterr()
    assert re.search(r"crowded +3 rows\n", printed.out)
    assert "3 rows along the dispersion are crowded" in printed.err
    assert main([*run, str(tmp_path / "2"), "--spare-crowded", "--quiet", "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["products"]
    assert facts["crowded_rows"] == [*TRACE]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_record_names_the_upper_cut_that_was_used(tmp_path, capsys, count):
    paths, *_ = hot_exposures(tmp_path, count)
    cut = upper_cut(count)
    selfcal = [word for path in paths[1:] for word in ("--selfcal", str(path))]
    arguments = ["run", str(paths[0]), *selfcal, "--cut", "sigma", "--force-single", "--save-mask"]
    arguments += ["--output-dir", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert f"significance below -12 or above {cut:g}" in capsys.readouterr().out
    assert main([*arguments, "--json", "--overwrite"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["products"]
    assert facts["cut_high"] == header(facts["mask"])["BPXSHIGH"] == cut
    for file in (facts["science"], facts["mask"]):
        assert f" sigma_upper={cut} " in entry_of(file)
    mask = Mask.read(facts["mask"])
    assert mask.parameters.sigma_upper == mask.bad_pixels.cut_high == cut
    np.testing.assert_array_equal(mask.bad_pixels.high, mask.bad_pixels.significance > cut)


class TestResumedCut:
    """Outputs are kept if the cut that follows from their exposures would be the same now."""

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "in").mkdir()
        self.paths, *_ = hot_exposures(tmp_path / "in", 4)
        return tmp_path

    def run(self, folder, **how):
        how = {"cut": "sigma", "resume": True, "save_mask": True, **how}
        return statuses(bps.batch(folder / "in", output_dir=folder / "out", **how))

    def cuts(self, folder):
        """Return the cuts in the HISTORY of all outputs."""
        entries = [entry_of(path) for path in (folder / "out").iterdir()]
        return {float(re.search(r"sigma_upper=(\S+)", entry).group(1)) for entry in entries}

    def assert_kept(self, folder, number, **how):
        """Check that four outputs are written with the cut of a number of exposures, and kept."""
        assert self.run(folder, **how) == ["COMPLETE"] * 4
        assert self.cuts(folder) == {upper_cut(number)}
        times = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
        assert self.run(folder) == ["KEPT"] * 4
        assert {path: path.stat().st_mtime_ns for path in times} == times

    def test_of_the_same_exposures(self, folder):
        self.assert_kept(folder, 4)
        assert self.run(folder, sigma_upper=upper_cut(4)) == ["KEPT"] * 4

    def test_of_another_number_of_exposures(self, folder):
        self.paths[3].rename(folder / "3_rate.fits")
        assert self.run(folder) == ["COMPLETE"] * 3
        assert self.cuts(folder) == {upper_cut(3)}
        (folder / "3_rate.fits").rename(self.paths[3])
        self.assert_kept(folder, 4)

    def test_another_cut_is_named(self, folder):
        self.run(folder, sigma_upper=5)
        with pytest.raises(FileExistsError, match=rf"sigma_upper=5.0 \(now {upper_cut(4)}\)"):
            self.run(folder)
        self.paths[3].unlink()
        assert self.run(folder, overwrite=True) == ["COMPLETE"] * 3
        with pytest.raises(FileExistsError, match=rf"sigma_upper={upper_cut(3)} \(now 5.0\)"):
            self.run(folder, sigma_upper=5)

    @pytest.mark.filterwarnings("ignore:.*left out")
    def test_of_a_group_with_an_exposure_that_has_no_pedestal(self, folder):
        image = planes(self.paths[3])["SCI"]
        image[:, 470:520] = np.nan
        change(self.paths[3], science=image)
        self.assert_kept(folder, 3)

    @pytest.mark.filterwarnings("ignore:.*SCI is that of another exposure")
    def test_of_a_group_with_a_copy(self, folder):
        self.paths[3].write_bytes(self.paths[2].read_bytes())
        self.assert_kept(folder, 3)
        self.paths[3].unlink()
        assert self.run(folder) == ["COMPLETE"] * 3


@pytest.mark.parametrize(("detector", "is_lit"), [("MIRIFULONG", True), ("NRS1", False)])
def test_growth_by_the_coupling_of_the_detector(tmp_path, detector, is_lit):
    """Of a pixel at 250 times the noise, 3 % are above the cut, 1 % are not."""
    rng = np.random.default_rng(4)
    (tmp_path / "in").mkdir()
    for number in range(2):
        image = rng.normal(0, 1, MRS).astype(np.float32)
        image[79:82, 200] = image[80, 199:202] = 1  # above 0, but far below the cut
        image[80, 200] = 250
        path = take(tmp_path / "in" / f"{number}_rate.fits", number, detector=detector)
        set_error(change(path, science=image), np.ones(MRS))
    how = {"output_dir": tmp_path / "out", "cut": "sigma", "save_mask": True, "resume": True}
    bps.batch(tmp_path / "in", grow=True, **how)
    (file,) = (tmp_path / "out").glob("*_mask.fits")
    mask = Mask.read(file)
    around = [mask.bad_pixels.high[at] for at in ((79, 200), (81, 200), (80, 199), (80, 201))]
    assert around == [is_lit] * 4
    assert mask.bad_pixels.mask[80, 200]
    assert header(file)["BPXGROW"] is mask.parameters.grow is True
    for path in (tmp_path / "out").iterdir():
        assert " grow=True " in entry_of(path)
    with pytest.raises(FileExistsError, match=r"grow=True \(now False\)"):
        bps.batch(tmp_path / "in", **how)
    bps.batch(tmp_path / "in", overwrite=True, **how)
    assert np.count_nonzero(Mask.read(file).bad_pixels.mask[78:83, 198:203]) == 1
