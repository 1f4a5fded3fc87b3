"""Locks in child processes made by `fork`, which inherit taken locks without their owners."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["renew_in_child"]


def renew_in_child(renew: Callable[[], None]) -> None:
    """Call a function in each forked child, to replace a lock that nobody would release there."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)
