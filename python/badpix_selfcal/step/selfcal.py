"""`selfcal`: from an association, or one exposure and its companions, to flagged files."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from ..arrays.checks import AskedDispaxis, AskedEdge, Cut
from ..errors import ExposureError, log, warn
from ..files import association
from ..files.association import Association, Product
from ..files.exposure import Exposure
from ..files.inputs import expanded, is_pattern
from ..files.paths import (
    AnyLocation,
    Location,
    RemoteFile,
    file_key,
    is_folder,
    locate,
    locations_of,
    output_directory,
    stem_of,
)
from ..masks.mask import Role
from ..parameters import Parameters
from ..progress import Progress
from ..threads import threads_set
from .groups import Copy, Group, check_product, dispaxis_of, listed, name_of, warn_of_axis
from .outputs import ascii_of, outputs_of
from .result import Result
from .run import Run, Threads, threads_for

_FITS: Final = re.compile(r".*\.(fits?|fts)(\.[a-z0-9]+)?", re.IGNORECASE | re.DOTALL)
"""The names of exposures. What cannot be unpacked is refused when it is read."""

_ONE: Final = "`run` takes one association or exposure, `batch` takes many exposures"


def selfcal(
    input: AnyLocation,  # noqa: A002 - the name that users of the pipeline's step know
    *,
    selfcal: AnyLocation | Iterable[AnyLocation] = (),
    background: AnyLocation | Iterable[AnyLocation] = (),
    output_dir: AnyLocation | None = None,
    cut: Cut = Parameters.cut,
    kernel_size: int = Parameters.kernel_size,
    flagfrac_lower: float = Parameters.flagfrac_lower,
    flagfrac_upper: float = Parameters.flagfrac_upper,
    sigma_lower: float = Parameters.sigma_lower,
    sigma_upper: float | None = Parameters.sigma_upper,
    grow: bool = Parameters.grow,
    force_single: bool = Parameters.force_single,
    spare_crowded: bool = Parameters.spare_crowded,
    save_flagged_bkg: bool = Parameters.save_flagged_bkg,
    save_mask: bool = Parameters.save_mask,
    report: bool = Parameters.report,
    copy_skipped: bool = Parameters.copy_skipped,
    force: bool = Parameters.force,
    edge: AskedEdge = Parameters.edge,
    dispaxis: AskedDispaxis = Parameters.dispaxis,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = None,
) -> Result:
    """Find the bad pixels of an association's exposures and write flagged copies.

    Parameters
    ----------
    input : path-like
        An association (JSON, YAML) or a science exposure (FITS, also gzipped). With the extra
        ``cloud``, this and all other inputs may be URLs.
    selfcal : path-like or iterable of path-like, optional
        Further exposures that only serve to find bad pixels, appended to those of the association:
        files, patterns, and folders, as in `badpix_selfcal.batch`.
    background : path-like or iterable of path-like, optional
        Further backgrounds, likewise. They serve to find bad pixels too; `save_flagged_bkg` writes
        their flagged copies. The science exposure is left out.
    output_dir : path-like, optional
        The folder of the outputs, which is made if it does not exist, or (extra ``cloud``) a URL
        such as ``s3://bucket/prefix``. Default: the current directory, as in the pipeline.
    cut : {"fraction", "sigma"}, optional
        As in `badpix_selfcal.find_bad_pixels`. "sigma", recommended for science, also reads the ERR
        of each exposure.
    kernel_size, flagfrac_lower, flagfrac_upper, sigma_lower, grow
        As in `badpix_selfcal.find_bad_pixels`.
    sigma_upper : float or None, optional
        As there. None: the number of exposures that are combined decides.
    force_single : bool, optional
        Use the science exposure alone if there are no other exposures.
    spare_crowded : bool, optional
        Leave rows along the dispersion unflagged that are crowded with flags, all along a trace or
        the edge of a slit (`badpix_selfcal.arrays.crowded`). They are reported in any case.
    save_flagged_bkg : bool, optional
        Write the flagged backgrounds too.
    save_mask : bool, optional
        Write the mask too, as a JWST MASK reference file that the pipeline, `badpix_selfcal.apply`
        and `badpix_selfcal.Mask.read` take: ``<product>_badpix_selfcal_mask.fits``.
    report : bool, optional
        Write a page that shows the mask too (extra ``report``), as `badpix_selfcal.report` does:
        ``<product>_badpix_selfcal_report.html``.
    copy_skipped : bool, optional
        If the step is skipped, write an unflagged copy with S_BPXSLF = SKIPPED, not nothing.
    force : bool, optional
        Use exposures that are refused otherwise: those that are flagged already, calibrated ones
        (level 2b), those of several MIRI detectors in one association, and those that an
        association from a server lists elsewhere.
    edge : {"auto", "zero", "shrink"}, optional
        Pixels outside the image: 0 ("zero") or ignored ("shrink"); see `find_bad_pixels`.
    dispaxis : {"auto", 1, 2, None}, optional
        The dispersion axis: 1 along x, 2 along y, None for a square window. "auto" uses the
        science exposure's DISPAXIS, else its EXP_TYPE, else None with a warning.
    overwrite : bool, optional
        Replace existing outputs. An input is never replaced.
    threads : int, optional
        Threads that compute, in this process and until the function returns. Default: as many as
        BADPIX_SELFCAL_NUM_THREADS says, else one for each CPU.
    progress : bool or callable, optional
        True: a bar, in a notebook too (with ipywidgets). A function is called with the number of
        files done (exposures read, copies written) and the total number.

    Returns
    -------
    Result
        The result for the first product; `others` holds those for the others.

    Raises
    ------
    AssociationError, ExposureError
        If a file cannot be used. Both are ValueErrors.
    FileExistsError
        If an output exists without `overwrite`, or would replace an input.
    TypeError, ValueError
        If an argument has a wrong type or value, or serves the other cut only.
    OSError
        If an output cannot be written. After any error there are no outputs.

    Warns
    -----
    SelfcalWarning
        If the step is skipped, the science exposure is compared with itself only or given as a
        background, an exposure is left out, constant or a copy of another, a member has another
        detector, mode or subarray, exposures were taken more than 30 days apart, have passed later
        steps or are of a mode without this step, ERR is missing or far from the noise, the
        dispersion axis is not known, or rows are crowded with flags.

    Notes
    -----
    The products' files are ``<product>_badpix_selfcal.fits`` and, for backgrounds,
    ``<product>_badpix_selfcal_bkg_<i>.fits``. The method and the defaults are those of ``jwst``
    3.0.0; on finite data so are the results, to the last bit.
    """
    parameters = Parameters.among(locals())
    folder = output_directory(output_dir)
    found = _found(input, background, selfcal, force=parameters.force)
    paths = dict.fromkeys(path for product in found.products for path in product.members)
    log.info("%s: products: %s", found.path, ", ".join(each.name for each in found.products))
    with threads_set(threads), Threads(threads_for((folder, *paths))) as work:
        exposures = _read(paths, work)
        groups = [_group(product, exposures, parameters, found) for product in found.products]
        outputs = outputs_of(groups, parameters, folder, (found.path, *paths), overwrite=overwrite)
        run = Run(parameters, work, outputs, together=True, progress=progress)
        first, *others = run.results(groups)
    return replace(first, others=tuple(others))


def _found(
    given: AnyLocation,
    background: AnyLocation | Iterable[AnyLocation],
    selfcal: AnyLocation | Iterable[AnyLocation],
    *,
    force: bool,
) -> Association:
    """Return the association, with the further exposures appended to its own."""
    if not isinstance(given, (str, os.PathLike, RemoteFile)):
        raise TypeError(f"input must be a path or URL, got a {type(given).__name__}; {_ONE}")
    path = locate(given)
    if is_folder(path):
        raise ExposureError(f"{path}: is a folder; {_ONE}")
    if is_pattern(path):
        those = [each for each, _ in expanded([path])]
        if len(those) > 1:
            raise ExposureError(f"{path}: stands for {listed(those)}; {_ONE}")
        (path,) = those
    more, others = (
        tuple(each for each, _ in expanded(locations_of(those))) for those in (background, selfcal)
    )
    if _FITS.fullmatch(path.name):
        found = Association(path, None, (Product(stem_of(path), path),))
    else:
        found = association.read(path, force=force)
    products = (
        replace(
            each,
            backgrounds=each.backgrounds + _without(each.science, more),
            selfcal=each.selfcal + others,
        )
        for each in found.products
    )
    return replace(found, products=tuple(products))


def _without(science: Location, backgrounds: tuple[Location, ...]) -> tuple[Location, ...]:
    """Return the further backgrounds of a science exposure, which is none of its own."""
    found = tuple(each for each in backgrounds if file_key(each) != file_key(science))
    if len(found) < len(backgrounds):
        warn(f"{science}: is the science exposure; it is left out of its backgrounds")
    return found


def _read(paths: Iterable[Location], work: Threads) -> dict[Hashable, Exposure]:
    """Read the headers of exposures, each once."""
    named: dict[Hashable, Location] = {}
    for path in paths:
        named.setdefault(file_key(path), path)
    exposures: dict[Hashable, Exposure] = {}
    for key, exposure in zip(named, work.read(named.values()), strict=True):
        if isinstance(exposure, Exception):
            raise exposure
        exposures[key] = exposure
    return exposures


def _group(
    product: Product,
    exposures: Mapping[Hashable, Exposure],
    parameters: Parameters,
    found: Association,
) -> Group:
    """Return the group of a product."""

    def those(*paths: Location) -> list[Exposure]:
        return [exposures[file_key(path)] for path in paths]

    (science,) = those(product.science)
    backgrounds, imprints = those(*product.backgrounds), those(*product.imprints)
    companions = [*those(*product.selfcal), *imprints]
    members = {each.path: each for each in (science, *backgrounds, *companions)}
    check_product(science, [*members.values()], force=parameters.force)
    copies = [Copy(science, name_of(product.name), "science")]
    if parameters.save_flagged_bkg:
        copies += [
            Copy(each, name_of(product.name, number), "background")
            for number, each in enumerate(backgrounds)
        ]
    roles: dict[Location, Role] = {each.path: "selfcal" for each in companions}
    roles |= {each.path: "imprint" for each in imprints}
    roles |= {each.path: "background" for each in backgrounds}
    origin = {"ASNTABLE": (ascii_of(found.path.name), "association table name")}
    if found.pool is not None:
        origin["ASNPOOL"] = (ascii_of(found.pool), "association pool name")
    group = Group(
        name=product.name,
        stem=product.name,
        members=tuple(members),
        detector=science.detector,
        dispaxis=None,
        exposures=tuple(members.values()),
        copies=tuple(copies),
        roles={**roles, science.path: "science"},
        companions=frozenset(each.path for each in (*backgrounds, *companions)),
        origin={} if found.path == science.path else origin,  # it was given alone
        unused=dict(product.unused),
    )
    if group.is_skipped(members, alone=parameters.force_single):
        return group
    if len(members) == 1 and not parameters.force_single:
        warn(
            f"{science.path}: is compared with itself only, so light of the target may be flagged; "
            "add other exposures of the same detector (`background`)"
        )
    unmarked = [each for each in backgrounds if not each.is_background]
    if found.path == science.path and 0 < len(unmarked) < len(backgrounds):
        warn(
            f"{listed(unmarked)}: taken as background, though BKGDTARG is not set as in the others "
            "(`background`); give it as `selfcal` if it has a target"
        )
    axis = dispaxis_of(science, parameters.dispaxis)
    if axis is None and parameters.dispaxis == "auto":
        warn_of_axis([science])
    return replace(group, dispaxis=axis)
