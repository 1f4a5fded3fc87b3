"""Errors that name the culprit, and errors that no input causes: these are raised as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.files.exposure import Exposure, read
from badpix_selfcal.step.minimum import Minimum

from .exposures import observation, sky, write
from .pools import take

limited = pytest.mark.skipif(sys.platform == "win32", reason="needs limits of the system")


@pytest.mark.parametrize(
    ("owner", "name"), [(Exposure, "science"), (Exposure, "write_copy"), (Minimum, "fold")]
)
@pytest.mark.parametrize(
    "error",
    [MemoryError(), KeyError("a fault of this package"), ValueError("a fault of this package")],
    ids=repr,
)
@pytest.mark.parametrize("use", ["run", "batch"])
def test_what_no_file_causes_is_raised_as_it_is(tmp_path, monkeypatch, owner, name, error, use):
    """Any exception became "cannot be read as FITS", and in a batch a failed exposure."""

    def fail(*_, **__):
        raise error

    association = observation(tmp_path)
    monkeypatch.setattr(owner, name, fail)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    start = {"run": lambda: bps.selfcal(association), "batch": lambda: bps.batch(tmp_path)}[use]
    with pytest.raises(type(error)) as caught:
        start()
    assert caught.value is error
    assert sorted(tmp_path.iterdir()) == before


@limited
def test_a_limit_of_open_files_is_no_damaged_exposure(tmp_path):
    import resource

    path = write(tmp_path / "in.fits", sky(1))
    read(path)  # all modules are imported
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            read(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count characters")
def test_long_names_of_wide_characters_are_written(tmp_path):
    """They were cut by characters, and the system limits bytes: 75 such characters failed."""
    name = "望" * 75
    path = take(tmp_path / f"{name}_rate.fits", 1)
    other = take(tmp_path / "b_rate.fits", 2)
    written = bps.selfcal(path, background=other, output_dir=tmp_path / "out").science
    assert written == tmp_path / "out" / f"{name}_badpix_selfcal.fits"
    assert [*(tmp_path / "out").iterdir()] == [written]
    again = bps.selfcal(path, background=other, output_dir=tmp_path / "out", overwrite=True)
    assert Path(again.science).exists()
