"""The README's examples of the drop-ins run as they are written."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps

pytest.importorskip("jwst", reason="jwst is not installed")

from jwst.associations import asn_from_list
from jwst.pipeline import Spec2Pipeline
from jwst.stpipe import Step
from stpipe import crds_client

from .models import KnowsItsAxis, observe

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
MEDIAN, PIPELINE = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
SPEC2, SPEC3, STRUN = re.findall(r"^strun (.*)$", README, re.MULTILINE)
(LIST,) = re.findall(r"^asn_from_list (.*)$", README, re.MULTILINE)


class Passes(Step):
    """Replaces a step that needs reference files."""

    spec = "skip = boolean(default=True)"

    def process(self, model, *_):
        return model


@pytest.fixture
def folder(here, monkeypatch):
    """A folder with exposures, and a pipeline without reference files whose step is skipped."""
    observe(here)
    (here / "set_asn.json").rename(here / "jw01234_spec2_asn.json")
    monkeypatch.setattr(crds_client, "get_context_used", lambda *_: "none")
    for name in Spec2Pipeline.step_defs:
        if name != "badpix_selfcal":
            step = KnowsItsAxis if name == "assign_wcs" else Passes
            monkeypatch.setitem(Spec2Pipeline.step_defs, name, step)
    return here


@pytest.mark.usefixtures("folder")
def test_the_pipeline(monkeypatch):
    results = []
    process = Spec2Pipeline.process
    monkeypatch.setattr(
        Spec2Pipeline, "process", lambda *given: results.extend(process(*given)) or results
    )
    exec(compile(PIPELINE, "README.md", "exec"), {})
    (result,) = results
    assert result.meta.cal_step.badpix_selfcal == "COMPLETE"
    assert (result.dq & 2**30).any()


def expanded(word):
    """Expand a word as a shell does."""
    return sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word]


def test_the_next_pipelines_take_the_flagged_file(folder, monkeypatch):
    bps.selfcal("jw01234_spec2_asn.json", output_dir="flagged")
    (made,) = (folder / "flagged").iterdir()
    flagged = made.rename(made.with_name("jw01234_badpix_selfcal.fits"))
    before = fits.getdata(flagged, "DQ")
    Step.from_cmdline([*shlex.split(SPEC2), "--steps.pixel_replace.skip=false"])
    (result,) = (folder / "cal").iterdir()
    assert result.name == "jw01234_badpix_selfcal_cal.fits"
    header = fits.getheader(result)
    assert header["S_BPXSLF"] == "SKIPPED"
    assert f"badpix_selfcal {bps.__version__} COMPLETE:" in " ".join(header["HISTORY"])
    np.testing.assert_array_equal(fits.getdata(result, "DQ"), before)
    monkeypatch.chdir(folder / "cal")
    words = [part for word in shlex.split(LIST) for part in expanded(word)]
    asn_from_list.Main.cli(words)
    (product,) = json.loads((folder / "cal" / "spec3_asn.json").read_text())["products"]
    assert product["name"] == "target"
    assert [member["expname"] for member in product["members"]] == [result.name]
    assert SPEC3.split()[:2] == ["calwebb_spec3", "spec3_asn.json"]


def test_the_running_median(capsys):
    exec(compile(MEDIAN, "README.md", "exec"), {})
    assert capsys.readouterr().out == "[1. 5. 6. 3.]\n"


def test_the_command(folder):
    Step.from_cmdline(shlex.split(STRUN))
    assert len([*folder.glob("*badpix*")]) == 3
