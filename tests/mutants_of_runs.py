"""Implementations with one fault each, which the suites must find: bad pixels and whole runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.arrays import reference
from badpix_selfcal.testing import find_bad_pixels_checks, step_checks

from .mutants import mutant

of_finder = mutant(find_bad_pixels_checks)
of_sigma = mutant(find_bad_pixels_checks, cut="sigma")
of_step = mutant(step_checks)


# Bad pixels: fractions


@of_finder
def cut_not_strict(minimum, **how):
    found = reference.find_bad_pixels(minimum, **how)
    return (found.residual <= found.cut_low) | (found.residual >= found.cut_high)


@of_finder
def dispaxis_swapped(minimum, **how):
    turned = {1: 2, 2: 1, None: None}[how["dispaxis"]]
    return bps.find_bad_pixels(minimum, **{**how, "dispaxis": turned})


@of_finder
def one_fraction_for_both_ends(minimum, **how):
    return bps.find_bad_pixels(minimum, **{**how, "flagfrac_lower": how["flagfrac_upper"]})


@of_finder
def fractions_of_all_pixels(minimum, **how):
    residual = reference.find_bad_pixels(minimum, **how).residual
    filled = np.where(np.isfinite(residual), residual, residual.dtype.type(0))
    low, high = (how[f"flagfrac_{end}"] for end in ("lower", "upper"))
    cuts = reference.percentiles(filled, np.array([100 * low, 100 * (1 - high)]))
    with np.errstate(all="ignore"):
        return (residual < cuts[0]) | (residual > cuts[1])


@of_finder
def nan_is_flagged(minimum, **how):
    return bps.find_bad_pixels(minimum, **how).mask | np.isnan(minimum)


@of_finder
def edge_ignored(minimum, **how):
    return bps.find_bad_pixels(minimum, **{**how, "edge": "zero"})


@of_finder
def window_of_two_more(minimum, **how):
    return bps.find_bad_pixels(minimum, **{**how, "kernel_size": how["kernel_size"] + 2})


@of_finder
def medians_not_subtracted(minimum, **how):
    return bps.find_bad_pixels(minimum, **{**how, "kernel_size": 100_001, "edge": "shrink"})


@of_finder
def infinities_not_flagged(minimum, **how):
    found = reference.find_bad_pixels(minimum, **how)
    return found.mask & np.isfinite(found.residual)


# Bad pixels: the sigma cut


@of_sigma
def errors_ignored(minimum, **how):
    return bps.find_bad_pixels(minimum, cut="sigma", **{**how, "error": None})


@of_sigma
def sigmas_swapped(minimum, **how):
    ends = {"sigma_lower": how["sigma_upper"], "sigma_upper": how["sigma_lower"]}
    return bps.find_bad_pixels(minimum, cut="sigma", **{**how, **ends})


@of_sigma
def exposures_not_counted(minimum, **how):
    return bps.find_bad_pixels(minimum, cut="sigma", **{**how, "n_exposures": 1})


@of_sigma
def sigma_not_strict(minimum, **how):
    found = reference.find_bad_pixels(minimum, cut="sigma", **how)
    return found.mask | (found.significance == found.cut_high) | (found.significance == 0)


# The step


def altered(alter):
    """Return a step whose output is altered: ``alter(hdus, flagged, stored)``."""

    def step(association: Path, folder: Path) -> None:
        result = bps.selfcal(association, output_dir=folder)
        if result.bad_pixels is None:
            return
        (science,) = association.parent.glob("science0_rate.fits*")
        with fits.open(science) as stored, fits.open(result.science, mode="update") as hdus:
            alter(hdus, result.bad_pixels.mask, stored)

    return step


def named(name, alter):
    function = altered(alter)
    function.__name__ = name
    return of_step(function)


def restored(*names):
    def alter(hdus, flagged, stored):
        for name in names:
            if name in hdus:
                hdus[name].data[flagged] = stored[name].data[flagged]

    return alter


def other_bits(bits):
    def alter(hdus, flagged, stored):
        before = stored["DQ"].data[flagged]
        hdus["DQ"].data[flagged] = before | np.uint32(bits)

    return alter


named("wrong_bit", other_bits(1 | 1 << 29))
named("do_not_use_forgotten", other_bits(1 << 30))
named("other_bad_pixel_forgotten", other_bits(1))
named("err_forgotten", restored("ERR"))
named("sci_forgotten", restored("SCI"))
named("variances_forgotten", restored("VAR_POISSON", "VAR_RNOISE"))


def _replaced(hdus, flagged, stored):  # noqa: ARG001
    hdus["DQ"].data[flagged] = np.uint32(1 | 1 << 30)
    hdus["DQ"].data[~flagged] &= np.uint32(1)


named("dq_before_is_lost", _replaced)


@of_step
def kernel_of_13(association, folder):
    bps.selfcal(association, output_dir=folder, kernel_size=13)


@of_step
def other_fraction(association, folder):
    bps.selfcal(association, output_dir=folder, flagfrac_lower=0.002)


@of_step
def step_with_dispaxis_swapped(association, folder):
    axis = 2 if "NRS" in _detector(association) else 1
    bps.selfcal(association, output_dir=folder, dispaxis=axis)


@of_step
def shrinking_edges(association, folder):
    bps.selfcal(association, output_dir=folder, edge="shrink")


@of_step
def science_alone(association, folder):
    (science,) = association.parent.glob("science0_rate.fits*")
    bps.selfcal(science, output_dir=folder, force_single=True)


@of_step
def pedestals_not_subtracted(association, folder):
    """Name a detector without a gap."""
    moved = folder.parent / "moved"
    shutil.copytree(association.parent, moved, dirs_exist_ok=True)
    for path in moved.glob("*_rate.fits*"):
        with fits.open(path) as hdus:
            content = fits.HDUList([hdu.copy() for hdu in hdus])
        content[0].header["DETECTOR"] = "NRS1"
        content.writeto(path, overwrite=True)
    bps.selfcal(moved / association.name, output_dir=folder)


@of_step
def writes_into_the_inputs(association, folder):
    bps.selfcal(association, output_dir=folder)
    (science,) = association.parent.glob("science0_rate.fits*")
    science.write_bytes(science.read_bytes() + bytes(2880))


def _detector(association: Path) -> str:
    (science,) = association.parent.glob("science0_rate.fits*")
    return str(fits.getval(science, "DETECTOR"))
