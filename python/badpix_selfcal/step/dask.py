"""The work of a run, done by the workers of a Dask cluster.

The first tasks each combine a few exposures into one image. A tree of further tasks combines these
images. The client finds the mask and sends it to the tasks that write copies. Dask gives each
worker a few tasks at a time; further limits were not faster (400 copies on three workers: 1.7 to
2.9 s with them, 1.8 to 2.6 s without).

A task lost with its worker is repeated. This is safe: its inputs still exist, and workers write
copies to hidden files, each try to its own. The client gives them their final names, so that a
worker that everybody takes for dead changes nothing, whenever it awakes. Under a URL the workers
upload the copies.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar
from uuid import uuid4

from .._interrupts import awaited, begun, ending, ends_with, threads
from .._kernels import set_num_threads
from ..errors import ExposureError
from ..files.exposure import Exposure
from ..files.location import Location, absolute
from ..files.presence import Presence, enter, leave, part_name, remove_parts
from ..instrument import Region
from ..messages import argument_name, extra
from ..threads import VARIABLE
from .execute import Tally
from .member import Listed, Member, members_of
from .minimum import Failed, MinimumImage, combine
from .packed import packed, unpacked
from .plan import Job, Mask, Plan, Seen, made_of
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

STOP: Final = 8.0
"""Time to wait at the end for workers that are still busy, s; those that hang are left behind."""

Combined: TypeAlias = tuple[MinimumImage, Failed]
Written: TypeAlias = Path | Exception | None

_Given = TypeVar("_Given")


class Cluster:
    """The workers of a Dask cluster; implements `badpix_selfcal.step.execute.Workers`.

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
        self._presences: dict[Path, Presence] = {}
        self._run = uuid4().hex[:8]
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

        One graph holds the whole tree, so that Dask orders it depth first and merges images soon:
        14 to 16 s with 2000 leaves. A tree of single tasks, submitted a few at a time, took 16 to
        21 s.
        """
        stamps = [(member.path, member.stamp) for member in plan.members]
        combined = partial(self._delayed, _combine, with_errors=plan.needs_errors)
        with self._plain_errors():
            images = [combined(chunk, plan.gap) for chunk in _chunks(stamps, LEAF)]
            while len(images) > 1:
                images = [self._delayed(_merge, chunk) for chunk in _chunks(images, FAN)]
            result: Combined = self._client.compute(images[0]).result()
        return result

    def exposure(self, location: Location) -> Exposure:
        """Return a whole exposure."""
        return Reader().read(location)

    def write(self, job: Job, mask: Mask | None) -> Future[None]:
        """Write a copy later, together with the next ones of the same mask."""
        if mask is not self._packed[0]:
            self._flush()
            self._packed = (mask, None if mask is None else packed(mask))
        pending = _PendingCopy(job, self._sign(job.copy.directory), Future(), job.seen())
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
        """Cancel tasks that have not started, and wait for those that have, unless they hang.

        Removes the files of this run that have no final name, also those of killed workers.
        """
        end = time.monotonic() + STOP
        try:
            self._within(end, lambda: self._client.cancel([*self._submitted]))
            while any(self._within(end, self._end_everywhere).values()):
                time.sleep(POLL)
        finally:
            while self._presences:
                folder, presence = self._presences.popitem()
                remove_parts(folder, self._run)
                leave(presence)

    def _sign(self, folder: Location) -> str:
        """Return the number for the names of files of this run; empty under a URL.

        It begins with that of this process: a later run removes the files if this process is dead.
        """
        if not isinstance(folder, Path):
            return ""
        if folder not in self._presences:
            self._presences[folder] = enter(folder.resolve())
        return self._presences[folder].number + self._run

    def _end_everywhere(self) -> dict[str, bool]:
        """End the run on all workers; return which of them are still busy."""
        found: dict[str, bool] = self._client.run(_end_run, self._run, on_error="ignore")
        return found

    def _within(self, end: float, call: Callable[[], _Given]) -> _Given:
        """Call a function that may hang; raise TimeoutError after a time."""
        return awaited(begun(call), max(0.0, end - time.monotonic()))

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
        key, here = self._key(task), _this_process()
        return self._client.submit(_as_worker, task, here, self._run, *given, key=key)

    def _delayed(self, task: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Return a task of a graph that is computed later."""
        from dask.delayed import delayed

        make, here = delayed(_as_worker), _this_process()
        return make(task, here, self._run, *given, dask_key_name=self._key(task), **named)

    def _key(self, task: Callable[..., Any]) -> str:
        """Return a unique key: Dask would otherwise return results computed from older files."""
        return f"badpix{task.__name__}-{self._run}-{uuid4().hex}"

    def _flush(self) -> None:
        """Submit the waiting copies."""
        if self._waiting:
            signed = [(each.job, each.sign) for each in self._waiting]
            task = self._submit(_write, signed, self._packed[1])
            self._submitted[task] = self._waiting
            self._waiting = []

    def _end(self, task: Remote, ended: list[_PendingCopy]) -> None:
        """Give the copies that a task has written their final names, and set their results."""
        try:
            with self._plain_errors():
                written: list[Written] = task.result()
        except (RuntimeError, ConnectionError) as failure:
            written = [OSError(str(failure))] * len(ended)
        for each, part in zip(ended, written, strict=True):
            try:
                if isinstance(part, Exception):
                    raise part
                if part is not None:
                    each.job.adopt(part, each.seen)
            except OSError as error:
                each.future.set_exception(error)
            else:
                each.future.set_result(None)
        self._tally.add(len(ended))


@dataclass(frozen=True)
class _PendingCopy:
    """A copy for a worker, the number in its file's name, its future, what was in its place."""

    job: Job
    sign: str
    future: Future[None]
    seen: Seen


_endings: dict[str, threading.Event] = {}
"""On a worker: the events that end the tasks of each run, set if the run has ended."""


def _as_worker(
    task: Callable[..., _Given], client: tuple[str, int], run: str, *given: Any, **named: Any
) -> _Given:
    """Run a task with as many threads as its Dask worker has, until its run ends."""
    from distributed import get_worker

    # The client's own process, which may run workers too, keeps its user's setting.
    if client != _this_process() and not os.environ.get(VARIABLE):
        set_num_threads(get_worker().state.nthreads)
    ends_with(_endings.setdefault(run, threading.Event()))
    try:
        return task(*given, **named)
    finally:
        ends_with(None)


def _read(listed: list[Listed]) -> list[Member | Exception]:
    with threads(READ_AHEAD) as executor:
        found = members_of(listed, Reader(), executor)
        return [_sendable(each) if isinstance(each, Exception) else each for each in found]


def _combine(
    stamps: list[tuple[Location, str]], gap: Region | None, *, with_errors: bool
) -> Combined:
    reader = Reader(with_errors=with_errors, stamps=dict(stamps))
    with threads(READ_AHEAD) as executor:
        minimum, failed = combine([path for path, _ in stamps], gap, reader, executor)
    return minimum, {path: _sendable(error) for path, error in failed.items()}


def _merge(images: list[Combined]) -> Combined:
    """Merge minimum images. They are not modified, because Dask may need them again."""
    minimum, failed = MinimumImage(images[0][0].gap), Failed()
    for image, failed_exposures in images:
        minimum.merge(image)
        failed |= failed_exposures
    return minimum, failed


def _write(signed: list[tuple[Job, str]], content: bytes | None) -> list[Written]:
    """Write copies; return for each the file, None if it is uploaded, or the error."""
    return [_written(job, sign, content) for job, sign in signed]


def _written(job: Job, sign: str, content: bytes | None) -> Written:
    mask = None if content is None else unpacked(content, job.copy.member.shape)
    try:
        if (event := ending()) is not None and event.is_set():
            raise InterruptedError("the run has ended")
        if isinstance(job.copy.directory, Path):
            return _part(job, mask, job.copy.directory / part_name(job.copy.name, sign))
        _upload(job, mask)
    except (ExposureError, OSError) as error:
        return _sendable(error)
    return None


def _part(job: Job, mask: Mask | None, part: Path) -> Path:
    try:
        replace(job, part=part).write(mask, Reader())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _upload(job: Job, mask: Mask | None) -> None:
    try:
        job.write(mask, Reader())
    except FileExistsError:
        # A worker that was lost later may have uploaded this copy.
        made = made_of(job.copy.output)
        if made is None or not made.is_by(job.history, job.status):
            raise


def _end_run(run: str, dask_worker: Worker) -> bool:
    """End the tasks of a run on a worker; return whether one is still busy.

    Cancelled tasks run to their end, too.
    """
    _endings.setdefault(run, threading.Event()).set()
    return any(f"-{run}-" in task.key for task in dask_worker.state.executing)


def _sendable(error: Exception) -> Exception:
    """Return the error as an OSError, which any process can unpickle."""
    return OSError(str(error))


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _chunks(items: Iterable[_Given], size: int) -> Iterator[list[_Given]]:
    remaining = iter(items)
    while chunk := [*islice(remaining, size)]:
        yield chunk
