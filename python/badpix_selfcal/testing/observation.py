"""Small observations on disk: exposures and their association, usual and unusual."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ..instrument import DETECTORS, within
from ..simulate.files import asdf_extension
from .strategies import WORST

__all__ = ["Observation", "observations"]

ODDITIES: Final = ("double", "few planes", "more extensions", "no gap", "gzip", "flagged")
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
        companion ("no gap"); compressed files ("gzip"); pixels that DQ flags before ("flagged").
    """

    detector: str
    n_background: int = 1
    n_selfcal: int = 1
    seed: int = 0
    oddity: str | None = None

    def exposures(self) -> dict[str, NDArray[Any]]:
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

    def write(self, folder: str | Path) -> Path:
        """Write exposures and association into a folder, which must exist.

        Returns
        -------
        Path
            The association, ``set_asn.json``; its product is ``set``.
        """
        ending = ".fits.gz" if self.oddity == "gzip" else ".fits"
        members = []
        for name, image in self.exposures().items():
            path = Path(folder) / f"{name}_rate{ending}"
            self._write_exposure(path, image)
            members.append({"expname": path.name, "exptype": name.rstrip("0123456789")})
        products = [{"name": "set", "members": members}]
        table = {"asn_type": "spec2", "asn_pool": "pool", "asn_id": "a1", "products": products}
        association = Path(folder) / "set_asn.json"
        association.write_text(json.dumps(table))
        return association

    def _write_exposure(self, path: Path, image: NDArray[Any]) -> None:
        from astropy.io import fits

        about, primary = DETECTORS[self.detector], fits.PrimaryHDU()
        primary.header.update(
            TELESCOP="JWST",
            INSTRUME=about.instrument,
            DETECTOR=self.detector,
            EXP_TYPE=about.exp_type,
            DATAMODL="IFUImageModel",
        )
        dq = np.where(np.isnan(image), 1, 0).astype(np.uint32)
        if self.oddity == "flagged":
            dq[::3, ::5] |= np.uint32(1 << 11)
        planes = {"SCI": image, "DQ": dq}
        if self.oddity != "few planes":
            variance = np.abs(image)
            planes = {"SCI": image, "ERR": np.sqrt(variance), "DQ": dq}
            planes |= {"VAR_POISSON": variance, "VAR_RNOISE": variance}
        hdus = [primary, *(fits.ImageHDU(plane, name=name) for name, plane in planes.items())]
        hdus[1].header["DISPAXIS"] = about.dispaxis
        if self.oddity == "more extensions":
            hdus.append(fits.ImageHDU(np.arange(7, dtype=np.int16), name="MORE"))
        fits.HDUList([*hdus, asdf_extension()]).writeto(path)


def observations(*, unusual: bool = False, alone: bool = False) -> st.SearchStrategy[Observation]:
    """Draw observations with one to four companions; with `alone`, without companions.

    With `unusual`, some are unusual but valid.
    """
    count = st.just(0) if alone else st.integers(0, 2)
    oddity = st.sampled_from([None, *ODDITIES]) if unusual else st.none()
    detector, seed = st.sampled_from([*DETECTORS]), st.integers(0, WORST)
    drawn = st.builds(Observation, detector, count, count, seed, oddity)
    return drawn if alone else drawn.filter(lambda each: each.n_background + each.n_selfcal > 0)
