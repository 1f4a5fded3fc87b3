"""The files of a simulated observation: their names, headers and contents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..instrument import Detector
from .asdf import asdf_extension
from .defects import COSMIC_RAY, HALO, HOT, LOW, Readout, Truth
from .settings import Settings

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = [
    "FIELD",
    "TARGET",
    "Observation",
    "PlannedExposure",
    "Simulation",
    "name_files",
    "planned_exposures",
    "write_association",
    "write_exposure",
    "write_truth",
]

TARGET: Final = "001"
"""Observation number of the science exposures."""

FIELD: Final = "002"
"""Observation number of the background exposures."""

_PROGRAM: Final = "09999"
_EPOCHS: Final = {TARGET: datetime(2022, 7, 1), FIELD: datetime(2022, 7, 2)}
# A fixed date, so that equal seeds give equal files.
_WRITTEN: Final = "2022-07-03T00:00:00.000"
_OVERHEAD: Final = timedelta(minutes=2)
_BETWEEN_EPOCHS: Final = timedelta(days=365)

Card: TypeAlias = tuple[str, str | int | float | bool, str]

# Optics and readout directions (FASTAXIS, SLOWAXIS), in the terms of JWST's headers.
_SETUP: Final[dict[str, tuple[tuple[Card, ...], tuple[int, int]]]] = {
    "MIRIFUSHORT": ((("CHANNEL", "12", "MRS channels"), ("BAND", "SHORT", "MRS band")), (1, 2)),
    "MIRIFULONG": ((("CHANNEL", "34", "MRS channels"), ("BAND", "LONG", "MRS band")), (1, 2)),
    "NRS1": ((("FILTER", "F170LP", "filter"), ("GRATING", "G235H", "grating")), (2, 1)),
    "NRS2": ((("FILTER", "F170LP", "filter"), ("GRATING", "G235H", "grating")), (-2, -1)),
}


@dataclass(frozen=True)
class Simulation:
    """The files of a simulated observation.

    Parameters
    ----------
    associations : tuple of Path
        One for each science exposure. Its members are this exposure as science, all backgrounds as
        background, and all science exposures (this one, too) as selfcal.
    science, background : tuple of Path
        The exposures.
    truth : Path
        The map of the bad pixels.
    """

    associations: tuple[Path, ...]
    science: tuple[Path, ...]
    background: tuple[Path, ...]
    truth: Path

    @property
    def association(self) -> Path:
        """The association of the first science exposure."""
        return self.associations[0]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files."""
        return (*self.science, *self.background, *self.associations, self.truth)


@dataclass(frozen=True)
class PlannedExposure:
    """An exposure that is to be taken.

    Parameters
    ----------
    path : Path
        The file for it.
    observation : str
        `TARGET` or `FIELD`.
    index : int
        Its number in that observation, from 0.
    """

    path: Path
    observation: str
    index: int


@dataclass(frozen=True)
class Observation:
    """The properties that all exposures of a simulation share.

    Parameters
    ----------
    detector : Detector
        One of `badpix_selfcal.instrument.DETECTORS`.
    shape : tuple of int
        Rows and columns of the region that is read out.
    seed : int
        Seed of the simulation.
    settings : Settings
        The physical numbers.
    epoch : int
        The epoch, from 1 on; the number of the visit.
    """

    detector: Detector
    shape: tuple[int, int]
    seed: int
    settings: Settings
    epoch: int


def name_files(
    folder: Path, detector: Detector, n_science: int, n_background: int, epoch: int
) -> Simulation:
    """Name all files as in the archive: by program, observation, visit, exposure and detector.

    Parameters
    ----------
    folder : Path
        The folder for the files.
    detector : Detector
        One of `badpix_selfcal.instrument.DETECTORS`.
    n_science, n_background : int
        Numbers of exposures.
    epoch : int
        Epoch of the observation, the number of the visit.
    """

    def stem(observation: str, number: int) -> str:
        name = detector.name.lower()
        return f"jw{_PROGRAM}{observation}{epoch:03d}_02101_{number:05d}_{name}"

    targets = [stem(TARGET, i + 1) for i in range(n_science)]
    fields = [stem(FIELD, i + 1) for i in range(n_background)]
    later = f"_{epoch:03d}" if epoch > 1 else ""
    return Simulation(
        associations=tuple(folder / f"{name}_spec2_asn.json" for name in targets),
        science=tuple(folder / f"{name}_rate.fits" for name in targets),
        background=tuple(folder / f"{name}_rate.fits" for name in fields),
        truth=folder / f"jw{_PROGRAM}_{detector.name.lower()}_truth{later}.fits",
    )


def planned_exposures(files: Simulation) -> Iterator[PlannedExposure]:
    """Yield the exposures to take, the science exposures first."""
    for observation, paths in ((TARGET, files.science), (FIELD, files.background)):
        for index, path in enumerate(paths):
            yield PlannedExposure(path, observation, index)


def write_association(path: Path, science: Path, files: Simulation) -> None:
    """Write the association of one science exposure, with all fields of one from the archive.

    Parameters
    ----------
    path : Path
        The file to write; an existing one is replaced.
    science : Path
        The science exposure.
    files : Simulation
        All exposures. Those of the target become selfcal members, `science` too.
    """
    members = [(science, "science")]
    members += [(path, "background") for path in files.background]
    members += [(path, "selfcal") for path in files.science]
    content = {
        "asn_type": "spec2",
        "asn_rule": "Asn_Lv2Spec",
        "version_id": None,
        "code_version": "badpix_selfcal.simulate",
        "degraded_status": "No known degraded exposures in association.",
        "program": _PROGRAM,
        "constraints": "No constraints",
        "asn_id": f"o{TARGET}",
        "asn_pool": f"jw{_PROGRAM}_pool",
        "products": [
            {
                "name": science.stem.removesuffix("_rate"),
                "members": [{"expname": path.name, "exptype": kind} for path, kind in members],
            }
        ],
    }
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


def _primary_cards(observation: Observation, planned: PlannedExposure) -> list[Card]:
    """Return the cards of an exposure's PRIMARY header."""
    detector, settings = observation.detector, observation.settings
    setup, (fast, slow) = _SETUP[detector.name]
    duration = timedelta(seconds=settings.exposure_time)
    start = _EPOCHS[planned.observation] + planned.index * (duration + _OVERHEAD)
    start += (observation.epoch - 1) * _BETWEEN_EPOCHS
    is_background = planned.observation == FIELD
    rows, columns = observation.shape
    return [
        ("DATE", _WRITTEN, "a fixed date: simulated"),
        ("ORIGIN", "SIMULATION", "not an observation"),
        ("TELESCOP", "JWST", "telescope simulated"),
        ("FILENAME", planned.path.name, "name of the file"),
        ("DATAMODL", "IFUImageModel", "type of data model"),
        ("CAL_VER", "3.0.0", "pipeline whose products this imitates"),
        ("PROGRAM", _PROGRAM, "program number"),
        ("OBSERVTN", planned.observation, "observation number"),
        ("VISIT", f"{observation.epoch:03d}", "visit number"),
        ("VISITGRP", "02", "visit group"),
        ("SEQ_ID", "1", "parallel sequence"),
        ("ACT_ID", "01", "activity"),
        ("EXPOSURE", f"{planned.index + 1:05d}", "exposure number"),
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
        ("PATT_NUM", planned.index + 1, "position in the dither pattern"),
        ("SUBARRAY", "FULL" if observation.shape == detector.shape else "GENERIC", "subarray"),
        ("SUBSTRT1", 1, "first column"),
        ("SUBSTRT2", 1, "first row"),
        ("SUBSIZE1", columns, "columns"),
        ("SUBSIZE2", rows, "rows"),
        ("FASTAXIS", fast, "fast readout axis"),
        ("SLOWAXIS", slow, "slow readout axis"),
    ]


def _with_cards(hdu: fits.PrimaryHDU | fits.ImageHDU, cards: list[Card]) -> Any:
    hdu.header.extend(cards, end=True)
    return hdu


def write_exposure(
    path: Path, observation: Observation, planned: PlannedExposure, readout: Readout
) -> None:
    """Write an exposure as the pipeline's ramp fit does, with DISPAXIS in SCI's header.

    Parameters
    ----------
    path : Path
        The file to write; an existing one is replaced.
    observation : Observation
        The source of the header's values.
    planned : PlannedExposure
        The exposure.
    readout : Readout
        Its planes.
    """
    from astropy.io import fits

    primary = _with_cards(fits.PrimaryHDU(), _primary_cards(observation, planned))
    primary.header["HISTORY"] = f"Simulated by badpix_selfcal (seed {observation.seed})"
    unit = ("BUNIT", "DN/s", "physical units")
    axis = ("DISPAXIS", observation.detector.dispaxis or 0, "dispersion along 1: x, 2: y")
    planes: list[tuple[str, Any, list[Card]]] = [
        ("SCI", readout.sci, [unit, axis]),
        ("ERR", readout.err, [unit]),
        ("DQ", readout.dq, []),
        ("VAR_POISSON", readout.var_poisson, []),
        ("VAR_RNOISE", readout.var_rnoise, []),
    ]
    images = [_with_cards(fits.ImageHDU(data, name=name), cards) for name, data, cards in planes]
    tree = asdf_extension({name: data for name, data, _ in planes})
    fits.HDUList([primary, *images, tree]).writeto(path, overwrite=True)


def write_truth(
    path: Path,
    observation: Observation,
    defects: Truth,
    exposures: list[tuple[str, Truth, float]],
) -> None:
    """Write the fixed defects and every exposure's cosmic rays and pedestal.

    Parameters
    ----------
    path : Path
        The file to write; an existing one is replaced.
    observation : Observation
        The source of the header's values.
    defects : ndarray of uint8, shape (rows, columns)
        `HOT`, `LOW` and `HALO` bits.
    exposures : list of (str, ndarray of uint8, float)
        Name, `COSMIC_RAY` bits and pedestal (DN/s) of each exposure.
    """
    from astropy.io import fits

    cards: list[Card] = [
        ("DATE", _WRITTEN, "a fixed date: simulated"),
        ("DETECTOR", observation.detector.name, "detector"),
        ("SEED", str(observation.seed), "seed of the simulation"),
        ("HOT", HOT, "bit of a hot pixel"),
        ("LOW", LOW, "bit of a pixel of low response"),
        ("COSMIC", COSMIC_RAY, "bit of a pixel hit by a cosmic ray"),
        ("HALO", HALO, "bit of a neighbour of a hot pixel"),
    ]
    hdus = [_with_cards(fits.PrimaryHDU(), cards)]
    hdus.append(fits.ImageHDU(defects, name="DEFECTS"))
    for number, (name, truth, pedestal) in enumerate(exposures, start=1):
        image = fits.ImageHDU(truth, name="COSMIC", ver=number)
        about: list[Card] = [
            ("EXPNAME", name, "exposure"),
            ("PEDESTAL", pedestal, "[DN/s] pedestal"),
        ]
        hdus.append(_with_cards(image, about))
    fits.HDUList(hdus).writeto(path, overwrite=True)
