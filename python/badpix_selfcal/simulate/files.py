"""`simulate`, and the files that it writes: their names, headers and contents."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from ..arrays.checks import check_choice, check_each, check_whole
from ..files.association import text_of
from ..files.outputs import Outputs
from ..files.paths import locate, refuse_file
from ..instrument import DETECTORS, Detector
from .defects import COSMIC_RAY, HALO, HOT, LOW, Readout, Truth, expose, fixed_defects
from .scene import pointing, scene_on
from .settings import Settings
from .slices import geometry

if TYPE_CHECKING:
    from astropy.io import fits

MINIMUM_SIZE: Final = 32
"""Fewest rows and columns of a simulated region."""

DEFAULTS: Final = Settings()

ASDF_TREE: Final = b"""\
#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
---
meta: {model_type: IFUImageModel}
...
"""
"""The tree of the data model. Without it the pipeline's steps refuse an association."""

Card: TypeAlias = tuple[str, str | int | float | bool, str]

_PROGRAM: Final = "09999"
_TARGET, _FIELD = "001", "002"
_STARTS: Final = {_TARGET: datetime(2022, 7, 1), _FIELD: datetime(2022, 7, 2)}
_OVERHEAD, _BETWEEN_EPOCHS = timedelta(minutes=2), timedelta(days=365)
# A fixed date, so that equal seeds give equal files.
_WRITTEN: Final[Card] = ("DATE", "2022-07-03T00:00:00.000", "a fixed date: simulated")

# Optics and readout directions (FASTAXIS, SLOWAXIS), in the terms of JWST's headers.
_NIRSPEC: Final = (("FILTER", "F170LP", "filter"), ("GRATING", "G235H", "grating"))
_SETUP: Final[dict[str, tuple[tuple[Card, ...], tuple[int, int]]]] = {
    "MIRIFUSHORT": ((("CHANNEL", "12", "MRS channels"), ("BAND", "SHORT", "MRS band")), (1, 2)),
    "MIRIFULONG": ((("CHANNEL", "34", "MRS channels"), ("BAND", "LONG", "MRS band")), (1, 2)),
    "NRS1": (_NIRSPEC, (2, 1)),
    "NRS2": (_NIRSPEC, (-2, -1)),
}


@dataclass(frozen=True)
class Simulation:
    """The files of a simulated observation."""

    associations: tuple[Path, ...]
    """One for each science exposure. Its members are this exposure as science, all backgrounds as
    background, and all science exposures (this one, too) as selfcal."""
    science: tuple[Path, ...]
    background: tuple[Path, ...]
    truth: Path
    """The map of the bad pixels."""

    @property
    def association(self) -> Path:
        """The association of the first science exposure."""
        return self.associations[0]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files."""
        return (*self.science, *self.background, *self.associations, self.truth)


@dataclass(frozen=True)
class _Observation:
    """What all exposures of a simulation share; the region is the top-left part of the detector."""

    detector: Detector
    shape: tuple[int, int]
    seed: int
    settings: Settings
    epoch: int

    def random(self, purpose: str, *key: int) -> np.random.Generator:
        """Return the random stream of one purpose (and exposure), independent of all others."""
        entropy = [list(DETECTORS).index(self.detector.name), self.seed]
        branch = ("scene", "defects", _TARGET, _FIELD).index(purpose)
        return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(branch, *key)))


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
        MIRIFULONG, MIRIFUSHORT, NRS1 or NRS2, in any case.
    size : int or tuple of int, optional
        Rows and columns, or an int for both, at least 32. The region is the top-left
        part of the full frame and holds the same pixels. The step measures the pedestal in a gap
        that begins at row 50 and at column 474 (MIRIFULONG) or 503 (MIRIFUSHORT): ``(96, 640)``
        contains a part of it, ``(256, 256)`` no pixel. Default: the full frame.
    n_science : int
        Number of science exposures, at least 1, each at another position of the dither.
    n_background : int
        Number of background exposures, without the target.
    seed : int
        Seed of the random numbers, not negative. Equal arguments give equal files, byte for byte,
        with the same NumPy and processor. An exposure does not depend on the number of the others.
    epoch : int
        Epoch, at least 1, each a year after the one before, in which further pixels are hot; scene
        and other defects stay.
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
    TypeError, ValueError
        If an argument has the wrong type, or is out of range or unknown.
    FileExistsError, NotADirectoryError
        If a file exists and `overwrite` is false, or `directory` is a file.

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
    if isinstance(detector, str):
        detector = detector.strip().upper()
    known = DETECTORS[check_choice([*DETECTORS], detector, "detector")]
    asked = check_each(known.shape if size is None else size, 2, "size")
    sides = zip(asked, known.shape, strict=True)
    rows, columns = (check_whole(side, "size", MINIMUM_SIZE, most) for side, most in sides)
    n_science = check_whole(n_science, "n_science", least=1)
    n_background = check_whole(n_background, "n_background", least=0)
    seed, epoch = check_whole(seed, "seed", least=0), check_whole(epoch, "epoch", least=1)
    if not isinstance(settings, Settings):
        raise TypeError(f"settings must be a Settings, got {type(settings).__name__}")
    if not isinstance(folder := locate(directory), Path):
        raise TypeError(f"directory must be a folder of this machine, got {folder}")
    refuse_file(folder)
    observation = _Observation(known, (rows, columns), seed, settings, epoch)
    files = _name_files(folder, observation, n_science, n_background)
    with Outputs(folder, overwrite=overwrite) as outputs:
        outputs.check(path.name for path in files.files)
        _write(observation, files, outputs)
        outputs.publish()
    return files


def _name_files(
    folder: Path, observation: _Observation, n_science: int, n_background: int
) -> Simulation:
    """Name all files as in the archive: by program, observation, visit, exposure and detector."""
    detector, epoch = observation.detector.name.lower(), observation.epoch
    targets, fields = (
        [f"jw{_PROGRAM}{of}{epoch:03d}_02101_{n + 1:05d}_{detector}" for n in range(count)]
        for of, count in ((_TARGET, n_science), (_FIELD, n_background))
    )
    later = f"_{epoch:03d}" if epoch > 1 else ""
    return Simulation(
        associations=tuple(folder / f"{name}_spec2_asn.json" for name in targets),
        science=tuple(folder / f"{name}_rate.fits" for name in targets),
        background=tuple(folder / f"{name}_rate.fits" for name in fields),
        truth=folder / f"jw{_PROGRAM}_{detector}_truth{later}.fits",
    )


def _write(observation: _Observation, files: Simulation, outputs: Outputs) -> None:
    """Take all exposures, and write them, the truth and the associations."""
    detector, settings, epoch = observation.detector, observation.settings, observation.epoch
    y, x = (np.arange(-1.0, side + 1) for side in observation.shape)
    sky = scene_on(geometry(detector, y, x), settings, observation.random("scene", 0))
    rng = observation.random("defects", 0)
    defects = fixed_defects(detector, observation.shape, settings, rng, epoch)
    off_target, later = sky.background(), [epoch] if epoch > 1 else []
    truths = []
    for number, paths in ((_TARGET, files.science), (_FIELD, files.background)):
        for index, path in enumerate(paths):
            on_target = number == _TARGET
            light = sky.target(pointing(index, settings)) if on_target else off_target
            rng = observation.random(number, index, *later)
            readout = expose(light, defects, detector, settings, rng)
            cards = _primary_cards(observation, path.name, number, index)
            _write_exposure(outputs.part(path.name), observation, cards, readout)
            truths.append((path.name, readout.truth, readout.pedestal))
    _write_truth(outputs.part(files.truth.name), observation, defects.truth, truths)
    targets, fields = ([path.name for path in each] for each in (files.science, files.background))
    for path, science in zip(files.associations, targets, strict=True):
        text = text_of(
            science.removesuffix("_rate.fits"),
            {"science": [science], "background": fields, "selfcal": targets},
            asn_rule="Asn_Lv2Spec",
            code_version="badpix_selfcal.simulate",
            program=_PROGRAM,
            asn_id=f"o{_TARGET}",
            asn_pool=f"jw{_PROGRAM}_pool",
        )
        outputs.part(path.name).write_text(text, encoding="utf-8")


def _primary_cards(observation: _Observation, name: str, number: str, index: int) -> list[Card]:
    """Return the cards of an exposure's PRIMARY header."""
    detector, settings = observation.detector, observation.settings
    setup, (fast, slow) = _SETUP[detector.name]
    duration = timedelta(seconds=settings.exposure_time)
    start = _STARTS[number] + index * (duration + _OVERHEAD)
    start += (observation.epoch - 1) * _BETWEEN_EPOCHS
    is_background = number == _FIELD
    rows, columns = observation.shape
    return [
        _WRITTEN,
        ("ORIGIN", "SIMULATION", "not an observation"),
        ("TELESCOP", "JWST", "telescope simulated"),
        ("FILENAME", name, "name of the file"),
        ("DATAMODL", "IFUImageModel", "type of data model"),
        ("CAL_VER", "3.0.0", "pipeline whose products this imitates"),
        ("PROGRAM", _PROGRAM, "program number"),
        ("OBSERVTN", number, "observation number"),
        ("VISIT", f"{observation.epoch:03d}", "visit number"),
        ("VISITGRP", "02", "visit group"),
        ("SEQ_ID", "1", "parallel sequence"),
        ("ACT_ID", "01", "activity"),
        ("EXPOSURE", f"{index + 1:05d}", "exposure number"),
        ("BKGDTARG", is_background, "background target"),
        ("TARGPROP", "EMPTY-FIELD" if is_background else "SIMULATED-TARGET", "proposer's name"),
        ("DATE-OBS", start.strftime("%Y-%m-%d"), "[yyyy-mm-dd] start of exposure"),
        ("TIME-OBS", start.strftime("%H:%M:%S.%f")[:-3], "[hh:mm:ss.sss] start of exposure"),
        ("INSTRUME", detector.instrument, "instrument"),
        ("DETECTOR", detector.name, "detector"),
        *setup,
        ("EXP_TYPE", detector.exp_type, "type of exposure"),
        ("NINTS", 1, "integrations"),
        ("NGROUPS", settings.groups, "groups in an integration"),
        ("TGROUP", settings.group_time, "[s] time between groups"),
        ("EFFEXPTM", settings.exposure_time, "[s] effective exposure time"),
        ("PATT_NUM", index + 1, "position in the dither pattern"),
        ("SUBARRAY", "FULL" if observation.shape == detector.shape else "GENERIC", "subarray"),
        ("SUBSTRT1", 1, "first column"),
        ("SUBSTRT2", 1, "first row"),
        ("SUBSIZE1", columns, "columns"),
        ("SUBSIZE2", rows, "rows"),
        ("FASTAXIS", fast, "fast readout axis"),
        ("SLOWAXIS", slow, "slow readout axis"),
    ]


def _write_exposure(
    part: Path, observation: _Observation, cards: Sequence[Card], readout: Readout
) -> None:
    """Write an exposure as the pipeline's ramp fit does, with DISPAXIS in SCI's header."""
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header.extend(cards, end=True)
    primary.header["HISTORY"] = f"Simulated by badpix_selfcal (seed {observation.seed})"
    planes = ("sci", "err", "dq", "var_poisson", "var_rnoise")
    images = [fits.ImageHDU(getattr(readout, name), name=name.upper()) for name in planes]
    for image in images[:2]:
        image.header["BUNIT"] = ("DN/s", "physical units")
    dispaxis = observation.detector.dispaxis or 0
    images[0].header["DISPAXIS"] = (dispaxis, "dispersion along 1: x, 2: y")
    fits.HDUList([primary, *images, asdf_extension()]).writeto(part, overwrite=True)


def asdf_extension() -> fits.BinTableHDU:
    """Return the extension ASDF of an exposure."""
    from astropy.io import fits

    text = np.frombuffer(ASDF_TREE, np.uint8)[np.newaxis]
    column = fits.Column(name="ASDF_METADATA", format=f"{text.size}B", array=text)
    return fits.BinTableHDU.from_columns([column], name="ASDF")


def _write_truth(
    part: Path,
    observation: _Observation,
    defects: Truth,
    exposures: Sequence[tuple[str, Truth, float]],
) -> None:
    """Write the fixed defects, and each exposure's name, cosmic rays and pedestal."""
    from astropy.io import fits

    cards: list[Card] = [
        _WRITTEN,
        ("DETECTOR", observation.detector.name, "detector"),
        ("SEED", str(observation.seed), "seed of the simulation"),
        ("HOT", HOT, "bit of a hot pixel"),
        ("LOW", LOW, "bit of a pixel of low response"),
        ("COSMIC", COSMIC_RAY, "bit of a pixel hit by a cosmic ray"),
        ("HALO", HALO, "bit of a neighbour of a hot pixel"),
    ]
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(defects, name="DEFECTS")]
    hdus[0].header.extend(cards, end=True)
    for number, (name, truth, pedestal) in enumerate(exposures, start=1):
        hdus.append(fits.ImageHDU(truth, name="COSMIC", ver=number))
        hdus[-1].header["EXPNAME"] = (name, "exposure")
        hdus[-1].header["PEDESTAL"] = (pedestal, "[DN/s] pedestal")
    fits.HDUList(hdus).writeto(part, overwrite=True)
