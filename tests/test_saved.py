"""The mask file that belongs to a result."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.errors import MaskError
from badpix_selfcal.files.location import RemoteFile
from badpix_selfcal.messages import on_command_line
from badpix_selfcal.step.group_mask import MaskMember
from badpix_selfcal.step.saved import mask_of_result

from .masks import group_mask


def write_mask(path: Path, *outputs: str) -> Path:
    """Write a mask file of which only the table of members is real."""
    column = fits.Column("OUTPUT", "200A", array=np.array(outputs, "U200"))
    table = fits.BinTableHDU.from_columns([column], name="MEMBERS")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


@pytest.fixture
def copy(tmp_path):
    path = tmp_path / "sci_badpix_selfcal.fits"
    path.touch()
    return path


def refused(path) -> str:
    with pytest.raises(MaskError) as error:
        mask_of_result(path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


def test_a_mask_is_its_own(tmp_path):
    mask = write_mask(tmp_path / "a_mask.fits")
    assert mask_of_result(mask) == mask
    assert mask_of_result(str(mask)) == mask


def test_a_mask_of_another_name(tmp_path):
    mask = write_mask(tmp_path / "hot.fits", "a.fits")
    assert mask_of_result(mask) == mask


def test_a_copy_has_the_mask_that_lists_it(tmp_path, copy):
    write_mask(tmp_path / "a_mask.fits", "other_badpix_selfcal.fits")
    mask = write_mask(tmp_path / "b_mask.fits", "", f"/elsewhere/{copy.name}")
    assert mask_of_result(copy) == mask


def test_a_copy_with_an_unusual_name(tmp_path):
    copy = tmp_path / "Größe & Maß_badpix_selfcal.fits"
    copy.touch()
    members = (MaskMember(Path("x_rate.fits"), "science", None, "", copy),)
    mask = bps.write_mask(group_mask(members=members), tmp_path / "x_mask.fits")
    assert mask_of_result(copy) == mask


def test_a_copy_in_the_current_folder(tmp_path, copy, monkeypatch):
    write_mask(tmp_path / "b_mask.fits", copy.name)
    monkeypatch.chdir(tmp_path)
    assert mask_of_result(copy.name) == Path("b_mask.fits")


def test_other_files_of_such_a_name_are_passed_over(tmp_path, copy):
    (tmp_path / "a_mask.fits").write_text("junk")
    fits.PrimaryHDU().writeto(tmp_path / "b_mask.fits")
    table = fits.BinTableHDU.from_columns([fits.Column("X", "J", array=[1])], name="MEMBERS")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "c_mask.fits")
    assert "--save-mask" not in refused(copy)
    with on_command_line():
        said = refused(copy)
    assert re.search(r"no mask beside it .*; name its mask, or make it again with --save-", said)
    assert "--save-mask (keeps the mask) or --report (writes the page)" in said
    mask = write_mask(tmp_path / "d_mask.fits", copy.name)
    assert mask_of_result(copy) == mask


def test_several_masks_of_a_copy(tmp_path, copy):
    for name in "ab":
        write_mask(tmp_path / f"{name}_mask.fits", copy.name)
    said = "several masks list it: a_mask.fits, b_mask.fits; name one of them instead"
    assert refused(copy) == said


def test_what_is_no_result(tmp_path):
    assert refused(tmp_path) == "is a folder; name its masks (*_mask.fits)"
    assert refused(tmp_path / "x_mask.fits") == "no such file or folder"
    assert refused(tmp_path / "x_badpix_selfcal.fits") == "no such file or folder"


def test_urls():
    for name in ("a_mask.fits", "a_mask.fits.gz"):
        mask = RemoteFile(f"s3://bucket/{name}")
        assert mask_of_result(mask.url) == mask
    assert refused("s3://bucket/a.fits") == "is not a mask (*_mask.fits); give the URL of its mask"
