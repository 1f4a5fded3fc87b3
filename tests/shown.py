"""Masks of simulated exposures, for what shows them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.arrays import MeanError
from badpix_selfcal.instrument import DETECTORS
from badpix_selfcal.masks.mask import Mask, Member
from badpix_selfcal.parameters import Parameters
from badpix_selfcal.simulate import simulate

ABOUT = ("TELESCOP", "INSTRUME", "DETECTOR", "EXP_TYPE", "CHANNEL", "BAND", "FILTER", "GRATING")


@cache
def exposures(detector: str, size: tuple[int, int]) -> tuple:
    """Return minimum image, mean ERR, DQ and primary header of simulated exposures."""
    with TemporaryDirectory() as folder:
        made = simulate(folder, detector=detector, size=size)
        paths = (*made.science, *made.background)
        images = [fits.getdata(path, "SCI").astype("f4") for path in paths]
        errors = MeanError(images[0].shape)
        for path in paths:
            errors.add(fits.getdata(path, "ERR"))
        dq, header = fits.getdata(paths[0], "DQ"), fits.getheader(paths[0])
    return bps.minimum_image(images), errors.image(), dq, header


def shown(detector="MIRIFUSHORT", cut="sigma", size=(96, 120), image=None, **how) -> Mask:
    """Return the mask of simulated exposures, or of an image with their headers."""
    minimum, error, dq, header = exposures(detector, size)
    given = {"cut": "sigma", "error": error, "n_exposures": 4} if cut == "sigma" else {}
    if image is not None:
        minimum, dq = image, np.zeros(image.shape, np.uint32)
        given.pop("error", None)
    dispaxis = how.pop("dispaxis", DETECTORS[detector].dispaxis)
    found = bps.find_bad_pixels(minimum, dispaxis=dispaxis, **given)
    mask = Mask(
        name=f"{detector} group",
        dispaxis=dispaxis,
        parameters=Parameters(cut=cut),
        minimum=minimum,
        bad_pixels=found,
        dq=dq,
        crowded=(),
        members=(Member(Path("sci_rate.fits"), "science", None),),
        about={key: header[key] for key in ABOUT if key in header} | {"BUNIT": "DN/s"},
        version=bps.__version__,
        made="2026-11-27T15:13:37",
    )
    return replace(mask, **how)
