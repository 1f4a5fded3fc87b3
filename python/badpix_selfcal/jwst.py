"""The pipeline's step, on the pipeline's models, with the kernels of this package (extra ``jwst``).

`BadpixSelfcalStep` has the arguments, the results and the parameters of
``jwst.step.BadpixSelfcalStep``, those of CRDS too. Four more parameters (`cut`, `sigma_lower`,
`sigma_upper` and `grow`) offer the sigma cut; by default it is off. It gives the mask of
`badpix_selfcal.selfcal`: an exposure that is listed twice counts once; one without a pedestal, or
noisier than the others, does not count. `install` puts the step into ``Spec2Pipeline``, and
replaces the functions of jwst by `medfilt`, `badpix_selfcal`, `moving_median_over_zeroth_axis` and
`reference_median`. `installed` is a context manager for the same.

>>> from jwst.pipeline import Spec2Pipeline  # doctest: +SKIP
>>> import badpix_selfcal.jwst
>>> with badpix_selfcal.jwst.installed():  # doctest: +SKIP
...     Spec2Pipeline.call("jw01234_spec2_asn.json", steps={"badpix_selfcal": {"skip": False}})

With the fraction cut results equal those of the pipeline to the last bit, also where
`badpix_selfcal.selfcal` differs from the pipeline on purpose: infinities, even windows, DISPAXIS,
backgrounds.

It was tested with jwst 3.0.0 (``badpix_selfcal.jwst_parts``). If what it replaces or uses differs
in the installed jwst, there is a `SelfcalWarning` that names it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .arrays import MeanError, find_bad_pixels, minimum_image, pedestal, percentiles
from .arrays.bad_pixels import FLAGFRAC, KERNEL_SIZE, cuts_of, refuse_other_cut
from .arrays.checks import FloatArray
from .arrays.images import NOISIER, has_zeros, least_noise, noise_of, unmeasured
from .arrays.medians import median_filter
from .errors import warn
from .instrument import DISPAXIS_OF_EXP_TYPE, DO_NOT_USE, gap_of, within
from .jwst_parts import FUNCTIONS, STEP, changes, refuse_other_arguments
from .parameters import Parameters
from .stcal import medfilt as medfilt

try:
    from jwst import datamodels
    from jwst.badpix_selfcal import badpix_selfcal_step as pipeline
    from jwst.badpix_selfcal.badpix_selfcal import apply_flags
except ImportError as error:
    raise ImportError(
        f'badpix_selfcal.jwst needs jwst ({error}): pip install "badpix-selfcal[jwst]"'
    ) from error

# The pipeline records the messages of its own loggers in its products.
log = logging.getLogger(pipeline.__name__)

_HELP: Final = Parameters.by_name()


class BadpixSelfcalStep(pipeline.BadpixSelfcalStep):  # type: ignore[misc]
    """Flag bad pixels found by self-calibration, fast.

    All exposures are combined into their minimum. Pixels that stand out from the running median of
    the minimum are bad. In the science exposure and in the backgrounds they are flagged DO_NOT_USE
    and OTHER_BAD_PIXEL, and their data, errors and variances become NaN.
    """

    # stpipe reads the spec of the class itself, not an inherited one.
    spec = f"""{pipeline.BadpixSelfcalStep.spec.rstrip()}
    cut = option('fraction', 'sigma', default='fraction')  # {_HELP["cut"].help}
    sigma_lower = float(default={Parameters.sigma_lower}, min=0.0)  # {_HELP["sigma_lower"].help}
    sigma_upper = float(default=None, min=0.0)  # {_HELP["sigma_upper"].help}
    grow = boolean(default=False)  # {_HELP["grow"].help}
    """

    def process(
        self, input_data: Any, selfcal_list: Any = None, bkg_list: Any = None
    ) -> tuple[Any, list[Any]]:
        """Find bad pixels and flag them; arguments and results are those of jwst's step."""
        if self.cut == "fraction":  # for the sigma cut CRDS may set the fractions
            refuse_other_cut(self.cut, vars(self))
        science, others, backgrounds, opened = self._parse_inputs(
            input_data, selfcal_list, bkg_list
        )
        if not (others or self.force_single):
            log.warning("Step skipped: there are no selfcal or background exposures.")
            log.info(
                "With force_single the science exposure is used alone (not recommended in general)."
            )
            science.meta.cal_step.badpix_selfcal = "SKIPPED"
            return science, backgrounds
        dispaxis = _dispaxis(science)
        detector = science.meta.instrument.detector.upper()
        if self.cut == "fraction":
            all_of = (science, *others)
            levelled = (each.data - _level(each, detector, each.data) for each in all_of)
            how = self.flagfrac_lower, self.flagfrac_upper, self.kernel_size, dispaxis
            bad = badpix_selfcal(minimum_image(levelled), *how)
        else:
            bad = self._significant(science, others, detector, dispaxis)
        log.info("Bad pixels found by self-calibration: %d", len(bad[0]))
        science = apply_flags(science, bad)
        backgrounds[:] = [apply_flags(datamodels.open(each), bad) for each in backgrounds]
        if self.save_flagged_bkg:
            self.save_bkg(backgrounds)
        science.meta.cal_step.badpix_selfcal = "COMPLETE"
        for model in opened:
            model.close()
        return science, backgrounds

    def _significant(
        self, science: Any, others: list[Any], detector: str, dispaxis: Any
    ) -> tuple[NDArray[np.intp], ...]:
        """Return what `selfcal` flags: nothing, if no exposure but the science can be used."""
        images = {id(each): _measured(each) for each in (science, *others)}
        levels = {id(each): _level(each, detector, images[id(each)]) for each in (science, *others)}
        companions = [each for each in others if np.isfinite(levels[id(each)])]
        if dispaxis is None:
            dispaxis = DISPAXIS_OF_EXP_TYPE.get(science.meta.exposure.type)
        alone = [science] if np.isfinite(levels[id(science)]) else []
        used = _once([*alone, *companions])
        if not (used if self.force_single else companions):
            log.warning("No pixel is flagged: no selfcal or background exposure can be used.")
            return np.nonzero(np.zeros(science.data.shape, np.bool_))
        noises = [np.nan if each.err is None else noise_of(each.err) for each in used]
        most = NOISIER * least_noise(noises)
        used = [each for each, noise in zip(used, noises, strict=True) if not noise > most]
        mean = MeanError(used[0].data.shape)
        for each in used:
            if each.err is not None:
                mean.add(each.err)
        found = find_bad_pixels(
            minimum_image((images[id(each)] for each in used), (levels[id(each)] for each in used)),
            dispaxis=dispaxis,
            cut="sigma",
            kernel_size=self.kernel_size,
            error=mean.image(),
            n_exposures=len(used),
            sigma_lower=self.sigma_lower,
            sigma_upper=self.sigma_upper,
            grow=self.grow,
            detector=detector,
        )
        log.info("Exposures combined: %d; flagged: %s", len(used), cuts_of(found))
        return found.indices


def _warn_of_changes(parts: Iterable[str]) -> None:
    """Warn if parts of jwst are not those that this module was tested with."""
    if found := changes(parts):
        warn(
            f"{found}, with which badpix_selfcal.jwst was tested; `badpix-selfcal verify --against "
            "jwst` decides"
        )


refuse_other_arguments(
    "BadpixSelfcalStep.process", pipeline.BadpixSelfcalStep.process, BadpixSelfcalStep.process
)
_warn_of_changes(STEP)


def badpix_selfcal(
    minimg: NDArray[Any],
    flagfrac_lower: float = FLAGFRAC,
    flagfrac_upper: float = FLAGFRAC,
    kernel_size: int = KERNEL_SIZE,
    dispaxis: int | None = None,
) -> tuple[NDArray[np.intp], ...]:
    """Find the pixels of a minimum image that stand out from its running median, as in jwst.

    Arguments, results and errors are those of ``jwst.badpix_selfcal.badpix_selfcal``: rows and
    columns of the bad pixels; ValueError for another `dispaxis` than 1, 2 and None, and for an even
    `kernel_size`. As in jwst, infinities can prevent all flags at one end, which
    `badpix_selfcal.find_bad_pixels` avoids.
    """
    # jwst also accepts numbers equal to these, such as 1.0, which `check_dispaxis` refuses.
    if dispaxis not in (1, 2, None):
        raise ValueError(f"dispaxis must be 1 (along x), 2 (along y) or None, got {dispaxis!r}")
    height = 1 if dispaxis == 1 else kernel_size
    width = 1 if dispaxis == 2 else kernel_size
    residual = minimg - medfilt(minimg, (height, width))
    is_fast = type(residual) is np.ndarray and residual.dtype in (np.float32, np.float64)
    rank: Any = percentiles if is_fast else np.nanpercentile
    low, high = rank(residual, [flagfrac_lower * 100, (1 - flagfrac_upper) * 100])
    return np.nonzero((residual > high) | (residual < low))


def moving_median_over_zeroth_axis(x: NDArray[Any], w: int) -> NDArray[np.float64]:
    """Compute the running median along the first axis, as ``jwst.outlier_detection.tso`` does.

    Parameters
    ----------
    x : ndarray of real numbers
        The samples, such as the integrations of a time series.
    w : int
        Samples in the window, at least 2.

    Returns
    -------
    ndarray of float64, shape of `x`
        The medians, equal to those of jwst to the last bit, but that the mean of two samples does
        not overflow: NaN where a window holds a NaN, and the nearest median where it would reach
        beyond the samples. As there, a window of 2 samples has the last median everywhere, and one
        that is longer than the axis has none.

    Raises
    ------
    ValueError
        If `w` is below 2.
    """
    if w <= 1:
        raise ValueError(f"w must be greater than 1, got {w}")
    array = np.asarray(x)
    if w % 2 == 0:  # jwst takes the mean of two samples in double precision
        array = array.astype(np.float64)
    out: NDArray[np.float64] = np.full(array.shape, np.nan)
    if w <= len(array):
        out[...] = median_filter(array, w, axis=0, edge="shrink", min_count=w)
        half = w // 2
        out[:half] = out[half]
        last = len(array) - w + half
        out[last + 1 if w > 2 else 0 :] = out[last]
    return out


def reference_median(
    self: Any, data: NDArray[Any], dq: NDArray[Any], smoothing_length: int
) -> NDArray[np.float64]:
    """Compute the running median of reference pixels, as ``NIRDataset.median_filter`` of jwst.

    Parameters
    ----------
    self : jwst.refpix.reference_pixels.NIRDataset
        The exposure, which mirrors the rows beyond the ends.
    data, dq : ndarray, 2-D
        Samples, and their DQ. Those flagged DO_NOT_USE are not used.
    smoothing_length : int
        Rows in the window, which has all columns.

    Returns
    -------
    ndarray of float64, one for each row
        The medians, equal to those of jwst to the last bit; NaN where all samples are flagged.
    """
    rows, columns = data.shape
    samples = self.create_reflected(data, smoothing_length)
    is_good = self.create_reflected(dq, smoothing_length) & DO_NOT_USE == 0
    window = smoothing_length * columns  # of one line, row by row
    line = np.where(is_good, samples, np.nan).ravel()
    medians = median_filter(line, window, origin=-(window // 2), edge="shrink")
    found = medians[: rows * columns : columns].astype(np.float64)
    # In jwst, a NaN that is not flagged makes the median NaN.
    is_lost = (np.isnan(samples) & is_good).any(axis=1)
    found[np.convolve(is_lost, np.ones(smoothing_length), "valid")[:rows] > 0] = np.nan
    return found


def install() -> None:
    """Put the step and the functions of this package into jwst, until `uninstall`.

    ``Spec2Pipeline`` gets the step. The step of jwst, the outlier detection of integral-field
    exposures and of time series, and the reference pixels get the array functions. A second call
    changes nothing. Only this process is affected: a spawned process must call `install` itself.

    Raises
    ------
    ImportError
        If a function of the installed jwst is absent or takes other arguments; nothing is replaced.

    Warns
    -----
    SelfcalWarning
        If a function is not the one that its replacement was tested with.
    """
    _hold("install")


def uninstall() -> None:
    """Undo all calls of `install` and all contexts of `installed`.

    A name of jwst that other code has replaced since is left unchanged.
    """
    _let_go(*_HOLDERS)


@contextmanager
def installed() -> Iterator[None]:
    """Return a context manager that installs, and uninstalls at its end; see `install`.

    Contexts may overlap, also in several threads. The last one to end uninstalls, unless `install`
    was called, too.
    """
    context = object()
    _hold(context)
    try:
        yield
    finally:
        _let_go(context)


_LOCK: Final = threading.Lock()

_HOLDERS: Final[set[object]] = set()
"""The contexts that last, and "install"."""

_REPLACED: Final[list[tuple[Any, str, Any, Any]]] = []
"""Mappings and classes of jwst, names in them, and the objects before and now."""


def _hold(holder: object) -> None:
    with _LOCK:
        if not _REPLACED:
            replaced = _to_replace()
            _warn_of_changes(FUNCTIONS)
            for namespace, name, ours in replaced:
                _REPLACED.append((namespace, name, _replace(namespace, name, ours), ours))
        _HOLDERS.add(holder)


def _to_replace() -> list[tuple[Any, str, Any]]:
    """Return mappings and classes of jwst, names in them, and the objects to put there."""
    names = ("badpix_selfcal.badpix_selfcal", "outlier_detection.ifu", "outlier_detection.tso")
    arrays, ifu, tso = (vars(import_module(f"jwst.{name}")) for name in names)
    near_infrared = import_module("jwst.refpix.reference_pixels").NIRDataset
    spec2 = import_module("jwst.pipeline.calwebb_spec2").Spec2Pipeline
    functions: list[tuple[Any, str, Any]] = [
        (arrays, "badpix_selfcal", badpix_selfcal),
        (arrays, "medfilt", medfilt),
        (ifu, "medfilt", medfilt),
        (tso, "moving_median_over_zeroth_axis", moving_median_over_zeroth_axis),
        (near_infrared, "median_filter", reference_median),
    ]
    for namespace, name, ours in functions:
        theirs = (vars(namespace) if isinstance(namespace, type) else namespace).get(name)
        refuse_other_arguments(name, theirs, ours)
    return [(spec2.step_defs, "badpix_selfcal", BadpixSelfcalStep), *functions]


def _let_go(*holders: object) -> None:
    with _LOCK:
        _HOLDERS.difference_update(holders)
        if _HOLDERS:
            return
        for namespace, name, before, ours in _REPLACED:
            _replace(namespace, name, before, only=ours)
        _REPLACED.clear()


def _replace(namespace: Any, name: str, new: Any, only: Any = None) -> Any:
    """Replace what a name stands for in a class or a mapping; with `only`, if it is that."""
    is_class = isinstance(namespace, type)
    before = vars(namespace)[name] if is_class else namespace[name]
    if only is None or before is only:
        if is_class:
            setattr(namespace, name, new)
        else:
            namespace[name] = new
    return before


def _dispaxis(science: Any) -> Any:
    try:
        return science.meta.wcsinfo.dispersion_direction
    except AttributeError:
        log.warning("The dispersion axis is unknown: the window of the running median is a square.")
        return None


def _measured(model: Any) -> FloatArray:
    """Return the samples of an exposure, NaN where zeros stand for missing measurements."""
    image: FloatArray = model.data
    if model.err is None or model.dq is None or not has_zeros(image):
        return image
    return np.where(unmeasured(image, model.err, model.dq), image.dtype.type(np.nan), image)


def _level(model: Any, detector: str, image: FloatArray) -> Any:
    """Return the pedestal of an exposure in its precision; 0 if the detector has no unlit gap."""
    gap = gap_of(detector)
    level = 0.0 if gap is None else pedestal(image, within(gap, image.shape))
    if not np.isfinite(level):
        log.warning(
            "%s has no valid samples between the channels: it is not used to find bad pixels.",
            model.meta.filename,
        )
    return image.dtype.type(level)


def _once(exposures: list[Any]) -> list[Any]:
    """Return exposures without those whose samples another one has: they are listed twice.

    Names do not tell, for steps before this one may have changed them.
    """
    different: dict[bytes, Any] = {}
    for each in exposures:
        different.setdefault(blake2b(np.ascontiguousarray(each.data).data).digest(), each)
    return list(different.values())
