"""What pages and figures show of a mask, chosen once: pixels, profiles through them, parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays.bad_pixels import BadPixels
from ..arrays.checks import FloatArray, as_stored
from ..errors import ExposureError, MaskError
from ..files import exposure as exposure_file
from ..files.fits_file import open_fits
from ..files.paths import AnyLocation, Location, locations_of
from ..instrument import DETECTORS, IMAGE_AXIS, Detector, Dispaxis
from ..masks.mask import Mask, Member, mask_of_result
from ..simulate.slices import CHANNELS, geometry

Pixel: TypeAlias = tuple[int, int]
"""Row and column, counted from 0."""

Direction: TypeAlias = Literal["along", "across"]
"""Along the dispersion, or across it. Without a dispersion axis: along rows, or across them."""

IN_GALLERY: Final = 12
"""Pixels in each part of a gallery."""

NEAR: Final = 0.8
"""An unflagged pixel is near the cut if its value is at least this part of it."""

MOST_NEAR: Final = 1000

APART: Final = 4
"""Pixels of a gallery are at least so many rows or columns apart: else both show the same spot."""

TRIED: Final = 50
"""Unflagged pixels near a cut that are tried for each one that is chosen."""

ALONG: Final = 20
ACROSS: Final = 6
"""Pixels on each side of a profile along the dispersion, and across it."""

HALVES: Final[tuple[tuple[Direction, int, int], ...]] = (
    ("along", ALONG, 0),
    ("across", ACROSS, 2 * ALONG + 1),
)
"""The profiles of a pixel: direction, pixels on each side, and the first sample in `Strips`."""

SAMPLES: Final = 2 * ALONG + 1 + 2 * ACROSS + 1
"""Samples of both profiles together."""

MOST_SAMPLES: Final = 6_000_000
"""Samples of all exposures that a page holds: 0.7 bytes each, more or less."""

BANDS: Final = 16
"""Bands of equal width that stand for the slices where these are not known."""

SHARE_OF_BAND: Final = 50
"""A band is this part of the detector wide, about a slice: 21 columns of MIRI, 41 rows of NIRSpec.
"""


def mode_of(mask: Mask, *further: str) -> str:
    """Return further cards, detector, channel, band, filter and grating; empty if not known."""
    keywords = (*further, "DETECTOR", "CHANNEL", "BAND", "FILTER", "GRATING")
    words = [str(mask.about[each]).strip() for each in keywords if each in mask.about]
    return " ".join(word for word in words if word)


def masks_of(results: AnyLocation | Iterable[AnyLocation], what: str) -> dict[str, Location]:
    """Return mask files, each once, by what the names of files that show them begin with.

    A MaskError is raised if a result is no mask and has none beside it, or two have equal names.
    """
    masks: dict[str, Location] = {}
    for result in locations_of(results):
        path = mask_of_result(result)
        stem = path.name.removesuffix(".gz").removesuffix(".fits").removesuffix("_mask")
        if masks.setdefault(stem, path).resolve() != path.resolve():
            raise MaskError(
                f"{path} and {masks[stem]} have {what} of the same names; write them separately, "
                "into different folders"
            )
    return masks


def images_of(mask: Mask) -> tuple[FloatArray, BadPixels]:
    """Return the minimum image of a mask, and its bad pixels.

    A MaskError is raised if it holds flags only, as a reference file of other origin does.
    """
    if mask.minimum is None or mask.bad_pixels is None:
        raise MaskError(f"{mask.title}: holds flags only; give a mask of this package")
    return mask.minimum, mask.bad_pixels


# ---- Pixels ---------------------------------------------------------------------------------


def flagged_first(found: BadPixels) -> NDArray[np.intp]:
    """Return the flagged pixels by group, the strongest group first, each's brightest pixel first.

    All pixels are flat indices, ``row * columns + column``.
    """
    return np.flatnonzero(found.mask)[found.groups.order]


def near_cuts(found: BadPixels) -> NDArray[np.intp]:
    """Return pixels near a cut that are not flagged, the nearest first."""
    values = found.compared.astype(np.float32)
    with np.errstate(all="ignore"):
        high = values / np.float32(found.cut_high) if found.cut_high > 0 else abs(values)
        low = values / np.float32(found.cut_low) if found.cut_low < 0 else abs(values)
        share = np.where(values > 0, high, low).ravel()  # of the cut at its end
        near = np.flatnonzero((share >= NEAR) & ~found.mask.ravel() & (share <= 1))
    return near[np.argsort(-share[near], kind="stable")][:MOST_NEAR]


def strongest(found: BadPixels, count: int = IN_GALLERY) -> list[int]:
    """Return the brightest pixels of the groups of flags, the strongest group first.

    Infinite ones are left out: they cannot be drawn.
    """
    brightest = np.flatnonzero(found.mask)[found.groups.brightest]
    drawn = np.isfinite(found.residual.ravel()[brightest])
    return _apart(brightest[drawn], count, found.mask.shape[1])


def borderline(found: BadPixels, count: int = IN_GALLERY) -> list[int]:
    """Return the pixels nearest to the cuts: flagged ones (the brightest of a group), then others.

    They are as many of both. The cut with flags counts; if there are flags at both ends, both do.
    """
    flags, columns = found.mask.ravel(), found.mask.shape[1]
    brightest = np.flatnonzero(flags)[found.groups.brightest]
    values = found.compared.astype(np.float64).ravel()
    both = ((found.high, found.cut_high, 1.0), (found.low, found.cut_low, -1.0))
    ends = [(end.ravel(), cut, sign) for end, cut, sign in both if end.any() and np.isfinite(cut)]
    picked: list[int] = []
    for is_flagged in (True, False):
        share = (count + is_flagged) // 2
        for number, (end, cut, sign) in enumerate(ends):
            own = share // len(ends) + (number < share % len(ends))
            depth = sign * (values - cut)
            if is_flagged:
                near = brightest[end[brightest]]
            else:  # a spared pixel lies beyond the cut, unflagged
                near, depth = np.flatnonzero(~flags & (depth <= 0.0)), -depth
                if near.size > TRIED * own:  # sorting all takes long
                    last = np.partition(depth[near], TRIED * own)[TRIED * own]
                    near = near[depth[near] <= last]
            near = near[np.isfinite(depth[near])]
            near = near[np.argsort(depth[near], kind="stable")]
            picked += _apart(near, own, columns, picked)
    return picked


def end_of(found: BadPixels, pixel: Pixel) -> Literal["low", "high", ""]:
    """Return at which end a pixel is flagged; empty if it is not."""
    alone = part_of(found, np.s_[pixel[0] : pixel[0] + 1, pixel[1] : pixel[1] + 1])
    return "low" if alone.low.any() else "high" if alone.high.any() else ""


def part_of(found: BadPixels, at: Any) -> BadPixels:
    """Return the bad pixels of a part of the image. The counts are still those of the whole."""
    significance, noise = (
        None if image is None else image[at] for image in (found.significance, found.noise)
    )
    mask, residual = found.mask[at], found.residual[at]
    return replace(found, mask=mask, residual=residual, significance=significance, noise=noise)


def _apart(
    pixels: NDArray[np.intp], count: int, columns: int, picked: Collection[int] = ()
) -> list[int]:
    """Return the first pixels that are apart from each other, and from those already picked."""
    chosen: list[int] = []
    for pixel in pixels.tolist():
        if len(chosen) == count:
            break
        row, column = divmod(pixel, columns)
        places = (divmod(each, columns) for each in (*picked, *chosen))
        if all(max(abs(row - y), abs(column - x)) >= APART for y, x in places):
            chosen.append(pixel)
    return chosen


# ---- Profiles through pixels --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Profile:
    """The samples of an image along an axis, through a pixel; arrays of shape (n,).

    `place` are the rows or columns of its pixels, `minimum` the minimum image and `median` its
    running median, `noise` that of one exposure (None with the fraction cut). `lower` and `upper`
    are the cuts as levels of the minimum image: a sample beyond them is beyond the cuts (NaN where
    they are not known). `low` and `high` are the flagged pixels.
    """

    axis: int
    place: NDArray[np.intp]
    minimum: FloatArray
    median: FloatArray
    noise: FloatArray | None
    lower: FloatArray
    upper: FloatArray
    low: NDArray[np.bool_]
    high: NDArray[np.bool_]


def axis_of(dispaxis: Dispaxis, direction: Direction) -> int:
    """Return the axis of the image along which a profile runs."""
    if direction not in ("along", "across"):
        raise ValueError(f"direction must be 'along' or 'across', got {direction!r}")
    along = 0 if IMAGE_AXIS[dispaxis] == 0 else 1
    return along if direction == "along" else 1 - along


def profile_of(mask: Mask, pixel: Pixel, direction: Direction, reach: int) -> Profile:
    """Return the profile through a pixel, `reach` pixels to either side of it."""
    axis, (image, found) = axis_of(mask.dispaxis, direction), images_of(mask)
    start, stop = max(pixel[axis] - reach, 0), min(pixel[axis] + reach + 1, image.shape[axis])
    at = np.s_[start:stop, pixel[1]] if axis == 0 else np.s_[pixel[0], start:stop]
    part, minimum = part_of(found, at), image[at]
    with np.errstate(invalid="ignore", over="ignore"):  # infinite samples have infinite residuals
        median = minimum - part.residual
        if part.significance is None or part.noise is None:
            lower, upper = median + part.cut_low, median + part.cut_high
        else:
            # Not from the running median: what counts is the light nearby in both directions, and
            # only for pixels of a group with sharp edges that along the dispersion.
            lower, upper = (
                minimum + (cut - part.significance) * part.noise
                for cut in (part.cut_low, part.cut_high)
            )
    place = np.arange(start, stop)
    return Profile(axis, place, minimum, median, part.noise, lower, upper, part.low, part.high)


def places_of(
    pixels: NDArray[np.intp], shape: tuple[int, ...], dispaxis: Dispaxis
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the flat indices of both profiles of each pixel, and which lie inside the image.

    First come the samples along the dispersion.
    """
    samples = np.zeros((2, SAMPLES), int)  # distances along the dispersion, and across it
    for way, (_, reach, first) in enumerate(HALVES):
        samples[way, first : first + 2 * reach + 1] = np.arange(-reach, reach + 1)
    down, right = samples if axis_of(dispaxis, "along") == 0 else samples[::-1]
    y, x = pixels[:, np.newaxis] // shape[1] + down, pixels[:, np.newaxis] % shape[1] + right
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    return np.where(inside, y * shape[1] + x, 0), inside


@dataclass(frozen=True, eq=False)
class Strips:
    """The profiles of some pixels (flat indices) in each exposure.

    `values`, shape (exposures, pixels, samples), are SCI minus its pedestal: first along the
    dispersion, then across it; NaN outside the image. `names` are the exposures, in this order, and
    `problems` those that are not shown, and why. `science` is the whole first science exposure that
    is shown, minus its pedestal; None without one.
    """

    pixels: NDArray[np.intp]
    names: tuple[str, ...]
    values: NDArray[np.float32]
    problems: dict[str, str]
    science: tuple[Member, NDArray[np.float32]] | None = None


def strips_of(mask: Mask, pixels: NDArray[np.intp]) -> Strips:
    """Read the exposures of a mask again for profiles of some pixels, the most important first.

    An exposure that cannot be read, or is not that which the mask was found from, is not shown. The
    last pixels are left out if the page would become too large.
    """
    used, (minimum, _) = mask.used, images_of(mask)
    pixels = pixels[: MOST_SAMPLES // (SAMPLES * max(len(used), 1))]
    places, inside = places_of(pixels, minimum.shape, mask.dispaxis)
    names, values, problems, science = [], [], {}, None
    for member in used:
        try:
            image = _image(member, minimum)
        except (ExposureError, OSError, ImportError) as error:
            problems[member.exposure.name] = str(error)
            continue
        if science is None and member.role == "science":
            science = member, image
        names.append(member.exposure.name)
        values.append(np.where(inside, image.ravel()[places], np.float32(np.nan)))
    stacked = np.stack(values) if values else np.empty((0, *places.shape), np.float32)
    return Strips(pixels, tuple(names), stacked, problems, science)


def wavelengths_of(path: Location, slices: Parts, axis: int) -> list[list[float | None]] | None:
    """Return the mean wavelength of each slice along an axis of the image, micrometres.

    It comes from the extension WAVELENGTH, or else from a WCS with a wavelength along the image.
    None if the file has neither, as rates usually do not.
    """
    from astropy.wcs import WCS

    image = np.empty(0)
    with open_fits(path) as hdus, suppress(ValueError):  # of a damaged WCS
        cards = hdus["SCI"].header
        if "WAVELENGTH" in hdus and hdus["WAVELENGTH"].is_image:
            image = np.asarray(hdus["WAVELENGTH"].data, np.float64)
        elif any(str(cards.get(key)).startswith("WAVE") for key in ("CTYPE1", "CTYPE2")):
            wcs, (y, x) = WCS(cards, naxis=2), np.indices(slices.number.shape)
            image = 1e6 * wcs.all_pix2world(x, y, 0)[wcs.wcs.spec]  # metres
    if image.shape != slices.number.shape:
        return None
    means = (
        mean_of(np.where(slices.number == number, image, np.nan), 1 - axis)
        for number in range(1, len(slices.names) + 1)
    )
    return [[None if each != each else round(each, 6) for each in mean.tolist()] for mean in means]


def _image(member: Member, minimum: FloatArray) -> NDArray[np.float32]:
    """Return SCI minus its pedestal. If it is less than the minimum, it has been changed."""
    found = exposure_file.read(member.exposure)
    if found.shape != minimum.shape:
        raise ExposureError(
            f"{member.exposure}: SCI has shape {found.shape}, the mask {minimum.shape}"
        )
    stored, level = as_stored(found.science(), "SCI"), member.pedestal or 0.0
    image = np.subtract(stored, stored.dtype.type(level), dtype=np.float32, casting="unsafe")
    with np.errstate(invalid="ignore"):
        rounding = np.float32(1e-6) * (abs(minimum) + np.float32(abs(level)))
        if np.any(image < minimum - rounding) or np.any(np.isnan(minimum) & ~np.isnan(image)):
            raise ExposureError(f"{member.exposure}: has changed since the mask was found")
    return image


# ---- Parts of the detector ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of a detector: its regions, its slices, or bands of equal width.

    `number`, shape (rows, cols), is the place of each pixel's part in `names`, counted from 1; 0
    where there is no part. `source` says where the limits come from.
    """

    names: tuple[str, ...]
    number: NDArray[np.uint8]
    source: str = ""

    def counts(self, pixels: NDArray[np.bool_]) -> list[int]:
        """Return how many of some pixels, shape (rows, cols), lie in each part."""
        counts: list[int] = np.bincount(self.number[pixels], minlength=len(self.names) + 1).tolist()
        return counts[1:]


def _whole_miri(mask: Mask) -> Detector | None:
    """Return the detector of a mask if that is a whole one of MIRI."""
    detector = DETECTORS.get(str(mask.about.get("DETECTOR", "")))
    return detector if detector and detector.gap and detector.shape == mask.flags.shape else None


def regions_of(mask: Mask) -> Parts:
    """Return the regions of a detector: the channels of a whole MIRI detector, else quadrants."""
    rows, columns = mask.flags.shape
    number = np.zeros((rows, columns), np.uint8)
    detector = _whole_miri(mask)
    if detector is not None and detector.gap is not None:
        left, right = (each.number for each in CHANNELS[detector.name])
        number[:, : detector.gap[2]], number[:, detector.gap[3] :] = 1, 2
        return Parts((f"channel {left} (left)", f"channel {right} (right)"), number)
    number[:] = 1 + (np.arange(columns) >= columns // 2)
    number[rows // 2 :] += 2
    return Parts(("lower left", "lower right", "upper left", "upper right"), number)


def slices_of(mask: Mask) -> Parts:
    """Return the slices of a whole MIRI detector, else bands of equal width.

    MIRI's slices are those of bands 12A and 34C; in other bands they are off by a few pixels.
    """
    shape, detector = mask.flags.shape, _whole_miri(mask)
    if detector is not None:
        found = geometry(detector, *(np.arange(float(size)) for size in shape)).slices
        order = [value for value in dict.fromkeys(found[shape[0] // 2].tolist()) if value]
        place = np.zeros(int(found.max()) + 1, np.uint8)
        place[order] = np.arange(1, len(order) + 1)
        names = tuple(f"channel {value // 100} slice {value % 100}" for value in order)
        return Parts(names, place[found], "the distortion of bands 12A and 34C, a few pixels wide")
    across = axis_of(mask.dispaxis, "across")
    edges = np.linspace(0, shape[across], BANDS + 1).round().astype(int)
    number = np.searchsorted(edges, np.arange(shape[across]), side="right").astype(np.uint8)
    what = ("rows", "columns")[across]
    names = tuple(f"{what} {begin} to {end - 1}" for begin, end in pairwise(edges))
    spread = np.expand_dims(number, 1 - across)
    return Parts(names, np.broadcast_to(spread, shape), "bands of equal width")


def brightest_band(profile: NDArray[np.float64]) -> tuple[int, int]:
    """Return the brightest band of lines, each of a mean brightness."""
    width = max(1, round(profile.size / SHARE_OF_BAND))
    sums = np.convolve(np.nan_to_num(profile), np.ones(width), "valid")
    start = int(np.argmax(sums))
    return start, start + width


def mean_of(image: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Return the mean of the samples that are not NaN; NaN where there are none."""
    count = np.count_nonzero(~np.isnan(image), axis=axis)
    total = np.nansum(image, axis=axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
