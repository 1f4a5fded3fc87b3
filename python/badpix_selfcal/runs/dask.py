"""The same on a Dask cluster: what `workforce.Threads` does in this process, its workers do.

Each of the first tasks combines a few exposures into one image; a tree of further tasks combines
those; the mask is found here and sent along with the copies to be made. Never are more tasks under
way than a few a worker, so that neither the workers' memory nor the scheduler's grows with the
number of exposures. A task that was lost with its worker is simply done again: what it has read is
still there, and copies are renamed into place when they are whole.
"""

from __future__ import annotations

import os
import re
import socket
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar
from uuid import uuid4

import numpy as np

from .._kernels import set_num_threads
from ..detectors import Region
from ..files.remote import Location
from ..threads import VARIABLE
from .local import Tally
from .minimum import MinimumImage
from .plan import Job, Mask, Plan, minimum_of
from .pool import Listed, Member, Pool, members_of, read

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as Remote

__all__ = ["Cluster"]

LISTED: Final = 64
"""Exposures whose headers one task reads."""

LEAF: Final = 16
"""Exposures that one task combines into one image."""

FAN: Final = 8
"""Images that one task combines into one."""

COPIES: Final = 8
"""Copies that one task makes."""

AHEAD: Final = 2
"""Tasks under way for each thread of a worker."""

PATIENCE: Final = 60
"""How long to wait for workers, s."""

Part: TypeAlias = tuple[MinimumImage, dict[Location, str]]

_Given = TypeVar("_Given")


class Cluster:
    """The workers of a Dask cluster; does what `workforce.Workforce` tells.

    Parameters
    ----------
    scheduler : str or Client
        The address of its scheduler, or a client of it, which is left open.
    tally : Tally
        Whom to tell of exposures that are done.

    Raises
    ------
    RuntimeError
        When it is entered, if Dask is not installed.
    OSError
        When it is entered, if the cluster cannot be reached or has no workers.
    """

    def __init__(self, scheduler: str | Client, tally: Tally) -> None:
        self._exits = ExitStack()
        self._scheduler = scheduler
        self._tally = tally
        self._waiting: list[_Copy] = []
        self._copying: dict[Remote, list[_Copy]] = {}
        self._outputs: list[Path] = []
        self._packed: tuple[Mask | None, bytes | None] = (None, None)

    def __enter__(self) -> Self:
        with self._exits:
            self._client = self._connected()
            self._most = AHEAD * self._threads()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._exits, suppress(Exception):  # what went wrong before is what is told
            self._client.cancel([*self._copying])
            _remove_leftovers(self._outputs)

    def read(self, inputs: Iterable[Location], background: Iterable[Location]) -> Pool:
        """Read the headers of exposures."""
        with self._telling():
            return read(inputs, background, read_each=self._members_of)

    def minimum_of(self, plan: Plan) -> Part:
        """Combine the exposures of a group."""
        paths = [member.path for member in plan.group.members]
        with self._telling():
            leaves = (partial(_part, chunk, plan.gap) for chunk in _chunks(paths, LEAF))
            return self._reduced(leaves)

    def write(self, job: Job, mask: Mask | None) -> Future[Path]:
        """Have a copy written, together with the next ones of the same mask."""
        if mask is not self._packed[0]:
            self._flush()
            self._packed = (mask, None if mask is None else _packed(mask))
        copy = _Copy(job)
        self._outputs.append(job.output.path)
        self._waiting.append(copy)
        if len(self._waiting) >= COPIES:
            self._flush()
        return copy.future

    def finish(self) -> None:
        """Wait for all copies."""
        self._flush()
        while self._copying:
            self._wait()

    def _connected(self) -> Client:
        try:
            from distributed import Client
        except ImportError as error:
            raise RuntimeError(
                f"a scheduler needs Dask, which cannot be imported ({error}): pip install "
                '"badpix-selfcal[dask]"'
            ) from error
        if isinstance(self._scheduler, Client):
            return self._scheduler
        return self._exits.enter_context(Client(self._scheduler, set_as_default=False))

    def _threads(self) -> int:
        """Return the threads of all workers, for the first of which it waits."""
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise TimeoutError(
                f"no worker has come to {self._client.scheduler.address} within {PATIENCE} s"
            ) from None
        return sum(self._client.nthreads().values())

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell what has become of the cluster in a few words."""
        from distributed import KilledWorker

        try:
            yield
        except KilledWorker as error:
            raise RuntimeError(f"workers died of the same task again and again: {error}") from error
        except CancelledError as error:
            raise ConnectionError(f"the cluster has gone: {error}") from error

    def _submit(self, task: Callable[..., Any], *given: Any) -> Remote:
        # Never the same key twice: the files may have changed since Dask was asked before.
        function = task.func if isinstance(task, partial) else task
        key = f"badpix{function.__name__}-{uuid4().hex}"
        return self._client.submit(_settled, task, _here(), *given, key=key)

    def _members_of(self, listed: list[Listed]) -> Iterator[Member | str]:
        absolute = ((_absolute(path), is_background) for path, is_background in listed)
        tasks = (partial(_listed, chunk) for chunk in _chunks(absolute, LISTED))
        coming: list[Remote] = []
        for task in tasks:
            coming.append(self._submit(task))
            if len(coming) > self._most:
                yield from coming.pop(0).result()
        for future in coming:
            yield from future.result()

    def _reduced(self, leaves: Iterator[Callable[[], Part]]) -> Part:
        from distributed import as_completed

        parts: dict[int, list[Remote]] = defaultdict(list)  # by their level in the tree
        first = [self._submit(leaf) for leaf in islice(leaves, self._most)]
        levels = {future.key: 0 for future in first}
        under_way = as_completed(first, loop=self._client.loop)
        del first  # or all would be kept
        for future in under_way:
            level = levels.pop(future.key)
            parts[level].append(future)
            following = []
            if len(parts[level]) == FAN:
                following.append((self._submit(_merged, parts.pop(level)), level + 1))
            room = self._most - len(levels) - len(following)
            following += [(self._submit(leaf), 0) for leaf in islice(leaves, max(room, 0))]
            for started, at in following:
                levels[started.key] = at
                under_way.add(started)
        left = [future for each in parts.values() for future in each]
        result: Part = self._submit(_merged, left).result()
        return result

    def _flush(self) -> None:
        """Begin the copies that wait."""
        if self._waiting:
            if len(self._copying) >= self._most:
                self._wait()
            jobs = [copy.job for copy in self._waiting]
            self._copying[self._submit(_copied, jobs, self._packed[1])] = self._waiting
            self._waiting = []

    def _wait(self) -> None:
        from distributed import as_completed

        for future in as_completed([*self._copying], loop=self._client.loop).next_batch():
            copies = self._copying.pop(future)
            try:
                with self._telling():
                    errors = future.result()
            except (RuntimeError, ConnectionError) as trouble:
                errors = [OSError(str(trouble))] * len(copies)
            for copy, error in zip(copies, errors, strict=True):
                copy.end(error)
            self._tally.tell(len(copies))


@dataclass(frozen=True)
class _Copy:
    """A copy that is being made elsewhere, and what tells its end here."""

    job: Job
    future: Future[Path]

    def __init__(self, job: Job) -> None:
        object.__setattr__(self, "job", job)
        object.__setattr__(self, "future", Future())

    def end(self, error: Exception | None) -> None:
        if error is None:
            self.future.set_result(self.job.output.path)
        else:
            self.future.set_exception(error)


def _settled(task: Callable[..., _Given], client: tuple[str, int], *given: Any) -> _Given:
    """Do a task with as many threads as the worker has been given."""
    from distributed import get_worker

    # Not in the client's own process, whose threads are its user's to set.
    if client != _here() and not os.environ.get(VARIABLE):
        set_num_threads(get_worker().state.nthreads)
    return task(*given)


def _listed(listed: list[Listed]) -> list[Member | str]:
    return members_of(listed)


def _part(paths: list[Location], gap: Region | None) -> Part:
    return minimum_of(paths, gap)


def _merged(parts: list[Part]) -> Part:
    """Combine parts; those given are left as they are, for they may be needed again."""
    minimum, failed = MinimumImage(parts[0][0].gap), dict[Location, str]()
    for part, failed_there in parts:
        minimum.merge(part)
        failed |= failed_there
    return minimum, failed


def _copied(jobs: list[Job], packed: bytes | None) -> list[Exception | None]:
    """Make copies; tell of each what went wrong."""
    return [_copy_of(job, packed) for job in jobs]


def _copy_of(job: Job, packed: bytes | None) -> Exception | None:
    mask = None if packed is None else _unpacked(packed, job.output.member.shape)
    try:
        prepared = job.prepare(job.read())
        # What is there was not when the batch began, but made by a worker that then was lost.
        prepared.write(mask, overwrite=True)
    except (ValueError, OSError) as error:
        return OSError(str(error))  # not all errors can be sent as they are
    return None


def _packed(mask: Mask) -> bytes:
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def _unpacked(packed: bytes, shape: tuple[int, ...]) -> Mask:
    bits = np.frombuffer(zlib.decompress(packed), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).view(np.bool_)


def _remove_leftovers(outputs: Iterable[Path]) -> None:
    """Remove what workers that were killed have left half written beside the outputs."""
    part = re.compile(r"\.(.*)\.[0-9a-f]{16}\.part")
    names: dict[Path, set[str]] = defaultdict(set)
    for path in outputs:
        names[path.parent].add(path.name[:100])
    for folder, ours in names.items():
        for path in folder.glob(".*.part"):
            found = part.fullmatch(path.name)
            if found is not None and found[1] in ours:
                path.unlink(missing_ok=True)


def _absolute(location: Location) -> Location:
    return location.absolute() if isinstance(location, Path) else location


def _here() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _chunks(items: Iterable[_Given], size: int) -> Iterator[list[_Given]]:
    remaining = iter(items)
    while chunk := [*islice(remaining, size)]:
        yield chunk
