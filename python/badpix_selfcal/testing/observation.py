"""Small observations on disk: exposures and their association, usual, unusual and broken."""

from __future__ import annotations

import gzip
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ..instrument import DETECTORS, within
from ..simulate.files import asdf_extension
from .strategies import WORST

__all__ = ["Observation", "Oddity", "broken_associations", "broken_exposures", "observations"]

Oddity: TypeAlias = Literal["double", "few planes", "more extensions", "no gap", "gzip", "flagged"]
"""What is unusual about an observation, and valid all the same."""

ODDITIES: Final[tuple[Oddity, ...]] = (
    "double",
    "few planes",
    "more extensions",
    "no gap",
    "gzip",
    "flagged",
)
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
        What is unusual: SCI, ERR and VAR in double precision; no ERR and no VAR; extensions behind
        DQ; a gap without a valid sample in one companion; compressed files; pixels that DQ flags
        before.
    """

    detector: str
    n_background: int = 1
    n_selfcal: int = 1
    seed: int = 0
    oddity: Oddity | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its exposures."""
        return SHAPES[DETECTORS[self.detector].instrument]

    @property
    def dispaxis(self) -> int:
        """The dispersion axis of its exposures, 1 or 2."""
        axis = DETECTORS[self.detector].dispaxis
        assert axis is not None  # no integral-field detector lacks one
        return axis

    def exposures(self) -> dict[str, NDArray[Any]]:
        """Return the SCI of each exposure by its role and number: ``science0``."""
        rng = np.random.default_rng(self.seed)
        dtype = np.float64 if self.oddity == "double" else np.float32
        light = 5 + np.cumsum(rng.normal(size=self.shape), axis=1 - self.dispaxis % 2) / 20
        bad = rng.random(self.shape) < HOT
        strength = rng.normal(size=self.shape) * 100
        images = {}
        for name in self._names():
            image = light + rng.normal(size=self.shape) + rng.normal()
            image[bad] += strength[bad]
            image[rng.random(self.shape) < 0.02] = np.nan
            images[name] = image.astype(dtype)
        gap = DETECTORS[self.detector].gap
        if self.oddity == "no gap" and gap is not None and len(images) > 2:
            y0, y1, x0, x1 = within(gap, self.shape)
            images[self._names()[-1]][y0:y1, x0:x1] = np.nan
        return images

    def write(self, folder: str | Path) -> Path:
        """Write exposures and association into a folder, which must exist.

        Returns
        -------
        Path
            The association, ``set_asn.json``; its product is ``set``.
        """
        place = Path(folder)
        ending = ".fits.gz" if self.oddity == "gzip" else ".fits"
        members = []
        for name, image in self.exposures().items():
            path = place / f"{name}_rate{ending}"
            self._write_exposure(path, image)
            members.append({"expname": path.name, "exptype": name.rstrip("0123456789")})
        products = [{"name": "set", "members": members}]
        table = {"asn_type": "spec2", "asn_pool": "pool", "asn_id": "a1", "products": products}
        association = place / "set_asn.json"
        association.write_text(json.dumps(table))
        return association

    def _names(self) -> list[str]:
        counts = {"science": 1, "background": self.n_background, "selfcal": self.n_selfcal}
        return [f"{role}{number}" for role, count in counts.items() for number in range(count)]

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
        planes, magnitude = {"SCI": image}, np.abs(image)
        if self.oddity != "few planes":
            planes["ERR"] = np.sqrt(magnitude)
        planes["DQ"] = dq
        if self.oddity != "few planes":
            planes |= {f"VAR_{kind}": magnitude for kind in ("POISSON", "RNOISE")}
        hdus = [primary, *(fits.ImageHDU(plane, name=name) for name, plane in planes.items())]
        hdus[1].header["DISPAXIS"] = self.dispaxis
        if self.oddity == "more extensions":
            hdus.append(fits.ImageHDU(np.arange(7, dtype=np.int16), name="MORE"))
        hdus.append(asdf_extension())
        fits.HDUList(hdus).writeto(path)


def observations(*, unusual: bool = False, alone: bool = False) -> st.SearchStrategy[Observation]:
    """Draw observations with one to four companions.

    Parameters
    ----------
    unusual : bool, optional
        Whether some are unusual (`Oddity`), but valid.
    alone : bool, optional
        Draw observations without companions instead.

    Returns
    -------
    strategy for Observation
        The observations.
    """
    count = st.just(0) if alone else st.integers(0, 2)
    drawn = st.builds(
        Observation,
        st.sampled_from([*DETECTORS]),
        count,
        count,
        st.integers(0, WORST),
        st.sampled_from([None, *ODDITIES]) if unusual else st.none(),
    )
    return drawn if alone else drawn.filter(lambda each: each.n_background + each.n_selfcal > 0)


@st.composite
def broken_exposures(draw: st.DrawFn) -> bytes:
    """Draw the bytes of exposures that are cut short, have changed bytes, or are gzipped badly."""
    content = bytearray(_sound())
    kind = draw(st.sampled_from(["cut", "bytes", "header", "gzip"]))
    if kind == "cut":
        return bytes(content[: draw(st.integers(0, len(content) - 1))])
    if kind == "gzip":
        packed = bytearray(gzip.compress(bytes(content), 1))
        packed[draw(st.integers(0, len(packed) - 1))] ^= draw(st.integers(1, 255))
        return bytes(packed)
    end = 2880 if kind == "header" else len(content)
    for _ in range(draw(st.integers(1, 5))):
        content[draw(st.integers(0, end - 1))] = draw(st.integers(0, 255))
    return bytes(content)


def broken_associations() -> st.SearchStrategy[str]:
    """Draw the text of associations that lack a part, repeat members, or are no JSON at all."""
    names = st.text(max_size=8) | st.sampled_from(["a_rate.fits", "../a.fits", "", "a\0.fits"])
    member = st.fixed_dictionaries(
        {},
        optional={"expname": names | st.none(), "exptype": st.sampled_from(["science", "x", 7])},
    )
    products = st.lists(
        st.fixed_dictionaries({}, optional={"name": names, "members": st.lists(member, max_size=4)})
        | st.none(),
        max_size=3,
    )
    tables = st.fixed_dictionaries({}, optional={"products": products, "asn_type": st.text()})
    whole = tables.map(json.dumps)
    cut = whole.flatmap(lambda text: st.integers(0, len(text)).map(lambda end: text[:end]))
    return whole | cut | st.text(max_size=40)


def _sound() -> bytes:
    """Return the bytes of a sound exposure."""
    with tempfile.TemporaryDirectory() as folder:
        Observation("NRS1").write(folder)
        return (Path(folder) / "science0_rate.fits").read_bytes()
