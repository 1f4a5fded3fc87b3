"""Servers that lie, hang or break off: an exposure is read right, or refused by name, in time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from badpix_selfcal import AssociationError, ExposureError, batch
from badpix_selfcal.files import association, exposure, remote

from ..commands import command, signalled
from ..exposures import sky, write
from . import cases, report
from .lying import CHANGING, HONEST, LYING, Request, lying

pytest.importorskip("aiohttp", reason="needs the extra cloud")

pytestmark = pytest.mark.usefixtures("scratch")

SHAPE = (64, 512)
MOST_REQUESTS = 25
"""A redirect is followed ten times; a failed request is made three times."""


@pytest.fixture
def impatient(monkeypatch):
    """Shorter time-outs and pauses, but enough for honest servers on a busy machine."""
    monkeypatch.setenv(remote.VARIABLE, "0.8")
    monkeypatch.setattr(remote, "_PAUSES", (0.01, 0.02))


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Two exposures as they are served."""
    folder = tmp_path_factory.mktemp("in")
    return [write(folder / f"{n}_rate.fits", sky(n, SHAPE)).read_bytes() for n in range(2)]


def outcome(kind, content, other, to):
    """Read and copy an exposure from a server; return how that ended."""
    mask = np.zeros(SHAPE, bool)
    with lying(kind, content, other) as server:
        try:
            found = exposure.read(f"{server.url}/e_rate.fits?sig=secret")
            science = found.science()
            found.write_copy(to, mask, {}, "")
        except ExposureError as error:
            said = str(error)
            named = said.startswith(f"{server.url}/e_rate.fits: ") and "secret" not in said
            return "refused" if named else f"does not name the file: {said}"
        if server.requests > MOST_REQUESTS:
            return f"{server.requests} requests"
    same = np.array_equal(science, sky(0, SHAPE), equal_nan=True)
    return "read" if same and len(to.read_bytes()) == len(content) else "wrong"


@pytest.mark.usefixtures("impatient")
def test_lying_servers(contents, tmp_path):
    kinds, rounds = {**HONEST, **LYING, **CHANGING}, cases(1, 20)
    start = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        calls = [
            (name, threads.submit(outcome, kind, *contents, tmp_path / f"{name} {number}"))
            for number in range(rounds)
            for name, kind in kinds.items()
        ]
        found = [(name, call.result(timeout=60)) for name, call in calls]
    wrong = [each for each in found if each[1] != ("read" if each[0] in HONEST else "refused")]
    assert wrong == []
    assert time.monotonic() - start < 40 * rounds
    report("lying servers", {"kinds": len(kinds), "cases": len(found)})


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", LYING)
def test_associations_of_lying_servers(name):
    with (
        lying(LYING[name], b'{"products": [{"members": []}]}') as server,
        pytest.raises(AssociationError, match=f"^{server.url}/x_asn.json: "),
    ):
        association.read(f"{server.url}/x_asn.json")


def test_a_server_that_never_answers_ends_the_command(contents, tmp_path, monkeypatch):
    """The limits are those of users, but for the time-out: a fifteenth of 30 s."""
    monkeypatch.setenv(remote.VARIABLE, "2")
    start = time.monotonic()
    with lying(Request.hang, contents[0]) as server:
        done = command("run", f"{server.url}/e_rate.fits", "--output-dir", "out", cwd=tmp_path)
    assert time.monotonic() - start < 30
    assert done.returncode == 1
    assert f"{server.url}/e_rate.fits: cannot be fetched" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_answers_is_not_asked_for_each_of_many_files(contents, tmp_path):
    """At 30 s for each answer, 40 files would take five minutes: now one."""
    with lying(Request.hang, contents[0]) as server:
        urls = [f"{server.url}/{number}_rate.fits" for number in range(40)]
        results = batch(urls, output_dir=tmp_path / "out", workers=4)
        assert server.requests < 20
    errors = [each.error for each in results.failed]
    assert len(errors) == 40
    assert any("has just not answered" in each for each in errors)


@pytest.mark.parametrize("verb", ["run", "batch"])
def test_an_interrupt_ends_waiting_for_a_server(contents, tmp_path, verb):
    with lying(Request.hang, contents[0]) as server:
        words = [verb, f"{server.url}/e_rate.fits", "--output-dir", "out"]
        start = time.monotonic()
        status, said = signalled(*words, cwd=tmp_path, when=lambda: server.requests > 0, again=True)
    assert status == 143
    assert "Traceback" not in said
    assert time.monotonic() - start < 20
    assert not (tmp_path / "out").exists()
