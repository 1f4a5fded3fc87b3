"""Realistic exposures with known bad pixels, in files that the step and the pipeline can read.

`simulate` writes the files that an observer has before self-calibration: dithered science exposures
of a target, exposures of an empty field, and an association for each science exposure. It also
writes the truth: which pixels are hot, have a low response, are halos of hot pixels, or are hit by
a cosmic ray. The modules `slices`, `scene` and `defects` of `simulation` describe the content of
the exposures; its numbers are fields of `Settings`.

For NIRSpec the scene is an assumption, and noise and defects have MIRI's numbers. The files serve
to test software, not to judge the instrument.
"""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Final

import numpy as np

from .arrays.checks import check_whole
from .files.location import refuse_file
from .files.outputs import Outputs
from .instrument import DETECTORS, Detector
from .messages import argument_name
from .simulation.defects import COSMIC_RAY, HALO, HOT, LOW, Readout, expose, fixed_defects
from .simulation.files import (
    FIELD,
    TARGET,
    Observation,
    PlannedExposure,
    Simulation,
    name_files,
    planned_exposures,
    write_association,
    write_exposure,
    write_truth,
)
from .simulation.scene import pointing, sky
from .simulation.settings import LIGHT_ONLY, Settings

__all__ = [
    "COSMIC_RAY",
    "HALO",
    "HOT",
    "LIGHT_ONLY",
    "LOW",
    "MINIMUM_SIZE",
    "Settings",
    "Simulation",
    "simulate",
]

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
    epoch: int = 1,
    settings: Settings = DEFAULTS,
    overwrite: bool = False,
) -> Simulation:
    """Write a simulated observation: exposures, associations and the truth.

    Parameters
    ----------
    directory : path-like
        The folder for the files; created if it does not exist.
    detector : str
        One of `badpix_selfcal.instrument.DETECTORS`, in any case.
    size : int or tuple of int, optional
        Rows and columns, or an int for both, at least `MINIMUM_SIZE`. The region is the top-left
        part ``[0:rows, 0:columns]`` of the full frame and holds the same pixels. The step measures
        the pedestal in a gap that begins at row 50 and at column 474 (MIRIFULONG) or 503
        (MIRIFUSHORT): ``(96, 640)`` contains a part of it, ``(256, 256)`` no pixel. None: the full
        frame.
    n_science : int
        Number of science exposures, at least 1, each at another position of the dither.
    n_background : int
        Number of background exposures, without the target.
    seed : int
        Seed of the random numbers, not negative. Equal arguments give equal files, byte for byte,
        with the same NumPy on the same kind of processor. An exposure does not depend on the
        number of the others.
    epoch : int
        Epoch of the observation, at least 1, each a year after the one before. In each further
        pixels are hot (`Settings.new_hot`); scene and other defects stay.
    settings : Settings
        The physical numbers. With `LIGHT_ONLY` the exposures show the scene without any defect.
    overwrite : bool
        Replace existing files of the same names.

    Returns
    -------
    Simulation
        The paths of the files.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If an argument is out of range, or the detector is unknown.
    FileExistsError
        If a file exists and `overwrite` is false.
    NotADirectoryError
        If `directory` is a file.

    Notes
    -----
    All arguments are checked before anything is written. No file appears under its name until all
    are written. SCI has the card DISPAXIS, which in flight ``assign_wcs`` adds before
    self-calibration; without it the pipeline's step filters in two dimensions. Reference pixels are
    0 and flagged ``DO_NOT_USE | REFERENCE_PIXEL``. Pixels known to be bad are NaN and flagged
    ``DO_NOT_USE``.

    The truth file has an image DEFECTS with the bits `HOT`, `LOW` and `HALO`. For each exposure it
    has an image COSMIC with the bit `COSMIC_RAY`; the cards hold the exposure's name (EXPNAME) and
    its pedestal (PEDESTAL, DN/s).
    """
    instrument = _known_detector(detector)
    shape = _shape(size, instrument)
    n_science = _whole_number(argument_name("n_science"), n_science, 1)
    n_background = _whole_number(argument_name("n_background"), n_background, 0)
    seed = _whole_number(argument_name("seed"), seed, 0)
    epoch = _whole_number(argument_name("epoch"), epoch, 1)
    if not isinstance(settings, Settings):
        raise TypeError(f"settings must be a Settings, got {type(settings).__name__}")
    files = name_files(_folder(directory), instrument, n_science, n_background, epoch)
    observation = Observation(instrument, shape, seed, settings, epoch)
    # Not synced: the same arguments give the same files again.
    with Outputs(files.truth.parent, overwrite=overwrite, no_sync=True) as outputs:
        for path in files.files:
            outputs.claim(path.name)
        telescope = _Telescope(observation)
        truths = []
        for planned in planned_exposures(files):
            readout = telescope.expose(planned)
            write_exposure(outputs.part(planned.path), observation, planned, readout)
            truths.append((planned.path.name, readout.truth, readout.pedestal))
        write_truth(outputs.part(files.truth), observation, telescope.defects.truth, truths)
        for path, science in zip(files.associations, files.science, strict=True):
            write_association(outputs.part(path), science, files)
        outputs.publish()
    return files


class _Telescope:
    """One detector that looks at one scene; exposures may be taken in any order."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._sky = sky(*self._view, self._random("scene", 0))
        self._background = self._sky.background()
        rng = self._random("defects", 0)
        self.defects = fixed_defects(*self._view, rng, observation.epoch)

    @property
    def _view(self) -> tuple[Detector, tuple[int, int], Settings]:
        observation = self._observation
        return observation.detector, observation.shape, observation.settings

    def _random(self, purpose: str, *key: int) -> np.random.Generator:
        """Return the random stream of one purpose (and exposure), independent of all others."""
        entropy = [list(DETECTORS).index(self._observation.detector.name), self._observation.seed]
        branch = ("scene", "defects", TARGET, FIELD).index(purpose)
        return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(branch, *key)))

    def expose(self, planned: PlannedExposure) -> Readout:
        """Take an exposure."""
        detector, _, settings = self._view
        light = self._background
        if planned.observation == TARGET:
            light = self._sky.target(pointing(planned.index, settings))
        later = [self._observation.epoch] if self._observation.epoch > 1 else []
        rng = self._random(planned.observation, planned.index, *later)
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
    name = argument_name("size")
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"{name} must be a whole number or (rows, columns), got {size!r}")
    for value, most, side in zip(pair, detector.shape, ("rows", "columns"), strict=True):
        if _whole_number(f"{name} ({side})", value, MINIMUM_SIZE) > most:
            raise ValueError(
                f"{name} must be at most {detector.shape} for {detector.name}, got {size!r}: "
                f"pass {most} {side} or fewer, or leave it out for the full frame"
            )
    return operator.index(pair[0]), operator.index(pair[1])


def _folder(directory: str | os.PathLike[str]) -> Path:
    try:
        folder = Path(directory)
    except TypeError:
        raise TypeError(f"directory must be a path, got {type(directory).__name__}") from None
    refuse_file(folder)
    return folder
