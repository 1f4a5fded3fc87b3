"""The output files of a run, published all or none, in a folder or under a URL."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self

from .._interrupts import ending, ends_with, shielded
from ..errors import warn
from ..messages import argument
from . import published
from .folder import Folder
from .location import Location, file_key
from .object_store import ObjectStore

__all__ = ["MOVES", "Outputs", "existing", "of_output", "usual_remedy"]

MOVES: Final = 4
"""Outputs moved at a time. fsspec holds a whole file in memory while it uploads it (up to 100 MiB);
even a local disk takes milliseconds to remove a replaced one."""


def existing(directory: Location, names: Iterable[str]) -> set[str]:
    """Return which names exist in a folder or under a URL, by one listing for all.

    Raises
    ------
    OSError
        If the server does not answer.
    """
    if isinstance(directory, Path):
        return {name for name in names if os.path.lexists(directory / name)}
    return ObjectStore(directory).present({*names})


def usual_remedy() -> str:
    """Return what the user can do if an output exists; a part of the error."""
    return f"pass {argument(overwrite=True)} to replace it"


def of_output(error: OSError, output: Location) -> OSError:
    """Return an error of writing a part, with the name of its output."""
    named = type(error)(f"{output}: cannot be written: {error.strerror or error}")
    named.errno = error.errno
    return named


class Outputs:
    """The output files of one run; a context manager.

    An output is written to its `part`, a file on this machine. `publish` renames or uploads all of
    them. Leaving the context removes what was not published.

    Parameters
    ----------
    directory : Path or RemoteFile
        Where the files go: a folder, which is made if it does not exist, or the URL of a prefix in
        an object store.
    inputs : iterable of Path or RemoteFile, optional
        Files that no output may replace. A remote one is recognized by its URL.
    overwrite : bool, optional
        Whether outputs may replace other files.
    remedy : str, optional
        What the user can do if an output exists, if not the `usual_remedy`.
    no_sync : bool, optional
        Whether not to wait until the disk has the outputs: they may be lost, or hold zeros, if the
        machine loses power soon after.
    sweep : bool, optional
        Whether to remove what dead processes have left in the folder (`badpix_selfcal.files
        .presence`).

    Notes
    -----
    `part` may be called from several threads.

    Under a URL an object appears when it is whole, one after the other. If an upload fails, the new
    objects are removed and the replaced ones restored from copies that were made within the store.
    This is not possible if the process is killed during `publish`, if the store fails again while
    the changes are undone (a note on the error lists what could not be undone), or if an upload
    succeeded but its answer was lost. A single output is replaced without a copy: a failed upload
    does not change the old object.
    """

    def __init__(
        self,
        directory: Location,
        inputs: Iterable[Location] = (),
        *,
        overwrite: bool = False,
        remedy: str | None = None,
        no_sync: bool = False,
        sweep: bool = True,
    ) -> None:
        self._place: Folder | ObjectStore = (
            Folder(directory, is_swept=sweep, is_synced=not no_sync)
            if isinstance(directory, Path)
            else ObjectStore(directory)
        )
        self._inputs = {file_key(path): path for path in inputs}
        self._overwrite = overwrite
        self._remedy = remedy or usual_remedy()
        self._parts: dict[str, Path] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        # An interrupt at the begin of `__exit__` leaves the rest to the garbage collector.
        self._close = weakref.finalize(self, _close, self._place, os.getpid())
        try:
            shielded(self._place.open)
        except BaseException:
            shielded(self._close)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        shielded(self._close)

    def claim(self, name: str) -> Location:
        """Return the final place of an output, if it may be written.

        Raises
        ------
        FileExistsError
            If it would replace an input, or another file without `overwrite`.
        OSError
            If a folder has its name, or the store does not answer.
        """
        return self.claim_all([name])[0]

    def claim_all(self, names: Sequence[str]) -> list[Location]:
        """Return the final places of several outputs, as `claim`; a URL is listed once for all."""
        self._require_free(names)
        return [self._place.location(name) for name in names]

    def part(self, final: Location) -> Path:
        """Return the local file to write the output `final` to."""
        with self._lock:
            if final.name not in self._parts:
                self._parts[final.name] = self._place.part(final.name)
            return self._parts[final.name]

    def publish(self) -> None:
        """Move all outputs to their final places.

        Raises
        ------
        OSError
            If one cannot be moved. All files are then as they were before; see the class's notes
            for URLs.
        """
        publication = _Publication(
            self._place,
            self._parts,
            self._require_free([*self._parts]),
            overwrite=self._overwrite,
        )
        try:
            shielded(publication.carry_out, publication.stop)
        except BaseException as error:
            if publication.is_complete:
                error.add_note(published.PUBLISHED)
            raise
        self._parts.clear()

    def _require_free(self, names: Collection[str]) -> set[str]:
        """Refuse outputs that may not be written; return which of them replace a file."""
        for name in names:
            location = self._place.location(name)
            path = self._inputs.get(file_key(location))
            if path is not None:
                raise FileExistsError(
                    f"{location}: would replace the input {path}; choose another output folder"
                )
        present = self._place.present(names)
        for name in names:
            if name in present and not self._overwrite:
                raise FileExistsError(
                    f"{self._place.location(name)} exists already; {self._remedy}, or choose "
                    "another output folder"
                )
        return present


def _close(place: Folder | ObjectStore, process: int) -> None:
    """Close a place, but not in a forked child, which has a copy of it."""
    if os.getpid() == process:
        place.close()


class _Publication:
    """The move of all outputs to their final places, and how to undo it."""

    def __init__(
        self,
        place: Folder | ObjectStore,
        parts: dict[str, Path],
        present: set[str],
        *,
        overwrite: bool,
    ) -> None:
        self._place = place
        self._parts = parts
        self._present = present
        self._overwrite = overwrite
        self._new: list[str] = []
        self._kept: dict[str, str] = {}
        self._unchanged: set[str] = set()
        self._ending = ending() or threading.Event()
        self.is_complete = False

    def carry_out(self) -> None:
        """Move all outputs, or restore what there was before."""
        try:
            self._move_all(self._replace if self._overwrite else self._create)
            self._place.settle()
            self._go_on("the last output")
        except BaseException as error:
            # What could not be restored becomes a note on the error.
            for problem in self._attempt(self._undo, [*self._new, *self._kept]):
                error.add_note(f"could not be undone: {problem}")
            raise
        published.add(len(self._parts))
        self.is_complete = True
        for problem in self._attempt(self._forget, [*self._kept]):
            warn(f"the backup of a replaced output could not be removed: {problem}")

    def stop(self) -> None:
        """Move no further output, and do not wait for a store that hangs."""
        self._ending.set()

    def _move_all(self, move: Callable[[str], None]) -> None:
        names = sorted(self._parts)
        # If several runs publish the same outputs at the same time, the first output decides which
        # run succeeds. Otherwise each run might publish some outputs, and all would fail.
        self._each(move, names[:1])
        self._each(move, names[1:])

    def _create(self, name: str) -> None:
        self._place.put_new(self._parts[name], name)
        self._new.append(name)

    def _replace(self, name: str) -> None:
        if name not in self._present:
            self._new.append(name)
        elif len(self._parts) > 1:
            self._kept[name] = self._place.keep(name)
        try:
            self._place.put(self._parts[name], name)
        except OSError:
            self._unchanged.add(name)
            raise

    def _undo(self, name: str) -> None:
        if name not in self._kept:
            self._place.remove(name)
        elif name in self._unchanged:
            self._forget(name)
        else:
            self._place.restore(self._kept[name], name)

    def _forget(self, name: str) -> None:
        self._place.remove(self._kept[name])

    def _each(self, move: Callable[[str], None], names: Collection[str]) -> None:
        """Move some outputs, until one fails or the move is stopped."""

        def attempt(name: str) -> None:
            self._go_on(name)
            move(name)

        with ThreadPoolExecutor(MOVES, "", ends_with, (self._ending,)) as threads:
            for _ in threads.map(attempt, names):
                pass

    def _go_on(self, name: str) -> None:
        if self._ending.is_set():
            raise InterruptedError(f"stopped at {name}")

    def _attempt(self, work: Callable[[str], None], names: list[str]) -> list[OSError]:
        """Call a function for each name, even if some calls fail; return the errors."""

        def error_of(name: str) -> OSError | None:
            try:
                work(name)
            except OSError as error:
                return error
            return None

        with ThreadPoolExecutor(MOVES) as threads:
            return [error for error in threads.map(error_of, names) if error is not None]
