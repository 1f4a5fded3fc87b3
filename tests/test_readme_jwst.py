"""The README's examples of the drop-ins run as they are written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("jwst", reason="jwst is not installed")

from jwst.pipeline import Spec2Pipeline
from jwst.stpipe import Step
from stdatamodels.jwst import datamodels as dm
from stpipe import crds_client

from .models import KnowsItsAxis, observe

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
MEDIAN, PIPELINE = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
(STRUN,) = re.findall(r"^strun (.*)$", README, re.MULTILINE)


class Passes(Step):
    """Replaces a step that needs reference files."""

    spec = "skip = boolean(default=True)"


@pytest.fixture
def _folder(tmp_path, monkeypatch):
    observe(tmp_path)
    (tmp_path / "set_asn.json").rename(tmp_path / "jw01234_spec2_asn.json")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_folder")
def test_the_pipeline(monkeypatch):
    monkeypatch.setattr(crds_client, "get_context_used", lambda *_: "none")
    for name in Spec2Pipeline.step_defs:
        if name != "badpix_selfcal":
            step = KnowsItsAxis if name == "assign_wcs" else Passes
            monkeypatch.setitem(Spec2Pipeline.step_defs, name, step)
    results = []
    process = Spec2Pipeline.process
    monkeypatch.setattr(
        Spec2Pipeline, "process", lambda *given: results.extend(process(*given)) or results
    )
    exec(compile(PIPELINE, "README.md", "exec"), {})
    (result,) = results
    assert result.meta.cal_step.badpix_selfcal == "COMPLETE"
    assert (result.dq & 2**30).any()


@pytest.mark.usefixtures("_folder")
def test_the_command(tmp_path):
    Step.from_cmdline(shlex.split(STRUN))
    written = sorted(path.name for path in tmp_path.glob("*badpix*"))
    assert len(written) == 3
    for name in written:
        with dm.open(name) as model:
            assert (model.dq & 2**30).any()


def test_the_running_median(capsys):
    exec(compile(MEDIAN, "README.md", "exec"), {})
    assert capsys.readouterr().out == "[1.  5.  6.  1.5]\n"
