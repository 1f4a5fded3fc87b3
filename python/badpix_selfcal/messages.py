"""How messages name arguments, functions and extras: as Python does, or as the command line does.

A message that tells the user what to pass says ``overwrite=True`` to a caller in Python and
``--overwrite`` to a user of the command, without knowing who asks:
``f"pass {argument(overwrite=True)} to replace it"``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["argument", "argument_name", "changed", "extra", "function", "on_command_line", "option"]

PROGRAM: Final = "badpix-selfcal"

_is_command = False
"""Of the process, not of a thread: the threads of a run write messages too."""


@contextmanager
def on_command_line() -> Iterator[None]:
    """Name arguments and functions as the command line does, while the context lasts."""
    global _is_command
    before, _is_command = _is_command, True
    try:
        yield
    finally:
        _is_command = before


def option(name: str) -> str:
    """Return the option of the command line for an argument: ``kernel_size``, ``--kernel-size``."""
    return f"--{name.replace('_', '-')}"


def argument_name(name: str) -> str:
    """Return the name of an argument: ``kernel_size`` or ``--kernel-size``."""
    return option(name) if _is_command else name


def argument(**value: object) -> str:
    """Return how to give an argument a value: ``overwrite=True`` or ``--overwrite``.

    Parameters
    ----------
    **value
        One argument. On the command line True stands for an option without a value.
    """
    ((name, given),) = value.items()
    if not _is_command:
        return f"{name}={given!r}"
    return option(name) if given is True else f"{option(name)} {given}"


def changed(name: str, before: str, now: str) -> str:
    """Return how an argument has changed: ``edge=zero (now auto)``, ``--edge zero (now auto)``."""
    if not _is_command:
        return f"{name}={before} (now {now})"
    switches = {"True": f"{option(name)} (now not set)", "False": f"no {option(name)} (now set)"}
    return switches.get(before, f"{option(name)} {before} (now {now})")


def function(name: str) -> str:
    """Return how to call a function: ``badpix_selfcal.batch`` or ``badpix-selfcal batch``."""
    return f"{PROGRAM} {name}" if _is_command else f"badpix_selfcal.{name}"


def extra(name: str) -> str:
    """Return how to install an extra, as the README says it."""
    return f'pip install ".[{name}]" in the clone of {PROGRAM}'
