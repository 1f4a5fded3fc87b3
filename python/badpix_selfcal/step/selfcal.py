"""`selfcal`: from an association, or one exposure and its companions, to flagged files."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from ..arrays.checks import AskedDispaxis, AskedEdge, Cut
from ..errors import ExposureError
from ..files import association
from ..files.association import Association, Product, stem_of
from ..files.exposure import Cards
from ..files.location import (
    AnyLocation,
    Location,
    is_folder,
    locate,
    locations_of,
    output_directory,
)
from ..log import log
from ..messages import function
from ..parameters import Parameters
from ..threads import threads_set
from .collisions import refuse_collisions
from .execute import Progress, Tally, Workers, execute
from .group_mask import Role
from .local import Threads, workers_for
from .member import Listed, Member, dispaxis_of
from .outcome import Outcome
from .plan import Copy, Plan
from .pool import expanded
from .products import MASK, products_of
from .provenance import PAGE, ascii_of, further_name, name_of
from .results import SelfcalResult
from .suitable import check_product, warn_of_itself

__all__ = ["SelfcalResult", "selfcal"]

FITS_ENDINGS: Final = (".fits", ".fit", ".fits.gz", ".fit.gz")


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
    no_sync: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> SelfcalResult:
    """Find the bad pixels of an association's exposures and write flagged copies.

    Parameters
    ----------
    input : path-like
        An association (JSON, YAML) or a science exposure (FITS, also gzipped). With the extra
        ``cloud``, this and all other inputs may be URLs.
    selfcal, background : path-like or iterable of path-like, optional
        Further exposures, appended to those of the association: files, patterns, and folders, which
        stand for their ``*_rate.fits``. All serve to find bad pixels; backgrounds are flagged too.
    output_dir : path-like, optional
        The folder of the outputs, which is made if it does not exist, or (extra ``cloud``) a URL
        such as ``s3://bucket/prefix``. Default: the current directory, as in the pipeline.
    cut : {"fraction", "sigma"}, optional
        "fraction" flags fixed fractions of the pixels, as the pipeline does. "sigma", recommended
        for science, flags the pixels that stand out from the noise; see
        `badpix_selfcal.find_bad_pixels`. It also reads the ERR of each exposure.
    kernel_size : int, optional
        Samples in the window of the running median, an odd number.
    flagfrac_lower, flagfrac_upper : float, optional
        Fraction of the pixels to flag at each end, 0 to 0.5, by the fraction cut.
    sigma_lower : float, optional
        Flag pixels more than this many times the noise of one exposure below their surroundings,
        by the sigma cut.
    sigma_upper : float or None, optional
        The same above their surroundings. None: the number of exposures that are combined decides
        (`badpix_selfcal.parameters.upper_cut`).
    grow : bool, optional
        Flag the neighbours that very bright pixels light up, too, by the sigma cut.
    force_single : bool, optional
        Use the science exposure alone if there are no other exposures.
    spare_crowded : bool, optional
        Leave rows along the dispersion unflagged that are crowded with flags, all along a trace or
        the edge of a slit (`badpix_selfcal.arrays.crowded`). They are reported in any case.
    save_flagged_bkg : bool, optional
        Write the flagged backgrounds too.
    save_mask : bool, optional
        Write the mask too, as a JWST MASK reference file that the pipeline, `badpix_selfcal.apply`
        and `badpix_selfcal.read_mask` take: ``<product>_badpix_selfcal_mask.fits``.
    report : bool, optional
        Write a page that shows the mask too (extra ``report``), as `badpix_selfcal.report` does:
        ``<product>_badpix_selfcal_report.html``.
    copy_skipped : bool, optional
        Write an unflagged copy of the science exposure, with S_BPXSLF = SKIPPED, if the step is
        skipped. By default nothing is written then.
    force : bool, optional
        Use exposures that are refused otherwise: those that are flagged already, and those of
        several MIRI detectors in one association.
    edge : {"auto", "zero", "shrink"}, optional
        Pixels outside the image: "zero" counts them as 0, "shrink" ignores them.
    dispaxis : {"auto", 1, 2, None}, optional
        The dispersion axis: 1 along x, 2 along y, None for a square window. "auto" uses the
        science exposure's DISPAXIS, else its EXP_TYPE, else None with a warning.
    overwrite : bool, optional
        Replace existing outputs. An input is never replaced.
    no_sync : bool, optional
        Do not wait until the disk has the outputs. This is faster, for scratch disks: if the power
        fails soon after, outputs may be lost or damaged.
    threads : int, optional
        Threads that compute, in this process and until the function returns. Default: the number of
        `badpix_selfcal.num_threads`.
    progress : callable, optional
        Called with the number of files done and the total number: exposures read and copies
        written.

    Returns
    -------
    SelfcalResult
        The result for the first product; `others` holds those for the others.

    Raises
    ------
    AssociationError, ExposureError
        If a file cannot be used. Both are ValueErrors.
    FileExistsError
        If an output exists without `overwrite`, or would replace an input.
    TypeError, ValueError
        If an argument has a wrong type or value.
    OSError
        If an output cannot be written. After any error there are no outputs.

    Warns
    -----
    SelfcalWarning
        If the step is skipped, the science exposure is compared with itself only, an exposure is
        left out because its gap holds no valid sample, a member has another detector, EXP_TYPE or
        subarray than the science exposure, exposures have passed later steps of the pipeline or are
        of a mode that is not self-calibrated, the dispersion axis is not known, or rows are crowded
        with flags.

    Notes
    -----
    The products' files are ``<product>_badpix_selfcal.fits`` and, for backgrounds,
    ``<product>_badpix_selfcal_bkg_<i>.fits``. The method and the defaults are those of ``jwst``
    3.0.0; on finite data so are the results, to the last bit.
    """
    parameters = Parameters(
        cut=cut,
        kernel_size=kernel_size,
        flagfrac_lower=flagfrac_lower,
        flagfrac_upper=flagfrac_upper,
        sigma_lower=sigma_lower,
        sigma_upper=sigma_upper,
        grow=grow,
        dispaxis=dispaxis,
        edge=edge,
        force_single=force_single,
        spare_crowded=spare_crowded,
        save_flagged_bkg=save_flagged_bkg,
        save_mask=save_mask,
        report=report,
        copy_skipped=copy_skipped,
        force=force,
    )
    folder = output_directory(output_dir)
    found = _found(locate(input), _files(background), _files(selfcal))
    members = dict.fromkeys(path for product in found.products for path in product.members)
    products = products_of(parameters)
    refuse_collisions(
        (each for product in found.products for each in _copies(product, parameters)),
        ((p.name, further_name(p.name, each.kind)) for p in found.products for each in products),
        folder,
        (found.path, *members),
        overwrite=overwrite,
    )
    log.info("%s: products: %s", found.path, ", ".join(each.name for each in found.products))
    tally, count = Tally(progress), workers_for((folder, *members))
    with (
        threads_set(threads),
        Threads(count, tally, with_errors=parameters.needs_errors, counts_reading=True) as workers,
    ):
        tally.begin(sum(_count(product, parameters) for product in found.products))
        plans = (_plan(product, parameters, folder, workers, found) for product in found.products)
        outcomes = execute(
            plans,
            workers,
            folder,
            together=True,
            overwrite=overwrite,
            no_sync=no_sync,
            products=products,
            tally=tally,
        )
    results = [
        replace(_result(outcome), unused=dict(product.unused))
        for outcome, product in zip(outcomes, found.products, strict=True)
    ]
    return replace(results[0], others=tuple(results[1:]))


def _files(given: AnyLocation | Iterable[AnyLocation]) -> tuple[Location, ...]:
    """Return the files that locations, patterns and folders stand for."""
    return tuple(path for path, _ in expanded(locations_of(given)))


def _found(
    path: Location, backgrounds: tuple[Location, ...], selfcal: tuple[Location, ...]
) -> Association:
    """Return the association, with the further exposures appended to its own."""
    if is_folder(path):
        raise ExposureError(f"{path}: is a folder; use {function('batch')}")
    if _is_exposure(path):
        found = Association(path, None, (Product(stem_of(path), path),))
    else:
        found = association.read(path)
    products = (
        replace(
            product,
            backgrounds=product.backgrounds + backgrounds,
            selfcal=product.selfcal + selfcal,
        )
        for product in found.products
    )
    return replace(found, products=tuple(products))


def _copies(product: Product, parameters: Parameters) -> Iterator[tuple[Location, str]]:
    """Yield the exposures of a product that are flagged, and the names of their copies."""
    yield product.science, name_of(product.name)
    if parameters.save_flagged_bkg:
        for number, path in enumerate(product.backgrounds):
            yield path, name_of(product.name, number)


def _count(product: Product, parameters: Parameters) -> int:
    """Return how many exposures a product reads, and how many copies are written of it."""
    read = {path.resolve() for path in product.members}
    return len(read) + sum(1 for _ in _copies(product, parameters))


def _plan(
    product: Product,
    parameters: Parameters,
    folder: Location,
    workers: Workers,
    found: Association,
) -> Plan:
    """Read the headers of a product's exposures, and plan it."""
    named = [*_copies(product, parameters)]
    members = _members(product, {path.resolve() for path, _ in named}, workers)
    science = members[product.science.resolve()]
    check_product(science, [*members.values()], force=parameters.force)
    companions = {path.resolve() for path in {*product.backgrounds, *product.selfcal}}
    plan = Plan(
        name=product.name,
        detector=science.detector,
        members=tuple(members.values()),
        companions=frozenset(members[path].path for path in companions),
        copies=(),
        parameters=parameters,
        stem=product.name,
        roles=_roles(product, members),
        origin=_origin(found),
    )
    skipped = plan.is_skipped([member.path for member in plan.members])
    if not skipped and not parameters.force_single:
        warn_of_itself(science, plan.members)
    dispaxis = None if skipped else dispaxis_of(science, parameters.dispaxis)
    copies = (
        Copy(members[path.resolve()], folder, name, dispaxis, is_background=number > 0)
        for number, (path, name) in enumerate(named)
    )
    return replace(plan, copies=tuple(copies))


def _members(
    product: Product, flagged: Container[Location], workers: Workers
) -> dict[Location, Member]:
    """Read the headers of a product's exposures, each once."""
    paths: dict[Location, Location] = {}
    for path in dict.fromkeys(product.members):
        paths.setdefault(path.resolve(), path)
    listed = [
        Listed(path, whole=resolved in flagged, identified=False)
        for resolved, path in paths.items()
    ]
    members: dict[Location, Member] = {}
    for resolved, member in zip(paths, workers.read(listed), strict=True):
        if isinstance(member, Exception):
            raise member
        members[resolved] = member
    return members


def _roles(product: Product, members: Mapping[Location, Member]) -> dict[Location, Role]:
    """Return what the members are; one that is several things is the first of them."""
    roles: dict[Location, Role] = {}
    for path in product.backgrounds:
        roles[members[path.resolve()].path] = "background"
    for path in product.selfcal:
        roles.setdefault(members[path.resolve()].path, "selfcal")
    return {**roles, members[product.science.resolve()].path: "science"}


def _is_exposure(path: Location) -> bool:
    return path.name.lower().endswith(FITS_ENDINGS)


def _origin(found: Association) -> Cards:
    """Return the cards that name the association; none if the input is an exposure."""
    if _is_exposure(found.path):
        return {}
    origin = {"ASNTABLE": (ascii_of(found.path.name), "association table name")}
    if found.pool is not None:
        origin["ASNPOOL"] = (ascii_of(found.pool), "association pool name")
    return origin


def _result(outcome: Outcome) -> SelfcalResult:
    plan, masks = outcome.plan, outcome.masks
    dispaxis = plan.copies[0].dispaxis if masks else None
    science = (copy.output for copy in outcome.written if not copy.is_background)
    return SelfcalResult(
        product=plan.name,
        status=outcome.status,
        science=next(science, None),
        backgrounds=tuple(copy.output for copy in outcome.written if copy.is_background),
        bad_pixels=masks.get(dispaxis),
        pedestals=outcome.pedestals,
        dispaxis=dispaxis,
        members=tuple(member.path for member in plan.members),
        crowded_rows=outcome.crowded.get(dispaxis, ()),
        mask=outcome.products.get(MASK, {}).get(dispaxis),
        page=outcome.products.get(PAGE, {}).get(dispaxis),
    )
