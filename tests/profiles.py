"""The number of examples that slow properties draw: a share of the profile's."""

from __future__ import annotations

from hypothesis import settings


def share(fraction: float) -> settings:
    """Draw a share of the profile's examples, but at least ten: for examples that take long."""
    return settings(max_examples=max(10, round(fraction * settings().max_examples)))
