"""The number of examples that slow property tests draw: a fraction of the profile's number."""

from __future__ import annotations

from hypothesis import settings


def share(fraction: float) -> settings:
    """Draw a fraction of the profile's number of examples, but at least ten."""
    return settings(max_examples=max(10, round(fraction * settings().max_examples)))
