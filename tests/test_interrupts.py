"""Interrupts and errors at unfortunate moments."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal._interrupts import end_threads
from badpix_selfcal.cli import main
from badpix_selfcal.files.exposure import Exposure
from badpix_selfcal.files.outputs import Outputs

from .exposures import associate, observation, sky, write


def publish(folder, text="new", *, overwrite=False):
    with Outputs(folder, overwrite=overwrite) as outputs:
        for final in outputs.claim_all([*"abcdefgh"]):
            outputs.part(final).write_text(text)
        outputs.publish()


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_an_interrupt_after_the_last_rename_leaves_no_backups(tmp_path, monkeypatch):
    publish(tmp_path, "old")
    unlink = Path.unlink

    def interrupted(path, **how):
        if path.name.startswith(".a") and path.exists() and path.read_text() == "old":
            signal.raise_signal(signal.SIGINT)
        unlink(path, **how)

    monkeypatch.setattr(Path, "unlink", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        publish(tmp_path, overwrite=True)
    assert contents(tmp_path) == dict.fromkeys("abcdefgh", "new")
    assert caught.value.__notes__ == ["all outputs were written"]


def test_two_interrupts_while_files_are_moved(tmp_path, monkeypatch):
    link = os.link

    def slow(source, target, **how):
        link(source, target, **how)
        if Path(target).name == "c":
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)

    monkeypatch.setattr(os, "link", slow)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_command_interrupted_after_publishing_says_that_all_is_written(
    tmp_path, monkeypatch, capsys
):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "x_asn.json", "--output-dir", "out", "--save-flagged-bkg", "--overwrite"]
    assert main(arguments) == 0
    unlink = Path.unlink

    def interrupted(path, **how):
        unlink(path, **how)
        if path.name.startswith(".product_badpix_selfcal.fits"):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Path, "unlink", interrupted)
    assert main(arguments) == 130
    assert capsys.readouterr().err == "badpix-selfcal: interrupted; all outputs were written\n"


def test_a_full_disk_ends_a_run_soon(tmp_path, monkeypatch):
    """Further products are neither computed nor copied."""
    products = 12
    for number in range(products + 1):
        write(tmp_path / f"{number}_rate.fits", sky(number))
    lists = [
        associate(
            tmp_path / f"{number}_asn.json",
            f"{number}_rate.fits",
            selfcal=[f"{products}_rate.fits"],
            name=f"p{number}",
        )
        for number in range(products)
    ]
    joined = tmp_path / "joined_asn.json"
    joined.write_text(_joined(lists))
    written = []

    def full(_, to, *__):
        written.append(to)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Exposure, "write_copy", full)
    with pytest.raises(OSError, match="No space left"):
        bps.selfcal(joined, output_dir=tmp_path / "out")
    assert len(written) < products / 2
    assert not (tmp_path / "out").exists()


def _joined(lists):
    """Return one association with the products of several."""
    found = [json.loads(Path(path).read_text()) for path in lists]
    found[0]["products"] = [product for each in found for product in each["products"]]
    return json.dumps(found[0])


def test_no_warning_is_lost_while_another_thread_uses_astropy(tmp_path, monkeypatch):
    """Astropy's own warnings are suppressed, which affects all threads."""
    science = write(tmp_path / "science_rate.fits", sky(1))
    with fits.open(science, mode="update") as hdus:
        hdus[0].header.add_blank("")  # astropy writes this header
    tostring = fits.Header.tostring

    def slow(*arguments, **how):
        time.sleep(0.05)
        return tostring(*arguments, **how)

    monkeypatch.setattr(fits.Header, "tostring", slow)
    lone = [
        associate(tmp_path / f"{number}_asn.json", science.name, name=f"p{number}")
        for number in range(4)
    ]
    joined = tmp_path / "joined_asn.json"
    joined.write_text(_joined(lone))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        bps.selfcal(joined, output_dir=tmp_path / "out", copy_skipped=True)
    assert [str(each.message).count("step skipped") for each in found] == [1] * 4


def test_threads_end_before_a_further_interrupt_is_raised():
    threads, ended = ThreadPoolExecutor(1), []

    def work():
        for _ in range(2):
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        ended.append(threading.current_thread())

    threads.submit(work)
    with pytest.raises(KeyboardInterrupt):
        end_threads(threads)
    assert ended
