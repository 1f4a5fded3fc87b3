"""Ctrl-C and SIGTERM: the exit status, what is said, and what there is afterwards.

The attacks send signals at any moment, and look at all outputs.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.cli.commands import Command
from badpix_selfcal.files.exposure import Exposure

from .commands import command, signalled
from .exposures import associate, observation, products, sky, write

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM")

WORDS = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}
COMPLETE = "outputs that are there are complete"


@pytest.fixture
def here(tmp_path, monkeypatch):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def slow_run(tmp_path, slow_exposure):
    """The arguments of a run that flags five exposures, whose copies take some time."""
    arguments = ["run", "science_rate.fits.gz", "--output-dir", "out", "--save-flagged-bkg"]
    shutil.copy(slow_exposure, tmp_path / "science_rate.fits.gz")
    for number in range(4):
        name = f"bkg{number}_rate.fits.gz"
        shutil.copy(slow_exposure, tmp_path / name)
        arguments += ["--background", name]
    return arguments


def names(folder):
    """Return the names of the files in a folder, without hidden parts."""
    found = folder.iterdir() if folder.exists() else ()
    return sorted(path.name for path in found if not path.name.startswith("."))


@pytest.mark.parametrize("number", WORDS)
@pytest.mark.parametrize("again", [False, True], ids=["one signal", "several"])
def test_a_stopped_run_writes_nothing(tmp_path, slow_run, number, again):
    out, (status, word) = tmp_path / "out", WORDS[number]
    stopped, printed = signalled(
        *slow_run, cwd=tmp_path, when=lambda: any(out.glob(".*")), number=number, again=again
    )
    assert stopped == status
    assert "Traceback" not in printed
    assert again or printed.endswith(f"badpix-selfcal: {word}; {COMPLETE}\n")  # after a warning
    assert names(out) == []
    if again:
        assert command(*slow_run, "--quiet", cwd=tmp_path).returncode == 0  # parts are replaced
        assert len([*out.iterdir()]) == 5


STUCK = """
import sys, time
from badpix_selfcal.cli import main, terminal
from badpix_selfcal.cli.commands import Command

def stuck(*_):
    print("begun", flush=True)
    for _ in range(60):
        try:
            time.sleep(1)
        except BaseException:
            pass

terminal.GRACE = 0.5
Command.__call__ = stuck
sys.argv = ["badpix-selfcal", "run", "x"]
sys.exit(main())
"""


@pytest.mark.parametrize("number", WORDS)
def test_a_command_that_does_not_end_is_ended(number):
    code = f"import signal; signal.signal(2, signal.default_int_handler)\n{STUCK}"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        start = time.monotonic()
        process.send_signal(number)
        _, printed = process.communicate(timeout=60)
    assert time.monotonic() - start < 5
    status, word = WORDS[number]
    assert process.returncode == status
    assert printed in ("", f"badpix-selfcal: {word}; {COMPLETE}\n")


def test_a_terminated_batch_leaves_whole_files_and_can_be_resumed(tmp_path, slow_exposure):
    exposures = [
        shutil.copy(slow_exposure, tmp_path / f"sci{number}_rate.fits.gz") for number in range(5)
    ]
    run = ["batch", *exposures, "--output-dir", "out", "--workers", "1"]
    out = tmp_path / "out"
    status, printed = signalled(*run, cwd=tmp_path, when=lambda: len([*out.glob("*.fits")]) > 1)
    assert status == 143
    assert printed.endswith(  # after a warning: all exposures are copies of one
        f"badpix-selfcal: terminated; {COMPLETE}; --resume continues from there\n"
    )
    left = {*names(out)}
    assert 1 <= len(left) < 5
    assert all(name.endswith("_badpix_selfcal.fits") for name in left)
    done = command(*run, "--resume", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)["exposures"]
    kept = {Path(each["output"]).name for each in report if each["status"] == "KEPT"}
    assert kept == left
    assert [each["status"] for each in report].count("COMPLETE") == 5 - len(left)


def test_a_handler_of_the_caller_is_left_alone(here):
    received = []

    def terminate():
        while not (here / "out").exists():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: received.append(1))
    thread = threading.Thread(target=terminate)
    try:
        thread.start()
        assert main(["run", "x_asn.json", "--output-dir", "out"]) == 0
        thread.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [1]


EARLY = """
import signal, sys

module, number = sys.argv.pop(1), int(sys.argv.pop(1))

class Interrupting:
    def find_spec(self, name, *_):
        if name == module:
            signal.raise_signal(number)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
from badpix_selfcal.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", WORDS)
@pytest.mark.parametrize("module", ["cli", "cli.commands", "step.selfcal"])
def test_a_signal_while_modules_are_imported(here, module, number):
    done = subprocess.run(
        [sys.executable, "-c", EARLY, f"badpix_selfcal.{module}", str(number), "run", "x_asn.json"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    status, word = WORDS[number]
    assert done.stderr == f"badpix-selfcal: {word}; {COMPLETE}\n"
    assert (done.returncode, done.stdout) == (status, "")
    assert not list(here.glob("*_badpix_selfcal.fits"))


IN_DESTRUCTOR = """
import signal, sys, time
from badpix_selfcal.cli import main
from badpix_selfcal.cli.commands import Command

class Interrupting:
    def __del__(self):
        signal.raise_signal(number)

def interrupted(*_):
    Interrupting()
    time.sleep(30)

signal.signal(signal.SIGINT, signal.default_int_handler)
number = int(sys.argv.pop(1))
Command.__call__ = interrupted
sys.argv = ["badpix-selfcal", "run", "x"]
sys.exit(main())
"""


@pytest.mark.parametrize("number", WORDS)
def test_a_signal_where_python_ignores_exceptions(number):
    run = [sys.executable, "-c", IN_DESTRUCTOR, str(number)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=25)
    status, word = WORDS[number]
    assert (done.returncode, done.stderr) == (status, f"badpix-selfcal: {word}; {COMPLETE}\n")


LATE = """
import atexit, signal, sys

class Last:
    def __del__(self, signal=signal):
        signal.raise_signal(number)

signal.signal(signal.SIGINT, signal.default_int_handler)
number, moment = int(sys.argv.pop(1)), sys.argv.pop(1)
if moment == "the last function":
    atexit.register(signal.raise_signal, number)
if moment == "the end of modules":
    sys.modules["last"] = Last()
from badpix_selfcal.__main__ import main
status = main()
if moment == "the first function":
    atexit.register(signal.raise_signal, number)
if moment == "at once":
    signal.raise_signal(number)
sys.exit(status)
"""


@pytest.mark.parametrize("number", WORDS)
@pytest.mark.parametrize("words", ["--version", "no-command"])
@pytest.mark.parametrize(
    "moment", ["at once", "the first function", "the last function", "the end of modules"]
)
def test_a_signal_after_the_command_leaves_its_status(moment, words, number, tmp_path):
    run, how = [sys.executable, "-c", LATE, str(number), moment, words], {"text": True}
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, check=False, timeout=60, **how)
    expected = command(words, cwd=tmp_path)
    assert done.returncode == expected.returncode == (0 if words == "--version" else 2)
    assert (done.stdout, done.stderr) == (expected.stdout, expected.stderr)


@pytest.mark.parametrize("number", WORDS)
def test_a_command_stopped_before_its_report_prints_it_once(here, monkeypatch, capsys, number):
    run = Command.__call__

    def stopped(*given):
        run(*given)
        signal.raise_signal(number)

    monkeypatch.setattr(Command, "__call__", stopped)
    status, word = WORDS[number]
    said = f"{word}; {COMPLETE}"
    assert main(["run", "x_asn.json", "--output-dir", "out", "--json"]) == status
    printed = capsys.readouterr()
    assert printed.err == f"badpix-selfcal: {said}\n"
    report = json.loads(printed.out)
    assert (report["exit_status"], report["errors"]) == (status, [said])
    assert names(here / "out") == ["product_badpix_selfcal.fits"]


def test_an_interrupt_that_a_module_turns_into_another_error(here, monkeypatch, capsys):
    """NumPy does so while it is imported."""

    def turned(*_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException as error:
            raise ImportError("PLEASE READ THIS") from error

    monkeypatch.setattr(Command, "__call__", turned)
    assert main(["run", "x_asn.json"]) == 143
    assert capsys.readouterr().err == f"badpix-selfcal: terminated; {COMPLETE}\n"
    assert not list(here.glob("*_badpix_selfcal.fits"))


# Other errors at unfortunate moments


def repeated(association, count):
    """Let an association list its product several times."""

    def repeat(those):
        those[:] = [{**those[0], "name": f"p{number}"} for number in range(count)]

    return products(association, repeat)


def test_a_full_disk_ends_a_run_soon(tmp_path, monkeypatch):
    """Further products are neither computed nor copied."""
    listed, begun = repeated(observation(tmp_path), 12), []

    def full(_, to, *__):
        begun.append(to)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Exposure, "write_copy", full)
    with pytest.raises(OSError, match=r"p\d+_badpix_selfcal.fits: cannot be written: No space"):
        bps.selfcal(listed, output_dir=tmp_path / "out")
    assert len(begun) < 6
    assert not (tmp_path / "out").exists()


def test_no_warning_is_lost_while_other_threads_use_astropy(tmp_path):
    """Astropy's own warnings are suppressed, which affects all threads."""
    science = write(tmp_path / "science_rate.fits", sky(1))
    listed = repeated(associate(tmp_path / "x_asn.json", science), 4)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        bps.selfcal(listed, output_dir=tmp_path / "out", copy_skipped=True)
    assert [str(each.message).count("step skipped") for each in seen] == [1] * 4
