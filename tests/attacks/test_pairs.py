"""Pairs of runs into one folder at the same time, also if one of them is killed."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import Counter

import pytest

from . import cases, report
from .runs import HANG, Process, attacked, contents, hidden, observe

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    observe(folder / "in")
    return folder / "in"


@pytest.fixture(scope="module")
def victims(data):
    out = data.parent / "new" / "out"
    kinds = (("run", "p0_asn.json"), ("run", "p1_asn.json"), ("batch", "."), ("apply", "."))
    found = [attacked(data, out, *words) for words in kinds]
    out.parent.rmdir()
    return found


def different(victims, draw):
    """Draw two commands that have different outputs: a batch and an apply have the same."""
    return draw.sample([*victims[:2], draw.choice(victims[2:])], 2)


def require_whole(found, *pair):
    """Check that every output is one of a pair's."""
    for name, content in found.items():
        if not name.startswith("."):
            wholes = [each.new[name] for each in pair if name in each.new]
            assert content in wholes, f"{name} is not whole"


def test_the_same_outputs(victims):
    """Without overwriting one run succeeds and the other says why not; with it both do."""
    draw, counts = random.Random(1), Counter()
    for number in range(cases(4, 70)):
        victim = draw.choice(victims)
        options = ["--overwrite"] if number % 2 else []
        pair = [Process(victim, *options) for _ in range(2)]
        ended = [process.end() for process in pair]
        assert contents(victim.out) == victim.new
        statuses = sorted(each.status for each in ended)
        # Of two batches each may write some exposures; the others of it fail.
        allowed = [[0, 0]] if options else [[0, 1], [1, 1]] if victim.is_batch else [[0, 1]]
        assert statuses in allowed
        for each in ended:
            assert "Traceback" not in each.said
            assert each.status == 0 or "exists already" in each.said or "appeared" in each.said
        counts["both succeed" if statuses == [0, 0] else "one is refused"] += 1
        shutil.rmtree(victim.out.parent)
    report("pairs with the same outputs", counts)


def test_different_outputs(victims):
    """Neither disturbs the other."""
    draw, counts = random.Random(2), Counter()
    for _ in range(cases(3, 60)):
        one, other = different(victims, draw)
        out = victims[0].out
        pair = [Process(one)]
        time.sleep(draw.random() * 0.1)
        pair.append(Process(other))
        for process in pair:
            ended = process.end()
            assert (ended.status, ended.said) == (0, "")
        assert contents(out) == one.new | other.new
        counts["both succeed"] += 1
        shutil.rmtree(out.parent)
    report("pairs with different outputs", counts)


def test_one_of_them_is_killed(victims, data):
    """The other one succeeds, and keeps the folder that the killed one has made."""
    draw, counts, inputs = random.Random(3), Counter(), contents(data)
    for _ in range(cases(5, 120)):
        one, other = different(victims, draw)
        out = victims[0].out
        number = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        killed = Process(one)
        survivor = Process(other)
        killed.wait_for(out.exists)
        time.sleep(draw.random() * draw.choice((0.001, 0.01, 0.1)))
        killed.send(number)
        assert "Traceback" not in killed.end(HANG).said
        ended = survivor.end()
        assert (ended.status, ended.said) == (0, "")
        found = contents(out)
        require_whole(found, one, other)
        assert other.new.items() <= found.items()
        assert number == signal.SIGKILL or not hidden(found)
        counts[number.name] += 1
        other.again()
        assert not hidden(contents(out))
        shutil.rmtree(out.parent)
    assert contents(data) == inputs
    report("pairs of which one is killed", counts)


def test_both_are_terminated(victims):
    """The folder that one of them has made is gone when both are."""
    draw, counts = random.Random(4), Counter()
    for _ in range(cases(3, 60)):
        out = victims[0].out
        pair = [Process(victim) for victim in different(victims, draw)]
        for process in pair:
            process.wait_for(out.exists)
        for process in pair:
            time.sleep(draw.random() * 0.01)
            process.send(signal.SIGTERM)
        ended = [process.end(HANG) for process in pair]
        assert not any("Traceback" in each.said for each in ended)
        found = contents(out)
        assert not hidden(found)
        assert found or not out.parent.exists()
        counts["some outputs" if found else "nothing left"] += 1
        shutil.rmtree(out.parent, ignore_errors=True)
    report("pairs that are both terminated", counts)
