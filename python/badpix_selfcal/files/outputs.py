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
from .paths import Location, RemoteFile, file_key, is_remote, output_directory

try:
    import fcntl
except ImportError:  # on Windows; there, runs are not kept apart
    fcntl = None  # type: ignore[assignment]

__all__ = ["Outputs", "Write", "existing", "save"]

Write: TypeAlias = Callable[[Path], None]
"""Writes one file."""

_UPLOADS: Final = 4
"""Outputs uploaded at a time: fsspec holds a whole file in memory while it uploads it."""

_LONGEST: Final = 240
"""Bytes of a name; a file system allows 255, with what is added to the name of a part."""

_REMEDY: Final = "set `overwrite` to replace it"


class Outputs:
    """The output files of a run in one folder; a context manager.

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

    Notes
    -----
    Any thread may call the methods. Leaving the context removes what was not published, and the
    folders that were made if they are empty.
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
        self._remedy = remedy or _REMEDY
        self._parts: dict[str, tuple[Path, int]] = {}
        self._made: list[Path] = []
        self._lock = threading.Lock()
        self._moving = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if is_remote(self._folder):
            temporary = tempfile.TemporaryDirectory(prefix="badpix-selfcal-")
            self._uploads = Path(self._stack.enter_context(temporary))
        return self

    def __exit__(self, *_: object) -> None:
        with self._moving:
            for part, lock in self._parts.values():
                with suppress(OSError):
                    part.unlink()
                os.close(lock)
            self._parts.clear()
        self._stack.close()
        for folder in self._made:
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
            place = self.place(name)
            final = self._folder / name
            if (path := self._inputs.get(file_key(final))) is not None:
                raise FileExistsError(
                    f"{place}: would replace the input {path}; choose another output folder"
                )
            if isinstance(final, Path) and final.is_dir():
                raise IsADirectoryError(f"{place}: is a folder; choose another output folder")
        if self._overwrite:
            return
        present = existing(self._folder, wanted)
        for name in wanted:
            if name in present:
                raise FileExistsError(
                    f"{self.place(name)} exists already; {self._remedy}, or choose another output "
                    "folder"
                )

    def part(self, name: str) -> Path:
        """Return the empty file to write an output to. Write it in place: it is locked.

        Raises
        ------
        FileExistsError
            If another run is writing this output.
        OSError
            If the file cannot be made.
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

        Raises
        ------
        OSError
            If one cannot be moved. Objects that were uploaded are removed again, unless they have
            replaced others.
        """
        with self._lock:
            parts = {name: self._parts[name] for name in sorted(names or self._parts)}
        self.check(parts)
        if isinstance(self._folder, RemoteFile):
            self._upload(self._folder, {name: part for name, (part, _) in parts.items()})
        with ThreadPoolExecutor(1) as thread:  # there, an interrupt does not part the outputs
            thread.submit(self._move, parts).result()

    def _move(self, parts: Mapping[str, tuple[Path, int]]) -> None:
        with self._moving:
            if not parts.keys() <= self._parts.keys():  # the context was left before
                return
            for name, (part, lock) in parts.items():
                if isinstance(self._folder, Path):
                    with self._named(name):
                        part.replace(self._folder / name)
                else:
                    part.unlink()
                with self._lock:
                    del self._parts[name]
                os.close(lock)

    def _new_part(self, name: str) -> tuple[Path, int]:
        """Return a new part and the descriptor that locks it."""
        folder = self._folder if isinstance(self._folder, Path) else self._uploads
        short = name if len(os.fsencode(name)) < _LONGEST else blake2b(name.encode()).hexdigest()
        part = folder / f".{short}.part"
        while True:
            self._make(folder)
            lock = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
            try:
                self._take(lock, name)
                if os.path.samestat(os.fstat(lock), part.lstat()):
                    os.ftruncate(lock, 0)  # a killed run may have left it
                    return part, lock
            except FileNotFoundError:  # its run has renamed it meanwhile
                pass
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
                f"{self.place(name)} is being written by another run; wait until it ends, or "
                "choose another output folder"
            ) from None
        except OSError:  # a disk without locks
            pass

    def _make(self, folder: Path) -> None:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        self._made += [each for each in missing if each not in self._made]
        self._made.sort(key=lambda each: -len(each.parts))
        folder.mkdir(parents=True, exist_ok=True)

    def _upload(self, folder: RemoteFile, parts: Mapping[str, Path]) -> None:
        may_replace = self._overwrite and len(parts) > 1
        present = (
            existing(self._folder, parts) if may_replace else set(parts if self._overwrite else ())
        )
        done: list[str] = []

        def upload(name: str) -> None:
            try:
                remote.upload(parts[name], folder / name)
            except remote.RemoteError as error:
                raise OSError(f"{folder / name}: {error}") from None
            done.append(name)

        threads = ThreadPoolExecutor(_UPLOADS)
        try:
            for _ in threads.map(upload, parts):
                pass
        except BaseException:
            threads.shutdown(cancel_futures=True)
            for name in {*done} - present:
                with suppress(OSError):
                    remote.remove(folder / name)
            raise
        finally:
            threads.shutdown(cancel_futures=True)

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


def existing(folder: Location, names: Iterable[str]) -> set[str]:
    """Return which names exist in a folder or under a URL, by one listing for all.

    Raises
    ------
    OSError
        If the store does not answer.
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
    """Write files, in any folders and in the order given; they appear when all are written.

    Parameters
    ----------
    files : mapping of Path or RemoteFile to callable
        The files, and what writes each of them.
    inputs : iterable of Path or RemoteFile
        Files that none of them may replace.
    overwrite : bool, optional
        Whether they may replace other files.

    Returns
    -------
    tuple of Path or RemoteFile
        The files.

    Raises
    ------
    OSError
        If a file exists, without `overwrite`, or cannot be written.
    """
    folders: dict[Location, dict[str, Write]] = defaultdict(dict)
    for final, write in files.items():
        folders[final.parent][final.name] = write
    given = [*inputs]
    with ExitStack() as stack:
        opened = []
        for folder, there in folders.items():
            place = output_directory(folder)
            outputs = stack.enter_context(Outputs(place, inputs=given, overwrite=overwrite))
            outputs.check(there)
            opened.append(outputs)
        for outputs, there in zip(opened, folders.values(), strict=True):
            for name, write in there.items():
                with outputs.writing(name) as part:
                    write(part)
        for outputs in opened:
            outputs.publish()
    return tuple(files)
