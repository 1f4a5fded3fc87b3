"""Pools of small exposures for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from .exposures import MRS, sky, write

SETUPS = {
    "MIRIFULONG": {"CHANNEL": "34", "BAND": "LONG"},
    "MIRIFUSHORT": {"CHANNEL": "12", "BAND": "SHORT"},
    "NRS1": {"FILTER": "F170LP", "GRATING": "G235H"},
    "NRS2": {"FILTER": "F170LP", "GRATING": "G235H"},
}


def take(
    path, seed, *, detector="MIRIFULONG", background=None, empty_gap=False, shape=MRS, **cards
):
    """Write an exposure with the cards by which pools are grouped."""
    image = sky(seed, shape)
    if empty_gap:
        image[:, 470:520] = np.nan
    miri = detector.startswith("MIRI")
    exp_type, dispaxis = ("MIR_MRS", 2) if miri else ("NRS_IFU", 1)
    write(path, image, detector=detector, exp_type=exp_type, dispaxis=dispaxis)
    target = {} if background is None else {"BKGDTARG": background}
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update({**SETUPS[detector], **target, **cards})
    return Path(path)


def pool(folder, *, science=3, background=2, detectors=("MIRIFULONG", "MIRIFUSHORT"), **how):
    """Write exposures of several detectors; return them by detector, the science ones first."""
    made = {}
    for detector in detectors:
        name = detector.lower()
        made[detector] = [
            take(folder / f"sci{n}_{name}_rate.fits", n + 1, detector=detector, **how)
            for n in range(science)
        ]
        made[detector] += [
            take(folder / f"bkg{n}_{name}_rate.fits", 50 + n, detector=detector, background=True)
            for n in range(background)
        ]
    return made
