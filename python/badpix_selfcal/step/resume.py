"""Resuming a batch: which outputs of an earlier run are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TypeAlias

from .._interrupts import result_of, submitted, threads
from ..files.location import Location
from ..files.outputs import existing
from ..instrument import Dispaxis
from ..messages import argument
from .minimum import MinimumImage
from .plan import Copy, Made, Plan, made_of
from .products import Product, names_of
from .provenance import combined_in, differences, lost_members
from .reader import Reader

__all__ = ["resumed"]

_Entry: TypeAlias = Callable[[int], str]
"""Returns the HISTORY entry of an output that is made of a number of exposures."""


def resumed(
    plans: Sequence[Plan],
    folder: Location,
    readers: int,
    products: Sequence[Product] = (),
    *,
    overwrite: bool,
) -> list[Plan]:
    """Return plans that keep what an earlier run has written.

    Outputs are kept that are whole and would be the same if written now. None is kept if it is not
    known which versions of its exposures there are.

    Parameters
    ----------
    plans : sequence of Plan
        The plans.
    folder : Path or RemoteFile
        The folder of their outputs, or the URL of one.
    readers : int
        Threads that read the headers of copies.
    products : sequence of Product, optional
        What is written for each mask besides the copies.
    overwrite : bool
        Whether outputs that were made with other parameters may be replaced.

    Raises
    ------
    FileExistsError
        If outputs were made with other parameters, unless `overwrite` is set.
    """
    differing: dict[Location, str] = {}
    found: list[Plan] = []
    for plan in plans:
        earlier, kept, done = _Earlier(plan), set[Copy](), set[str]()
        identity = plan.identity()
        for copy, made in _made(plan, folder, readers).items():
            entry = partial(plan.history, copy, "COMPLETE", identity)
            if (identity or plan.given) and copy.member.identity and earlier.is_same(made, entry):
                kept.add(copy)
            elif other := earlier.difference(made, entry):
                differing[copy.output] = other
        for axis, name, made in _made_products(plan, folder, products):
            entry_of_mask = partial(plan.history_of_mask, axis, identity)
            if identity and earlier.is_same(made, entry_of_mask):
                done.add(name)
            elif other := earlier.difference(made, entry_of_mask):
                differing[folder / name] = other
        found.append(replace(plan, kept=frozenset(kept), done=frozenset(done)))
    if differing and not overwrite:
        first, what = next(iter(differing.items()))
        others = f"; outputs that differ: {len(differing)}" if len(differing) > 1 else ""
        raise FileExistsError(
            f"{first}: was made with {what}{others}. To continue, give the same parameters; "
            f"otherwise pass {argument(overwrite=True)} too, or choose another output folder"
        )
    return found


class _Earlier:
    """How an earlier run made outputs, compared with how a plan would make them.

    A copy made without some members is kept only as long as these cannot be used.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._paths = {member.identity: member.path for member in plan.members}
        self._reader = Reader(with_errors=plan.needs_errors)

    def is_same(self, made: Made, entry: _Entry) -> bool:
        """Return whether an output would be the same if made now."""
        history, lost = lost_members(made.history)
        is_same = made._replace(history=history).is_by(entry(self._combined(made)))
        return is_same and all(map(self._is_still_unused, lost))

    def difference(self, made: Made, entry: _Entry) -> str:
        """Return in which parameters an output differs; empty if it does not.

        A cut that follows from the number of exposures is no difference.
        """
        if made.status != "COMPLETE" or not differences(made.history, entry(self._combined(made))):
            return ""
        return differences(made.history, entry(len(self._plan.members)))

    def _combined(self, made: Made) -> int:
        """Return how many exposures an output was made of; if not known, those of the plan."""
        return max(1, combined_in(made.history) or len(self._plan.members))

    @cache  # noqa: B019 - it lives as long as the plan is compared
    def _is_still_unused(self, identity: str) -> bool:
        """Return whether a member cannot be read now either, or still has no pedestal."""
        minimum = MinimumImage(self._plan.gap)
        try:
            measured = minimum.measure(*self._reader.images(self._paths[identity]))
        except (ValueError, OSError):
            return True
        return not math.isfinite(measured.level)


def _made(plan: Plan, folder: Location, readers: int) -> dict[Copy, Made]:
    """Return how the copies that exist were made; those that cannot be read are left out."""
    present = existing(folder, [copy.name for copy in plan.copies])
    copies = [copy for copy in plan.copies if copy.name in present]
    with threads(readers) as executor:
        reading = {copy: submitted(executor, made_of, copy.output) for copy in copies}
        found = {copy: result_of(call) for copy, call in reading.items()}
    return {copy: made for copy, made in found.items() if made is not None}


def _made_products(
    plan: Plan, folder: Location, products: Iterable[Product]
) -> Iterator[tuple[Dispaxis, str, Made]]:
    """Yield how the products that exist were made, without those that cannot be read."""
    for product in products:
        names = names_of(plan, product)
        present = existing(folder, names.values())
        for axis, name in names.items():
            history = product.made(folder / name) if name in present else None
            if history is not None:
                yield axis, name, Made("COMPLETE", history)
