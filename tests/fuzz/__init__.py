"""Fuzzing: inputs that are changed at random for as long as there is time.

``make fuzz`` runs all targets for an hour; ``python -m tests.fuzz --help`` says how to run one, or
to repeat what was found. A short draw from fixed seeds runs with the other tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Code to be fuzzed.

    Attributes
    ----------
    seeds : list of bytes
        Inputs to begin with. Without any, an input is eight random bytes, the seed of a generator.
    words : list of bytes
        What is put into inputs.
    attempt : callable
        Tries an input; returns how it ends, in a word, or raises what is wrong.
    """

    seeds: list[bytes]
    words: list[bytes]
    attempt: Callable[[bytes], str]
