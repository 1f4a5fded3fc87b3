"""The whole step on files against jwst's, in one process and as processes of their own."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import badpix_selfcal as bps
from badpix_selfcal.simulate import simulate

from .timing import in_turns, table

# The peak of this program alone: that of getrusage begins with the peak of its parent.
PEAK = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(line.split()[1])
"""
OURS = """
import sys
import badpix_selfcal as bps
bps.selfcal(sys.argv[1], output_dir=sys.argv[2], save_flagged_bkg=True, overwrite=True)
"""
JWST = """
import sys
from jwst.badpix_selfcal.badpix_selfcal_step import BadpixSelfcalStep
BadpixSelfcalStep.call(
    sys.argv[1], output_dir=sys.argv[2], save_flagged_bkg=True, save_results=True, skip=False
)
"""


def main() -> None:
    """Print the table."""
    # The pipeline would otherwise ask its reference-file server for step parameters.
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    logging.disable()
    warnings.simplefilter("ignore")
    folder = Path(tempfile.mkdtemp(prefix="badpix-selfcal-"))
    try:
        association = _association(folder)
        rows = [_in_process(association), *_as_processes(association)]
    finally:
        shutil.rmtree(folder)
    title = "The step: 1 science, 4 background, 4 selfcal exposures, backgrounds saved"
    print(table(title, ["", "ours", "jwst", "ratio"], rows), flush=True)


def _association(folder: Path) -> Path:
    made = simulate(folder, n_science=5, n_background=4)
    members = [{"expname": made.science[0].name, "exptype": "science"}]
    members += [{"expname": path.name, "exptype": "background"} for path in made.background]
    members += [{"expname": path.name, "exptype": "selfcal"} for path in made.science[1:]]
    path = folder / "bench_asn.json"
    table = {"asn_type": "spec2", "asn_pool": "pool", "asn_id": "a1"}
    path.write_text(json.dumps({**table, "products": [{"name": "p", "members": members}]}))
    return path


def _in_process(association: Path) -> list[str]:
    from jwst.badpix_selfcal.badpix_selfcal_step import BadpixSelfcalStep

    def ours() -> object:
        out = association.parent / "ours"
        return bps.selfcal(association, output_dir=out, save_flagged_bkg=True, overwrite=True)

    def theirs() -> object:
        return BadpixSelfcalStep.call(
            str(association),
            output_dir=str(association.parent / "theirs"),
            save_flagged_bkg=True,
            save_results=True,
            skip=False,
        )

    (association.parent / "theirs").mkdir()
    times = in_turns({"ours": ours, "jwst": theirs})
    return _row("in process (s)", {name: time / 1e3 for name, time in times.items()})


def _as_processes(association: Path) -> list[list[str]]:
    peaks: dict[str, float] = {}

    def run(name: str, code: str) -> Callable[[], object]:
        def once() -> None:
            out = str(association.parent / f"{name}-process")
            Path(out).mkdir(exist_ok=True)
            arguments = [sys.executable, "-c", code + PEAK, str(association), out]
            done = subprocess.run(arguments, capture_output=True, text=True, check=True)
            peak = int(done.stdout.split()[-1]) / 1024
            peaks[name] = max(peaks.get(name, 0.0), peak)

        return once

    times = in_turns({"ours": run("ours", OURS), "jwst": run("jwst", JWST)})
    return [
        _row("whole process (s)", {name: time / 1e3 for name, time in times.items()}),
        _row("peak memory (MiB)", peaks),
        ["import badpix_selfcal, in units of import numpy", _import_ratio(), "", ""],
    ]


def _row(name: str, figures: dict[str, float]) -> list[str]:
    ours, theirs = figures["ours"], figures["jwst"]
    return [name, f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.1f}x"]


def _import_ratio() -> str:
    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    times = in_turns({"ours": run("import badpix_selfcal"), "numpy": run("import numpy")})
    return f"{times['ours'] / times['numpy']:.2f}"
