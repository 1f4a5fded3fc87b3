"""What `batch` and `apply` have in common: plans for a pool of exposures, carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..arrays.checks import check_workers
from ..errors import warn
from ..files.location import Location, absolute
from ..files.outputs import usual_remedy
from ..messages import argument, argument_name
from .collisions import refuse_collisions
from .execute import Tally, Workers, execute
from .local import Threads, workers_for
from .outcome import ExposureResult, Outcome
from .plan import Plan
from .pool import Group, Pool
from .products import MASK, Product, names_of
from .provenance import PAGE
from .results import BatchResult, GroupResult
from .resume import resumed

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Writing", "carried_out", "workers_of"]


@dataclass(frozen=True)
class Writing:
    """Where and how the outputs of a pool are written.

    Attributes
    ----------
    folder : Path or RemoteFile
        Their folder, or the URL of one.
    products : tuple of Product
        What is written for each mask besides the copies.
    readers : int or None
        Threads that read the headers of earlier outputs; None: as many as suit the folder.
    overwrite, no_sync, resume : bool
        As in `badpix_selfcal.batch`.
    """

    folder: Location
    products: tuple[Product, ...]
    readers: int | None
    overwrite: bool
    no_sync: bool
    resume: bool


def workers_of(
    locations: Sequence[Location],
    tally: Tally,
    *,
    workers: int | None,
    scheduler: str | Client | None,
    threads: int | None = None,
    with_errors: bool = False,
) -> tuple[Workers, Location]:
    """Return the workers of a run, and the folder of its outputs as they need it.

    Parameters
    ----------
    locations : sequence of Path or RemoteFile
        The folder of the outputs, and the inputs.
    tally : Tally
        Counts the copies that end.
    workers, scheduler, threads
        As in `badpix_selfcal.batch`.
    with_errors : bool, optional
        Whether the plans need the ERR of the exposures.

    Raises
    ------
    TypeError, ValueError
        If `workers` has a wrong type or value, or does not go with `scheduler`.
    """
    folder, *_ = locations
    if scheduler is None:
        count = workers_for(locations) if workers is None else check_workers(workers)
        return Threads(count, tally, with_errors=with_errors), folder
    for name, number in (("workers", workers), ("threads", threads)):
        if number is not None:
            raise ValueError(
                f"{argument_name(name)} is a number of threads of this process; leave it out "
                f"with {argument_name('scheduler')}, whose workers have threads of their own"
            )
    from .dask import Cluster

    return Cluster(scheduler, tally), absolute(folder)


def carried_out(
    found: Pool,
    groups: Sequence[Group],
    plans: Sequence[Plan],
    by: Workers,
    tally: Tally,
    how: Writing,
) -> BatchResult:
    """Carry out the plans of a pool; each copy appears on its own.

    Parameters
    ----------
    found : Pool
        The exposures.
    groups : sequence of Group
        The exposures of each plan.
    plans : sequence of Plan
        The plans.
    by : Workers
        They do the work. Their context is entered already.
    tally : Tally
        Counts the copies that end.
    how : Writing
        Where and how to write.

    Raises
    ------
    ExposureError
        If two outputs have the same name.
    FileExistsError
        If an output may not be written.
    OSError
        If the folder of the outputs cannot be made.
    """
    masks = (plan.given.location for plan in plans if plan.given is not None)
    refuse_collisions(
        ((copy.member.path, copy.name) for plan in plans for copy in plan.copies),
        (
            (plan.name, name)
            for plan in plans
            for product in how.products
            for name in names_of(plan, product).values()
        ),
        how.folder,
        (
            *(member.path for member in found.members),
            *found.failed,
            *found.ignored,
            *(mask for mask in masks if mask is not None),
        ),
        overwrite=how.overwrite or how.resume,
        remedy=f"{usual_remedy()}, {argument(resume=True)} to keep what is done",
    )
    if how.resume:
        readers = how.readers or workers_for([how.folder])
        plans = resumed(plans, how.folder, readers, how.products, overwrite=how.overwrite)
    tally.begin(sum(len(plan.missing) for plan in plans))
    outcomes = execute(
        plans,
        by,
        how.folder,
        together=False,
        overwrite=how.overwrite or how.resume,
        no_sync=how.no_sync,
        tally=tally,
        products=how.products,
    )
    pages = [page for each in outcomes for page in each.products.get(PAGE, {}).values()]
    unreadable = (ExposureResult(path, "FAILED", None, why) for path, why in found.failed.items())
    return BatchResult(
        tuple(_result(*each) for each in zip(groups, outcomes, strict=True)),
        tuple(unreadable),
        found.ignored,
        _index(how, pages),
    )


def _index(how: Writing, pages: list[Location]) -> Location | None:
    """List the pages of masks in a further page, if there are several.

    Warns if it cannot be written: all that it lists is there.
    """
    if not pages:
        return None
    from ..look.index import write_index

    try:
        return write_index(how.folder, pages)
    except OSError as error:
        warn(f"the page that lists the others is not written: {error}")
        return None


def _result(group: Group, outcome: Outcome) -> GroupResult:
    paths = tuple(member.path for member in group.members)
    results = outcome.results()
    for copy in outcome.plan.kept:
        results[copy.member.path] = ExposureResult(copy.member.path, "KEPT", copy.output)
    return GroupResult(
        name=group.name,
        members=paths,
        exposures=tuple(results[path] for path in paths if path in results),
        pedestals=outcome.pedestals,
        masks=outcome.masks,
        crowded_rows=outcome.crowded,
        flagged={axis: int(flags.sum()) for axis, flags in outcome.flags.items()},
        mask_files=outcome.products.get(MASK, {}),
        pages=outcome.products.get(PAGE, {}),
        unwritten=outcome.unwritten,
    )
