"""The step and jwst's: on arrays, on files in one process, and in processes of their own."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
from jwst.badpix_selfcal.badpix_selfcal import badpix_selfcal as jwst_badpix_selfcal
from jwst.badpix_selfcal.badpix_selfcal_step import BadpixSelfcalStep

import badpix_selfcal as bps
from badpix_selfcal.simulate import simulate

from .images import image, ours
from .observation import Observation
from .processes import JWST, OURS, PYTHON, Process, in_memory, quiet, times_and_peaks
from .sizes import Sizes
from .tables import Table
from .timing import ALL, ONE, Row, Way, in_turns, once

__all__ = ["ARRAYS", "FILES", "MEMORY", "measure", "process_tables"]

ARRAYS: Final = "The step on arrays"
FRACTION, SIGMA, SIGMA_ALONE = "fraction cut", "sigma cut", "sigma cut without ERR"
MEMORY: Final = "Peak memory of the process"
FILES: Final = "The step on files, flagged backgrounds saved"
NOTE: Final = """\
1 science, {0} background and {0} selfcal exposures; {1}; the folder is in memory. The number of
threads is the default of each. A process is timed from the start of the interpreter to its end."""
MEMORY_NOTE: Final = """\
The largest physical memory of the process, interpreter and libraries included, in one run each. The
members beside the science exposure are backgrounds and selfcal exposures."""


def measure(sizes: Sizes) -> list[Table]:
    """Return the times and the peaks of this package and jwst."""
    arrays = [_array_step(sizes, 2), _array_step(sizes, 1)]
    tables = [Table(f"{ARRAYS}: minimum image to mask, k = 15, float32", arrays, ALL)]
    threads: dict[str, int | None] = {ONE: 1, ALL: None}
    cuts = [_cuts(sizes, axis, name, threads[name]) for axis in (2, 1) for name in threads]
    tables.append(
        Table("The cuts on arrays: minimum image to mask, k = 15, float32", cuts, FRACTION)
    )
    with quiet(), in_memory() as folder:
        tables += _on_files(Path(folder), sizes)
    return [*tables, Table("Importing, in processes of their own", [_imports(sizes)], "numpy")]


def process_tables(sizes: Sizes) -> list[Table]:
    """Return the times and the peaks of the step as a process."""
    with quiet(), in_memory() as folder:
        association = _observe(Path(folder), sizes).association(sizes.companions, sizes.companions)
        times, peaks = _as_processes(association, sizes)
    note = NOTE.format(sizes.companions, sizes.frame)
    return [Table(FILES, [times], base="ours", note=note), Table(MEMORY, [peaks], base="ours")]


def _array_step(sizes: Sizes, dispaxis: Literal[1, 2]) -> Row:
    minimum = image(sizes.shape)
    ways = ours(partial(bps.find_bad_pixels, minimum, dispaxis=dispaxis))
    ways["jwst"] = Way(partial(jwst_badpix_selfcal, minimum, dispaxis=dispaxis))
    return in_turns(f"dispersion along {' xy'[dispaxis]}", ways, sizes)


def _cuts(sizes: Sizes, dispaxis: Literal[1, 2], name: str, threads: int | None) -> Row:
    """Return the times of the fraction cut and of the sigma cut, with and without ERR."""
    minimum = image(sizes.shape)
    error = np.random.default_rng(2).uniform(0.9, 1.1, minimum.shape).astype(np.float32)
    find = partial(bps.find_bad_pixels, minimum, dispaxis=dispaxis)
    bps.set_num_threads(threads)
    ways = {
        FRACTION: Way(find),
        SIGMA: Way(partial(find, cut="sigma", error=error, n_exposures=4)),
        SIGMA_ALONE: Way(partial(find, cut="sigma", n_exposures=4)),
    }
    return in_turns(f"cuts, dispersion along {' xy'[dispaxis]}, {name}", ways, sizes)


def _on_files(folder: Path, sizes: Sizes) -> list[Table]:
    observation = _observe(folder, sizes)
    association = observation.association(sizes.companions, sizes.companions)
    processes, peaks = _as_processes(association, sizes)
    times = [_in_process(association, sizes), processes]
    by_members = _memory_by_members(observation, sizes)
    return [
        Table(FILES, times, base="ours", note=NOTE.format(sizes.companions, sizes.frame)),
        Table("The cuts on files", [_cuts_on_files(association, sizes)], base=FRACTION),
        Table(MEMORY, [peaks], base="ours"),
        Table(
            "Peak memory by members", by_members, base=_members(sizes.members[0]), note=MEMORY_NOTE
        ),
    ]


def _observe(folder: Path, sizes: Sizes) -> Observation:
    most = max(sizes.companions, (max(sizes.members) + 1) // 2)
    made = simulate(
        folder / "exposures", size=sizes.exposures, n_science=1 + most, n_background=most
    )
    return Observation(made)


def _in_process(association: Path, sizes: Sizes) -> Row:
    own_step = partial(
        bps.selfcal,
        association,
        output_dir=_new(association, "ours"),
        save_flagged_bkg=True,
        overwrite=True,
    )
    jwst_step = partial(
        BadpixSelfcalStep.call,
        str(association),
        output_dir=str(_new(association, "jwst")),
        save_flagged_bkg=True,
        save_results=True,
        skip=False,
    )
    bps.set_num_threads(None)
    return in_turns("in process", {"ours": Way(own_step), "jwst": Way(jwst_step)}, sizes)


def _cuts_on_files(association: Path, sizes: Sizes) -> Row:
    run = partial(bps.selfcal, association, save_flagged_bkg=True, overwrite=True)
    ways = {
        FRACTION: Way(partial(run, output_dir=_new(association, "fraction"))),
        SIGMA: Way(partial(run, output_dir=_new(association, "sigma"), cut="sigma")),
    }
    bps.set_num_threads(None)
    return in_turns("both cuts, in process", ways, sizes)


def _as_processes(association: Path, sizes: Sizes) -> tuple[Row, Row]:
    """Return the times and the peaks of whole processes."""
    processes = {
        name: Process(code, str(association), str(_new(association, f"{name}-process")))
        for name, code in (("ours", OURS), ("jwst", JWST))
    }
    return times_and_peaks(("as a process of its own", "peak memory"), processes, sizes)


def _memory_by_members(observation: Observation, sizes: Sizes) -> list[Row]:
    rows = []
    for name, code in (("ours", OURS), ("jwst", JWST)):
        peaks = {}
        for members in sizes.members:
            association = observation.association(members // 2, members - members // 2)
            process = Process(code, str(association), str(_new(association, name)))
            process.run()
            peaks[_members(members)] = process.peak
        rows.append(Row(f"peak memory by members, {name}", once(peaks, 1), unit="MiB"))
    return rows


def _members(companions: int) -> str:
    return f"{1 + companions} members"


def _imports(sizes: Sizes) -> Row:
    programs = {
        "bare interpreter": PYTHON,
        "numpy": "import numpy",
        # A function is imported, because the package alone does not import NumPy.
        "ours": "from badpix_selfcal import find_bad_pixels",
        "jwst": "import jwst.badpix_selfcal.badpix_selfcal_step",
    }
    ways = {name: Way(Process(code).run) for name, code in programs.items()}
    return in_turns("import", ways, sizes)


def _new(association: Path, name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=association.parent))
