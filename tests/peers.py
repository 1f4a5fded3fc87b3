"""The tests that scipy and bottleneck ship, with the functions of this package in place of theirs.

``python -m tests.peers`` (``make peers``) runs them and prints the counts; it fails if a test fails
that passes without this package, or if none calls its functions.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from functools import wraps
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

NOT_CALLED: Final = 100
"""The status of a process whose tests have not called a function of this package."""

_CALLS: Final[list[str]] = []
"""The names of our functions, for each of their calls."""


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
            counted = _counted(getattr(ours, name))
            setattr(theirs, name, counted)
            if originals[module, name] in known:
                known[counted] = known[originals[module, name]]
    from badpix_selfcal import ndimage, signal

    def of_scipy(module: str, name: str, _: Exception) -> Callable[..., Any]:
        return originals[f"scipy.{module}", name]

    ndimage.of_scipy = signal.of_scipy = of_scipy


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _CALLS.append(function.__name__)
        return function(*args, **kwargs)

    return call


def pytest_sessionfinish(session: Any) -> None:
    """Say by the status of the process whether no test has called a function of this package."""
    if not _CALLS:
        session.exitstatus = NOT_CALLED


def outcomes(suite: str, word: str, *options: str) -> dict[str, str]:
    """Run a suite and return what became of each test."""
    with TemporaryDirectory() as folder:
        results = Path(folder, "results.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        command += ["-o", "addopts=", f"--junitxml={results}", "-k", word, "--pyargs", suite]
        where = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}  # of this module
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        done = subprocess.run(command, **quiet, cwd=folder, env=where, check=False)
        assert done.returncode != NOT_CALLED, f"{suite} calls no function of this package"
        cases = ElementTree.parse(results).iter("testcase")
        return {
            f"{case.get('classname')}.{case.get('name')}".lstrip("."): next(
                (each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed"
            )
            for case in cases
        }


def main() -> int:
    """Run all suites with and without this package."""
    is_failed = False
    for suite, word in SUITES.items():
        before, after = outcomes(suite, word), outcomes(suite, word, "-p", "tests.peers")
        ran = [name for name, outcome in before.items() if outcome == "passed"]
        failed = [name for name in ran if after.get(name) != "passed"]
        print(f"{suite}: {len(ran) - len(failed)} of {len(ran)} passed", *failed, sep="\n  ")
        is_failed |= bool(failed) or not ran
    return int(is_failed)


if __name__ == "__main__":
    sys.exit(main())
