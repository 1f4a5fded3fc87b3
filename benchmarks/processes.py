"""Programs in processes of their own: their times and their memory.

As a part of the benchmarks: the step beside jwst's, as a process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Final

from .sizes import Sizes
from .timing import Measure, Row, Way, in_turns, once

__all__ = ["JWST", "OURS", "PYTHON", "Process", "in_memory", "quiet", "times_and_peaks"]

_MEMORY: Final = Path("/dev/shm")

PYTHON: Final = ""
"""The program that does nothing."""

OURS: Final = """
import sys
import badpix_selfcal as bps
bps.selfcal(sys.argv[1], output_dir=sys.argv[2], save_flagged_bkg=True, overwrite=True)
"""

JWST: Final = """
import sys
from jwst.badpix_selfcal.badpix_selfcal_step import BadpixSelfcalStep
BadpixSelfcalStep.call(
    sys.argv[1], output_dir=sys.argv[2], save_flagged_bkg=True, save_results=True, skip=False
)
"""

# The peak of this program alone; the peak of getrusage includes that of the parent.
_PEAK: Final = """
try:
    status = open("/proc/self/status").read()
except OSError:
    status = "VmHWM: nan"
print([line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")][0])
"""


def in_memory() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder, backed by memory where the system has such a folder."""
    folder = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="badpix-selfcal-", dir=folder)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the pipeline's requests to its reference-file server, its log and its warnings."""
    name, before = "STPIPE_DISABLE_CRDS_STEPPARS", logging.root.manager.disable
    os.environ[name] = "true"
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class Process:
    """A Python program with arguments.

    Attributes
    ----------
    peak : float
        Largest physical memory of any run so far, MiB; NaN on systems other than Linux.
    """

    def __init__(self, code: str, *arguments: str) -> None:
        self._command = [sys.executable, "-c", code + _PEAK, *arguments]
        self.peak = 0.0

    def run(self) -> None:
        """Run the program to its end."""
        done = subprocess.run(self._command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"a measured program failed:\n{done.stderr}")
        self.peak = max(float(done.stdout.split()[-1]) / 1024, self.peak)


def times_and_peaks(
    names: tuple[str, str],
    processes: Mapping[str, Process],
    sizes: Sizes,
    hurried: Container[str] = (),
) -> tuple[Row, Row]:
    """Time processes alternately, and return their times and their memory peaks.

    Parameters
    ----------
    names : tuple of str
        The names of both rows.
    processes : mapping of str to Process
        The processes, by the names of their ways.
    sizes : Sizes
        The number of runs.
    hurried : container of str, optional
        The ways that may run fewer times.

    Returns
    -------
    tuple of Row
        The times, ms, and the peaks, MiB.
    """
    ways = {key: Way(each.run, hurried=key in hurried) for key, each in processes.items()}
    times = in_turns(names[0], ways, sizes)
    peaks: dict[str, Measure] = {}
    for key, each in processes.items():
        peaks |= once({key: each.peak}, times.measures[key].rounds)
    return times, Row(names[1], peaks, unit="MiB")
