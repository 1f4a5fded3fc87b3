"""The exceptions and the warning of this package."""

from __future__ import annotations

import warnings

__all__ = ["AssociationError", "ExposureError", "SelfcalWarning", "warn"]


class AssociationError(ValueError):
    """An association cannot be used; the message names the file and the member."""


class ExposureError(ValueError):
    """An exposure file cannot be used; the message names the file."""


class SelfcalWarning(UserWarning):
    """The step continues, but its result may differ from what the user expects."""


def warn(message: str) -> None:
    """Warn the user of a run."""
    warnings.warn(message, SelfcalWarning, stacklevel=3)
