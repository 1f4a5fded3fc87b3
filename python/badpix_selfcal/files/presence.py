"""Who writes to a folder: the sign of each process, and what dead processes have left.

A process that writes to a folder keeps a *sign* in it: a hidden, empty file that it has locked. The
system frees the lock when the process ends, however it ends. The names of its incomplete files
begin with the number of the sign, so that a later run knows whose they are:

- A sign of this machine whose lock is free is that of a dead process. Its files are removed.
- The lock of another machine may be invisible here. Its files are removed if the lock is free and
  if it has neither begun nor written a file for a day (`SILENCE`).
- Files without a sign, which older versions have left, are removed after a day, too.

The name of a sign also says how many folders its process has made for it. Whoever leaves last
removes them if they are empty.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from .._forks import renew_in_child

try:
    import fcntl
except ImportError:  # on Windows; there, only the age of files counts
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "NO_HOST",
    "SILENCE",
    "TRIES",
    "Presence",
    "enter",
    "host",
    "is_linked",
    "leave",
    "lock",
    "locked",
    "part_name",
    "remove_parts",
]

SILENCE: Final = 86400.0
"""A process of another machine that has written nothing for so long is dead, s."""

TRIES: Final = 1000
"""Times that a folder is made again if other runs remove it."""

NO_HOST: Final = "0" * 8
"""What `host` returns where the machine cannot be known."""

_SIGN: Final = re.compile(r"\.badpix_selfcal\.([0-9a-f]{8})\.([0-9a-f]{8})\.([0-9]{1,4})\.lock")
_PART: Final = re.compile(r"\..*\.([0-9a-f]{8})(?:[0-9a-f]{8}){1,2}\.part", re.DOTALL)


@dataclass(frozen=True)
class _Sign:
    """The sign of a process, as its name tells it."""

    path: Path
    number: str
    host: str
    made: int


@dataclass
class _Listing:
    """What is in a folder: signs, incomplete files by the numbers of their signs; anything else?"""

    signs: list[_Sign]
    parts: dict[str, list[Path]]
    used: bool


class Presence:
    """The sign of this process in a folder, which is made if it does not exist.

    Parameters
    ----------
    directory : Path
        The folder; resolved.

    Attributes
    ----------
    directory : Path
        The folder.
    number : str
        The number of the sign, with which the names of incomplete files begin.
    users : int
        How many outputs are written to it at the same time.

    Raises
    ------
    OSError
        If the folder cannot be made. Where no sign can be written, no output can be either, which
        is reported when one is written.
    """

    def __init__(self, directory: Path) -> None:
        self.users = 0
        self.directory = directory
        self.number = os.urandom(4).hex()
        self._made: list[Path] = []
        self._is_sweeping = False
        self._file = -1
        self._path: Path | None = None
        try:
            self._begin()
        except BaseException:
            self.end()
            raise

    @property
    def folders(self) -> list[Path]:
        """The folder, and those that hold the names of the folders that were made."""
        return [self.directory, *(folder.parent for folder in self._made)]

    def part(self, name: str) -> str:
        """Return a new name as `part_name` does, and show that this process lives."""
        with suppress(OSError):
            os.utime(self._file)
        return part_name(name, self.number)

    def sweep(self) -> None:
        """Remove what dead processes have left; adopt the folders that other runs have made."""
        self._is_sweeping = True
        try:
            parts = self._tidy()[1]
            if parts:  # a process writes its sign first, but the listing may have missed it
                known = {sign.number for sign in _listed(self.directory).signs}
                lost = (path for number in parts.keys() - known for path in parts[number])
                _remove([path for path in lost if _is_silent([path])])
        except OSError:
            pass  # not worth an error; the next run tries again

    def end(self) -> None:
        """Remove the sign, and the folders that were made if they are empty.

        If others still use the folder, and it has no output, the sign stays as that of a dead
        process: the last of them removes it, and the folders.
        """
        if self._file >= 0:
            os.close(self._file)  # frees the lock first: the last one to do so finds nobody else
            self._file = -1
        others = False
        if self._is_sweeping:
            with suppress(OSError):
                others = self._tidy()[0]
        if self._path is not None and others and self._made:
            if self._path != self._sign():  # it has adopted folders
                with suppress(OSError):
                    self._path.rename(self._sign())
            return
        if self._path is not None:
            _remove([self._path])
        for folder in self._made:
            with suppress(OSError):  # it was not made, or holds files
                folder.rmdir()

    def _begin(self) -> None:
        missing: FileNotFoundError | None = None
        for _ in range(TRIES):
            try:
                self._make_folder()
                self._write()
            except FileNotFoundError as error:
                missing = error  # another run has removed the folder that it had made
            except OSError:
                if not self.directory.is_dir():
                    raise
                return
            else:
                if self._file >= 0:
                    return
        if missing is not None:
            raise missing

    def _make_folder(self) -> None:
        if self.directory.is_dir():
            return
        chain = [self.directory, *self.directory.parents]
        missing = [folder for folder in chain if not folder.exists()]
        self._made += [folder for folder in missing if folder not in self._made]
        self._made.sort(key=lambda folder: -len(folder.parts))
        self.directory.mkdir(parents=True, exist_ok=True)

    def _write(self) -> None:
        """Write the sign and lock it; none remains if a sweep of another process has removed it."""
        path = self._sign()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        if lock(file) is not False and is_linked(file):
            self._file, self._path = file, path
            return
        os.close(file)
        _remove([path])
        self.number = os.urandom(4).hex()

    def _sign(self) -> Path:
        made = min(len(self._made), 9999)
        return self.directory / f".badpix_selfcal.{self.number}.{host()}.{made}.lock"

    def _tidy(self) -> tuple[bool, dict[str, list[Path]]]:
        """Remove the signs of dead processes, and their files.

        Returns
        -------
        bool
            Whether other processes of this machine use the folder, and it has no output yet.
        dict
            The files without a sign, by the numbers in their names.
        """
        found = _listed(self.directory)
        self._adopt(found.signs)
        others = False
        for sign in found.signs:
            theirs = found.parts.pop(sign.number, [])
            if sign.number != self.number and not _remove_dead(sign, theirs):
                others |= sign.host == host() and sign.path.exists()
        return others and not found.used, found.parts

    def _adopt(self, signs: Iterable[_Sign]) -> None:
        most = max((sign.made for sign in signs), default=0)
        for folder in [self.directory, *self.directory.parents][:most]:
            if folder not in self._made:
                self._made.append(folder)


def part_name(name: str, number: str) -> str:
    """Return a new name for a file that will become `name`.

    Parameters
    ----------
    name : str
        The final name. It is cut to 100 bytes: the system limits bytes, not characters.
    number : str
        The number of the sign of its process; a cluster adds the number of its run.

    Returns
    -------
    str
        A hidden name, which no other file has.
    """
    start = os.fsencode(name)[:100].decode("utf-8", "ignore")
    return f".{start}.{number}{os.urandom(4).hex()}.part"


def remove_parts(folder: Path, run: str) -> None:
    """Remove the incomplete files of the run of a cluster, and no file of another run."""
    _remove(folder.glob(f".*.????????{run}????????.part"))


_present: dict[tuple[int, Path], Presence] = {}
_guard = threading.Lock()


def _renew_guard() -> None:
    global _guard
    _guard = threading.Lock()


renew_in_child(_renew_guard)


def enter(directory: Path) -> Presence:
    """Return the presence of this process in a folder; `leave` ends it.

    Parameters
    ----------
    directory : Path
        The folder; resolved.

    Returns
    -------
    Presence
        The same for all that write to the folder at the same time.
    """
    key = os.getpid(), directory  # a forked child has a sign of its own
    with _guard:
        if key not in _present:
            _present[key] = Presence(directory)
        _present[key].users += 1
        return _present[key]


def leave(presence: Presence) -> None:
    """End what `enter` has begun; the last one removes the sign."""
    with _guard:
        presence.users -= 1
        if not presence.users:
            del _present[os.getpid(), presence.directory]
            presence.end()


@cache
def host() -> str:
    """Return what differs between machines, and between the starts of one; zeros if not known."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return NO_HOST
    return blake2b(start, digest_size=4).hexdigest()


def lock(file: int) -> bool | None:
    """Lock a file; return whether it is locked now, None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def is_linked(file: int) -> bool:
    """Return whether an open file still has a name."""
    try:
        return os.fstat(file).st_nlink > 0
    except OSError:
        return False


def _listed(directory: Path) -> _Listing:
    found = _Listing([], defaultdict(list), used=False)
    with os.scandir(directory) as entries:
        for name in (entry.name for entry in entries):
            if sign := _SIGN.fullmatch(name):
                found.signs.append(_Sign(directory / name, sign[1], sign[2], int(sign[3])))
            elif part := _PART.fullmatch(name):
                found.parts[part[1]].append(directory / name)
            else:
                found.used = True
    return found


def _remove_dead(sign: _Sign, parts: list[Path]) -> bool:
    """Remove a sign and its files if its process is dead; return whether it is."""
    with locked(sign.path) as state:
        known = state is True and sign.host == host() != NO_HOST
        is_dead = state is not False and (known or _is_silent([sign.path, *parts]))
        if is_dead:
            _remove([*parts, sign.path])  # the sign last: without it nobody knows the files
        return is_dead


@contextmanager
def locked(path: Path) -> Iterator[bool | None]:
    """Lock a file; yield whether it is locked, as `lock` does."""
    try:
        file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:  # it is gone, or belongs to somebody else
        yield False
        return
    try:
        yield lock(file)
    finally:
        os.close(file)


def _is_silent(paths: Iterable[Path]) -> bool:
    """Return whether none of some files was written during the last day."""
    times = []
    for path in paths:
        with suppress(FileNotFoundError):
            times.append(path.lstat().st_mtime)
    return bool(times) and time.time() - max(times) > SILENCE


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)
