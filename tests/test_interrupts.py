"""Interrupts and errors at unfortunate moments; see also the attacks with signals at any moment."""

from __future__ import annotations

import json
import signal
import warnings
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.files.exposure import Exposure

from .commands import signalled
from .exposures import associate, observation, sky, write
from .pools import pool

LARGE = (1024, 1032)


def products(folder, count):
    """Write one association of several products that share an exposure."""
    shared = write(folder / "shared_rate.fits", sky(count))
    found = []
    for number in range(count):
        path = write(folder / f"{number}_rate.fits", sky(number))
        listed = associate(folder / "one_asn.json", path, selfcal=[shared], name=f"p{number}")
        found += json.loads(listed.read_text())["products"]
    (folder / "all_asn.json").write_text(json.dumps({"products": found}))
    return folder / "all_asn.json"


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
    listed, begun = products(tmp_path, 12), []

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


def test_a_batch_interrupted_at_a_copy_is_continued(tmp_path, monkeypatch):
    made = pool(tmp_path, detectors=("NRS1",), science=5)["NRS1"]
    out, usual = tmp_path / "out", Exposure.write_copy

    def interrupted(exposure, to: Path, *given):
        usual(exposure, to, *given)
        if exposure.path == made[2]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Exposure, "write_copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bps.batch(tmp_path, output_dir=out, save_mask=True)
    assert not [*out.glob(".*")]
    bps.batch(tmp_path, output_dir=out, save_mask=True, resume=True)
    bps.batch(tmp_path, output_dir=tmp_path / "expected", save_mask=True)
    names = [
        sorted(path.name for path in (tmp_path / each).iterdir()) for each in ("out", "expected")
    ]
    assert names[0] == names[1]


def test_no_warning_is_lost_while_other_threads_use_astropy(tmp_path):
    """Astropy's own warnings are suppressed, which affects all threads."""
    science = write(tmp_path / "science_rate.fits", sky(1))
    found = [
        json.loads(associate(tmp_path / "one.json", science, name=f"p{number}").read_text())
        for number in range(4)
    ]
    listed = tmp_path / "all_asn.json"
    listed.write_text(json.dumps({"products": [each["products"][0] for each in found]}))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        bps.selfcal(listed, output_dir=tmp_path / "out", copy_skipped=True)
    assert [str(each.message).count("step skipped") for each in seen] == [1] * 4
