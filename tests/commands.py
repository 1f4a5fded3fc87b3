"""The command line as a process of its own, and signals to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

# Where the tests run in the background, SIGINT may be ignored from the start.
CODE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from badpix_selfcal.cli import main
sys.exit(main())
"""


def command(*arguments, cwd, **how):
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "badpix_selfcal", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **how,
    )


@dataclass(frozen=True)
class Played:
    """What a command line printed, standard error first, and its exit status."""

    text: str
    status: int


def shell(line: str, folder: Path, **variables: str) -> Played:
    """Run a line in a shell, as a user does, on a terminal of 80 columns."""
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80", "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Played(done.stderr + done.stdout, done.returncode)


def signalled(*arguments, cwd, when, number=signal.SIGTERM, again=False):
    """Run the command and send it a signal as soon as `when()` is true, once or repeatedly.

    Returns its exit status and what it printed to standard error.
    """
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not when() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(number)
        while again and process.poll() is None:
            process.send_signal(number)
            time.sleep(0.001)
        printed = process.communicate(timeout=120)[1]
    return process.returncode, printed
