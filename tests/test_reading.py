"""Reading ahead: few items and downloads at a time; wrong inputs are refused early."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

import badpix_selfcal as bps
from badpix_selfcal.files.remote import HEAD
from badpix_selfcal.step.reader import AHEAD, MOST_HELD, in_order

from . import servers
from .exposures import observation
from .pools import take
from .profiles import share

SMALL = (64, 66)


def serve(folder, count):
    """Write small exposures to be served; return their names."""
    folder.mkdir()
    names = [f"e{number:02}_rate.fits" for number in range(count)]
    for number, name in enumerate(names, start=1):
        take(folder / name, number, detector="NRS1", shape=SMALL)
    return names


def test_a_batch_holds_the_downloads_only_that_it_copies(tmp_path, scratch):
    pytest.importorskip("aiohttp", reason="needs the extra cloud")
    names, held = serve(tmp_path / "in", 12), []
    with servers.http(tmp_path / "in") as web:
        result = bps.batch(
            [f"{web.url}/{name}" for name in names],
            output_dir=tmp_path / "out",
            workers=1,
            progress=lambda *_: held.append(len(list(scratch.iterdir()))),
        )
    assert [each.status for each in result.exposures] == ["COMPLETE"] * 12
    assert len(held) > 6
    assert max(held) <= 2  # a copy that has just ended, and the next one
    assert not list(scratch.iterdir())


def test_a_run_with_many_backgrounds_holds_a_limited_number_of_downloads(tmp_path, scratch):
    pytest.importorskip("aiohttp", reason="needs the extra cloud")
    science, *backgrounds = serve(tmp_path / "in", MOST_HELD + 2 * AHEAD)
    held = []

    class Counter(logging.Handler):
        def emit(self, _):
            held.append(len(list(scratch.iterdir())))

    log, handler = logging.getLogger("badpix_selfcal"), Counter()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        with servers.http(tmp_path / "in") as web:
            result = bps.selfcal(
                f"{web.url}/{science}",
                background=[f"{web.url}/{name}" for name in backgrounds],
                output_dir=tmp_path / "out",
                save_flagged_bkg=True,
            )
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    assert len(result.backgrounds) == len(backgrounds)
    assert 0 < max(held) <= MOST_HELD + AHEAD
    assert not list(scratch.iterdir())


def test_a_run_that_cannot_write_all_copies_fails_before_it_reads_images(tmp_path):
    pytest.importorskip("aiohttp", reason="needs the extra cloud")
    science, background, *others = serve(tmp_path / "in", 5)
    path = tmp_path / "in" / background
    path.write_bytes(path.read_bytes().replace(b"'DQ      '", b"'XX      '"))
    with servers.http(tmp_path / "in") as web:
        urls = {name: f"{web.url}/{name}" for name in (science, background, *others)}
        with pytest.raises(bps.ExposureError, match=f"{background}: has no DQ extension"):
            bps.selfcal(
                urls[science],
                background=urls[background],
                selfcal=[urls[name] for name in others],
                output_dir=tmp_path / "out",
                save_flagged_bkg=True,
            )
        assert {web.sent[name] for name in others} == {HEAD}
    assert not (tmp_path / "out").exists()


@given(count=st.integers(0, 40), workers=st.integers(1, 4))
@share(0.2)
def test_items_are_processed_ahead_and_yielded_in_order(count, workers):
    begun = []
    with ThreadPoolExecutor(workers) as executor:
        found = in_order(executor, lambda item: begun.append(item) or -item, range(count))
        for taken, (item, future) in enumerate(found):
            assert (item, future.result()) == (taken, -taken)
            assert len(begun) <= taken + 1 + AHEAD
    assert sorted(begun) == [*range(count)]


def test_reading_ahead_is_optional(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError

    association = observation(tmp_path)
    monkeypatch.setattr("os.posix_fadvise", refuse, raising=False)
    assert bps.selfcal(association, output_dir=tmp_path / "out").status == "COMPLETE"
