"""Fuzzing: inputs that are changed at random for as long as there is time.

``make fuzz`` runs all targets for an hour; ``python -m tests.fuzz --help`` says how to run one, or
to repeat what was found. A short draw from fixed seeds runs with the other tests.
"""

from __future__ import annotations

import hashlib
import random
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..fits_exposures import Endless, in_time

MOST_MEMORY = 1 << 30
"""Bytes that a target may use beyond what it has at first."""

LONGEST = 1 << 20
"""Bytes of an input."""


@dataclass(frozen=True)
class Target:
    """Code to be fuzzed.

    Attributes
    ----------
    attempt : callable
        Tries an input; returns how it ends, in a word, or raises what is wrong.
    seeds : list of bytes
        Inputs to begin with. Without any, an input is eight random bytes, the seed of a generator.
    words : tuple of bytes
        What is put into inputs.
    """

    attempt: Callable[[bytes], str]
    seeds: list[bytes]
    words: tuple[bytes, ...] = (b"",)


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
    """Tries inputs, counts how they end, and keeps those that find something in a folder."""

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

    def run(self, seconds: float, seed: str) -> None:
        """Try inputs for some seconds, and print how they ended."""
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, resource.RLIM_INFINITY))
        begin = time.monotonic()
        for data in draws(self.target, f"{self.name} {seed}"):
            self.attempt(data)
            if time.monotonic() - begin > seconds:
                break
        ends = ", ".join(f"{number} {end}" for end, number in sorted(self.counts.items()))
        print(f"{self.name}: {self.counts.total()} inputs in {seconds:.0f} s ({ends})", flush=True)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"    the slowest took {self.slowest:.1f} s; {memory} MiB of memory", flush=True)
