"""The package as a whole: imports, public names, facts about the instruments."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec

import pytest

import badpix_selfcal as bps
from badpix_selfcal import instrument


def _python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_array_work_needs_numpy_alone():
    code = """
import sys
for absent in ("astropy", "yaml", "jwst", "stcal", "scipy", "hypothesis"):
    sys.modules[absent] = None
import numpy as np, badpix_selfcal as bps
image = np.arange(200.0).reshape(10, 20)
image[3, 4] = 1e6
print(bps.find_bad_pixels(bps.minimum_image([image]), dispaxis=1).mask[3, 4])
"""
    assert _python(code).strip() == "True"


def test_modules_are_imported_when_they_are_used():
    code = """
import sys, badpix_selfcal as bps
for use in ("num_threads", "__version__", "find_bad_pixels", "selfcal"):
    getattr(bps, use)
    names = ("numpy", "badpix_selfcal.arrays", "astropy", "badpix_selfcal.step.selfcal")
    print([name in sys.modules for name in names])
"""
    nothing, _, arrays, step = _python(code).splitlines()
    assert nothing == "[False, False, False, False]"
    assert arrays == "[True, True, False, False]"
    assert step.endswith("True]")


PUBLIC = {
    *("selfcal", "batch", "apply", "associate", "GeneratedAssociation", "Mask", "Result"),
    "Results",
    *("find_bad_pixels", "median_filter", "minimum_image", "pedestal", "percentiles", "BadPixels"),
    *("AssociationError", "ExposureError", "MaskError", "SelfcalWarning"),
    *("compare", "Comparison", "history", "MaskHistory", "mad_filter", "export", "report"),
    *("ReportResult", "num_threads", "set_num_threads", "share_threads", "__version__"),
}

MODULES = {
    *("arrays", "bottleneck", "instrument", "jwst", "look", "ndimage", "signal", "simulate"),
    *("stcal", "testing"),
}


def test_public_names():
    namespace = {}
    exec("from badpix_selfcal import *", namespace)
    assert {*namespace} - {"__builtins__"} == PUBLIC
    assert {*dir(bps)} == PUBLIC | MODULES
    absent = set() if find_spec("jwst") else {"jwst"}
    assert {name for name in dir(bps) if not hasattr(bps, name)} == absent
    with pytest.raises(AttributeError, match="'badpix_selfcal' has no attribute 'absent'"):
        _ = bps.absent


@pytest.mark.parametrize(("name", "needs"), [("jwst", "jwst"), ("testing", "hypothesis")])
def test_a_module_without_its_extra_says_what_to_install(name, needs):
    code = f"""
import sys
sys.modules[{needs!r}] = None
import badpix_selfcal as bps
print(hasattr(bps, {name!r}))
import badpix_selfcal.{name}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "False\n"
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: badpix_selfcal.{name} needs {needs} (")
    assert f'pip install "badpix-selfcal[{name}]"' in last


def test_the_version_is_that_of_the_distribution():
    assert bps.__version__ == metadata.version("badpix-selfcal")


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_public_names_are_documented_with_all_their_parameters(name):
    value = getattr(bps, name)
    document = inspect.getdoc(value)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    elif inspect.isclass(value) or inspect.isbuiltin(value):
        names = []
    else:
        names = [*inspect.signature(value).parameters]
    assert not document.startswith(f"{name}(")  # the docstring that a dataclass makes itself
    for each in names:
        described = re.search(rf"^(\w+, )*{each}(, \w+)* *(:|$)", document, re.MULTILINE)
        assert described or f"`{each}`" in document, each


def test_flag_bits_are_those_of_jwst():
    flags = pytest.importorskip("stdatamodels.jwst.datamodels.dqflags").pixel
    assert instrument.BAD == flags["DO_NOT_USE"] | flags["OTHER_BAD_PIXEL"] == 1073741825
    assert flags["REFERENCE_PIXEL"] == instrument.REFERENCE_PIXEL
    assert flags["NON_SCIENCE"] == instrument.NON_SCIENCE


@pytest.mark.parametrize("name", ["MIRIFULONG", "MIRIFUSHORT"])
def test_gaps_are_those_of_jwst(name):
    step = pytest.importorskip("jwst.badpix_selfcal.badpix_selfcal_step")
    assert instrument.gap_of(name.lower()) == getattr(step, f"PEDESTAL_INDX_{name}")


def test_the_detectors():
    assert {name: each.shape for name, each in instrument.DETECTORS.items()} == {
        **dict.fromkeys(("MIRIFULONG", "MIRIFUSHORT"), (1024, 1032)),
        **dict.fromkeys(("NRS1", "NRS2"), (2048, 2048)),
    }
    assert instrument.gap_of("NRS1") is instrument.gap_of("NRCA1") is None
    assert instrument.DETECTORS["NRS2"].dispaxis == 1
    assert instrument.DETECTORS["MIRIFULONG"].dispaxis == 2
    assert instrument.blur_of("nrs1 ") == instrument.NIRSPEC_BLUR
    assert instrument.blur_of(None) == instrument.blur_of("other") == instrument.MIRI_BLUR
