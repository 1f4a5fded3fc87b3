"""Programs in processes of their own: their times and their memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Container, Mapping
from typing import Final

from .sizes import Sizes
from .timing import Measure, Row, Way, in_turns, once

__all__ = ["JWST", "OURS", "PYTHON", "Process", "times_and_peaks"]

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
