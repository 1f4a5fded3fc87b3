"""The parameters of the step: one definition, from which everything else takes them."""

from __future__ import annotations

import inspect
import re
from fractions import Fraction

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.cli import main
from badpix_selfcal.parameters import Parameters

from .exposures import header, sky, write

SWITCHES = ("grow", "force_single", "spare_crowded", "save_flagged_bkg", "save_mask", "report")
SWITCHES += ("copy_skipped", "force")
DEFAULTS = {"cut": "fraction", "kernel_size": 15, "flagfrac_lower": 0.001, "flagfrac_upper": 0.001}
DEFAULTS |= {"sigma_lower": 12.0, "sigma_upper": None, "dispaxis": "auto", "edge": "auto"}
DEFAULTS |= dict.fromkeys(SWITCHES, False)


def test_names_and_defaults():
    assert vars(Parameters()) == {**DEFAULTS, "edge": "zero"}
    assert vars(Parameters(cut="sigma")) == {**DEFAULTS, "cut": "sigma", "edge": "shrink"}


def _defaults(function):
    """Return the defaults of the keyword arguments of a function."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


@pytest.mark.parametrize("function", [bps.selfcal, bps.batch])
def test_functions_on_files_take_every_parameter(function):
    assert DEFAULTS.items() <= _defaults(function).items()


@pytest.mark.parametrize("module", [bps, reference])
def test_functions_on_arrays_have_the_same_defaults(module):
    expected = DEFAULTS | {"dispaxis": inspect.Parameter.empty, "error": None, "n_exposures": 1}
    expected["detector"] = None
    for name in {*SWITCHES} - {"grow"}:
        del expected[name]
    assert _defaults(module.find_bad_pixels) == expected
    assert _defaults(module.median_filter)["edge"] == "zero"


def test_every_parameter_has_a_keyword_and_a_sentence():
    about = Parameters.by_name()
    assert {*about} == {*DEFAULTS}
    assert len({each.keyword for each in about.values()}) == len(DEFAULTS)
    assert all(each.help and each.keyword.startswith("BPX") for each in about.values())


OF_CUT = {
    "fraction": {"flagfrac_lower": 0.01, "flagfrac_upper": 0.25},
    "sigma": {"sigma_lower": 10.0, "sigma_upper": 5.5, "grow": True},
}


@pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
@pytest.mark.parametrize("cut", OF_CUT)
def test_equal_values_of_other_types_leave_equal_histories(tmp_path, cut):
    write(tmp_path / "sci_rate.fits", sky(1))
    plain = {"kernel_size": 7, "dispaxis": 1, "cut": cut, "edge": "shrink"}
    plain |= {name: name not in ("grow", "save_flagged_bkg", "force") for name in SWITCHES}
    plain |= OF_CUT[cut]
    as_other = {int: np.int64, str: np.str_, bool: np.bool_, float: Fraction}
    other = {name: as_other[type(value)](value) for name, value in plain.items()}
    first, second = (
        bps.selfcal(tmp_path / "sci_rate.fits", output_dir=tmp_path / to, **how)
        for to, how in (("plain", plain), ("other", other))
    )
    assert list(header(first.science)["HISTORY"]) == list(header(second.science)["HISTORY"])
    kept = vars(Parameters(**other))
    assert kept == DEFAULTS | plain
    assert all(type(kept[name]) is type(value) for name, value in plain.items())


OTHERS = [
    *((name, value, "sigma") for name, value in OF_CUT["fraction"].items()),
    *((name, value, "fraction") for name, value in OF_CUT["sigma"].items()),
]


@pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
@pytest.mark.parametrize(("name", "value", "cut"), OTHERS)
def test_a_parameter_of_the_other_cut_is_refused_unless_it_has_its_default(
    tmp_path, capsys, name, value, cut
):
    exposure = write(tmp_path / "sci_rate.fits", sky(1))
    other = "fraction" if cut == "sigma" else "sigma"
    said = f"`{name}` serves the {other} cut only; set `cut` to {other}, or leave `{name}` out"
    image, default = np.ones((9, 9)), {name: DEFAULTS[name]}
    for call in (
        lambda **how: bps.selfcal(exposure, output_dir=tmp_path / "out", **how),
        lambda **how: bps.batch(exposure, output_dir=tmp_path / "out", **how),
        lambda **how: bps.find_bad_pixels(image, dispaxis=1, **how),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
            call(cut=cut, **{name: value})
        call(cut=cut, **default)
        call(cut=other, **{name: value})
    option = f"--{name.replace('_', '-')}"
    words = [option] if name == "grow" else [option, str(value)]
    assert main(["run", str(exposure), "--cut", cut, *words]) == 2
    said = said.replace(f"`{name}`", option).replace("`cut`", "--cut")
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("force_single", "no", TypeError, "force_single must be True or False, got 'no'"),
        ("force_single", None, TypeError, "force_single must be True or False, got None"),
        ("save_flagged_bkg", 1, TypeError, "save_flagged_bkg must be True or False, got 1"),
        ("dispaxis", "x", ValueError, "dispaxis must be 'auto', 1 (along x), 2 (along y) or None"),
        ("dispaxis", True, ValueError, "dispaxis must be 'auto', 1"),
        ("dispaxis", np.array([1, 2]), ValueError, "dispaxis must be 'auto', 1"),
        ("kernel_size", 14, ValueError, "kernel_size must be odd, got 14"),
        ("flagfrac_lower", "a", TypeError, "flagfrac_lower must be a number from 0 to 0.5"),
        ("flagfrac_upper", 0.6, ValueError, "flagfrac_upper must be from 0 to 0.5, got 0.6"),
        ("edge", "wrap", ValueError, "edge must be 'auto', 'zero' or 'shrink', got 'wrap'"),
        ("edge", np.array(["zero", "wrap"]), ValueError, "edge must be 'auto', 'zero' or 'shrink'"),
        ("cut", "median", ValueError, "cut must be 'fraction' or 'sigma', got 'median'"),
        ("sigma_lower", 0, ValueError, "sigma_lower must be above 0, got 0.0"),
        ("sigma_upper", "5", TypeError, "sigma_upper must be a number above 0, got '5'"),
    ],
)
@pytest.mark.parametrize("function", [bps.selfcal, bps.batch])
def test_wrong_values_are_refused_before_anything_is_written(
    tmp_path, function, name, value, error, words
):
    exposure = write(tmp_path / "sci_rate.fits", sky(1))
    with pytest.raises(error, match=re.escape(words)):
        function(exposure, output_dir=tmp_path / "out", **{name: value})
    assert not (tmp_path / "out").exists()
