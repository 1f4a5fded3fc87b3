"""The work of a run, done by the workers of a Dask cluster.

The first tasks each combine a few exposures into one image. A tree of further tasks combines these
images. The client finds the mask and sends it to the tasks that write copies. Dask gives each
worker a few tasks at a time; further limits were not faster (400 copies on three workers: 1.7 to
2.9 s with them, 1.8 to 2.6 s without). A task lost with its worker is repeated. This is safe: its
inputs still exist, and copies are renamed to their final names when they are whole.
"""

from __future__ import annotations

import os
import re
import socket
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar
from uuid import uuid4

import numpy as np

from .._kernels import set_num_threads
from ..detectors import Region
from ..errors import ExposureError
from ..files.folder import cut
from ..files.location import Location, absolute
from ..messages import argument_name, extra
from ..threads import VARIABLE
from .execute import Tally
from .member import Listed, Member, members_of
from .minimum import Failed, MinimumImage, combine
from .plan import Job, Mask, Plan, made_of
from .reader import AHEAD as READ_AHEAD
from .reader import Reader

if TYPE_CHECKING:
    from distributed import Client, Worker
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

POLL: Final = 0.1
"""Time between two looks at whether the workers are still busy, s."""

PATIENCE: Final = 60
"""Time to wait for the first worker, s."""

Combined: TypeAlias = tuple[MinimumImage, Failed]

_Given = TypeVar("_Given")


class Cluster:
    """The workers of a Dask cluster; implements `badpix_selfcal.runs.execute.Workers`.

    Parameters
    ----------
    scheduler : str or Client
        The address of its scheduler, or a client of it, which stays open.
    tally : Tally
        Counts the copies that end.

    Raises
    ------
    RuntimeError
        When the context is entered, if Dask is not installed.
    OSError
        When the context is entered, if the cluster cannot be reached or has no workers.
    """

    def __init__(self, scheduler: str | Client, tally: Tally) -> None:
        self._exits = ExitStack()
        self._scheduler = scheduler
        self._tally = tally
        self._waiting: list[_PendingCopy] = []
        self._submitted: dict[Remote, list[_PendingCopy]] = {}
        self._outputs: list[Location] = []
        self._packed: tuple[Mask | None, bytes | None] = (None, None)

    def __enter__(self) -> Self:
        with self._exits:
            self._client = self._connected()
            self._require_worker()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._exits, suppress(Exception):  # must not hide an earlier error
            self.stop()

    def read(self, listed: Iterable[Listed]) -> Iterator[Member | Exception]:
        """Read headers."""
        named = (replace(each, path=absolute(each.path)) for each in listed)
        with self._plain_errors():
            for future in [self._submit(_read, chunk) for chunk in _chunks(named, LISTED)]:
                yield from future.result()

    def combine(self, plan: Plan) -> Combined:
        """Combine the members of a plan.

        One graph holds the whole tree, so that Dask orders it depth first and merges images soon.
        Measured on three workers of one thread with 2000 leaves: 16.2, 13.5 and 14.2 s with 39 to
        49 images at a time. A tree of single tasks, submitted a few at a time by the client, took
        20.9, 17.3 and 16.3 s with 31 to 35 images.
        """
        stamps = [(member.path, member.stamp) for member in plan.members]
        with self._plain_errors():
            images = [
                self._delayed(_combine, chunk, plan.gap, with_errors=plan.needs_errors)
                for chunk in _chunks(stamps, LEAF)
            ]
            while len(images) > 1:
                images = [self._delayed(_merge, chunk) for chunk in _chunks(images, FAN)]
            result: Combined = self._client.compute(images[0]).result()
        return result

    def write(self, job: Job, mask: Mask | None) -> Future[None]:
        """Write a copy later, together with the next ones of the same mask."""
        if mask is not self._packed[0]:
            self._flush()
            self._packed = (mask, None if mask is None else _packed(mask))
        pending = _PendingCopy(job, Future())
        self._outputs.append(job.copy.output)
        self._waiting.append(pending)
        if len(self._waiting) >= COPIES:
            self._flush()
            for task in [task for task in self._submitted if task.done()]:
                self._end(task, self._submitted.pop(task))
        return pending.future

    def finish(self) -> None:
        """Wait for all copies."""
        from distributed import as_completed

        self._flush()
        for task in as_completed([*self._submitted], loop=self._client.loop):
            self._end(task, self._submitted.pop(task))

    def stop(self) -> None:
        """Cancel tasks that have not started, and wait for those that have.

        Removes the incomplete files of killed workers.
        """
        if self._submitted:
            self._client.cancel([*self._submitted])
            ours = {task.key for task in self._submitted}
            while any(self._client.run(_is_busy, ours, on_error="ignore").values()):
                time.sleep(POLL)
        _remove_leftovers(self._outputs)

    def _connected(self) -> Client:
        try:
            from distributed import Client
        except ImportError as error:
            raise RuntimeError(
                f"{argument_name('scheduler')} needs Dask, which cannot be imported ({error}): "
                f"{extra('dask')}"
            ) from error
        if isinstance(self._scheduler, Client):
            return self._scheduler
        return self._exits.enter_context(Client(self._scheduler, set_as_default=False))

    def _require_worker(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise TimeoutError(
                f"{self._client.scheduler.address}: no worker has started within {PATIENCE} s"
            ) from None

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn failures of the cluster into short errors."""
        from distributed import KilledWorker

        try:
            yield
        except KilledWorker as error:
            raise RuntimeError(f"workers died repeatedly during the same task: {error}") from error
        except CancelledError as error:
            raise ConnectionError(f"the cluster has gone: {error}") from error

    def _submit(self, task: Callable[..., Any], *given: Any) -> Remote:
        return self._client.submit(_with_own_threads, task, _this_process(), *given, key=_key(task))

    def _delayed(self, task: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Return a task of a graph that is computed later."""
        from dask.delayed import delayed

        make = delayed(_with_own_threads)
        return make(task, _this_process(), *given, dask_key_name=_key(task), **named)

    def _flush(self) -> None:
        """Submit the waiting copies."""
        if self._waiting:
            jobs = [each.job for each in self._waiting]
            self._submitted[self._submit(_write, jobs, self._packed[1])] = self._waiting
            self._waiting = []

    def _end(self, task: Remote, ended: list[_PendingCopy]) -> None:
        """Set the results of the copies that a task has written."""
        try:
            with self._plain_errors():
                errors = task.result()
        except (RuntimeError, ConnectionError) as failure:
            errors = [OSError(str(failure))] * len(ended)
        for each, error in zip(ended, errors, strict=True):
            if error is None:
                each.future.set_result(None)
            else:
                each.future.set_exception(error)
        self._tally.add(len(ended))


@dataclass(frozen=True)
class _PendingCopy:
    """A copy to be written by a worker, and the future that ends when it is written."""

    job: Job
    future: Future[None]


def _key(task: Callable[..., Any]) -> str:
    """Return a unique key: Dask would otherwise return results computed from older files."""
    return f"badpix{task.__name__}-{uuid4().hex}"


def _with_own_threads(
    task: Callable[..., _Given], client: tuple[str, int], *given: Any, **named: Any
) -> _Given:
    """Run a task with as many threads as its Dask worker has."""
    from distributed import get_worker

    # The client's own process, which may run workers too, keeps its user's setting.
    if client != _this_process() and not os.environ.get(VARIABLE):
        set_num_threads(get_worker().state.nthreads)
    return task(*given, **named)


def _read(listed: list[Listed]) -> list[Member | Exception]:
    with ThreadPoolExecutor(READ_AHEAD) as executor:
        found = members_of(listed, Reader(), executor)
        return [_sendable(each) if isinstance(each, Exception) else each for each in found]


def _combine(
    stamps: list[tuple[Location, str]], gap: Region | None, *, with_errors: bool
) -> Combined:
    reader = Reader(with_errors=with_errors, stamps=dict(stamps))
    with ThreadPoolExecutor(READ_AHEAD) as executor:
        minimum, failed = combine([path for path, _ in stamps], gap, reader, executor)
    return minimum, {path: _sendable(error) for path, error in failed.items()}


def _merge(images: list[Combined]) -> Combined:
    """Merge minimum images. They are not modified, because Dask may need them again."""
    minimum, failed = MinimumImage(images[0][0].gap), Failed()
    for image, failed_exposures in images:
        minimum.merge(image)
        failed |= failed_exposures
    return minimum, failed


def _write(jobs: list[Job], packed: bytes | None) -> list[Exception | None]:
    """Write copies; return the error of each."""
    return [_error_of(job, packed) for job in jobs]


def _error_of(job: Job, packed: bytes | None) -> Exception | None:
    mask = None if packed is None else _unpacked(packed, job.copy.member.shape)
    try:
        try:
            job.write(mask, Reader())
        except FileExistsError:
            # A worker that was lost later may have written this copy.
            made = made_of(job.copy.output)
            if made is None or not made.is_by(job.history, job.status):
                raise
    except (ExposureError, OSError) as error:
        return _sendable(error)
    return None


def _is_busy(ours: set[str], dask_worker: Worker) -> bool:
    """Return whether a worker still runs one of our tasks; cancelled ones run to their end."""
    return any(task.key in ours for task in dask_worker.state.executing)


def _sendable(error: Exception) -> Exception:
    """Return the error as an OSError, which any process can unpickle."""
    return OSError(str(error))


def _packed(mask: Mask) -> bytes:
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def _unpacked(packed: bytes, shape: tuple[int, ...]) -> Mask:
    bits = np.frombuffer(zlib.decompress(packed), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).view(np.bool_)


def _remove_leftovers(outputs: Iterable[Location]) -> None:
    """Remove the incomplete files that killed workers have left beside the outputs."""
    part = re.compile(r"\.(.*)\.[0-9a-f]{16}\.part")
    names: dict[Path, set[str]] = defaultdict(set)
    for path in outputs:
        if isinstance(path, Path):
            names[path.parent].add(cut(path.name))
    for folder, ours in names.items():
        for path in folder.glob(".*.part"):
            found = part.fullmatch(path.name)
            if found is not None and found[1] in ours:
                path.unlink(missing_ok=True)


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _chunks(items: Iterable[_Given], size: int) -> Iterator[list[_Given]]:
    remaining = iter(items)
    while chunk := [*islice(remaining, size)]:
        yield chunk
