"""The modes of the spectrographs: which exposures of a folder are taken, and which share a mask."""

from __future__ import annotations

import tempfile
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import SelfcalWarning
from badpix_selfcal.instrument import DETECTORS, DISPAXIS_OF_EXP_TYPE

from .exposures import found_in, sky
from .pools import take
from .profiles import share
from .test_batch import assert_equal_to_the_step

SHAPE = (40, 60)
SLITS = ("NRS_MSASPEC", "NRS_FIXEDSLIT")
OTHERS = ("MIR_IMAGE", "MIR_LRS-FIXEDSLIT", "NRS_MSATA", "NRS_IMAGE", "NRS_BRIGHTOBJ", "NRC_WFSS")


def slit(path, seed, exp_type="NRS_MSASPEC", **how):
    """Write an exposure as the first stage leaves it: without DISPAXIS."""
    take(path, seed, **{"detector": "NRS1", "shape": SHAPE, "EXP_TYPE": exp_type, **how})
    with fits.open(path, mode="update") as hdus:
        del hdus["SCI"].header["DISPAXIS"]
    return path


def test_the_axes_are_those_of_the_pipeline():
    dispaxis = pytest.importorskip("jwst.lib.dispaxis")
    for exp_type, axis in DISPAXIS_OF_EXP_TYPE.items():
        assert dispaxis.get_dispersion_direction(exp_type) == axis
    assert {each.exp_type for each in DETECTORS.values()} <= DISPAXIS_OF_EXP_TYPE.keys()


@pytest.mark.parametrize("exp_type", SLITS)
def test_a_folder_of_exposures_through_slits(tmp_path, exp_type):
    made = [slit(tmp_path / f"{n}_rate.fits", n, exp_type) for n in (1, 2, 3)]
    result = bps.batch(tmp_path, output_dir=tmp_path / "out")
    (group,) = result.groups
    assert group.name == f"NRS1 {exp_type}"
    assert result.ignored == ()
    assert [each.exposure for each in result.exposures] == made
    expected = found_in((sky(seed, SHAPE) for seed in (1, 2, 3)), dispaxis=1, gap=None)
    np.testing.assert_array_equal(group.bad_pixels.mask, expected.mask)
    assert assert_equal_to_the_step(tmp_path, result) == 3


@share(0.2)
@given(
    exp_types=st.lists(st.sampled_from([*DISPAXIS_OF_EXP_TYPE, *OTHERS]), min_size=1, max_size=5)
)
def test_a_folder_stands_for_the_modes_whose_axis_is_known(exp_types):
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", SelfcalWarning)
        paths = [Path(name) / f"{n}_rate.fits" for n in range(len(exp_types))]
        for path, exp_type in zip(paths, exp_types, strict=True):
            slit(path, 1, exp_type)
        known = [
            path
            for path, each in zip(paths, exp_types, strict=True)
            if each in DISPAXIS_OF_EXP_TYPE
        ]
        if not known:
            with pytest.raises(bps.ExposureError, match="EXP_TYPE is none of MIR_MRS, "):
                bps.associate(name)
            return
        result = bps.batch(name, output_dir=f"{name}/out", force_single=True)
        assert sorted(each.exposure for each in result.exposures) == known
        assert {*result.ignored} == {*paths} - {*known}
        assert sorted(each.science for each in bps.associate(name, dry_run=True)) == known


modes = st.fixed_dictionaries(
    {
        "detector": st.sampled_from(["NRS1", "NRS2"]),
        "EXP_TYPE": st.sampled_from(["NRS_IFU", *SLITS]),
        "SUBARRAY": st.sampled_from(["FULL", "SUBS200A1", "SUBS200A2"]),
        "SUBSTRT2": st.sampled_from([1, 897]),
    }
)


@share(0.3)
@given(
    settings=st.lists(modes, min_size=2, max_size=7), group_by=st.sampled_from(["detector", "band"])
)
def test_exposures_share_a_mask_only_with_those_of_their_mode_and_subarray(settings, group_by):
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", SelfcalWarning)
        paths = [Path(name) / f"{n}_rate.fits" for n in range(len(settings))]
        for path, how in zip(paths, settings, strict=True):
            slit(path, 1, **how)
        sharing = defaultdict(set)
        for path, how in zip(paths, settings, strict=True):
            sharing[frozenset(how.items())].add(path)
        expected = [*sharing.values()]
        made = bps.associate(name, dry_run=True, group_by=group_by)
        for each in made:
            (together,) = (paths for paths in expected if each.science in paths)
            assert {*each.selfcal} == (together if len(together) > 1 else set())
        result = bps.batch(name, output_dir=f"{name}/out", group_by=group_by)
        found = [set(group.members) for group in result.groups]
        assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
        assert len({group.name for group in result.groups}) == len(result.groups)


def test_the_full_frame_is_one_group_with_and_without_its_cards(tmp_path):
    take(tmp_path / "1_rate.fits", 1)
    take(tmp_path / "2_rate.fits", 2, SUBARRAY="FULL", SUBSTRT1=1, SUBSTRT2=1)
    (group,) = bps.batch(tmp_path, output_dir=tmp_path / "out").groups
    assert group.name == "MIRIFULONG 34"


def test_groups_have_names_of_their_own(tmp_path):
    for number in range(2):
        slit(tmp_path / f"a{number}_rate.fits", number, "NRS_IFU")
        slit(tmp_path / f"b{number}_rate.fits", number, "NRS_FIXEDSLIT", SUBARRAY="SUBS200A1")
        begins = {"SUBARRAY": "SUBS", "SUBSTRT2": 897}
        slit(tmp_path / f"c{number}_rate.fits", number, "NRS_FIXEDSLIT", **begins)
    names = {each.group for each in bps.associate(tmp_path, dry_run=True)}
    assert names == {"NRS1", "NRS1 NRS_FIXEDSLIT SUBS200A1", "NRS1 NRS_FIXEDSLIT SUBS(1,897)"}
    result = bps.batch(tmp_path, output_dir=tmp_path / "out", group_by="band")
    assert "NRS1 NRS_FIXEDSLIT SUBS200A1 F170LP/G235H" in [each.name for each in result.groups]
