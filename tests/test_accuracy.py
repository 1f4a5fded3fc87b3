"""The accuracy benchmark runs, its measures are right, and the sigma cut does what it is for."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import main, measure
from benchmarks.accuracy_goals import GOALS
from benchmarks.accuracy_tables import Results
from benchmarks.finders import OURS, PEERS, REFERENCE, SIGMA, Scores
from benchmarks.judging import GROUP_MEASURES, MEASURES, judge
from benchmarks.scenes import FULL, GROUPS, QUICK, REPORTING, TUNING
from benchmarks.truth import Observed, Scene, observe

NOWHERE = Path("no such folder")
NEEDED = ("astroscrappy", "ccdproc", "scipy")
needs_peers = pytest.mark.skipif(
    any(find_spec(name) is None for name in NEEDED), reason="needs pip install --group accuracy"
)


@pytest.fixture(scope="module")
def quick():
    return measure(QUICK, TUNING[:1], NOWHERE)


@pytest.fixture(scope="module")
def small():
    return observe(replace(Scene("12A"), shape=(96, 640)), TUNING[0], (1, 2), NOWHERE)


def test_the_sigma_cut_finds_what_the_fraction_cut_misses(quick):
    for count in (1, 4):
        sigma = quick.find("exposures", "", "12A", count, SIGMA).means
        fraction = quick.find("exposures", "", "12A", count, REFERENCE).means
        assert sigma["completeness"] > 0.95
        assert sigma["purity_rays"] > 0.98
        assert fraction["completeness"] < 0.5
        assert sigma["low"] <= 5 < fraction["low"]


def test_the_sigma_cut_leaves_clean_data_alone(quick):
    assert quick.find("clean", "", "12A", 4, SIGMA).means["flagged"] <= 0.005
    assert quick.find("clean", "", "12A", 4, REFERENCE).means["flagged"] > 0.15


def test_results_survive_being_stored(quick, tmp_path):
    quick.store(tmp_path)
    restored = Results.restore(tmp_path)
    assert restored == quick
    assert restored.document() == (tmp_path / "accuracy.md").read_text(encoding="utf-8")
    for group in ("exposures", "clean", "error"):
        assert f"## {GROUPS[group]}\n" in restored.document()


def test_a_missing_peer_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("benchmarks.accuracy.find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"astroscrappy.*--group accuracy"):
        main(["clean"])


def test_every_goal_has_its_case_and_seeds_are_apart():
    assert not set(TUNING) & set(REPORTING)
    assert len(REPORTING) >= 5
    cases = {
        (case.group, case.name, case.scene.band, count, method)
        for case in FULL
        for count in case.counts
        for method in case.methods
    }
    for goal in GOALS:
        assert (goal.group, goal.name, goal.band, goal.count, goal.method) in cases
        assert goal.measure in (*MEASURES, *GROUP_MEASURES)
    assert {case.group for case in FULL} == set(GROUPS)
    assert all(set(case.methods) <= set(OURS) for case in QUICK)


def test_hot_light_and_wrong_flags_are_counted_by_hand():
    zero, no = np.zeros((3, 6), np.float32), np.zeros((3, 6), np.bool_)
    defect, halo, flags = zero.copy(), zero.copy(), zero.copy()
    defect[1, :3] = (30, 30, 6)
    halo[0, :2] = (4, 4)
    halo[2, 5], defect[1, 5] = 19, 1.4
    flags[1, :2], flags[0, 0] = 9, 9
    flags[0, 2:5], flags[2, 5] = 9, -9  # nothing; low; a cosmic ray; lit
    flags[1, 5] = 9  # barely warm
    observed = Observed(
        scene=Scene("12A"),
        exposures=[zero],
        minimum=zero,
        error=zero + 1,
        noise=zero + 1,
        beneath=zero + 1,
        defect=defect,
        halo=halo,
        low=no | [[0, 0, 0, 1, 0, 0], [0] * 6, [0] * 6],
        cosmic=no | [[0, 0, 0, 0, 1, 0], [0] * 6, [0] * 6],
        known=no | [[0] * 6, [0] * 6, [1, 1, 0, 0, 0, 0]],
        line=zero,
        core=no,
        group=np.int64([[0] * 6, [0, 2, 2, 0, 0, 0], [0] * 6]),
        shapes=("", "L", "2 x 2"),
    )
    judged = judge(observed, Scores(flags, 5.0, -5.0))
    assert judged["completeness"] == 2 / 3
    assert np.isnan(judged["single"])
    assert judged["groups"] == judged["shape 2 x 2"] == 1 / 2
    assert np.isnan(judged["shape L"])
    assert (judged["sigma 5 to 7"], judged["sigma 20 to 50"]) == (0.0, 1.0)
    assert judged["neighbours"] == 1 / 3
    assert judged["left"] == 0
    assert judged["wrong"] == pytest.approx(2e6 / 16)
    none = judge(observed, Scores(zero, 5.0))
    assert (none["left"], none["wrong"], none["groups"]) == (2, 0, 0)
    halo[2, 5] = 21
    assert judge(observed, Scores(zero, 5.0))["left"] == 3
    quiet = replace(observed, beneath=zero + 0.25)
    assert judge(quiet, Scores(zero, 5.0))["left"] == 4


@needs_peers
@pytest.mark.parametrize("name", PEERS)
def test_other_methods_run_and_find_bright_pixels(name, small):
    judged = judge(small[1], PEERS[name](small[1]))
    assert judged["completeness"] > 0.3
