"""Servers that lie, hang, drip or never end: the run ends soon, and writes all or nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.files import exposure, remote, requests

from ..commands import CODE
from ..exposures import planes, sky, write
from . import cases, report
from .lying import CHANGING, HONEST, LYING, lying, wait_until

pytest.importorskip("aiohttp", reason="needs the extra cloud")

pytestmark = pytest.mark.usefixtures("scratch")

CUT = "half of the file"
SHAPE = (64, 512)
MOST = 4 << 20
"""The largest download in these tests, bytes."""

MOST_REQUESTS = 12
"""A redirect is followed ten times; a failed request is made four times, aiohttp repeats some."""

SOON = 10.0
"""Seconds; what takes longer hangs."""

ROLES = ("science", "selfcal", "association")


@pytest.fixture
def impatient(monkeypatch):
    """Short time-outs and pauses."""
    monkeypatch.setenv(requests.VARIABLE, "0.4")
    monkeypatch.setattr(requests, "PAUSES", (0.01, 0.02, 0.04))
    monkeypatch.setattr(remote, "MOST", MOST)
    monkeypatch.setattr(remote, "MOST_TEXT", MOST)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three exposures, and what becomes of them."""
    folder = tmp_path_factory.mktemp("in")
    for number in range(3):
        write(folder / f"e{number}_rate.fits", sky(number, SHAPE))
    return folder


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("expected")
    bps.selfcal(listed(folder, folder / "e0_rate.fits", folder / "e1_rate.fits"), output_dir=out)
    return planes(out / "x_badpix_selfcal.fits")


def listed(folder, science, other):
    """Write an association of two exposures, in a file of its own."""
    members = [{"expname": str(science), "exptype": "science"}]
    members.append({"expname": str(other), "exptype": "selfcal"})
    path = folder / f"{random.randbytes(8).hex()}_asn.json"
    path.write_text(json.dumps({"products": [{"name": "x", "members": members}]}))
    return path


def served(role, server, folder):
    """Return the input of a run, of which a server has one part."""
    here = [folder / f"e{number}_rate.fits" for number in range(2)]
    if role == "association":
        return f"{server.url}/x_asn.json"
    here[ROLES.index(role)] = f"{server.url}/e_rate.fits"
    return listed(folder, *here)


def content(role, folder):
    if role == "association":
        urls = [(folder / f"e{number}_rate.fits").as_uri() for number in range(2)]
        return listed(folder, *urls).read_bytes()
    return (folder / f"e{ROLES.index(role)}_rate.fits").read_bytes()


def outcome(kind, role, folder, out, expected, seed):
    """Run with a server of one kind; return what is wrong, or how it ended."""
    with lying(kind, content(role, folder), random.Random(seed)) as server:
        given = served(role, server, folder)
        try:
            bps.selfcal(given, output_dir=out)
        except ValueError as error:
            wrong = [] if server.url in str(error) else [f"does not name the server: {error}"]
            wrong += ["wrote something"] if out.exists() else []
            result = "refused"
        else:
            (path,) = out.iterdir()
            same = all(
                np.array_equal(a, expected[n], equal_nan=True) for n, a in planes(path).items()
            )
            wrong, result = ([] if same else ["wrong flags"]), "flagged"
        if server.requests > MOST_REQUESTS:
            wrong.append(f"{server.requests} requests")
        if server.sent > (server.requests + 1) * (MOST + (16 << 20)):
            wrong.append(f"{server.sent >> 20} MiB sent")
    return "; ".join(wrong) or result


def attack(kinds, roles, folder, tmp_path, expected, draws):
    """Meet every kind of server in every role, several at a time; return the outcomes."""
    met = [(*each, seed) for seed, *each in product(range(draws), kinds, roles)]
    found = {}
    with ThreadPoolExecutor(8) as threads:
        calls = {
            (name, role, seed): threads.submit(
                outcome, kinds[name], role, folder, tmp_path / str(number), expected, seed
            )
            for number, (name, role, seed) in enumerate(met)
        }
        for case, call in calls.items():
            found[case] = call.result(timeout=SOON * 8)
    return found


def summary(found, well):
    wrong = {case: text for case, text in found.items() if text not in well}
    counts = Counter(text if text in well else "wrong" for text in found.values())
    return wrong, {"kinds": len({case[0] for case in found}), "runs": len(found), **counts}


@pytest.mark.usefixtures("impatient")
def test_lying_servers(folder, tmp_path, expected):
    kinds = {**LYING, **HONEST}
    found = attack(kinds, ROLES, folder, tmp_path, expected, cases(1, 10))
    wrong, counts = summary(found, ("refused", "flagged"))
    report("lying servers", counts)
    assert wrong == {}
    for name in kinds:
        met = {role: text for (kind, role, _), text in found.items() if kind == name}
        # What follows SCI is not read of an exposure that is not flagged.
        whole = {role: text for role, text in met.items() if name != CUT or role != "selfcal"}
        assert {*whole.values()} == {"flagged" if name in HONEST else "refused"}, (name, met)


@pytest.mark.usefixtures("impatient")
def test_servers_of_files_that_are_replaced(folder, tmp_path, expected):
    found = attack(CHANGING, ["selfcal"], folder, tmp_path, expected, cases(1, 100))
    wrong, counts = summary(found, ("refused",))
    report("replaced files", counts)
    assert wrong == {}


def replaced_between(request):
    """Serve ranges of one version and the whole of another one."""
    request.honest(ETag='"1"' if request.range else '"2"')


def test_a_batch_notices_that_an_exposure_is_replaced_before_it_is_copied(folder, tmp_path):
    with lying(replaced_between, content("science", folder), random.Random(1)) as server:
        urls = [f"{server.url}/a_rate.fits", folder / "e1_rate.fits"]
        result = bps.batch(urls, output_dir=tmp_path / "out")
    (failed,) = result.failed
    assert failed.error == f"{urls[0]}: {remote.CHANGED}"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["e1_badpix_selfcal.fits"]


def test_a_redirect_to_a_file_is_refused_at_once(folder, tmp_path):
    with lying(LYING["a redirect to a file"], b"", random.Random(1)) as server:
        given = served("selfcal", server, folder)
        with pytest.raises(bps.ExposureError, match=f"^{server.url}/e_rate.fits: cannot"):
            bps.selfcal(given, output_dir=tmp_path / "out")
    assert server.requests == 1


@pytest.mark.parametrize("value", ["soon", "-1", "0", "inf", "nan"])
def test_a_wrong_time_out_is_named(monkeypatch, value):
    monkeypatch.setenv(requests.VARIABLE, value)
    with pytest.raises(bps.ExposureError, match=f"BADPIX_SELFCAL_TIMEOUT must be .*'{value}'"):
        exposure.read("http://127.0.0.1:9/a_rate.fits")


STALLED = [
    "hangs",
    "hangs within the head",
    "hangs after the head",
    "hangs within the body",
    "drips the head",
    "drips the body",
    "busy",
    "closes",
]


def stopped(words, number, server):
    """Run the command, send it a signal once it has asked the server; return what is wrong."""
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *words],
        env={**os.environ, "TMPDIR": str(Path(words[-1]).parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: server.requests > 0 or process.poll() is not None)
        time.sleep(0.3)
        process.send_signal(number)
        try:
            printed = process.communicate(timeout=SOON)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            return "hangs"
    word = "interrupted" if number == signal.SIGINT else "terminated"
    ended = process.returncode == (130 if number == signal.SIGINT else 143)
    return "" if ended and f"badpix-selfcal: {word}; " in printed else printed


def test_a_signal_ends_waiting_for_a_server(folder, tmp_path):
    """With time-outs of 30 s, every run is stopped by the first signal."""
    met = [
        (name, role, number, command)
        for name, role in product(STALLED, ["science", "selfcal"])
        for number in (signal.SIGINT, signal.SIGTERM)
        for command in ("run", "batch")
    ]
    met = random.Random(1).sample(met, min(cases(8, len(met)), len(met)))
    wrong = {}

    def meet(case):
        name, role, number, command = case
        out = tmp_path / "-".join(map(str, case)).replace(" ", "_")
        out.mkdir()
        with lying(LYING[name], content(role, folder), random.Random(1)) as server:
            here = [folder / f"e{each}_rate.fits" for each in range(2)]
            here[ROLES.index(role)] = f"{server.url}/e_rate.fits"
            words = [command, str(here[0]), "--background", str(here[1])]
            found = stopped([*words, "--output-dir", str(out / "out")], number, server)
        left = [path.name for path in out.rglob("*") if path.is_file()]
        if found or left:
            wrong[case] = (found, left)

    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(meet, met):
            pass
    report("signals while a server is waited for", {"signals": len(met), "wrong": len(wrong)})
    assert wrong == {}
