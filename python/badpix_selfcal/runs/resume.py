"""Resuming a batch: which copies of an earlier run are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TypeAlias

from .._interrupts import threads
from ..files.location import Location
from ..files.outputs import existing
from ..messages import argument
from .minimum import MinimumImage
from .plan import Copy, Made, Plan, made_of
from .provenance import differences, lost_members
from .reader import Reader

__all__ = ["Kept", "kept_of", "without"]

Kept: TypeAlias = frozenset[Copy]
"""The copies that exist, are whole, and would be the same if written now."""


def kept_of(
    plans: Sequence[Plan], folder: Location, readers: int, *, overwrite: bool
) -> list[Kept]:
    """Return the copies of each plan that an earlier run has written and that are kept.

    Parameters
    ----------
    plans : sequence of Plan
        The plans.
    folder : Path or RemoteFile
        The folder of their copies, or the URL of one.
    readers : int
        Threads that read the headers of copies.
    overwrite : bool
        Whether copies that were made with other parameters may be replaced.

    Raises
    ------
    FileExistsError
        If copies were made with other parameters, unless `overwrite` is set.
    """
    kept: list[Kept] = []
    differing: dict[Location, str] = {}
    for plan in plans:
        unread, same = _Unread(plan), set[Copy]()
        for copy, made in _made(plan, folder, readers).items():
            entry = plan.history(copy, "COMPLETE", plan.identity())
            history, lost = lost_members(made.history)
            if made._replace(history=history).is_by(entry) and all(map(unread.is_still, lost)):
                same.add(copy)
            elif made.status == "COMPLETE" and (other := differences(made.history, entry)):
                differing[copy.output] = other
        kept.append(frozenset(same))
    if differing and not overwrite:
        first, what = next(iter(differing.items()))
        others = f"; outputs that differ: {len(differing)}" if len(differing) > 1 else ""
        raise FileExistsError(
            f"{first}: was made with {what}{others}. To continue, give the same parameters; "
            f"otherwise pass {argument(overwrite=True)} too, or choose another output folder"
        )
    return kept


def without(plan: Plan, done: Kept) -> Plan:
    """Return a plan without the copies that are kept."""
    return replace(plan, copies=tuple(copy for copy in plan.copies if copy not in done))


class _Unread:
    """The members that an earlier run could not read.

    A copy made without them is kept only as long as they cannot be read.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._paths = {member.identity: member.path for member in plan.members}
        self._reader = Reader(with_errors=plan.needs_errors)

    @cache  # noqa: B019 - it lives as long as the plan is compared
    def is_still(self, identity: str) -> bool:
        """Return whether a member cannot be read now either."""
        try:
            MinimumImage(self._plan.gap).measure(*self._reader.images(self._paths[identity]))
        except (ValueError, OSError):
            return True
        return False


def _made(plan: Plan, folder: Location, readers: int) -> dict[Copy, Made]:
    """Return how the copies that exist were made; those that cannot be read are left out."""
    present = existing(folder, [copy.name for copy in plan.copies])
    copies = [copy for copy in plan.copies if copy.name in present]
    with threads(readers) as executor:
        found = executor.map(lambda copy: made_of(copy.output), copies)
        return {copy: made for copy, made in zip(copies, found, strict=True) if made is not None}
