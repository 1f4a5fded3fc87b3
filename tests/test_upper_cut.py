"""The upper sigma cut: it falls with the number of exposures unless it is given."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.arrays.bad_pixels import blunt_factor
from badpix_selfcal.cli import main
from badpix_selfcal.parameters import UPPER_CUTS, upper_cut
from badpix_selfcal.step.reader import Reader

from .exposures import entry_of, header, hot_exposures

ROOT = Path(__file__).parents[1]


@given(st.integers(1, 10**9))
def test_the_upper_cut_falls_with_the_number_of_exposures(number):
    assert upper_cut(number) >= upper_cut(number + 1)
    assert upper_cut(number) in UPPER_CUTS.values()
    assert upper_cut(1) > upper_cut(2) == upper_cut(3) > upper_cut(4) == upper_cut(100)


@pytest.mark.parametrize("find", [bps.find_bad_pixels, reference.find_bad_pixels])
def test_the_number_of_exposures_decides_unless_the_upper_cut_is_given(find):
    image = np.random.default_rng(3).normal(size=(60, 70))
    how = {"dispaxis": 2, "cut": "sigma"}
    for number in (1, 2, 3, 4, 9):
        found = find(image, n_exposures=number, **how)
        assert found.cut_high == upper_cut(number)
        np.testing.assert_array_equal(found.high, found.significance > upper_cut(number))
        assert find(image, n_exposures=number, sigma_upper=7, **how).cut_high == 7


def test_the_documentation_names_the_upper_cuts():
    guide = (ROOT / "docs" / "sigma-cut.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| (\d+)(?: or (?:\d+|more))? \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
    rows = row.findall(guide)
    assert {int(least): float(cut) for least, cut, _ in rows} == UPPER_CUTS
    for least, cut, blunt in rows:
        assert float(blunt) == float(cut) * blunt_factor(int(least))
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    one, *_, many = UPPER_CUTS.values()
    assert f"falls from {one} for one exposure to {many} for four and more" in readme


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_record_names_the_cut_that_was_used(tmp_path, capsys, count):
    paths, *_ = hot_exposures(tmp_path, count)
    out, cut = tmp_path / "out", upper_cut(count)
    selfcal = [word for path in paths[1:] for word in ("--selfcal", str(path))]
    arguments = ["run", str(paths[0]), *selfcal, "--cut", "sigma", "--force-single", "--save-mask"]
    assert main([*arguments, "--output-dir", str(out)]) == 0
    assert f"significance below -12 or above {cut:g}" in capsys.readouterr().out
    assert main([*arguments, "--output-dir", str(out), "--json", "--overwrite"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["products"]
    assert facts["cut_high"] == cut
    assert f" sigma_upper={cut} " in entry_of(facts["science"])
    assert header(facts["mask"])["BPXSHIGH"] == cut
    assert f" sigma_upper={cut} " in entry_of(facts["mask"])
    mask = bps.read_mask(facts["mask"])
    assert mask.parameters.sigma_upper == mask.bad_pixels.cut_high == cut
    np.testing.assert_array_equal(mask.bad_pixels.high, mask.bad_pixels.significance > cut)


def test_the_page_names_the_cut_that_was_used(tmp_path):
    pytest.importorskip("bokeh", reason="needs the extra report")
    paths, *_ = hot_exposures(tmp_path, 2)
    how = {"cut": "sigma", "output_dir": tmp_path / "out", "report": True}
    result = bps.selfcal(paths[0], selfcal=paths[1], **how)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", result.page.read_text(encoding="utf-8"))
    after = dict(pairwise(cells))
    assert after["sigma_upper"] == after["upper cut"] == f"{upper_cut(2):.5g}"
    assert after["grow"] == "False"


class TestResumedCut:
    """Outputs are kept if the cut that follows from their exposures would be the same now."""

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "in").mkdir()
        self.paths, *_ = hot_exposures(tmp_path / "in", 4)
        return tmp_path

    def run(self, folder, **how):
        how = {"cut": "sigma", "resume": True, "save_mask": True, **how}
        return bps.batch(folder / "in", output_dir=folder / "out", **how)

    def statuses(self, folder, **how):
        return [each.status for each in self.run(folder, **how).exposures]

    def cuts(self, folder):
        """Return the cuts in the HISTORY of all outputs."""
        entries = [entry_of(path) for path in (folder / "out").iterdir()]
        return {float(re.search(r"sigma_upper=(\S+)", entry).group(1)) for entry in entries}

    def test_of_the_same_exposures(self, folder):
        assert self.statuses(folder) == ["COMPLETE"] * 4
        assert self.cuts(folder) == {upper_cut(4)}
        times = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
        assert self.statuses(folder) == ["KEPT"] * 4
        assert self.statuses(folder, sigma_upper=upper_cut(4)) == ["KEPT"] * 4
        assert {path: path.stat().st_mtime_ns for path in times} == times

    def test_of_another_number_of_exposures(self, folder):
        self.paths[3].rename(folder / "3_rate.fits")
        assert self.statuses(folder) == ["COMPLETE"] * 3
        assert self.cuts(folder) == {upper_cut(3)}
        (folder / "3_rate.fits").rename(self.paths[3])
        assert self.statuses(folder) == ["COMPLETE"] * 4
        assert self.cuts(folder) == {upper_cut(4)}

    def test_another_cut_is_named(self, folder):
        self.statuses(folder, sigma_upper=5)
        with pytest.raises(FileExistsError, match=rf"sigma_upper=5.0 \(now {upper_cut(4)}\)"):
            self.run(folder)
        self.paths[3].unlink()
        with pytest.raises(FileExistsError, match=rf"sigma_upper=5.0 \(now {upper_cut(3)}\)"):
            self.run(folder)
        assert self.statuses(folder, overwrite=True) == ["COMPLETE"] * 3
        with pytest.raises(FileExistsError, match=rf"sigma_upper={upper_cut(3)} \(now 5.0\)"):
            self.run(folder, sigma_upper=5)

    def test_of_a_group_that_has_lost_an_exposure(self, folder, monkeypatch):
        images, lost = Reader.images, {self.paths[3]}

        def failing(reader, path):
            if path in lost:
                raise bps.ExposureError(f"{path}: cannot be read: Input/output error")
            return images(reader, path)

        monkeypatch.setattr(Reader, "images", failing)
        assert self.statuses(folder) == ["COMPLETE"] * 3 + ["FAILED"]
        assert self.cuts(folder) == {upper_cut(3)}
        assert self.statuses(folder) == ["KEPT"] * 3 + ["FAILED"]
        lost.clear()
        assert self.statuses(folder) == ["COMPLETE"] * 4
        assert self.cuts(folder) == {upper_cut(4)}

    def test_of_a_group_with_an_exposure_that_has_no_pedestal(self, folder):
        with fits.open(self.paths[3], mode="update") as hdus:
            hdus["SCI"].data[:, 470:520] = np.nan
        with pytest.warns(bps.SelfcalWarning, match="left out"):
            assert self.statuses(folder) == ["COMPLETE"] * 4
        assert self.cuts(folder) == {upper_cut(3)}
        assert self.statuses(folder) == ["KEPT"] * 4

    @pytest.mark.filterwarnings("ignore:.*SCI is that of another exposure")
    def test_of_a_group_with_a_copy(self, folder):
        self.paths[3].write_bytes(self.paths[2].read_bytes())
        assert self.statuses(folder) == ["COMPLETE"] * 4
        assert self.cuts(folder) == {upper_cut(3)}
        (file,) = (folder / "out").glob("*_mask.fits")
        mask = bps.read_mask(file)
        assert mask.parameters.sigma_upper == mask.bad_pixels.cut_high == upper_cut(3)
        assert self.statuses(folder) == ["KEPT"] * 4
        self.paths[3].unlink()
        assert self.statuses(folder) == ["COMPLETE"] * 3
