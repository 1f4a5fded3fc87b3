"""Runs of the step that fail or are refused, and files that must not be replaced."""

from __future__ import annotations

import json
import sys
import threading

import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import AssociationError, ExposureError
from badpix_selfcal.files.exposure import Exposure

from .exposures import enlarge, header, largest_file, observation, sky, write


class TestNothingIsWrittenWhen:
    """A run that fails leaves nothing behind, not even its output folder."""

    @pytest.fixture(autouse=True)
    def _nothing_written(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob("**/*.part"))

    def run(self, tmp_path, **how):
        return bps.selfcal(tmp_path / "x_asn.json", output_dir=tmp_path / "out", **how)

    def test_shapes_differ(self, tmp_path):
        observation(tmp_path)
        (tmp_path / "self1_rate.fits").unlink()
        write(tmp_path / "self1_rate.fits", sky(1, (96, 641)))
        with pytest.raises(ExposureError, match=r"self1_rate\.fits: SCI has shape \(96, 641\)"):
            self.run(tmp_path)

    def test_the_last_background_cannot_be_flagged(self, tmp_path):
        observation(tmp_path)
        with fits.open(tmp_path / "bkg1_rate.fits", mode="update") as hdus:
            del hdus["DQ"]
        with pytest.raises(ExposureError, match=r"bkg1_rate\.fits: has no DQ extension"):
            self.run(tmp_path, save_flagged_bkg=True)

    def test_one_copy_fails_while_others_are_written(self, tmp_path, monkeypatch):
        """Nothing is written after the files of the run have been removed."""
        observation(tmp_path)
        usual, held = Exposure.write_copy, threading.Event()

        def late(exposure, *how):
            if "sci" in exposure.path.name:
                raise OSError(28, "No space left on device")
            held.wait(0.3)
            usual(exposure, *how)

        monkeypatch.setattr(Exposure, "write_copy", late)
        (tmp_path / "given").mkdir()
        with pytest.raises(OSError, match="No space left"):
            bps.selfcal(
                tmp_path / "x_asn.json", output_dir=tmp_path / "given", save_flagged_bkg=True
            )
        assert not [*(tmp_path / "given").iterdir()]

    def test_the_detector_is_not_known(self, tmp_path):
        observation(tmp_path, detector=None)
        with pytest.raises(ExposureError, match=r"sci0_rate\.fits: has no DETECTOR"):
            self.run(tmp_path)

    def test_the_dispersion_axis_is_none_of_the_detectors(self, tmp_path):
        observation(tmp_path, dispaxis=3)
        with pytest.raises(ExposureError, match=r"sci0_rate\.fits: DISPAXIS: .* got 3"):
            self.run(tmp_path)

    def test_a_member_is_missing(self, tmp_path):
        observation(tmp_path)
        (tmp_path / "bkg0_rate.fits").unlink()
        with pytest.raises(AssociationError, match=r"x_asn\.json.*bkg0_rate\.fits"):
            self.run(tmp_path)

    def test_the_association_is_missing(self, tmp_path):
        with pytest.raises(AssociationError, match=r"x_asn\.json: no such"):
            self.run(tmp_path)

    def test_the_exposure_is_missing(self, tmp_path):
        with pytest.raises(ExposureError, match=r"a\.fits: no such file"):
            bps.selfcal(tmp_path / "a.fits", output_dir=tmp_path / "out")

    @pytest.mark.parametrize(
        "how",
        [
            {"kernel_size": 14},
            {"flagfrac_lower": 0.7},
            {"flagfrac_upper": -0.1},
            {"edge": "wrap"},
            {"dispaxis": 0},
        ],
    )
    def test_a_parameter_is_wrong(self, tmp_path, how):
        observation(tmp_path)
        with pytest.raises(ValueError, match=next(iter(how))):
            self.run(tmp_path, **how)

    @pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
    @pytest.mark.parametrize("role", ["sci0", "bkg1"])
    def test_one_output_cannot_be_written(self, tmp_path, role):
        observation(tmp_path)
        with (
            largest_file(enlarge(tmp_path / f"{role}_rate.fits")),
            pytest.raises(OSError, match="too large"),
        ):
            self.run(tmp_path, save_flagged_bkg=True)


def test_existing_outputs_are_replaced_on_demand_only(tmp_path):
    association = observation(tmp_path)
    out = tmp_path / "out"
    first = bps.selfcal(association, output_dir=out)
    kept = first.science.read_bytes()
    with pytest.raises(FileExistsError, match=r"product_badpix_selfcal\.fits exists already"):
        bps.selfcal(association, output_dir=out, kernel_size=5)
    assert first.science.read_bytes() == kept
    bps.selfcal(association, output_dir=out, kernel_size=5, overwrite=True)
    assert " kernel_size=5 " in " ".join(header(first.science)["HISTORY"])
    assert [*out.iterdir()] == [first.science]


def test_a_folder_is_never_replaced(tmp_path):
    folder = tmp_path / "out" / "product_badpix_selfcal.fits"
    folder.mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"product_badpix_selfcal\.fits: is a folder"):
        bps.selfcal(observation(tmp_path), output_dir=tmp_path / "out", overwrite=True)
    assert [*(tmp_path / "out").iterdir()] == [folder]


def test_an_input_is_never_replaced(tmp_path, hashes):
    observation(tmp_path)
    science = tmp_path / "product_badpix_selfcal.fits"
    (tmp_path / "sci0_rate.fits").rename(science)
    association = tmp_path / "x_asn.json"
    table = json.loads(association.read_text())
    table["products"][0]["members"][0]["expname"] = science.name
    association.write_text(json.dumps(table))
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match="would replace the input"):
        bps.selfcal(association, output_dir=tmp_path, overwrite=True)
    assert hashes(tmp_path) == before


def test_an_association_is_never_replaced(tmp_path, hashes):
    association = observation(tmp_path)
    (tmp_path / "product_badpix_selfcal.fits").hardlink_to(association)
    before = hashes(tmp_path)
    with pytest.raises(FileExistsError, match=r"would replace the input .*x_asn\.json"):
        bps.selfcal(association, output_dir=tmp_path, overwrite=True)
    assert hashes(tmp_path) == before
