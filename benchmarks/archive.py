"""What a whole archive takes: ``python -m benchmarks.archive --exposures 40000 --threads 64``.

Measures what each part of a batch costs for one full-frame exposure, in one thread and with warm
caches, and adds it up. Times of a network or of disks are not in it: they follow from the bytes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import badpix_selfcal as bps
from badpix_selfcal.parameters import Parameters
from badpix_selfcal.runs import dask as cluster
from badpix_selfcal.runs.plan import Job, Mask, Plan, identity_of, masks_of, minimum_of, plan_of
from badpix_selfcal.runs.pool import Member, grouped, member_of
from badpix_selfcal.simulate import simulate

ROUNDS: Final = 5
TASKS: Final = 500
"""Empty tasks by which the scheduler's own time is measured."""


@dataclass(frozen=True)
class Costs:
    """What the parts cost.

    Attributes
    ----------
    headers, combine, copy : float
        To read an exposure's headers, to read it, measure its pedestal and fold it, to write its
        flagged copy, s.
    merge, mask : float
        To combine two images, to find a mask, s.
    task : float or None
        What the scheduler takes for a task, s; None without Dask.
    sci, file, packed : int
        SCI, the whole file and a mask as it is sent, bytes.
    """

    headers: float
    combine: float
    copy: float
    merge: float
    mask: float
    task: float | None
    sci: int
    file: int
    packed: int


def measure(count: int = 6, size: int | None = None) -> Costs:
    """Measure the costs on simulated exposures.

    Parameters
    ----------
    count : int, optional
        Exposures.
    size : int or None, optional
        Rows and columns of a subarray; None: the full frame.
    """
    bps.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="badpix-selfcal-") as name:
        folder = Path(name)
        window = None if size is None else (size, size)
        made = simulate(folder, size=window, n_science=count, n_background=0)
        members = [member_of(path) for path in made.science]
        paths = [member.path for member in members]
        (group,) = grouped(members)
        plan = plan_of(group, Parameters(), folder / "out")
        minimum, _ = minimum_of(paths, plan.gap)
        masks = masks_of(minimum, plan)
        mask = masks[plan.outputs[0].dispaxis].mask
        part, _ = minimum_of(paths[:1], plan.gap)
        return Costs(
            headers=_time(lambda: [member_of(path) for path in paths]) / count,
            combine=_time(lambda: minimum_of(paths, plan.gap)) / count,
            copy=_time(lambda: _copies(plan, members, mask)) / count,
            merge=_time(lambda: part.merge(minimum)),
            mask=_time(lambda: masks_of(minimum, plan)),
            task=_scheduling(),
            sci=part.image.nbytes if part.image is not None else 0,
            file=made.science[0].stat().st_size,
            packed=len(cluster._packed(mask)),
        )


def _copies(plan: Plan, members: Sequence[Member], mask: Mask) -> None:
    used = identity_of(members)
    for output in plan.outputs:
        told = output.history(plan, "COMPLETE", used)
        job = Job(output, "COMPLETE", told, overwrite=True)
        output.path.parent.mkdir(exist_ok=True)
        job.prepare(job.read()).write(mask, overwrite=True)


def _time(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def _scheduling() -> float | None:
    """Return how long a scheduler takes for a task that does nothing."""
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
    """Return what an archive takes.

    Parameters
    ----------
    costs : Costs
        Of one exposure.
    exposures, groups : int
        Exposures in all, and masks to be found.
    threads : int
        Threads of all workers together.
    """
    leaves = exposures / cluster.LEAF
    merges = leaves / (cluster.FAN - 1)
    tasks = exposures / cluster.LISTED + leaves + merges + exposures / cluster.COPIES
    work = {
        "headers": (exposures, costs.headers),
        "read, pedestal, fold": (exposures, costs.combine),
        "combine images": (leaves + merges, costs.merge),
        "mask": (groups, costs.mask),
        "flag and write": (exposures, costs.copy),
    }
    lines = ["| part | times | each, ms | together, h |", "|---|---|---|---|"]
    for name, (count, each) in work.items():
        lines.append(f"| {name} | {count:.0f} | {1e3 * each:.2f} | {count * each / 3600:.3f} |")
    total = sum(count * each for count, each in work.values())
    read, written = exposures * (costs.sci + costs.file), exposures * costs.file
    lines += [
        f"\n{total / 3600:.2f} h of one thread, {total / threads / 60:.1f} min of {threads}.",
        f"{read / 1e12:.2f} TB read ({costs.sci / 1e6:.2f} MB of SCI and {costs.file / 1e6:.2f} MB "
        f"of file for each exposure), {written / 1e12:.2f} TB written; at 1 GB/s "
        f"{(read + written) / 1e9 / 60:.0f} min.",
        f"{tasks:.0f} tasks; {costs.packed / 1e3:.1f} kB of mask are sent with each that writes.",
    ]
    if costs.task is not None:
        lines.append(
            f"The scheduler takes {1e3 * costs.task:.2f} ms for a task, "
            f"{tasks * costs.task / 60:.1f} min in all."
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description=__doc__)
    parser.add_argument("--exposures", type=int, default=40_000, help="default: %(default)s")
    parser.add_argument("--groups", type=int, default=2, help="masks (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--size", type=int, help="rows and columns (default: the full frame)")
    given = parser.parse_args(arguments)
    print(report(measure(size=given.size), given.exposures, given.groups, given.threads))


if __name__ == "__main__":
    main()
