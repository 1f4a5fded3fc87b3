"""What changes inputs and counts how they end: atheris, guided by the coverage, or without it.

atheris comes with the extra ``fuzz``. Without it, inputs are changed by the functions below.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import random
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..fits_exposures import Endless, in_time
from . import Target

MOST_MEMORY = 1 << 30
"""Bytes that a target may use beyond what it has at first."""

LONGEST = 1 << 15
"""Bytes of an input."""


def mutated(data: bytes, target: Target, rng: random.Random) -> bytes:
    """Change an input at some places."""
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at, length = rng.randrange(len(content) + 1), rng.choice((1, 2, 4, 80, 300))
        how = rng.randrange(7)
        if how == 0 and at < len(content):
            content[at] ^= 1 << rng.randrange(8)
        elif how == 1 and at < len(content):
            content[at] = rng.choice(b"\0 \n'=/-.0129TFAZ{}[]:,&*\xff")
        elif how == 2:
            del content[at : at + length]
        elif how == 3:
            content[at:at] = content[at : at + length] * rng.choice((1, 1, 2, 40))
        elif how == 4:
            content[at:at] = rng.choice(target.words)
        elif how == 5:
            word = rng.choice(target.words)
            content[at : at + len(word)] = word
        else:
            other = rng.choice(target.seeds)
            start = rng.randrange(len(other) + 1)
            content[at : at + length] = other[start : start + length]
    return bytes(content[:LONGEST])


def draws(target: Target, seed: str) -> Iterator[bytes]:
    """Yield the seeds of a target, then changed ones, without end."""
    yield from target.seeds
    rng = random.Random(seed)
    while True:
        yield mutated(rng.choice(target.seeds), target, rng) if target.seeds else rng.randbytes(8)


class Trials:
    """Tries inputs, counts how they end, and keeps those that find something.

    Parameters
    ----------
    name : str
        The name of the target.
    target : Target
        The target.
    findings : Path
        The folder for inputs that find something.
    """

    def __init__(self, name: str, target: Target, findings: Path) -> None:
        self.name, self.target, self.findings = name, target, findings
        self.counts = Counter[str]()
        self.places: set[str] = set()
        self.slowest = 0.0

    def attempt(self, data: bytes) -> None:
        """Try an input; keep the first one of each kind of finding."""
        begin = time.monotonic()
        try:
            with in_time():
                end = self.target.attempt(data)
        except (Exception, Endless) as error:
            end = "FOUND"
            frames = traceback.extract_tb(error.__traceback__)
            place = f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}"
            if place not in self.places:
                self.places.add(place)
                self._keep(data)
        self.counts[end] += 1
        self.slowest = max(self.slowest, time.monotonic() - begin)

    def _keep(self, data: bytes) -> None:
        self.findings.mkdir(exist_ok=True)
        path = self.findings / f"{self.name}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        print(f"{traceback.format_exc()[-3000:]}\nRepeat it by:", flush=True)
        print(f"  {sys.executable} -m tests.fuzz --repeat {self.name} {path}", flush=True)

    def report(self, seconds: float) -> None:
        """Print how the inputs ended."""
        total = self.counts.total()
        ends = ", ".join(f"{number} {end}" for end, number in sorted(self.counts.items()))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{self.name}: {total} inputs in {seconds:.0f} s ({ends})", flush=True)
        print(f"    the slowest took {self.slowest:.1f} s; {memory} MiB of memory", flush=True)


def run(trials: Trials, seconds: float, seed: str, *, guided: bool) -> None:
    """Fuzz a target for some seconds."""
    begin = time.monotonic()
    _limit_memory()
    faulthandler.enable()
    if guided and trials.target.seeds:
        _by_atheris(trials, begin, seconds, seed)  # does not return
    for data in draws(trials.target, f"{trials.name} {seed}"):
        trials.attempt(data)
        if time.monotonic() - begin > seconds:
            break
    trials.report(time.monotonic() - begin)


def _by_atheris(trials: Trials, begin: float, seconds: float, seed: str) -> None:
    import atheris

    corpus = trials.findings.with_name(f"{trials.findings.name}-corpus") / trials.name
    corpus.mkdir(parents=True, exist_ok=True)
    for data in trials.target.seeds:
        (corpus / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    words = corpus.with_name(f"{trials.name}.words")
    lines = ["".join(f"\\x{byte:02x}" for byte in word) for word in trials.target.words if word]
    words.write_text("".join(f'"{line}"\n' for line in lines if len(line) < 400))

    def attempt(data: bytes) -> None:
        trials.attempt(data)
        if time.monotonic() - begin > seconds:
            trials.report(time.monotonic() - begin)
            os._exit(1 if trials.places else 0)

    options = [
        f"-seed={int(seed) % 2**31}",
        f"-dict={words}",
        f"-max_len={LONGEST}",
        "-len_control=0",
    ]
    options += ["-timeout=0", "-handle_int=0", "-rss_limit_mb=0", "-verbosity=0"]

    def changed(data: bytes, longest: int, number: int) -> bytes:
        rng = random.Random(number)
        how = rng.random()
        if how < 0.3:
            return bytes(atheris.Mutate(data, longest))
        if how < 0.6:  # most inputs of the corpus are refused early
            data = rng.choice(trials.target.seeds)
        return mutated(data, trials.target, rng)[:longest]

    atheris.Setup([sys.argv[0], *options, str(corpus)], attempt, custom_mutator=changed)
    atheris.Fuzz()


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, resource.RLIM_INFINITY))
