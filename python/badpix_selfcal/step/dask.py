"""The work of a run, done by the workers of a Dask cluster (extra ``dask``).

Tasks each combine a few exposures into one minimum image, and a tree of further tasks merges these.
This process finds the mask and sends it to tasks that write copies. A task lost with its worker is
repeated: its inputs still exist, and a copy gets its name only when it is whole.
"""

from __future__ import annotations

import os
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._kernels import set_num_threads
from ..errors import ExposureError
from ..files import exposure as exposure_file
from ..files.exposure import Exposure
from ..files.outputs import Outputs
from ..files.paths import Location
from ..instrument import Region
from ..threads import VARIABLE
from .groups import Copy, Group
from .minimum import Minimum, minimum_of
from .outputs import write_copy
from .run import Threads

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as Remote

LEAF: Final = 16
"""Exposures that one task combines into one image."""

FAN: Final = 8
"""Images that one task merges into one."""

COPIES: Final = 8
"""Copies that one task writes."""

READERS: Final = 4
"""Threads of a task that read exposures."""

PATIENCE: Final = 60
"""Seconds to wait for the first worker."""

STOP: Final = 5.0
"""Seconds to wait for the scheduler after an error."""

_Item = TypeVar("_Item")


class Cluster(Threads):
    """Threads of this process that read headers; the workers of a cluster do the other work.

    `scheduler` is its address, or a client, which stays open. Raises a RuntimeError if Dask is not
    installed, an OSError if the cluster cannot be reached or has no workers.
    """

    def __init__(self, number: int, scheduler: str | Client, *, overwrite: bool) -> None:
        super().__init__(number)
        try:
            from distributed import Client
        except ImportError as error:
            raise RuntimeError(
                f"`scheduler` needs Dask, which cannot be imported ({error}): "
                'pip install "badpix-selfcal[dask]"'
            ) from error
        self._overwrite = overwrite
        self._submitted: list[Remote] = []
        self._closing = ExitStack()
        if isinstance(scheduler, Client):
            self._client = scheduler
        else:
            self._client = Client(scheduler, set_as_default=False)
            self._closing.enter_context(self._client)
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            address = self._client.scheduler.address
            self._closing.close()
            raise TimeoutError(f"{address}: no worker has started within {PATIENCE} s") from None
        except BaseException:
            self._closing.close()
            raise

    def __exit__(self, *_: object) -> None:
        with self._closing:
            self.stop()

    def stop(self) -> None:
        """Cancel the tasks that have not started. Copies that a worker has begun still appear."""
        submitted, self._submitted = self._submitted, []

        def cancel() -> None:
            with suppress(Exception):  # must not hide an earlier error
                self._client.cancel(submitted)

        if submitted:  # the scheduler may be gone: then `cancel` would wait for it
            thread = threading.Thread(target=cancel, daemon=True)
            thread.start()
            thread.join(STOP)
        super().stop()

    def minimum_of(
        self, group: Group, *, with_errors: bool, done: Callable[[int], None]
    ) -> Minimum:
        """Combine the exposures of a group.

        Raises a ConnectionError if the cluster has gone, a RuntimeError if workers die repeatedly.
        """
        with _plain_errors():
            how = {"gap": group.gap, "with_errors": with_errors, "client": _this_process()}
            parts = self._map(_combine, _chunks(group.exposures, LEAF), **how)
            while len(parts) > 1:  # merged as soon as possible, so that few images are held
                parts = self._map(_merge, _chunks(parts, FAN), priority=1)
            minimum: Minimum = parts[0].result()
        done(len(group.exposures))
        return minimum

    def write(
        self, copies: Sequence[Copy], flags: NDArray[np.bool_] | None, to: Outputs, *, at_once: bool
    ) -> Iterator[BaseException | None]:
        """Write copies, each on its own; yield the error of each, in their order."""
        assert at_once  # workers cannot give copies their names all together
        if not copies:
            return
        packed = None if flags is None else zlib.compress(np.packbits(flags).tobytes(), 1)
        chunks, folder = _chunks(copies, COPIES), to.place(copies[0].name).parent
        shape = () if flags is None else flags.shape
        how = {"packed": packed, "shape": shape, "folder": folder, "overwrite": self._overwrite}
        for chunk, future in zip(chunks, self._map(_write, chunks, **how), strict=True):
            try:
                with _plain_errors():
                    yield from future.result()
            except (RuntimeError, ConnectionError) as error:
                yield from (OSError(f"{folder / each.name}: {error}") for each in chunk)

    def _map(self, task: Callable[..., Any], items: Sequence[Any], **named: Any) -> list[Remote]:
        """Submit a task for each item, with a new key: the files may have changed."""
        self._submitted = self._client.map(
            task, items, key=f"badpix{task.__name__}", pure=False, **named
        )
        return self._submitted


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn failures of the cluster into short errors."""
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise RuntimeError(f"workers died repeatedly during the same task: {error}") from error
    except CancelledError as error:
        raise ConnectionError(f"the cluster has gone: {error}") from error


def _combine(
    exposures: list[Exposure],
    *,
    gap: Region | None,
    with_errors: bool,
    client: tuple[str, int],
) -> Minimum:
    """Combine a few exposures; a task."""
    from distributed import get_worker

    # The client's own process, which may run workers too, keeps its user's setting.
    if client != _this_process() and not os.environ.get(VARIABLE):
        set_num_threads(get_worker().state.nthreads)
    with Threads(READERS) as threads:
        ahead = READERS - 1
        return minimum_of(exposures, gap, threads, with_errors=with_errors, ahead=ahead)


def _merge(parts: list[Minimum]) -> Minimum:
    """Merge minimum images, which are not modified: Dask may need them again. A task."""
    minimum = Minimum(parts[0].gap)
    for part in parts:
        minimum.merge(part)
    return minimum


def _write(
    copies: list[Copy],
    *,
    packed: bytes | None,
    shape: tuple[int, ...],
    folder: Location,
    overwrite: bool,
) -> list[Exception | None]:
    """Write copies; return the error of each. A task."""
    flags = None
    if packed is not None:
        bits = np.frombuffer(zlib.decompress(packed), np.uint8)
        flags = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).view(np.bool_)
    errors: list[Exception | None] = [None] * len(copies)
    for at, copy in enumerate(copies):
        try:
            with Outputs(folder, inputs=[copy.exposure.path], overwrite=overwrite) as outputs:
                outputs.check([copy.name])
                write_copy(copy, flags, outputs, at_once=True)
        except (ExposureError, OSError) as error:
            errors[at] = OSError(str(error))  # any process can unpickle it
            if isinstance(error, FileExistsError):  # a worker lost later may have written the copy
                with suppress(ExposureError):
                    history = exposure_file.read(folder / copy.name).history
                    if " ".join(history).endswith(copy.history):
                        errors[at] = None
    return errors


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _chunks(items: Sequence[_Item], size: int) -> list[list[_Item]]:
    return [[*items[start : start + size]] for start in range(0, len(items), size)]
