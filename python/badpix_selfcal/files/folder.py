"""Outputs in a folder: written beside their final names, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

__all__ = ["Folder", "cut"]


class Folder:
    """A folder of outputs, with the same methods as `ObjectStore`.

    Parameters
    ----------
    directory : Path
        The folder.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._parts: list[Path] = []
        self._made: list[Path] = []

    def open(self) -> None:
        """Make the folder if it does not exist.

        Raises
        ------
        OSError
            If it cannot be made.
        """
        # Resolved, because `new/../out` would make `new`, and `out` may exist already.
        directory = self._directory.resolve()
        missing = [directory, *directory.parents]
        self._made = [folder for folder in missing if not folder.exists()]
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except BaseException:
            self._remove_made_folders()
            raise
        self._directory = self._directory if self._directory.exists() else directory

    def close(self) -> None:
        """Remove the remaining parts, and the folders that were made if they hold no output."""
        for part in self._parts:
            part.unlink(missing_ok=True)
        self._remove_made_folders()

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
        part = self.location(_hidden(name))
        self._parts.append(part)
        return part

    def put(self, part: Path, name: str) -> None:
        """Rename a file to its final name, and replace an existing file."""
        part.replace(self.location(name))

    def put_new(self, part: Path, name: str) -> None:
        """Rename a file to its final name, unless a file has this name.

        Raises
        ------
        FileExistsError
            If a file has this name.
        """
        final = self.location(name)
        try:
            os.link(part, final)
        except FileExistsError:
            raise FileExistsError(
                f"{final} appeared during the run; nothing was replaced"
            ) from None
        except (OSError, NotImplementedError):  # the disk has no links
            part.replace(final)
        else:
            part.unlink()

    def keep(self, name: str) -> str:
        """Give a file a second name (a copy where the disk has no links); return that name."""
        kept = _hidden(name)
        try:
            os.link(self.location(name), self.location(kept), follow_symlinks=False)
        except (OSError, NotImplementedError):
            shutil.copy2(self.location(name), self.location(kept), follow_symlinks=False)
        return kept

    def restore(self, kept: str, name: str) -> None:
        """Put a kept file back under its name."""
        self.location(kept).replace(self.location(name))
        self.remove(kept)  # `replace` does nothing if both names are links to the same file

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        self.location(name).unlink(missing_ok=True)

    def _remove_made_folders(self) -> None:
        for folder in self._made:
            with suppress(OSError):  # it was not made, or holds files
                folder.rmdir()


def _hidden(name: str) -> str:
    return f".{cut(name)}.{os.urandom(8).hex()}.part"


def cut(name: str) -> str:
    """Return the begin of a name, of at most 100 bytes: the system limits bytes."""
    return os.fsencode(name)[:100].decode("utf-8", "ignore")
