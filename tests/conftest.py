"""Fixtures and settings of all tests: hypothesis profiles, simulated exposures, flight data."""

from __future__ import annotations

import gc
import gzip
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from badpix_selfcal.simulate import simulate

from . import DATA
from .pools import take
from .servers import bucket, moto, proxy, web  # noqa: F401 - fixtures
from .simulations import full, long, short  # noqa: F401 - fixtures

# The pipeline would otherwise ask its reference-file server for step parameters.
os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"

# A shell starts what runs in the background with SIGINT ignored, and processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=20, **_COMMON)
settings.register_profile("usual", max_examples=25, **_COMMON)
settings.register_profile("thorough", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


@pytest.fixture(scope="session")
def flight_exposures() -> list[Path]:
    """Three real NIRSpec exposures of one target."""
    found = sorted((DATA / "nirspec-flight").glob("*.fits"))
    if len(found) < 3:
        pytest.skip(f"flight exposures are absent: {DATA / 'nirspec-flight'}")
    return found


@pytest.fixture(scope="session")
def slow_exposure(tmp_path_factory) -> Path:
    """A compressed exposure, whose copies take long enough to be interrupted."""
    path = take(tmp_path_factory.mktemp("slow") / "sci_rate.fits", 1, shape=(1024, 1032))
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    return packed


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Iterator[Path]:
    """The folder of temporary files, which must be empty after the test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    gc.collect()
    assert not [*folder.iterdir()]


@pytest.fixture
def hashes() -> Callable[[Path], dict[str, bytes]]:
    """A function that returns the content of every file in a folder."""

    def read(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    return read


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """The folder in which the demo has been simulated."""
    folder = tmp_path_factory.mktemp("first") / "demo"
    simulate(folder, detector="MIRIFUSHORT", size=(96, 640))
    return folder


@pytest.fixture
def demo(simulated, tmp_path):
    """A fresh copy of the demo folder, with short names for two exposures."""
    folder = tmp_path / "demo"
    shutil.copytree(simulated, folder)
    for number, name in ((1001, "sci"), (2001, "sky")):
        shutil.copy(
            folder / f"jw0999900{number}_02101_00001_mirifushort_rate.fits",
            folder / f"{name}_rate.fits",
        )
    return folder
