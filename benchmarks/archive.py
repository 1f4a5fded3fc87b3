"""The cost of a whole archive: ``python -m benchmarks.archive --exposures 40000 --threads 64``.

Measures the time of each part of a batch for one full-frame exposure, in one thread and with warm
caches, and adds up the times for all exposures. The times of network and disks are not included;
they follow from the number of bytes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import badpix_selfcal as bps
from badpix_selfcal.files import exposure
from badpix_selfcal.instrument import gap_of
from badpix_selfcal.simulate import simulate
from badpix_selfcal.step import dask as cluster
from badpix_selfcal.step.minimum import Minimum, minimum_of

ROUNDS: Final = 5
TASKS: Final = 500
"""Number of empty tasks that measure the time of the scheduler."""


@dataclass(frozen=True)
class Costs:
    """The costs of the parts.

    Attributes
    ----------
    headers : float
        Time to read the headers of an exposure, s.
    combine : float
        Time to read an exposure, measure its pedestal and fold it into the minimum image, s.
    copy : float
        Time to write a flagged copy, s.
    merge : float
        Time to combine two images, s.
    mask : float
        Time to find a mask, s.
    task : float or None
        Time of the scheduler for a task, s. None: Dask is not installed.
    sci, file : int
        Sizes of SCI and of the whole file, bytes.
    """

    headers: float
    combine: float
    copy: float
    merge: float
    mask: float
    task: float | None
    sci: int
    file: int


def measure(count: int = 6, size: int | None = None) -> Costs:
    """Measure the costs on simulated exposures.

    Parameters
    ----------
    count : int, optional
        Number of exposures.
    size : int or None, optional
        Rows and columns of a subarray. None: the full frame.
    """
    bps.set_num_threads(1)
    with (
        tempfile.TemporaryDirectory(prefix="badpix-selfcal-") as name,
        ThreadPoolExecutor(1) as executor,
    ):
        folder = Path(name)
        window = None if size is None else (size, size)
        made = simulate(folder, size=window, n_science=count, n_background=0)
        exposures = [exposure.read(path) for path in made.science]
        gap = gap_of(exposures[0].detector)

        def combine(number: int = count) -> Minimum:
            return minimum_of(exposures[:number], gap, executor, with_errors=False, ahead=2)

        def find() -> bps.BadPixels:
            assert minimum.image is not None  # all exposures can be used
            return bps.find_bad_pixels(minimum.image, dispaxis=2)

        def copy() -> None:
            for number, each in enumerate(exposures):
                each.write_copy(folder / f"{number}.fits", mask, {}, "a copy")

        minimum, part = combine(), combine(1)
        mask = find().mask
        return Costs(
            headers=_time(lambda: [*map(exposure.read, made.science)]) / count,
            combine=_time(combine) / count,
            copy=_time(copy) / count,
            merge=_time(lambda: part.merge(minimum)),
            mask=_time(find),
            task=_scheduling(),
            sci=exposures[0].science().nbytes,
            file=made.science[0].stat().st_size,
        )


def _time(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def _scheduling() -> float | None:
    """Return the time of a scheduler for an empty task, s; None without Dask."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        return None
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as local,
        Client(local) as client,
    ):
        client.submit(int).result()
        start = time.perf_counter()
        client.gather(client.map(int, range(TASKS)))
        return (time.perf_counter() - start) / TASKS


def report(costs: Costs, exposures: int, groups: int, threads: int) -> str:
    """Return the cost of an archive as text.

    Parameters
    ----------
    costs : Costs
        The costs for one exposure.
    exposures, groups : int
        Numbers of exposures and of masks.
    threads : int
        Number of threads of all workers together.
    """
    leaves = exposures / cluster.LEAF
    merges = leaves / (cluster.FAN - 1)
    tasks = leaves + merges + exposures / cluster.COPIES
    work = {
        "headers": (exposures, costs.headers),
        "read, pedestal, fold": (exposures, costs.combine),
        "combine images": (leaves + merges, costs.merge),
        "mask": (groups, costs.mask),
        "flag and write": (exposures, costs.copy),
    }
    lines = ["| part | count | each, ms | total, h |", "|---|---|---|---|"]
    for name, (count, each) in work.items():
        lines.append(f"| {name} | {count:.0f} | {1e3 * each:.2f} | {count * each / 3600:.3f} |")
    total = sum(count * each for count, each in work.values())
    read, written = exposures * (costs.sci + costs.file), exposures * costs.file
    lines += [
        f"\n{total / 3600:.2f} h of one thread, {total / threads / 60:.1f} min of {threads}.",
        f"{read / 1e12:.2f} TB read ({costs.sci / 1e6:.2f} MB of SCI and {costs.file / 1e6:.2f} MB "
        f"of file for each exposure), {written / 1e12:.2f} TB written; at 1 GB/s "
        f"{(read + written) / 1e9 / 60:.0f} min.",
        f"{tasks:.0f} tasks.",
    ]
    if costs.task is not None:
        lines.append(
            f"The scheduler needs {1e3 * costs.task:.2f} ms for a task, "
            f"{tasks * costs.task / 60:.1f} min in all."
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description=__doc__)
    parser.add_argument("--exposures", type=int, default=40_000, help="default: %(default)s")
    parser.add_argument(
        "--groups", type=int, default=2, help="number of masks (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--size", type=int, help="rows and columns (default: the full frame)")
    given = parser.parse_args(arguments)
    print(report(measure(size=given.size), given.exposures, given.groups, given.threads))


if __name__ == "__main__":
    main()
