"""Associations generated from a pool of exposures, as observers write them by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from .._kernels import __version__
from ..arrays.checks import GROUP_BY, GroupBy, check_choice
from ..arrays.display import block
from ..errors import ExposureError
from ..files.association import is_plain_name
from ..files.exposure import Exposure
from ..files.outputs import existing, save
from ..files.paths import AnyLocation, Location, RemoteFile, locations_of, output_directory
from .groups import grouped, read_pool
from .run import Threads, threads_for

__all__ = ["GeneratedAssociation", "associate"]


@dataclass(frozen=True)
class GeneratedAssociation:
    """The association of one science exposure.

    Attributes
    ----------
    path : Location
        Its file.
    product : str
        The name of its product: that of the exposure, without its last suffix (``_rate``).
    group : str
        The detector, mode, subarray, channel and band that its exposures share.
    science : Location
        The science exposure.
    backgrounds, selfcal : tuple of Location
        The backgrounds in its own channel and band, and all exposures of its group, the science
        exposure included; empty if there are no others.
    exists : bool
        Whether its file existed before.
    """

    path: Location
    product: str
    group: str
    science: Location
    backgrounds: tuple[Location, ...]
    selfcal: tuple[Location, ...]
    exists: bool = False

    def __repr__(self) -> str:
        return block(
            f"GeneratedAssociation {self.product}",
            {"group": self.group, "members": self.counts, "path": str(self.path)},
        )

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
    inputs : path-like or iterable of path-like
        Exposures, patterns, and folders; a folder stands for the ``*_rate.fits`` in it of the modes
        in `badpix_selfcal.instrument.DISPAXIS_OF_EXP_TYPE`.
    background : path-like or iterable of path-like, optional
        Exposures (or patterns, folders) that are backgrounds, besides those whose header says so
        (BKGDTARG). They need not be among the inputs.
    group_by : {"detector", "band"}, optional
        What a science exposure and its selfcal members share: the detector, mode (EXP_TYPE) and
        subarray; or also the band (MIRI) or the filter and grating (NIRSpec). Its backgrounds
        always share both.
    output_dir : path-like, optional
        Where the associations go: a folder, which is made if it does not exist, or a URL
        (``s3://bucket/prefix``). Default: the folder of each science exposure; the current
        directory for remote exposures.
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
    FileExistsError
        If a file exists without `overwrite`. After any error there are no new files.
    ValueError
        If `group_by` has another value, or `output_dir` is a URL that cannot be written to.
    OSError
        If a file cannot be written.

    Notes
    -----
    The files are ``<exposure>_spec2_asn.json``. Both this package and the pipeline
    (``calwebb_spec2``, or its step alone) read them; the pipeline warns about members in another
    folder. A science exposure without companions gets no selfcal member, not even itself, so that
    the step is skipped unless it is forced.

    A member is listed by its path relative to the association, if both are on this machine or the
    member is below the URL of the association's folder. Other members are listed by their URL; the
    URL of a file on this machine begins with ``file://``.
    """
    check_choice(GROUP_BY, group_by, "group_by")
    directory = None if output_dir is None else output_directory(output_dir)
    exposures, backgrounds = locations_of(inputs), locations_of(background)
    with Threads(threads_for((*exposures, *backgrounds))) as threads:
        pool = read_pool(exposures, backgrounds, threads.read)
    for why in pool.failed.values():
        raise ExposureError(why)
    found = [
        _association(science, name, group, directory)
        for name, _, group in grouped(pool.exposures, group_by)
        for science in group
        if not science.is_background
    ]
    if not found:
        raise ExposureError(
            f"there are backgrounds only ({len(pool.exposures)}), no science exposure"
        )
    _refuse_collisions(found)
    found = _with_existing(found)
    if not dry_run:
        members = [path for each in found for path in (each.science, *each.backgrounds)]
        save({each.path: partial(_write, each) for each in found}, members, overwrite=overwrite)
    return tuple(found)


def content_of(association: GeneratedAssociation) -> dict[str, Any]:
    """Return the content of an association's file."""
    roles = (
        ("science", (association.science,)),
        ("background", association.backgrounds),
        ("selfcal", association.selfcal),
    )
    folder = association.path.parent
    members = [
        {"expname": _relative(path, folder), "exptype": role}
        for role, paths in roles
        for path in paths
    ]
    return {
        "asn_type": "spec2",
        "asn_rule": "DMSLevel2bBase",
        "version_id": None,
        "code_version": f"badpix_selfcal {__version__}",
        "degraded_status": "No known degraded exposures in association.",
        "program": "noprogram",
        "constraints": "No constraints",
        "asn_id": "a3001",
        "asn_pool": "none",
        "products": [{"name": association.product, "members": members}],
    }


def _association(
    science: Exposure, name: str, group: Sequence[Exposure], directory: Location | None
) -> GeneratedAssociation:
    if not is_plain_name(science.stem):
        raise ExposureError(
            f"{science.path}: its name cannot be that of a product (printable ASCII, no leading "
            "dot); rename it"
        )
    beside = science.path.parent if isinstance(science.path, Path) else Path()
    folder = beside if directory is None else directory
    return GeneratedAssociation(
        path=folder / f"{science.stem}_spec2_asn.json",
        product=science.stem,
        group=name,
        science=science.path,
        backgrounds=tuple(
            each.path
            for each in group
            if each.is_background and (each.channel, each.band) == (science.channel, science.band)
        ),
        selfcal=tuple(each.path for each in group if len(group) > 1),
    )


def _refuse_collisions(associations: list[GeneratedAssociation]) -> None:
    """Refuse products with the same name, which would write the same files."""
    seen: dict[str, Location] = {}
    for each in associations:
        name = each.product.casefold()
        if name in seen:
            raise ExposureError(
                f"{each.science} and {seen[name]} both have the product name {each.product}; "
                "associate them separately, or rename one"
            )
        seen[name] = each.science


def _with_existing(associations: list[GeneratedAssociation]) -> list[GeneratedAssociation]:
    """Return the same associations, with whether their files exist."""
    folders: dict[Location, list[str]] = {}
    for each in associations:
        folders.setdefault(each.path.parent, []).append(each.path.name)
    present = {
        folder / name for folder, names in folders.items() for name in existing(folder, names)
    }
    return [replace(each, exists=each.path in present) for each in associations]


def _write(association: GeneratedAssociation, part: Path) -> None:
    part.write_text(json.dumps(content_of(association), indent=4) + "\n", encoding="utf-8")


def _relative(member: Location, folder: Location) -> str:
    """Return the name by which an association in a folder lists a member."""
    if isinstance(member, RemoteFile):
        below = isinstance(folder, RemoteFile) and member.url.startswith(f"{folder.url}/")
        return member.url.removeprefix(f"{folder}/") if below else member.url
    real = Path(os.path.realpath(member.parent), member.name)
    if isinstance(folder, RemoteFile):
        return real.as_uri()
    try:
        return Path(os.path.relpath(real, os.path.realpath(folder))).as_posix()
    except ValueError:  # on another drive
        return real.as_posix()
