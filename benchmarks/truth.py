"""Simulated exposures in memory, with the truth about each pixel.

The exposures are those of the package's own simulator. The slices of the MRS lie where the geometry
maps put them, if a folder with the maps is given; else where the simulator's polynomials put them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import badpix_selfcal as bps
from badpix_selfcal.instrument import DETECTORS, Detector
from badpix_selfcal.simulate.defects import (
    COSMIC_RAY,
    LOW,
    Defects,
    Readout,
    expose,
    fixed_defects,
)
from badpix_selfcal.simulate.groups import HotPixels
from badpix_selfcal.simulate.scene import Sky, pointing, scene_on
from badpix_selfcal.simulate.settings import Settings
from badpix_selfcal.simulate.slices import CHANNELS, Geometry, geometry

__all__ = ["GEOMETRY", "REAL", "Observed", "Scene", "is_there", "observe", "source_of_geometry"]

GEOMETRY: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "miri-mrs-geometry"
"""The folder of the geometry maps, beside the folder of the package."""

REAL: Final = {
    "MRS": "miri-mrs-mask/mask_2020.npz",
    "H2RG": "h2rg-new-hot/new_hot_2023.npz",
}
"""Files of maps of real hot pixels, beside the folder of the geometry maps: the pixels that the
reference masks of the MRS call hot, and those that became hot on four detectors of NIRSpec's kind
(NRCA1 to NRCA4 of NIRCam)."""

DETECTOR: Final = {"12A": "MIRIFUSHORT", "34C": "MIRIFULONG", "NRS1": "NRS1"}

Mask = NDArray[np.bool_]
Image = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """What is observed, and how.

    Attributes
    ----------
    band : str
        A key of `DETECTOR`.
    settings : Settings
        The numbers of the simulator.
    knots : int
        Unresolved sources at random places of the field of view, which replace the one in its
        middle; 0 for that one.
    groups : tuple of int
        Groups in the ramp of each exposure, in turns; empty: those of the settings.
    spoiled : float
        Standard deviation of noise that is added to the last exposure, relative to its ERR. ERR
        stays as it is.
    shape : tuple of int or None
        Rows and columns of a region at the top left; None: the full frame.
    real : tuple of (str, str, float) or None
        Real hot pixels besides the simulated ones: a key of `REAL`, the name of the map in its file
        and the rate of each pixel, DN/s, which scatters like that of a group's pixels.
    """

    band: str
    settings: Settings = field(default_factory=Settings)
    knots: int = 0
    groups: tuple[int, ...] = ()
    spoiled: float = 0.0
    shape: tuple[int, int] | None = None
    real: tuple[str, str, float] | None = None

    @property
    def detector(self) -> Detector:
        """The detector of this band."""
        return DETECTORS[DETECTOR[self.band]]

    @property
    def region(self) -> tuple[int, int]:
        """Rows and columns that are read out."""
        return self.shape or self.detector.shape

    def with_settings(self, **changes: Any) -> Scene:
        """Return this scene with other numbers of the simulator."""
        return replace(self, settings=replace(self.settings, **changes))


@dataclass(frozen=True)
class Observed:
    """Exposures and the truth about their pixels; images of shape (rows, columns).

    Attributes
    ----------
    scene : Scene
        What was observed.
    exposures : list of ndarray of float32
        The exposures minus their pedestals, DN/s.
    minimum : ndarray of float32
        The minimum image.
    error : ndarray of float32
        The mean of ERR over the exposures: the error of one exposure.
    noise : ndarray of float32
        The largest ERR over the exposures, by which the truth is judged.
    beneath : ndarray of float32
        The same without the photon noise of the hot light.
    defect : ndarray of float32
        Rate of the hot pixel, single or of a group, DN/s; 0 elsewhere.
    halo : ndarray of float32
        Rate from hot neighbours, DN/s.
    low : ndarray of bool
        Pixels of low response.
    cosmic : ndarray of bool
        Pixels that a cosmic ray has hit in every exposure.
    known : ndarray of bool
        Pixels that DQ marks before flagging. They count for nothing.
    line : ndarray of float32
        Rate from emission lines, the least over the exposures, DN/s.
    core : ndarray of bool
        Pixels within one full width of the core of a point source, in any exposure.
    group : ndarray of int
        Number of the group of hot pixels, from 1 on; 0 elsewhere.
    shapes : tuple of str
        The shape of each group, by its number; the first is empty.
    """

    scene: Scene
    exposures: list[Image]
    minimum: Image
    error: Image
    noise: Image
    beneath: Image
    defect: Image
    halo: Image
    low: Mask
    cosmic: Mask
    known: Mask
    line: Image
    core: Mask
    group: NDArray[np.int64]
    shapes: tuple[str, ...] = ("",)


def source_of_geometry(folder: Path) -> str:
    """Return where the slices of the MRS come from, in words.

    Parameters
    ----------
    folder : Path
        The folder in which the maps are looked for.
    """
    if _map_of("12A", folder).exists() and _map_of("34C", folder).exists():
        return "the maps of the in-flight distortion solution (FLT-9)"
    return "the polynomials of the simulator (maps of the geometry were not found)"


def is_there(scene: Scene, folder: Path) -> bool:
    """Return whether the map of real hot pixels is there, if the scene needs one.

    Parameters
    ----------
    scene : Scene
        The scene.
    folder : Path
        The folder of the geometry maps.
    """
    return scene.real is None or (folder.parent / REAL[scene.real[0]]).exists()


def observe(scene: Scene, seed: int, counts: Sequence[int], folder: Path) -> dict[int, Observed]:
    """Simulate exposures once, and return what the first few of them show.

    Parameters
    ----------
    scene : Scene
        What is observed.
    seed : int
        Seed of the random numbers.
    counts : sequence of int
        Numbers of exposures.
    folder : Path
        The folder of the geometry maps.

    Returns
    -------
    dict of int to Observed
        By the number of exposures.
    """
    sky = scene_on(_geometry(scene.band, scene.region, folder), scene.settings, _rng(seed, 0))
    defects = fixed_defects(scene.detector, scene.region, scene.settings, _rng(seed, 1))
    if scene.real is not None:
        hot = _with_real(defects.hot, scene.real, scene, folder, _rng(seed, 5))
        defects = replace(defects, hot=hot)
    extents = _Extents(sky, scene, seed)
    readouts, lines, cores = [], [], []
    for index in range(max(counts)):
        extent, line, core = extents.of(index)
        readouts.append(_expose(sky.extended(extent), defects, scene, seed, index, max(counts)))
        lines.append(line)
        cores.append(core)
    return {n: _observed(scene, defects, readouts[:n], lines[:n], cores[:n]) for n in counts}


def _with_real(
    hot: HotPixels,
    real: tuple[str, str, float],
    scene: Scene,
    folder: Path,
    rng: np.random.Generator,
) -> HotPixels:
    """Add real hot pixels, in place of simulated ones."""
    from scipy import ndimage

    kind, name, rate = real
    with np.load(folder.parent / REAL[kind]) as maps:
        numbers, count = ndimage.label(maps[name], np.ones((3, 3)))
    pixels = np.stack(np.nonzero(numbers))
    scatter = np.log(scene.settings.hot_group_scatter) * rng.standard_normal(pixels.shape[1])
    group = numbers[tuple(pixels)].astype(np.int64)
    kept = numbers[tuple(hot.pixels)] == 0
    others = HotPixels(hot.pixels[:, kept], hot.rate[kept], hot.group[kept], hot.shapes)
    return others + HotPixels(pixels, rate * np.exp(scatter), group, (kind,) * count)


class _Extents:
    """The brightness of the target in each exposure; equal pointings are computed once."""

    def __init__(self, sky: Sky, scene: Scene, seed: int) -> None:
        self._sky, self._scene = sky, scene
        self._sources = _sources(scene, _rng(seed, 2))
        self._known: dict[tuple[float, float], tuple[Image, Image, Mask]] = {}
        continuum = np.where(sky.geometry.slices > 0, scene.settings.source_rate, 0.0)
        lines = sky.spectrum - continuum.astype(np.float32)
        self._lines = replace(sky, thermal=np.zeros_like(sky.thermal), spectrum=lines)

    def of(self, index: int) -> tuple[Image, Image, Mask]:
        """Return extent, light of the lines and pixels of the cores in an exposure."""
        pointed = pointing(index, self._scene.settings)
        if pointed not in self._known:
            self._known[pointed] = self._make(pointed)
        return self._known[pointed]

    def _make(self, pointed: tuple[float, float]) -> tuple[Image, Image, Mask]:
        extent = np.full_like(self._sky.thermal, self._scene.settings.nebula_fraction)
        core = np.zeros(extent.shape, np.bool_)
        for alpha, beta, brightness in self._sources:
            profile = self._sky.profile((alpha + pointed[0], beta + pointed[1]))
            extent += np.float32(brightness) * profile
            # A Gaussian has fallen to a sixteenth of its peak one full width from its centre.
            core |= profile > 1 / 16
        inner = (slice(1, -1), slice(1, -1))
        return extent, self._lines.extended(extent), core[inner]


def _sources(scene: Scene, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Return alpha, beta (arcsec) and brightness of each point source."""
    if not scene.knots:
        return [(0.0, 0.0, 1.0)]
    channel = CHANNELS[scene.detector.name][-1]
    reach = channel.slices * channel.slice_width / 2
    alpha, beta = rng.uniform(-reach, reach, (2, scene.knots))
    brightness = np.exp(rng.uniform(np.log(0.05), 0.0, scene.knots))
    return [*zip(alpha.tolist(), beta.tolist(), brightness.tolist(), strict=True)]


def _expose(
    light: Image, defects: Defects, scene: Scene, seed: int, index: int, count: int
) -> Readout:
    settings = scene.settings
    if scene.groups:
        settings = replace(settings, groups=scene.groups[index % len(scene.groups)])
    readout = expose(light, defects, scene.detector, settings, _rng(seed, 3, index))
    if scene.spoiled and index == count - 1:
        noise = _rng(seed, 4).standard_normal(light.shape, np.float32)
        readout.sci[:] += np.float32(scene.spoiled) * noise * readout.err
    return readout


def _observed(
    scene: Scene,
    defects: Defects,
    readouts: list[Readout],
    lines: list[Image],
    cores: list[Mask],
) -> Observed:
    exposures = [_without_pedestal(readout.sci, scene) for readout in readouts]
    errors = [readout.err for readout in readouts]
    hot = np.zeros(scene.detector.shape, np.float32)
    group = np.zeros(scene.detector.shape, np.int64)
    hot[tuple(defects.hot.pixels)] = defects.hot.rate
    group[tuple(defects.hot.pixels)] = defects.hot.group
    halo = np.float32(scene.settings.halo_coupling) * _sum_of_neighbours(hot)
    region = (slice(scene.region[0]), slice(scene.region[1]))
    noise = np.max(errors, axis=0)
    return Observed(
        scene=scene,
        exposures=exposures,
        minimum=np.asarray(bps.minimum_image(exposures), np.float32),
        error=np.asarray(np.mean(errors, axis=0, dtype=np.float64), np.float32),
        noise=noise,
        beneath=_beneath(noise, (hot + halo)[region], scene),
        defect=hot[region],
        halo=halo[region],
        low=(defects.truth & LOW) > 0,
        cosmic=np.all([(each.truth & COSMIC_RAY) > 0 for each in readouts], axis=0),
        known=defects.known_bad | defects.reference,
        line=np.min(lines, axis=0),
        core=np.any(cores, axis=0),
        group=group[region],
        shapes=("", *defects.hot.shapes),
    )


def _beneath(noise: Image, light: Image, scene: Scene) -> Image:
    """Return the noise without the photon noise of this light, at least the read noise."""
    shortest = min(scene.groups, default=scene.settings.groups)
    ramp = replace(scene.settings, groups=shortest)
    photons = ramp.poisson_excess / (ramp.gain * ramp.exposure_time) * light
    return np.asarray(np.sqrt(np.maximum(noise**2 - photons, ramp.slope_variance)), np.float32)


def _without_pedestal(image: Image, scene: Scene) -> Image:
    gap = scene.detector.gap
    level = bps.pedestal(image, gap) if gap is not None else 0.0
    return image - np.float32(level if np.isfinite(level) else 0.0)


def _sum_of_neighbours(image: Image) -> Image:
    padded = np.pad(image, 1)
    vertical = padded[:-2, 1:-1] + padded[2:, 1:-1]
    return np.asarray(vertical + padded[1:-1, :-2] + padded[1:-1, 2:], np.float32)


@functools.lru_cache(maxsize=4)
def _geometry(band: str, shape: tuple[int, int], folder: Path) -> Geometry:
    """Return the geometry with a margin of one pixel."""
    detector, path = DETECTORS[DETECTOR[band]], _map_of(band, folder)
    y, x = (np.arange(-1.0, size + 1) for size in shape)
    if not path.exists():
        return geometry(detector, y, x)
    with np.load(path) as maps:
        region = (slice(shape[0]), slice(shape[1]))
        slices, wavelength, alpha = (
            np.pad(np.nan_to_num(maps[name][region]), 1, mode="edge")
            for name in ("slice", "lam", "alpha")
        )
    beta = np.zeros(slices.shape, np.float32)
    for channel in CHANNELS[detector.name]:
        lit = slices // 100 == channel.number
        middle = (channel.slices + 1) / 2
        beta[lit] = (slices[lit] % 100 - middle) * channel.slice_width
    return Geometry(
        CHANNELS[detector.name],
        slices.astype(np.int16),
        wavelength.astype(np.float64),
        alpha.astype(np.float32),
        beta,
    )


def _map_of(band: str, folder: Path) -> Path:
    return folder / f"geom_{band}_flt9.npz"


def _rng(seed: int, *purpose: int) -> np.random.Generator:
    """Return the random stream of one purpose, independent of all others."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))
