"""The old name of `badpix_selfcal.files.paths`, until nobody imports it."""

from __future__ import annotations

from .paths import *  # noqa: F403
from .paths import AnyLocation as AnyPath

__all__ = ["AnyPath"]
