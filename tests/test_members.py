"""Where the headers of a run's exposures are read."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.step import member
from badpix_selfcal.step.member import Listed, Member, members_of
from badpix_selfcal.step.reader import Reader

from .exposures import sky, write


class Watched(Reader):
    """A reader that remembers in which threads it was used."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []

    def read(self, location, *, whole=True):
        self.threads.append(threading.current_thread().name)
        return super().read(location, whole=whole)


@pytest.fixture
def listed(tmp_path: Path) -> list[Listed]:
    paths = [tmp_path / f"e{number}_rate.fits" for number in range(5)]
    for seed, path in enumerate(paths):
        write(path, sky(seed))
    paths[2].write_bytes(b"no FITS")
    return [Listed(path) for path in paths]


@pytest.mark.parametrize(
    ("quick", "here"), [(float("inf"), 5), (-1.0, 1)], ids=["fast disk", "slow disk"]
)
def test_headers_of_a_slow_disk_are_read_by_other_threads(listed, quick, here, monkeypatch):
    monkeypatch.setattr(member, "QUICK", quick)
    reader = Watched()
    with ThreadPoolExecutor(2, "other") as executor:
        found = list(members_of(listed, reader, executor))
    assert [isinstance(each, Member) for each in found] == [True, True, False, True, True]
    assert isinstance(found[2], ExposureError)
    assert [each.path for each in found if isinstance(each, Member)] == [
        each.path for each in listed if each is not listed[2]
    ]
    names = [name.startswith("other") for name in reader.threads]
    assert sorted(names) == [False] * here + [True] * (5 - here)
