"""The methods that find bad pixels, each with a score that its cuts act on.

The other packages are made for other data: LA-Cosmic for cosmic rays in one exposure, ccdmask for a
ratio of flat fields, snowblind for imaging. For LA-Cosmic the best of about ten settings was taken
on one seed for tuning, for ccdmask the better of two windows; snowblind has its own settings.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import badpix_selfcal as bps
from badpix_selfcal.instrument import IMAGE_AXIS

from .truth import Image, Mask, Observed

__all__ = ["OURS", "PEERS", "REFERENCE", "SIGMA", "SIGMA_ALONE", "Scores"]

REFERENCE: Final = "fraction"
SIGMA: Final = "sigma"
SIGMA_ALONE: Final = "sigma without ERR"
SIGCLIPS: Final = (3.0, 4.5, 6.0, 8.0, 12.0, 20.0)
"""Cuts at which LA-Cosmic runs."""


@dataclass(frozen=True)
class Scores:
    """How strongly each pixel stands out, and the method's own cuts.

    Attributes
    ----------
    values : ndarray of float, shape (rows, columns)
        The score; NaN where there is none.
    high : float
        Pixels with a greater score are flagged.
    low : float
        Pixels with a lower score are flagged; minus infinity for methods without a low end.
    factor : float or None
        What the sigma cut multiplied ERR with; None for all others.
    """

    values: NDArray[np.floating]
    high: float
    low: float = -np.inf
    factor: float | None = None

    def flagged_high(self) -> Mask:
        """Return the pixels flagged as too bright."""
        return np.asarray(self.values > self.high)

    def flagged_low(self) -> Mask:
        """Return the pixels flagged as too faint."""
        return np.asarray(self.values < self.low)


Finder = Callable[[Observed], Scores]
"""A method; it does not look at the truth."""


def _fraction(observed: Observed) -> Scores:
    """Return the residuals of the pipeline's rule, with its cuts."""
    found = bps.find_bad_pixels(observed.minimum, dispaxis=observed.scene.detector.dispaxis)
    return Scores(found.residual, found.cut_high, found.cut_low)


def _sigma(observed: Observed) -> Scores:
    """Return the sigma cut's scores, with ERR."""
    return _sigma_cut(observed, observed.error)


def _sigma_alone(observed: Observed) -> Scores:
    """Return the sigma cut's scores, without ERR."""
    return _sigma_cut(observed, None)


def _sigma_cut(observed: Observed, error: Image | None) -> Scores:
    found: Any = bps.find_bad_pixels(
        observed.minimum,
        dispaxis=observed.scene.detector.dispaxis,
        cut="sigma",
        error=error,
        n_exposures=len(observed.exposures),
        detector=observed.scene.detector.name,
    )
    return Scores(found.significance, found.cut_high, found.cut_low, found.error_scale)


def _la_cosmic(observed: Observed) -> Scores:
    """Run LA-Cosmic (van Dokkum 2001) with ERR on the minimum image minus its running median.

    The score of a pixel is the greatest cut at which it is flagged. The growth of the flagged
    regions is off (``sigfrac=1``), as it takes in good pixels; on the minimum image itself and with
    growth its purity in 34C with 4 exposures is 0.17 instead of 0.97.
    """
    from astroscrappy import detect_cosmics

    filled, bad, around = _filled(observed)
    residual = np.asarray(filled - around, np.float32)
    error = np.where(bad, np.nanmedian(observed.error), observed.error)
    variance = np.asarray(error * error, np.float32)
    values = np.zeros(residual.shape, np.float32)
    for cut in SIGCLIPS:
        flagged, _ = detect_cosmics(
            residual, inmask=bad, invar=variance, sigclip=cut, sigfrac=1.0, satlevel=1e30
        )
        values[flagged] = cut
    return Scores(values, 4.4)  # the default, 4.5, is one of the cuts


def _ccdmask(observed: Observed) -> Scores:
    """Follow the steps of `ccdproc.ccdmask`, without the comparison at the end.

    The window of its median extends along the dispersion, as its documentation suggests for
    spectra, and has the 15 pixels of the other methods.
    """
    from scipy import ndimage

    filled, _, _ = _filled(observed)
    axis = IMAGE_AXIS[observed.scene.detector.dispaxis]
    residual = filled - ndimage.median_filter(filled, size=(15, 1) if axis == 0 else (1, 15))
    high = ndimage.percentile_filter(residual, 69.1, size=(15, 15))
    low = ndimage.percentile_filter(residual, 30.9, size=(15, 15))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Scores(residual / ((high - low) / 2), 9.0, -9.0)


def _snowblind(observed: Observed) -> Scores:
    """Clip the median of the exposures at 3 sigma, as snowblind's step `open_pixel` does."""
    from astropy.stats import sigma_clipped_stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pixels that are NaN in all exposures
        stack = np.nanmedian(observed.exposures, axis=0)
        _, middle, scatter = sigma_clipped_stats(stack, mask_value=np.nan)
    return Scores((stack - middle) / scatter, 3.0)


def _filled(observed: Observed) -> tuple[Image, Mask, Image]:
    """Return the minimum image with medians in place of NaN, the pixels to ignore and the medians.

    The other packages do not skip NaN.
    """
    axis = IMAGE_AXIS[observed.scene.detector.dispaxis]
    bad = observed.known | ~np.isfinite(observed.minimum)
    around = np.nan_to_num(bps.median_filter(observed.minimum, 15, axis=axis, edge="shrink"))
    filled = np.where(bad, around, observed.minimum)
    return np.asarray(filled, np.float32), bad, np.asarray(around, np.float32)


OURS: Final[Mapping[str, Finder]] = {
    REFERENCE: _fraction,
    SIGMA: _sigma,
    SIGMA_ALONE: _sigma_alone,
}
"""The cuts of this package, by name; `REFERENCE` is the pipeline's."""

PEERS: Final[Mapping[str, Finder]] = {
    "LA-Cosmic": _la_cosmic,
    "ccdmask": _ccdmask,
    "3-sigma clip": _snowblind,
}
"""The methods of other packages, by name."""
