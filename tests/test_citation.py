"""The methods text and the BibTeX entries of a mask."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

import badpix_selfcal as bps
from badpix_selfcal.look.citation import bibtex_of, methods_of
from badpix_selfcal.masks.mask import Member
from badpix_selfcal.parameters import Parameters

from .masks import ABOUT, group_mask, masks

NIRSPEC = {"DETECTOR": "NRS1", "EXP_TYPE": "NRS_IFU", "FILTER": "F170LP", "GRATING": "G235H"}

EXPECTED = {
    "4, MIRI, sigma": """\
Bad pixels were identified by self-calibration of 4 JWST MIRI MRS exposures (detector MIRIFULONG,
channel 34, band LONG). badpix-selfcal VERSION was used, which follows the badpix_selfcal step of
the JWST Calibration Pipeline, but with a cut in units of the noise. The median of the unlit gap was
subtracted from each exposure, and the exposures were combined into their pixelwise minimum. A
running median over 15 pixels along the dispersion (image axis y) was subtracted from the image,
with pixels beyond the border ignored. Pixels were flagged that lie more than 12 times the noise of
one exposure below or 4.5 times above their surroundings, along the dispersion and across it, and
groups of pixels more than 3.75 times the noise above theirs with edges sharper than light can have.
COUNTS All parameters but cut = sigma had their default values.""",
    "1, NIRSpec, fraction": """\
Bad pixels were identified by self-calibration of 1 JWST NIRSpec IFU exposure (detector NRS1, filter
F170LP, grating G235H). badpix-selfcal VERSION was used, which follows the badpix_selfcal step of
the JWST Calibration Pipeline. A running median over 15 pixels along the dispersion (image axis x)
was subtracted from the image, with pixels beyond the border counting as 0. The lowest 0.1 % and the
highest 1 % of the residuals were flagged. COUNTS All parameters but cut = fraction, flagfrac_upper
= 0.01, force_single = True had their default values.""",
}


def members(count, pedestal):
    return tuple(Member(Path(f"{each}_rate.fits"), "science", pedestal) for each in range(count))


def miri(**how):
    how = {"parameters": Parameters(cut="sigma").for_exposures(4), **how}
    return group_mask(**{"members": members(4, 1.0), **how})


def nirspec(**how):
    parameters = Parameters(flagfrac_upper=0.01, force_single=True)
    how = {"parameters": parameters, "dispaxis": 1, "about": NIRSPEC, **how}
    return group_mask(**{"members": members(1, None), **how})


@pytest.mark.parametrize(("mask", "name"), [*zip((miri, nirspec), EXPECTED, strict=True)])
def test_the_whole_text(mask, name):
    mask = mask()
    found = mask.bad_pixels
    counts = (
        f"{mask.flags.sum()} pixels ({found.share:g} % of those with a value) were flagged: "
        f"{found.n_low} at the low end and {found.n_high} at the high end."
    )
    expected = " ".join(EXPECTED[name].split())
    expected = expected.replace("VERSION", bps.__version__).replace("COUNTS", counts)
    assert methods_of(mask) == expected


def test_words_that_depend_on_the_run():
    first, *others = members(4, 1.0)
    one = miri(members=(first,), parameters=Parameters(cut="sigma", grow=True).for_exposures(1))
    text = methods_of(one)
    assert "1 JWST MIRI MRS exposure (" in text
    assert "The median of the unlit gap was subtracted from the exposure. A running" in text
    assert "below or 4.5 times above" in text
    assert "groups of pixels more than 4.5 times" in text
    assert "The four neighbours of a bright flagged pixel were flagged as well" in text
    assert "exposures" not in text
    noisy = replace(others[0], problem="its noise ...", noise=1.5)
    absent = replace(others[1], problem="no pedestal")
    copy = replace(others[2], same_as=first.exposure)
    for more, said in {
        (
            noisy,
        ): "1 JWST MIRI MRS exposure (detector MIRIFULONG, channel 34, band LONG); 1 further "
        "exposure was not used because of more noise.",
        (noisy, absent): "; 2 further exposures were not used.",
        (copy,): "1 JWST MIRI MRS exposure (detector MIRIFULONG, channel 34, band LONG).",
    }.items():
        assert said in methods_of(miri(members=(first, *more)))
    square = methods_of(miri(dispaxis=None))
    assert "running median over a square of 15 × 15 pixels" in square
    assert "above their surroundings, in both directions, and groups" in square
    spared = miri(crowded=(3,), parameters=Parameters(cut="sigma", spare_crowded=True))
    assert "Pixels of columns crowded with flags were not flagged (1 column)." in methods_of(spared)
    assert "self-calibration of 4 JWST exposures." in methods_of(miri(about={}))
    assert methods_of(replace(miri(), parameters=None)) == ""


@given(masks())
def test_every_parameter_that_is_not_the_default_stands_in_the_text(mask):
    how, text = mask.parameters, methods_of(mask)
    number = sum(each.same_as is None for each in mask.used)
    usual = Parameters(cut=how.cut).for_exposures(max(1, number))
    end = text[text.index("All parameters but") :]
    for name, value in how.of_copies().items():
        is_usual = value == getattr(usual, name) and name != "cut"
        assert (f" {name} = {value}" in end) != is_usual
    found = mask.bad_pixels
    assert f"{found.n_low} at the low end and {found.n_high} at the high end" in text
    assert f"badpix-selfcal {mask.version} was used" in text
    assert not re.search(r"  |\(\)| [.,;]|None(?! had|,)|False(?! had|,)", text)


def test_the_entries_name_the_version_that_found_the_mask():
    text = bibtex_of(miri())
    assert text.startswith("@software{badpix_selfcal,\n")
    assert text.count(f"version = {{{bps.__version__}}}") == 1
    assert "version = {7.1}" in bibtex_of(miri(version="7.1"))
    assert text.count("{") == text.count("}")
    assert ABOUT["DETECTOR"] not in text
