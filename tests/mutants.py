"""Implementations with one fault each, which the suites of `badpix_selfcal.testing` must find."""

from __future__ import annotations

import shutil
from functools import partial

import numpy as np
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.arrays.medians import BORDERS
from badpix_selfcal.testing import (
    find_bad_pixels_checks,
    median_filter_checks,
    minimum_image_checks,
    pedestal_checks,
    percentiles_checks,
    step_checks,
)

EVERYTHING = {"edges": BORDERS, "even": True, "min_counts": True}
MUTANTS = {}
"""By the name of a suite and of a fault: the checks of the implementation."""


def mutants(suite, functions, **how):
    for name, function in functions.items():
        MUTANTS[f"{suite.__name__.removesuffix('_checks')}: {name}"] = suite(function, **how)


# Running medians of zero and shrinking edges


def sorted_windows(pick, shift=0):
    """Return a running median that picks a value from the sorted valid samples of each window."""

    def median(image, window, edge):
        beyond = 0.0 if edge == "zero" else np.nan
        frame = [(side // 2, side // 2) for side in window]
        frame[0] = (frame[0][0] + shift, max(frame[0][1] - shift, 0))
        native = np.asarray(image, image.dtype.newbyteorder("="))
        padded = np.pad(native, frame, constant_values=beyond)
        medians = np.full(image.shape, np.nan, native.dtype)
        for y, x in np.ndindex(image.shape):
            samples = padded[y : y + window[0], x : x + window[1]]
            ordered = np.sort(samples[~np.isnan(samples)])
            with np.errstate(all="ignore"):
                medians[y, x] = pick(ordered) if ordered.size else np.nan
        return medians

    return median


def middle(ordered):
    low, high = (ordered[at // 2] for at in (ordered.size - 1, ordered.size))
    return low if low == high else low / 2 + high / 2


def given(change_image=None, change_window=None, change_medians=None):
    """Return our running median of a changed image or window, or with changed results."""

    def median(image, window, edge):
        with np.errstate(all="ignore"):
            changed = image if change_image is None else change_image(image)
            shape = window if change_window is None else change_window(window, image)
            medians = bps.median_filter(changed, shape, edge=edge)
            return medians if change_medians is None else change_medians(medians, image, window)

    return median


def last_row_forgotten(medians, image, _):
    medians[100 * (image.shape[0] > 100) or len(medians) :] = 0
    return medians


def seam_after_64_rows(image, window, edge):
    parts = [image[first : first + 64] for first in range(0, len(image), 64)] or [image]
    return np.concatenate([bps.median_filter(part, window, edge=edge) for part in parts])


def input_modified(image, window, edge):
    medians = bps.median_filter(image, window, edge=edge)
    if image.flags.writeable:
        image[np.isnan(image)] = 0
    return medians


def one_line_fails(image, window, edge):
    if 1 in image.shape and image.size > 40:
        raise IndexError("one line")
    return bps.median_filter(image, window, edge=edge)


MEMORY = np.zeros(2_000_000)


def calls_share_memory(image, window, edge):
    import time

    medians = bps.median_filter(image, window, edge=edge)
    place = MEMORY[: medians.size]
    place[:] = medians.ravel()
    place[:1] += 1  # another call sees what is half done
    time.sleep(1e-4)
    place[:1] -= 1
    return place.reshape(medians.shape).astype(medians.dtype)


mutants(
    median_filter_checks,
    {
        "lower of two": sorted_windows(lambda ordered: ordered[(ordered.size - 1) // 2]),
        "mean overflows": sorted_windows(
            lambda ordered: (ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2
        ),
        "window shifted": sorted_windows(middle, shift=1),
        "NaN counts": given(lambda a: np.nan_to_num(a, nan=0, posinf=np.inf, neginf=-np.inf)),
        "window too short": given(change_window=lambda w, _: tuple(max(1, s - 2) for s in w)),
        "in single precision": given(
            lambda a: np.asarray(a, "f4"), change_medians=lambda m, a, _: m.astype(a.dtype.name)
        ),
        "infinities are missing": given(lambda a: np.where(np.isinf(a), np.nan, a)),
        "last row forgotten": given(change_medians=last_row_forgotten),
        "byte order ignored": given(
            lambda a: np.frombuffer(a.tobytes(), a.dtype.name).reshape(a.shape)
        ),
        "order of memory ignored": given(
            lambda a: np.frombuffer(a.tobytes("A"), a.dtype).reshape(a.shape)
        ),
        "seam after 64 rows": seam_after_64_rows,
        "input modified": input_modified,
        "one line fails": one_line_fails,
        "calls share memory": calls_share_memory,
    },
)


# All edges, even windows, counts


def other(**changes):
    """Return our running median with other keywords, made from the window and the keywords."""

    def median(image, window, **how):
        changed = {name: change(window, how) for name, change in changes.items()}
        dropped = {name for name, value in changed.items() if value is None}
        kept = {name: value for name, value in (how | changed).items() if name not in dropped}
        return bps.median_filter(image, window, **kept)

    return median


def edge_for(**edges):
    return other(edge=lambda _, how: edges.get(how["edge"], how["edge"]))


def fill_by(change):
    return other(fill=lambda _, how: change(how["fill"]) if "fill" in how else None)


OF_EDGES = {
    "nearest for reflect": edge_for(reflect="nearest"),
    "reflect for mirror": edge_for(mirror="reflect"),
    "fill ignored": fill_by(lambda _: 0.0),
    "fill without sign": fill_by(abs),
    "fill clipped": fill_by(lambda fill: np.clip(fill, -1e6, 1e6)),
    "fill of infinity is missing": fill_by(lambda fill: np.nan if np.isinf(fill) else fill),
}
OF_EVEN = {
    "even window shifted": other(origin=lambda window, _: tuple(side % 2 - 1 for side in window)),
    "wide even window shifted": other(origin=lambda window, _: (0, window[1] % 2 - 1)),
}
OF_COUNTS = {
    "count ignored": other(min_count=lambda *_: None),
    "count too large": other(
        min_count=lambda window, how: min(how["min_count"] + 1, window[0] * window[1])
    ),
}
mutants(median_filter_checks, OF_EDGES, edges=BORDERS)
mutants(median_filter_checks, OF_EVEN, even=True)
mutants(median_filter_checks, OF_COUNTS, min_counts=True)


# Percentiles, pedestals, minimum images


def of_sorted(pick):
    def percentiles(image, q):
        valid = np.sort(image[~np.isnan(image)])
        with np.errstate(all="ignore"):
            return np.asarray(pick(valid, q) if valid.size else np.full(q.shape, np.nan), "f8")

    return percentiles


def from_below_only(valid, q):
    at = (valid.size - 1) * (q / 100)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, valid.size - 1)
    return valid[low] + (valid[high] - valid[low]) * (at - low)


mutants(
    percentiles_checks,
    {
        "NaN counts": lambda image, q: bps.percentiles(
            np.nan_to_num(image, nan=3e38, posinf=np.inf, neginf=-np.inf), q
        ),
        "not interpolated": of_sorted(
            lambda valid, q: valid[np.floor((valid.size - 1) * q / 100).astype(int)]
        ),
        "interpolated from below": of_sorted(from_below_only),
    },
)


def region_shifted(image, gap):
    shifted = (*gap[:2], gap[2] + 1, gap[3] + 1) if isinstance(gap, tuple) else gap
    return reference.pedestal(image, shifted)


def mean_of_the_gap(image, gap):
    gap = gap if not isinstance(gap, tuple) else np.s_[gap[0] : gap[1], gap[2] : gap[3]]
    with np.errstate(all="ignore"):
        samples = image[gap][~np.isnan(image[gap])].astype(float)
        return float(image.dtype.type(samples.mean())) if samples.size else np.nan


mutants(
    pedestal_checks,
    {
        "region shifted": region_shifted,
        "mean of the gap": mean_of_the_gap,
        "NaN counts": lambda image, gap: reference.pedestal(
            np.where(np.isnan(image), image.dtype.type(0), image), gap
        ),
    },
)


def lowered(images, pedestals):
    return [a - a.dtype.type(b) for a, b in zip(images, pedestals, strict=True)]


mutants(
    minimum_image_checks,
    {
        "NaN spreads": lambda images, levels: np.minimum.reduce(lowered(images, levels)),
        "first pedestal forgotten": lambda images, levels: reference.minimum_image(
            images, [0.0, *levels[1:]]
        ),
        "last exposure forgotten": lambda images, levels: reference.minimum_image(
            images[: max(2, len(images) - 1)], levels[: max(2, len(levels) - 1)]
        ),
        "always double": lambda images, levels: reference.minimum_image(images, levels).astype(
            "f8"
        ),
    },
)


# Bad pixels


def finding(cut="fraction", **changes):
    """Return our finder with other keywords, made from all keywords."""

    def finder(minimum, **how):
        changed = {name: change(how) for name, change in changes.items()}
        return bps.find_bad_pixels(minimum, cut=cut, **{**how, **changed})

    return finder


def flagging(flags, cut="fraction"):
    """Return a finder whose flags are made from what is found."""

    def finder(minimum, **how):
        found = reference.find_bad_pixels(minimum, cut=cut, **how)
        return flags(found, minimum)

    return finder


mutants(
    find_bad_pixels_checks,
    {
        "cut not strict": flagging(
            lambda f, _: (f.residual <= f.cut_low) | (f.residual >= f.cut_high)
        ),
        "NaN flagged": flagging(lambda found, minimum: found.mask | np.isnan(minimum)),
        "infinities not flagged": flagging(lambda f, _: f.mask & np.isfinite(f.residual)),
        "axes swapped": finding(dispaxis=lambda how: {1: 2, 2: 1}.get(how["dispaxis"])),
        "edge ignored": finding(edge=lambda _: "zero"),
        "window of two more": finding(kernel_size=lambda how: how["kernel_size"] + 2),
    },
)
mutants(
    find_bad_pixels_checks,
    {
        "errors ignored": finding("sigma", error=lambda _: None),
        "exposures not counted": finding("sigma", n_exposures=lambda _: 1),
        "sigma not strict": flagging(
            lambda f, _: f.mask | (f.significance == f.cut_high) | (f.significance == 0), "sigma"
        ),
    },
    cut="sigma",
)


# The step


def science_of(association):
    (science,) = association.parent.glob("science0_rate.fits*")
    return science


def step(association, folder, **how):
    bps.selfcal(association, output_dir=folder, **how)


def altered(association, folder, *, alter):
    """Run the step and alter its output: ``alter(hdus, flagged, stored)``."""
    result = bps.selfcal(association, output_dir=folder)
    if result.bad_pixels is not None:
        with (
            fits.open(science_of(association)) as stored,
            fits.open(result.science, mode="update") as hdus,
        ):
            alter(hdus, result.bad_pixels.mask, stored)


def restored(*names):
    def alter(hdus, flagged, stored):
        for name in {*names} & {hdu.name for hdu in hdus}:
            hdus[name].data[flagged] = stored[name].data[flagged]

    return partial(altered, alter=alter)


def with_bits(bits, kept=~0):
    def alter(hdus, flagged, stored):
        before = stored["DQ"].data[flagged] & np.uint32(kept & 0xFFFFFFFF)
        hdus["DQ"].data[flagged] = before | np.uint32(bits)

    return partial(altered, alter=alter)


def axes_swapped(association, folder):
    detector = fits.getval(science_of(association), "DETECTOR")
    step(association, folder, dispaxis=2 if "NRS" in detector else 1)


def science_alone(association, folder):
    bps.selfcal(science_of(association), output_dir=folder, force_single=True)


def pedestals_not_subtracted(association, folder):
    """Name a detector without a gap."""
    moved = folder.parent / "moved"
    shutil.copytree(association.parent, moved, dirs_exist_ok=True)
    for path in moved.glob("*_rate.fits*"):
        with fits.open(path) as hdus:
            content = fits.HDUList([hdu.copy() for hdu in hdus])
        content[0].header["DETECTOR"] = "NRS1"
        content.writeto(path, overwrite=True)
    step(moved / association.name, folder)


def writes_into_the_inputs(association, folder):
    step(association, folder)
    science = science_of(association)
    science.write_bytes(science.read_bytes() + bytes(2880))


mutants(
    step_checks,
    {
        "wrong bit": with_bits(1 | 1 << 29),
        "OTHER_BAD_PIXEL forgotten": with_bits(1),
        "DQ of before lost": with_bits(1 | 1 << 30, kept=0),
        "ERR forgotten": restored("ERR"),
        "variances forgotten": restored("VAR_POISSON", "VAR_RNOISE"),
        "axes swapped": axes_swapped,
        "science alone": science_alone,
        "pedestals not subtracted": pedestals_not_subtracted,
        "writes into the inputs": writes_into_the_inputs,
    },
)
