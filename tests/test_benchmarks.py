"""The benchmarks run, and their calculations are right. No test asserts a speed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import badpix_selfcal as bps
from benchmarks.__main__ import PARTS, main
from benchmarks.gate import compared
from benchmarks.goals import GOALS, SHOWN, Goal, compare
from benchmarks.report import BEGIN, END, PAGE, README, RESULTS, Results, refresh
from benchmarks.tables import Table
from benchmarks.timing import ALL, ONE, Measure, Row

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("aiohttp", "bottleneck", "cv2", "jwst", "matplotlib", "pandas", "polars", "scipy")
MISSING = [name for name in NEEDED if find_spec(name) is None]
ROW = Row("work", {ONE: Measure(4.0, 7), ALL: Measure(2.0, 7), "peer": Measure(500.0, 3)})
needs_peers = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install --group bench"
)


@pytest.fixture(autouse=True)
def _default_threads():
    yield
    bps.set_num_threads(None)


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@needs_peers
def test_a_quick_run_of_everything_works(tmp_path):
    done = run("--quick", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    written = Results.restore(tmp_path)
    assert written.document() == (tmp_path / "latest.md").read_text(encoding="utf-8")
    for name in ("medians.png", "step.png", "scaling.png"):
        assert 0 < (tmp_path / name).stat().st_size < 100_000
    # A quick run has no windows and lines that are too long for its tiny sizes.
    missing = [goal.work for goal in GOALS if not goal.is_in(written.rows)]
    assert missing == [
        "median, k = 101, axis 0, against bottleneck",
        "median, k = 501, axis 0, against bottleneck",
        "one line of 10^6 samples, k = 1001, against bottleneck",
    ]
    lines = {shown.work for shown in SHOWN if shown.row not in written.rows}
    assert lines == {"running median, k = 101, axis 0", "running median, k = 501, axis 0"}


@pytest.mark.parametrize(
    ("part", "module", "row"),
    [
        ("processes", "jwst", "as a process of its own"),
        ("remote", "aiohttp", "2 remote exposures"),
    ],
)
def test_parts_that_need_no_peers_run_alone(part, module, row):
    pytest.importorskip(module)
    done = run("--quick", part)
    assert done.returncode == 0, done.stderr
    assert f"| {row} | " in done.stdout


@pytest.mark.parametrize("part", ["medians", "rectangles", "filters"])
def test_a_missing_peer_is_named_with_the_command_that_installs_it(part, monkeypatch):
    pytest.importorskip("jwst", reason="needs the extra jwst")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "polars" else find_spec(name)
    )
    for name in ("peers", part):
        monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)
    with pytest.raises(SystemExit, match=r"polars.*--group bench"):
        main(["--quick", part])


def test_an_unknown_part_is_refused():
    done = run("everything")
    assert done.returncode == 2
    assert all(part in done.stderr for part in PARTS)


def test_a_goal_is_a_lower_or_an_upper_limit_of_a_ratio():
    assert ROW.ratio("peer", ALL) == 250.0
    faster = Goal("faster", "work", "peer", ALL, 200)
    assert (faster.measured(ROW), faster.is_met(ROW)) == (250.0, True)
    assert not Goal("faster", "work", "peer", ALL, 251).is_met(ROW)
    assert Goal("smaller", "work", ONE, ALL, 2, at_most=True).is_met(ROW)
    assert not Goal("smaller", "work", "peer", ALL, 200, at_most=True).is_met(ROW)
    assert compare({}) == compare({GOALS[0].row: ROW}) == ""
    assert len({goal.work for goal in GOALS}) == len(GOALS)
    assert len({shown.work for shown in SHOWN}) == len(SHOWN)


def test_a_table_marks_medians_of_fewer_runs_and_compares_with_its_base():
    text = Table("Title", [ROW], base=ALL).as_markdown(rounds=7)
    assert "| work | 4.00 ms | 2.00 ms | 500 ms * (250x) |" in text


def test_results_survive_being_stored(tmp_path):
    about = {"date": "2026-01-01", "machine": "a machine", "versions": "versions"}
    results = Results(about, 7, [Table("Title", [ROW], ALL, "note")])
    results.store(tmp_path)
    assert Results.restore(tmp_path) == results
    with pytest.raises(ValueError, match="'work'"):
        _ = Results({}, 7, [Table("Title", [ROW, ROW])]).rows


def test_only_the_text_between_the_marks_is_refreshed():
    block = f"{BEGIN}new\n{END}"
    assert refresh(f"before\n{BEGIN}old\n{END}after\n", block) == f"before\n{block}after\n"
    for text in ("no marks", BEGIN, END + BEGIN, f"{BEGIN}{END}{BEGIN}{END}"):
        with pytest.raises(ValueError, match="marks"):
            refresh(text, block)


def test_readme_and_page_show_the_stored_results():
    stored = Results.restore(RESULTS)
    for path, block in ((README, stored.for_readme()), (PAGE, stored.for_page())):
        text = path.read_text(encoding="utf-8")
        assert refresh(text, block) == text


def counts(**instructions):
    return {"versions": {"rustc": "1.95.0"}, "instructions": instructions}


def test_the_gate_lets_two_percent_pass():
    before = counts(a=1000, b=2000)
    assert compared(counts(a=1020, b=1960), before) == []
    assert compared(counts(a=1021, b=1940), before) == [
        "a: 1021 instructions, 1000 before (+2.1%)",
        "b: 1940 instructions, 2000 before (-3.0%)",
    ]
    assert compared(counts(a=1000, c=1), before) == ["b: in one only", "c: in one only"]
    newer = counts(a=1) | {"versions": {"rustc": "1.96.0"}}
    why = (
        "the baseline is of other versions: rustc 1.96.0 instead of 1.95.0; "
        "`RUSTUP_TOOLCHAIN=1.95.0 make gate` uses its compiler"
    )
    assert compared(newer, before) == [why]
    crates = [counts() | {"versions": {"rustc": "1.95.0", "rayon": each}} for each in ("2", "1")]
    assert compared(*crates) == ["the baseline is of other versions: rayon 2 instead of 1"]
