"""Commands that are killed, terminated or interrupted at any moment."""

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

NUMBERS = [signal.SIGTERM, signal.SIGINT]
VICTIMS = ["run", "batch", "run with a page", "batch with a page", "apply"]
WORDS = {130: "interrupted", 143: "terminated"}
RESUMES = "finished outputs are complete; --resume continues from there"


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    observe(folder / "in")
    return [
        attacked(folder / "in", folder / "out", *words)
        for words in (
            ("run", "p0_asn.json"),
            ("batch", "."),
            ("run", "p0_asn.json", "report"),
            ("batch", ".", "report"),
            ("apply", "."),
        )
    ]


@pytest.fixture(scope="module")
def durations(victims):
    """How long each victim runs, from the start of Python on."""
    found = []
    for victim in victims:
        ended = [Process(victim, "--overwrite").end() for _ in range(2)]
        found.append(max(each.duration for each in ended))
        shutil.rmtree(victim.out)
    return found


def signal_at_some_moment(process, out, number, duration, draw):
    """Send a signal: at any time, or soon after there is a first file."""
    if draw.random() < 0.4:
        moment = process.start + draw.random() * duration
        process.wait_for(lambda: time.monotonic() > moment)
    else:
        process.wait_for(out.exists)
        kinds = ("*", ".*.part", "[!.]*")
        pattern = draw.choice(kinds)
        process.wait_for(lambda: any(out.glob(pattern)))
        time.sleep(draw.random() * draw.choice((0.0005, 0.005, 0.05)))
    process.send(number)


def what_is_there(victim, found):
    """Return whether the outputs are the "new" ones, the "old" ones, or "none"; or "some" of all.

    Each must be whole.
    """
    shown = {name: content for name, content in found.items() if not name.startswith(".")}
    for name, content in shown.items():
        assert content in (victim.old[name], victim.new[name]), f"{name} is not whole"
    if not shown:
        return "none"
    return "new" if shown == victim.new else "old" if shown == victim.old else "some"


def check(victim, number, ended, before, found, left):
    """Check that what is reported is what is there."""
    now = what_is_there(victim, found)
    assert "Traceback" not in ended.said, ended.said
    if number == signal.SIGKILL:
        return
    assert not hidden(found), "files are left"
    assert found or not left, "an empty folder is left"
    if ended.status == 0:
        assert now == "new"
    elif ended.status == -number:  # before the command or after its report
        assert ended.said == ""
        assert now == ("new" if ended.printed else before)
    else:
        assert ended.status == 128 + number
        word = WORDS[ended.status]
        if victim.is_batch:
            assert ended.said in (
                f"badpix-selfcal: {word}; {RESUMES}\n",
                f"badpix-selfcal: {word}; no output was written\n",
            )
            assert now == before or RESUMES in ended.said
            return
        state = {"none": "no output was", "old": "no output was", "new": "all outputs were"}[now]
        assert ended.said == f"badpix-selfcal: {word}; {state} written\n"
        assert ended.printed == ""


@pytest.mark.parametrize("number", [signal.SIGKILL, *NUMBERS], ids=lambda each: each.name)
@pytest.mark.parametrize("which", range(len(VICTIMS)), ids=VICTIMS)
def test_whatever_the_moment(victims, durations, which, number):
    victim, draw = victims[which], random.Random(f"{which}{number}")
    out, inputs, counts = victim.out, contents(victim.data), Counter()
    shutil.rmtree(out, ignore_errors=True)  # of a test that failed
    for _ in range(cases(4, 90) if which < 2 else cases(1, 20)):
        before = draw.choice(["none", "old"])
        if before == "old":
            victim.prepare()
        process = Process(victim, *(["--overwrite"] if before == "old" else []))
        signal_at_some_moment(process, out, number, durations[which], draw)
        ended = process.end(HANG)
        found = contents(out)
        check(victim, number, ended, before, found, out.exists())
        counts["killed" if ended.status else "ended before"] += 1
        counts["left files"] += bool(hidden(found))
        victim.again()
        assert contents(out) == victim.new, "the next run has not removed all that was left"
        shutil.rmtree(out)
    assert contents(victim.data) == inputs
    report(f"{number.name} to {VICTIMS[which]}", counts)
