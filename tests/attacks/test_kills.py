"""Commands that are killed, terminated or interrupted at any moment, and pairs of them."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import Counter

import pytest

from . import cases, report
from .runs import HANG, Process, attacked, contents, observe, shown

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")

VICTIMS = [("run", "p0_asn.json"), ("batch", "."), ("apply", "."), ("run", "p1_asn.json")]


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    observe(folder / "in")
    return [attacked(folder / "in", folder / "new" / "out", *words) for words in VICTIMS]


@pytest.fixture
def out(victims):
    """The folder of outputs, which does not exist."""
    folder = victims[0].out
    shutil.rmtree(folder.parent, ignore_errors=True)
    return folder


def signal_at_some_moment(process, out, number, draw):
    """Send a signal: at any time, or soon after there is a first file."""
    if draw.random() < 0.4:
        moment = process.start + draw.random()
        process.wait_for(lambda: time.monotonic() > moment)
    else:
        pattern = draw.choice(("*", ".*.part", "[!.]*"))
        process.wait_for(lambda: any(out.glob(pattern)))
        time.sleep(draw.random() * draw.choice((0.0005, 0.005, 0.05)))
    process.send(number)


def require_whole(found, *victims):
    """Check that every output is one of those that a command writes."""
    for name, content in shown(found).items():
        wholes = [each[name] for v in victims for each in (v.old, v.new) if name in each]
        assert content in wholes, f"{name} is not whole"


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGINT"])
@pytest.mark.parametrize("which", range(3), ids=[words[0] for words in VICTIMS[:3]])
def test_whatever_the_moment(victims, out, which, number):
    victim, draw, counts = victims[which], random.Random(f"{which}{number}"), Counter()
    inputs = contents(victim.data)
    for _ in range(cases(4, 90)):
        has_old = draw.random() < 0.5
        if has_old:
            victim.write_old()
        before = contents(out)
        process = Process(victim, *(["--overwrite"] if has_old else []))
        signal_at_some_moment(process, out, signal.Signals[number], draw)
        status, _ = process.end(HANG)
        found = contents(out)
        require_whole(found, victim)
        if number != "SIGKILL":
            assert status in (0, 128 + signal.Signals[number])
            assert found == shown(found), "files are left"
            assert found or not out.exists(), "an empty folder is left"
            assert victim.command != "run" or found in (before, victim.new)
        counts["killed" if status else "ended before"] += 1
        victim.again()
        assert contents(out) == victim.new, "the next run has not replaced what was left"
        shutil.rmtree(out.parent)
    assert contents(victim.data) == inputs
    report(f"{number} to {victim.command}", counts)


def test_pairs_with_the_same_outputs(victims, out):
    """Neither mixes with the other; at least one succeeds, or both batches together do."""
    draw, counts = random.Random(1), Counter()
    for number in range(cases(4, 70)):
        victim = draw.choice(victims)
        options = ["--overwrite"] if number % 2 else []
        pair = [Process(victim, *options) for _ in range(2)]
        ended = [process.end() for process in pair]
        assert contents(out) == victim.new
        statuses = sorted(status for status, _ in ended)
        assert statuses in ([0, 0], [0, 1]) or (statuses == [1, 1] and victim.command != "run")
        for status, said in ended:
            assert status == 0 or "exists already" in said or "is being written" in said
        counts[str(statuses)] += 1
        shutil.rmtree(out.parent)
    report("pairs with the same outputs", counts)


def test_pairs_of_which_one_is_killed(victims, out):
    """The other one succeeds, and keeps the folder that the killed one has made."""
    draw, counts = random.Random(3), Counter()
    for _ in range(cases(5, 120)):
        one, other = draw.sample([*victims[:2], victims[3]], 2)
        number = draw.choice(["SIGKILL", "SIGTERM", "SIGINT"])
        killed = Process(one)
        survivor = Process(other)
        killed.wait_for(out.exists)
        time.sleep(draw.random() * draw.choice((0.001, 0.01, 0.1)))
        killed.send(signal.Signals[number])
        killed.end(HANG)
        assert survivor.end() == (0, "")
        found = contents(out)
        require_whole(found, one, other)
        assert other.new.items() <= found.items()
        assert number == "SIGKILL" or found == shown(found)
        one.again()
        assert contents(out) == one.new | other.new
        counts[number] += 1
        shutil.rmtree(out.parent)
    report("pairs of which one is killed", counts)
