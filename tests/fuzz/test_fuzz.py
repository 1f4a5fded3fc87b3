"""A short draw of each target, from fixed seeds; ``make fuzz`` is the long one."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from badpix_selfcal import ExposureError

from . import Target, engine
from .__main__ import FUZZED

NUMBERS = {"headers": 300, "associations": 600, "kernels": 60}
"""The inputs of each draw, which take some seconds."""


def target_of(name: str) -> Target:
    return importlib.import_module(f"tests.fuzz.{name}").TARGET


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NUMBERS)
def test_nothing_is_found_in_a_short_draw(name, tmp_path):
    target = target_of(name)
    trials = engine.Trials(name, target, tmp_path / "findings")
    for _, data in zip(range(NUMBERS[name]), engine.draws(target, name), strict=False):
        trials.attempt(data)
    print(f"\n{name}: {dict(trials.counts)}")
    assert not trials.places
    assert trials.counts.total() == NUMBERS[name]
    assert len(trials.counts) > 1  # not all inputs are refused


def test_every_target_has_a_short_draw():
    assert NUMBERS.keys() == FUZZED.keys()


def test_a_finding_is_kept_once_with_the_line_that_repeats_it(tmp_path, capsys):
    def attempt(data: bytes) -> str:
        if b"x" in data:
            raise ExposureError("found")
        return "fine"

    trials = engine.Trials("it", Target([], [], attempt), tmp_path / "findings")
    for data in (b"a", b"x", b"bx"):
        trials.attempt(data)
    assert dict(trials.counts) == {"fine": 1, "FOUND": 2}
    (path,) = (tmp_path / "findings").iterdir()
    assert path.read_bytes() == b"x"
    assert f"-m tests.fuzz --repeat it {path}" in capsys.readouterr().out


def test_the_command_repeats_an_input(tmp_path):
    path = tmp_path / "input"
    path.write_bytes(b"J{}")
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--repeat", "associations", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (0, "refused\n")
