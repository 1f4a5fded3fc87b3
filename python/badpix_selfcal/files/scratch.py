"""Temporary folders of this process, and those that dead processes have left.

A download, or outputs to be uploaded, are kept in a temporary folder. The folder holds a file that
its process has locked. The system frees the lock when the process ends, however it ends. The next
process of the same user on this machine then removes the folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from .presence import NO_HOST, TRIES, host, is_linked, lock, locked

__all__ = ["Scratch"]

_PREFIX: Final = "badpix-selfcal-"


class Scratch:
    """A temporary folder, which exists as long as this object or until it is removed.

    Attributes
    ----------
    path : Path
        The folder.

    Raises
    ------
    OSError
        When it is made, if there is no folder for temporary files, or no space.
    """

    def __init__(self) -> None:
        _sweep(tempfile.gettempdir(), os.getpid())
        for _ in range(TRIES):
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            try:
                file = os.open(self.path / _sign(), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            except BaseException:
                shutil.rmtree(self.path, ignore_errors=True)
                raise
            self._remove = weakref.finalize(self, _end, self.path, file, os.getpid())
            if lock(file) is not False and is_linked(file):
                return
            self.remove()  # another process has swept it before it was locked

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        self._remove()


def _end(path: Path, file: int, process: int) -> None:
    if os.getpid() == process:  # a forked child inherits the object, but does not own the folder
        os.close(file)
        shutil.rmtree(path, ignore_errors=True)


def _sign() -> str:
    """Return the name of the locked file. Another machine may not see whether it is locked."""
    return f"in_use.{host()}.lock"


@cache
def _sweep(directory: str, process: int) -> None:  # noqa: ARG001 - once in each process
    """Remove the folders of dead processes of this user and machine."""
    if host() == NO_HOST:
        return
    with suppress(OSError), os.scandir(directory) as entries:  # the next process tries again
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                _remove_dead(Path(entry.path))


def _remove_dead(folder: Path) -> None:
    if hasattr(os, "geteuid") and folder.lstat().st_uid != os.geteuid():
        return
    with locked(folder / _sign()) as is_free:
        if is_free is True:
            shutil.rmtree(folder, ignore_errors=True)
