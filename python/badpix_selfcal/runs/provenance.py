"""The record of how an output was made: its name, header cards and HISTORY entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from .._kernels import __version__
from ..detectors import Dispaxis
from ..files.exposure import Cards
from ..parameters import Parameters

__all__ = ["Status", "ascii_of", "cards", "history", "name_of"]

Status: TypeAlias = Literal["COMPLETE", "SKIPPED"]
"""COMPLETE: bad pixels were searched for. SKIPPED: they were not."""

SUFFIX: Final = "badpix_selfcal"


def name_of(product: str, background: int | None = None) -> str:
    """Return the file name of the copy of a product's science exposure or n-th background."""
    which = "" if background is None else f"_bkg_{background}"
    return f"{product}_{SUFFIX}{which}.fits"


def cards(name: str, status: Status) -> Cards:
    """Return the cards of the primary header of an output written now under this name."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return {
        "DATE": (now, "UTC date file created"),
        "FILENAME": (ascii_of(name), "name of the file"),
        "S_BPXSLF": (status, "bad pixel self-calibration"),
    }


def history(parameters: Parameters, status: Status, dispaxis: Dispaxis) -> str:
    """Return the HISTORY entry of an output: version, status, and parameters.

    `dispaxis` is the axis that was used, where the parameter may be "auto".
    """
    used = replace(parameters, dispaxis=dispaxis)
    return f"badpix_selfcal {__version__} {status}: {used.as_text()}"


def ascii_of(text: str) -> str:
    """Return text with ``?`` for every character that a FITS card cannot hold."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
