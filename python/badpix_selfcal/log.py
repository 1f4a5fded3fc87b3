"""The logger of the package, ``badpix_selfcal``. It is silent until the user adds a handler."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["log"]

log: Final = logging.getLogger("badpix_selfcal")
log.addHandler(logging.NullHandler())
