"""Masks: the class and its file; how masks and flagged copies are compared, followed, exported."""
