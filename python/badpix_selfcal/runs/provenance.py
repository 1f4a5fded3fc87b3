"""What the step writes: names, header cards, the history that tells how a file was made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from .._kernels import __version__
from ..detectors import Dispaxis
from ..files.exposure import Cards
from ..parameters import Parameters

__all__ = ["Status", "ascii_of", "cards", "history", "name_of"]

Status: TypeAlias = Literal["COMPLETE", "SKIPPED"]
"""Whether bad pixels were looked for."""

SUFFIX: Final = "badpix_selfcal"


def name_of(product: str, background: int | None = None) -> str:
    """Return the file name of a product's science exposure, or of its n-th background."""
    which = "" if background is None else f"_bkg_{background}"
    return f"{product}_{SUFFIX}{which}.fits"


def cards(name: str, status: Status) -> Cards:
    """Return the primary header's cards of an output of this name, written now."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return {
        "DATE": (now, "UTC date file created"),
        "FILENAME": (ascii_of(name), "name of the file"),
        "S_BPXSLF": (status, "bad pixel self-calibration"),
    }


def history(parameters: Parameters, status: Status, dispaxis: Dispaxis) -> str:
    """Return the HISTORY entry that tells how an output was made."""
    by = parameters
    return (
        f"badpix_selfcal {__version__} {status}: kernel_size={by.kernel_size} "
        f"flagfrac_lower={by.flagfrac_lower:g} flagfrac_upper={by.flagfrac_upper:g} "
        f"dispaxis={dispaxis} edge={by.edge} force_single={by.force_single}"
    )


def ascii_of(text: str) -> str:
    """Return text as a FITS card can hold it."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
