"""``badpix-selfcal verify``, its guide, and the strategies for files."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal import _kernels
from badpix_selfcal.cli import main
from badpix_selfcal.parameters import Parameters
from badpix_selfcal.testing import (
    CheckFailed,
    Observation,
    assert_same,
    broken_associations,
    broken_exposures,
    check_median_filter,
    laid_out,
    layouts,
    observations,
    parameters,
    texture,
    verification,
    verify,
)

from .profiles import share

pytestmark = pytest.mark.filterwarnings("ignore")
GUIDE = (Path(__file__).parents[1] / "docs" / "testing.md").read_text(encoding="utf-8")


def test_this_installation_is_verified_with_each_instruction_set(capsys):
    before = _kernels.instructions()
    assert main(["verify", "--examples", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["holds"] is True
    assert facts["kernels"].keys() == set(_kernels.available_instructions())
    assert {each["instructions"] for each in facts["checks"]} == facts["kernels"].keys()
    assert facts["versions"]["badpix-selfcal"] == bps.__version__
    assert len(facts["checks"]) > 40 * len(facts["kernels"])
    assert all(each["failure"] == "" for each in facts["checks"])
    names = {each["check"] for each in facts["checks"]}
    for label in ("all edges", "heap, all edges", "network, all edges"):
        assert f"median_filter: equals the oracle ({label})" in names
    assert _kernels.instructions() == before


def test_this_installation_is_verified_against_jwst(capsys):
    assert main(["verify", "--against", "jwst", "--examples", "10", "--seed", "3"]) == 0
    text = capsys.readouterr().out
    assert re.match(r"verified against jwst: all of \d+ checks hold\n", text)
    assert "  version   jwst 3.0.0\n" in text
    assert "seed 3" in text


def test_a_fault_ends_with_status_1(capsys, monkeypatch):
    monkeypatch.setattr(verification, "percentiles", lambda image, q: bps.percentiles(image, q) + 1)
    assert main(["verify", "--examples", "2"]) == 1
    out, err = capsys.readouterr()
    assert "FAILED" in out.splitlines()[0]
    assert "  FAILED    percentiles: equals the oracle, with " in out
    assert "smallest example" in err


@pytest.mark.parametrize(
    "fault",
    [
        lambda _, edge: {"edge": {"mirror": "nearest"}.get(edge, edge)},
        lambda window, _: {"origin": tuple(side % 2 - 1 for side in window)},
        lambda *_: {"min_count": 1},
    ],
    ids=["edge", "even window", "min_count"],
)
def test_faults_of_all_edges_even_windows_and_counts_are_found(monkeypatch, fault):
    def faulty(image, window, **how):
        return bps.median_filter(image, window, **{**how, **fault(window, how["edge"])})

    monkeypatch.setattr(verification, "median_filter", faulty)
    checks = [check for part in verification._against_reference() for check in part]
    usual, *_ = checks
    usual()
    (found,) = (each for each in checks if str(each).endswith("the oracle (all edges)"))
    with pytest.raises(CheckFailed, match="the medians are others"):
        found(examples=500, shrink=False)


def test_without_jwst_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jwst.badpix_selfcal.badpix_selfcal", None)
    with pytest.raises(ImportError, match=r"\[jwst\]"):
        verify("jwst", examples=1)


def test_without_hypothesis_the_command_names_the_extra(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("badpix_selfcal.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    assert main(["verify"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("badpix-selfcal: error: badpix_selfcal.testing needs hypothesis")
    assert 'pip install ".[testing]"' in said


def test_without_jwst_the_command_names_the_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jwst.badpix_selfcal.badpix_selfcal", None)
    assert main(["verify", "--against", "jwst", "--examples", "1"]) == 1
    assert re.match(r"badpix-selfcal: error: .*\[jwst\]", capsys.readouterr().err)


def test_progress_counts_all_checks():
    seen = []
    found = verify(examples=1, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, len(found.tried))
    assert seen[-1] == (len(found.tried), len(found.tried))


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


@pytest.mark.parametrize("words", [["--examples", "0"], ["--against", "scipy"]])
def test_wrong_options_are_wrong_usage(capsys, words):
    assert main(["verify", *words]) == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize("name", ["sse9", "", "AVX2"])
def test_an_unknown_instruction_set_is_refused(name):
    with pytest.raises(ValueError, match="must be one of scalar"):
        _kernels.set_instructions(name)


def test_the_code_of_the_guide_works(monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(block, names)
    assert callable(names["test_the_median"])


def test_the_failure_in_the_guide_is_real():
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")

    def of_scipy(image, window, edge):  # noqa: ARG001
        return ndimage.median_filter(image, window, mode="constant")

    with pytest.raises(CheckFailed) as caught:
        check_median_filter(of_scipy, edges=["zero"], finite=True, empty=False)
    (shown,) = re.findall(r"```text\n(.*?) \.\.\.\n```", GUIDE, re.DOTALL)
    assert str(caught.value).startswith(shown)


def test_the_guide_counts_the_mutants():
    from . import mutants_of_edges, mutants_of_runs  # noqa: F401
    from .mutants import MUTANTS

    assert f"have {len(MUTANTS)} implementations" in GUIDE


@given(layouts(), st.sampled_from(["float32", "float64"]))
def test_every_layout_holds_the_same_samples(layout, dtype):
    image = texture((5, 7), "outliers", missing=0.3, dtype=dtype)
    other = laid_out(image, layout)
    assert_same(other.astype(dtype), image)
    assert other.flags.c_contiguous == (layout in ("C", "swapped", "misaligned", "read-only"))
    assert other.flags.aligned == (layout != "misaligned")
    assert other.flags.writeable == (layout != "read-only")
    assert other.dtype.isnative == (layout != "swapped")


@given(parameters())
def test_parameters_are_valid(drawn):
    assert isinstance(drawn, Parameters)


@share(0.1)
@given(observations(unusual=True))
def test_observations_are_valid(tmp_path_factory, observation):
    folder = tmp_path_factory.mktemp("observed")
    association = observation.write(folder)
    result = bps.selfcal(association, output_dir=folder / "out")
    assert result.status == "COMPLETE"
    assert len(result.members) == 1 + observation.n_background + observation.n_selfcal


@share(0.3)
@given(broken_exposures())
def test_broken_exposures_are_refused_by_name_or_processed(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("broken")
    association = Observation("NRS1").write(folder)
    (folder / "science0_rate.fits").write_bytes(content)
    refused = ""
    try:
        bps.selfcal(association, output_dir=folder / "out")
    except (bps.ExposureError, bps.AssociationError) as error:
        refused = str(error)
    assert not refused or "science0_rate.fits" in refused
    assert (folder / "science0_rate.fits").read_bytes() == content


@given(broken_associations())
def test_broken_associations_are_refused_by_name(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("broken") / "a_asn.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((bps.ExposureError, bps.AssociationError), match=r"a_asn\.json|fits"):
        bps.selfcal(path, output_dir=path.parent / "out")
    assert not (path.parent / "out").exists() or not any((path.parent / "out").iterdir())


def test_an_observation_is_the_same_each_time():
    one, other = Observation("MIRIFULONG", seed=5), Observation("MIRIFULONG", seed=5)
    for name, image in one.exposures().items():
        np.testing.assert_array_equal(image, other.exposures()[name])
    assert repr(one) == repr(eval(repr(one)))
