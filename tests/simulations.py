"""Simulated observations that tests share, and how their files are read."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from badpix_selfcal.instrument import DETECTORS
from badpix_selfcal.simulate import Simulation, simulate
from badpix_selfcal.simulate.slices import geometry

PLANES = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE")
GAP_SIZE = (96, 640)  # a region with a part of either MRS gap


def plane(path: Path, name: str = "SCI") -> np.ndarray:
    return fits.getdata(path, name).astype(None if name == "DQ" else "f8")


def fixed(files: Simulation) -> np.ndarray:
    return fits.getdata(files.truth, "DEFECTS")


def cosmic(files: Simulation) -> list[np.ndarray]:
    with fits.open(files.truth) as hdus:
        return [hdu.data != 0 for hdu in hdus if hdu.name == "COSMIC"]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@cache
def full_geometry(name: str):
    detector = DETECTORS[name]
    return geometry(detector, *(np.arange(float(size)) for size in detector.shape))


@pytest.fixture(scope="session")
def long(tmp_path_factory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="session")
def short(tmp_path_factory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("short"), detector="mirifushort", n_background=4)


@pytest.fixture(scope="session", params=["long", "short"])
def full(request) -> Simulation:
    return request.getfixturevalue(request.param)
