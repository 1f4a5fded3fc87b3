"""The bad pixels of a minimum image: cut at fractions of the residual, or in units of the noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from logging import DEBUG
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._kernels import find_bad_pixels as find_by_fraction
from .._kernels import find_significant_pixels, median_kernel
from .._kernels import sharp_groups as find_sharp_groups
from ..errors import log
from ..instrument import IMAGE_AXIS, Dispaxis, blur_of
from .checks import (
    CUTS,
    EDGES,
    AskedEdge,
    Cut,
    FloatArray,
    as_floats,
    check_asked_sigma,
    check_choice,
    check_dispaxis,
    check_flagfrac,
    check_kernel_size,
    check_sigma,
    check_switch,
    check_whole,
    edge_of,
)
from .display import block, counted, percent

if TYPE_CHECKING:
    from .groups import Groups

KERNEL_SIZE: Final = 15
FLAGFRAC: Final = 0.001
SIGMA_LOWER: Final = 12.0

UPPER_CUTS: Final = {1: 4.5, 2: 4.0, 4: 3.75}
"""The high sigma cut, unless it is given, from this number of exposures on.

The minimum of many exposures has a narrow upper tail: a lower cut flags few more good pixels.
"""

OF_CUT: Final[dict[Cut, dict[str, object]]] = {
    "fraction": {"flagfrac_lower": FLAGFRAC, "flagfrac_upper": FLAGFRAC},
    "sigma": {"sigma_lower": SIGMA_LOWER, "sigma_upper": None, "grow": False},
}
"""The parameters that one cut only uses, with their defaults."""


@dataclass(frozen=True, eq=False)
class BadPixels:
    """The bad pixels of a minimum image.

    Attributes
    ----------
    mask : ndarray of bool, shape (rows, cols)
        True where a pixel is bad.
    residual : ndarray of float, shape (rows, cols)
        The minimum image minus its running median, in the unit and precision of the image.
    cut_low, cut_high : float
        Pixels strictly below `cut_low` or above `cut_high` are flagged: by their residual, or with
        the sigma cut by their significance. NaN if no residual is finite.
    n_low, n_high : int
        The numbers of pixels flagged below `cut_low` and above `cut_high`.
    significance : ndarray of float, shape (rows, cols), or None
        How far each pixel stands out, in units of `noise`; NaN where that is not known. From two
        exposures on, that of a bright pixel without sharp edges is less by the factor by which the
        default upper cut is below that of one exposure. None with the fraction cut.
    noise : ndarray of float, shape (rows, cols), or None
        The noise of one exposure, in the unit of the image; where light is narrow, a part of it
        counts as noise, but not in a group with sharp edges. None with the fraction cut.
    error_scale : float or None
        The factor that `error` was multiplied by; None if there was no valid `error`. Far from 1,
        the errors do not describe the data.
    """

    mask: NDArray[np.bool_]
    residual: FloatArray
    cut_low: float
    cut_high: float
    n_low: int
    n_high: int
    significance: FloatArray | None = None
    noise: FloatArray | None = None
    error_scale: float | None = None

    def __repr__(self) -> str:
        rows, columns = self.mask.shape
        scale = self.error_scale
        lines = {
            "cuts": cuts_of(self),
            "flagged": flags_of(self),
            "ERR": "" if scale is None else f"times {scale:.3g} is the noise",
        }
        return block(f"BadPixels of {rows} x {columns} pixels", lines)

    @property
    def indices(self) -> tuple[NDArray[np.intp], ...]:
        """Rows and columns of the bad pixels, as `numpy.where` returns them."""
        return np.nonzero(self.mask)

    @property
    def compared(self) -> FloatArray:
        """What is compared with the cuts: the significance, or without one the residual."""
        return self.residual if self.significance is None else self.significance

    @property
    def low(self) -> NDArray[np.bool_]:
        """The pixels flagged at the low end, shape (rows, cols)."""
        low = np.zeros_like(self.mask)
        flagged = self.compared[self.mask].astype(np.float64)  # the cuts are in float64
        low[self.mask] = (flagged < self.cut_low) | np.isneginf(flagged)
        return low

    @property
    def high(self) -> NDArray[np.bool_]:
        """The pixels flagged at the high end, shape (rows, cols)."""
        return self.mask & ~self.low

    @property
    def share(self) -> float:
        """The percentage of flagged pixels, of those that have a residual; of three digits."""
        sensitive = int(np.count_nonzero(~np.isnan(self.residual)))
        return percent(int(np.count_nonzero(self.mask)), sensitive) or 0.0

    @cached_property
    def groups(self) -> Groups:
        """The groups of flagged pixels that touch; their pixels are in the order of `indices`."""
        from .groups import groups_of

        place = np.flatnonzero(self.mask)
        is_low, residual = self.low.ravel()[place], self.residual.ravel()[place]
        return groups_of(place, is_low, residual, self.mask.shape[1])


def find_bad_pixels(
    minimum: ArrayLike,
    *,
    dispaxis: Dispaxis,
    cut: Cut = "fraction",
    kernel_size: int = KERNEL_SIZE,
    flagfrac_lower: float = FLAGFRAC,
    flagfrac_upper: float = FLAGFRAC,
    error: ArrayLike | None = None,
    n_exposures: int = 1,
    sigma_lower: float = SIGMA_LOWER,
    sigma_upper: float | None = None,
    grow: bool = False,
    detector: str | None = None,
    edge: AskedEdge = "auto",
) -> BadPixels:
    """Find the pixels of a minimum image that stand out from its running median.

    Parameters
    ----------
    minimum : array_like of real numbers, shape (rows, cols)
        The minimum image (see `minimum_image`).
    dispaxis : {1, 2, None}
        The dispersion axis, along which the window of the running median extends: 1 along x (image
        axis 1), 2 along y (image axis 0). None: a square window.
    cut : {"fraction", "sigma"}, optional
        "fraction" flags fixed fractions of the pixels, as the pipeline does. "sigma" flags the
        pixels that stand out from the noise, along the dispersion and across it.
    kernel_size : int, optional
        Samples in the window of the running median, an odd number.
    flagfrac_lower, flagfrac_upper : float, optional
        Fraction of the pixels to flag at each end, 0 to 0.5. For the fraction cut.
    error : array_like of real numbers, shape (rows, cols), or None, optional
        The standard error of one exposure (ERR; the mean, if there are several), in the unit of
        `minimum`. Only its shape over the image matters, not its scale. Where it is not a positive
        number, the noise follows from the scatter nearby; if it is so everywhere, or None, from the
        scatter at like brightness. For the sigma cut.
    n_exposures : int, optional
        The exposures of which `minimum` is the minimum. For the sigma cut.
    sigma_lower : float, optional
        Flag pixels more than this many times the noise of one exposure below their surroundings.
        For the sigma cut.
    sigma_upper : float or None, optional
        The same above their surroundings. None: 4.5 for one exposure, 4 for two or three, 3.75 for
        more (`n_exposures`).
    grow : bool, optional
        Flag the four neighbours of a pixel, too, that is flagged at the high end and so bright that
        the share of its residual that they get lies above the cut. Their significance is that
        share in units of their noise. An infinite residual has no brightness: it lights up no
        neighbour. For the sigma cut.
    detector : str or None, optional
        The DETECTOR keyword. It tells how far charge and light spread
        (`badpix_selfcal.instrument.blur_of`). None, and any other detector: as on MIRI's. For the
        sigma cut.
    edge : {"auto", "zero", "shrink"}, optional
        Samples beyond the border (see `median_filter`). "zero" is the rule of the pipeline, but
        puts a third of the flags of a flat image near its border. "shrink" does not. "auto" is
        "zero" for the fraction cut and "shrink" for the sigma cut, whose further running medians
        always shrink.

    Returns
    -------
    BadPixels
        The mask, the residual (float32 or float64, as in `median_filter`), the cuts and the
        counts; with the sigma cut the significance and the noise too.

    Raises
    ------
    TypeError
        If `minimum` or `error` is masked or not real, or an argument has the wrong type.
    ValueError
        If `minimum` is not 2-D, `error` has another shape or is given with the fraction cut, an
        argument serves the other cut only, or has an invalid value.

    Notes
    -----
    *Fraction.* On finite data ``find_bad_pixels(...).indices`` equals
    ``jwst.badpix_selfcal.badpix_selfcal.badpix_selfcal(...)`` exactly. Cuts are computed from the
    finite residuals, and infinite residuals are flagged; jwst may then flag nothing at one end. (An
    infinite sample whose running median is infinite, too, has no residual, and is not flagged.)

    *Sigma.* With running medians of 7 samples across the dispersion and of 31 along it, the noise
    is the greatest of the local scatter, the scaled error, and two thirds of the light that is
    wider than a pixel. Pixels above the upper cut are flagged if they stand out in both directions,
    or if they belong to a group whose edges are sharper than light can have.
    `badpix_selfcal.arrays.reference.find_bad_pixels` has the steps in plain NumPy.
    Without a dispersion axis all windows are squares. Scaling image and error by a power of two
    changes no flag, nor does scaling the error alone.
    """
    samples = as_floats(minimum, "minimum", ndim=2)
    axis = IMAGE_AXIS[check_dispaxis(dispaxis)]
    length = check_kernel_size(kernel_size)
    cut = check_choice(CUTS, cut, "cut")
    refuse_other_cut(cut, locals())
    border = edge_of(check_choice(EDGES, edge, "edge"), cut)
    if log.isEnabledFor(DEBUG):
        height, width = 1 if axis == 1 else length, 1 if axis == 0 else length
        kernel = median_kernel(height, width, *samples.shape)
        log.debug("running median over %d x %d samples: %s", height, width, kernel)
    if cut == "fraction":
        if error is not None:
            raise ValueError("error serves the sigma cut only; pass cut='sigma', or no error")
        lower = check_flagfrac(flagfrac_lower, "flagfrac_lower")
        upper = check_flagfrac(flagfrac_upper, "flagfrac_upper")
        return BadPixels(*find_by_fraction(samples, length, axis, lower, upper, border))
    lower = check_sigma(sigma_lower, "sigma_lower")
    given = check_asked_sigma(sigma_upper, "sigma_upper")
    errors = None if error is None else _errors_for(samples, error)
    grow = check_switch(grow, "grow")
    if detector is not None and not isinstance(detector, str):
        raise TypeError(f"detector must be a string or None, got {detector!r}")
    blur, number = blur_of(detector), check_whole(n_exposures, "n_exposures", 1)
    upper = upper_cut(number) if given is None else given
    spread, blunt = spread_of_minimum(number), blunt_factor(number)
    mask, residual, n_low, n_high, significance, noise, scale = find_significant_pixels(
        samples, errors, length, axis, lower, upper, spread, blunt, blur, border
    )
    counts = n_low, n_high
    found = BadPixels(mask, residual, -lower, upper, *counts, significance, noise, scale)
    return _grown(found, blur.coupling) if grow else found


def refuse_other_cut(cut: Cut, given: Mapping[str, object]) -> None:
    """Raise a ValueError if a parameter of the other cut has not its default: it has no effect."""
    for other, defaults in OF_CUT.items():
        for name, default in defaults.items():
            if other != cut and given[name] != default:
                raise ValueError(
                    f"`{name}` serves the {other} cut only; set `cut` to {other}, or leave "
                    f"`{name}` out"
                )


def _grown(found: BadPixels, coupling: float) -> BadPixels:
    """Return bad pixels with the neighbours that bright ones light up above the cut."""
    residual, noise, significance = found.residual, found.noise, found.significance
    assert noise is not None  # of the sigma cut
    assert significance is not None
    given, most = np.zeros_like(residual), np.zeros_like(residual)
    bright = found.high & np.isfinite(residual)
    given[bright] = residual[bright] * residual.dtype.type(coupling)
    for lit, by in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
        np.maximum(most[lit], given[by], out=most[lit])
        np.maximum(most[:, lit], given[:, by], out=most[:, lit])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = most / np.abs(noise)
    lit_up = ~found.mask & (residual > 0) & (share.astype(np.float64) > found.cut_high)
    return replace(
        found,
        mask=found.mask | lit_up,
        significance=np.where(lit_up, share, significance),
        n_high=found.n_high + int(np.count_nonzero(lit_up)),
    )


def sharp_groups(
    residual: FloatArray,
    noise: FloatArray,
    minimum: FloatArray,
    *,
    level: float,
    dispaxis: Dispaxis,
    known: NDArray[np.bool_],
    detector: str | None = None,
) -> NDArray[np.uint32]:
    """Number the groups of adjacent pixels whose edges are sharper than light can have.

    Pixels of groups are more than `level` times the noise above 0; those that are `known` count as
    missing. Groups are brighter than the slope of the running median. The images have the same
    shape and dtype; `dispaxis` and `detector` are those of `find_bad_pixels`. Returns the number of
    the group of each pixel, from 1; 0 for no group.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        smooth = minimum - residual
    return find_sharp_groups(
        np.ascontiguousarray(residual),
        np.ascontiguousarray(noise),
        np.ascontiguousarray(smooth),
        np.ascontiguousarray(known),
        level,
        IMAGE_AXIS[dispaxis],
        blur_of(detector),
    )


@cache
def spread_of_minimum(n_exposures: int) -> float:
    """Return the standard deviation of the least of some unit normal numbers.

    It is 1, 0.826, 0.748, 0.701 for 1, 2, 3, 4 of them, by numerical integration. More than a
    million count as a million.
    """
    number = min(n_exposures, 10**6)
    x = np.linspace(-9.0, 9.0, 3601)
    above = np.array([math.erfc(each / math.sqrt(2.0)) / 2 for each in x])
    density = number * np.exp(-x * x / 2) * above ** (number - 1)
    density /= density.sum()
    mean = (x * density).sum()
    return math.sqrt(((x - mean) ** 2 * density).sum())


def upper_cut(n_exposures: int) -> float:
    """Return the high sigma cut for the minimum of some exposures, as in `UPPER_CUTS`."""
    return UPPER_CUTS[max(least for least in UPPER_CUTS if least <= n_exposures)]


def blunt_factor(n_exposures: int) -> float:
    """Return by how much more than the upper cut a pixel must stand out without sharp edges.

    The noise of a minimum falls with the number of exposures, and so does the cut; light that looks
    like a bad pixel does not.
    """
    return upper_cut(1) / upper_cut(n_exposures)


def _errors_for(samples: FloatArray, error: ArrayLike) -> FloatArray:
    """Return errors in the precision of the image; those too large for it become infinite."""
    errors = as_floats(error, "error", ndim=2)
    if errors.shape != samples.shape:
        raise ValueError(f"error has shape {errors.shape}, minimum has {samples.shape}")
    with np.errstate(over="ignore"):
        return errors.astype(samples.dtype, copy=False)


def flags_of(found: BadPixels) -> str:
    """Return how many pixels are flagged, and how many groups they form if some touch."""
    flagged, number = found.n_low + found.n_high, len(found.groups)
    groups = f" in {counted(number, 'group')}" if number < flagged else ""
    pixels = f"{found.n_low} low + {found.n_high} high = {counted(flagged, 'pixel')}{groups}"
    return f"{pixels} ({found.share:g} %)"


def cuts_of(found: BadPixels) -> str:
    """Return below and above what pixels are flagged."""
    quantity = "residual" if found.significance is None else "significance"
    cuts = (found.cut_low, found.cut_high)
    low, high = (f"{cut:.6g}" if np.isfinite(cut) else "none" for cut in cuts)
    return f"{quantity} below {low} or above {high}"
