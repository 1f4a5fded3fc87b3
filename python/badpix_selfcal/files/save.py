"""The old place of `badpix_selfcal.files.outputs.save`, until nobody imports it."""

from __future__ import annotations

from .outputs import Write, save

__all__ = ["Write", "save"]
