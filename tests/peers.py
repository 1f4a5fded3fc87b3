"""The tests that scipy and bottleneck ship, with the functions of this package in place of theirs.

``python -m tests.peers`` (``make peers``) runs them and prints the counts; it fails if a test fails
that passes without this package and is not in `EXPLAINED`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

SUITES: Final = {
    "scipy.ndimage.tests.test_filters": "",
    "scipy.signal.tests.test_signaltools": "edfilt",  # the others call none of ours
    "bottleneck.tests": "",
}
"""Modules of tests, and a word in the names of those to run."""

REPLACED: Final = {
    "scipy.ndimage": ("median_filter", "generic_filter", "vectorized_filter"),
    "scipy.signal": ("medfilt", "medfilt2d"),
    "bottleneck": ("move_median",),
}

EXPLAINED: Final[dict[str, str]] = {}
"""Tests that cannot pass, and why."""


def pytest_configure() -> None:
    """Put the functions into the packages. The originals still serve what ours refuse."""
    from scipy._lib import _array_api

    originals = {}
    known = _array_api.xp_capabilities_table  # what scipy's tests know of each function
    for module, names in REPLACED.items():
        theirs, ours = (
            import_module(module),
            import_module(f"badpix_selfcal.{module.split('.')[-1]}"),
        )
        for name in names:
            originals[module, name] = getattr(theirs, name)
            setattr(theirs, name, getattr(ours, name))
            if originals[module, name] in known:
                known[getattr(ours, name)] = known[originals[module, name]]
    from badpix_selfcal import ndimage, signal

    def of_scipy(module: str, name: str, _: Exception) -> Callable[..., Any]:
        return originals[f"scipy.{module}", name]

    ndimage.of_scipy = signal.of_scipy = of_scipy


def outcomes(suite: str, word: str, *options: str) -> dict[str, str]:
    """Run a suite and return what became of each test."""
    with TemporaryDirectory() as folder:
        results = Path(folder, "results.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        command += ["-o", "addopts=", f"--junitxml={results}", "-k", word, "--pyargs", suite]
        where = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}  # of this module
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        subprocess.run(command, **quiet, cwd=folder, env=where, check=False)
        cases = ElementTree.parse(results).iter("testcase")
        return {
            f"{case.get('classname')}.{case.get('name')}".lstrip("."): next(
                (each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed"
            )
            for case in cases
        }


def main() -> int:
    """Run all suites with and without this package."""
    unexpected = 0
    for suite, word in SUITES.items():
        before, after = outcomes(suite, word), outcomes(suite, word, "-p", "tests.peers")
        ran = [name for name, outcome in before.items() if outcome == "passed"]
        failed = [name for name in ran if after.get(name) != "passed"]
        print(f"{suite}: {len(ran) - len(failed)} of {len(ran)} passed")
        for name in failed:
            print(f"  {name}: {EXPLAINED.get(name, 'NOT EXPLAINED')}")
        unexpected += sum(name not in EXPLAINED for name in failed)
    return min(unexpected, 1)


if __name__ == "__main__":
    sys.exit(main())
