"""Interrupts and errors at unfortunate moments; see also the attacks with signals at any moment."""

from __future__ import annotations

import signal
import warnings

import pytest

import badpix_selfcal as bps
from badpix_selfcal.files.exposure import Exposure

from .commands import signalled
from .exposures import associate, observation, products, sky, write

LARGE = (1024, 1032)


def repeated(association, count):
    """Let an association list its product several times."""

    def repeat(those):
        those[:] = [{**those[0], "name": f"p{number}"} for number in range(count)]

    return products(association, repeat)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [".*fits.part", ".*mask*.part"])
def test_a_run_stopped_while_it_writes_leaves_nothing(tmp_path, number, moment):
    observation(tmp_path, shape=LARGE)
    out = tmp_path / "out"
    words = ("run", "x_asn.json", "--output-dir", "out", "--save-mask")
    status, said = signalled(
        *words, cwd=tmp_path, when=lambda: any(out.glob(moment)), number=number
    )
    assert status == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Traceback" not in said
    assert not out.exists()


def test_a_full_disk_ends_a_run_soon(tmp_path, monkeypatch):
    """Further products are neither computed nor copied."""
    listed, begun = repeated(observation(tmp_path), 12), []

    def full(_, to, *__):
        begun.append(to)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Exposure, "write_copy", full)
    with pytest.raises(
        OSError, match=r"p\d+_badpix_selfcal.fits: cannot be written: No space left"
    ):
        bps.selfcal(listed, output_dir=tmp_path / "out")
    assert len(begun) < 6
    assert not (tmp_path / "out").exists()


def test_no_warning_is_lost_while_other_threads_use_astropy(tmp_path):
    """Astropy's own warnings are suppressed, which affects all threads."""
    science = write(tmp_path / "science_rate.fits", sky(1))
    listed = repeated(associate(tmp_path / "asn.json", science), 4)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        bps.selfcal(listed, output_dir=tmp_path / "out", copy_skipped=True)
    assert [str(each.message).count("step skipped") for each in seen] == [1] * 4
