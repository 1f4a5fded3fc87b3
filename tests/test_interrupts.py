"""Interrupts and errors at unfortunate moments."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal._interrupts import deferred, end_threads, shielded
from badpix_selfcal.cli import main
from badpix_selfcal.cli import run as run_module
from badpix_selfcal.cli.terminal import Terminated, orderly_termination
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


EARLY = """
import signal, sys

module = sys.argv.pop(1)

class Interrupting:
    def find_spec(self, name, *_):
        if name == module:
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
from badpix_selfcal.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["cli", "cli.run", "cli.terminal", "runs.selfcal", "runs.plan"])
def test_an_interrupt_while_modules_are_imported(tmp_path, module):
    observation(tmp_path)
    code = [sys.executable, "-c", EARLY, f"badpix_selfcal.{module}"]
    done = subprocess.run(
        [*code, "run", "x_asn.json", "--output-dir", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == "badpix-selfcal: interrupted; no output was written\n"
    assert (done.returncode, done.stdout) == (130, "")
    assert not (tmp_path / "out").exists()


WORDS = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}


@pytest.mark.parametrize("number", WORDS)
@pytest.mark.parametrize("moment", ["runs.selfcal._result", "cli.run._facts", "cli.run._text"])
def test_a_command_stopped_between_publishing_and_its_report(
    tmp_path, monkeypatch, capsys, number, moment
):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    status, word = WORDS[number]

    def stopped(*_):
        signal.raise_signal(number)

    module, _, name = moment.rpartition(".")
    monkeypatch.setattr(importlib.import_module(f"badpix_selfcal.{module}"), name, stopped)
    assert main(["run", "x_asn.json", "--output-dir", "out"]) == status
    said = f"badpix-selfcal: {word}; all outputs were written\n"
    assert capsys.readouterr() == ("", said)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["product_badpix_selfcal.fits"]


def test_a_command_stopped_while_its_report_is_printed_prints_it_once(
    tmp_path, monkeypatch, capsys
):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)

    class Stopping(dict):
        def items(self):
            signal.raise_signal(signal.SIGTERM)
            return super().items()

    dumps = json.dumps
    monkeypatch.setattr(json, "dumps", lambda facts, **how: dumps(Stopping(facts), **how))
    assert main(["run", "x_asn.json", "--json"]) == 143
    assert capsys.readouterr() == ("", "badpix-selfcal: terminated; all outputs were written\n")


def test_associations_of_several_folders_that_are_stopped_midway(tmp_path, monkeypatch, capsys):
    for name in "ab":
        (tmp_path / name).mkdir()
        write(tmp_path / name / f"{name}_rate.fits", sky(1))
    publish_one = Outputs.publish

    def stopped(outputs):
        publish_one(outputs)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Outputs, "publish", stopped)
    assert main(["associate", *(str(tmp_path / name) for name in "ab")]) == 143
    assert capsys.readouterr().err == (
        "badpix-selfcal: terminated; some associations were written; --overwrite replaces them\n"
    )
    assert [path.name for path in tmp_path.rglob("*.json")] == ["a_spec2_asn.json"]


@pytest.mark.parametrize("number", WORDS)
def test_a_signal_that_comes_within_a_destructor_is_not_lost(number):
    """Python drops an exception that is raised there."""
    received = []

    class Dropped:
        def __del__(self):
            received.append(number)
            signal.raise_signal(number)

    def work():
        Dropped()
        assert received == [number]
        time.sleep(30)

    with pytest.raises((KeyboardInterrupt, Terminated)), orderly_termination():
        work()


def test_shielded_work_is_done_once_although_its_start_is_interrupted(monkeypatch):
    start, begun, done = threading.Thread.start, [], []

    def interrupted(thread):
        begun.append(thread)
        start(thread)
        if len(begun) < 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shielded(lambda: done.append(time.sleep(0.2)))
    assert done == [None]


def test_shielded_work_is_done_without_a_thread(monkeypatch):
    def none_left(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert shielded(lambda: 7) == 7


def test_an_interrupt_that_a_module_turns_into_another_error(tmp_path, monkeypatch, capsys):
    """NumPy does so while it is imported."""
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)

    def turned(*_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException as error:
            raise ImportError("PLEASE READ THIS") from error

    monkeypatch.setattr(run_module, "num_threads", turned)
    assert main(["run", "x_asn.json"]) == 143
    assert capsys.readouterr().err == "badpix-selfcal: terminated; no output was written\n"


def test_an_interrupt_that_a_destructor_loses_at_the_end_has_no_traceback():
    code = """
import signal
from badpix_selfcal.cli.terminal import orderly_termination

class Last:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

with orderly_termination(is_process=True):
    last = Last()
    del last
    print("done", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "done\n", "")


@pytest.mark.parametrize("moment", range(0, 90, 3))
def test_an_interrupt_in_the_locks_of_the_standard_library_stops_no_thread(moment):
    """The signal comes after so many lines of the modules that have the locks."""
    code = """
import concurrent.futures, signal, sys, threading, time
from badpix_selfcal._interrupts import first_of, result_of, shielded, submitted, threads

files = {concurrent.futures.thread.__file__, concurrent.futures._base.__file__, threading.__file__}
left = int(sys.argv[1])

def count(frame, event, _):
    global left
    if frame.f_code.co_filename not in files:
        return None
    left -= 1
    if left == 0:
        sys.settrace(None)
        signal.raise_signal(signal.SIGINT)
    return count

try:
    with threads(2) as executor:
        sys.settrace(count)
        calls = [submitted(executor, time.sleep, 0.01) for _ in range(6)]
        first_of(calls)
        result_of(calls[0])
        shielded(lambda: time.sleep(0.01))
        sys.settrace(None)
        print("none")
except KeyboardInterrupt:
    print("interrupted")
"""
    words = [sys.executable, "-c", code, str(4 * moment + 1)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)


def test_interrupts_that_are_held_back_come_in_the_end():
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with pytest.raises(KeyboardInterrupt), deferred():  # noqa: PT012 - the end is reached
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            received.append("the end")
        assert received == ["the end"]
        with deferred():
            signal.raise_signal(signal.SIGTERM)
        assert received == ["the end", signal.SIGTERM]
        signal.raise_signal(signal.SIGTERM)
        assert received == ["the end", signal.SIGTERM, signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
