"""Associations generated from a pool of exposures, as observers write them by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._kernels import __version__
from ..errors import ExposureError
from ..files.association import is_plain_name
from ..files.outputs import Outputs
from ..files.remote import AnyLocation, AnyPath, Location, locations_of
from ..parameters import GroupBy, check_group_by
from .pool import Group, Member, grouped
from .pool import read as read_pool

__all__ = ["GeneratedAssociation", "associate"]


@dataclass(frozen=True)
class GeneratedAssociation:
    """The association of one science exposure.

    Attributes
    ----------
    path : Path
        Its file.
    product : str
        What its products are called after: the exposure, without the suffix of its name.
    group : str
        What its exposures were taken with.
    science : Path or RemoteFile
        The science exposure.
    backgrounds : tuple of Path or RemoteFile
        The backgrounds in its own channel and band.
    selfcal : tuple of Path or RemoteFile
        All exposures of its detector, itself among them; none if there are no others.
    """

    path: Path
    product: str
    group: str
    science: Location
    backgrounds: tuple[Location, ...]
    selfcal: tuple[Location, ...]


def associate(
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    background: AnyLocation | Iterable[AnyLocation] = (),
    group_by: GroupBy = "detector",
    output_dir: AnyPath | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
) -> tuple[GeneratedAssociation, ...]:
    """Write an association for every science exposure.

    Parameters
    ----------
    inputs : path-like or iterable of path-like
        Exposures, patterns, and folders; a folder stands for the ``*_rate.fits`` in it that were
        taken with an integral-field unit.
    background : path-like or iterable of path-like, optional
        Exposures (or patterns, folders) that are backgrounds, besides those whose header says so
        (BKGDTARG). They need not be among the inputs.
    group_by : {"detector", "band"}, optional
        What a science exposure and its selfcal members share: the detector, or the band (MIRI) or
        filter and grating (NIRSpec) too. Its backgrounds always share both.
    output_dir : path-like, optional
        Where the associations go; made if it does not exist. Each lies beside its science exposure
        unless given.
    overwrite : bool, optional
        Replace existing files. An exposure is never replaced.
    dry_run : bool, optional
        Write nothing.

    Returns
    -------
    tuple of GeneratedAssociation
        What was written, or would be.

    Raises
    ------
    ExposureError
        If there is no science exposure, one cannot be read, or two would give the same products.
    FileExistsError
        If a file exists without `overwrite`. After any error there are no new files.
    ValueError
        If `group_by` is none of the above.
    OSError
        If a file cannot be written.

    Notes
    -----
    The files are ``<exposure>_spec2_asn.json``. Both this package and the pipeline
    (``calwebb_spec2``, or its step alone) read them; of members in another folder the pipeline
    warns. A science exposure without companions gets no
    selfcal member, not even itself, so that the step is skipped unless it is forced.
    """
    check_group_by(group_by)
    pool = read_pool(locations_of(inputs), locations_of(background))
    for why in pool.failed.values():
        raise ExposureError(why)
    found = [
        _association(member, group, output_dir)
        for group in grouped(pool.members, group_by)
        for member in group.members
        if not member.is_background
    ]
    if not found:
        raise ExposureError(
            f"there are backgrounds only ({len(pool.members)}), no science exposure"
        )
    _refuse_collisions(found)
    _write(found, overwrite=overwrite, dry_run=dry_run)
    return tuple(found)


def content_of(association: GeneratedAssociation) -> dict[str, Any]:
    """Return what an association's file says; its members are named relative to it."""
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


def _association(science: Member, group: Group, output_dir: AnyPath | None) -> GeneratedAssociation:
    if not is_plain_name(science.stem):
        raise ExposureError(
            f"{science.path}: its name cannot be that of a product (printable ASCII, no leading "
            "dot); rename it"
        )
    here = science.path.parent if isinstance(science.path, Path) else Path()
    folder = here if output_dir is None else Path(output_dir)
    others = group.members if len(group.members) > 1 else ()
    return GeneratedAssociation(
        path=folder / f"{science.stem}_spec2_asn.json",
        product=science.stem,
        group=group.name,
        science=science.path,
        backgrounds=tuple(
            member.path
            for member in group.members
            if member.is_background and member.key("band") == science.key("band")
        ),
        selfcal=tuple(member.path for member in others),
    )


def _refuse_collisions(associations: list[GeneratedAssociation]) -> None:
    """Refuse products of one name: run side by side, they would write the same files."""
    seen: dict[str, Location] = {}
    for each in associations:
        name = each.product.casefold()
        if name in seen:
            raise ExposureError(
                f"{each.science} and {seen[name]} would both give the product {each.product}; "
                "associate them apart, or rename one"
            )
        seen[name] = each.science


def _write(associations: list[GeneratedAssociation], *, overwrite: bool, dry_run: bool) -> None:
    exposures = [path for each in associations for path in (each.science, *each.backgrounds)]
    folders: dict[Path, Outputs] = {}
    with ExitStack() as stack:
        for each in associations:
            folder = each.path.parent
            if folder not in folders:
                outputs = Outputs(folder, dict.fromkeys(exposures), overwrite=overwrite)
                folders[folder] = outputs if dry_run else stack.enter_context(outputs)
            final = folders[folder].claim(each.path.name)
            if not dry_run:
                text = json.dumps(content_of(each), indent=4) + "\n"
                folders[folder].part(final).write_text(text, encoding="utf-8")
        for outputs in folders.values():
            outputs.publish()


def _relative(path: Location, folder: Path) -> str:
    """Return a member's name as seen from its association's folder."""
    if not isinstance(path, Path):
        return path.url
    real = Path(os.path.realpath(path.parent), path.name)
    try:
        return Path(os.path.relpath(real, os.path.realpath(folder))).as_posix()
    except ValueError:  # on another drive
        return real.as_posix()
