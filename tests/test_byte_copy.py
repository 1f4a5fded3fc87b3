"""Bytes copied from file to file are the same, whether the system copies them or not."""

from __future__ import annotations

import errno
import gzip
import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files import byte_copy
from badpix_selfcal.files.byte_copy import Source
from badpix_selfcal.files.exposure import read
from badpix_selfcal.files.input_file import InputFile

from .exposures import sky, write

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies in the system")


def copies(path, stretches):
    """Copy a file in stretches, alternately by copy and by read; return the copy."""
    to = path.with_name("copy")
    source = Source(InputFile(path), 0)
    with to.open("wb") as target:
        for number, end in enumerate(stretches):
            if number % 2:
                target.write(source.read(end - (stretches[number - 1])))
            else:
                source.copy(target, end)
        source.require_end()
    return to.read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("copying")


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(byte_copy, "CHUNK", 100)


@given(
    content=st.integers(0, 5000).map(lambda count: bytes(i * i % 251 for i in range(count))),
    cuts=st.lists(st.integers(0, 5000), max_size=5),
    packed=st.booleans(),
)
def test_all_stretches_together_equal_the_file(folder, content, cuts, packed):
    path = folder / "in"
    path.write_bytes(gzip.compress(content) if packed else content)
    ends = sorted(min(cut, len(content)) for cut in cuts)
    ends += [len(content)] * (1 + len(ends) % 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_copy, "CHUNK", 100)
        assert copies(path, ends) == content


@linux
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP])
@pytest.mark.parametrize("first", [0, 300])
def test_where_the_system_cannot_copy_bytes_are_read_and_written(
    tmp_path, monkeypatch, number, first
):
    """It may refuse at once, as between file systems, or after some bytes."""
    copy_file_range, calls = os.copy_file_range, []

    def refusing(source, target, count, at):
        calls.append(count)
        if len(calls) > 1 or not first:
            raise OSError(number, os.strerror(number))
        return copy_file_range(source, target, first, at)

    monkeypatch.setattr(os, "copy_file_range", refusing)
    content = os.urandom(1000)
    (tmp_path / "in").write_bytes(content)
    assert copies(tmp_path / "in", [1000]) == content
    assert len(calls) == (2 if first else 1)


@linux
@pytest.mark.usefixtures("small_chunks")
def test_bytes_are_read_and_written_where_the_system_copies_none(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    (tmp_path / "in").write_bytes(b"x" * 1000)
    assert copies(tmp_path / "in", [1000]) == b"x" * 1000


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("end", [999, 1001])
def test_a_file_of_another_length_was_changed(tmp_path, end):
    (tmp_path / "in").write_bytes(b"x" * 1000)
    with pytest.raises(ExposureError, match="in: was changed while it was read"):
        copies(tmp_path / "in", [end])


@linux
@pytest.mark.parametrize("flagging", [False, True])
def test_a_full_disk_is_reported(tmp_path, flagging):
    """An earlier version reported it as an input that cannot be read."""
    import resource

    exposure = read(write(tmp_path / "in.fits", sky(1)))
    mask = np.ones(exposure.shape, bool) if flagging else None
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            exposure.write_copy(tmp_path / "copy.fits", mask, {}, "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
