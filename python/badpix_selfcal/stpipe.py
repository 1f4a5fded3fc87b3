"""What this package tells ``stpipe`` of its steps, through the entry point ``stpipe.steps``."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["get_steps"]


def get_steps() -> list[tuple[str, str, bool]]:
    """Return the steps, without importing them.

    Returns
    -------
    list of tuple
        Class, alias, and whether it is a pipeline. The alias is not that of jwst's step, which
        ``strun`` would otherwise no longer find. Empty where jwst is not installed.
    """
    if find_spec("jwst") is None:
        return []
    return [("badpix_selfcal.jwst.BadpixSelfcalStep", "fast_badpix_selfcal", False)]
