"""The step: from an association, or one exposure and its companions, to flagged files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from .._floats import FloatArray
from ..arrays import BadPixels
from ..detectors import Dispaxis, gap_of
from ..errors import ExposureError
from ..files import association
from ..files import exposure as exposure_file
from ..files.association import Association, Product, stem_of
from ..files.exposure import Cards, Exposure
from ..files.outputs import Outputs
from ..files.remote import AnyLocation, AnyPath, Location, each_of, locate, locations_of
from ..parameters import EDGE, FLAGFRAC, KERNEL_SIZE, AskedDispaxis, Edge, Parameters
from .minimum import PREFETCHED, MinimumImage, dispaxis_of, find, warn
from .provenance import Status, ascii_of, cards, history, name_of

__all__ = ["SelfcalResult", "Status", "selfcal"]


FITS_ENDINGS: Final = (".fits", ".fit", ".fits.gz", ".fit.gz")


@dataclass(frozen=True)
class SelfcalResult:
    """What became of one product.

    Attributes
    ----------
    product : str
        Its name.
    status : {"COMPLETE", "SKIPPED"}
        Whether bad pixels were looked for.
    science : Path
        The science exposure's flagged copy; when skipped, an unflagged one.
    backgrounds : tuple of Path
        The backgrounds' flagged copies, if they were asked for.
    bad_pixels : BadPixels or None
        What was found; None when skipped.
    pedestals : mapping of Path or RemoteFile to float
        What was subtracted from each member before the minimum, in the unit of its SCI; NaN for
        one that was left out. Empty for detectors without a gap, and when skipped.
    dispaxis : {1, 2, None}
        The dispersion axis along which the running median went; None: a square window, or skipped.
    members : tuple of Path or RemoteFile
        The exposures of the product, each once.
    others : tuple of SelfcalResult
        What became of the association's further products.
    """

    product: str
    status: Status
    science: Path
    backgrounds: tuple[Path, ...]
    bad_pixels: BadPixels | None
    pedestals: Mapping[Location, float]
    dispaxis: Dispaxis
    members: tuple[Location, ...]
    others: tuple[SelfcalResult, ...] = ()


def selfcal(
    input: AnyLocation,  # noqa: A002 - the name that users of the pipeline's step know
    *,
    selfcal: AnyLocation | Iterable[AnyLocation] = (),
    background: AnyLocation | Iterable[AnyLocation] = (),
    output_dir: AnyPath | None = None,
    kernel_size: int = KERNEL_SIZE,
    flagfrac_lower: float = FLAGFRAC,
    flagfrac_upper: float = FLAGFRAC,
    force_single: bool = False,
    save_flagged_bkg: bool = False,
    edge: Edge = EDGE,
    dispaxis: AskedDispaxis = "auto",
    overwrite: bool = False,
) -> SelfcalResult:
    """Find the bad pixels of an association's exposures and write flagged copies.

    Parameters
    ----------
    input : path-like
        An association (JSON, YAML) or a science exposure (FITS, also gzipped): a path or, with the
        extra ``cloud``, a URL, as may be all inputs.
    selfcal, background : path-like or iterable of path-like, optional
        Further exposures, appended to those of the association. All serve to find bad pixels;
        backgrounds are flagged as well.
    output_dir : path-like, optional
        Where the outputs go; made if it does not exist. The current folder unless given, as in
        the pipeline.
    kernel_size : int, optional
        Samples in the running median's window; odd.
    flagfrac_lower, flagfrac_upper : float, optional
        Fraction of the pixels to flag at each end, 0 to 0.5.
    force_single : bool, optional
        Go on when there are no exposures but the science exposure itself.
    save_flagged_bkg : bool, optional
        Write the flagged backgrounds too.
    edge : {"zero", "shrink"}, optional
        What the window sees beyond the border; see `badpix_selfcal.median_filter`.
    dispaxis : {"auto", 1, 2, None}, optional
        The dispersion axis: 1 along x, 2 along y, None for a square window. "auto" takes the
        science exposure's DISPAXIS, else what its EXP_TYPE implies, else None with a warning.
    overwrite : bool, optional
        Replace existing outputs. An input is never replaced.

    Returns
    -------
    SelfcalResult
        What became of the first product; that of the others is in its `others`.

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
        If the step is skipped, an exposure is left out because its gap holds no valid sample, or
        the dispersion axis is not known.

    Notes
    -----
    The products' files are ``<product>_badpix_selfcal.fits`` and, for backgrounds,
    ``<product>_badpix_selfcal_bkg_<i>.fits``. The method and the defaults are those of ``jwst``
    3.0.0; on finite data so are the results, to the last bit.
    """
    parameters = Parameters(
        kernel_size, flagfrac_lower, flagfrac_upper, force_single, save_flagged_bkg, edge, dispaxis
    )
    listed = _listed(locate(input), locations_of(background), locations_of(selfcal))
    tasks = [_Task(product, parameters) for product in listed.products]
    inputs = [listed.path, *(path for task in tasks for path in task.exposures)]
    with Outputs(Path(output_dir or "."), inputs, overwrite=overwrite) as outputs:
        for task in tasks:
            task.claim(outputs)
        results = [task.run(outputs, _origin(listed)) for task in tasks]
        outputs.publish()
    return replace(results[0], others=tuple(results[1:]))


class _Task:
    """One product on its way from exposures to files."""

    def __init__(self, product: Product, parameters: Parameters) -> None:
        self.product = product
        self.parameters = parameters
        self.exposures: dict[Location, Exposure] = {}
        to_flag = product.backgrounds if parameters.save_flagged_bkg else ()
        flagged = {path.resolve() for path in (product.science, *to_flag)}
        members: dict[Location, Location] = {}
        for path in product.members:
            members.setdefault(path.resolve(), path)
        paths = [*members.values()]

        def read(path: Location) -> Exposure:
            return exposure_file.read(path, whole=path.resolve() in flagged)

        for path, exposure in zip(paths, each_of(read, paths, paths), strict=True):
            self.exposures[path.resolve()] = exposure
            if len(self.exposures) <= PREFETCHED:
                exposure.prefetch()
        self.science = self._exposure(product.science)
        self.backgrounds = [self._exposure(path) for path in product.backgrounds]
        if not parameters.save_flagged_bkg:
            self.backgrounds = []
        self._check()

    def _exposure(self, path: Location) -> Exposure:
        return self.exposures[path.resolve()]

    def _check(self) -> None:
        """Refuse what would fail later, before anything is written."""
        if not self.science.detector:
            raise ExposureError(
                f"{self.science.path}: has no DETECTOR keyword, so its gap is not known"
            )
        for exposure in (self.science, *self.backgrounds):
            exposure.require_flaggable()
        for exposure in self.exposures.values():
            if exposure.shape != self.science.shape:
                raise ExposureError(
                    f"{exposure.path}: SCI has shape {exposure.shape}, that of the science "
                    f"exposure {self.science.path} has {self.science.shape}; use one detector"
                )
            if exposure.detector not in ("", self.science.detector):
                warn(
                    f"{exposure.path}: was taken with {exposure.detector}, the science exposure "
                    f"{self.science.path} with {self.science.detector}"
                )

    def claim(self, outputs: Outputs) -> None:
        """Refuse outputs that may not be written, before the work is done."""
        for number in (None, *range(len(self.backgrounds))):
            outputs.claim(name_of(self.product.name, number))

    def run(self, outputs: Outputs, origin: Cards) -> SelfcalResult:
        """Find the bad pixels and write the outputs' parts."""
        minimum, pedestals = self._minimum_image()
        found, dispaxis = None, None
        if minimum is not None:
            dispaxis = dispaxis_of(self.science, self.parameters.dispaxis)
            found = find(minimum, dispaxis, self.parameters)
        status: Status = "SKIPPED" if found is None else "COMPLETE"
        backgrounds = self.backgrounds if found is not None else []
        told = history(self.parameters, status, dispaxis)

        def write(exposure: Exposure, background: int | None = None) -> Path:
            name = name_of(self.product.name, background)
            final = outputs.claim(name)
            mask = None if found is None else found.mask
            about = {**origin, **cards(name, status)}
            exposure.write_copy(outputs.part(final), mask, about, told)
            return final

        return SelfcalResult(
            product=self.product.name,
            status=status,
            science=write(self.science),
            backgrounds=tuple(write(each, i) for i, each in enumerate(backgrounds)),
            bad_pixels=found,
            pedestals=pedestals,
            dispaxis=dispaxis,
            members=tuple(exposure.path for exposure in self.exposures.values()),
        )

    def _minimum_image(self) -> tuple[FloatArray | None, dict[Location, float]]:
        """Return the minimum image, None if the step is to be skipped, and the pedestals."""
        extra = {path.resolve() for path in (*self.product.backgrounds, *self.product.selfcal)}
        if not (extra or self.parameters.force_single):
            warn(
                f"{self.science.path}: no selfcal or background exposures given, step skipped; "
                "force_single goes on with the science exposure alone (generally not recommended)"
            )
            return None, {}
        minimum = MinimumImage(gap_of(self.science.detector))
        for exposure in self._read_ahead():
            if not minimum.fold(exposure):
                minimum.warn_left_out(exposure.path)
        used = {path.resolve() for path in minimum.used}
        if not (used & extra or (used and self.parameters.force_single)):
            warn(f"{self.science.path}: no usable selfcal or background exposures, step skipped")
            return None, minimum.pedestals
        return minimum.image, minimum.pedestals

    def _read_ahead(self) -> Iterator[Exposure]:
        coming = iter([*self.exposures.values()][PREFETCHED:])
        for exposure in self.exposures.values():
            for later in islice(coming, 1):
                later.prefetch()
            yield exposure


def _listed(
    path: Location, backgrounds: tuple[Location, ...], selfcal: tuple[Location, ...]
) -> Association:
    """Return what is to be processed, with the exposures given besides the association's."""
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


def _is_exposure(path: Location) -> bool:
    return path.name.lower().endswith(FITS_ENDINGS)


def _origin(listed: Association) -> Cards:
    """Return the cards that tell which association a file was made from."""
    if _is_exposure(listed.path):
        return {}
    origin = {"ASNTABLE": (ascii_of(listed.path.name), "association table name")}
    if listed.pool is not None:
        origin["ASNPOOL"] = (ascii_of(listed.pool), "association pool name")
    return origin
