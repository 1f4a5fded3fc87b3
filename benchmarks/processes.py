"""Programs run as processes of their own, and the memory they take."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

__all__ = ["JWST", "OURS", "PYTHON", "Process"]

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

# The peak of this program alone: that of getrusage begins with the peak of its parent.
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
        The most physical memory that any run of it took, MiB; NaN where Linux does not tell.
    """

    def __init__(self, code: str, *arguments: str) -> None:
        self._command = [sys.executable, "-c", code + _PEAK, *arguments]
        self.peak = 0.0

    def run(self) -> None:
        """Run it to its end."""
        done = subprocess.run(self._command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"a measured program failed:\n{done.stderr}")
        self.peak = max(float(done.stdout.split()[-1]) / 1024, self.peak)
