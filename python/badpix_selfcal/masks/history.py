"""Follows the bad pixels of one detector through masks of several epochs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import SupportsIndex

from ..arrays.checks import check_whole
from ..errors import MaskError, warn
from ..files.location import AnyLocation, Location, is_folder, locate, locations_of
from ..files.save import Write, save
from ..messages import argument_name
from ..step.mask_file import read_mask, write_part
from ..step.pool import expanded
from .epochs import EpochFlags, MaskHistory, flags_of_epoch, merged
from .frame import require_same_pixels
from .persistent import mask_of_persistent
from .pictures import drawing, followed
from .tables import history_table, table_writer

__all__ = ["history"]


def history(
    masks: AnyLocation | Iterable[AnyLocation],
    *,
    at_least: int | None = None,
    table: AnyLocation | None = None,
    picture: AnyLocation | None = None,
    persistent_mask: AnyLocation | None = None,
    overwrite: bool = False,
) -> MaskHistory:
    """Follow the bad pixels of a detector through its masks.

    Parameters
    ----------
    masks : path-like or RemoteFile, or iterable of these
        At least two mask files of this package, of one detector, subarray and shape; patterns
        too. They are put in the order of the dates of their exposures (DATE-OBS, TIME-OBS); where
        these are not known, the date at which the mask was made counts.
    at_least : int, optional
        In how many masks a persistent pixel is flagged at least; in all of them unless given.
    table : path-like or RemoteFile, optional
        A table of the pixels to write: ``.ecsv``.
    picture : path-like or RemoteFile, optional
        The picture to write: PNG, PDF or SVG, by its ending (extra ``plot``).
    persistent_mask : path-like or RemoteFile, optional
        A mask of the persistent pixels to write.
    overwrite : bool, optional
        Whether these files may replace others.

    Returns
    -------
    MaskHistory
        The counts of each mask, and in which masks each pixel is flagged.

    Raises
    ------
    MaskError
        If a mask cannot be read; a ValueError.
    ValueError
        If there are fewer than two masks, one is given twice, they differ in detector, subarray or
        shape, or `at_least` is not from 1 to their number.
    FileExistsError
        If a file exists, without `overwrite`.

    Warns
    -----
    SelfcalWarning
        If masks were found with different parameters: their counts cannot be compared.
    """
    paths = _paths(masks)
    masks_in_order = sorted(
        (flags_of_epoch(read_mask(path), path) for path in paths),
        key=lambda each: (each.date, each.made),
    )
    require_same_pixels([each.frame for each in masks_in_order])
    _warn_of_parameters(masks_in_order)
    found = merged(masks_in_order, _least(at_least, len(paths)))
    save(_files(found, table, picture, persistent_mask), paths, overwrite=overwrite)
    return found


def _files(
    found: MaskHistory,
    table: AnyLocation | None,
    picture: AnyLocation | None,
    mask: AnyLocation | None,
) -> dict[Location, Write]:
    files: dict[Location, Write] = {}
    if table is not None:
        to = locate(table)
        files[to] = table_writer(history_table, found, to)
    if picture is not None:
        to = locate(picture)
        files[to] = drawing(followed, found, to)
    if mask is not None:
        to = locate(mask)
        made, name = mask_of_persistent(found), to.name
        files[to] = lambda part: write_part(part, made, name)
    return files


def _paths(masks: AnyLocation | Iterable[AnyLocation]) -> list[Location]:
    given = locations_of(masks)
    for path in given:
        if is_folder(path):
            raise MaskError(f"{path}: is a folder; name the masks in it, or give a pattern")
    paths = [path for path, _ in expanded(given)]
    seen = set()
    for path in paths:
        if path.resolve() in seen:
            raise ValueError(f"{path}: is given twice; give each mask once")
        seen.add(path.resolve())
    if len(paths) < 2:
        raise ValueError(f"a history needs at least two masks, got {len(paths)}")
    return paths


def _least(at_least: SupportsIndex | None, masks: int) -> int:
    if at_least is None:
        return masks
    name = argument_name("at_least")
    number = check_whole(at_least, name)
    if not 1 <= number <= masks:
        raise ValueError(f"{name} must be from 1 to the number of masks, {masks}, got {number}")
    return number


def _warn_of_parameters(masks: Sequence[EpochFlags]) -> None:
    first, *others = masks
    for other in others:
        if other.how != first.how:
            one, two = other.how.split(), first.how.split()
            warn(
                f"{other.frame.path}: was found with {_words(one, two)}, {first.frame.path} with "
                f"{_words(two, one)}: their counts cannot be compared"
            )
            return


def _words(parameters: Sequence[str], others: Sequence[str]) -> str:
    """Return the parameters in which two masks differ."""
    return ", ".join(word for word in parameters if word not in others)
