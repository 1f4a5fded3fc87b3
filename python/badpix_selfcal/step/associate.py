"""Associations generated from a pool of exposures, as observers write them by hand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from .._kernels import __version__
from ..arrays.checks import GROUP_BY, GroupBy, check_choice, check_days, check_switch
from ..arrays.display import block
from ..errors import ExposureError, warn
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
from ..instrument import NODS_OF_EXP_TYPE
from .groups import MAX_DAYS, grouped, listed, read_pool
from .run import Threads, threads_for

_BACKGROUND: Final = re.compile(r"(.+)_badpix_selfcal_bkg_\d+", re.DOTALL)


@dataclass(frozen=True)
class GeneratedAssociation:
    """The association of one science exposure.

    Attributes
    ----------
    path : its file.
    product : the name of its product: that of the exposure, without its last suffix (``_rate``).
    group : the detector, mode, subarray, channel and band that its exposures share.
    science : the science exposure.
    backgrounds : the backgrounds in its own channel and band; with `nods` its other nods too.
    selfcal : all exposures of its group, the science exposure too; empty if there are no others,
        and with `flagged`.
    imprints : the imprint exposures (NIRSpec) of the science exposure and of the backgrounds.
    exists : whether its file existed before.
    """

    path: Location
    product: str
    group: str
    science: Location
    backgrounds: tuple[Location, ...]
    selfcal: tuple[Location, ...]
    imprints: tuple[Location, ...] = ()
    exists: bool = False

    def __repr__(self) -> str:
        lines = {"group": self.group, "members": self.counts, "path": str(self.path)}
        return block(f"GeneratedAssociation {self.product}", lines)

    @property
    def counts(self) -> str:
        """How many members it has in each role."""
        counts = f"1 science, {len(self.backgrounds)} background, {len(self.selfcal)} selfcal"
        return counts + (f", {len(self.imprints)} imprint" if self.imprints else "")


def associate(
    inputs: AnyLocation | Iterable[AnyLocation],
    *,
    background: AnyLocation | Iterable[AnyLocation] = (),
    group_by: GroupBy = GROUP_BY[0],
    max_days: float = MAX_DAYS,
    nods: bool = False,
    flagged: bool = False,
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
    max_days : float, optional
        As in `badpix_selfcal.batch`.
    nods : bool, optional
        List the other positions of a dither pattern (2-POINT and 4-POINT; with NIRSpec 2-POINT-NOD
        and 4-POINT-NOD) as backgrounds too, for small targets: those of the same observation,
        channel and band.
    flagged : bool, optional
        List the flagged copies of exposures, for calwebb_spec2; a folder stands for these too, and
        there are no selfcal members. Exposures that the copies were made of may be given as well:
        imprints, which have no copies, are taken from them.
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
        If there is no science exposure (or no flagged copy, with `flagged`), one cannot be read, or
        two have the same product name.
    ValueError
        If an argument has another value, or `output_dir` is a URL that cannot be written to.
    OSError
        If a file exists without `overwrite`, or cannot be written; then there are no new files.

    Warns
    -----
    SelfcalWarning
        If a group is divided (`max_days`), an exposure has no date, there are no `nods`, or an
        exposure has no copy (`flagged`).

    Notes
    -----
    The files are ``<exposure>_spec2_asn.json``; those of flagged copies are
    ``<exposure>_badpix_selfcal_spec2_asn.json``. Both this package and the pipeline read them; the
    pipeline warns about members in another folder. A science exposure without companions gets no
    selfcal member, not even itself, so that the step is skipped unless it is forced. An imprint is
    listed, as imprint, for exposures of the same pointing step (PROGRAM, OBSERVTN, VISIT, PATT_NUM,
    FILTER and GRATING), or of the same observation if it is the only one there. A member is
    listed by its path relative to the association, if both are on this machine or it is below the
    URL of the association's folder; else by its URL (``file://`` on this machine), which may hold
    no user, password, query or fragment.
    """
    check_choice(GROUP_BY, group_by, "group_by")
    max_days, nods = check_days(max_days, "max_days"), check_switch(nods, "nods")
    flagged = check_switch(flagged, "flagged")
    directory = None if output_dir is None else output_directory(output_dir)
    exposures, backgrounds = locations_of(inputs), locations_of(background)
    with Threads(threads_for((*exposures, *backgrounds))) as threads:
        pool = read_pool(exposures, backgrounds, threads.read, flagged=flagged)
    for why in pool.failed.values():
        raise ExposureError(why)
    if flagged:
        pool = pool._replace(exposures=_flagged(pool.exposures))
    found: dict[str, GeneratedAssociation] = {}
    has_nods = False
    for name, _, group in grouped(pool.exposures, group_by, max_days):
        for each in group:
            if not (each.is_background or each.is_imprint):
                others = _nods_of(each, group) if nods else []
                has_nods |= bool(others)
                made = _association(each, name, group, others, directory, flagged=flagged)
                other = found.setdefault(made.product.casefold(), made)
                if other is not made:  # they would write the same files
                    raise ExposureError(
                        f"{made.science} and {other.science} both have the product name "
                        f"{made.product}; associate them separately, or rename one"
                    )
    if not found:
        raise ExposureError(f"no science exposure is among the {len(pool.exposures)} given")
    if nods and not has_nods:
        patterns = (f"{each}: {' or '.join(those)}" for each, those in NODS_OF_EXP_TYPE.items())
        warn(f"no exposure has other nods (PATTTYPE, of {'; of '.join(patterns)})")
    if flagged and not any(each.backgrounds or each.imprints for each in found.values()):
        warn(
            "the associations hold science exposures only: no background is among the flagged "
            "copies (`save_flagged_bkg` writes them)"
        )
    names = [each.path.name for each in found.values()]
    folders = {each.path.parent for each in found.values()}
    present = {folder / name for folder in folders for name in existing(folder, names)}
    associations = [replace(each, exists=each.path in present) for each in found.values()]
    if not dry_run:
        members = [
            path for each in associations for paths in _by_role(each).values() for path in paths
        ]
        files = {each.path: partial(_write, each) for each in associations}
        save(files, members, overwrite=overwrite)
    return tuple(associations)


def _association(
    science: Exposure,
    name: str,
    group: Sequence[Exposure],
    nods: Sequence[Exposure],
    directory: Location | None,
    *,
    flagged: bool,
) -> GeneratedAssociation:
    if not is_plain_name(science.stem):
        raise ExposureError(
            f"{science.path}: its name cannot be that of a product (printable ASCII, no leading "
            "dot); rename it"
        )
    if directory is None:
        directory = science.path.parent if isinstance(science.path, Path) else Path()
    backgrounds = [
        each
        for each in group
        if each.is_background
        and _share_band(each, science)
        and _product_of(each) in ("", science.stem)
    ]
    backgrounds += nods
    imprints = (each for target in (science, *backgrounds) for each in _imprints_of(target, group))
    return GeneratedAssociation(
        path=directory / f"{science.stem}{'_badpix_selfcal' * flagged}_spec2_asn.json",
        product=science.stem,
        group=name,
        science=science.path,
        backgrounds=tuple(each.path for each in backgrounds),
        selfcal=tuple(each.path for each in group if len(group) > 1 and not flagged),
        imprints=tuple(dict.fromkeys(each.path for each in imprints)),
    )


def _flagged(exposures: Iterable[Exposure]) -> tuple[Exposure, ...]:
    """Return the flagged copies and the imprints; warn of further exposures without a copy."""
    copies = [
        replace(each, is_background=True) if _product_of(each) else each
        for each in exposures
        if each.is_flagged
    ]
    if not copies:
        raise ExposureError("no input is a flagged copy (S_BPXSLF = COMPLETE)")
    others = [each for each in exposures if not each.is_flagged]
    stems = {each.stem for each in copies}
    if left := [each for each in others if not each.is_imprint and each.stem not in stems]:
        warn(
            f"{listed(left)}: left out: has no flagged copy among the inputs (`save_flagged_bkg` "
            "writes those of backgrounds)"
        )
    return (*copies, *(each for each in others if each.is_imprint))


def _product_of(exposure: Exposure) -> str:
    """Return the product whose background a copy of `selfcal` is; empty for others."""
    found = _BACKGROUND.fullmatch(exposure.stem)
    return found[1] if found else ""


def _share_band(one: Exposure, other: Exposure) -> bool:
    return (one.channel, one.band) == (other.channel, other.band)


def _share_observation(one: Exposure, other: Exposure) -> bool:
    names = ("PROGRAM", "OBSERVTN", "VISIT")
    return _share_band(one, other) and all(one.pointing[n] == other.pointing[n] for n in names)


def _nods_of(science: Exposure, group: Iterable[Exposure]) -> list[Exposure]:
    """Return the exposures at the other positions of the nod pattern of a science exposure."""
    pattern, place = (science.pointing[name] for name in ("PATTTYPE", "PATT_NUM"))
    if pattern not in NODS_OF_EXP_TYPE.get(science.exp_type, ()) or not place:
        return []
    return [
        each
        for each in group
        if not (each.is_background or each.is_imprint)
        and _share_observation(each, science)
        and each.pointing["PATTTYPE"] == pattern
        and each.pointing["PATT_NUM"] not in ("", place)
    ]


def _imprints_of(exposure: Exposure, group: Iterable[Exposure]) -> list[Exposure]:
    """Return the imprints of an exposure, as the pipeline's step pairs them.

    They are those of its pointing step, else the only one of its observation.
    """
    there = [each for each in group if each.is_imprint and _share_observation(each, exposure)]
    step = [each for each in there if each.pointing["PATT_NUM"] == exposure.pointing["PATT_NUM"]]
    return step or (there if len(there) == 1 else [])


def _by_role(association: GeneratedAssociation) -> dict[str, tuple[Location, ...]]:
    """Return the members of an association by their exposure types."""
    found = ((association.science,), association.backgrounds, association.selfcal)
    return dict(zip(ROLES, (*found, association.imprints), strict=True))


def _write(association: GeneratedAssociation, part: Path) -> None:
    """Write the file of an association."""
    members = {
        role: [_relative(path, association.path.parent) for path in paths]
        for role, paths in _by_role(association).items()
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
