"""The steps of this package, for the entry point ``stpipe.steps`` of ``stpipe``."""

from __future__ import annotations

from importlib.util import find_spec


def get_steps() -> list[tuple[str, str, bool]]:
    """Return class, alias and whether it is a pipeline of each step, without importing them.

    The list is empty if jwst is not installed. The alias differs from that of jwst's step, which
    ``strun`` could otherwise not find.
    """
    if find_spec("jwst") is None:
        return []
    return [("badpix_selfcal.jwst.BadpixSelfcalStep", "fast_badpix_selfcal", False)]
