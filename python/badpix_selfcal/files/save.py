"""Writing of several files, of which each has a function: they appear together, and whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

from .location import Location, output_directory
from .outputs import Outputs, of_output

__all__ = ["Write", "save"]

Write: TypeAlias = Callable[[Path], None]
"""Writes one file, which does not exist yet."""


def save(
    files: Mapping[Location, Write], inputs: Iterable[Location], *, overwrite: bool = False
) -> tuple[Location, ...]:
    """Write files, in any folders and in the order given.

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
        If a file exists, without `overwrite`, or cannot be written. Then no file is written in
        this folder.
    """
    folders: dict[Location, dict[str, Write]] = defaultdict(dict)
    for final, write in files.items():
        folders[final.parent][final.name] = write
    given = [*inputs]
    with ExitStack() as stack:
        written = []
        for folder, there in folders.items():
            outputs = Outputs(output_directory(str(folder)), given, overwrite=overwrite)
            written.append(stack.enter_context(outputs))
            finals = outputs.claim_all([*there])
            for final, write in zip(finals, there.values(), strict=True):
                part = outputs.part(final)
                try:
                    write(part)
                except OSError as error:
                    raise of_output(error, final) from error
        for outputs in written:
            outputs.publish()
    return tuple(files)
