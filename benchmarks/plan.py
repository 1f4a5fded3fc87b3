"""How much to measure: the sizes and repetitions of a full run and of a quick one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["FULL", "QUICK", "Plan"]


@dataclass(frozen=True)
class Plan:
    """Sizes and repetitions.

    Attributes
    ----------
    rounds : int
        Counted runs of each way.
    warm_up : bool
        Whether runs that are not counted come before; without, the first run stands for all.
    patience : float
        Time for all runs of one way that may be timed fewer times, ms.
    shape : tuple of int
        Rows and columns of the image.
    windows : tuple of int
        Lengths of the windows of one line.
    sides : tuple of int
        Sides of the square windows.
    crop : tuple of int
        Rows and columns of the crop on which a peer is timed that takes long on the whole image.
    line : tuple of int
        Samples of the single long line, and its window.
    exposures : tuple of int or None
        Rows and columns of the simulated exposures; None for the whole detector.
    members : tuple of int
        Background and selfcal exposures beside the science exposure, in the smallest and the
        largest association between which memory is compared.
    companions : int
        Background exposures, and selfcal exposures, of the association that is timed.
    batch : int
        Science exposures of each of two detectors, that are flagged at once.
    heights : tuple of int
        Rows of the images between which scaling in size is measured; as many columns.
    sweep : int
        Bytes to write over so that caches hold nothing of use.
    """

    rounds: int = 7
    warm_up: bool = True
    patience: float = 15_000.0
    shape: tuple[int, int] = (1024, 1032)
    windows: tuple[int, ...] = (3, 7, 15, 31, 101, 501)
    sides: tuple[int, ...] = (7, 15)
    crop: tuple[int, int] = (256, 258)
    line: tuple[int, int] = (1_000_000, 1001)
    exposures: tuple[int, int] | None = None
    members: tuple[int, ...] = (2, 11)
    companions: int = 4
    batch: int = 12
    heights: tuple[int, ...] = (128, 256, 512, 1024, 2048, 4096)
    sweep: int = 256 * 2**20


FULL: Final = Plan()
QUICK: Final = replace(
    FULL,
    rounds=1,
    warm_up=False,
    shape=(64, 72),
    windows=(3, 15, 31),
    crop=(32, 36),
    line=(2_000, 101),
    exposures=(96, 640),
    companions=1,
    batch=2,
    heights=(32, 64),
    sweep=2**20,
)
"""Tiny sizes, each way run once: to see that everything works, not how fast."""
