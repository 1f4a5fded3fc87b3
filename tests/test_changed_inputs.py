"""Inputs that other programs replace, cut or overwrite during a run: noticed, and never mixed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal import ExposureError
from badpix_selfcal.files.exposure import read
from badpix_selfcal.step import reader as reader_file
from badpix_selfcal.step.buffers import HUGE, Buffers
from badpix_selfcal.step.dask import _combine
from badpix_selfcal.step.member import Listed, members_of
from badpix_selfcal.step.plan import Copy, Job
from badpix_selfcal.step.reader import Reader

from .exposures import observation, sky, write
from .pools import pool

CHANGED = "was changed while it was read"
MASK = np.zeros((96, 640), bool)


def replace(path: Path, image: np.ndarray, *, same_time: bool = False) -> None:
    """Replace an exposure by one of equal size, as a program does that writes and renames."""
    about, other = path.stat(), path.with_name("other.fits")
    write(other, image)
    assert other.stat().st_size == about.st_size
    if same_time:
        os.utime(other, ns=(about.st_atime_ns, about.st_mtime_ns))
    other.replace(path)


def overwrite(path: Path) -> None:
    """Change the last sample of a file in place."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")


def cut(path: Path) -> None:
    os.truncate(path, 10_000)


def refuse(action, *arguments):
    with pytest.raises(ExposureError, match=CHANGED):
        action(*arguments)


CUT_LATER = """
import os, sys
from badpix_selfcal.files.exposure import read
science = read(sys.argv[1]).science_image()
os.truncate(sys.argv[1], 0)
print(float(science[5, 5]))
"""


def test_samples_stay_readable_when_their_file_is_cut(tmp_path):
    """They were mapped: the system killed the process (SIGBUS)."""
    path = write(tmp_path / "in.fits", np.full((96, 640), 7, np.float32))
    ended = subprocess.run(
        [sys.executable, "-c", CUT_LATER, path], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "7.0\n")


@pytest.mark.parametrize("same_time", [False, True])
def test_headers_and_samples_are_of_one_file(tmp_path, same_time):
    """An earlier version took the samples of the new file with the headers of the old one."""
    image = sky(1)
    path = write(tmp_path / "in.fits", image)
    exposure = read(path)
    replace(path, sky(2), same_time=same_time)
    np.testing.assert_array_equal(exposure.science_image(), image)
    refuse(exposure.require_unchanged)
    refuse(exposure.write_copy, tmp_path / "copy.fits", MASK, {}, "")


@pytest.mark.parametrize("change", [overwrite, cut, Path.unlink])
def test_a_file_changed_in_place_is_refused(tmp_path, change):
    path = write(tmp_path / "in.fits", sky(1))
    exposure = read(path)
    change(path)
    with pytest.raises(ExposureError, match=r"in\.fits: (was changed|cannot be read: No such)"):
        exposure.require_unchanged()
    with pytest.raises(ExposureError, match=r"in\.fits: (was changed|cannot be read: No such)"):
        exposure.write_copy(tmp_path / "copy.fits", MASK, {}, "")


def change_before(monkeypatch, owner, name, path, change):
    """Change a file just before a method is called for the first time."""
    usual, left = getattr(owner, name), [change]

    def changing(*given, **how):
        if left:
            left.pop()(path)
        return usual(*given, **how)

    monkeypatch.setattr(owner, name, changing)


@pytest.mark.parametrize("change", [overwrite, cut, lambda path: replace(path, sky(9))])
@pytest.mark.parametrize("when", ["images", "write"])
@pytest.mark.parametrize("member", ["sci0", "bkg1", "self0"])
def test_a_run_whose_input_changes_writes_nothing(tmp_path, monkeypatch, change, when, member):
    association, path = observation(tmp_path), tmp_path / f"{member}_rate.fits"
    owner = {"images": Reader, "write": Job}[when]
    change_before(monkeypatch, owner, when, path, change)
    with pytest.raises(ExposureError, match=f"{member}_rate.fits: {CHANGED}"):
        bps.selfcal(association, output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def swap(path: Path) -> None:
    """Replace a file by another one of equal size."""
    other = path.with_name("other")
    shutil.copy(path, other)
    overwrite(other)
    other.replace(path)


@pytest.mark.parametrize("held", [0, 32])
@pytest.mark.parametrize("change", [overwrite, swap])
def test_a_batch_fails_the_exposure_that_changes_after_it_was_planned(
    tmp_path, monkeypatch, held, change
):
    made = pool(tmp_path, detectors=("NRS1",), background=0)["NRS1"]
    monkeypatch.setattr(reader_file, "MOST_HELD", held)
    left = [change]

    def planned(*_):
        if left:
            left.pop()(made[1])

    result = bps.batch(made, output_dir=tmp_path / "out", progress=planned)
    assert [each.exposure for each in result.failed] == [made[1]]
    assert CHANGED in result.failed[0].error
    assert len(result.written) == 2


def test_a_worker_refuses_another_version_than_was_planned(tmp_path):
    one, other = (write(tmp_path / f"{n}.fits", sky(n)) for n in (1, 2))
    minimum, failed = _combine([(one, "1:1"), (other, read(other).stamp)], None, with_errors=True)
    assert minimum.used == [other]
    assert [*failed] == [one]
    assert CHANGED in str(failed[one])


@pytest.mark.parametrize("change", [overwrite, swap])
def test_a_worker_copies_no_other_version_than_was_planned(tmp_path, change):
    """It has read no headers before."""
    path = write(tmp_path / "in.fits", sky(1))
    with ThreadPoolExecutor(1) as executor:
        (planned,) = members_of([Listed(path)], Reader(), executor)
    copy = Copy(planned, tmp_path / "out", "copy.fits", 2, is_background=False)
    job = Job(copy, "COMPLETE", {}, "", overwrite=False)
    change(path)
    refuse(job.write, MASK, Reader())
    refuse(planned.refuse_change, read(path))
    refuse(planned.require_unchanged)
    assert not (tmp_path / "out").exists()


def test_no_file_stays_open(tmp_path):
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("needs /proc")
    association = observation(tmp_path)
    bps.selfcal(association, output_dir=tmp_path / "first")
    before = len(list(folder.iterdir()))
    bps.selfcal(association, output_dir=tmp_path / "second")
    bps.batch(tmp_path, output_dir=tmp_path / "batch")
    assert len(list(folder.iterdir())) <= before


@pytest.mark.parametrize("count", [4000, HUGE, 4 * HUGE + 4000])
def test_memory_is_used_again_when_no_view_is_left(count):
    buffers = Buffers(3)
    view = buffers.new(count).view(">f4").reshape(8, -1)[2:5, 1:]
    view[:] = 7
    other = buffers.new(count)
    assert other.size == count
    other[:] = 1
    assert (view == 7).all()
    address = other.ctypes.data
    del other
    assert buffers.new(count).ctypes.data == address
    assert buffers.new(8).size == 8
    many = [buffers.new(count) for _ in range(9)]
    for number, each in enumerate(many):
        each[:] = number
    assert [int(each.max()) for each in many] == [int(each.min()) for each in many] == [*range(9)]
    del many, each
    assert len(buffers._free) == 3


def test_memory_is_found_without_huge_pages(monkeypatch):
    def refuse(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("mmap.mmap", refuse)
    memory = Buffers(1).new(2 * HUGE)
    memory[:] = 1
    assert memory.size == 2 * HUGE
    with pytest.raises(MemoryError):
        Buffers(1).new(1 << 60)


def test_samples_of_several_exposures_do_not_share_memory(tmp_path):
    reader = Reader(with_errors=True)
    paths = [write(tmp_path / f"{n}.fits", sky(n)) for n in range(4)]
    held = [reader.images(path) for path in paths]
    for number, (science, errors) in enumerate(held):
        np.testing.assert_array_equal(science, sky(number))
        np.testing.assert_array_equal(errors, np.sqrt(np.abs(sky(number))))


def test_an_exposure_is_read_by_several_threads_at_once(tmp_path):
    exposure = read(write(tmp_path / "in.fits", sky(1)))
    with ThreadPoolExecutor(4) as threads:
        images = list(threads.map(lambda _: exposure.science_image(), range(20)))
    for image in images:
        np.testing.assert_array_equal(image, sky(1))
