"""The command line as a process of its own, and signals to it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

# Where the tests run in the background, SIGINT may be ignored from the start.
CODE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from badpix_selfcal.cli import main
sys.exit(main(sys.argv[1:]))
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
