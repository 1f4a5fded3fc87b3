"""``badpix-selfcal verify``, its guide, and the strategies for files."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import _kernels
from badpix_selfcal.cli import main
from badpix_selfcal.testing import (
    CheckFailed,
    assert_same,
    images,
    laid_out,
    median_filter_checks,
    run,
    verification,
    verify,
)
from badpix_selfcal.testing.strategies import LAYOUTS

from .mutants import MUTANTS

pytestmark = pytest.mark.filterwarnings("ignore")
GUIDE = (Path(__file__).parents[1] / "docs" / "how-to" / "testing.md").read_text(encoding="utf-8")


def test_this_installation_is_verified_with_each_instruction_set(capsys):
    before = _kernels.instructions()
    assert main(["verify", "--examples", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["holds"] is True
    assert facts["kernels"].keys() == set(_kernels.available_instructions())
    assert {each["instructions"] for each in facts["checks"]} == facts["kernels"].keys()
    assert facts["versions"]["badpix-selfcal"] == bps.__version__
    assert len(facts["checks"]) > 25 * len(facts["kernels"])
    assert all(each["failure"] == "" for each in facts["checks"])
    names = {each["check"] for each in facts["checks"]}
    for label in ("all edges", "heap, all edges", "network, all edges"):
        assert f"median_filter: equals the oracle ({label})" in names
    assert _kernels.instructions() == before


def test_this_installation_is_verified_against_jwst(capsys, monkeypatch, tmp_path):
    pytest.importorskip("jwst")
    monkeypatch.delenv("STPIPE_DISABLE_CRDS_STEPPARS")  # no server is asked, all the same
    monkeypatch.setenv("CRDS_PATH", str(tmp_path))
    monkeypatch.setenv("CRDS_SERVER_URL", "http://127.0.0.1:9")
    assert main(["verify", "--against", "jwst", "--examples", "10", "--seed", "3"]) == 0
    text = capsys.readouterr().out
    assert re.match(r"verified against jwst: all of \d+ checks hold\n", text)
    assert "jwst 3.0.0" in text
    assert "seed 3" in text


def test_a_fault_ends_with_status_1(capsys, monkeypatch):
    monkeypatch.setattr(verification, "percentiles", lambda image, q: bps.percentiles(image, q) + 1)
    assert main(["verify", "--examples", "2"]) == 1
    out, err = capsys.readouterr()
    assert "FAILED" in out.splitlines()[0]
    assert "percentiles: equals the oracle, with " in out
    assert "smallest example" in err


def test_without_jwst_the_command_names_the_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jwst.badpix_selfcal.badpix_selfcal", None)
    assert main(["verify", "--against", "jwst", "--examples", "1"]) == 1
    assert re.search(r"error: .*\[jwst\]", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"against": "scipy"}, "against must be 'reference' or 'jwst', got 'scipy'"),
        ({"examples": 0}, "examples must be at least 1, got 0"),
        ({"examples": 1.5}, "examples must be a whole number, got 1.5"),
    ],
)
def test_wrong_arguments_are_refused(how, said):
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(said)}$"):
        verify(**how)


def test_the_guide_counts_the_mutants():
    assert f"has {len(MUTANTS)} implementations" in GUIDE


def test_the_failure_in_the_guide_is_real():
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")

    def of_scipy(image, window, edge):  # noqa: ARG001
        return ndimage.median_filter(image, window, mode="constant")

    with pytest.raises(CheckFailed) as caught:
        run(median_filter_checks(of_scipy, edges=["zero"], infinities=False))
    (shown,) = re.findall(r"```text\n(.*?Arrays are not equal\n)", GUIDE, re.DOTALL)
    assert str(caught.value).startswith(shown)


@given(images(), st.sampled_from(LAYOUTS))
def test_every_layout_holds_the_same_samples(image, layout):
    other = laid_out(image, layout)
    assert_same(other.astype(image.dtype), image)
    if min(image.shape) > 1:
        assert other.flags.c_contiguous == (layout in ("C", "swapped", "misaligned", "read-only"))
    assert other.flags.aligned == (layout != "misaligned")
    assert other.flags.writeable == (layout != "read-only")
    assert other.dtype.isnative == (layout != "swapped")
