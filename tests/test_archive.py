"""The costs of a whole archive are measured and added up."""

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
    text = report(costs, exposures=10_000, groups=2, threads=10)
    rows = [line.split(" | ") for line in text.splitlines()[2:7]]
    parts = {
        row[0].removeprefix("| "): [float(cell.strip("| ")) for cell in row[1:]] for row in rows
    }
    assert parts == {
        "headers": [10_000, 1.0, 0.003],
        "read, pedestal, fold": [10_000, 10.0, 0.028],
        "combine images": [714, 1.0, 0.0],
        "mask": [2, 1000.0, 0.001],
        "flag and write": [10_000, 100.0, 0.278],
    }
    assert "0.31 h of one thread, 1.9 min of 10." in text
    assert "0.30 TB read (4.00 MB of SCI and 26.00 MB of file for each exposure)" in text
    assert "0.26 TB written" in text


@pytest.mark.filterwarnings("ignore")
def test_costs_can_be_measured(capsys):
    main(["--size", "544", "--exposures", "100"])
    text = capsys.readouterr().out
    assert "(1.18 MB of SCI and " in text  # 544 x 544 samples of float32
    counts = [int(line.split(" | ")[1]) for line in text.splitlines()[2:7]]
    assert counts == [100, 100, 7, 2, 100]
