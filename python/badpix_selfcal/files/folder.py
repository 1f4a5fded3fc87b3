"""Outputs in a folder: written beside their final names, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from .presence import Presence, enter, leave

__all__ = ["Folder"]

_CANNOT_SYNC: Final = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What a file system answers that cannot sync."""


class Folder:
    """A folder of outputs, with the same methods as `ObjectStore`.

    Parameters
    ----------
    directory : Path
        The folder.
    is_swept : bool, optional
        Whether to remove what dead processes have left in it.
    is_synced : bool, optional
        Whether the disk has outputs, and their names, before this says that they are written.
    """

    def __init__(self, directory: Path, *, is_swept: bool = True, is_synced: bool = True) -> None:
        self._directory = directory
        self._is_swept = is_swept
        self._is_synced = is_synced
        self._hidden: set[Path] = set()
        self._presence: Presence | None = None

    def open(self) -> None:
        """Make the folder if it does not exist, and sweep it.

        Raises
        ------
        OSError
            If it cannot be made.
        """
        # Resolved, because `new/../out` would make `new`, and `out` may exist already.
        directory = self._directory.resolve()
        self._presence = enter(directory)
        self._directory = self._directory if self._directory.exists() else directory
        if self._is_swept:
            self._presence.sweep()

    def close(self) -> None:
        """Remove the remaining parts, and the folders that were made if they hold no output."""
        if self._presence is None:
            return
        for path in self._hidden:
            with suppress(OSError):  # the next run sweeps it
                path.unlink(missing_ok=True)
        presence, self._presence = self._presence, None
        leave(presence)

    def location(self, name: str) -> Path:
        """Return the path of an output."""
        return self._directory / name

    def present(self, names: Collection[str]) -> set[str]:
        """Return which of these names exist, broken links included.

        Raises
        ------
        IsADirectoryError
            If one is a folder.
        """
        for final in map(self.location, names):
            if final.is_dir():
                raise IsADirectoryError(f"{final}: is a folder; choose another output folder")
        return {name for name in names if os.path.lexists(self.location(name))}

    def part(self, name: str) -> Path:
        """Return the file to write an output to."""
        return self.location(self._new_hidden(name))

    def put(self, part: Path, name: str) -> None:
        """Rename a file to its final name, and replace an existing file."""
        self._sync(part)
        part.replace(self.location(name))

    def put_new(self, part: Path, name: str) -> None:
        """Rename a file to its final name, unless a file has this name.

        Raises
        ------
        FileExistsError
            If a file has this name.
        """
        final = self.location(name)
        self._sync(part)
        try:
            os.link(part, final)
        except FileExistsError:
            raise FileExistsError(
                f"{final} appeared during the run; nothing was replaced"
            ) from None
        except (OSError, NotImplementedError):  # the disk has no links
            part.replace(final)
        else:
            with suppress(OSError):  # `close` tries again
                part.unlink()

    def settle(self) -> None:
        """Write the names of the outputs, and those of the folders that were made, to the disk."""
        if self._presence is not None:
            for folder in self._presence.folders:
                self._sync(folder)

    def keep(self, name: str) -> str:
        """Give a file a second name (a copy where a link cannot be made or removed); return it."""
        final, kept = self.location(name), self._new_hidden(name)
        try:
            if not _may_remove(final):
                raise PermissionError(f"{final}: a second name could not be removed again")
            os.link(final, self.location(kept), follow_symlinks=False)
        except (OSError, NotImplementedError):
            shutil.copy2(final, self.location(kept), follow_symlinks=False)
        return kept

    def restore(self, kept: str, name: str) -> None:
        """Put a kept file back under its name."""
        self._hidden.discard(self.location(kept))  # it must survive if this fails
        self.location(kept).replace(self.location(name))
        self.remove(kept)  # `replace` does nothing if both names are links to the same file

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        self.location(name).unlink(missing_ok=True)

    def _new_hidden(self, name: str) -> str:
        assert self._presence is not None  # the folder is open
        hidden = self._presence.part(name)
        self._hidden.add(self.location(hidden))
        return hidden

    def _sync(self, path: Path) -> None:
        """Wait until the disk has a file, or the names in a folder."""
        if not self._is_synced:
            return
        is_folder = path.is_dir()
        try:
            file = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        except PermissionError:
            if is_folder:  # nobody can sync a folder that may not be read; Windows cannot at all
                return
            raise
        try:
            os.fsync(file)
        except OSError as error:
            if error.errno not in _CANNOT_SYNC:
                raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            os.close(file)


def _may_remove(path: Path) -> bool:
    """Return whether this user may remove a name of a file; in sticky folders only owners may."""
    folder = path.parent.stat()
    if not (folder.st_mode & stat.S_ISVTX and hasattr(os, "geteuid")):
        return True
    return os.geteuid() in (0, folder.st_uid, path.lstat().st_uid)
