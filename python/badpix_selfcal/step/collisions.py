"""Copies that may not be written: those that would replace an input, another file or each other."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ExposureError
from ..files.location import Location
from ..files.outputs import Outputs

__all__ = ["refuse_collisions"]


def refuse_collisions(
    copies: Iterable[tuple[Location, str]],
    further: Iterable[tuple[str, str]],
    directory: Location,
    inputs: Iterable[Location],
    *,
    overwrite: bool,
    remedy: str | None = None,
) -> None:
    """Refuse copies that may not be written, before any work is done.

    Parameters
    ----------
    copies : iterable of (Path or RemoteFile, str)
        Exposures and the names of their copies.
    further : iterable of (str, str)
        Products or groups and the names of their further outputs.
    directory : Path or RemoteFile
        The folder of the copies, or the URL of one.
    inputs : iterable of Path or RemoteFile
        Files that no copy may replace.
    overwrite : bool
        Whether copies may replace other files.
    remedy : str, optional
        What to do if a copy exists, if not the usual remedy.

    Raises
    ------
    ExposureError
        If two exposures have the same copy, or two groups the same output.
    FileExistsError
        If a copy would replace an input, or another file without `overwrite`.
    OSError
        If a copy has the name of a folder, or a server does not answer.
    """
    named = [*copies]
    for source, name in named:
        if source.name == name and source.resolve() == (directory / name).resolve():
            raise FileExistsError(
                f"{source}: would replace the input, which has the name of an output; give the "
                "exposure that it was made from (_rate), or choose another output folder"
            )
    outputs = Outputs(directory, inputs, overwrite=overwrite, remedy=remedy)
    others = [*further]
    outputs.claim_all(sorted({name for _, name in (*named, *others)}))
    sources: dict[str, Location] = {}
    for source, name in named:
        key = name.casefold()  # some file systems ignore the case of names
        if key in sources:
            raise ExposureError(
                f"{source} and {sources[key]} would both be copied to {directory / name}; process "
                "them separately, or rename one"
            )
        sources[key] = source
    groups: dict[str, str] = {}
    for group, name in others:
        key = name.casefold()
        if key in groups:
            raise ExposureError(
                f"the masks of {group} and {groups[key]} would both be written to "
                f"{directory / name}; process them separately"
            )
        groups[key] = group
