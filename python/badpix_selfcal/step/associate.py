"""Associations generated from a pool of exposures, as observers write them by hand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from .._kernels import __version__
from ..arrays.checks import GROUP_BY, GroupBy, check_choice
from ..arrays.display import block
from ..errors import ExposureError
from ..files.association import ROLES, is_plain_name, text_of
from ..files.exposure import Exposure
from ..files.outputs import existing, save
from ..files.paths import (
    AnyLocation,
    Location,
    RemoteFile,
    locations_of,
    output_directory,
    secrets_of,
)
from .groups import grouped, read_pool
from .run import Threads, threads_for


@dataclass(frozen=True)
class GeneratedAssociation:
    """The association of one science exposure.

    Attributes
    ----------
    path : its file.
    product : the name of its product: that of the exposure, without its last suffix (``_rate``).
    group : the detector, mode, subarray, channel and band that its exposures share.
    science : the science exposure.
    backgrounds : the backgrounds in its own channel and band.
    selfcal : all exposures of its group, the science exposure too; empty if there are no others.
    exists : whether its file existed before.
    """

    path: Location
    product: str
    group: str
    science: Location
    backgrounds: tuple[Location, ...]
    selfcal: tuple[Location, ...]
    exists: bool = False

    def __repr__(self) -> str:
        lines = {"group": self.group, "members": self.counts, "path": str(self.path)}
        return block(f"GeneratedAssociation {self.product}", lines)

    @property
    def counts(self) -> str:
        """How many members it has in each role."""
        return f"1 science, {len(self.backgrounds)} background, {len(self.selfcal)} selfcal"


def associate(
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    background: AnyLocation | Iterable[AnyLocation] = (),
    group_by: GroupBy = GROUP_BY[0],
    output_dir: AnyLocation | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
) -> tuple[GeneratedAssociation, ...]:
    """Write an association for every science exposure.

    Parameters
    ----------
    inputs, background : path-like or iterable of path-like
        As in `badpix_selfcal.batch`.
    group_by : {"detector", "band"}, optional
        As in `badpix_selfcal.batch`; the backgrounds of a science exposure always share its band.
    output_dir : path-like, optional
        Where the associations go: a folder, which is made, or a URL (``s3://bucket/prefix``).
        Default: the folder of each science exposure; the current directory for remote ones.
    overwrite : bool, optional
        Replace existing files. An exposure is never replaced.
    dry_run : bool, optional
        Write nothing. Files that exist are no error.

    Returns
    -------
    tuple of GeneratedAssociation
        The associations that were written, or would be.

    Raises
    ------
    ExposureError
        If there is no science exposure, one cannot be read, or two have the same product name.
    ValueError
        If `group_by` has another value, or `output_dir` is a URL that cannot be written to.
    OSError
        If a file exists without `overwrite`, or cannot be written; then there are no new files.

    Notes
    -----
    The files are ``<exposure>_spec2_asn.json``. Both this package and the pipeline read them; the
    pipeline warns about members in another folder. A science exposure without companions gets no
    selfcal member, not even itself, so that the step is skipped unless it is forced. A member is
    listed by its path relative to the association, if both are on this machine or it is below the
    URL of the association's folder; else by its URL (``file://`` on this machine), which may hold
    no user, password, query or fragment.
    """
    check_choice(GROUP_BY, group_by, "group_by")
    directory = None if output_dir is None else output_directory(output_dir)
    exposures, backgrounds = locations_of(inputs), locations_of(background)
    with Threads(threads_for((*exposures, *backgrounds))) as threads:
        pool = read_pool(exposures, backgrounds, threads.read)
    for why in pool.failed.values():
        raise ExposureError(why)
    found: dict[str, GeneratedAssociation] = {}
    for name, _, group in grouped(pool.exposures, group_by):
        for each in group:
            if not each.is_background:
                made = _association(each, name, group, directory)
                other = found.setdefault(made.product.casefold(), made)
                if other is not made:  # they would write the same files
                    raise ExposureError(
                        f"{made.science} and {other.science} both have the product name "
                        f"{made.product}; associate them separately, or rename one"
                    )
    if not found:
        raise ExposureError(
            f"there are backgrounds only ({len(pool.exposures)}), no science exposure"
        )
    names = [each.path.name for each in found.values()]
    folders = {each.path.parent for each in found.values()}
    present = {folder / name for folder in folders for name in existing(folder, names)}
    associations = [replace(each, exists=each.path in present) for each in found.values()]
    if not dry_run:
        members = [path for each in associations for path in (each.science, *each.backgrounds)]
        files = {each.path: partial(_write, each) for each in associations}
        save(files, members, overwrite=overwrite)
    return tuple(associations)


def _association(
    science: Exposure, name: str, group: Sequence[Exposure], directory: Location | None
) -> GeneratedAssociation:
    if not is_plain_name(science.stem):
        raise ExposureError(
            f"{science.path}: its name cannot be that of a product (printable ASCII, no leading "
            "dot); rename it"
        )
    if directory is None:
        directory = science.path.parent if isinstance(science.path, Path) else Path()
    own = (science.channel, science.band)
    return GeneratedAssociation(
        path=directory / f"{science.stem}_spec2_asn.json",
        product=science.stem,
        group=name,
        science=science.path,
        backgrounds=tuple(
            each.path for each in group if each.is_background and (each.channel, each.band) == own
        ),
        selfcal=tuple(each.path for each in group if len(group) > 1),
    )


def _write(association: GeneratedAssociation, part: Path) -> None:
    """Write the file of an association."""
    roles = ((association.science,), association.backgrounds, association.selfcal)
    members = {
        role: [_relative(path, association.path.parent) for path in paths]
        for role, paths in zip(ROLES, roles, strict=True)
    }
    version = f"badpix_selfcal {__version__}"
    part.write_text(text_of(association.product, members, code_version=version), encoding="utf-8")


def _relative(member: Location, folder: Location) -> str:
    """Return the name by which an association in a folder lists a member."""
    if isinstance(member, RemoteFile):
        if secrets_of(member):
            raise ExposureError(
                f"{member}: its URL has a user, password, query or fragment; no file may hold "
                "them, as they may be secret; download the exposures, or give them to `batch`"
            )
        below = isinstance(folder, RemoteFile) and member.url.startswith(f"{folder.url}/")
        return member.url.removeprefix(f"{folder}/") if below else member.url
    real = Path(os.path.realpath(member.parent), member.name)
    if isinstance(folder, RemoteFile):
        return real.as_uri()
    try:
        return Path(os.path.relpath(real, os.path.realpath(folder))).as_posix()
    except ValueError:  # on another drive
        return real.as_posix()
