"""Checks of what is released: `make wheel`, `make release-check`, `make floors`."""
