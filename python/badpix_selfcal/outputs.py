"""Files written all or none: beside their final names first, then renamed into place."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Outputs"]


class Outputs:
    """The output files of one run; a context manager.

    A file is written to `part`, which lies beside its final name; `publish` renames all of them.
    Leaving the context removes what was not published.

    Parameters
    ----------
    directory : Path
        Where the files go; made if it does not exist.
    inputs : iterable of Path, optional
        Files that no output may replace.
    overwrite : bool, optional
        Whether outputs may replace other files.
    """

    def __init__(
        self, directory: Path, inputs: Iterable[Path] = (), *, overwrite: bool = False
    ) -> None:
        self._directory = directory
        self._inputs = tuple(inputs)
        self._overwrite = overwrite
        self._parts: dict[Path, Path] = {}
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        missing = [self._directory, *self._directory.parents]
        self._made = [folder for folder in missing if not folder.exists()]
        self._directory.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in self._parts.values():
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
        if not self._overwrite and os.path.lexists(final):
            raise FileExistsError(
                f"{final} exists already; pass overwrite to replace it, or choose another folder"
            )
        return final

    def part(self, final: Path) -> Path:
        """Return the name under which to write the output `final` before it is whole."""
        part = final.with_name(f".{uuid.uuid4().hex}.part")
        self._parts[final] = part
        return part

    def publish(self) -> None:
        """Rename all outputs into place.

        Raises
        ------
        OSError
            If one cannot be; those that replaced no other file are then removed again.
        """
        for final in self._parts:
            self.claim(final.name)
        new: list[Path] = []
        try:
            for final, part in self._parts.items():
                existed = os.path.lexists(final)
                part.replace(final)
                if not existed:
                    new.append(final)
        except BaseException:
            for final in new:
                final.unlink(missing_ok=True)
            raise
        self._parts.clear()

    def _remove_made_folders(self) -> None:
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:  # somebody else uses it by now
                return
