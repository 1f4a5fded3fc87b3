"""Output files: written to hidden parts beside their final names, then renamed or uploaded.

A part is locked as long as its run lives. Two runs that write the same output at the same time
never mix; the part that a killed run has left is replaced by the next run that writes its output.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self, TypeAlias

from . import remote
from .paths import Location, RemoteFile, file_key, output_directory

try:
    import fcntl
except ImportError:  # on Windows; there, runs are not kept apart
    fcntl = None  # type: ignore[assignment]

Write: TypeAlias = Callable[[Path], None]
"""Writes one file."""

_UPLOADS: Final = 4
"""Outputs uploaded at a time: fsspec holds a whole file in memory while it uploads it."""

_LONGEST: Final = 240
"""Bytes of a name; a file system allows 255, with what is added to the name of a part."""


class Outputs:
    """The output files of a run in one folder; a context manager, for any thread.

    Leaving the context removes what was not published, and the folders that were made if they are
    empty.

    Parameters
    ----------
    folder : Path or RemoteFile
        Where the files go: a folder, which is made when the first part is, or the URL of a prefix
        in an object store.
    inputs : iterable of Path or RemoteFile, optional
        Files that no output may replace.
    overwrite : bool, optional
        Whether outputs may replace other files.
    remedy : str, optional
        What the user can do if an output exists, if not "set `overwrite` to replace it".
    """

    def __init__(
        self,
        folder: Location,
        *,
        inputs: Iterable[Location] = (),
        overwrite: bool = False,
        remedy: str = "",
    ) -> None:
        self._folder = folder.resolve()  # `new/../out` would make `new`
        self._given = folder
        self._inputs = {file_key(path): path for path in inputs}
        self._overwrite = overwrite
        self._remedy = remedy or "set `overwrite` to replace it"
        self._parts: dict[str, tuple[Path, int]] = {}
        self._present: set[str] = set()
        self._made: list[Path] = []
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if isinstance(self._folder, RemoteFile):
            temporary = tempfile.TemporaryDirectory(prefix="badpix-selfcal-")
            self._uploads = Path(self._stack.enter_context(temporary))
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for part, lock in self._parts.values():
                with suppress(OSError):
                    part.unlink()
                os.close(lock)
            self._parts.clear()
        self._stack.close()
        for folder in sorted(self._made, reverse=True):
            with suppress(OSError):  # it holds files
                folder.rmdir()

    def place(self, name: str) -> Location:
        """Return the final location of an output."""
        return self._given / name

    def check(self, names: Iterable[str]) -> None:
        """Refuse outputs that may not be written; a URL is listed once for all.

        Raises
        ------
        FileExistsError
            If one would replace an input, or another file without `overwrite`.
        OSError
            If a folder has its name, or the store does not answer.
        """
        wanted = [*names]
        for name in wanted:
            final = self._folder / name
            if (path := self._inputs.get(file_key(final))) is not None:
                raise FileExistsError(
                    f"{self.place(name)}: would replace the input {path}; write elsewhere"
                )
            if isinstance(final, Path) and final.is_dir():
                raise IsADirectoryError(f"{self.place(name)}: is a folder; write elsewhere")
        self._present |= (present := existing(self._folder, wanted))
        if present and not self._overwrite:
            first = min(present, key=wanted.index)
            raise FileExistsError(
                f"{self.place(first)} exists already; {self._remedy}, or write elsewhere"
            )

    def part(self, name: str) -> Path:
        """Return the empty file to write an output to. Write it in place: it is locked.

        Raises a FileExistsError if another run is writing this output, an OSError if the file
        cannot be made.
        """
        with self._lock:
            if name not in self._parts:
                with self._named(name):
                    self._parts[name] = self._new_part(name)
            return self._parts[name][0]

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield the part of an output; an OSError while it is written names the output."""
        part = self.part(name)
        with self._named(name):
            yield part

    def publish(self, *names: str) -> None:
        """Rename or upload these parts, or all, to their final names.

        Raises an OSError if one cannot be moved. Objects that were uploaded are removed again,
        unless they have replaced others. A store is not listed again: see `check`.
        """
        with self._lock:
            parts = {name: self._parts[name][0] for name in sorted(names or self._parts)}
        if isinstance(self._folder, Path):
            self.check(parts)
        else:
            self._upload(self._folder, parts)
        with ThreadPoolExecutor(1) as thread:  # there, an interrupt does not part the outputs
            thread.submit(self._move, parts).result()

    def _move(self, parts: Mapping[str, Path]) -> None:
        with self._lock:
            for name in filter(self._parts.__contains__, parts):  # none if the context was left
                with self._named(name):
                    if isinstance(self._folder, Path):
                        parts[name].replace(self._folder / name)
                    else:
                        parts[name].unlink()
                os.close(self._parts.pop(name)[1])

    def _new_part(self, name: str) -> tuple[Path, int]:
        """Return a new part and the descriptor that locks it."""
        folder = self._folder if isinstance(self._folder, Path) else self._uploads
        short = name if len(os.fsencode(name)) < _LONGEST else blake2b(name.encode()).hexdigest()
        part = folder / f".{short}.part"
        while True:
            self._made += [each for each in (folder, *folder.parents) if not each.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
            try:
                self._take(lock, name)
                with suppress(FileNotFoundError):  # its run has renamed it meanwhile
                    if os.path.samestat(os.fstat(lock), part.lstat()):
                        os.ftruncate(lock, 0)  # a killed run may have left it
                        return part, _nothing(lock) if fcntl is None else lock
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)

    def _take(self, lock: int, name: str) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(
                f"{self.place(name)} is being written by another run; wait until it ends, or write "
                "elsewhere"
            ) from None
        except OSError:  # a disk without locks
            pass

    def _upload(self, folder: RemoteFile, parts: Mapping[str, Path]) -> None:
        done: set[str] = set()

        def upload(name: str) -> None:
            try:
                remote.upload(parts[name], folder / name)
            except remote.RemoteError as error:
                raise OSError(f"{folder / name}: {error}") from None
            done.add(name)

        with ThreadPoolExecutor(_UPLOADS) as threads:
            try:
                for future in [threads.submit(upload, name) for name in parts]:
                    future.result()
            except BaseException:
                threads.shutdown(cancel_futures=True)
                for name in done - self._present:
                    with suppress(OSError):
                        remote.remove(folder / name)
                raise

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno is None:  # it names the output already
                raise
            reason = error.strerror or error
            named = type(error)(f"{self.place(name)}: cannot be written: {reason}")
            named.errno = error.errno
            raise named from error


def _nothing(descriptor: int) -> int:
    """Close a file, which Windows could otherwise not rename; return a descriptor of no file."""
    os.close(descriptor)
    return os.open(os.devnull, os.O_RDONLY)


def existing(folder: Location, names: Iterable[str]) -> set[str]:
    """Return which names exist in a folder, or under a URL by one listing for all.

    Raises an OSError if the store does not answer.
    """
    if isinstance(folder, Path):
        return {name for name in names if os.path.lexists(folder / name)}
    try:
        return {*names} & remote.names_in(folder)
    except remote.RemoteError as error:
        raise OSError(f"{folder}: {error}") from None


def save(
    files: Mapping[Location, Write], inputs: Iterable[Location], *, overwrite: bool = False
) -> tuple[Location, ...]:
    """Write files in any folders; they appear when all are written. Return them.

    `files` are the files and what writes each, in this order; none may replace one of the `inputs`.
    Raises an OSError if a file exists, without `overwrite`, or cannot be written.
    """
    folders: dict[Location, dict[str, Write]] = defaultdict(dict)
    for final, write in files.items():
        folders[final.parent][final.name] = write
    given = [*inputs]
    with ExitStack() as stack:
        opened = []
        for folder, there in folders.items():
            outputs = Outputs(output_directory(folder), inputs=given, overwrite=overwrite)
            outputs.check(there)
            opened.append(stack.enter_context(outputs))
        for outputs, there in zip(opened, folders.values(), strict=True):
            for name, write in there.items():
                with outputs.writing(name) as part:
                    write(part)
        for outputs in opened:
            outputs.publish()
    return tuple(files)
