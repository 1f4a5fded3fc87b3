"""The exceptions and the warning of this package, its logger, and how warnings are suppressed."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

log: Final = logging.getLogger("badpix_selfcal")
"""The logger of the package. It is silent until the user adds a handler."""
log.addHandler(logging.NullHandler())


class AssociationError(ValueError):
    """An association cannot be used; the message names the file and the member."""


class ExposureError(ValueError):
    """An exposure file cannot be used; the message names the file."""


class MaskError(ValueError):
    """A mask file cannot be used; the message names the file."""


class SelfcalWarning(UserWarning):
    """The step continues, but its result may differ from what the user expects."""


_SHORT: Final = re.compile(
    "can't start new thread"  # RuntimeError: there is no room for its stack
    "|without (setting an )?exception( set)?$"  # SystemError: for the frame of a call
    "|failed to map segment|annot allocate memory"  # ImportError, OSError: for a library
)


def is_of_machine(error: OSError) -> bool:
    """Return whether the machine has no more space, memory or open files, for whichever file."""
    name = errno.errorcode.get(error.errno or 0)
    return name in ("ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS")


def memory_error(error: BaseException | None) -> MemoryError | None:
    """Return the MemoryError for what Python calls otherwise if memory is short."""
    others = (ImportError, OSError, RuntimeError, SystemError)
    is_short = isinstance(error, others) and _SHORT.search(str(error))
    said = "" if isinstance(error, SystemError) else str(error)
    return MemoryError(said) if is_short else None


def reason_of(error: BaseException) -> str:
    """Return the text of an error, which is never empty."""
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    return str(error) or type(error).__name__


_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that terminals obey, or that change the order or the lines of others."""


def visible(text: object, but: str = "") -> str:
    """Return text with control characters, `but` some, as escapes like those of JSON."""
    found = {*_CONTROL.findall(str(text))} - {*but}
    return str(text).translate({ord(each): f"\\u{ord(each):04x}" for each in found})


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
    """Warn the user of a run, once no other thread suppresses warnings.

    The warning is that of the line outside this package that has called it.
    """
    level, frame, package = 1, sys._getframe(), __file__.removesuffix("errors.py")
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    with _silence:
        warnings.warn(message, SelfcalWarning, stacklevel=level)
