"""A batch of exposures, and jwst's step on the association of each, as whole processes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.simulate import simulate

from .processes import Process, in_memory, quiet, times_and_peaks
from .sizes import Sizes
from .tables import Table
from .timing import Row, Way, in_turns

__all__ = ["BATCH", "BATCH_PEAK", "measure"]

BATCH: Final = "a batch of two detectors"
BATCH_PEAK: Final = "peak memory of the batch"
DETECTORS: Final = ("MIRIFUSHORT", "MIRIFULONG")

NOTE: Final = """\
{0} science exposures of each of two detectors ({1}). jwst: its step on the association of each
exposure, one after another in one process. Each association has the {0} exposures of its detector
as selfcal members. Ours: `batch`. Ours, one by one: `selfcal` on the same associations. All planes
of all outputs were compared and are equal. A process is timed from the start of the interpreter to
its end."""

OURS: Final = """
import sys
import badpix_selfcal as bps
result = bps.batch(sys.argv[1], output_dir=sys.argv[2], overwrite=True)
if result.failed:
    sys.exit(result.failed[0].error)
"""

OURS_EACH: Final = """
import sys
from pathlib import Path
import badpix_selfcal as bps
for path in sorted(Path(sys.argv[1]).glob("*_spec2_asn.json")):
    bps.selfcal(path, output_dir=sys.argv[2], overwrite=True)
"""

JWST_EACH: Final = """
import sys
from pathlib import Path
from jwst.badpix_selfcal.badpix_selfcal_step import BadpixSelfcalStep
for path in sorted(Path(sys.argv[1]).glob("*_spec2_asn.json")):
    name = path.name.removesuffix("_spec2_asn.json")
    BadpixSelfcalStep.call(
        str(path), output_dir=sys.argv[2], output_file=name, save_results=True, skip=False
    )
"""


def measure(sizes: Sizes) -> list[Table]:
    """Return the times and the peaks, after a check that the outputs are equal."""
    with quiet(), in_memory() as name:
        folder = Path(name)
        small = _small(folder, sizes)
        for detector in DETECTORS:
            simulate(
                folder / "exposures",
                detector=detector,
                size=sizes.exposures,
                n_science=sizes.batch,
                n_background=0,
            )
        made = bps.associate(folder / "exposures", overwrite=True)
        times, peaks = _as_processes(folder, sizes)
        for each in made:
            _refuse_difference(folder, each.product)
    note = NOTE.format(sizes.batch, sizes.frame)
    return [
        Table("Many exposures: one mask for each detector", [times, peaks], "ours", note),
        Table("A batch of small exposures, in process and in memory", [small]),
    ]


def _small(folder: Path, sizes: Sizes) -> Row:
    count, rows, columns = sizes.small
    made = simulate(folder / "small", size=(rows, columns), n_science=count, n_background=0)
    run = partial(bps.batch, made.science, output_dir=folder / "small-out", overwrite=True)
    bps.set_num_threads(None)
    return in_turns(f"a batch of {count} of {rows} x {columns}", {"ours": Way(run)}, sizes)


def _as_processes(folder: Path, sizes: Sizes) -> tuple[Row, Row]:
    """Return the times and the peaks of whole processes."""
    programs = {"ours": OURS, "ours, one by one": OURS_EACH, "jwst": JWST_EACH}
    processes = {}
    for name, code in programs.items():
        (folder / name).mkdir()
        processes[name] = Process(code, str(folder / "exposures"), str(folder / name))
    return times_and_peaks(
        (BATCH, BATCH_PEAK), processes, sizes, hurried=processes.keys() - {"ours"}
    )


def _refuse_difference(folder: Path, product: str) -> None:
    names = {"ours": "badpix_selfcal", "ours, one by one": "badpix_selfcal"}
    with fits.open(folder / "jwst" / f"{product}_badpixselfcalstep.fits") as theirs:
        for way, suffix in names.items():
            with fits.open(folder / way / f"{product}_{suffix}.fits") as ours:
                for plane in ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"):
                    if not np.array_equal(
                        ours[plane].data, theirs[plane].data, equal_nan=plane != "DQ"
                    ):
                        raise RuntimeError(f"{way} and jwst differ in {plane} of {product}")
