"""Reports and messages that cannot be printed: what is written does not change."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

from .exposures import observation

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110

RUN = "run x_asn.json --output-dir out --save-flagged-bkg"
BATCH = "batch . --output-dir out"
WARNING = "run sci0_rate.fits --output-dir out --copy-skipped"


def shell(line, cwd):
    """Run a command with redirections; return its status, standard output and standard error."""
    program = f"{shlex.quote(sys.executable)} -m badpix_selfcal {line}"
    done = subprocess.run(
        ["bash", "-c", program], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def here(tmp_path):
    observation(tmp_path)
    return tmp_path


def written(folder):
    return sorted(path.name for path in (folder / "out").iterdir())


@pytest.mark.parametrize("how", [">&-", "> /dev/full", "--json >&-", "--json > /dev/full"])
@pytest.mark.parametrize(("line", "outputs"), [(RUN, 3), (BATCH, 5)])
def test_a_report_that_cannot_be_printed(here, line, outputs, how):
    status, _, error = shell(f"{line} {how}", here)
    why = "it is closed" if "&-" in how else "No space left on device"
    assert error == (f"badpix-selfcal: error: the report could not be printed (stdout: {why})\n")
    assert status == 1
    assert len(written(here)) == outputs


@pytest.mark.parametrize("how", ["2>&-", "2> /dev/full", ">&- 2>&-", "> /dev/full 2> /dev/full"])
@pytest.mark.parametrize("line", [RUN, BATCH])
def test_without_messages_a_closed_standard_error_is_no_problem(here, line, how):
    status, printed, _ = shell(f"{line} {how}", here)
    is_printed = how.startswith("2")
    assert (status, bool(printed)) == (0 if is_printed else 1, is_printed)
    assert "Traceback" not in printed
    assert written(here)


@pytest.mark.parametrize(("how", "why"), [("2>&-", "it is closed"), ("2> /dev/full", "No space")])
def test_a_warning_that_cannot_be_printed(here, how, why):
    status, printed, _ = shell(f"{WARNING} {how}", here)
    assert status == 1
    *_, last = printed.splitlines()
    assert last.startswith("badpix-selfcal: error: messages could not be printed (stderr: ")
    assert why in last
    assert written(here) == ["sci0_badpix_selfcal.fits"]
    status, printed, _ = shell(f"{WARNING} --overwrite --json {how}", here)
    report = json.loads(printed)
    assert status == report["exit_status"] == 1
    assert why in report["errors"][0]


def test_all_that_is_printed_fails_and_the_status_says_so(here):
    status, _, _ = shell(f"{WARNING} -v > /dev/full 2> /dev/full", here)
    assert status == 1
    assert written(here) == ["sci0_badpix_selfcal.fits"]


def test_an_error_keeps_its_status(here):
    assert shell("run nowhere.fits > /dev/full 2> /dev/full", here)[0] == 1
    assert shell("run --wrong > /dev/full 2>&-", here)[0] == 2


@pytest.mark.parametrize("page", ["--help", "run --help", "--version", "help options"])
def test_a_help_page_that_cannot_be_printed(here, page):
    status, _, error = shell(f"{page} > /dev/full", here)
    assert status == 1
    assert error == (
        "badpix-selfcal: error: the report could not be printed (stdout: No space left on device)\n"
    )


def test_a_reader_that_has_gone_wants_no_more(here):
    status, printed, _ = shell(f"{BATCH} -v 2>&1 | true; exit ${{PIPESTATUS[0]}}", here)
    assert (status, printed) == (0, "")
    assert len(written(here)) == 5
    status, _, error = shell("help options | true; exit ${PIPESTATUS[0]}", here)
    assert (status, error) == (0, "")


def test_no_output_gets_the_number_of_a_closed_stream(here):
    """The system's own messages would end up in it."""
    code = (
        "import os, sys; from badpix_selfcal.cli import main; main(sys.argv[1:]); "
        "sys.exit([os.readlink(f'/proc/self/fd/{n}') for n in range(3)] != 3 * ['/dev/null'])"
    )
    if not os.path.exists("/proc/self/fd"):  # noqa: PTH110
        pytest.skip("there is no /proc")
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {RUN} <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", line], cwd=here, check=False, timeout=120)
    assert done.returncode == 0
