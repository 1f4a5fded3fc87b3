"""A short draw of each target, from fixed seeds; ``make fuzz`` is the long one."""

from __future__ import annotations

import pytest

from badpix_selfcal import ExposureError

from ..attacks import cases
from . import Target, Trials, draws
from .targets import TARGETS

NUMBERS = {"exposures": 150, "masks": 150, "associations": 600, "kernels": 100}
"""The inputs of each draw, which take some seconds."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found_in_a_short_draw(name, tmp_path):
    trials, number = Trials(name, TARGETS[name], tmp_path / "findings"), NUMBERS[name]
    number = cases(number, 20 * number)
    for _, data in zip(range(number), draws(TARGETS[name], name), strict=False):
        trials.attempt(data)
    print(f"\n{name}: {dict(trials.counts)}")
    assert not trials.places
    assert trials.counts.total() == number
    assert len(trials.counts) > 1  # not all inputs are refused


def test_a_finding_is_kept_once_with_the_line_that_repeats_it(tmp_path, capsys):
    def attempt(data: bytes) -> str:
        if b"x" in data:
            raise ExposureError("found")
        return "fine"

    trials = Trials("it", Target(attempt, []), tmp_path / "findings")
    for data in (b"a", b"x", b"bx"):
        trials.attempt(data)
    assert dict(trials.counts) == {"fine": 1, "FOUND": 2}
    (path,) = (tmp_path / "findings").iterdir()
    assert path.read_bytes() == b"x"
    assert f"-m tests.fuzz --repeat it {path}" in capsys.readouterr().out
