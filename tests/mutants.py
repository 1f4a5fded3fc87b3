"""Implementations with one fault each, which the suites of `badpix_selfcal.testing` must find."""

from __future__ import annotations

import time

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


# Running medians


def picked(pick):
    """Return a running median that picks a value from the sorted valid samples of each window."""

    def median(image, window, edge):
        frame = [(side // 2, side // 2) for side in window]
        native = np.asarray(image, image.dtype.newbyteorder("="))
        padded = np.pad(native, frame, constant_values=0.0 if edge == "zero" else np.nan)
        medians = np.full(image.shape, np.nan, native.dtype)
        for y, x in np.ndindex(image.shape):
            samples = padded[y : y + window[0], x : x + window[1]]
            ordered = np.sort(samples[~np.isnan(samples)])
            with np.errstate(all="ignore"):
                medians[y, x] = pick(ordered) if ordered.size else np.nan
        return medians

    return median


def given(change_image=lambda image: image, change_window=lambda window: window):
    """Return our running median of a changed image or window."""

    def median(image, window, edge):
        with np.errstate(all="ignore"):
            changed, shape = change_image(image), change_window(window)
            return bps.median_filter(changed, shape, edge=edge).astype(image.dtype.name)

    return median


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
    medians = bps.median_filter(image, window, edge=edge)
    place = MEMORY[: medians.size]
    place[:] = medians.ravel()
    place[:1] += 1  # another call sees what is half done
    time.sleep(1e-4)
    place[:1] -= 1
    return place.reshape(medians.shape).astype(medians.dtype)


def other(**changes):
    """Return our running median with other keywords, made from the window and the keywords."""

    def median(image, window, **how):
        changed = {name: change(window, how) for name, change in changes.items()}
        kept = {name: value for name, value in (how | changed).items() if value is not None}
        return bps.median_filter(image, window, **kept)

    return median


OF_EDGES = {
    "nearest for reflect": other(
        edge=lambda _, how: "nearest" if how["edge"] == "reflect" else how["edge"]
    ),
    "fill ignored": other(fill=lambda _, how: 0.0 if "fill" in how else None),
    "fill of infinity is missing": other(
        fill=lambda _, how: np.nan if np.isinf(how.get("fill", 0)) else how.get("fill")
    ),
}
OF_EVEN = {
    "even window shifted": other(origin=lambda window, _: tuple(side % 2 - 1 for side in window)),
}
OF_COUNTS = {
    "count ignored": other(min_count=lambda *_: None),
    "count too large": other(min_count=lambda w, how: min(how["min_count"] + 1, w[0] * w[1])),
}
mutants(
    median_filter_checks,
    {
        "lower of two": picked(lambda ordered: ordered[(ordered.size - 1) // 2]),
        "mean overflows": picked(
            lambda ordered: (ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2
        ),
        "NaN counts": given(lambda a: np.nan_to_num(a, nan=0, posinf=np.inf, neginf=-np.inf)),
        "window too short": given(change_window=lambda w: tuple(max(1, s - 2) for s in w)),
        "in single precision": given(lambda a: np.asarray(a, "f4")),
        "infinities are missing": given(lambda a: np.where(np.isinf(a), np.nan, a)),
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
mutants(median_filter_checks, OF_EDGES, edges=BORDERS)
mutants(median_filter_checks, OF_EVEN, even=True)
mutants(median_filter_checks, OF_COUNTS, min_counts=True)


# Percentiles, pedestals, minimum images


def not_interpolated(image, q):
    valid = np.sort(image[~np.isnan(image)])
    at = np.floor(max(valid.size - 1, 0) * q / 100).astype(int)
    return np.asarray(valid[at] if valid.size else np.full(q.shape, np.nan), "f8")


def region_shifted(image, gap):
    shifted = (*gap[:2], gap[2] + 1, gap[3] + 1) if isinstance(gap, tuple) else gap
    return reference.pedestal(image, shifted)


def mean_of_the_gap(image, gap):
    gap = gap if not isinstance(gap, tuple) else np.s_[gap[0] : gap[1], gap[2] : gap[3]]
    with np.errstate(all="ignore"):
        samples = image[gap][~np.isnan(image[gap])].astype(float)
        return float(image.dtype.type(samples.mean())) if samples.size else np.nan


def nan_spreads(images, pedestals):
    return np.minimum.reduce([a - a.dtype.type(b) for a, b in zip(images, pedestals, strict=True)])


mutants(
    percentiles_checks,
    {
        "NaN counts": lambda image, q: bps.percentiles(
            np.nan_to_num(image, nan=3e38, posinf=np.inf, neginf=-np.inf), q
        ),
        "not interpolated": not_interpolated,
    },
)
mutants(pedestal_checks, {"region shifted": region_shifted, "mean of the gap": mean_of_the_gap})
mutants(
    minimum_image_checks,
    {
        "NaN spreads": nan_spreads,
        "first pedestal forgotten": lambda images, levels: reference.minimum_image(
            images, [0.0, *levels[1:]]
        ),
        "last exposure forgotten": lambda images, levels: reference.minimum_image(
            images[: max(2, len(images) - 1)], levels[: max(2, len(levels) - 1)]
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


def cut_not_strict(minimum, **how):
    found = reference.find_bad_pixels(minimum, **how)
    return (found.residual <= found.cut_low) | (found.residual >= found.cut_high)


mutants(
    find_bad_pixels_checks,
    {
        "cut not strict": cut_not_strict,
        "NaN flagged": lambda minimum, **how: (
            reference.find_bad_pixels(minimum, **how).mask | np.isnan(minimum)
        ),
        "axes swapped": finding(dispaxis=lambda how: {1: 2, 2: 1}.get(how["dispaxis"])),
        "edge ignored": finding(edge=lambda _: "zero"),
    },
)
mutants(
    find_bad_pixels_checks,
    {
        "errors ignored": finding("sigma", error=lambda _: None),
        "exposures not counted": finding("sigma", n_exposures=lambda _: 1),
    },
    cut="sigma",
)


# The step


def science_of(association):
    (science,) = association.parent.glob("science0_rate.fits*")
    return science


def altered(alter):
    """Return the step with another output: ``alter(hdus, flagged, stored)``."""

    def program(association, folder):
        result = bps.selfcal(association, output_dir=folder)
        if result.bad_pixels is not None:
            with (
                fits.open(science_of(association)) as stored,
                fits.open(result.science, mode="update") as hdus,
            ):
                alter(hdus, result.bad_pixels.mask, stored)

    return program


def error_forgotten(hdus, flagged, stored):
    if "ERR" in hdus:
        hdus["ERR"].data[flagged] = stored["ERR"].data[flagged]


def dq(bits, kept):
    def alter(hdus, flagged, stored):
        before = stored["DQ"].data[flagged] & np.uint32(kept)
        hdus["DQ"].data[flagged] = before | np.uint32(bits)

    return altered(alter)


def axes_swapped(association, folder):
    is_nirspec = "NRS" in fits.getval(science_of(association), "DETECTOR")
    bps.selfcal(association, output_dir=folder, dispaxis=2 if is_nirspec else 1)


def science_alone(association, folder):
    bps.selfcal(science_of(association), output_dir=folder, force_single=True)


def writes_into_the_inputs(association, folder):
    bps.selfcal(association, output_dir=folder)
    science = science_of(association)
    science.write_bytes(science.read_bytes() + bytes(2880))


mutants(
    step_checks,
    {
        "wrong bit": dq(1 | 1 << 29, kept=2**32 - 1),
        "DQ of before lost": dq(1 | 1 << 30, kept=0),
        "ERR forgotten": altered(error_forgotten),
        "axes swapped": axes_swapped,
        "science alone": science_alone,
        "writes into the inputs": writes_into_the_inputs,
    },
)
