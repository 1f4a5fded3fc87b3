"""Realistic exposures whose bad pixels are known, as files the step and the pipeline can read.

`simulate` writes what an observer would have in hand before self-calibration: dithered science
exposures of a target, exposures of an empty field, and an association for each science exposure.
Beside them it writes the truth: which pixels are hot, of low response, halos of hot pixels, or
hit by a cosmic ray. What the exposures contain is told in `slices`, `scene` and `defects`; their
numbers are fields of `Settings`.

For NIRSpec the scene and the use of MIRI's numbers for noise and defects are assumptions: the
files are good for testing software, not for judging the instrument.
"""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Final

import numpy as np

from .detectors import DETECTORS, Detector
from .files.outputs import Outputs
from .parameters import check_whole
from .simulation.defects import COSMIC_RAY, HALO, HOT, LOW, Readout, expose, fixed_defects
from .simulation.files import (
    FIELD,
    TARGET,
    Observation,
    Plan,
    Simulation,
    named,
    plans,
    write_association,
    write_exposure,
    write_truth,
)
from .simulation.scene import pointing, sky
from .simulation.settings import Settings

__all__ = ["COSMIC_RAY", "HALO", "HOT", "LOW", "MINIMUM_SIZE", "Settings", "Simulation", "simulate"]

MINIMUM_SIZE: Final = 32
"""Fewest rows and columns of a simulated region."""

DEFAULTS: Final = Settings()


def simulate(
    directory: str | os.PathLike[str],
    *,
    detector: str = "MIRIFULONG",
    size: int | tuple[int, int] | None = None,
    n_science: int = 2,
    n_background: int = 2,
    seed: int = 1,
    settings: Settings = DEFAULTS,
    overwrite: bool = False,
) -> Simulation:
    """Write a simulated observation: exposures, associations and the truth.

    Parameters
    ----------
    directory : path-like
        Where to write; made if it does not exist.
    detector : str
        One of `badpix_selfcal.detectors.DETECTORS`, in any case.
    size : int or tuple of int, optional
        Rows and columns, or an int for both, at least `MINIMUM_SIZE`: only the top-left region
        ``[0:rows, 0:columns]`` of the full frame, with the same pixels as there. The gap in
        which the step measures the pedestal begins at row 50 and at column 474 (MIRIFULONG) or
        503 (MIRIFUSHORT): ``(96, 640)`` contains a part of it, ``(256, 256)`` nothing. Full
        frame unless given.
    n_science : int
        Science exposures, at least 1, each at another position of the dither.
    n_background : int
        Background exposures, without the target.
    seed : int
        Not negative. Equal arguments give files equal byte for byte with the same NumPy on the
        same kind of processor; an exposure does not depend on how many others there are.
    settings : Settings
        The physical numbers.
    overwrite : bool
        Replace existing files of the same names.

    Returns
    -------
    Simulation
        The paths of the files.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of the above.
    FileExistsError
        If a file exists and `overwrite` is false.
    NotADirectoryError
        If `directory` is a file.

    Notes
    -----
    Nothing is written until all arguments are checked, and no file appears under its name until
    all are written. SCI has the card DISPAXIS: in flight ``assign_wcs`` adds it, before
    self-calibration, and the pipeline's step filters in two dimensions where it is missing.
    Reference pixels are 0 and flagged ``DO_NOT_USE | REFERENCE_PIXEL``; pixels known to be bad
    are NaN and flagged ``DO_NOT_USE``.

    The truth file has an image DEFECTS with the bits `HOT`, `LOW` and `HALO`, and for each
    exposure an image COSMIC with the bit `COSMIC_RAY`, the exposure's name (EXPNAME) and its
    pedestal (PEDESTAL, DN/s).
    """
    instrument = _known_detector(detector)
    shape = _shape(size, instrument)
    n_science = _whole_number("n_science", n_science, 1)
    n_background = _whole_number("n_background", n_background, 0)
    seed = _whole_number("seed", seed, 0)
    if not isinstance(settings, Settings):
        raise TypeError(f"settings must be a Settings, got {type(settings).__name__}")
    files = named(_folder(directory), instrument, n_science, n_background)
    observation = Observation(instrument, shape, seed, settings)
    with Outputs(files.truth.parent, overwrite=overwrite) as outputs:
        for path in files.files:
            outputs.claim(path.name)
        telescope = _Telescope(observation)
        truths = []
        for plan in plans(files):
            readout = telescope.expose(plan)
            write_exposure(outputs.part(plan.path), observation, plan, readout)
            truths.append((plan.path.name, readout.truth, readout.pedestal))
        write_truth(outputs.part(files.truth), observation, telescope.defects.truth, truths)
        for path, science in zip(files.associations, files.science, strict=True):
            write_association(outputs.part(path), science, files)
        outputs.publish()
    return files


class _Telescope:
    """One detector looking at one scene; exposures may be taken in any order."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._sky = sky(*self._view, self._random("scene"))
        self._background = self._sky.background()
        self.defects = fixed_defects(*self._view, self._random("defects"))

    @property
    def _view(self) -> tuple[Detector, tuple[int, int], Settings]:
        about = self._observation
        return about.detector, about.shape, about.settings

    def _random(self, purpose: str, index: int = 0) -> np.random.Generator:
        """Return the random stream of one purpose (and exposure), independent of all others."""
        entropy = [list(DETECTORS).index(self._observation.detector.name), self._observation.seed]
        branch = ("scene", "defects", TARGET, FIELD).index(purpose)
        return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(branch, index)))

    def expose(self, plan: Plan) -> Readout:
        """Take an exposure."""
        detector, _, settings = self._view
        light = self._background
        if plan.observation == TARGET:
            light = self._sky.target(pointing(plan.index, settings))
        rng = self._random(plan.observation, plan.index)
        return expose(light, self.defects, detector, settings, rng)


def _known_detector(name: str) -> Detector:
    if not isinstance(name, str):
        raise TypeError(f"detector must be a string, got {type(name).__name__}")
    try:
        return DETECTORS[name.strip().upper()]
    except KeyError:
        known = ", ".join(DETECTORS)
        raise ValueError(f"detector must be one of {known}, got {name!r}") from None


def _whole_number(name: str, value: int, least: int) -> int:
    """Return `value` as an int, or raise an error that names it."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a whole number, not True or False, got {value!r}")
    number = check_whole(value, name)
    if number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {number}")
    return number


def _shape(size: int | tuple[int, int] | None, detector: Detector) -> tuple[int, int]:
    """Return rows and columns of the region to simulate."""
    if size is None:
        return detector.shape
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"size must be a whole number or (rows, columns), got {size!r}")
    for value, most, what in zip(pair, detector.shape, ("rows", "columns"), strict=True):
        if _whole_number(f"size ({what})", value, MINIMUM_SIZE) > most:
            raise ValueError(
                f"size must be at most {detector.shape} for {detector.name}, got {size!r}: "
                f"ask for {most} {what} or fewer, or leave size out for the full frame"
            )
    return operator.index(pair[0]), operator.index(pair[1])


def _folder(directory: str | os.PathLike[str]) -> Path:
    try:
        folder = Path(directory)
    except TypeError:
        raise TypeError(f"directory must be a path, got {type(directory).__name__}") from None
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"directory {folder} is a file: choose another name")
    return folder
