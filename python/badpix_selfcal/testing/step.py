"""Small observations on disk, and checks of a program that flags their science exposure."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ..arrays import reference
from ..files.association import text_of
from ..instrument import BAD, DETECTORS, NAN_PLANES, OTHER_BAD_PIXEL, within
from ..parameters import Parameters
from ..simulate.files import asdf_extension
from .check import Call, Check, CheckFailed, Trial, suite_of
from .strategies import WORST

Planes: TypeAlias = dict[str, NDArray[Any]]
Program: TypeAlias = Callable[[Path, Path], object]

ODDITIES: Final = ("double", "few planes", "more extensions", "no gap", "gzip")
"""What may be unusual about an observation, and valid all the same."""

SHAPES: Final = {"MIRI": (64, 530), "NIRSPEC": (48, 70)}
"""Rows and columns: those of MIRI hold a part of the gap."""

HOT: Final = 0.001
"""The fraction of pixels that are hot or cold in every exposure: fewer than are flagged, so that
the cuts lie in the noise, where small faults change them."""


@dataclass(frozen=True)
class Observation:
    """A science exposure with its companions, made from a seed.

    Attributes
    ----------
    detector : str
        A detector of `badpix_selfcal.instrument.DETECTORS`.
    n_background, n_selfcal : int
        Its companions.
    seed : int
        Of the samples.
    oddity : str or None
        What is unusual: SCI, ERR and VAR in double precision ("double"); no ERR and no VAR ("few
        planes"); extensions behind DQ ("more extensions"); a gap without a valid sample in one
        companion ("no gap"); compressed files ("gzip").
    """

    detector: str
    n_background: int = 1
    n_selfcal: int = 1
    seed: int = 0
    oddity: str | None = None

    def exposures(self) -> Planes:
        """Return the SCI of each exposure by its role and number: ``science0``."""
        about = DETECTORS[self.detector]
        shape, rng = SHAPES[about.instrument], np.random.default_rng(self.seed)
        light = 5 + np.cumsum(rng.normal(size=shape), axis=0 if about.dispaxis == 1 else 1) / 20
        bad = rng.random(shape) < HOT
        strength = rng.normal(size=shape) * 100
        counts = {"science": 1, "background": self.n_background, "selfcal": self.n_selfcal}
        images = {}
        for name in (f"{role}{number}" for role in counts for number in range(counts[role])):
            image = light + rng.normal(size=shape) + rng.normal()
            image[bad] += strength[bad]
            image[rng.random(shape) < 0.02] = np.nan
            images[name] = image.astype(np.float64 if self.oddity == "double" else np.float32)
        if self.oddity == "no gap" and about.gap is not None and len(images) > 2:
            y0, y1, x0, x1 = within(about.gap, shape)
            images[name][y0:y1, x0:x1] = np.nan
        return images

    def planes(self, image: NDArray[Any]) -> Planes:
        """Return the planes of the exposure with this SCI."""
        dq = np.where(np.isnan(image), 1, 0).astype(np.uint32)
        dq[::3, ::5] |= np.uint32(1 << 11)
        if self.oddity == "few planes":
            return {"SCI": image, "DQ": dq}
        noise = np.abs(image)
        planes = {"SCI": image, "ERR": np.sqrt(noise), "DQ": dq}
        return planes | {"VAR_POISSON": noise, "VAR_RNOISE": noise}

    def write(self, folder: str | Path) -> Path:
        """Write exposures and association into a folder, which must exist.

        Returns
        -------
        Path
            The association, ``set_asn.json``; its product is ``set``.
        """
        from astropy.io import fits

        about = DETECTORS[self.detector]
        members: dict[str, list[str]] = {}
        for name, image in self.exposures().items():
            primary = fits.PrimaryHDU()
            primary.header.update(
                TELESCOP="JWST",
                INSTRUME=about.instrument,
                DETECTOR=self.detector,
                EXP_TYPE=about.exp_type,
                DATAMODL="IFUImageModel",
            )
            hdus = [fits.ImageHDU(plane, name=key) for key, plane in self.planes(image).items()]
            hdus[0].header["DISPAXIS"] = about.dispaxis
            if self.oddity == "more extensions":
                hdus.append(fits.ImageHDU(np.arange(7, dtype=np.int16), name="MORE"))
            ending = ".fits.gz" if self.oddity == "gzip" else ".fits"
            path = Path(folder) / f"{name}_rate{ending}"
            fits.HDUList([primary, *hdus, asdf_extension()]).writeto(path)
            members.setdefault(name.rstrip("0123456789"), []).append(path.name)
        association = Path(folder) / "set_asn.json"
        association.write_text(text_of("set", members))
        return association


def observations(*, unusual: bool = False, alone: bool = False) -> st.SearchStrategy[Observation]:
    """Draw observations with one to four companions; with `alone`, without companions.

    With `unusual`, some are unusual but valid.
    """
    count = st.just(0) if alone else st.integers(0, 2)
    oddity = st.sampled_from([None, *ODDITIES]) if unusual else st.none()
    detector, seed = st.sampled_from([*DETECTORS]), st.integers(0, WORST)
    drawn = st.builds(Observation, detector, count, count, seed, oddity)
    return drawn if alone else drawn.filter(lambda each: each.n_background + each.n_selfcal > 0)


def step_checks(program: Program) -> list[Check]:
    """Return the checks of a program.

    ``program(association, output_dir)`` flags the science exposure with the default parameters of
    the pipeline's step and writes it to a FITS file in the folder; the only one there, or the only
    one without ``_bkg`` in its name. It may start a command.
    """

    def flag(observation: Observation) -> Planes:
        return _flagged(program, observation)

    usual, unusual, alone = observations(), observations(unusual=True), observations(alone=True)
    return suite_of(
        "step",
        flag,
        ("planes", usual, _equals_plain_numpy, 0.06),
        ("unusual files", unusual, _equals_plain_numpy, 0.06),
        ("without companions", alone, _flags_nothing, 0.03),
        view=lambda planes, _: planes,
    )


def _flagged(program: Program, observation: Observation) -> Planes:
    """Return the planes of the science exposure that the program writes; none if it does not."""
    from astropy.io import fits

    with tempfile.TemporaryDirectory(prefix="badpix-selfcal-") as name:
        inputs, outputs = Path(name, "in"), Path(name, "out")
        inputs.mkdir()
        outputs.mkdir()
        association = observation.write(inputs)
        before = {path.name: path.read_bytes() for path in inputs.iterdir()}
        program(association, outputs)
        if {path.name: path.read_bytes() for path in inputs.iterdir()} != before:
            raise AssertionError("an input was changed, added or removed")
        made = [path for path in outputs.glob("*.fits*") if "_bkg" not in path.name]
        if len(made) > 1:
            raise AssertionError(f"several outputs: {sorted(path.name for path in made)}")
        if not made:
            return {}
        with fits.open(made[0], memmap=False) as hdus:
            return {
                hdu.name: np.array(hdu.data, hdu.data.dtype.newbyteorder("="))
                for hdu in hdus[1:]
                if hdu.name in ("DQ", *NAN_PLANES)
            }


def _expected(observation: Observation) -> Planes:
    """Return the planes of the flagged science exposure, in plain NumPy."""
    about, images, lowered = DETECTORS[observation.detector], observation.exposures(), []
    for image in images.values():
        gap = about.gap
        level = 0.0 if gap is None else reference.pedestal(image, within(gap, image.shape))
        if np.isfinite(level):
            lowered.append(image - image.dtype.type(level))
    found = reference.find_bad_pixels(
        np.fmin.reduce(lowered),
        dispaxis=about.dispaxis,
        kernel_size=Parameters.kernel_size,
        flagfrac_lower=Parameters.flagfrac_lower,
        flagfrac_upper=Parameters.flagfrac_upper,
    )
    planes = observation.planes(images["science0"])
    flagged = {name: np.where(found.mask, np.nan, plane) for name, plane in planes.items()}
    return flagged | {"DQ": np.where(found.mask, planes["DQ"] | np.uint32(BAD), planes["DQ"])}


def _equals_plain_numpy(trial: Trial, observation: Observation) -> None:
    planes, expected = trial(Call((observation,), {})), _expected(observation)
    if sorted(planes) != sorted(expected):
        written = f"{sorted(planes)}, not {sorted(expected)}" if planes else "no flagged file"
        raise CheckFailed(trial, "other planes are written", f"written: {written}")
    for name, plane in expected.items():
        trial.expect(planes[name], plane, f"{name} of the science exposure differs")


def _flags_nothing(trial: Trial, observation: Observation) -> None:
    """Without companions nothing is flagged: there is no file, or an unflagged one."""
    planes = trial(Call((observation,), {}))
    if planes and np.any(planes["DQ"] & np.uint32(OTHER_BAD_PIXEL)):
        raise CheckFailed(trial, "pixels are flagged without companions", "")
