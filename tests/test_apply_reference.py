"""Exposures flagged with a MASK reference file of the pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import instrument
from badpix_selfcal.cli import main
from badpix_selfcal.step.given_mask import bits_of

from .exposures import planes
from .pools import take


class TestReferenceFiles:
    """Any JWST MASK reference file is a mask."""

    @pytest.fixture
    def folder(self, tmp_path):
        take(tmp_path / "e_rate.fits", 1, detector="NRS1", shape=(20, 30))
        return tmp_path

    def reference(self, folder, image, defined=((0, 1, "DO_NOT_USE"),), **cards):
        primary = fits.PrimaryHDU()
        primary.header.update(
            {"REFTYPE": "MASK", "DETECTOR": "NRS1", "SUBARRAY": "GENERIC"} | cards
        )
        hdus = [primary, fits.ImageHDU(image, name="DQ")]
        if defined is not None:
            bits, values, words = zip(*defined, strict=True)
            columns = [
                fits.Column("BIT", "J", array=np.array(bits)),
                fits.Column("VALUE", "J", bzero=2**31, array=np.array(values, np.uint32)),
                fits.Column("NAME", "40A", array=np.array(words)),
            ]
            hdus.append(fits.BinTableHDU.from_columns(columns, name="DQ_DEF"))
        fits.HDUList(hdus).writeto(folder / "ref.fits", overwrite=True)
        return folder / "ref.fits"

    @pytest.mark.parametrize(
        ("defined", "bit"),
        [
            (((0, 1, "DO_NOT_USE"), (1, 2, "DEAD")), 1),
            (((0, 1, "DEAD"), (5, 32, "DO_NOT_USE")), 32),
            (((31, 1 << 31, "DO_NOT_USE"),), 1 << 31),
            (None, 1),
        ],
    )
    @pytest.mark.parametrize("kind", [np.uint32, np.uint8, np.int32])
    def test_do_not_use_is_what_dq_def_says(self, folder, defined, bit, kind):
        image = np.random.default_rng(1).integers(0, 64, (20, 30)).astype(kind)
        if bit <= np.iinfo(kind).max:
            image[3, 4] = bit
        path = self.reference(folder, image, defined)
        result = bps.apply(path, folder / "e_rate.fits", output_dir=folder / "out")
        (output,) = result.written
        flags = (image.astype(np.int64) & bit) != 0
        before = planes(folder / "e_rate.fits")["DQ"]
        np.testing.assert_array_equal(
            planes(output)["DQ"], before | np.where(flags, instrument.BAD, 0)
        )
        (group,) = result.groups
        assert group.masks == {}
        assert group.flagged == {None: int(flags.sum())}

    @pytest.mark.parametrize("value", ["ANY", "N/A", "GENERIC", "any "])
    def test_values_that_fit_every_exposure(self, folder, value):
        given = take(folder / "s_rate.fits", 1, detector="NRS1", shape=(20, 30), SUBARRAY="SUB1")
        image = np.zeros((20, 30), np.uint32)
        cards = dict.fromkeys(("DETECTOR", "EXP_TYPE", "SUBARRAY"), value)
        path = self.reference(folder, image, **cards)
        assert bps.apply(path, given, output_dir=folder / "out").written
        path = self.reference(folder, image, **{**cards, "SUBARRAY": ""})
        (failed,) = bps.apply(path, given, output_dir=folder / "out").failed
        assert "has the subarray SUB1, the mask" in failed.error

    def test_the_command_counts_its_pixels(self, folder, monkeypatch, capsys):
        image = np.zeros((20, 30), np.uint32)
        image[3, 4:9] = 1
        self.reference(folder, image)
        monkeypatch.chdir(folder)
        assert main(["apply", "ref.fits", "e_rate.fits", "--output-dir", "out"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split()[-2:] == ["flagged", "pixels"]
        assert lines[1].split()[0] == "ref.fits"
        assert lines[1].split()[-1] == "5"

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"REFTYPE": "DARK"}, "is no mask (REFTYPE is DARK); give a file that"),
            ({"defined": ((1, 2, "DEAD"),)}, "DQ_DEF does not say which pixels DO_NOT_USE"),
            ({"image": np.zeros((2, 20, 30), np.uint32)}, "no DQ extension with a 2-D image"),
            ({"image": np.zeros((20, 30), np.float32)}, "no DQ extension with a 2-D image"),
        ],
    )
    def test_what_is_no_mask_is_refused(self, folder, change, problem):
        change = {"image": np.zeros((20, 30), np.uint32), **change}
        path = self.reference(folder, **change)
        with pytest.raises(bps.MaskError) as caught:
            bps.apply(path, folder / "e_rate.fits", output_dir=folder / "out")
        assert str(caught.value).startswith(f"{path}: ")
        assert problem in str(caught.value)
        assert not (folder / "out").exists()

    @pytest.mark.parametrize(
        ("names", "values"),
        [
            (["DEAD"], [1]),
            (["DO_NOT_USE"], [1.0]),
            (["DO_NOT_USE"], [[1, 2]]),
            ([["DO_NOT_USE", "DEAD"]], [1]),
        ],
    )
    def test_a_table_of_bits_that_does_not_say_it(self, names, values):
        table = {"NAME": np.array(names), "VALUE": np.array(values)}
        with pytest.raises(bps.MaskError, match="DQ_DEF does not say which pixels DO_NOT_USE"):
            bits_of(table, Path("ref.fits"))

    def test_the_bits_of_all_lines_of_a_table_count(self):
        names, values = [" do_not_use", "DEAD", "DO_NOT_USE "], [1, 2, 1 << 31]
        table = {"NAME": np.array(names), "VALUE": np.array(values, np.uint32)}
        assert bits_of(table, Path("ref.fits")) == 1 | 1 << 31
        assert bits_of({"NAME": table["NAME"]}, Path("ref.fits")) == 1

    def test_an_exposure_is_no_mask(self, folder):
        with pytest.raises(bps.MaskError, match=r"is no mask \(it has no REFTYPE\)"):
            bps.apply(folder / "e_rate.fits", folder / "e_rate.fits", output_dir=folder / "out")
