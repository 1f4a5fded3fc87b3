"""The exceptions and the warning of this package, and how other warnings are suppressed."""

from __future__ import annotations

import errno
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = [
    "AssociationError",
    "ExposureError",
    "MaskError",
    "SelfcalWarning",
    "is_of_machine",
    "reason_of",
    "silenced",
    "warn",
]

_OF_MACHINE: Final = {
    getattr(errno, name, None)
    for name in ("ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS")
} - {None}
"""The errors of a machine that has no more space, memory or open files."""


class AssociationError(ValueError):
    """An association cannot be used; the message names the file and the member."""


class ExposureError(ValueError):
    """An exposure file cannot be used; the message names the file."""


class MaskError(ValueError):
    """A mask file cannot be used; the message names the file."""


class SelfcalWarning(UserWarning):
    """The step continues, but its result may differ from what the user expects."""


_PACKAGE: Final = __file__.removesuffix("errors.py")


def is_of_machine(error: OSError) -> bool:
    """Return whether the machine causes an error, whichever file it happens with."""
    return error.errno in _OF_MACHINE


def reason_of(error: BaseException) -> str:
    """Return the text of an error, which is never empty."""
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    return str(error) or type(error).__name__


_silence = threading.RLock()


def _renew_lock() -> None:
    global _silence
    _silence = threading.RLock()


if hasattr(os, "register_at_fork"):  # a child inherits the lock, but not the thread that holds it
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def silenced() -> Iterator[None]:
    """Suppress warnings in all threads; one thread at a time, as the filters are global."""
    with _silence, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def warn(message: str) -> None:
    """Warn the user of a run, once no other thread suppresses warnings."""
    with _silence:
        warnings.warn(message, SelfcalWarning, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    """Return how far above `warn` the code outside this package is, as a `stacklevel`."""
    level, frame = 0, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level + 1
