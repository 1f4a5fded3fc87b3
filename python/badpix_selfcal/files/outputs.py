"""Files written all or none: beside their final names first, then renamed into place."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .remote import Location

__all__ = ["Outputs"]


class Outputs:
    """The output files of one run; a context manager.

    A file is written to `part`, which lies beside its final name; `publish` renames all of them.
    Leaving the context removes what was not published.

    Parameters
    ----------
    directory : Path
        Where the files go; made if it does not exist.
    inputs : iterable of Path or RemoteFile, optional
        Files that no output may replace; remote ones none can.
    overwrite : bool, optional
        Whether outputs may replace other files.
    """

    def __init__(
        self, directory: Path, inputs: Iterable[Location] = (), *, overwrite: bool = False
    ) -> None:
        self._directory = directory
        self._inputs = tuple(path for path in inputs if isinstance(path, Path))
        self._overwrite = overwrite
        self._parts: dict[Path, Path] = {}
        self._replaced: list[Path] = []
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        # Resolved, for `new/../out` would make `new`, and `out` may be there already.
        directory = self._directory.resolve()
        missing = [directory, *directory.parents]
        self._made = [folder for folder in missing if not folder.exists()]
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except BaseException:
            self._remove_made_folders()
            raise
        self._directory = self._directory if self._directory.exists() else directory
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in (*self._parts.values(), *self._replaced):
            part.unlink(missing_ok=True)
        if kind is not None:
            self._remove_made_folders()

    def claim(self, name: str) -> Path:
        """Return the final path of an output, if it may be written.

        Raises
        ------
        FileExistsError
            If it would replace an input, or another file without `overwrite`.
        """
        final = self._directory / name
        for path in self._inputs:
            if final == path or (final.exists() and path.exists() and final.samefile(path)):
                raise FileExistsError(
                    f"{final}: would replace the input {path}; choose another output folder"
                )
        if final.is_dir():
            raise IsADirectoryError(f"{final}: is a folder; choose another output folder")
        if not self._overwrite and os.path.lexists(final):
            raise FileExistsError(
                f"{final} exists already; pass overwrite to replace it, or choose another folder"
            )
        return final

    def part(self, final: Path) -> Path:
        """Return the name under which to write the output `final` before it is whole."""
        if final not in self._parts:
            self._parts[final] = _beside(final)
        return self._parts[final]

    def publish(self) -> None:
        """Rename all outputs into place.

        Raises
        ------
        OSError
            If one cannot be; what was there before is then there again.
        """
        for final in self._parts:
            self.claim(final.name)
        new: list[Path] = []
        old: dict[Path, Path] = {}
        try:
            for final, part in self._parts.items():
                if not self._overwrite:
                    _rename_new(part, final)
                    new.append(final)
                    continue
                if os.path.lexists(final):
                    old[final] = _keep(final)
                else:
                    new.append(final)
                part.replace(final)
        except BaseException:
            for final in new:
                final.unlink(missing_ok=True)
            for final, kept in old.items():
                kept.replace(final)
                kept.unlink(missing_ok=True)  # a rename onto another link to the same file is none
            raise
        self._replaced += old.values()
        self._parts.clear()

    def _remove_made_folders(self) -> None:
        for folder in self._made:
            with suppress(OSError):  # was not made, or somebody else uses it by now
                folder.rmdir()


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name[:100]}.{os.urandom(8).hex()}.part")


def _rename_new(part: Path, final: Path) -> None:
    """Rename a file to a name that nobody may have taken meanwhile."""
    try:
        os.link(part, final)
    except FileExistsError:
        raise FileExistsError(
            f"{final} appeared while the run went on; nothing was replaced"
        ) from None
    except (OSError, NotImplementedError):  # no links here
        part.replace(final)
    else:
        part.unlink()


def _keep(final: Path) -> Path:
    """Give a file a second name, by which it can be restored: a link where there are links."""
    kept = _beside(final)
    try:
        os.link(final, kept, follow_symlinks=False)
    except (OSError, NotImplementedError):
        import shutil

        shutil.copy2(final, kept, follow_symlinks=False)
    return kept
