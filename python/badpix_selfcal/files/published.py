"""How many outputs this process has published: what a command that is interrupted reports."""

from __future__ import annotations

import threading
from typing import Final

__all__ = ["PUBLISHED", "add", "published"]

PUBLISHED: Final = "all outputs were written"
"""What there is after an interrupt that comes later."""

_guard = threading.Lock()
_count = 0


def published() -> int:
    """Return the number of outputs so far."""
    return _count


def add(number: int) -> None:
    """Count further outputs."""
    global _count
    with _guard:
        _count += number
