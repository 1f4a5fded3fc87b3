"""Runs with masks that are stopped: nothing half written, and what is done is kept."""

from __future__ import annotations

import signal

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.cli.options import LEFT
from badpix_selfcal.files import published
from badpix_selfcal.step.products import MaskFile

from .commands import signalled
from .exposures import assert_equal_planes, observation
from .pools import pool

LARGE = (1024, 1032)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_while_its_mask_is_written_leaves_nothing(tmp_path, number):
    observation(tmp_path, shape=LARGE)
    out = tmp_path / "out"
    words = ("run", "x_asn.json", "--output-dir", "out", "--save-mask")
    status, said = signalled(
        *words, cwd=tmp_path, when=lambda: any(out.glob(".*mask*.part")), number=number
    )
    assert status == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "no output was written" in said
    assert not out.exists()


def test_a_batch_interrupted_at_its_mask_leaves_nothing_and_is_continued(tmp_path, monkeypatch):
    pool(tmp_path, detectors=("NRS1",))

    def interrupted(_, part, *__):
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(MaskFile, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bps.batch(tmp_path, output_dir=out, save_mask=True)
    assert not out.exists()
    result = bps.batch(tmp_path, output_dir=out, save_mask=True, resume=True)
    assert len(result.written) == 3
    assert bps.read_mask(result.groups[0].mask_files[1]).name == "NRS1"


def test_a_batch_interrupted_while_its_mask_is_published_says_what_is_left(
    tmp_path, monkeypatch, capsys
):
    pool(tmp_path, detectors=("NRS1",))
    add = published.add

    def interrupted(number):
        add(number)
        raise KeyboardInterrupt

    monkeypatch.setattr(published, "add", interrupted)
    words = ["batch", str(tmp_path), "--save-mask", "--output-dir", str(tmp_path / "out")]
    assert main([*words, "--threads", "1"]) == 130
    said = capsys.readouterr().err
    assert said == f"badpix-selfcal: interrupted; {LEFT}\n"


def test_a_batch_interrupted_after_its_mask_is_continued(tmp_path):
    pool(tmp_path, detectors=("NRS1",), science=5)
    out = tmp_path / "out"

    def interrupted(done, _):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bps.batch(tmp_path, output_dir=out, save_mask=True, workers=1, progress=interrupted)
    mask = out / "nrs1_badpix_selfcal_mask.fits"
    time = mask.stat().st_mtime_ns
    result = bps.batch(tmp_path, output_dir=out, save_mask=True, resume=True)
    assert result.statuses["KEPT"] >= 1
    assert result.statuses["KEPT"] + result.statuses["COMPLETE"] == 5
    assert mask.stat().st_mtime_ns == time
    again = bps.apply(mask, tmp_path, output_dir=tmp_path / "again")
    for each in result.exposures:
        (same,) = (path for path in again.written if path.name == each.output.name)
        assert_equal_planes(each.output, same)


def test_a_command_stopped_while_it_applies_leaves_whole_files(tmp_path):
    pool(tmp_path, detectors=("NRS1",), science=8, shape=LARGE, background=0)
    made = bps.batch(tmp_path, output_dir=tmp_path / "batch", save_mask=True)
    mask, out = made.groups[0].mask_files[1], tmp_path / "out"
    words = ("apply", mask, ".", "--output-dir", "out", "--workers", 1)

    def second() -> bool:  # one that has just appeared may be undone
        return len([*out.glob("*.fits")]) > 1

    status, said = signalled(*words, cwd=tmp_path, when=second)
    left = [*out.iterdir()]
    assert all(path.name.endswith("_badpix_selfcal.fits") for path in left)
    if status == 143:  # it was not too late
        assert "finished outputs are complete; --resume continues from there" in said
    result = bps.apply(mask, tmp_path, output_dir=out, resume=True)
    assert result.statuses["KEPT"] == len(left) > 0
    for each in made.exposures:
        assert_equal_planes(out / each.output.name, each.output)
