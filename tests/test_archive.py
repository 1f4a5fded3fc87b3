"""The plan of a whole archive adds up."""

from __future__ import annotations

import pytest

import badpix_selfcal as bps
from benchmarks.archive import Costs, main, report


@pytest.fixture(autouse=True)
def _default_threads():
    yield
    bps.set_num_threads(None)


def test_what_is_reported_adds_up():
    costs = Costs(0.001, 0.01, 0.1, 0.001, 1.0, 0.001, sci=4_000_000, file=26_000_000, packed=9000)
    told = report(costs, exposures=10_000, groups=2, threads=10)
    assert "| flag and write | 10000 | 100.00 | 0.278 |" in told
    assert "0.31 h of one thread, 1.9 min of 10." in told
    assert "0.30 TB read" in told
    assert "0.26 TB written" in told


@pytest.mark.filterwarnings("ignore")
def test_costs_can_be_measured(capsys):
    main(["--size", "544", "--exposures", "100"])
    assert "h of one thread" in capsys.readouterr().out
