"""What can be wrong with the files that the step is given."""

from __future__ import annotations

__all__ = ["AssociationError", "ExposureError", "SelfcalWarning"]


class AssociationError(ValueError):
    """An association file cannot be used; the message names the file and the member."""


class ExposureError(ValueError):
    """An exposure file cannot be used; the message names the file."""


class SelfcalWarning(UserWarning):
    """The step went on, but not quite as its user may expect."""
