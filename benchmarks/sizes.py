"""The sizes and repetitions of a full run and of a quick one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["FULL", "QUICK", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """Sizes and repetitions.

    Attributes
    ----------
    rounds : int
        Counted runs of each way.
    warm_up : bool
        Whether uncounted runs come first. If not, only the first run is counted.
    patience : float
        Time limit for all runs of a way with `Way.hurried`, ms.
    shape : tuple of int
        Rows and columns of the image.
    windows : tuple of int
        Lengths of the 1-D windows.
    sides : tuple of int
        Sides of the square windows.
    crop : tuple of int
        Rows and columns of the crop for a peer that is slow on the whole image.
    square : int
        Side of the square image for running medians of other packages.
    lines : int
        Lines of it that a slow peer filters.
    cube : tuple of int
        Shape of the cube of a time series.
    line : tuple of int
        Samples in the single long line and in its window.
    exposures : tuple of int or None
        Rows and columns of the simulated exposures. None: the whole detector.
    members : tuple of int
        Background and selfcal exposures beside the science exposure, in the associations whose
        memory is compared.
    companions : int
        Number of background exposures, and of selfcal exposures, in the timed association.
    batch : int
        Science exposures of each of two detectors in the batch.
    small : tuple of int
        Number of exposures in the batch of small ones, their rows and their columns.
    remote : int
        Exposures that a slow server has.
    heights : tuple of int
        Sides of the square images for the scaling in size.
    sweep : int
        Bytes to overwrite to empty the caches.
    """

    rounds: int = 7
    warm_up: bool = True
    patience: float = 15_000.0
    shape: tuple[int, int] = (1024, 1032)
    windows: tuple[int, ...] = (3, 7, 15, 31, 101, 501)
    sides: tuple[int, ...] = (7, 15)
    crop: tuple[int, int] = (256, 258)
    square: int = 2048
    lines: int = 16
    cube: tuple[int, int, int] = (200, 256, 256)
    line: tuple[int, int] = (1_000_000, 1001)
    exposures: tuple[int, int] | None = None
    members: tuple[int, ...] = (2, 11)
    companions: int = 4
    batch: int = 12
    small: tuple[int, int, int] = (40, 256, 640)
    remote: int = 16
    heights: tuple[int, ...] = (128, 256, 512, 1024, 2048, 4096)
    sweep: int = 256 * 2**20

    @property
    def frame(self) -> str:
        """The size of the simulated exposures, as text."""
        if self.exposures is None:
            return "whole detectors"
        return "x".join(map(str, self.exposures))


FULL: Final = Sizes()
QUICK: Final = replace(
    FULL,
    rounds=1,
    warm_up=False,
    shape=(64, 72),
    windows=(3, 15, 31),
    crop=(32, 36),
    square=64,
    lines=2,
    cube=(40, 8, 9),
    line=(2_000, 101),
    exposures=(96, 640),
    companions=1,
    batch=2,
    small=(4, 96, 640),
    remote=2,
    heights=(32, 64),
    sweep=2**20,
)
"""Tiny sizes, one run of each way: a check that everything runs."""
